//! What an upstream answers, as it comes. Its connection is free again once the reply was read to the end, and dies
//! otherwise.

use super::body::{CutOff, RequestBody, waited};
use super::h1::client::Exchange;
use super::h2::client::Reply;
use super::pool::Lease;
use crate::net::stream::Stream;
use crate::policy::trailers;
use bytes::{Bytes, BytesMut};
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// The upstream's body.
pub struct UpstreamBody {
    /// None once it is whole.
    from: Option<(From, Lease)>,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Trailers that pass beyond the usual ones. None where there are none: a count that all cores share is not touched
    /// for nothing.
    trailers: Option<Arc<[HeaderName]>>,
    timed_out: bool,
}

/// The protocol it comes over.
pub enum From {
    H1(Exchange<RequestBody>),
    H2(Box<Reply>),
}

impl From {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self {
            From::H1(exchange) => exchange.poll_part(cx),
            From::H2(reply) => reply.poll_part(cx),
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            // A 101 has no end of its own.
            From::H1(exchange) => exchange.is_whole() && !exchange.has_switched(),
            From::H2(reply) => reply.is_whole(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            From::H1(exchange) => exchange.size_hint(),
            From::H2(reply) => reply.size_hint(),
        }
    }
}

impl UpstreamBody {
    pub fn new(from: From, lease: Lease, idle: Duration, trailers: &Arc<[HeaderName]>) -> UpstreamBody {
        let trailers = Some(trailers).filter(|names| !names.is_empty()).cloned();
        let mut body = UpstreamBody { from: Some((from, lease)), idle, timer: None, trailers, timed_out: false };
        body.end_if_whole();
        body
    }

    fn end_if_whole(&mut self) {
        if let Some((From::H1(exchange), lease)) = self.from.take_if(|(from, _)| from.is_whole())
            && let Some(idle) = exchange.into_idle()
        {
            lease.put(idle);
        }
    }

    /// After a 101: the stream, what was read of it beyond the head, and the hold on its address, to keep as long.
    pub fn into_stream(self) -> Option<((Stream, BytesMut), Lease)> {
        match self.from {
            Some((From::H1(exchange), lease)) => Some((exchange.into_stream(), lease)),
            _ => None,
        }
    }

    /// Whether the reply was read to its end.
    pub fn is_whole(&self) -> bool {
        self.from.is_none()
    }

    /// Whether it was cut because the upstream fell silent.
    pub fn is_timed_out(&self) -> bool {
        self.timed_out
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        loop {
            let Some((from, _)) = &mut this.from else { return Poll::Ready(None) };
            let frame = match from.poll_part(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if waited(&mut this.timer, this.idle, cx) => {
                    this.timed_out = true;
                    return Poll::Ready(Some(Err(CutOff)));
                }
                Poll::Pending => return Poll::Pending,
            };
            this.timer = None;
            this.end_if_whole();
            let frame = match frame {
                Some(Ok(frame)) => frame,
                // Never passed off as complete: the caller's connection is aborted.
                other => return Poll::Ready(other),
            };
            match frame.into_trailers() {
                Err(data) => return Poll::Ready(Some(Ok(data))),
                Ok(mut fields) => {
                    trailers::strip(&mut fields, this.trailers.as_deref().unwrap_or_default());
                    if !fields.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole()
    }

    fn size_hint(&self) -> SizeHint {
        self.from.as_ref().map_or_else(|| SizeHint::with_exact(0), |(from, _)| from.size_hint())
    }
}
