//! What the gateway itself answers: RFC 9457 problems, their challenges and limit fields.

use crate::model::Denial;
use crate::model::quota::{Allowance, Quota};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

/// Marks a reply that the gateway wrote; what an upstream says never carries it.
pub const ERROR: HeaderName = HeaderName::from_static("x-keystile-error");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a refusal needs to know of the request.
pub struct Asked<'a> {
    pub request_id: &'a str,
    /// A Bearer token was sent: the challenge says `invalid_token` (RFC 6750).
    pub bearer: bool,
    pub conceal: bool,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    hint: &'a str,
    instance: &'a str,
    request_id: &'a str,
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    violated: Option<[&'a str; 1]>,
}

/// The reply to a refused request.
pub fn refusal(denial: &Denial, asked: &Asked<'_>) -> Response<Bytes> {
    if asked.conceal && denial.is_concealed() {
        return problem(&Denial::WorkflowNotFound, asked.request_id);
    }
    let mut reply = problem(denial, asked.request_id);
    let fields = reply.headers_mut();
    match denial {
        Denial::MethodNotAllowed { allow } => {
            let list = allow.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
            set(fields, header::ALLOW, list);
        }
        Denial::RateLimited(refusal) => {
            let wait = seconds_up(refusal.wait);
            set(fields, header::RETRY_AFTER, wait.to_string());
            set(fields, LIMIT_POLICY, policy(refusal.scope.name(), refusal.quota));
            set(fields, LIMIT, format!("\"{}\";r=0;t={wait}", refusal.scope.name()));
        }
        Denial::Overloaded { .. } => set(fields, header::RETRY_AFTER, "1".to_owned()),
        _ => {}
    }
    if denial.status() == StatusCode::UNAUTHORIZED {
        fields.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Key realm=\"keystile\""));
        let bearer = if asked.bearer {
            "Bearer realm=\"keystile\", error=\"invalid_token\""
        } else {
            "Bearer realm=\"keystile\""
        };
        fields.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(bearer));
    }
    if let Denial::RequestTimeout | Denial::BodyTooLarge { .. } | Denial::BadRequest(_) = denial {
        // What is left of such a request is nobody's next one.
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

fn problem(denial: &Denial, request_id: &str) -> Response<Bytes> {
    let (code, status) = denial.code_and_status();
    let own_type = format!("urn:keystile:error:{code}");
    let violated = match denial {
        Denial::RateLimited(refusal) => Some([refusal.scope.name()]),
        _ => None,
    };
    let body = Problem {
        r#type: if violated.is_some() {
            "https://iana.org/assignments/http-problem-types#quota-exceeded"
        } else {
            &own_type
        },
        title: denial.title(),
        status: status.as_u16(),
        code,
        detail: &denial.detail(),
        hint: denial.hint(),
        instance: &format!("urn:uuid:{request_id}"),
        request_id,
        violated,
    };
    let mut body = serde_json::to_vec(&body).unwrap_or_default();
    body.push(b'\n');
    let mut reply = Response::new(Bytes::from(body));
    *reply.status_mut() = status;
    let fields = reply.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(ERROR, HeaderValue::from_static(code));
    set(fields, crate::policy::rewrite::REQUEST_ID, request_id.to_owned());
    reply
}

/// L2: the fields on a passed reply.
pub fn allowances(fields: &mut HeaderMap, charged: &[Allowance]) {
    if charged.is_empty() {
        return;
    }
    let policies: Vec<String> = charged.iter().map(|a| policy(a.scope.name(), a.quota)).collect();
    let left: Vec<String> = charged
        .iter()
        .map(|a| {
            let full_in = a.quota.per.mul_f64(1.0 / f64::from(a.quota.count.get()));
            format!("\"{}\";r={};t={}", a.scope.name(), a.remaining, seconds_up(full_in))
        })
        .collect();
    // An upstream's own fields stay: these are appended.
    append(fields, LIMIT_POLICY, policies.join(", "));
    append(fields, LIMIT, left.join(", "));
}

fn policy(name: &str, quota: Quota) -> String {
    let burst = if quota.burst == quota.count { String::new() } else { format!(";burst={}", quota.burst) };
    format!("\"{name}\";q={};w={}{burst}", quota.count, seconds_up(quota.per))
}

/// Whole seconds, never earlier than `wait`, and at least one.
fn seconds_up(wait: std::time::Duration) -> u64 {
    (wait.as_millis().div_ceil(1000) as u64).max(1)
}

fn set(fields: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        fields.insert(name, value);
    }
}

fn append(fields: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        fields.append(name, value);
    }
}
