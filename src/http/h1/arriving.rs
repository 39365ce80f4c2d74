//! A request's head on its way in.

use super::feeds::Feeds;
use super::head::{self, Flaw, Limits, Scanner};
use crate::http::wire::{Wire, taken};
use crate::model::{Denial, RequestHead};
use bytes::Buf;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// What came.
pub enum Arrived {
    /// A head; a flaw of it says why it is refused.
    Request,
    /// The caller has left, or says nothing.
    Nobody,
}

/// A head on its way in.
#[derive(Default)]
pub struct Arriving {
    scanner: Scanner,
    feeds: Feeds,
    /// When its first byte came, if the rest had to be waited for.
    pub begun: Option<Instant>,
    /// One empty line before it was skipped.
    skipped: bool,
}

impl Arriving {
    /// Reads until a head is whole, into `into`, or something else is clear. `None`: the caller has to be waited for.
    pub fn read(
        &mut self,
        wire: &mut Wire,
        limits: Limits,
        into: &mut RequestHead,
        cx: &mut Context<'_>,
    ) -> Option<Arrived> {
        loop {
            // Some clients append an empty line to a request (RFC 9112, section 2.2); it begins none.
            if !self.skipped && wire.inbox.starts_with(b"\r\n") {
                wire.inbox.advance(2);
                *self = Arriving { skipped: true, ..Arriving::default() };
            }
            if !wire.inbox.is_empty() {
                match self.scanner.scan(&wire.inbox, limits, &mut self.feeds) {
                    Ok(None) => {}
                    Ok(Some(end)) => {
                        let head = taken(&mut wire.inbox, end);
                        into.flaw = head::read(&head, &self.feeds, into).err().map(Box::new);
                        return Some(Arrived::Request);
                    }
                    Err(flaw) => return Some(unreadable(refusal(flaw, limits), into)),
                }
            }
            match wire.poll_read_head(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if !wire.inbox.is_empty() => {
                    let broke_off = Denial::BadRequest("the connection ended within a head");
                    return Some(unreadable(broke_off, into));
                }
                Poll::Ready(_) => return Some(Arrived::Nobody),
                Poll::Pending => {
                    // Most heads come whole, and need no clock.
                    if !wire.inbox.is_empty() {
                        self.begun.get_or_insert_with(Instant::now);
                    }
                    return None;
                }
            }
        }
    }
}

/// A head of which nothing could be read.
pub fn unreadable(why: Denial, into: &mut RequestHead) -> Arrived {
    head::unreadable(into);
    into.flaw = Some(Box::new(why));
    Arrived::Request
}

fn refusal(flaw: Flaw, limits: Limits) -> Denial {
    match flaw {
        Flaw::BareLineFeed => Denial::BadRequest("a line of the head does not end in CRLF"),
        Flaw::LineTooLong => Denial::UriTooLong { limit: limits.uri as u64 },
        Flaw::TooLong => Denial::HeadTooLarge("more bytes than max_head"),
    }
}
