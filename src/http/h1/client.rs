//! One exchange with an upstream over HTTP/1: the request leaves while the reply is awaited, in the task of the request
//! itself, and whatever the upstream sends is read as strictly as what callers send.

use super::chunks::{Decoded, Decoder};
use super::feeds::Feeds;
use super::framing;
use super::head::{self, Limits, ReplyHead, Scanner};
use super::reply::{Sending, names};
use super::request;
use crate::http::body::{CutOff, waited};
use crate::http::wire::{Wire, taken};
use crate::model::{Fields, RequestHead};
use crate::net::clock::Clock;
use crate::net::stream::Stream;
use bytes::{Bytes, BytesMut};
use http::header::CONNECTION;
use http::{Method, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Longest reply head, and most fields in it.
const LIMITS: Limits = Limits { head: 64 * 1024, uri: 64 * 1024 };
const MOST_FIELDS: usize = 256;
/// Heads before the reply's own. Nobody has as much to say.
const MOST_INFORMATIONAL: u8 = 16;

/// A connection to an upstream on which nothing is under way.
pub struct Idle<B>(Box<State<B>>);

impl<B> Idle<B> {
    pub fn new(stream: Stream) -> Idle<B> {
        Idle(Box::new(State {
            wire: Wire::new(stream),
            clock: None,
            upload: None,
            sending: Sending::Nothing,
            deaf: None,
            patience: Duration::ZERO,
            slow: None,
            scanner: Scanner::default(),
            feeds: Feeds::default(),
            informational: 0,
            reply: Decoder::new(framing::Framing::Empty),
            method: Method::default(),
            keep: false,
            switched: false,
        }))
    }

    /// Whether it can be used: not closed, and nothing was said that nobody asked for.
    pub fn is_open(&mut self) -> bool {
        self.0.wire.is_quiet()
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub enum Failure {
    /// The connection was closed; `silent`: before a byte of a reply.
    Closed { error: io::Error, silent: bool },
    /// What the upstream said is no reply.
    Protocol(&'static str),
    /// The caller's body broke off; how is told by its upload.
    Upload,
    /// The upstream took nothing of the body for too long.
    NotTaken,
}

/// An exchange under way: the request's body on its way out, the reply on its way in.
pub struct Exchange<B>(Box<State<B>>);

/// A connection and what is under way on it. It stays in its place while requests come and go.
struct State<B> {
    wire: Wire,
    /// Armed now and then, not with every request.
    clock: Option<Clock>,
    /// What is left to be sent.
    upload: Option<B>,
    sending: Sending,
    /// Nothing more can be written; what the upstream said before it stopped listening still counts.
    deaf: Option<io::Error>,
    /// For so long the upstream may take nothing.
    patience: Duration,
    slow: Option<Pin<Box<Sleep>>>,
    scanner: Scanner,
    feeds: Feeds,
    /// How many heads came before the reply's own.
    informational: u8,
    reply: Decoder,
    method: Method,
    keep: bool,
    switched: bool,
}

impl<B: Body<Data = Bytes, Error = CutOff> + Unpin> Exchange<B> {
    /// Begins: the head is ready to be written, with as much of the body as is there.
    pub fn begin(idle: Idle<B>, parts: &RequestHead, body: B, patience: Duration) -> Exchange<B> {
        let Idle(mut state) = idle;
        let hint = if body.is_end_stream() { SizeHint::with_exact(0) } else { body.size_hint() };
        let out = state.wire.outbox.gather();
        state.sending = request::head(out, &parts.method, &parts.uri, &parts.headers, &hint);
        // Of nothing nothing is left: the lines of memory where it would lie stay cold.
        state.upload = Some(body).filter(|body| !body.is_end_stream());
        state.patience = patience;
        state.scanner = Scanner::default();
        state.feeds.clear();
        state.informational = 0;
        state.method.clone_from(&parts.method);
        Exchange(state)
    }

    /// Waits for the reply's head. What comes before it goes to `informational`; a 101 is a reply as well.
    pub fn poll_head(
        &mut self,
        informational: &mut impl FnMut(StatusCode, Fields),
        cx: &mut Context<'_>,
    ) -> Poll<Result<ReplyHead, Failure>> {
        if let Poll::Ready(Err(failure)) = self.poll_upload(cx) {
            return Poll::Ready(Err(failure));
        }
        loop {
            let state = &mut *self.0;
            if !may_begin_reply(&state.wire.inbox) {
                return Poll::Ready(Err(Failure::Protocol("the reply does not begin with HTTP/1")));
            }
            let end = match state.scanner.scan(&state.wire.inbox, LIMITS, &mut state.feeds) {
                Ok(Some(end)) => end,
                Ok(None) => match ready!(self.poll_read(cx))? {
                    0 => return Poll::Ready(Err(self.closed(io::ErrorKind::UnexpectedEof.into()))),
                    _ => continue,
                },
                Err(_) => return Poll::Ready(Err(Failure::Protocol("a head too long, or a line without CRLF"))),
            };
            let head = taken(&mut state.wire.inbox, end);
            state.scanner = Scanner::default();
            let read = head::reply(&head, &state.feeds);
            state.feeds.clear();
            let head = read.map_err(Failure::Protocol)?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(self.accept(&head).map(|()| head).map_err(Failure::Protocol));
            }
            state.informational += 1;
            if state.informational > MOST_INFORMATIONAL {
                return Poll::Ready(Err(Failure::Protocol("informational replies without end")));
            }
            // Ours was said when the body was wanted.
            if head.status != StatusCode::CONTINUE {
                informational(head.status, head.fields);
            }
        }
    }

    /// Whether `deadline` has passed; if not, the task is woken when it has.
    pub fn is_past(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        let clock = self.0.clock.get_or_insert_with(|| Clock::new(deadline.saturating_duration_since(Instant::now())));
        clock.is_past(deadline, cx)
    }

    /// Takes note of how the reply's body ends, and whether the connection can be used again.
    fn accept(&mut self, head: &ReplyHead) -> Result<(), &'static str> {
        if head.fields.len() > MOST_FIELDS {
            return Err("too many fields");
        }
        let framing = framing::of_reply(&self.0.method, head.status, head.version, &head.fields)?;
        self.0.reply = Decoder::new(framing);
        self.0.switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let said = |token| names(&head.fields, &CONNECTION, token);
        self.0.keep = match head.version {
            Version::HTTP_10 => said("keep-alive") && !said("close"),
            _ => !said("close"),
        };
        self.0.keep &= framing != framing::Framing::UntilClose;
        Ok(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Failure>> {
        self.0.wire.poll_read_body(cx).map_err(|error| self.closed(error))
    }

    /// The connection has ended without a reply; an earlier error while writing tells more of the reason.
    fn closed(&mut self, error: io::Error) -> Failure {
        Failure::Closed {
            error: self.0.deaf.take().unwrap_or(error),
            silent: self.0.informational == 0 && self.0.wire.inbox.is_empty(),
        }
    }

    /// Sends what is left of the request. Ready once all is gone, or can go no more.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            if self.0.deaf.is_some() {
                return Poll::Ready(Ok(()));
            }
            if self.0.upload.is_none() || !self.0.wire.outbox.has_room() {
                ready!(self.poll_written(cx))?;
                if self.0.upload.is_none() {
                    return Poll::Ready(Ok(()));
                }
            }
            let Some(body) = &mut self.0.upload else { continue };
            if body.is_end_stream() {
                self.end(None)?;
                continue;
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(part) => self.0.sending.part(&mut self.0.wire.outbox, part).map_err(|_| Failure::Upload)?,
                    Err(frame) => self.end(frame.trailers_ref())?,
                },
                Poll::Ready(None) => self.end(None)?,
                Poll::Ready(Some(Err(CutOff))) => {
                    // Nothing may follow that looks like the body's end.
                    self.0.deaf = Some(io::ErrorKind::ConnectionAborted.into());
                    return Poll::Ready(Err(Failure::Upload));
                }
                Poll::Pending => {
                    if let Poll::Ready(Err(failure)) = self.poll_written(cx) {
                        return Poll::Ready(Err(failure));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn end(&mut self, trailers: Option<&http::HeaderMap>) -> Result<(), Failure> {
        self.0.upload = None;
        self.0.sending.end(&mut self.0.wire.outbox, trailers).map_err(|_| Failure::Upload)
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let before = self.0.wire.sent;
        match self.0.wire.poll_write_out(cx) {
            Poll::Ready(Ok(())) => self.0.slow = None,
            Poll::Ready(Err(error)) => self.0.deaf = Some(error),
            Poll::Pending => {
                if self.0.wire.sent > before {
                    self.0.slow = None;
                }
                if waited(&mut self.0.slow, self.0.patience, cx) {
                    return Poll::Ready(Err(Failure::NotTaken));
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The next part of the reply's body; `None` at its end. What is left of the request goes on leaving meanwhile.
    pub fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if let Poll::Ready(Err(_)) = self.poll_upload(cx) {
            return Poll::Ready(Some(Err(CutOff)));
        }
        loop {
            match self.0.reply.decode(&mut self.0.wire.inbox) {
                Ok(Decoded::Data(part)) => return Poll::Ready(Some(Ok(Frame::data(part)))),
                Ok(Decoded::Trailers(fields)) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::More) => {}
                Err(_) => return Poll::Ready(Some(Err(CutOff))),
            }
            match ready!(self.0.wire.poll_read_body(cx)) {
                Ok(1..) => {}
                Ok(0) if self.0.reply.connection_ended() => return Poll::Ready(None),
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(CutOff))),
            }
        }
    }

    /// Whether the reply was read to its end.
    pub fn is_whole(&self) -> bool {
        self.0.reply.is_done()
    }

    /// Whether the reply was a 101: what follows is no HTTP.
    pub fn has_switched(&self) -> bool {
        self.0.switched
    }

    /// What is left of the reply's body.
    pub fn size_hint(&self) -> SizeHint {
        self.0.reply.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// The connection, if another exchange may follow on it: both messages are whole, and nothing is left over.
    pub fn into_idle(mut self) -> Option<Idle<B>> {
        let usable = self.0.keep
            && self.0.reply.is_done()
            && self.0.upload.is_none()
            && self.0.deaf.is_none()
            && self.0.wire.outbox.is_empty()
            && self.0.wire.inbox.is_empty();
        self.0.wire.rest();
        usable.then_some(Idle(self.0))
    }

    /// After a 101: the stream, and what was read of it beyond the head.
    pub fn into_stream(self) -> (Stream, BytesMut) {
        self.0.wire.into_parts()
    }
}

/// Whether so much can be the beginning of a reply: what speaks another protocol may never end a line.
fn may_begin_reply(bytes: &[u8]) -> bool {
    const BEGIN: &[u8; 7] = b"HTTP/1.";
    match bytes.first_chunk() {
        Some(begin) => begin == BEGIN,
        // Not as slices: to compare nothing, which is what there is at first, is dear where it lies at no address.
        None => bytes.iter().zip(BEGIN).all(|(one, other)| one == other),
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
