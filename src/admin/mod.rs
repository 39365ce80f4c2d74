//! Floor 7: the admin listener: `/healthz`, `/readyz`, `/metrics`. It runs on the control runtime and never delays a
//! request.

use crate::telemetry::metrics::{CONTENT_TYPE, Metrics};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// How the gateway is, for probes.
pub struct Health {
    draining: AtomicBool,
    generation: AtomicU64,
    last_reload_failed: AtomicBool,
}

impl Health {
    pub fn new(generation: u64) -> Health {
        Health {
            draining: AtomicBool::new(false),
            generation: AtomicU64::new(generation),
            last_reload_failed: AtomicBool::new(false),
        }
    }

    pub fn reloaded(&self, generation: u64) {
        self.generation.store(generation, Relaxed);
        self.last_reload_failed.store(false, Relaxed);
    }

    pub fn reload_failed(&self) {
        self.last_reload_failed.store(true, Relaxed);
    }

    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// A wrong file does not make a gateway unready: the old one serves, and taking it out of service would turn a typing
    /// slip into an outage. It is said, though.
    fn readiness(&self) -> (StatusCode, String) {
        let draining = self.draining.load(Relaxed);
        let failed = self.last_reload_failed.load(Relaxed);
        let body = serde_json::json!({
            "status": if draining { "draining" } else { "ready" },
            "config": {
                "generation": self.generation.load(Relaxed),
                "last_reload": if failed { "failed: the old configuration keeps serving; the log says why" } else { "ok" },
            },
        });
        let status = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (status, format!("{body}\n"))
    }
}

/// What the listener answers from.
#[derive(Clone)]
pub struct Service {
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
}

/// Accepts on `socket` until the runtime ends, or the handle is told to.
pub fn open(
    socket: std::net::TcpListener,
    tls: Option<Arc<ServerConfig>>,
    service: Service,
) -> io::Result<AbortHandle> {
    let listener = TcpListener::from_std(socket)?;
    Ok(tokio::spawn(accept(listener, tls, service)).abort_handle())
}

async fn accept(listener: TcpListener, tls: Option<Arc<ServerConfig>>, service: Service) {
    let acceptor = tls.map(tokio_rustls::TlsAcceptor::from);
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (acceptor, service) = (acceptor.clone(), service.clone());
        tokio::spawn(async move {
            match acceptor {
                None => serve(tcp, service).await,
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(Duration::from_secs(10), acceptor.accept(tcp));
                    if let Ok(Ok(stream)) = handshake.await {
                        serve(stream, service).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, service: Service) {
    let answer = service_fn(move |request| {
        let reply = service.answer(&request);
        async move { Ok::<_, Infallible>(reply) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    // A probe that hangs up is nobody's concern.
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}

impl Service {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Only GET is answered here");
            reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply;
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned()),
            "/readyz" => {
                let (status, body) = self.health.readiness();
                text(status, "application/json", body)
            }
            "/metrics" => text(StatusCode::OK, CONTENT_TYPE, self.metrics.render()),
            _ => problem(StatusCode::NOT_FOUND, "not_found", "There are /healthz, /readyz and /metrics"),
        }
    }
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn problem(status: StatusCode, code: &'static str, title: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({
        "type": format!("urn:keystile:error:{code}"), "title": title, "status": status.as_u16(), "code": code,
    });
    let mut reply = text(status, "application/problem+json", format!("{body}\n"));
    reply.headers_mut().insert(crate::http::reply::ERROR, HeaderValue::from_static(code));
    reply
}
