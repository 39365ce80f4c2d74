//! The way to the upstream, behind a small interface: [`Upstreams::send`] takes a request that is ready to go and gives
//! back a head and a body. Here stands the loop: choose an address, take or open a connection, exchange, and decide
//! whether to try again. What is spoken stands in `h1` and `h2`, what is kept in `pool`.

use super::body::{RequestBody, Upload};
use super::failure::Failure;
use super::h1::client::{Exchange, Idle};
use super::h1::head::ReplyHead;
use super::h2::client::{self as h2, Line};
use super::kept::{Endpoint, Free};
use super::openings::Turn;
use super::pool::{Leased, Pool, Way};
use super::upstream_body::From;
pub use super::upstream_body::UpstreamBody;
use crate::model::Reply;
use crate::model::connection::{Connection, DestinationId, HttpVersion};
use crate::model::denial::Denial;
use crate::model::{Fields, RequestHead};
use crate::net::clock::Clock;
use crate::net::dial::{self, Met};
use crate::policy::trailers::announced;
use crate::policy::upgrade;
use crate::telemetry::metrics::CoreMetrics;
use http::StatusCode;
use http::header::{TRAILER, UPGRADE};
use http_body::Body;
use rustls::ClientConfig;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
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
struct Journey<'a> {
    upstreams: &'a Upstreams,
    connection: &'a Connection,
    trust: Option<&'a Arc<ClientConfig>>,
    parts: &'a RequestHead,
    upload: &'a Rc<Upload>,
    patience: Patience,
    /// It asks for an upgrade, which HTTP/2 knows in another form.
    h1_only: bool,
}

impl Upstreams {
    pub fn new(metrics: Arc<CoreMetrics>) -> Upstreams {
        let behind_until = Cell::new(Instant::now());
        Upstreams { pools: RefCell::default(), metrics, behind_until, waited: Cell::default() }
    }

    /// Sends a request to `connection`'s destination and waits for the reply's head.
    ///
    /// It is sent again, to another address where there is one, only if the upstream says that it has not acted on it,
    /// or if acting twice does no harm (RFC 9110, section 9.2.2); never with a body that is gone by then, and never
    /// more often than the connection and the budget of its destination allow.
    ///
    /// `early` hears what the upstream says before its reply.
    pub async fn send(
        &self,
        connection: &Connection,
        trust: Option<&Arc<ClientConfig>>,
        parts: &RequestHead,
        mut body: RequestBody,
        patience: Patience,
        mut early: impl FnMut(StatusCode, Fields),
    ) -> Result<Reply<UpstreamBody>, Denial> {
        let mut now = patience.now;
        let pool = self.pool(connection, now);
        let upload = &body.upload().clone();
        pool.ready(now, || now + connection.timeouts.connect).await?;
        if !connection.trailers.is_empty() {
            body.allow_trailers(connection.trailers.clone());
        }
        let bodyless = body.is_end_stream();
        let h1_only = parts.headers.contains_key(UPGRADE);
        let journey = Journey { upstreams: self, connection, trust, parts, upload, patience, h1_only };
        let mut body = Some(body);
        let (mut left, mut asked) = (connection.retries, Asked::new());
        loop {
            let first = journey.first(&pool, &asked, now);
            let kept = first.as_ref().filter(|_| asked.is_empty()).and_then(|first| journey.kept(&pool, first, now));
            let leased = match kept {
                Some(leased) => leased,
                // Boxed: it is rare, and its state would be carried, and copied, with every request.
                None => Box::pin(journey.open(&pool, first, &asked)).await?,
            };
            let (endpoint, reused) = (leased.lease.endpoint.clone(), leased.reused);
            let sent = body.take().unwrap_or_else(|| RequestBody::none(upload.clone()));
            let failure = match journey.attempt(leased, sent, &mut early).await {
                Ok(reply) => {
                    endpoint.succeeded();
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            now = Instant::now();
            if failure.is_upstreams(reused) {
                pool.failed(endpoint.address, now);
            }
            let again = match &failure {
                Failure::Refused { body, .. } => bodyless || body.is_some(),
                Failure::Closed { silent: true, .. } => bodyless && parts.method.is_idempotent(),
                _ => false,
            };
            // A kept connection that was being closed, and to which nothing was sent: that is no retry.
            let free = reused && matches!(failure, Failure::Refused { body: Some(_), .. });
            if !free {
                if !again || left == 0 || !pool.budget.borrow_mut().retry(now) {
                    return Err(failure.explain(upload));
                }
                pool.counters.retried();
                left -= 1;
                asked.push(endpoint.address);
            }
            if let Failure::Refused { body: Some(untouched), .. } = failure {
                body = Some(untouched);
            }
        }
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

impl Journey<'_> {
    /// Whom to ask: somebody else than before, if there is anybody.
    fn first(&self, pool: &Pool, asked: &Asked, now: Instant) -> Option<Rc<Endpoint>> {
        let other = if asked.is_empty() { None } else { pool.next(now, asked, false) };
        other.or_else(|| pool.next(now, &[], true))
    }

    /// A connection that is open already. Not for a second attempt: all that were kept may have gone stale at once.
    fn kept(&self, pool: &Rc<Pool>, endpoint: &Rc<Endpoint>, now: Instant) -> Option<Leased> {
        pool.take(endpoint, self.h1_only, now)
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

    async fn attempt(
        &self,
        leased: Leased,
        body: RequestBody,
        early: &mut impl FnMut(StatusCode, Fields),
    ) -> Result<Reply<UpstreamBody>, Failure> {
        let idle = self.connection.timeouts.idle;
        let Leased { way, lease, .. } = leased;
        let (mut reply, from) = match way {
            Way::H1(kept) => {
                let mut exchange = Exchange::begin(kept, self.parts, body, idle);
                let head = poll_fn(|cx| self.poll_head(&mut exchange, early, cx)).await?;
                (Reply { status: head.status, headers: head.fields, reason: head.reason, body: () }, From::H1(exchange))
            }
            Way::H2(line) => {
                // Boxed: its state is large, and most requests go over HTTP/1.
                let ((status, headers), from) = Box::pin(self.over_h2(&line, body, idle, early)).await?;
                (Reply { status, headers, reason: None, body: () }, From::H2(Box::new(from)))
            }
        };
        // What follows would be no HTTP.
        if reply.status == StatusCode::SWITCHING_PROTOCOLS && !self.was_asked_for(&reply.headers) {
            return Err(Failure::Protocol("an upgrade that nobody asked for".to_owned()));
        }
        announce(&mut reply.headers, self.connection);
        Ok(reply.map(|()| UpstreamBody::new(from, lease, idle, &self.connection.trailers)))
    }

    /// The reply's head, if it comes in time.
    fn poll_head(
        &self,
        exchange: &mut Exchange<RequestBody>,
        early: &mut impl FnMut(StatusCode, Fields),
        cx: &mut Context<'_>,
    ) -> Poll<Result<ReplyHead, Failure>> {
        if let Poll::Ready(head) = exchange.poll_head(early, cx) {
            return Poll::Ready(head.map_err(Failure::from));
        }
        match exchange.is_past(self.deadline(), cx) {
            true => Poll::Ready(Err(Failure::Late(self.overdue()))),
            false => Poll::Pending,
        }
    }

    /// The whole request's time, and after the upload no longer than the head's.
    fn deadline(&self) -> Instant {
        let Patience { until, head, .. } = self.patience;
        self.upload.finished_at().map_or(until, |at| until.min(at + head))
    }

    /// Who was waited for.
    fn overdue(&self) -> Denial {
        match self.upload.finished_at() {
            None if self.upload.is_awaited() => Denial::RequestTimeout,
            None => Denial::UpstreamTimeout { phase: "taking the request's body" },
            Some(_) => Denial::UpstreamTimeout { phase: "waiting for the upstream's answer" },
        }
    }

    async fn over_h2(
        &self,
        line: &Rc<Line>,
        body: RequestBody,
        idle: Duration,
        early: &mut impl FnMut(StatusCode, Fields),
    ) -> Result<((StatusCode, Fields), h2::Reply), Failure> {
        let secure = self.connection.destination.tls.is_some();
        let exchange = line.exchange(self.parts, secure, body, idle, early);
        let (head, reply) = match self.in_time(pin!(exchange)).await {
            Ok(outcome) => outcome.inspect_err(|failure| {
                // Others would wait behind what is not taken.
                if let h2::Failure::Upload(h2::Stopped::NotTaken) = failure {
                    line.doubt();
                }
            })?,
            Err(denial) => {
                if let Denial::UpstreamTimeout { .. } = denial {
                    line.doubt();
                }
                return Err(Failure::Late(denial));
            }
        };
        Ok((head, reply))
    }

    fn was_asked_for(&self, reply: &Fields) -> bool {
        self.parts.headers.get(UPGRADE).is_some_and(|protocol| upgrade::granted(reply, protocol))
    }

    /// Waits for what `sent` brings, no longer than [`Journey::deadline`], which moves once the upload has ended.
    async fn in_time<T>(&self, mut sent: Pin<&mut impl Future<Output = T>>) -> Result<T, Denial> {
        let mut clock = Clock::new(self.patience.head);
        poll_fn(|cx| {
            if let Poll::Ready(done) = sent.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if clock.is_past(self.deadline(), cx) { Poll::Ready(Err(self.overdue())) } else { Poll::Pending }
        })
        .await
    }
}

/// Leaves in `Trailer` the names that may come.
fn announce(fields: &mut Fields, connection: &Connection) {
    if !fields.contains_key(TRAILER) {
        return;
    }
    match announced(fields, &connection.trailers) {
        Some(names) => fields.insert(TRAILER, names),
        None => drop(fields.remove(TRAILER)),
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
