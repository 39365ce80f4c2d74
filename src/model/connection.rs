//! A credential and the place it belongs to. The same noun serves both directions.

use super::environment::EnvironmentId;
use super::quota::Quota;
use super::scrub::NeedleId;
use super::secret::{Secret, SecretHeader};
use super::uid::Uid;
use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Index of a connection in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

/// A connection, checked.
#[derive(Debug)]
pub struct Connection {
    pub index: ConnectionId,
    /// The id that was written, or one derived from the name; what keys are granted.
    pub uid: Uid,
    pub name: Arc<str>,
    pub environment: EnvironmentId,
    /// The connector it was made by; `None` for a connection that says everything itself.
    pub connector: Option<Arc<str>>,
    /// C15: `/c/<connector>` means this one, in its environment.
    pub default: bool,
    pub destination: Destination,
    pub injection: Injection,
    /// What it wants a secret for has none yet: it must not be called (hazard 24).
    pub secret_missing: bool,
    /// R3: when its secret ends at the provider, in Unix milliseconds. Nothing is decided by it: it is told.
    pub expires_at: Option<i64>,
    /// What the provider wants in requests beside the secret.
    pub extra_headers: Vec<ExtraHeader>,
    /// C12: how its secret is found in replies; `None`: they pass as they are. Outbound alone.
    pub needle: Option<NeedleId>,
    /// C11: what may be called through it; empty means everything. Outbound alone.
    pub allow: Box<[CallRule]>,
    pub quota: Option<Quota>,
    pub concurrency: Option<u32>,
    pub timeouts: UpstreamTimeouts,
    /// Further attempts of a request that no upstream has acted upon, or that may be acted upon twice.
    pub retries: u32,
    /// Trailers that pass beyond those that always do.
    pub trailers: Arc<[HeaderName]>,
}

impl Connection {
    /// C12: whether replies to outbound calls are looked through.
    pub fn is_scrubbed(&self) -> bool {
        self.needle.is_some()
    }
}

/// A header that a connector adds: a version, an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHeader {
    pub name: HeaderName,
    pub value: HeaderValue,
    /// It replaces the caller's own; otherwise it only stands in where the caller sent none.
    pub always: bool,
}

/// Where a connection's requests, and its secret, may go, and nowhere else (C10).
#[derive(Debug, Clone)]
pub struct Destination {
    /// Equal destinations have equal ids over reloads: pools of kept-alive connections are kept by it.
    pub id: DestinationId,
    pub tls: Option<UpstreamTls>,
    /// As dialled and verified: lower case, no brackets.
    pub host: String,
    pub port: u16,
    /// What is dialled: the host and port above, or what the connection names in their place. Never empty.
    pub addresses: Arc<[Site]>,
    pub http: HttpVersion,
    /// The `Host` that is sent.
    pub authority: HeaderValue,
    /// Before every path; without a slash at its end, so often empty.
    pub base_path: String,
    /// Outbound calls whose path begins with the base path already do not get it twice: its SDKs write it.
    pub base_path_once: bool,
    /// C13: private networks that may be dialled for it; the configuration's own are among them.
    pub allow_networks: Arc<[IpNet]>,
}

impl Destination {
    /// The base URL, as it may be shown.
    pub fn shown(&self) -> String {
        format!("{}{}", self.origin(), self.base_path)
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority.to_str().unwrap_or(&self.host))
    }
}

/// A host and a port to dial: an address, or a name that may have several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// Lower case, no brackets.
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let v6 = self.host.contains(':');
        if v6 { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

/// What is spoken on a connection to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// Over TLS what both sides agree on (ALPN); in the clear HTTP/1.1.
    Auto,
    Http1,
    /// In the clear by prior knowledge.
    Http2,
}

/// A digest of everything a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DestinationId(pub u64);

/// How an upstream's certificate is verified, and what is shown to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UpstreamTls {
    /// Trusted instead of the public authorities.
    pub ca: Option<PathBuf>,
    /// Certificate chain and key, for upstreams that want one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Verified instead of the host's name.
    pub server_name: Option<String>,
}

/// How long an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// From the request's end to the reply's head.
    pub head: Duration,
    /// Without a byte of the reply's body, or without taking one of the request's.
    pub idle: Duration,
    /// Without a byte in either direction, once a connection was upgraded.
    pub tunnel: Duration,
}

/// C11: one line of `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRule {
    /// Empty: any.
    pub methods: Box<[Method]>,
    /// Decoded segments that the provider's path begins with; empty: any path.
    pub path: Box<[Box<[u8]>]>,
}

/// Where the secret goes, with the values ready: made once, when the configuration is read.
#[derive(Debug, Default)]
pub struct Injection {
    /// As written; templates, so no secret is in them.
    pub rules: Vec<InjectRule>,
    /// Where callers' own values are looked for, and removed: these places, and others that the provider's clients fill.
    pub read: Vec<InjectRule>,
    pub headers: Vec<(HeaderName, SecretHeader)>,
    /// The parameter's name and the whole encoded pair.
    pub query: Vec<(String, Secret)>,
    /// `/bot{secret}`, before the call's path; for [`InjectRule::WholePath`] the secret URL's path.
    pub path: Option<Secret>,
    /// The injected path is complete: see [`Injection::tail`].
    pub whole_path: bool,
}

/// One line of `inject`, as written. Templates hold `{secret}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectRule {
    Header {
        name: HeaderName,
        value: String,
    },
    Query {
        name: String,
        value: String,
    },
    Basic {
        username: String,
        password: String,
    },
    Path {
        prefix: String,
    },
    /// The secret is a URL, whose path is where calls go. What is filled in is that path, encoded as it came.
    WholePath,
}

impl InjectRule {
    /// The header it is about, if it is about one.
    pub fn header(&self) -> Option<&HeaderName> {
        match self {
            InjectRule::Header { name, .. } => Some(name),
            InjectRule::Basic { .. } => Some(&http::header::AUTHORIZATION),
            InjectRule::Query { .. } | InjectRule::Path { .. } | InjectRule::WholePath => None,
        }
    }

    /// The slot in words, with nothing of the value: for `explain` and mistakes.
    pub fn slot(&self) -> String {
        match self {
            InjectRule::Header { name, .. } => format!("header {name}"),
            InjectRule::Query { name, .. } => format!("query parameter {name}"),
            InjectRule::Basic { .. } => "header authorization (Basic)".to_owned(),
            InjectRule::Path { .. } => "path prefix".to_owned(),
            InjectRule::WholePath => "the whole path".to_owned(),
        }
    }
}

/// A secret that does not fit the slot it should go to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret holds characters that a header cannot carry")]
pub struct Unfit;

impl Injection {
    /// The places alone, without a secret: callers are recognised there nevertheless.
    pub fn places(rules: &[InjectRule]) -> Injection {
        Injection { rules: rules.to_vec(), read: rules.to_vec(), ..Injection::default() }
    }

    /// Fills `rules` with `secret`.
    pub fn prepare(rules: &[InjectRule], secret: &Secret) -> Result<Injection, Unfit> {
        let mut ready = Injection::places(rules);
        for rule in rules {
            match rule {
                InjectRule::Header { name, value } => {
                    ready.headers.push((name.clone(), secret.fill(value).into_header().ok_or(Unfit)?));
                }
                InjectRule::Basic { username, password } => {
                    let pair = Secret::basic(&secret.fill(username), &secret.fill(password));
                    ready.headers.push((http::header::AUTHORIZATION, pair.into_header().ok_or(Unfit)?));
                }
                InjectRule::Query { name, value } => {
                    ready.query.push((name.clone(), secret.fill(value).query_pair(name)))
                }
                InjectRule::Path { prefix } => ready.path = Some(secret.path_segment().fill(prefix)),
                InjectRule::WholePath => (ready.path, ready.whole_path) = (Some(secret.fill("{secret}")), true),
            }
        }
        Ok(ready)
    }

    /// What of the call's `path` follows the injected one: all of it, but a bare `/` where the injected path is whole.
    pub fn tail<'p>(&self, path: &'p str) -> &'p str {
        if self.whole_path && path == "/" { "" } else { path }
    }
}
