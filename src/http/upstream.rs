//! The way to the upstream, behind a small interface: [`Upstreams::send`] takes a request that is ready to go and gives
//! back a head and a body. Today hyper's HTTP/1.1 client speaks; whatever takes its place touches nothing else.
//!
//! Connections stay on their core: each core has its own pool, without locks.

use super::body::{CutOff, RequestBody, Upload, UploadEnd, waited};
use super::inspect::inspect_reply;
use crate::model::connection::{Connection, DestinationId};
use crate::model::denial::Denial;
use crate::net::dial::Dialler;
use crate::telemetry::metrics::{CoreMetrics, UpstreamPool};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
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
/// Longest reply head.
const MAX_HEAD: usize = 64 * 1024;

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
    sender: SendRequest<RequestBody>,
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
    ) -> Result<Response<UpstreamBody>, Denial> {
        let pool = self.pool(connection);
        let mut request = request;
        say_framing(&mut request);
        let mut repeated = false;
        loop {
            let kept = if repeated { None } else { pool.take() };
            let (mut sender, reused) = match kept {
                Some(sender) => (sender, true),
                // Boxed: it is rare, and its state would be carried, and copied, with every request.
                None => (Box::pin(self.open(connection, trust, &pool)).await?, false),
            };
            let spare = (reused && is_repeatable(&request)).then(|| head_of(&request));
            let sent = await_head(pin!(sender.try_send_request(request)), upload, &patience).await?;
            match sent {
                // Nobody asked for an upgrade: what follows would be no HTTP.
                Ok(reply) if reply.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(Denial::UpstreamProtocol { cause: "an upgrade that nobody asked for".to_owned() });
                }
                Ok(reply) => {
                    inspect_reply(reply.headers())?;
                    let put_back = PutBack { pool, sender };
                    return Ok(reply.map(|body| UpstreamBody::new(body, put_back, connection.timeouts.idle)));
                }
                Err(mut failed) => match (failed.take_message(), spare) {
                    (Some(unsent), _) if reused => request = unsent,
                    (None, Some(head)) if was_closed(failed.error()) => {
                        request = head.map(|()| RequestBody::none(upload.clone()));
                        repeated = true;
                    }
                    _ => return Err(explain(failed.error(), upload)),
                },
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
    ) -> Result<SendRequest<RequestBody>, Denial> {
        let stream = self.dialler.dial(connection, trust).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let (sender, driver) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| Denial::UpstreamUnreachable { cause: e.to_string() })?;
        // How it ended is told to the request that ran on it.
        tokio::task::spawn_local(async move { driver.await.ok() });
        pool.counters.opened();
        Ok(sender)
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
    /// The connection that was used last and is ready again: the others may then grow old and go. One whose reply has
    /// just been read is ready only when its own task has run; it is passed over, not thrown away.
    fn take(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.borrow_mut();
        for at in (0..idle.len()).rev() {
            let candidate = &idle[at];
            let ready = candidate.sender.is_ready();
            if !ready && !candidate.sender.is_closed() {
                continue;
            }
            let fresh = candidate.since.elapsed() < KEPT_FOR;
            let taken = idle.remove(at);
            self.counters.idle_removed();
            if ready && fresh {
                self.counters.reused();
                return Some(taken.sender);
            }
        }
        None
    }

    fn put(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle.borrow_mut();
        if !sender.is_closed() && idle.len() < MOST_IDLE {
            idle.push(Idle { sender, since: Instant::now() });
            self.counters.idle_added();
        }
    }

    fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain(|i| !i.sender.is_closed() && i.since.elapsed() < KEPT_FOR);
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

/// hyper takes a GET or HEAD whose body has no stated length for one without a body, and drops it.
fn say_framing(request: &mut Request<RequestBody>) {
    if request.body().size_hint().exact().is_none() && !request.headers().contains_key(CONTENT_LENGTH) {
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Whether a request may be sent twice: idempotent, and without a body that is gone by then.
fn is_repeatable(request: &Request<RequestBody>) -> bool {
    request.method().is_idempotent() && request.body().is_end_stream()
}

fn head_of(request: &Request<RequestBody>) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    head
}

/// Whether the connection was closed under the request, before a reply.
fn was_closed(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let io = std::error::Error::source(error).and_then(|s| s.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || io.is_some_and(|e| matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset))
}

/// What a failed exchange means to the caller. The caller's own part in it comes first.
fn explain(error: &hyper::Error, upload: &Upload) -> Denial {
    let cause = || match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match upload.end() {
        Some(UploadEnd::TooLarge) => Denial::BodyTooLarge { limit: upload.limit },
        Some(UploadEnd::TimedOut) => Denial::RequestTimeout,
        Some(UploadEnd::Broken) => Denial::BadRequest("the body broke off"),
        _ if error.is_parse() || error.is_parse_too_large() => Denial::UpstreamProtocol { cause: cause() },
        _ => Denial::UpstreamUnreachable { cause: cause() },
    }
}

/// A connection that returns to its pool once its reply is read to the end, and dies otherwise.
struct PutBack {
    pool: Rc<Pool>,
    sender: SendRequest<RequestBody>,
}

/// The upstream's body.
pub struct UpstreamBody {
    from: Incoming,
    put_back: Option<PutBack>,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    whole: bool,
}

impl UpstreamBody {
    fn new(from: Incoming, put_back: PutBack, idle: Duration) -> UpstreamBody {
        let mut body = UpstreamBody { from, put_back: Some(put_back), idle, timer: None, whole: false };
        if body.from.is_end_stream() {
            body.end();
        }
        body
    }

    fn end(&mut self) {
        self.whole = true;
        if let Some(put_back) = self.put_back.take() {
            put_back.pool.put(put_back.sender);
        }
    }

    /// Whether the reply was read to its end.
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        if this.whole {
            return Poll::Ready(None);
        }
        loop {
            let frame = match Pin::new(&mut this.from).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if waited(&mut this.timer, this.idle, cx) => return Poll::Ready(Some(Err(CutOff))),
                Poll::Pending => return Poll::Pending,
            };
            this.timer = None;
            match frame {
                Some(Ok(frame)) => {
                    // Trailers: an allow-list that is still empty.
                    let Ok(data) = frame.into_data() else { continue };
                    if this.from.is_end_stream() {
                        this.end();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // Never passed off as complete: the caller's connection is aborted.
                Some(Err(_)) => return Poll::Ready(Some(Err(CutOff))),
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.whole
    }

    fn size_hint(&self) -> SizeHint {
        if self.whole { SizeHint::with_exact(0) } else { self.from.size_hint() }
    }
}
