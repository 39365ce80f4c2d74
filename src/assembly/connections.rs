//! `connections`: destinations, injections, trust.

use super::listeners::bad_tls;
use super::{Environments, Names, Site, quota};
use crate::config::reference::Reference;
use crate::config::{View, scalar};
use crate::model::certificate::Use;
use crate::model::connection::{
    CallRule, Connection, ConnectionId, Destination, DestinationId, HttpVersion, InjectRule, Injection,
    Site as Dialled, UpstreamTimeouts, UpstreamTls,
};
use crate::model::name;
use crate::net::tls::{self, Tls};
use crate::policy::address::may_dial;
use crate::policy::trailers;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri};
use ipnet::IpNet;
use rustls::ClientConfig;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

type Trust = Vec<Option<Tls<ClientConfig>>>;

pub fn assemble(
    site: &Site<'_>,
    root: &View<'_>,
    environments: &Environments,
    names: &Names<'_>,
) -> (Vec<Connection>, Trust) {
    let everywhere: Vec<IpNet> = root.values("allow_networks", scalar::cidr);
    let (mut list, mut trust) = (Vec::new(), Trust::new());
    for view in root.list("connections") {
        let Some(name) = view.text("name") else { continue };
        let index = ConnectionId(list.len() as u32);
        let environment = names.environment(site, &view, "environment").unwrap_or(environments.default);
        let (destination, verified) = destination(site, &view, &everywhere);
        let injection = injection(site, &view);
        list.push(Connection {
            index,
            id: name::id_of("connection", name),
            name: name.into(),
            connector: None,
            default: false,
            environment,
            destination,
            injection,
            secret_missing: false,
            extra_headers: Vec::new(),
            scrub: view.flag("scrub"),
            allow: view.list("allow").map(|rule| call_rule(&rule)).collect(),
            quota: view.opt_rate("rate_limit").map(quota),
            concurrency: view.opt_integer("concurrency").map(|n| n as u32),
            timeouts: UpstreamTimeouts {
                connect: view.duration("timeouts.connect"),
                head: view.duration("timeouts.head"),
                idle: view.duration("timeouts.idle"),
                tunnel: view.duration("timeouts.tunnel"),
            },
            retries: view.opt_integer("retries").map_or(0, |n| n as u32),
            trailers: trailers(site, &view),
        });
        trust.push(verified);
    }
    (list, trust)
}

fn destination(site: &Site<'_>, view: &View<'_>, everywhere: &[IpNet]) -> (Destination, Option<Tls<ClientConfig>>) {
    // A URL that is missing or malformed is reported by the schema; the rest is still looked at.
    let url = view.opt("base_url", scalar::url).unwrap_or(Uri::from_static("https://invalid.invalid"));
    let secure = url.scheme_str() == Some("https");
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let mut allow_networks = everywhere.to_vec();
    allow_networks.extend(view.values("allow_networks", scalar::cidr));
    let addresses = addresses(site, view, &host, port, secure, &allow_networks);
    let http = match view.text("http") {
        Some("1.1") => HttpVersion::Http1,
        Some("2") => HttpVersion::Http2,
        _ => HttpVersion::Auto,
    };
    let tls = secure.then(|| upstream_tls(site, view));
    if !secure && view.is_set("tls") {
        site.error(view.at("tls"), "the base URL speaks no TLS", "write: base_url: https://…, or leave tls out");
    }
    let trust = tls.as_ref().and_then(|tls| trust(site, view, tls, http));
    let authority = url.authority().map(|a| a.as_str().to_ascii_lowercase()).unwrap_or_default();
    let destination = Destination {
        id: identify(&(&host, port, &tls, &addresses, http, &allow_networks), trust.as_ref()),
        tls,
        host,
        port,
        addresses,
        http,
        authority: HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("invalid")),
        base_path: url.path().trim_end_matches('/').to_owned(),
        allow_networks: allow_networks.into(),
    };
    (destination, trust)
}

/// What is dialled: `addresses`, or the base URL's own host. Each is looked at as if it stood in the URL.
fn addresses(
    site: &Site<'_>,
    view: &View<'_>,
    host: &str,
    port: u16,
    secure: bool,
    networks: &[IpNet],
) -> Arc<[Dialled]> {
    let named: Vec<Dialled> = view.values("addresses", scalar::site);
    if named.is_empty() {
        if view.is_set("addresses") && view.list("addresses").next().is_none() {
            site.error(
                view.at("addresses"),
                "an empty list leaves nothing to dial",
                "name an address, or leave it out",
            );
        }
        check_host(site, view, "base_url", host, secure, networks);
        return [Dialled { host: host.to_owned(), port }].into();
    }
    for (at, address) in named.iter().enumerate() {
        if named[..at].contains(address) {
            site.error(view.at("addresses"), format!("{address} stands there twice"), "name each address once");
        }
        check_host(site, view, "addresses", &address.host, secure, networks);
    }
    named.into()
}

/// How the upstream is verified; a mistake in it is reported at the field.
fn trust(site: &Site<'_>, view: &View<'_>, tls: &UpstreamTls, http: HttpVersion) -> Option<Tls<ClientConfig>> {
    match tls::client(tls, http) {
        Ok((trust, shown)) => {
            site.dated(view.at("tls.certificate"), Use::Connection, view.text("name").unwrap_or_default(), &shown);
            Some(trust)
        }
        Err(error) => {
            bad_tls(site, view.at("tls"), &error);
            None
        }
    }
}

/// C10, C13: what can be said of a host without resolving it.
fn check_host(site: &Site<'_>, view: &View<'_>, field: &str, host: &str, secure: bool, networks: &[IpNet]) {
    // Which of its two addresses localhost is, the resolver decides.
    let literals: Vec<IpAddr> = match host {
        "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        _ => host.parse().into_iter().collect(),
    };
    let refused: Vec<_> = literals.iter().filter_map(|address| may_dial(*address, networks).err()).collect();
    // One of localhost's two is enough: the other may not be there at all, and is vetted when it is dialled.
    if let Some(error) = refused.first().filter(|_| refused.len() == literals.len()) {
        let network = |address: IpAddr| match address {
            IpAddr::V4(a) if a.is_loopback() => "\"127.0.0.0/8\"".to_owned(),
            IpAddr::V4(a) => format!("\"{a}/32\""),
            IpAddr::V6(a) => format!("\"{a}/128\""),
        };
        let networks: Vec<String> = refused.iter().map(|error| network(error.address)).collect();
        let reason = format!("{error}, and no allow_networks names it");
        site.error(view.at(field), reason, format!("add: allow_networks: [{}]", networks.join(", ")));
    }
    let loopback = literals.iter().any(|a| a.is_loopback());
    if !secure && !loopback && !view.flag("allow_cleartext") {
        let remedy = "write https://, or add: allow_cleartext: true";
        site.error(view.at(field), "the secret would travel in the clear", remedy);
    }
}

/// C11.
fn call_rule(view: &View<'_>) -> CallRule {
    let path = view.text("path").unwrap_or_default();
    CallRule {
        methods: view.list("methods").filter_map(|m| m.text_here()?.parse().ok()).collect(),
        path: path.split('/').filter(|segment| !segment.is_empty()).map(|s| s.as_bytes().into()).collect(),
    }
}

/// What the connection lets pass beyond the list that always counts.
fn trailers(site: &Site<'_>, view: &View<'_>) -> Arc<[HeaderName]> {
    let names = view.values("trailers", scalar::header_name);
    let names: Vec<HeaderName> = names.into_iter().filter_map(|name| name.parse().ok()).collect();
    for name in names.iter().filter(|name| !trailers::may_pass(name, &names)) {
        let reason = format!("{name} is never taken from a trailer");
        site.error(view.at("trailers"), reason, "leave it out: it frames a message, routes it, or proves who sends it");
    }
    names.into()
}

fn upstream_tls(site: &Site<'_>, view: &View<'_>) -> UpstreamTls {
    let file = |field: &str| view.opt_path(field).map(|p| site.path(p));
    UpstreamTls {
        ca: file("tls.ca"),
        identity: file("tls.certificate").zip(file("tls.key")),
        server_name: view.text("tls.server_name").map(str::to_owned),
    }
}

/// Everything a kept-alive connection stands for; the files by their content, so that a new CA means new connections.
fn identify(told: &impl std::fmt::Debug, trust: Option<&Tls<ClientConfig>>) -> DestinationId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{told:?}").as_bytes());
    if let Some(trust) = trust {
        hasher.update(trust.digest());
    }
    let mut id = [0u8; 8];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    DestinationId(u64::from_le_bytes(id))
}

fn injection(site: &Site<'_>, view: &View<'_>) -> Injection {
    let rules: Vec<InjectRule> = view.list("inject").filter_map(|v| rule(site, &v)).collect();
    for (at, rule) in rules.iter().enumerate() {
        if rules[..at].iter().any(|other| slot(other) == slot(rule)) {
            let reason = format!("two values for the same place ({})", rule.slot());
            site.error(view.at("inject"), reason, "inject each place once");
        }
    }
    let Some(secret) = view.opt("secret", Reference::parse).and_then(|r| site.secret(view.at("secret"), &r)) else {
        return Injection::default();
    };
    Injection::prepare(&rules, &secret).unwrap_or_else(|unfit| {
        site.error(view.at("secret"), unfit.to_string(), "check that the right value is referred to");
        Injection::default()
    })
}

/// Where a rule writes, folded as the rewriting folds names.
fn slot(rule: &InjectRule) -> (u8, String) {
    let fold = |n: &str| n.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    match rule {
        InjectRule::Header { name, .. } => (0, fold(name.as_str())),
        InjectRule::Basic { .. } => (0, fold(AUTHORIZATION.as_str())),
        InjectRule::Query { name, .. } => (1, fold(name)),
        InjectRule::Path { .. } => (2, String::new()),
    }
}

fn rule(site: &Site<'_>, view: &View<'_>) -> Option<InjectRule> {
    let value = || view.text("value").unwrap_or("{secret}").to_owned();
    if let Some(name) = view.text("header") {
        let name: HeaderName = name.parse().ok()?;
        return Some(InjectRule::Header { name, value: value() });
    }
    if let Some(name) = view.text("query") {
        return Some(InjectRule::Query { name: name.to_owned(), value: value() });
    }
    if let Some(prefix) = view.text("path") {
        return Some(InjectRule::Path { prefix: prefix.to_owned() });
    }
    let username = view.text("basic.username")?.to_owned();
    let password = view.text("basic.password").unwrap_or("{secret}").to_owned();
    if username.contains(':') {
        site.error(
            view.at("basic.username"),
            "a user name of Basic holds no colon",
            "put what follows it into password",
        );
    }
    Some(InjectRule::Basic { username, password })
}
