//! A caller's connection, from its handshake to its end.

use super::answer::{Journeys, answer};
use super::core::Core;
use super::front::Front;
use super::reply_body::ReplyBody;
use crate::http::body::CallersBody;
use crate::http::h1::{self, incoming::Early};
use crate::model::{Listener, Reply, RequestHead};
use crate::net::accepted::Accepted;
use crate::net::certificate;
use crate::net::frame_guard::FrameGuard;
use crate::net::guard::{Activity, Guarded};
use crate::net::prior_knowledge::begins_http2;
use crate::net::stream::Stream;
use crate::telemetry::metrics::FrontProtocol;
use crate::telemetry::timestamp::now_ms;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Bytes hyper may buffer of a head beyond our own limits, so that we are the ones who refuse, and with a reason.
const BEYOND: u64 = 64 * 1024;
/// Requests one HTTP/2 connection may have under way.
const STREAMS: u32 = 128;
/// Requests of it that may be reset before they were looked at, at once; and that may be malformed or too many, ever.
const UNSEEN_RESETS: usize = 20;
const WRONG_STREAMS: usize = 256;
/// Bytes of a reply that wait for a caller to read them, for each of his requests.
const UNREAD: usize = 64 * 1024;

/// Handshake, then requests, until one side has had enough.
pub async fn connection<J: Journeys>(
    journeys: J,
    core: Rc<Core>,
    address: Arc<str>,
    accepted: Accepted,
    peer: SocketAddr,
    // Held to the end: while there is one, the worker is not done.
    mut stop: watch::Receiver<bool>,
) {
    accepted.set_nodelay();
    let live = core.live();
    let Some(at) = live.listener(&address) else { return };
    let door = &live.snapshot.listeners[at];
    let (timeouts, head) = (door.timeouts, door.max_head.saturating_add(BEYOND));
    let (rules, assurance, kind) = (rules(door), door.assurance(), door.door.kind());
    let (stream, h2, certificate) = match &live.certificates[at] {
        None if door.h2c => match tokio::time::timeout(timeouts.head, begins_http2(&accepted)).await {
            Ok(Some(h2)) => (Stream::from(accepted), h2, None),
            Ok(None) | Err(_) => return,
        },
        None => (Stream::from(accepted), false, None),
        Some(tls) => {
            // Where a Unix socket has `tls`, the configuration is refused.
            let Accepted::Tcp(tcp) = accepted else { return };
            let handshake = tokio_rustls::TlsAcceptor::from(tls.config.clone()).accept(tcp);
            match tokio::time::timeout(timeouts.head, handshake).await {
                Ok(Ok(stream)) => {
                    let session = stream.get_ref().1;
                    let h2 = session.alpn_protocol() == Some(b"h2");
                    let Ok(certificate) = certificate::presented(session, now_ms()) else {
                        return core.metrics.tls_handshake_failed();
                    };
                    (Stream::Server(Box::new(stream)), h2, certificate)
                }
                Ok(Err(_)) | Err(_) => return core.metrics.tls_handshake_failed(),
            }
        }
    };
    drop(live);
    let _open = core.metrics.front_connection(if h2 { FrontProtocol::H2 } else { FrontProtocol::H1 });
    if !h2 {
        let front = Rc::new(Front::new(address, kind, assurance, peer.ip(), None, certificate));
        return h1::server::serve(stream, rules, &Door { journeys, core, front }, stop).await;
    }
    let activity = Activity::new(timeouts);
    let front = Rc::new(Front::new(address, kind, assurance, peer.ip(), Some(activity.clone()), certificate));
    // What does not fit twice over is no mistake about the limit, which hyper answers with 431.
    let guarded = FrameGuard::new(stream, head.saturating_mul(2), peer.ip(), core.metrics.clone());
    let streams = Streams(core.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (core, front) = (core.clone(), front.clone());
        async move {
            let (parts, body) = request.into_parts();
            let reply = answer(journeys, &core, &front, &mut parts.into(), CallersBody::H2(body), None).await;
            Ok::<_, Infallible>(reply.into_response())
        }
    });
    let connection = http2(head, streams).serve_connection(Guarded::new(guarded, activity), service);
    until(stopped(&mut stop), pin!(connection), |c| c.graceful_shutdown()).await;
}

/// What an HTTP/1 connection may be.
fn rules(door: &Listener) -> h1::server::Rules {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX / 2);
    let limits = h1::head::Limits { head: size(door.max_head), uri: size(door.max_uri) };
    h1::server::Rules { limits, timeouts: door.timeouts }
}

/// The journeys, as HTTP/1 connections call them.
struct Door<J> {
    journeys: J,
    core: Rc<Core>,
    front: Rc<Front>,
}

impl<J: Journeys> h1::server::Service for Door<J> {
    type Body = ReplyBody;

    async fn call(
        &self,
        head: &mut RequestHead,
        body: Option<h1::incoming::Incoming>,
        early: Early,
    ) -> Reply<ReplyBody> {
        let body = body.map_or(CallersBody::None, CallersBody::H1);
        answer(self.journeys, &self.core, &self.front, head, body, Some(early)).await
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Drives a connection; once told to stop, lets it finish what it has begun.
async fn until<C: Future>(
    stopped: impl Future<Output = ()>,
    mut connection: std::pin::Pin<&mut C>,
    finish: impl FnOnce(std::pin::Pin<&mut C>),
) {
    tokio::select! {
        // What went wrong on a caller's connection is told by its requests' records.
        _ = connection.as_mut() => return,
        () = stopped => finish(connection.as_mut()),
    }
    connection.await;
}

fn http2(head: u64, streams: Streams) -> hyper::server::conn::http2::Builder<Streams> {
    let mut builder = hyper::server::conn::http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_local_error_reset_streams(WRONG_STREAMS)
        .max_send_buf_size(UNREAD)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        // A caller that stopped reading, or vanished, is noticed though no request runs.
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Streams stay on their connection's core.
#[derive(Clone)]
struct Streams(Rc<Core>);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        self.0.desks.seat(future);
    }
}
