//! A request's head on its way in.

use super::head::{self, Broken, Flaw, Limits, Scanner};
use super::wire::Wire;
use crate::model::Denial;
use bytes::Buf;
use http::request::Parts;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// What came.
#[expect(clippy::large_enum_variant, reason = "moved once; a box would be an allocation for every request")]
pub enum Arrived {
    /// A head that could be read.
    Request(Parts),
    /// One that could not.
    Broken(Broken),
    /// The caller has left, or says nothing.
    Nobody,
}

/// A head on its way in.
#[derive(Default)]
pub struct Arriving {
    scanner: Scanner,
    /// When its first byte came.
    pub begun: Option<Instant>,
    /// One empty line before it was skipped.
    skipped: bool,
}

impl Arriving {
    /// Reads until the head is whole, or something else is clear. `None`: the caller has to be waited for.
    pub fn read(&mut self, wire: &mut Wire, limits: Limits, cx: &mut Context<'_>) -> Option<Arrived> {
        loop {
            // Some clients append an empty line to a request (RFC 9112, section 2.2); it begins none.
            if !self.skipped && wire.inbox.starts_with(b"\r\n") {
                wire.inbox.advance(2);
                *self = Arriving { skipped: true, ..Arriving::default() };
            }
            if !wire.inbox.is_empty() {
                self.begun.get_or_insert_with(Instant::now);
                match self.scanner.scan(&wire.inbox, limits) {
                    Ok(None) => {}
                    Ok(Some(end)) => {
                        let head = wire.inbox.split_to(end).freeze();
                        return Some(head::request(&head).map_or_else(Arrived::Broken, Arrived::Request));
                    }
                    Err(flaw) => return Some(Arrived::Broken(head::unreadable(refusal(flaw, limits)))),
                }
            }
            match wire.poll_read_head(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if self.begun.is_some() => {
                    let broke_off = Denial::BadRequest("the connection ended within a head");
                    return Some(Arrived::Broken(head::unreadable(broke_off)));
                }
                Poll::Ready(_) => return Some(Arrived::Nobody),
                Poll::Pending => return None,
            }
        }
    }
}

fn refusal(flaw: Flaw, limits: Limits) -> Denial {
    match flaw {
        Flaw::BareLineFeed => Denial::BadRequest("a line of the head does not end in CRLF"),
        Flaw::LineTooLong => Denial::UriTooLong { limit: limits.uri as u64 },
        Flaw::TooLong => Denial::HeadTooLarge("more bytes than max_head"),
    }
}
