//! C12: replies without reflected secrets, whatever they came in.
//!
//! [`scrubbed`] is all that a journey needs. What it cannot look through it refuses.

mod head;
mod plan;
#[cfg(test)]
mod tests;

use super::body::CutOff;
use super::coding::Decoding;
use crate::model::scrub::{Needle, Scrubber};
use crate::model::{Fields, Reply};
use bytes::Bytes;
pub use head::{scrub_fields, scrub_head};
use http::{HeaderMap, Method};
use http_body::{Body, Frame, SizeHint};
pub use plan::Plan;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

/// `reply` to a request of this method without the secrets of `needle`: its reason phrase, fields, body and trailers. The
/// error says why it must not reach the caller (`Denial::UpstreamProtocol`, for the log).
///
/// `needle` is whatever keeps it alive as long as the body: a rotation in mid-stream changes nothing.
pub fn scrubbed<B, N: Deref<Target = Needle>>(
    mut reply: Reply<B>,
    method: &Method,
    needle: N,
) -> Result<Reply<Scrubbed<B, N>>, &'static str> {
    let decoding = match plan::plan(method, reply.status, &reply.headers) {
        Plan::Pass => None,
        Plan::Decode(codings) => {
            plan::decoded(&mut reply.headers);
            Some(Box::new(Decoding::of(&codings)))
        }
        Plan::Refuse(why) => return Err(why),
    };
    let replaced = scrub_head(&needle, &mut reply);
    let state = State { scrubber: Scrubber::default(), decoding, replaced, trailers: None, at: At::Body };
    Ok(reply.map(|from| Scrubbed { from, needle, state }))
}

/// A body without secrets. Lengths stand, unless it had to be decoded.
pub struct Scrubbed<B, N> {
    from: B,
    needle: N,
    state: State,
}

struct State {
    scrubber: Scrubber,
    /// None where the body is not encoded.
    decoding: Option<Box<Decoding>>,
    /// How many secrets were replaced outside of the body.
    replaced: u64,
    /// To follow what is still held of the body.
    trailers: Option<Box<HeaderMap>>,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Body,
    /// Everything was read; trailers may be left to go on.
    Trailers,
    Ended,
    /// Cut off: never to be taken for an end.
    Broken,
}

impl<B, N> Scrubbed<B, N> {
    /// The upstream's body. That it is whole does not mean that everything has gone on: [`Scrubbed::has_ended`] does.
    pub fn inner(&self) -> &B {
        &self.from
    }

    /// How many secrets were replaced so far, in head, body and trailers.
    pub fn replaced(&self) -> u64 {
        self.state.replaced + self.state.scrubber.replaced()
    }
}

impl<B: Body<Data = Bytes, Error = CutOff> + Unpin, N: Deref<Target = Needle> + Unpin> Scrubbed<B, N> {
    /// Whether the reply was read to its end, and all of it has gone on.
    pub fn has_ended(&self) -> bool {
        let nothing_left = self.state.scrubber.holds() == 0 && self.state.decoding.is_none();
        match self.state.at {
            At::Body => nothing_left && self.from.is_end_stream(),
            At::Ended => true,
            At::Trailers | At::Broken => false,
        }
    }

    /// A frame that goes on, if there is one without more of the upstream's body.
    fn ready(&mut self) -> Result<Option<Frame<Bytes>>, CutOff> {
        let state = &mut self.state;
        while let Some(decoding) = &mut state.decoding {
            let Some(piece) = decoding.pull().map_err(|_| CutOff)? else { break };
            let clean = state.scrubber.push(&self.needle, piece);
            if !clean.is_empty() {
                return Ok(Some(Frame::data(clean)));
            }
        }
        Ok(None)
    }

    /// Takes a piece of the upstream's body; only when nothing was [`ready`](Scrubbed::ready).
    fn take(&mut self, piece: Bytes) -> Option<Frame<Bytes>> {
        match &mut self.state.decoding {
            Some(decoding) => {
                decoding.push(piece);
                None
            }
            None => {
                let clean = self.state.scrubber.push(&self.needle, piece);
                (!clean.is_empty()).then(|| Frame::data(clean))
            }
        }
    }

    /// The upstream's body ended, with or without trailers. What was held goes on before them.
    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<Option<Frame<Bytes>>, CutOff> {
        if let Some(decoding) = self.state.decoding.take() {
            decoding.finish().map_err(|_| CutOff)?;
        }
        self.state.at = At::Ended;
        if let Some(fields) = trailers {
            let mut fields = Fields::from(fields);
            self.state.replaced += scrub_fields(&self.needle, &mut fields);
            if !fields.is_empty() {
                self.state.trailers = Some(Box::new(fields.into()));
                self.state.at = At::Trailers;
            }
        }
        let held = self.state.scrubber.finish(&self.needle);
        Ok((!held.is_empty()).then(|| Frame::data(held)))
    }

    /// The next frame; `None` at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, CutOff>> {
        loop {
            match self.state.at {
                At::Body => {}
                At::Trailers => {
                    self.state.at = At::Ended;
                    return Poll::Ready(Ok(self.state.trailers.take().map(|fields| Frame::trailers(*fields))));
                }
                At::Ended => return Poll::Ready(Ok(None)),
                At::Broken => return Poll::Ready(Err(CutOff)),
            }
            if let Some(frame) = self.ready()? {
                return Poll::Ready(Ok(Some(frame)));
            }
            let next = match Pin::new(&mut self.from).poll_frame(cx)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => self.end(None)?,
                Poll::Ready(Some(frame)) => match frame.into_data() {
                    Ok(piece) => self.take(piece),
                    Err(frame) => self.end(frame.into_trailers().ok())?,
                },
            };
            if next.is_some() {
                return Poll::Ready(Ok(next));
            }
        }
    }
}

impl<B: Body<Data = Bytes, Error = CutOff> + Unpin, N: Deref<Target = Needle> + Unpin> Body for Scrubbed<B, N> {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        self.poll_next(cx).map(|next| {
            if next.is_err() {
                self.state.at = At::Broken;
            }
            next.transpose()
        })
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        if self.state.decoding.is_some() {
            return SizeHint::new();
        }
        let held = self.state.scrubber.holds() as u64;
        let left = self.from.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(left.lower().saturating_add(held));
        if let Some(upper) = left.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}
