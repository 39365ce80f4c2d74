//! What the admin API is asked, and what it answers.

use super::misuse;
use super::problem::Problem;
use super::profiles::Token;
use super::target::{Site, Target};
use super::wire::{Trouble, WHOLE, Wire};
use crate::model::name::{is_name, is_uuid};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use zeroize::Zeroizing;

/// What stands in a query as it is.
const PLAIN: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is asked for.
pub struct Ask {
    method: Method,
    path: String,
    query: Vec<String>,
    body: Option<Zeroizing<Vec<u8>>>,
    headers: Vec<(header::HeaderName, String)>,
}

impl Ask {
    /// `segments` below `/api/v1`.
    pub fn new(method: Method, segments: &[&str]) -> anyhow::Result<Ask> {
        let mut path = String::new();
        for segment in segments {
            if !is_name(segment) && !is_uuid(segment) {
                // It is not repeated: it may be somebody's token or secret.
                return Err(misuse("that is no name: letters, digits, `.`, `_` and `-`, at most 63 of them; or an id"));
            }
            path.push('/');
            path.push_str(segment);
        }
        Ok(Ask { method, path, query: Vec::new(), body: None, headers: Vec::new() })
    }

    pub fn query(mut self, name: &str, value: &str) -> Ask {
        self.query.push(format!("{name}={}", percent_encoding::utf8_percent_encode(value, PLAIN)));
        self
    }

    /// If there is a value.
    pub fn query_if(self, name: &str, value: Option<&str>) -> Ask {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// `name=true`, if it is so.
    pub fn flag(self, name: &str, on: bool) -> Ask {
        if on { self.query(name, "true") } else { self }
    }

    pub fn json(self, body: &Value) -> anyhow::Result<Ask> {
        Ok(self.body(Zeroizing::new(serde_json::to_vec(body)?)))
    }

    /// JSON that was written already; wiped when it was sent.
    pub fn body(mut self, json: Zeroizing<Vec<u8>>) -> Ask {
        self.body = Some(json);
        self
    }

    /// Only if the resource is still in this version.
    pub fn if_match(mut self, version: Option<u64>) -> Ask {
        self.headers.extend(version.map(|version| (header::IF_MATCH, format!("\"{version}\""))));
        self
    }

    /// A create with the same key is done once.
    pub fn idempotency_key(mut self, key: Option<&str>) -> Ask {
        let name = header::HeaderName::from_static("idempotency-key");
        self.headers.extend(key.map(|key| (name, key.to_owned())));
        self
    }
}

/// What came back, if it went well.
pub struct Reply {
    /// Null where there is none.
    pub body: Value,
    /// `ETag`.
    pub version: Option<u64>,
}

/// A gateway to talk to.
pub struct Client {
    wire: Wire,
    token: Token,
}

impl Client {
    pub fn to(target: Target) -> anyhow::Result<Client> {
        Ok(Client { wire: Wire::to(target.site, target.ca)?, token: target.token })
    }

    pub fn site(&self) -> &Site {
        self.wire.site()
    }

    pub fn get(&self, segments: &[&str]) -> anyhow::Result<Reply> {
        self.send(Ask::new(Method::GET, segments)?)
    }

    pub fn post(&self, segments: &[&str]) -> anyhow::Result<Reply> {
        self.send(Ask::new(Method::POST, segments)?)
    }

    /// Sends, and waits for what comes of it. A refusal is an error that says what the gateway says.
    pub fn send(&self, ask: Ask) -> anyhow::Result<Reply> {
        let (parts, body) = self.wire.send(self.request(ask)?).map_err(|trouble| self.worded(trouble))?;
        self.judge(&parts, &body)
    }

    fn request(&self, ask: Ask) -> anyhow::Result<Request<Full<Bytes>>> {
        let query = if ask.query.is_empty() { String::new() } else { format!("?{}", ask.query.join("&")) };
        let path = format!("{}/api/v1{}{query}", self.site().base, ask.path);
        let token = Zeroizing::new(format!("Bearer {}", self.token.show()));
        let mut token = HeaderValue::from_str(&token)
            .map_err(|_| anyhow::anyhow!("the token holds what no token does: copy it again, whole and alone"))?;
        token.set_sensitive(true);
        let mut request = Request::builder()
            .method(ask.method)
            .uri(path)
            .header(header::HOST, self.site().authority())
            .header(header::USER_AGENT, concat!("keystile/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json, application/problem+json")
            .header(header::AUTHORIZATION, token);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let body = match ask.body {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from_owner(json)
            }
            None => Bytes::new(),
        };
        request.body(Full::new(body)).context("an argument holds what cannot be sent")
    }

    fn worded(&self, trouble: Trouble) -> anyhow::Error {
        let site = self.site();
        match trouble {
            Trouble::Unreachable(why) => anyhow::anyhow!(
                "cannot reach {site}: {why}\n  is `keystile serve` running there, with listeners.admin in its \
                 configuration? Another address: --url or KEYSTILE_URL"
            ),
            Trouble::Distrusted(error) => anyhow::anyhow!(
                "cannot speak TLS with {site}: {error}\n  a certificate of your own authority needs --ca FILE; a \
                 listener without tls needs http://"
            ),
            Trouble::Broken(error) => anyhow::anyhow!(
                "{site} broke the exchange off: {error:#}\n  whether it was done is not known: look before you repeat it"
            ),
            Trouble::Late => anyhow::anyhow!(
                "{site} did not answer within {} s\n  whether it was done is not known: look before you repeat it",
                WHOLE.as_secs()
            ),
        }
    }

    fn judge(&self, parts: &http::response::Parts, body: &[u8]) -> anyhow::Result<Reply> {
        let json: Option<Value> =
            if body.trim_ascii().is_empty() { Some(Value::Null) } else { serde_json::from_slice(body).ok() };
        if parts.status.is_success()
            && let Some(body) = json
        {
            return Ok(Reply { body, version: version(parts) });
        }
        if let Some(problem) = json.as_ref().and_then(|body| Problem::read(parts.status, body)) {
            return Err(problem.into());
        }
        bail!(
            "{} answered {}, and not as Keystile's admin API does\n  check the URL (--url, KEYSTILE_URL): it is that of \
             listeners.admin",
            self.site(),
            if parts.status == StatusCode::OK { "something else".to_owned() } else { parts.status.to_string() }
        )
    }
}

/// `"7"`, also as a weak one.
fn version(parts: &http::response::Parts) -> Option<u64> {
    let tag = parts.headers.get(header::ETAG)?.to_str().ok()?;
    tag.trim_start_matches("W/").trim_matches('"').parse().ok()
}
