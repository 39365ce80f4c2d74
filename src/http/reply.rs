//! What the gateway itself answers: RFC 9457 problems, their challenges and limit fields.

use crate::model::Denial;
use crate::model::denial::WEBHOOK_BUFFER;
use crate::model::quota::{Allowance, Quota};
use crate::model::webhook::OwnAnswer;
use crate::model::{Fields, Reply};
use crate::policy::rewrite::REQUEST_ID;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use std::borrow::Cow;

/// Marks a reply that the gateway wrote; what an upstream says never carries it.
pub const ERROR: HeaderName = HeaderName::from_static("x-keystile-error");
/// C12: a reply was looked through for the connection's secret, and how often it stood in the head.
pub const SCRUB: HeaderName = HeaderName::from_static("x-keystile-scrub");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
// As constants they are looked at by the compiler, not for every refusal.
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const KEY: HeaderValue = HeaderValue::from_static("Key realm=\"keystile\"");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"keystile\"");
const BEARER_INVALID: HeaderValue = HeaderValue::from_static("Bearer realm=\"keystile\", error=\"invalid_token\"");

/// H4: on a reply to a delivery that was there before.
pub const REPLAYED: HeaderName = HeaderName::from_static("x-keystile-replayed");

/// What the gateway says of its own accord, and is no refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// H4: it was delivered before.
    Replayed,
    /// H6: what the sender wants to hear back.
    Handshake(Bytes),
}

impl Answer {
    pub fn kind(&self) -> OwnAnswer {
        match self {
            Answer::Replayed => OwnAnswer::Replayed,
            Answer::Handshake(_) => OwnAnswer::Handshake,
        }
    }

    /// The reply. What a sender wants to hear back is plain text, whatever it looks like.
    pub fn reply(self, request_id: &HeaderValue) -> Reply<Bytes> {
        let (body, replayed) = match self {
            Answer::Replayed => (Bytes::new(), true),
            Answer::Handshake(text) => (text, false),
        };
        let mut reply = Reply::new(body);
        let fields = &mut reply.headers;
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(header::CACHE_CONTROL, NO_STORE);
        fields.insert(REQUEST_ID, request_id.clone());
        if replayed {
            fields.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        reply
    }
}

/// What a refusal needs to know of the request.
pub struct Asked<'a> {
    pub request_id: &'a HeaderValue,
    /// A Bearer token was sent: the challenge says `invalid_token` (RFC 6750).
    pub bearer: bool,
    pub conceal: bool,
}

/// The reply to a refused request.
pub fn refusal(denial: &Denial, asked: &Asked<'_>) -> Reply<Bytes> {
    if asked.conceal && denial.is_concealed() {
        return problem(&Denial::WorkflowNotFound, asked.request_id);
    }
    let mut reply = problem(denial, asked.request_id);
    let fields = &mut reply.headers;
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
        Denial::Overloaded { .. } | Denial::Behind | Denial::Replayed { in_flight: true } => {
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    if denial.status() == StatusCode::UNAUTHORIZED {
        fields.append(header::WWW_AUTHENTICATE, KEY);
        fields.append(header::WWW_AUTHENTICATE, if asked.bearer { BEARER_INVALID } else { BEARER });
    }
    if let Denial::RequestTimeout
    | Denial::BodyTooLarge { .. }
    | Denial::BadRequest(_)
    | Denial::Overloaded { what: WEBHOOK_BUFFER } = denial
    {
        // What is left of such a request is nobody's next one.
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

/// What stands in every problem but those of limits, around its own words.
const AROUND: &str = r#"{"type":"urn:keystile:error:","title":"","status":401,"code":"","detail":"","hint":"","instance":"urn:uuid:","request_id":""}
"#;

fn problem(denial: &Denial, request_id: &HeaderValue) -> Reply<Bytes> {
    let (code, status) = denial.code_and_status();
    let (title, detail, hint) = (denial.title(), escaped(denial.detail()), denial.hint());
    let id = std::str::from_utf8(request_id.as_bytes()).unwrap_or_default();
    // Of the right size, so that it is sent as it lies, without another allocation.
    let own = 2 * code.len() + title.len() + detail.len() + hint.len() + 2 * id.len();
    let mut body = String::with_capacity(AROUND.len() + own);
    match denial {
        Denial::RateLimited(refusal) => {
            const QUOTA: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
            push(&mut body, "{\"type\":\"", QUOTA);
            push(&mut body, "\",\"violated-policies\":[\"", refusal.scope.name());
            push(&mut body, "\"],\"title\":\"", title);
        }
        _ => {
            push(&mut body, "{\"type\":\"urn:keystile:error:", code);
            push(&mut body, "\",\"title\":\"", title);
        }
    }
    push(&mut body, "\",\"status\":", status.as_str());
    push(&mut body, ",\"code\":\"", code);
    push(&mut body, "\",\"detail\":\"", &detail);
    push(&mut body, "\",\"hint\":\"", &hint);
    push(&mut body, "\",\"instance\":\"urn:uuid:", id);
    push(&mut body, "\",\"request_id\":\"", id);
    body.push_str("\"}\n");
    let mut reply = Reply::new(Bytes::from(body));
    reply.status = status;
    let fields = &mut reply.headers;
    fields.append(header::CONTENT_TYPE, PROBLEM);
    fields.append(header::CACHE_CONTROL, NO_STORE);
    fields.append(ERROR, HeaderValue::from_static(code));
    fields.append(REQUEST_ID, request_id.clone());
    reply
}

/// Refusals are what an attacker asks for most, so their text is put together without a serialiser. All of it stands in
/// the source and needs no escaping (a test looks), but for details with names in them.
fn push(body: &mut String, label: &str, text: &str) {
    body.push_str(label);
    body.push_str(text);
}

fn escaped(detail: Cow<'static, str>) -> Cow<'static, str> {
    match detail {
        Cow::Borrowed(fixed) => Cow::Borrowed(fixed),
        Cow::Owned(made) => {
            let quoted = serde_json::to_string(&made).unwrap_or_default();
            Cow::Owned(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned())
        }
    }
}

/// C12: what [`SCRUB`] says.
pub fn scrub(replaced: u64) -> HeaderValue {
    match replaced {
        0 => HeaderValue::from_static("on"),
        _ => HeaderValue::try_from(format!("on; replaced={replaced}")).unwrap_or(HeaderValue::from_static("on")),
    }
}

/// L2: the fields on a passed reply.
pub fn allowances(fields: &mut Fields, charged: &[Allowance]) {
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

fn set(fields: &mut Fields, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        fields.insert(name, value);
    }
}

fn append(fields: &mut Fields, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        fields.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::denial::{BadSignature, BadTime, BadToken};
    use crate::model::key::ScopeName;
    use crate::model::quota::{Refusal, Scope};
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn every_denial() -> Vec<Denial> {
        let name = || "a\"b".into();
        let cause = String::new;
        let n = NonZeroU32::MIN;
        let refusal = Refusal {
            scope: Scope::Key,
            quota: Quota { count: n, per: Duration::from_secs(60), burst: n },
            wait: Duration::ZERO,
        };
        vec![
            Denial::BadRequest("w"),
            Denial::InvalidHost("w"),
            Denial::AmbiguousPath("w"),
            Denial::ConflictingCredentials,
            Denial::CredentialRepeated,
            Denial::EnvironmentRepeated,
            Denial::UnknownEnvironment,
            Denial::RequestTimeout,
            Denial::BodyTooLarge { limit: 1 },
            Denial::UriTooLong { limit: 1 },
            Denial::ExpectationFailed,
            Denial::HeadTooLarge("w"),
            Denial::VersionNotSupported,
            Denial::MissingKey,
            Denial::InvalidKey(BadToken::Unknown),
            Denial::KeyDisabled,
            Denial::KeyRevoked,
            Denial::KeyExpired,
            Denial::QueryKeySunset,
            Denial::SignatureMissing { header: REQUEST_ID },
            Denial::SignatureInvalid { header: Some(REQUEST_ID), bad: BadSignature::NotOurs },
            Denial::SignatureInvalid { header: None, bad: BadSignature::NotThisUrl },
            Denial::SignatureExpired(BadTime::TooOld),
            Denial::Replayed { in_flight: true },
            Denial::Replayed { in_flight: false },
            Denial::SigningSecretMissing { workflow: name() },
            Denial::WrongVerifyToken,
            Denial::AddressNotAllowed,
            Denial::WorkflowNotFound,
            Denial::MethodNotAllowed { allow: vec![http::Method::GET] },
            Denial::WorkflowNotPermitted { workflow: name() },
            Denial::ScopeMissing(ScopeName::WorkflowsInvoke),
            Denial::EnvironmentMismatch { wants: Some(name()) },
            Denial::WorkflowNotInEnvironment { workflow: name(), environment: name() },
            Denial::DestinationNotAllowed { cause: cause() },
            Denial::ConnectionElsewhere { belongs: name(), runs: name() },
            Denial::ConnectionNotFound,
            Denial::CallNotAllowed,
            Denial::Forbidden("w"),
            Denial::SecretUnavailable { connection: name() },
            Denial::RateLimited(refusal),
            Denial::LoopDetected,
            Denial::Overloaded { what: "w" },
            Denial::Behind,
            Denial::UpstreamUnreachable { cause: cause() },
            Denial::UpstreamTls { cause: cause() },
            Denial::UpstreamProtocol { cause: cause() },
            Denial::UpstreamOpaque { cause: "w" },
            Denial::UpstreamTimeout { phase: "w" },
            Denial::Internal { cause: cause() },
        ]
    }

    #[test]
    fn t6_every_problem_is_valid_json_with_all_its_members() {
        let id = HeaderValue::from_static("0f8fad5b-d9cb-469f-a165-70867728950e");
        for denial in every_denial() {
            let reply = refusal(&denial, &Asked { request_id: &id, bearer: false, conceal: false });
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(body["code"], denial.code());
            assert_eq!(body["status"], denial.status().as_u16());
            assert_eq!(body["detail"], *denial.detail());
            assert_eq!(body["hint"], *denial.hint());
            assert_eq!(body["title"], denial.title());
            assert_eq!(body["request_id"], "0f8fad5b-d9cb-469f-a165-70867728950e");
            assert!(body["type"].as_str().is_some_and(|t| t.contains(':')));
            assert_eq!(reply.headers[ERROR], denial.code());
            assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json");
        }
    }

    #[test]
    fn w6_concealed_refusals_are_equal_to_the_byte() {
        let id = HeaderValue::from_static("0f8fad5b-d9cb-469f-a165-70867728950e");
        let ask = |denial: &Denial| refusal(denial, &Asked { request_id: &id, bearer: true, conceal: true });
        let wanted = ask(&Denial::WorkflowNotFound);
        for denial in every_denial().iter().filter(|d| matches!(d.status().as_u16(), 401 | 403 | 404 | 405)) {
            let got = ask(denial);
            assert_eq!((got.status, &got.headers, &got.body), (wanted.status, &wanted.headers, &wanted.body));
        }
    }
}
