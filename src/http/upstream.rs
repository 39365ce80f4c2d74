//! The way to the upstream, behind a small interface: [`Upstreams::send`] takes a request that is ready to go, and
//! [`Sent::reply`] brings a head and a body. Here stands the loop: choose an address, take or open a connection, `attempt`,
//! and decide whether to try again. What is spoken stands in `h1` and `h2`, what is kept in `pool`.

use super::body::{RequestBody, Upload};
use super::failure::Failure;
use super::h1::client::{Exchange, Idle};
use super::h2::client::{self as h2, Line};
use super::kept::{Endpoint, Free};
use super::openings::Turn;
use super::pool::{Lease, Leased, Pool, Way};
pub use super::upstream_body::UpstreamBody;
use crate::model::Reply;
use crate::model::connection::{Connection, DestinationId, HttpVersion};
use crate::model::denial::Denial;
use crate::model::{Fields, RequestHead};
use crate::net::dial::{self, Met};
use crate::telemetry::metrics::CoreMetrics;
use http::StatusCode;
use http::header::UPGRADE;
use http_body::Body;
use rustls::ClientConfig;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The pools of one core.
pub struct Upstreams {
    pools: RefCell<HashMap<DestinationId, Rc<Pool>>>,
    metrics: Arc<CoreMetrics>,
    /// Until then this core counts as one that does not get to what it has to do.
    behind_until: Cell<Instant>,
    /// The longest wait for a connection because of that.
    waited: Cell<Duration>,
}

/// When to give up.
pub struct Patience {
    /// Looked at when the request is ready.
    pub now: Instant,
    /// The whole request, from its head to the reply's.
    pub until: Instant,
    /// From the request's last byte to the reply's head.
    pub head: Duration,
}

/// Addresses that were asked already.
type Asked = SmallVec<[SocketAddr; 4]>;

/// One request on its way, through all its attempts.
pub(super) struct Journey<'a> {
    pub(super) upstreams: &'a Upstreams,
    pub(super) connection: &'a Connection,
    pub(super) trust: Option<&'a Arc<ClientConfig>>,
    pub(super) parts: &'a RequestHead,
    pub(super) upload: Rc<Upload>,
    pub(super) patience: Patience,
    /// It can be sent again without having been kept.
    pub(super) bodyless: bool,
    /// It asks for an upgrade, which HTTP/2 knows in another form.
    pub(super) h1_only: bool,
}

impl Upstreams {
    pub fn new(metrics: Arc<CoreMetrics>) -> Upstreams {
        let behind_until = Cell::new(Instant::now());
        Upstreams { pools: RefCell::default(), metrics, behind_until, waited: Cell::default() }
    }

    /// Sends a request to `connection`'s destination: where a connection is kept open, it has begun with this.
    pub fn send<'a>(
        &'a self,
        connection: &'a Connection,
        trust: Option<&'a Arc<ClientConfig>>,
        parts: &'a RequestHead,
        mut body: RequestBody,
        patience: Patience,
    ) -> Sent<'a> {
        let pool = self.pool(connection, patience.now);
        if !connection.trailers.is_empty() {
            body.allow_trailers(connection.trailers.clone());
        }
        let (bodyless, upload) = (body.is_end_stream(), body.upload().clone());
        let h1_only = parts.headers.contains_key(UPGRADE);
        let journey = Journey { upstreams: self, connection, trust, parts, upload, patience, bodyless, h1_only };
        // Here, on the stack, and not by the future: among many requests the lines of memory that a future keeps are cold.
        let begun = journey.begin(&pool, body);
        Sent { journey, pool, begun }
    }

    fn pool(&self, connection: &Connection, now: Instant) -> Rc<Pool> {
        let id = connection.destination.id;
        if let Some(pool) = self.pools.borrow().get(&id) {
            return pool.clone();
        }
        let counters = self.metrics.upstream_pool(&connection.name);
        // Cores begin at different addresses, so that few requests on many cores do not all meet the first one.
        let dice = std::hash::BuildHasher::hash_one(self.pools.borrow().hasher(), id);
        let pool = Pool::new(&connection.destination, counters, dice, now);
        self.pools.borrow_mut().insert(id, pool.clone());
        pool
    }

    /// This core is behind, and counts as that for so long: few connections are opened at once.
    pub fn are_behind(&self, so_long: Duration) {
        self.behind_until.set(Instant::now() + so_long);
    }

    /// How long requests have waited for a connection because this core is behind, at most, since this was asked last.
    pub fn waited(&self) -> Duration {
        self.waited.take()
    }

    /// Closes what has been idle for too long. Called now and then.
    pub fn sweep(&self) {
        let now = Instant::now();
        // In use by a request, or worth keeping.
        self.pools.borrow_mut().retain(|_, pool| pool.sweep(now) || Rc::strong_count(pool) > 1);
    }
}

/// A request that was sent.
pub struct Sent<'a> {
    journey: Journey<'a>,
    pool: Rc<Pool>,
    begun: Begun,
}

impl Sent<'_> {
    /// Waits for the reply's head; `early` hears what the upstream says before it.
    ///
    /// The request is sent again, to another address where there is one, only if the upstream says that it has not acted on
    /// it, or if acting twice does no harm (RFC 9110, section 9.2.2); never with a body that is gone by then, and never
    /// more often than the connection and the budget of its destination allow.
    ///
    /// Once there was a reply, there is no other.
    pub async fn reply(
        &mut self,
        mut early: impl FnMut(StatusCode, Fields),
    ) -> Result<Reply<Box<UpstreamBody>>, Denial> {
        let Sent { journey, pool, begun } = self;
        let head = match begun {
            Begun::OverH1(exchange, _) => Some(journey.head_over_h1(exchange, &mut early).await),
            _ => None,
        };
        let next = match (std::mem::replace(begun, Begun::Over), head) {
            (Begun::OverH1(exchange, lease), Some(head)) => {
                let endpoint = lease.endpoint.clone();
                match head.and_then(|head| journey.reply_over_h1(head, exchange, lease)) {
                    Ok(reply) => {
                        endpoint.succeeded();
                        return Ok(reply);
                    }
                    Err(failure) => Err(Failed { failure, endpoint, reused: true }),
                }
            }
            (Begun::Not(start), _) => Ok(*start),
            (Begun::OverH1(..) | Begun::Over, _) => return Err(over()),
        };
        // Boxed, as what it does seldom is: its state would be carried with every request.
        Box::pin(journey.attempts(pool, next, &mut early)).await
    }
}

fn over() -> Denial {
    Denial::Internal { cause: "a reply was waited for twice".to_owned() }
}

/// Where an attempt begins.
enum Start {
    /// On a connection that is open.
    Leased(Leased, RequestBody),
    /// By opening one, to this address at first.
    Open(Option<Rc<Endpoint>>, RequestBody),
}

/// The first attempt: under way, as most are at once, or not begun.
enum Begun {
    OverH1(Exchange<RequestBody>, Lease),
    Not(Box<Start>),
    Over,
}

/// An attempt that brought no reply; `reused`: on a connection that was used before.
struct Failed {
    failure: Failure,
    endpoint: Rc<Endpoint>,
    reused: bool,
}

impl Journey<'_> {
    /// The first attempt, as far as nothing has to be waited for.
    fn begin(&self, pool: &Rc<Pool>, body: RequestBody) -> Begun {
        let now = self.patience.now;
        pool.request(now);
        match self.start(pool, body, &Asked::new(), now) {
            Start::Leased(Leased { way: Way::H1(kept), lease, .. }, body) => {
                Begun::OverH1(Exchange::begin(kept, self.parts, body, self.connection.timeouts.idle), lease)
            }
            start => Begun::Not(Box::new(start)),
        }
    }

    /// Whom to ask: somebody else than before, if there is anybody. A connection that is kept open is not for a second attempt:
    /// all of them may have gone stale at once.
    fn start(&self, pool: &Rc<Pool>, body: RequestBody, asked: &Asked, now: Instant) -> Start {
        let other = if asked.is_empty() { None } else { pool.next(now, asked, false) };
        let first = other.or_else(|| pool.next(now, &[], true));
        let kept = first.as_ref().filter(|_| asked.is_empty()).and_then(|first| pool.take(first, self.h1_only, now));
        match kept {
            Some(leased) => Start::Leased(leased, body),
            None => Start::Open(first, body),
        }
    }

    /// Attempts until there is a reply, or no other may be made. `next`: the first of them, or how that failed.
    async fn attempts(
        &self,
        pool: &Rc<Pool>,
        mut next: Result<Start, Failed>,
        early: &mut impl FnMut(StatusCode, Fields),
    ) -> Result<Reply<Box<UpstreamBody>>, Denial> {
        let (mut left, mut asked) = (self.connection.retries, Asked::new());
        if let Ok(Start::Open(None, body)) = next {
            let now = self.patience.now;
            pool.ready(now + self.connection.timeouts.connect).await?;
            next = Ok(self.start(pool, body, &asked, now));
        }
        loop {
            let failed = match next {
                Ok(start) => {
                    let (leased, body) = match start {
                        Start::Leased(leased, body) => (leased, body),
                        Start::Open(first, body) => (Box::pin(self.open(pool, first, &asked)).await?, body),
                    };
                    let (endpoint, reused) = (leased.lease.endpoint.clone(), leased.reused);
                    match self.attempt(leased, body, early).await {
                        Ok(reply) => {
                            endpoint.succeeded();
                            return Ok(reply);
                        }
                        Err(failure) => Failed { failure, endpoint, reused },
                    }
                }
                Err(failed) => failed,
            };
            let now = Instant::now();
            let body = self.again(pool, failed, &mut left, &mut asked, now)?;
            next = Ok(self.start(pool, body, &asked, now));
        }
    }

    /// The body for another attempt, if one may be made: `left` of them, to others than were `asked`.
    fn again(
        &self,
        pool: &Pool,
        failed: Failed,
        left: &mut u32,
        asked: &mut Asked,
        now: Instant,
    ) -> Result<RequestBody, Denial> {
        let Failed { failure, endpoint, reused } = failed;
        if failure.is_upstreams(reused) {
            pool.failed(endpoint.address, now);
        }
        let again = match &failure {
            Failure::Refused { body, .. } => self.bodyless || body.is_some(),
            Failure::Closed { silent: true, .. } => self.bodyless && self.parts.method.is_idempotent(),
            _ => false,
        };
        // A kept connection that was being closed, and to which nothing was sent: that is no retry.
        let free = reused && matches!(failure, Failure::Refused { body: Some(_), .. });
        if !free {
            if !again || *left == 0 || !pool.budget.borrow_mut().retry(now) {
                return Err(failure.explain(&self.upload));
            }
            pool.counters.retried();
            *left -= 1;
            asked.push(endpoint.address);
        }
        match failure {
            Failure::Refused { body: Some(untouched), .. } => Ok(untouched),
            _ => Ok(RequestBody::none(self.upload.clone())),
        }
    }

    /// A new connection, to the first of the addresses that answers and can be trusted.
    async fn open(&self, pool: &Rc<Pool>, mut first: Option<Rc<Endpoint>>, asked: &Asked) -> Result<Leased, Denial> {
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
