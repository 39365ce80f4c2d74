//! A call of the admin API, a step a line.

use super::body;
use super::call::{self, Call};
use super::credentials;
use super::guard::{Door, guard};
use super::log::Line;
use super::parameters::Query;
use super::preconditions;
use super::problem::{Problem, Reply};
use super::routes::{self, Missed};
use crate::control::Control;
use crate::limit::FailedAuth;
use crate::model::Denial;
use crate::policy::rewrite::REQUEST_ID;
use crate::serving::panics::caught;
use crate::serving::request_id::RequestIds;
use crate::telemetry::timestamp::now_ms;
use bytes::Bytes;
use http::header::{ALLOW, HeaderValue};
use http::request::Parts;
use http::{Request, StatusCode};
use hyper::body::Body;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Below this lies the API.
pub const PREFIX: &str = "/api/v1";

/// The API over the use cases.
pub struct Api {
    control: Arc<Control>,
    failed: FailedAuth,
    ids: Mutex<RequestIds>,
}

impl Api {
    pub fn new(control: Arc<Control>) -> Api {
        Api { control, failed: credentials::failed_auth(), ids: Mutex::default() }
    }

    /// Whether `path` is the API's.
    pub fn is_asked(path: &str) -> bool {
        path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub fn sweep(&self) {
        self.failed.sweep(Instant::now());
    }

    pub async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>, peer: IpAddr, door: Door) -> Reply {
        let id = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now_ms());
        let id_text = id.to_str().unwrap_or_default();
        let mut line = Line::begin(id_text, request.method());
        let (parts, body) = request.into_parts();
        let mut body = pin!(body);
        let from = From { peer, door, request_id: id_text };
        let journey = async { Ok::<_, Denial>(self.journey(&parts, body.as_mut(), from, &mut line).await) };
        // Hazard 34: a panic in one call is that call's 500.
        let outcome = caught(pin!(journey)).await.unwrap_or_else(|_| Err(internal()));
        if outcome.is_err() {
            body::hear_out(&parts.headers, body).await;
        }
        let mut reply = outcome.unwrap_or_else(|problem| problem.into_reply(id_text));
        reply.headers_mut().insert(REQUEST_ID, id.clone());
        reply.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        line.answered(&reply);
        reply
    }

    async fn journey<B: Body<Data = Bytes>>(
        &self,
        parts: &Parts,
        body: Pin<&mut B>,
        from: From<'_>,
        line: &mut Line,
    ) -> Result<Reply, Problem> {
        guard(parts, from.door)?;
        let found = find(parts)?;
        line.found(&found);
        let Some(operation) = found.route.operation.guarded() else {
            Query::read(parts.uri.query(), &[])?;
            return Ok(call::open(found.route.operation));
        };
        let actor = credentials::actor(&self.control, &self.failed, &parts.headers, from.peer, from.request_id)?;
        line.actor(actor.name());
        let route = found.route;
        let call = Call {
            name: found.name,
            slot: found.slot,
            number: found.number,
            query: Query::read(parts.uri.query(), &route.query)?,
            if_match: preconditions::if_match(&parts.headers, route.if_match)?,
            idempotency_key: preconditions::idempotency_key(&parts.headers, route.is_create())?,
            fields: &parts.headers,
            body: body::read(&parts.headers, body, route.wants()).await?,
        };
        call::perform(&self.control, &actor, operation, call).await
    }
}

/// Whence a request came, and what it is called.
#[derive(Clone, Copy)]
struct From<'a> {
    peer: IpAddr,
    door: Door,
    request_id: &'a str,
}

fn find(parts: &Parts) -> Result<routes::Found<'_>, Problem> {
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    routes::find(&parts.method, path).map_err(|missed| match missed {
        Missed::Path => {
            let hint = format!("{PREFIX}/docs and {PREFIX}/openapi.json say what there is");
            Problem::not_found("nothing is at this path", hint)
        }
        Missed::Method(allow) => {
            let allow = allow.join(", ");
            let detail = format!("this path takes {allow}");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail, "use one of these")
                .with(ALLOW, allow)
        }
    })
}

fn internal() -> Problem {
    let hint = "look for the request id in the gateway's log, and report it";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the gateway failed at this call", hint)
}
