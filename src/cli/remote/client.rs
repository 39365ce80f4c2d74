//! One request at a time to the admin API, over TCP or TLS. Redirects are not followed: a token goes where it was meant to.

use super::misuse;
use super::problem::Problem;
use super::target::{Site, Target};
use crate::model::connection::{HttpVersion, UpstreamTls};
use crate::model::name::{is_name, is_uuid};
use crate::net::tls;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Name, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(5);
/// The whole of it: providers are asked about secrets meanwhile.
const WHOLE: Duration = Duration::from_secs(60);
/// An export of everything stays far below; a stranger's endless reply does not.
const LARGEST: usize = 256 << 20;

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
    target: Target,
    tls: Option<Arc<rustls::ClientConfig>>,
    runtime: Runtime,
}

impl Client {
    pub fn to(target: Target) -> anyhow::Result<Client> {
        let authorities = UpstreamTls { ca: target.ca.clone(), identity: None, server_name: None };
        let tls = match target.site.tls {
            true => Some(tls::client(&authorities, HttpVersion::Http1).context("--ca")?.0.config),
            false => None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Client { target, tls, runtime })
    }

    pub fn site(&self) -> &Site {
        &self.target.site
    }

    pub fn get(&self, segments: &[&str]) -> anyhow::Result<Reply> {
        self.send(Ask::new(Method::GET, segments)?)
    }

    pub fn post(&self, segments: &[&str]) -> anyhow::Result<Reply> {
        self.send(Ask::new(Method::POST, segments)?)
    }

    /// Sends, and waits for what comes of it. A refusal is an error that says what the gateway says.
    pub fn send(&self, ask: Ask) -> anyhow::Result<Reply> {
        let request = self.request(ask)?;
        let exchange = async { timeout(WHOLE, self.exchange(request)).await };
        let (parts, body) = match self.runtime.block_on(exchange) {
            Ok(done) => done?,
            Err(_) => bail!(
                "{} did not answer within {} s\n  whether it was done is not known: look before you repeat it",
                self.target.site,
                WHOLE.as_secs()
            ),
        };
        self.judge(&parts, &body)
    }

    fn request(&self, ask: Ask) -> anyhow::Result<Request<Full<Bytes>>> {
        let query = if ask.query.is_empty() { String::new() } else { format!("?{}", ask.query.join("&")) };
        let path = format!("{}/api/v1{}{query}", self.target.site.base, ask.path);
        let token = Zeroizing::new(format!("Bearer {}", self.target.token.show()));
        let mut token = HeaderValue::from_str(&token)
            .map_err(|_| anyhow::anyhow!("the token holds what no token does: copy it again, whole and alone"))?;
        token.set_sensitive(true);
        let mut request = Request::builder()
            .method(ask.method)
            .uri(path)
            .header(header::HOST, self.target.site.authority())
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

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(http::response::Parts, Zeroizing<Vec<u8>>)> {
        let site = &self.target.site;
        let connecting = async {
            let tcp = TcpStream::connect((site.host.as_str(), site.port))
                .await
                .map_err(|e| self.unreachable(&e.to_string()))?;
            let _ = tcp.set_nodelay(true);
            Ok::<_, anyhow::Error>(tcp)
        };
        let late = || self.unreachable(&format!("no answer within {} s", CONNECT.as_secs()));
        let tcp = timeout(CONNECT, connecting).await.map_err(|_| late())??;
        let Some(tls) = &self.tls else { return exchanged(tcp, request).await.map_err(|e| self.broken(&e)) };
        let name = rustls::pki_types::ServerName::try_from(site.host.clone()).context("the URL's host is not valid")?;
        let shaken = tokio_rustls::TlsConnector::from(tls.clone()).connect(name, tcp);
        let stream = timeout(CONNECT, shaken).await.map_err(|_| late())?.map_err(|e| self.distrusted(&e))?;
        exchanged(stream, request).await.map_err(|e| self.broken(&e))
    }

    fn unreachable(&self, why: &str) -> anyhow::Error {
        anyhow::anyhow!(
            "cannot reach {}: {why}\n  is `keystile serve` running there, with listeners.admin in its configuration? \
             Another address: --url or KEYSTILE_URL",
            self.target.site
        )
    }

    fn distrusted(&self, error: &std::io::Error) -> anyhow::Error {
        anyhow::anyhow!(
            "cannot speak TLS with {}: {error}\n  a certificate of your own authority needs --ca FILE; a listener \
             without tls needs http://",
            self.target.site
        )
    }

    fn broken(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!(
            "{} broke the exchange off: {error:#}\n  whether it was done is not known: look before you repeat it",
            self.target.site
        )
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
            self.target.site,
            if parts.status == StatusCode::OK { "something else".to_owned() } else { parts.status.to_string() }
        )
    }
}

async fn exchanged(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(http::response::Parts, Zeroizing<Vec<u8>>)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driven = tokio::spawn(connection);
    let reply: Response<Incoming> = sender.send_request(request).await?;
    let (parts, body) = reply.into_parts();
    let whole = Limited::new(body, LARGEST).collect().await.map_err(|e| anyhow::anyhow!("{e}"))?;
    driven.abort();
    Ok((parts, Zeroizing::new(whole.to_bytes().to_vec())))
}

/// `"7"`, also as a weak one.
fn version(parts: &http::response::Parts) -> Option<u64> {
    let tag = parts.headers.get(header::ETAG)?.to_str().ok()?;
    tag.trim_start_matches("W/").trim_matches('"').parse().ok()
}
