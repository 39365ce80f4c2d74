//! The body of a caller's request, as it is asked for; and what may be said before the reply.

use super::state::{FRAME, State};
use crate::http::body::CutOff;
use crate::model::Fields;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// One stream's body. The caller's window opens by what is taken of it, so he is never ahead of the upstream by more
/// than a window.
pub struct Incoming {
    state: Rc<RefCell<State>>,
    number: u32,
}

impl Incoming {
    pub(super) fn new(state: Rc<RefCell<State>>, number: u32) -> Incoming {
        Incoming { state, number }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let state = &mut *self.state.borrow_mut();
        state.say_continue(self.number);
        let Some(stream) = state.streams.get(self.number) else { return Poll::Ready(Some(Err(CutOff))) };
        if !stream.data.is_empty() {
            // No more than a frame, however many have come: what is taken is counted by whoever keeps it.
            let some = stream.data.len().min(FRAME);
            let data = stream.data.split_to(some).freeze();
            state.used(self.number, data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if !stream.heard {
            stream.reader.wait(cx);
            return Poll::Pending;
        }
        Poll::Ready(stream.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))))
    }

    fn is_end_stream(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        state.streams.get(self.number).is_some_and(|s| s.heard && s.data.is_empty() && s.trailers.is_none())
    }

    fn size_hint(&self) -> SizeHint {
        let state = &mut *self.state.borrow_mut();
        let Some(stream) = state.streams.get(self.number) else { return SizeHint::default() };
        let here = stream.data.len() as u64;
        match stream.expected {
            Some(bytes) => SizeHint::with_exact(bytes + here),
            None if stream.heard && stream.trailers.is_none() => SizeHint::with_exact(here),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.state.borrow_mut().unwanted(self.number);
    }
}

/// Passes on what an upstream says before its reply.
pub struct Early {
    state: Rc<RefCell<State>>,
    number: u32,
}

impl Early {
    pub(super) fn new(state: Rc<RefCell<State>>, number: u32) -> Early {
        Early { state, number }
    }

    /// Says it, unless the caller is slow to take what was said before: such words may be lost.
    pub fn say(&self, status: StatusCode, fields: &Fields) {
        let state = &mut *self.state.borrow_mut();
        if state.wire.outbox.has_room() {
            state.informational(self.number, status, fields);
        }
    }
}
