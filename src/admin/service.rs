//! What the listener answers from.

use super::api::{Api, PREFIX};
use super::guard::Door;
use super::health::Health;
use super::problem::{PROBLEM, Reply, text};
use crate::control::Control;
use crate::http::reply::ERROR;
use crate::telemetry::metrics::{CONTENT_TYPE, Metrics};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use hyper::body::Body;
use std::net::IpAddr;
use std::sync::Arc;

/// What the listener answers from.
#[derive(Clone)]
pub struct Service {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    api: Option<Arc<Api>>,
}

impl Service {
    /// `control`: what the API is over; without it there are `/healthz`, `/readyz` and `/metrics` alone.
    pub fn new(metrics: Arc<Metrics>, health: Arc<Health>, control: Option<Arc<Control>>) -> Service {
        Service { metrics, health, api: control.map(|control| Arc::new(Api::new(control))) }
    }

    pub(super) async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>, peer: IpAddr, door: Door) -> Reply {
        match &self.api {
            Some(api) if Api::is_asked(request.uri().path()) => api.answer(request, peer, door).await,
            _ => self.probe(&request),
        }
    }

    /// Forgets whose time is over.
    pub(super) fn sweep(&self) {
        if let Some(api) = &self.api {
            api.sweep();
        }
    }

    fn probe<B>(&self, request: &Request<B>) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Only GET is answered here");
            reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply;
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"),
            "/readyz" => {
                let (status, body) = self.health.readiness();
                text(status, "application/json", body)
            }
            "/metrics" => text(StatusCode::OK, CONTENT_TYPE, self.metrics.render()),
            _ if self.api.is_some() => {
                let title = format!("There are /healthz, /readyz, /metrics and {PREFIX}/docs");
                problem(StatusCode::NOT_FOUND, "not_found", &title)
            }
            _ => problem(StatusCode::NOT_FOUND, "not_found", "There are /healthz, /readyz and /metrics"),
        }
    }
}

fn problem(status: StatusCode, code: &'static str, title: &str) -> Reply {
    let body = serde_json::json!({
        "type": format!("urn:keystile:error:{code}"), "title": title, "status": status.as_u16(), "code": code,
    });
    let mut reply = text(status, PROBLEM, format!("{body}\n"));
    reply.headers_mut().insert(ERROR, HeaderValue::from_static(code));
    reply
}
