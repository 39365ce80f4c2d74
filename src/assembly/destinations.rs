//! Where connections go: hosts, addresses, ports, TLS. What can be said of them without resolving a name is said here.

use super::Site;
use super::listeners::bad_tls;
use crate::config::{View, scalar};
use crate::connector::Connector;
use crate::model::certificate::Use;
use crate::model::connection::{Destination, DestinationId, HttpVersion, Site as Dialled, UpstreamTls};
use crate::net::tls::{self, Tls};
use crate::policy::address::may_dial;
use http::{HeaderValue, Uri};
use ipnet::IpNet;
use rustls::ClientConfig;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Where a connection goes, and how that is verified.
pub fn destination(
    site: &Site<'_>,
    view: &View<'_>,
    url: &Uri,
    everywhere: &[IpNet],
    connector: Option<&Connector>,
) -> (Destination, Option<Tls<ClientConfig>>) {
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
        base_path_once: connector.is_some_and(|c| c.base_path_once),
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
