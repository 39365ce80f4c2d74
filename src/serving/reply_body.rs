//! What goes back to the caller, and knows when it has gone.

use super::exchange::{End, Exchange};
use super::tunnel::Tunnel;
use crate::http::body::CutOff;
use crate::http::h1;
use crate::http::scrubbed::Scrubbed;
use crate::http::upstream::UpstreamBody;
use crate::live::Local;
use crate::model::scrub::{Needle, NeedleId};
use crate::net::relay::Relay;
use crate::net::stream::Stream;
use crate::policy::standing::Standing;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// A reply's body. Holds what lives as long as the exchange: its record, and with that its concurrency slots.
pub struct ReplyBody {
    from: From,
    exchange: Box<Exchange>,
    /// Boxed: a tunnel is rare.
    standing: Option<Box<Standing>>,
}

enum From {
    Gateway(Option<Bytes>),
    Upstream(Box<UpstreamBody>),
    Scrubbed(Box<Scrubbed<UpstreamBody, InForce>>),
}

/// C12: what is looked for in a reply, kept alive by the generation that the request began with: a rotation in mid-stream
/// changes nothing.
pub struct InForce {
    live: Local,
    needle: NeedleId,
}

impl InForce {
    pub fn new(live: Local, needle: NeedleId) -> InForce {
        InForce { live, needle }
    }
}

impl Deref for InForce {
    type Target = Needle;

    fn deref(&self) -> &Needle {
        self.live.snapshot.needles.at(self.needle)
    }
}

/// An upstream's body on its way to the caller. In boxes, for it goes from hand to hand.
pub enum Passing {
    AsItIs(Box<UpstreamBody>),
    /// A 101, and what it was permitted for: what follows goes both ways as long as that holds.
    Switched(Box<UpstreamBody>, Box<Standing>),
    Scrubbed(Box<Scrubbed<UpstreamBody, InForce>>),
}

impl From {
    /// Whether all of it was read, and has gone on.
    fn has_ended(&self) -> bool {
        match self {
            From::Gateway(text) => text.is_none(),
            From::Upstream(body) => body.is_whole(),
            From::Scrubbed(body) => body.has_ended(),
        }
    }

    /// Whether it was cut because the upstream fell silent.
    fn fell_silent(&self) -> bool {
        match self {
            From::Gateway(_) => false,
            From::Upstream(body) => body.is_timed_out(),
            From::Scrubbed(body) => body.inner().is_timed_out(),
        }
    }
}

impl ReplyBody {
    /// What the gateway itself says.
    pub fn own(text: Bytes, mut exchange: Box<Exchange>) -> ReplyBody {
        exchange.sent(text.len());
        exchange.end(End::Complete);
        ReplyBody { from: From::Gateway(Some(text)), exchange, standing: None }
    }

    /// What the upstream says, as it comes, or without the secret.
    pub fn passed(body: Passing, mut exchange: Box<Exchange>) -> ReplyBody {
        let (from, standing) = match body {
            Passing::AsItIs(body) => (From::Upstream(body), None),
            Passing::Switched(body, standing) => (From::Upstream(body), Some(standing)),
            Passing::Scrubbed(body) => (From::Scrubbed(body), None),
        };
        if standing.is_none() && from.has_ended() {
            exchange.end(End::Complete);
        }
        if let From::Scrubbed(body) = &from {
            exchange.scrubbed(body.replaced());
        }
        ReplyBody { from, exchange, standing }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        let polled = match &mut this.from {
            From::Gateway(text) => {
                return Poll::Ready(text.take().map(|t| Ok(Frame::data(t))));
            }
            From::Upstream(body) => Pin::new(&mut **body).poll_frame(cx),
            From::Scrubbed(body) => Pin::new(&mut **body).poll_frame(cx),
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.exchange.sent(frame.data_ref().map_or(0, Bytes::len));
                if this.from.has_ended() {
                    this.exchange.end(End::Complete);
                }
            }
            Poll::Ready(Some(Err(CutOff))) => {
                this.exchange.end(if this.from.fell_silent() { End::UpstreamIdle } else { End::UpstreamDied });
            }
            Poll::Ready(None) => this.exchange.end(End::Complete),
            Poll::Pending => {}
        }
        if let From::Scrubbed(body) = &this.from {
            this.exchange.scrubbed(body.replaced());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            _ if self.standing.is_some() => true,
            From::Gateway(text) => text.as_ref().is_none_or(Bytes::is_empty),
            From::Upstream(body) => body.is_end_stream(),
            From::Scrubbed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Gateway(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            From::Upstream(body) => body.size_hint(),
            From::Scrubbed(body) => body.size_hint(),
        }
    }
}

impl h1::server::ReplyBody for ReplyBody {
    fn gone(self) -> Instant {
        self.exchange.is_over().into()
    }

    fn take_over(self, caller: Stream, read: BytesMut) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        let ReplyBody { from: From::Upstream(body), exchange, standing: Some(standing) } = self else {
            return None;
        };
        let (upstream, lease) = body.into_stream()?;
        let relay = Relay::new((caller, read), upstream);
        Some(Box::pin(Tunnel { standing: *standing, exchange, lease }.run(relay)))
    }
}
