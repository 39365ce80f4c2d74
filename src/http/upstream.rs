//! The way to the upstream, behind a small interface: [`Upstreams::send`] takes a request that is ready to go and gives
//! back a head and a body. Today hyper's HTTP/1.1 client speaks; whatever takes its place touches nothing else.
//!
//! Connections stay on their core: each core has its own pool, without locks.

use super::body::{CutOff, RequestBody, Upload, UploadEnd, waited};
use super::h1::client::{Exchange, Failure, Idle as Kept};
use super::h1::head::ReplyHead;
use crate::model::connection::{Connection, DestinationId};
use crate::model::denial::Denial;
use crate::net::dial::Dialler;
use crate::net::stream::Stream;
use crate::policy::upgrade;
use crate::telemetry::metrics::{CoreMetrics, UpstreamPool};
use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use rustls::ClientConfig;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Kept-alive connections to one destination on one core; more are closed after use.
const MOST_IDLE: usize = 1024;
/// Below the 75 s and 60 s after which common servers hang up, so that we are the one to close.
const KEPT_FOR: Duration = Duration::from_secs(50);

/// The pools of one core.
pub struct Upstreams {
    dialler: Dialler,
    pools: RefCell<HashMap<DestinationId, Rc<Pool>>>,
    metrics: Arc<CoreMetrics>,
}

/// Kept-alive connections to one destination.
struct Pool {
    idle: RefCell<Vec<Idle>>,
    counters: Arc<UpstreamPool>,
}

struct Idle {
    connection: Kept,
    since: Instant,
}

/// When to give up.
pub struct Patience {
    /// The whole request, from its head to the reply's.
    pub until: Instant,
    /// From the request's last byte to the reply's head.
    pub head: Duration,
}

impl Upstreams {
    pub fn new(metrics: Arc<CoreMetrics>) -> Upstreams {
        Upstreams { dialler: Dialler::default(), pools: RefCell::default(), metrics }
    }

    /// Sends `request` to `connection`'s destination and waits for the reply's head.
    ///
    /// A kept-alive connection may be closed by its upstream at the very moment it is used. If nothing was written, the
    /// request goes out on another one; if it was, only once more, and only what may be repeated without harm
    /// (RFC 9110, section 9.2.2) and has no body.
    pub async fn send(
        &self,
        connection: &Connection,
        trust: Option<&Arc<ClientConfig>>,
        request: Request<RequestBody>,
        upload: &Rc<Upload>,
        patience: Patience,
        mut early: impl FnMut(StatusCode, HeaderMap),
    ) -> Result<Response<UpstreamBody>, Denial> {
        let pool = self.pool(connection);
        let (parts, body) = request.into_parts();
        let mut body = Some(body);
        let mut repeated = false;
        loop {
            let kept = if repeated { None } else { pool.take() };
            let (idle, reused) = match kept {
                Some(idle) => (idle, true),
                // Boxed: it is rare, and its state would be carried, and copied, with every request.
                None => (Box::pin(self.open(connection, trust, &pool)).await?, false),
            };
            let repeatable = reused && is_repeatable(&parts, body.as_ref());
            let sent = body.take().unwrap_or_else(|| RequestBody::none(upload.clone()));
            let mut exchange = Exchange::begin(idle, &parts, sent, connection.timeouts.idle);
            let head = await_head(pin!(exchange.head(&mut early)), upload, &patience).await?;
            match head {
                // What follows would be no HTTP.
                Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS && !was_asked_for(&parts, &head) => {
                    return Err(Denial::UpstreamProtocol { cause: "an upgrade that nobody asked for".to_owned() });
                }
                Ok(head) => return Ok(reply(head, UpstreamBody::new(exchange, pool, connection.timeouts.idle))),
                Err(Failure::Closed { silent: true, .. }) if repeatable => repeated = true,
                Err(failure) => return Err(explain(failure, upload)),
            }
        }
    }

    fn pool(&self, connection: &Connection) -> Rc<Pool> {
        let id = connection.destination.id;
        if let Some(pool) = self.pools.borrow().get(&id) {
            return pool.clone();
        }
        let counters = self.metrics.upstream_pool(&connection.name);
        let pool = Rc::new(Pool { idle: RefCell::default(), counters });
        self.pools.borrow_mut().insert(id, pool.clone());
        pool
    }

    async fn open(
        &self,
        connection: &Connection,
        trust: Option<&Arc<ClientConfig>>,
        pool: &Pool,
    ) -> Result<Kept, Denial> {
        let stream = self.dialler.dial(connection, trust).await?;
        pool.counters.opened();
        Ok(Kept::new(stream))
    }

    /// Closes what has been idle for too long. Called now and then.
    pub fn sweep(&self) {
        self.pools.borrow_mut().retain(|_, pool| {
            pool.sweep();
            // In use by a request, or worth keeping.
            Rc::strong_count(pool) > 1 || !pool.idle.borrow().is_empty()
        });
    }
}

impl Pool {
    /// The connection that was used last and is still open: the others may then grow old and go.
    fn take(&self) -> Option<Kept> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut candidate) = idle.pop() {
            self.counters.idle_removed();
            if candidate.since.elapsed() < KEPT_FOR && candidate.connection.is_open() {
                self.counters.reused();
                return Some(candidate.connection);
            }
        }
        None
    }

    fn put(&self, connection: Kept) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(Idle { connection, since: Instant::now() });
            self.counters.idle_added();
        }
    }

    fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain_mut(|i| i.since.elapsed() < KEPT_FOR && i.connection.is_open());
        (idle.len()..before).for_each(|_| self.counters.idle_removed());
    }
}

/// Waits for the reply's head: until the whole request's time is up, and after the upload no longer than the head's.
async fn await_head<T>(
    mut sent: Pin<&mut impl Future<Output = T>>,
    upload: &Upload,
    patience: &Patience,
) -> Result<T, Denial> {
    loop {
        let deadline = match upload.finished_at() {
            Some(at) => patience.until.min(at + patience.head),
            None => patience.until.min(Instant::now() + patience.head),
        };
        if let Ok(done) = tokio::time::timeout_at(deadline, sent.as_mut()).await {
            return Ok(done);
        }
        let now = Instant::now();
        match upload.finished_at() {
            None if now >= patience.until => return Err(Denial::RequestTimeout),
            Some(at) if now >= patience.until.min(at + patience.head) => {
                return Err(Denial::UpstreamTimeout { phase: "waiting for the upstream's answer" });
            }
            _ => {}
        }
    }
}

fn was_asked_for(parts: &Parts, head: &ReplyHead) -> bool {
    parts.headers.get(UPGRADE).is_some_and(|protocol| upgrade::granted(&head.fields, protocol))
}

/// Whether a request may be sent twice: idempotent, and without a body that is gone by then.
fn is_repeatable(parts: &Parts, body: Option<&RequestBody>) -> bool {
    parts.method.is_idempotent() && body.is_none_or(Body::is_end_stream)
}

/// What a failed exchange means to the caller. The caller's own part in it comes first.
fn explain(failure: Failure, upload: &Upload) -> Denial {
    match upload.end() {
        Some(UploadEnd::TooLarge) => return Denial::BodyTooLarge { limit: upload.limit },
        Some(UploadEnd::TimedOut) => return Denial::RequestTimeout,
        Some(UploadEnd::Broken) => return Denial::BadRequest("the body broke off"),
        _ => {}
    }
    match failure {
        Failure::Closed { error, .. } => {
            Denial::UpstreamUnreachable { cause: format!("the connection was closed: {error}") }
        }
        Failure::Protocol(cause) => Denial::UpstreamProtocol { cause: cause.to_owned() },
        Failure::Upload => Denial::BadRequest("the body is not what its length says"),
        Failure::NotTaken => Denial::UpstreamTimeout { phase: "taking the request" },
    }
}

fn reply(head: ReplyHead, body: UpstreamBody) -> Response<UpstreamBody> {
    let mut reply = Response::new(body);
    (*reply.status_mut(), *reply.headers_mut()) = (head.status, head.fields);
    if let Some(reason) = head.reason {
        reply.extensions_mut().insert(reason);
    }
    reply
}

/// The upstream's body. Its connection returns to its pool once it is read to the end, and dies otherwise.
pub struct UpstreamBody {
    exchange: Option<Exchange<RequestBody>>,
    pool: Rc<Pool>,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl UpstreamBody {
    fn new(exchange: Exchange<RequestBody>, pool: Rc<Pool>, idle: Duration) -> UpstreamBody {
        let mut body = UpstreamBody { exchange: Some(exchange), pool, idle, timer: None };
        body.end_if_whole();
        body
    }

    fn end_if_whole(&mut self) {
        // A 101 has no end of its own.
        if let Some(exchange) = self.exchange.take_if(|e| e.is_whole() && !e.has_switched())
            && let Some(idle) = exchange.into_idle()
        {
            self.pool.put(idle);
        }
    }

    /// After a 101: the stream, and what was read of it beyond the head.
    pub fn into_stream(self) -> Option<(Stream, BytesMut)> {
        self.exchange.map(Exchange::into_stream)
    }

    /// Whether the reply was read to its end.
    pub fn is_whole(&self) -> bool {
        self.exchange.is_none()
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        loop {
            let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
            let frame = match exchange.poll_part(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if waited(&mut this.timer, this.idle, cx) => return Poll::Ready(Some(Err(CutOff))),
                Poll::Pending => return Poll::Pending,
            };
            this.timer = None;
            this.end_if_whole();
            match frame {
                // Trailers: an allow-list that is still empty.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Err(_) => continue,
                },
                // Never passed off as complete: the caller's connection is aborted.
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole()
    }

    fn size_hint(&self) -> SizeHint {
        self.exchange.as_ref().map_or_else(|| SizeHint::with_exact(0), Exchange::size_hint)
    }
}
