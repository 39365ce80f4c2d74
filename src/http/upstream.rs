//! The way to the upstream, behind a small interface: [`Upstreams::send`] takes a request that is ready to go, and
//! [`Sent::reply`] brings a head and a body. Here stands the loop: choose an address, take a connection or open one
//! (`dialling`), `attempt`, and decide whether to try again. What is spoken stands in `h1` and `h2`, what is kept in `pool`.

use super::body::{RequestBody, Upload};
use super::failure::Failure;
use super::h1::client::Exchange;
use super::kept::Endpoint;
use super::pool::{Lease, Leased, Pool, Way};
pub use super::upstream_body::UpstreamBody;
use crate::model::Reply;
use crate::model::connection::{Connection, DestinationId};
use crate::model::denial::Denial;
use crate::model::{Fields, RequestHead};
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
use tokio::time::Instant;

/// The pools of one core.
pub struct Upstreams {
    pools: RefCell<HashMap<DestinationId, Rc<Pool>>>,
    metrics: Arc<CoreMetrics>,
    /// Until then this core counts as one that does not get to what it has to do.
    pub(super) behind_until: Cell<Instant>,
    /// The longest wait for a connection because of that.
    pub(super) waited: Cell<Duration>,
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
pub(super) type Asked = SmallVec<[SocketAddr; 4]>;

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
}
