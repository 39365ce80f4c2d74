//! `listeners`.

use super::{Site, quota};
use crate::config::scalar;
use crate::config::{At, View};
use crate::model::certificate::Use;
use crate::model::listener::{
    Address, ConnectionCaps, Door, DoorKind, EnvironmentParameter, ForwardedField, FrontTimeouts, Listener,
    OutboundDoor, Place, PlaceMask, Places,
};
use crate::net::tls::{self, ClientCa, Tls};
use crate::net::unix_socket;
use crate::policy::signed_url;
use http::HeaderName;
use rustls::ServerConfig;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The listeners of both doors, and what each is beside its rules.
#[derive(Clone)]
pub struct Listeners {
    pub list: Vec<Listener>,
    /// C4: the name of the key that each stands for.
    pub identities: Vec<Option<String>>,
    pub certificates: Vec<Option<Tls<ServerConfig>>>,
    pub addresses: Vec<Address>,
}

pub fn assemble(site: &Site<'_>, root: &View<'_>) -> Listeners {
    let mut all =
        Listeners { list: Vec::new(), identities: Vec::new(), certificates: Vec::new(), addresses: Vec::new() };
    for (field, kind) in [("listeners.inbound", DoorKind::Inbound), ("listeners.outbound", DoorKind::Outbound)] {
        for view in root.list(field) {
            let Some(address) = address(site, root, &view) else { continue };
            if all.addresses.contains(&address) && !is_any_port(&address) {
                site.error(view.at("address"), "another listener has this address", "give each listener its own");
            }
            let tls = server_tls(site, &view, &address.to_string(), client_ca(site, &view));
            let door = match kind {
                DoorKind::Inbound => Door::Inbound,
                DoorKind::Outbound => Door::Outbound(outbound(site, &view, &address)),
            };
            all.list.push(Listener {
                callers: tls.as_ref().and_then(|tls| tls.callers),
                ..listener(site, &view, &address, all.list.len(), door)
            });
            let identity = match kind {
                DoorKind::Outbound => view.text("identity").map(str::to_owned),
                DoorKind::Inbound => None,
            };
            all.identities.push(identity);
            all.certificates.push(tls.map(|tls| tls.tls));
            all.addresses.push(address);
        }
    }
    let none = |field: &str| root.list(field).next().is_none();
    if none("listeners.inbound") && none("listeners.outbound") && root.is_set("listeners") {
        let remedy = "write: inbound: [{ address: 127.0.0.1:8080 }], or outbound: [{ address: 127.0.0.1:8081 }]";
        site.error(root.at("listeners"), "there is no listener for callers", remedy);
    }
    all
}

/// Where a listener of either door listens.
fn address(site: &Site<'_>, root: &View<'_>, view: &View<'_>) -> Option<Address> {
    let path = match view.opt("address", scalar::address)? {
        Address::Unix(path) => socket_path(site.base, &path),
        tcp => {
            if view.is_set("mode") {
                let remedy = "leave it out, or listen on a Unix socket: unix:/run/keystile/listener.sock";
                site.error(view.at("mode"), "mode is a Unix socket's, and this address has a port", remedy);
            }
            return Some(tcp);
        }
    };
    if !unix_socket::fits(&path) {
        let remedy = "use a shorter one: with its directory, a socket's path may have 107 bytes";
        site.error(view.at("address"), "the path is too long for a Unix socket", remedy);
    }
    if view.is_set("tls") {
        let remedy = "leave it out: what goes through a Unix socket does not leave this machine";
        site.error(view.at("tls"), "a Unix socket with tls", remedy);
    }
    if root.opt_path("takeover_socket").is_some_and(|other| socket_path(site.base, other) == path) {
        site.error(view.at("address"), "takeover_socket has this path", "give each a path of its own");
    }
    Some(Address::Unix(path))
}

/// A socket's whole path, from the directory of the configuration: what it is called in logs, limits and takeovers must
/// not depend on where a process was started.
pub fn socket_path(base: &Path, path: &Path) -> PathBuf {
    let path = base.join(path);
    std::path::absolute(&path).unwrap_or(path)
}

/// Port 0 means "any free one".
fn is_any_port(address: &Address) -> bool {
    matches!(address, Address::Tcp(socket) if socket.port() == 0)
}

/// C4: an identity is for those alone who are on this machine, or in this pod.
fn outbound(site: &Site<'_>, view: &View<'_>, address: &Address) -> OutboundDoor {
    let near = match address {
        Address::Tcp(socket) => socket.ip().is_loopback(),
        Address::Unix(_) => true,
    };
    if view.is_set("identity") && !near {
        let remedy = "use 127.0.0.1 or unix:PATH, or leave identity out, so that callers send a token";
        site.error(view.at("identity"), "whoever reaches this address would be this key", remedy);
    }
    if view.is_set("hosts") && !view.is_set("identity") {
        let remedy = "leave it out: only a listener with an identity looks at the Host";
        site.error(view.at("hosts"), "hosts without an identity", remedy);
    }
    if view.list("hosts").next().is_some() && !view.is_set("tls") && matches!(address, Address::Tcp(_)) {
        let reason = "without TLS browsers do not say for which page they call such a name, and images are asked for";
        site.warning(view.at("hosts"), reason, "add tls, use a Unix socket, or call by a loopback name");
    }
    let hosts = view.list("hosts").filter_map(|host| {
        let name = host.text_here()?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if name.is_empty() || !name.bytes().all(plain) {
            let remedy = "write a host name without a port, such as keystile.internal";
            site.error(host.here(), "not a host name", remedy);
        }
        Some(name.to_ascii_lowercase().into_boxed_str())
    });
    // Which key that is, is known when there are keys.
    OutboundDoor { identity: None, hosts: hosts.collect() }
}

fn listener(site: &Site<'_>, view: &View<'_>, address: &Address, index: usize, door: Door) -> Listener {
    // The index keeps two of them apart.
    let address = if is_any_port(address) { format!("{address}#{index}") } else { address.to_string() };
    let inbound = Some(view).filter(|_| door == Door::Inbound);
    Listener {
        address: address.into(),
        socket_mode: view.get("mode", scalar::mode),
        places: places(site, view, door.kind()),
        door,
        tls: view.is_set("tls"),
        h2c: h2c(site, view),
        callers: None,
        environment_parameter: EnvironmentParameter {
            name: inbound.and_then(|v| v.text("environment_parameter.name")).unwrap_or("_profile").to_owned(),
            strip: inbound.is_some_and(|v| v.flag("environment_parameter.strip")),
        },
        conceal: inbound.is_some_and(|v| v.flag("conceal")),
        proxy_protocol: proxy_protocol(site, view),
        caps: ConnectionCaps {
            total: count(view, "max_connections"),
            per_address: count(view, "max_connections_per_address"),
        },
        trusted_proxies: view.values("trusted_proxies", scalar::cidr),
        forwarded: match view.text("forwarded_field") {
            Some("forwarded") => ForwardedField::Forwarded,
            _ => ForwardedField::XForwardedFor,
        },
        quota: view.opt_rate("rate_limit").map(quota),
        address_quota: view.opt_rate("address_rate_limit").map(quota),
        failed_auth_quota: quota(view.rate("failed_auth_limit")),
        limit_headers: view.flag("limit_headers"),
        max_body: view.size("max_body"),
        max_head: view.size("max_head"),
        max_uri: view.size("max_uri"),
        timeouts: FrontTimeouts {
            head: view.duration("timeouts.head"),
            body_idle: view.duration("timeouts.body_idle"),
            request: view.duration("timeouts.request"),
            idle: view.duration("timeouts.idle"),
        },
    }
}

/// Without trusted proxies nobody could connect.
fn proxy_protocol(site: &Site<'_>, view: &View<'_>) -> bool {
    let on = view.flag("proxy_protocol");
    if on && view.list("trusted_proxies").next().is_none() {
        let remedy = "name the load balancer's networks: trusted_proxies: [10.0.0.0/8]";
        site.error(
            view.at("proxy_protocol"),
            "the PROXY protocol is believed of trusted_proxies only, and there are none",
            remedy,
        );
    }
    on
}

fn h2c(site: &Site<'_>, view: &View<'_>) -> bool {
    let on = view.flag("h2c");
    if on && view.is_set("tls") {
        let remedy = "leave it out: with tls callers choose HTTP/2 by ALPN";
        site.error(view.at("h2c"), "h2c is HTTP/2 without TLS, and this listener has tls", remedy);
    }
    on
}

/// A number of connections; the schema keeps it in range.
fn count(view: &View<'_>, field: &str) -> u32 {
    view.opt_integer(field).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX)
}

fn places(site: &Site<'_>, view: &View<'_>, door: DoorKind) -> Places {
    let mut open = PlaceMask::ALL;
    if !view.flag("credentials.authorization") {
        open = open.without(Place::Authorization);
    }
    let header = view.switch("credentials.header");
    let query = view.switch("credentials.query");
    if header.is_none() {
        open = open.without(Place::Header);
    }
    if query.is_none() {
        open = open.without(Place::Query);
    }
    let takes_urls = door == DoorKind::Inbound && view.flag("credentials.signed_url");
    if !takes_urls {
        open = open.without(Place::SignedUrl);
    }
    // Calls can always bring a token where their connection injects. Nobody who closes all places by their names means to
    // leave open one that he may not know of: URLs alone are accepted where that is written.
    let urls_alone = takes_urls && view.is_set("credentials.signed_url");
    if !open.takes_tokens() && !urls_alone && door == DoorKind::Inbound {
        let remedy = "leave at least one place open, such as authorization: true";
        site.error(view.at("credentials"), "no place is left for a credential", remedy);
    }
    for field in ["credentials.query", "environment_parameter.name"] {
        let is_taken = |name: &str| signed_url::PARAMETERS.iter().any(|taken| taken.eq_ignore_ascii_case(name));
        if takes_urls && view.text(field).is_some_and(is_taken) {
            let remedy = "use another name, or switch those off: credentials: { signed_url: false }";
            site.error(view.at(field), "signed URLs have a parameter of this name", remedy);
        }
    }
    if header.is_some_and(|h| h.eq_ignore_ascii_case("authorization")) {
        let remedy = "leave it out: authorization: true looks there, and reads its schemes";
        site.error(view.at("credentials.header"), "Authorization is a place of its own", remedy);
    }
    if query.is_some() && door == DoorKind::Inbound && query == view.text("environment_parameter.name") {
        let remedy = "give the credential or the environment another parameter";
        site.error(view.at("credentials.query"), "the same parameter names the environment", remedy);
    }
    // Switched off, the usual names are still where a token of ours would be removed.
    let header = header.and_then(|h| h.parse().ok()).unwrap_or(HeaderName::from_static("x-api-key"));
    Places { open, header, query: query.unwrap_or("auth-key").to_owned() }
}

pub fn admin(site: &Site<'_>, root: &View<'_>) -> (SocketAddr, Option<Arc<ServerConfig>>) {
    let view = root.part("listeners.admin");
    let tls = server_tls(site, &view, "admin", None);
    let socket = tcp(site, &view).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8082)));
    if !socket.ip().is_loopback() && !view.is_set("tls") {
        let remedy = "add tls: { certificate: …, key: … }, or use 127.0.0.1; for probes there is listeners.health";
        site.error(view.at("address"), "the admin listener is open beyond loopback without TLS", remedy);
    }
    (socket, tls.map(|tls| tls.tls.config))
}

pub fn health(site: &Site<'_>, root: &View<'_>) -> Option<SocketAddr> {
    let view = root.part("listeners.health");
    root.is_set("listeners.health").then(|| tcp(site, &view)).flatten()
}

fn tcp(site: &Site<'_>, view: &View<'_>) -> Option<SocketAddr> {
    match view.opt("address", scalar::address)? {
        Address::Tcp(socket) => Some(socket),
        Address::Unix(_) => {
            let remedy = "write an IP address and a port, such as 127.0.0.1:8080";
            site.error(view.at("address"), "Unix sockets are not available here in this version", remedy);
            None
        }
    }
}

/// The listener's `client_ca`. Callers choose among several certificates by a name of their own choosing, which must not
/// choose who vouches for them; so it stands in one place.
fn client_ca(site: &Site<'_>, view: &View<'_>) -> Option<ClientCa> {
    let mut found = None;
    for (index, entry) in view.list("tls").enumerate() {
        let Some(file) = entry.opt_path("client_ca") else { continue };
        if index == 0 {
            found = Some(ClientCa { file: site.path(file), required: entry.flag("require_client_cert") });
        } else {
            let remedy = "write it in the first entry: it counts for all of them";
            site.error(entry.at("client_ca"), "client_ca does not stand in the first entry", remedy);
        }
    }
    found
}

/// Loads what stands at `view.tls`; a mistake in it is reported at the field.
fn server_tls(site: &Site<'_>, view: &View<'_>, owner: &str, client_ca: Option<ClientCa>) -> Option<tls::Listener> {
    let mut pairs = Vec::new();
    for pair in view.list("tls") {
        let (Some(certificate), Some(key)) = (pair.opt_path("certificate"), pair.opt_path("key")) else {
            continue;
        };
        pairs.push((site.path(certificate), site.path(key)));
    }
    if pairs.is_empty() {
        return None;
    }
    match tls::server(&pairs, client_ca.as_ref()) {
        Ok(listener) => {
            site.dated(view.at("tls"), Use::Listener, owner, &listener.shown);
            site.dated(view.at("tls"), Use::ClientCa, owner, &listener.authorities);
            Some(listener)
        }
        Err(error) => {
            bad_tls(site, view.at("tls"), &error);
            None
        }
    }
}

pub fn bad_tls(site: &Site<'_>, at: At<'_>, error: &tls::TlsError) {
    let remedy = "name PEM files that the gateway's user may read, and that belong together";
    site.error(at, error.to_string(), remedy);
}
