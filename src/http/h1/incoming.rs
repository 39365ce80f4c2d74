//! A caller's request on its own connection: its body as it arrives, and what may be said before the reply.

use super::chunks::{Decoded, Decoder};
use super::framing::Framing;
use super::reply;
use crate::http::body::CutOff;
use crate::http::wire::Wire;
use crate::model::Fields;
use bytes::Bytes;
use http::{StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A caller's connection as its server and the body of its present request share it.
pub struct Shared {
    pub wire: Wire,
    pub body: Decoder,
    /// `100 Continue` is waited for, and said once somebody wants the body.
    pub continue_wanted: bool,
    /// The body broke off, or its framing did: nothing after it can be read.
    pub broken: bool,
}

impl Shared {
    pub fn new(wire: Wire) -> Shared {
        Shared { wire, body: Decoder::new(Framing::Empty), continue_wanted: false, broken: false }
    }

    /// The next part of the present request's body.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded, CutOff>> {
        if self.continue_wanted {
            self.continue_wanted = false;
            // Who sends without waiting needs no word.
            if self.wire.inbox.is_empty() && self.wire.outbox.has_room() {
                self.wire.outbox.gather().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                // What does not leave now goes with the reply.
                let _ = self.wire.poll_write_out(cx);
            }
        }
        loop {
            match self.body.decode(&mut self.wire.inbox) {
                Ok(Decoded::More) => {}
                Ok(part) => return Poll::Ready(Ok(part)),
                Err(_) => return Poll::Ready(Err(self.broke_off())),
            }
            match ready!(self.wire.poll_read_body(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(Err(self.broke_off())),
            }
        }
    }

    /// Whether the present body is over, or may be after `most` bytes more. Who still waits for `100 Continue` may send it
    /// or not: nobody can tell what comes next.
    pub fn can_end(&self, most: u64) -> bool {
        !self.broken && !self.continue_wanted && self.body.left().is_none_or(|left| left <= most)
    }

    /// Whether the caller may be in the middle of something that nobody reads.
    pub fn may_still_send(&self) -> bool {
        self.broken || !self.body.is_done() || !self.wire.inbox.is_empty()
    }

    fn broke_off(&mut self) -> CutOff {
        self.broken = true;
        CutOff
    }
}

/// The body of a caller's request.
pub struct Incoming {
    shared: Rc<RefCell<Shared>>,
}

impl Incoming {
    pub fn new(shared: Rc<RefCell<Shared>>) -> Incoming {
        Incoming { shared }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let decoded = ready!(self.shared.borrow_mut().poll_body(cx));
        Poll::Ready(match decoded {
            Ok(Decoded::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Decoded::Trailers(fields)) => Some(Ok(Frame::trailers(fields))),
            Ok(Decoded::End | Decoded::More) => None,
            Err(cut) => Some(Err(cut)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.shared.borrow().body.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.shared.borrow().body.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Passes on what an upstream says before its reply (103 Early Hints, 102 Processing).
pub struct Early {
    shared: Rc<RefCell<Shared>>,
    version: Version,
}

impl Early {
    pub fn new(shared: Rc<RefCell<Shared>>, version: Version) -> Early {
        Early { shared, version }
    }

    /// Says it, unless the caller is slow to take what was said before: such words may be lost.
    pub fn say(&self, status: StatusCode, fields: &Fields) {
        let mut shared = self.shared.borrow_mut();
        // HTTP/1.0 knew none.
        if shared.wire.outbox.has_room() && self.version == Version::HTTP_11 {
            reply::informational(shared.wire.outbox.gather(), status, fields);
        }
    }
}
