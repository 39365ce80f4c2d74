//! T6: refusals as RFC 9457 documents, and replies in general.

use crate::control::{Refusal, Wrong};
use crate::http::reply::ERROR;
use crate::telemetry::redact::redact;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};

pub type Reply = Response<Full<Bytes>>;

/// A refusal on its way out, with the fields that it brings.
#[derive(Debug)]
pub struct Problem {
    refusal: Box<Refusal>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem { refusal: Box::new(refusal), fields: Vec::new() }
    }
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Problem {
        Refusal::new(status, code, detail, hint).into()
    }

    pub fn bad_request(code: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, detail, hint)
    }

    pub fn not_found(detail: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail, hint)
    }

    /// With a field of the reply's head. A value that no field may hold is left out.
    pub fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Problem {
        self.fields.extend(value.try_into().ok().map(|value| (name, value)));
        self
    }

    /// With the mistakes of a body.
    pub fn wrong(mut self, errors: Vec<Wrong>) -> Problem {
        self.refusal.errors = errors;
        self
    }

    pub fn code(&self) -> &'static str {
        self.refusal.code
    }

    pub fn status(&self) -> StatusCode {
        self.refusal.status
    }

    /// The document, less tokens that stood in wrong places. `request_id` is a UUID.
    fn document(&self, request_id: &str) -> Value {
        let Refusal { code, status, detail, hint, errors, dependants } = &*self.refusal;
        let mut document = Map::new();
        let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
        put("type", json!(format!("urn:keystile:error:{code}")));
        put("title", json!(title(code)));
        put("status", json!(status.as_u16()));
        put("code", json!(code));
        put("detail", json!(redact(detail)));
        put("hint", json!(redact(hint)));
        put("instance", json!(format!("urn:uuid:{request_id}")));
        put("request_id", json!(request_id));
        if !errors.is_empty() {
            let told = |wrong: &Wrong| Wrong::new(&redact(&wrong.field), redact(&wrong.reason), redact(&wrong.remedy));
            put("errors", json!(errors.iter().map(told).collect::<Vec<_>>()));
        }
        if let Some(dependants) = dependants {
            put("dependants", Value::clone(dependants));
        }
        Value::Object(document)
    }

    pub fn into_reply(self, request_id: &str) -> Reply {
        let document = self.document(request_id);
        let mut reply = text(self.refusal.status, PROBLEM, format!("{document}\n"));
        reply.headers_mut().insert(ERROR, HeaderValue::from_static(self.refusal.code));
        reply
            .headers_mut()
            .extend(self.fields.into_iter().map(|(name, value)| (Some(name), value)).collect::<Vec<_>>());
        reply
    }
}

pub const PROBLEM: &str = "application/problem+json";

/// `name_taken` for people: `Name taken`.
fn title(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// A reply that nobody keeps: what it says may be of another moment, or hold a token.
pub fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// 204 and 304.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn t6_a_problem_says_all_it_knows_and_its_code_twice() {
        let mut refusal = Refusal::new(StatusCode::CONFLICT, "in_use", "crm is \"used\"", "delete them first");
        refusal.errors =
            vec![Wrong { field: "name".into(), reason: "is taken".into(), remedy: "choose another".into() }];
        refusal.dependants = Some(Box::new(json!({ "keys": ["crm"] })));
        let reply = Problem::from(refusal).with(header::ALLOW, "GET").into_reply("0f8fad5b");
        assert_eq!(reply.status(), 409);
        assert_eq!(reply.headers()[ERROR], "in_use");
        assert_eq!(reply.headers()[header::ALLOW], "GET");
        assert_eq!(reply.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(reply.headers()[header::CONTENT_TYPE], PROBLEM);
        let body: Value = serde_json::from_slice(&reply.into_body().collect().await.unwrap().to_bytes()).unwrap();
        let expected = json!({
            "type": "urn:keystile:error:in_use", "title": "In use", "status": 409, "code": "in_use",
            "detail": "crm is \"used\"", "hint": "delete them first",
            "instance": "urn:uuid:0f8fad5b", "request_id": "0f8fad5b",
            "errors": [{ "field": "name", "reason": "is taken", "remedy": "choose another" }],
            "dependants": { "keys": ["crm"] },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn what_there_is_none_of_is_left_out() {
        let document = Problem::not_found("d", "h").document("id");
        assert!(document.get("errors").is_none() && document.get("dependants").is_none());
    }
}
