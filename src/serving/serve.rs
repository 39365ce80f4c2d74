//! A caller's connection, from its handshake to its end.

use super::answer::{Journeys, answer};
use super::core::Core;
use super::exchange::Exchange;
use super::front::Front;
use super::reply_body::ReplyBody;
use crate::http::body::CallersBody;
use crate::http::early::Early;
use crate::http::{h1, h2};
use crate::model::flood::Flood;
use crate::model::listener::DoorKind;
use crate::model::{Listener, Reply, RequestHead};
use crate::net::accepted::Accepted;
use crate::net::certificate;
use crate::net::prior_knowledge::begins_http2;
use crate::net::stop::Hearer;
use crate::net::stream::Stream;
use crate::telemetry::metrics::FrontProtocol;
use crate::telemetry::timestamp::now_ms;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// What is read of an HTTP/2 head beyond our own limits, so that it is refused with a reason.
const BEYOND: u64 = 64 * 1024;

/// Handshake, then requests, until one side has had enough.
pub async fn connection<J: Journeys>(
    journeys: J,
    core: Rc<Core>,
    address: Arc<str>,
    accepted: Accepted,
    peer: SocketAddr,
    // Held to the end: while there is one, the worker is not done.
    stop: Hearer,
) {
    let live = core.live();
    let Some(at) = live.listener(&address) else { return };
    let door = &live.snapshot.listeners[at];
    let (timeouts, rules, h2_rules) = (door.timeouts, rules(door), h2_rules(door));
    let (assurance, kind) = (door.assurance(), door.door.kind());
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
    let dear = matches!(stream, Stream::Server(_));
    let front = Rc::new(Front::new(address, kind, assurance, peer.ip(), certificate, dear));
    let door = Door { journeys, core, front };
    if h2 {
        return h2::server::serve(stream, h2_rules, Rc::new(door), stop).await;
    }
    h1::server::serve(stream, rules, &door, stop).await;
}

/// What an HTTP/1 connection may be.
fn rules(door: &Listener) -> h1::server::Rules {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX / 2);
    let limits = h1::head::Limits { head: size(door.max_head), uri: size(door.max_uri) };
    h1::server::Rules { limits, timeouts: door.timeouts }
}

/// What an HTTP/2 connection may be.
fn h2_rules(door: &Listener) -> h2::server::Rules {
    let list = door.max_head.saturating_add(BEYOND);
    // What does not fit twice over is no mistake about the limit, which is answered with 431.
    h2::server::Rules { list, block: list.saturating_mul(2), timeouts: door.timeouts }
}

/// The journeys, as connections call them.
struct Door<J> {
    journeys: J,
    core: Rc<Core>,
    front: Rc<Front>,
}

impl<J: Journeys> h1::server::Service for Door<J> {
    type Body = ReplyBody;

    fn call(
        &self,
        head: &mut RequestHead,
        body: Option<h1::incoming::Incoming>,
        early: h1::incoming::Early,
    ) -> impl Future<Output = Reply<ReplyBody>> {
        let body = body.map_or(CallersBody::None, CallersBody::H1);
        answer(self.journeys, &self.core, &self.front, head, body, Early::H1(early))
    }
}

impl<J: Journeys> h2::server::Service for Door<J> {
    type Body = ReplyBody;

    fn call(
        &self,
        head: &mut RequestHead,
        body: Option<h2::server::incoming::Incoming>,
        early: h2::server::incoming::Early,
    ) -> impl Future<Output = Reply<ReplyBody>> {
        let body = body.map_or(CallersBody::None, CallersBody::H2);
        answer(self.journeys, &self.core, &self.front, head, body, Early::H2(early))
    }

    fn given_up(&self, head: &RequestHead) {
        let mut exchange = Exchange::begin(self.core.clone(), self.core.live(), &self.front, head);
        // Nobody has looked which part of such a path may be a secret.
        if self.front.door == DoorKind::Outbound {
            exchange.shown_as(Some("/…".to_owned()));
        }
    }

    fn spawn<T: 'static, F: Future<Output = ()> + 'static>(&self, job: T, work: impl Fn(T) -> F + 'static) {
        self.core.desks.seat(job, work);
    }

    fn flooded(&self, flood: Flood) {
        self.core.metrics.h2_flood(flood);
        let peer = self.front.peer;
        tracing::debug!(%peer, flood = flood.name(), "an HTTP/2 connection was ended: too many frames");
    }
}
