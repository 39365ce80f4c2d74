//! After a 101: bytes, both ways, for as long as both sides want it, somebody says something now and then, and the key
//! that opened it still may (hazard 15).

use super::exchange::{End, Exchange};
use crate::http::pool::Lease;
use crate::net::clock::Clock;
use crate::net::relay::Relay;
use crate::policy::standing::Standing;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// How often a tunnel's permission is asked again: a revoked key's tunnels close within this time.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// An open tunnel, and what lives as long as it does.
pub struct Tunnel {
    pub standing: Standing,
    /// With its place among the workflow's and the connection's concurrent requests.
    pub exchange: Box<Exchange>,
    /// The hold on its upstream's address.
    pub lease: Lease,
}

impl Tunnel {
    /// Passes bytes on until the end.
    pub async fn run(mut self, mut relay: Relay) {
        let idle = self.exchange.tunnel_timeout();
        let mut clock = Clock::new(ASKED_EVERY);
        let (mut last, mut moved) = (relay.bytes(), Instant::now());
        let mut ask_at = moved + ASKED_EVERY;
        let end = std::future::poll_fn(|cx| {
            loop {
                let polled = relay.poll(cx);
                // At once, for it may be cut from outside.
                self.exchange.tunnelled(relay.bytes());
                if let Poll::Ready(ended) = polled {
                    return Poll::Ready(if ended.is_ok() { End::Complete } else { End::ClientGone });
                }
                if !clock.is_past(ask_at, cx) {
                    return Poll::Pending;
                }
                let now = Instant::now();
                if relay.bytes() != last {
                    (last, moved) = (relay.bytes(), now);
                }
                if now - moved >= idle {
                    return Poll::Ready(End::Idle);
                }
                if !self.exchange.still_permitted(&self.standing) {
                    return Poll::Ready(End::Revoked);
                }
                ask_at = now + ASKED_EVERY;
            }
        })
        .await;
        self.exchange.end(end);
    }
}
