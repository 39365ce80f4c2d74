//! A reply on its way to its caller: written as it comes, no more held than one part, and not for a caller who has
//! stopped reading.

use super::incoming::Shared;
use super::reply::Sending;
use crate::http::body::CutOff;
use crate::http::wire::least_taken;
use crate::net::clock::Clock;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// One reply's way out.
pub struct Sender<'a> {
    pub shared: &'a RefCell<Shared>,
    pub clock: &'a mut Clock,
    /// For so long a caller may take nothing at all.
    pub patience: Duration,
    pub sending: Sending,
    /// Everything is in the outbox.
    pub ended: bool,
    /// Since when the caller is waited for, and what had been written by then.
    pub slow: Option<(Instant, u64)>,
}

impl Sender<'_> {
    /// Sends `body` behind what the outbox holds. `watch` looks for a caller who has left while there is nothing to send.
    pub fn poll<B>(
        &mut self,
        body: &mut B,
        watch: impl Fn(&mut Shared, &mut Context<'_>) -> Poll<()>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CutOff>>
    where
        B: Body<Data = Bytes, Error = CutOff> + Unpin,
    {
        loop {
            if self.ended || !self.shared.borrow().wire.outbox.has_room() {
                ready!(self.poll_written(cx))?;
                if self.ended {
                    return Poll::Ready(Ok(()));
                }
            }
            // Nothing is borrowed here: the body may have to read the caller's own first.
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.put(frame)?;
                    if !self.ended && body.is_end_stream() && self.shared.borrow().wire.outbox.has_room() {
                        self.end()?;
                    }
                }
                Poll::Ready(None) => self.end()?,
                Poll::Ready(Some(Err(CutOff))) => {
                    // What came may be of use; that its end is missing tells the rest.
                    let _ = self.poll_written(cx);
                    return Poll::Ready(Err(CutOff));
                }
                Poll::Pending => {
                    if let Poll::Ready(Err(cut)) = self.poll_written(cx) {
                        return Poll::Ready(Err(cut));
                    }
                    return watch(&mut self.shared.borrow_mut(), cx).map(|()| Err(CutOff));
                }
            }
        }
    }

    fn put(&mut self, frame: Frame<Bytes>) -> Result<(), CutOff> {
        let outbox = &mut self.shared.borrow_mut().wire.outbox;
        match frame.into_data() {
            Ok(part) => self.sending.part(outbox, part).map_err(|_| CutOff),
            Err(frame) => {
                self.ended = true;
                self.sending.end(outbox, frame.trailers_ref()).map_err(|_| CutOff)
            }
        }
    }

    /// Puts the end of the body into the outbox.
    pub fn end(&mut self) -> Result<(), CutOff> {
        self.ended = true;
        self.sending.end(&mut self.shared.borrow_mut().wire.outbox, None).map_err(|_| CutOff)
    }

    /// Writes all there is; gives up on a caller who takes too little of it for too long.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CutOff>> {
        let wire = &mut self.shared.borrow_mut().wire;
        if let Poll::Ready(written) = wire.poll_write_out(cx) {
            self.slow = None;
            return Poll::Ready(written.map_err(|_| CutOff));
        }
        let (since, sent) = *self.slow.get_or_insert_with(|| (Instant::now(), wire.sent));
        if !self.clock.is_past(since + self.patience, cx) {
            return Poll::Pending;
        }
        if wire.sent - sent < least_taken(self.patience) {
            return Poll::Ready(Err(CutOff));
        }
        self.slow = Some((Instant::now(), wire.sent));
        // Armed for the next look.
        if self.clock.is_past(Instant::now() + self.patience, cx) { Poll::Ready(Err(CutOff)) } else { Poll::Pending }
    }
}
