//! A new connection to an upstream: whom to ask, when it is one's turn, and how long each may take.

use super::h1::client::Idle;
use super::h2::client::{self as h2, Line};
use super::kept::{Endpoint, Free};
use super::openings::Turn;
use super::pool::{Leased, Pool, Way};
use super::upstream::{Asked, Journey, Upstreams};
use crate::model::connection::HttpVersion;
use crate::model::denial::Denial;
use crate::net::dial::{self, Met};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::time::{Instant, timeout_at};

impl Journey<'_> {
    /// A new connection, to the first of the addresses that answers and can be trusted.
    pub(super) async fn open(
        &self,
        pool: &Rc<Pool>,
        mut first: Option<Rc<Endpoint>>,
        asked: &Asked,
    ) -> Result<Leased, Denial> {
        let deadline = self.patience.until.min(Instant::now() + self.connection.timeouts.connect);
        // Asked before, and still the best there is: better twice than not at all.
        let mut tried: Asked =
            asked.iter().filter(|a| first.as_ref().is_none_or(|f| f.address != **a)).copied().collect();
        let mut failed = Denial::UpstreamUnreachable { cause: "no address is left to try".to_owned() };
        loop {
            let next = first.take().or_else(|| pool.next(Instant::now(), &tried, false));
            let Some(first) = next else { return Err(failed) };
            // Where connections are shared, one of those who wait opens it.
            let http = self.connection.destination.http;
            let shared = http == HttpVersion::Http2
                || (!self.h1_only
                    && http == HttpVersion::Auto
                    && self.connection.destination.tls.is_some()
                    && !first.alone.get());
            let _turn = if shared { timeout_at(deadline, first.opening.lock()).await.ok() } else { None };
            if shared && let Some(leased) = pool.take(&first, self.h1_only, Instant::now()) {
                return Ok(leased);
            }
            // Not for a second attempt: it has waited before.
            let alone = !shared && asked.is_empty();
            let _opening = match self.turn(&first, alone, deadline).await {
                Some(Turn::Kept(free)) => match free.take(Instant::now()) {
                    Some((way, expires)) => return Ok(pool.reuse(&first, way, expires)),
                    None => Some(first.openings.begin()),
                },
                Some(Turn::Open(opening)) => Some(opening),
                None => None,
            };
            if Instant::now() >= deadline {
                // It was the waiting that took so long, which speaks against no address.
                return Err(Denial::UpstreamConnectTimeout { cause: format!("{}: no turn to connect", first.address) });
            }
            match self.establish(pool, first.address, &mut tried, deadline).await {
                Ok(leased) => return Ok(leased),
                Err(denial) => failed = denial,
            }
        }
    }

    /// A turn to open a connection to `endpoint`, or one that has come back meanwhile; nothing by `deadline`. Only `alone`, which
    /// others do not share, waits for it.
    async fn turn(&self, endpoint: &Endpoint, alone: bool, deadline: Instant) -> Option<Turn<Free>> {
        let Upstreams { behind_until, waited, .. } = self.upstreams;
        let begun = Instant::now();
        let behind = alone && begun < behind_until.get();
        let turn = timeout_at(deadline, endpoint.openings.turn(behind)).await.ok();
        if behind {
            waited.set(waited.get().max(begun.elapsed()));
        }
        turn
    }

    /// TCP to `first` or who else answers sooner, then TLS and what HTTP wants first. Notes in `tried` who was asked.
    async fn establish(
        &self,
        pool: &Rc<Pool>,
        first: SocketAddr,
        tried: &mut Asked,
        deadline: Instant,
    ) -> Result<Leased, Denial> {
        let tried = RefCell::new(tried);
        let next = || match tried.borrow().contains(&first) {
            false => Some(first),
            true => pool.next(Instant::now(), &tried.borrow(), false).map(|e| e.address),
        };
        let told = |address, met| match met {
            Met::Begun => tried.borrow_mut().push(address),
            Met::Failed => pool.failed(address, Instant::now()),
        };
        let (tcp, address) = dial::connect(next, told, deadline).await?;
        // Half of what is left, if somebody else could use the other half.
        let now = Instant::now();
        let others = pool.has_other(now, &tried.borrow());
        let deadline = if others { now + deadline.saturating_duration_since(now) / 2 } else { deadline };
        let secured = dial::secure(tcp, &self.connection.destination, self.trust, self.h1_only, deadline).await;
        let way = match secured {
            Ok(secured) if secured.h2 => timeout_at(deadline, Line::open(secured.stream)).await.map_or_else(
                |_| Err(Denial::UpstreamConnectTimeout { cause: format!("{address}: HTTP/2 does not come about") }),
                |line| line.map(Way::H2).map_err(|failure| not_h2(failure, address)),
            ),
            Ok(secured) => Ok(Way::H1(Idle::new(secured.stream))),
            Err(denial) => Err(denial),
        };
        let now = Instant::now();
        match way {
            Ok(way) => match pool.at(address) {
                Some(endpoint) => {
                    if !self.h1_only {
                        endpoint.alone.set(matches!(way, Way::H1(_)));
                    }
                    Ok(pool.opened(&endpoint, way, now))
                }
                None => Err(Denial::UpstreamUnreachable { cause: format!("{address}: has just left the name") }),
            },
            Err(denial) => {
                pool.failed(address, now);
                Err(denial)
            }
        }
    }
}

fn not_h2(failure: h2::Failure, address: SocketAddr) -> Denial {
    match failure {
        h2::Failure::Protocol(cause) => Denial::UpstreamProtocol { cause: format!("{address}: no HTTP/2: {cause}") },
        h2::Failure::Refused { cause, .. } | h2::Failure::Closed(cause) => {
            Denial::UpstreamUnreachable { cause: format!("{address}: {cause}") }
        }
        h2::Failure::Upload(_) => Denial::Internal { cause: "an upload before a request".to_owned() },
    }
}
