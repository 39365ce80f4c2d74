//! What goes back to the caller, and knows when it has gone.

use super::exchange::{End, Exchange};
use super::tunnel::Tunnel;
use crate::http::body::CutOff;
use crate::http::h1;
use crate::http::upstream::UpstreamBody;
use crate::limit::table::Held;
use crate::net::guard::Running;
use crate::net::relay::Relay;
use crate::net::stream::Stream;
use crate::policy::standing::Standing;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A reply's body. Holds what lives as long as the exchange: its record, its concurrency slots, the connection's being
/// busy.
pub struct ReplyBody {
    from: From,
    exchange: Box<Exchange>,
    held: Held,
    running: Running,
    standing: Option<Standing>,
}

enum From {
    Gateway(Option<Bytes>),
    Upstream(Box<UpstreamBody>),
}

impl ReplyBody {
    /// What the gateway itself says.
    pub fn own(text: Bytes, mut exchange: Box<Exchange>, running: Running) -> ReplyBody {
        exchange.sent(text.len());
        exchange.end(End::Complete);
        ReplyBody { from: From::Gateway(Some(text)), exchange, held: Held::new(), running, standing: None }
    }

    /// What the upstream says, as it comes.
    pub fn passed(body: UpstreamBody, mut exchange: Box<Exchange>, held: Held, running: Running) -> ReplyBody {
        if body.is_whole() {
            exchange.end(End::Complete);
        }
        ReplyBody { from: From::Upstream(Box::new(body)), exchange, held, running, standing: None }
    }

    /// What follows a 101, as long as `standing` holds.
    pub fn switched(
        body: UpstreamBody,
        exchange: Box<Exchange>,
        held: Held,
        running: Running,
        standing: Standing,
    ) -> ReplyBody {
        ReplyBody { from: From::Upstream(Box::new(body)), exchange, held, running, standing: Some(standing) }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        let body = match &mut this.from {
            From::Gateway(text) => {
                this.running.handed_over();
                return Poll::Ready(text.take().map(|t| Ok(Frame::data(t))));
            }
            From::Upstream(body) => body,
        };
        let polled = Pin::new(&mut **body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.running.handed_over();
                this.exchange.sent(frame.data_ref().map_or(0, Bytes::len));
                if body.is_whole() {
                    this.exchange.end(End::Complete);
                }
            }
            Poll::Ready(Some(Err(CutOff))) => {
                let silent = body.is_timed_out();
                this.exchange.end(if silent { End::UpstreamIdle } else { End::UpstreamDied });
            }
            Poll::Ready(None) => this.exchange.end(End::Complete),
            Poll::Pending => this.running.waiting(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            _ if self.standing.is_some() => true,
            From::Gateway(text) => text.as_ref().is_none_or(Bytes::is_empty),
            From::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Gateway(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            From::Upstream(body) => body.size_hint(),
        }
    }
}

impl h1::server::ReplyBody for ReplyBody {
    fn take_over(self, caller: Stream, read: BytesMut) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        let ReplyBody { from: From::Upstream(body), exchange, held, running, standing: Some(standing) } = self else {
            return None;
        };
        let (upstream, lease) = body.into_stream()?;
        let relay = Relay::new((caller, read), upstream);
        Some(Box::pin(Tunnel { standing, exchange, held, running, lease }.run(relay)))
    }
}
