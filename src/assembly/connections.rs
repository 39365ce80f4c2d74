//! `connections`: what their connectors say, and what is their own.

use super::connectors::Catalogue;
use super::destinations::destination;
use super::injection::{Belonging, fill, overlapping, rule};
use super::names::Environments;
use super::seal;
use super::{Names, Site, quota};
use crate::config::mistake::nearest;
use crate::config::{View, scalar};
use crate::connector::{CUSTOM, Choice, Connector, Lack, Outfit, Verify};
use crate::model::Uid;
use crate::model::connection::{CallRule, Connection, ConnectionId, InjectRule, UpstreamTimeouts};
use crate::model::scrub::Needles;
use crate::model::urgency::Urgency;
use crate::net::tls::Tls;
use crate::policy::trailers;
use http::{HeaderName, Uri};
use ipnet::IpNet;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

type Trust = Vec<Option<Tls<ClientConfig>>>;

/// Connections, and what goes with each by its index.
pub struct Connections {
    pub list: Vec<Connection>,
    pub trust: Trust,
    pub verify: Vec<Option<Verify>>,
    /// C16.
    pub seals: Vec<[u8; 32]>,
    pub needles: Needles,
}

pub fn assemble(
    site: &Site<'_>,
    root: &View<'_>,
    environments: &Environments,
    names: &Names<'_>,
    catalogue: &Catalogue,
) -> Connections {
    let everywhere: Vec<IpNet> = root.values("allow_networks", scalar::cidr);
    let (mut list, mut trust, mut verify, mut seals) = (Vec::new(), Trust::new(), Vec::new(), Vec::new());
    let mut needles = Needles::default();
    for view in root.list("connections") {
        let Some(name) = view.text("name") else { continue };
        reserved(site, &view, name, catalogue);
        let index = ConnectionId(list.len() as u32);
        let environment = names.environment(site, &view, "environment").unwrap_or(environments.default);
        let connector = connector(site, &view, catalogue);
        let outfit = connector.map(|c| outfit(site, &view, c)).unwrap_or_default();
        let url = base_url(site, &view, &outfit);
        let (destination, verified) = destination(site, &view, &url, &everywhere, connector);
        let rules = rules(site, &view, connector, &outfit);
        let production = environment == environments.default;
        let seal = seal::of(&destination, &rules, connector.map(|c| &*c.name));
        let belonging = Belonging { connector, base: &url, sandbox: outfit.sandbox, production, seal };
        let mut filled = fill(site, &view, &rules, &belonging);
        // Also where the connector would inject, if the connection injects elsewhere.
        let clients = connector.iter().flat_map(|c| &c.client_slots).chain(&outfit.inject);
        let more = clients.filter(|rule| !matches!(rule, InjectRule::Path { .. } | InjectRule::WholePath));
        let more: Vec<_> = more.filter(|rule| !filled.injection.read.contains(rule)).cloned().collect();
        filled.injection.read.extend(more);
        list.push(Connection {
            index,
            uid: view.text("id").and_then(Uid::parse).unwrap_or_else(|| Uid::declared("connection", name)),
            name: name.into(),
            environment,
            connector: connector.map(|c| c.name.clone()).filter(|name| **name != *CUSTOM),
            default: view.flag("default"),
            destination,
            injection: filled.injection,
            // Where nothing is injected none is missed, be the one at hand for another destination.
            secret_missing: (filled.withheld && !rules.is_empty()) || secret_missing(site, &view, &rules),
            expires_at: expires_at(site, &view),
            extra_headers: outfit.headers,
            needle: filled.needle.map(|needle| needles.keep(needle)),
            allow: view.list("allow").map(|rule| call_rule(&rule)).collect(),
            quota: view.opt_rate("rate_limit").map(quota),
            concurrency: view.opt_integer("concurrency").map(|n| n as u32),
            timeouts: timeouts(&view, connector),
            retries: view.opt_integer("retries").map_or(0, |n| n as u32),
            trailers: trailers(site, &view),
        });
        check_unique(site, &view, &list);
        trust.push(verified);
        seals.push(seal);
        verify.push(outfit.verify.map(|v| Verify { path: filled.verify_path.unwrap_or(v.path), ..v }));
    }
    Connections { list, trust, verify, seals, needles }
}

/// R3: an end that is near is no reason to refuse it, nor one that has passed: the provider decides.
fn expires_at(site: &Site<'_>, view: &View<'_>) -> Option<i64> {
    let end = view.opt_moment("expires_at")?;
    if let Some(told) = Urgency::told(end, site.now) {
        let remedy = "get another from the provider, and write until when it is good";
        site.warning(view.at("expires_at"), format!("the connection's secret {told}"), remedy);
    }
    Some(end)
}

/// K15: `/c/<name>` means the default connection where the name is a connector's.
fn reserved(site: &Site<'_>, view: &View<'_>, name: &str, catalogue: &Catalogue) {
    if catalogue.named(name).is_some() {
        let reason = format!("{name} is the name of a connector, which stands for its default connection");
        let remedy = format!("write another one, such as {name}-production; with connector: {name}, default: true");
        site.error(view.at("name"), reason, remedy);
    }
}

fn connector<'c>(site: &Site<'_>, view: &View<'_>, catalogue: &'c Catalogue) -> Option<&'c Connector> {
    let name = view.text("connector")?;
    let found = catalogue.named(name);
    if found.is_none() {
        let known = || catalogue.iter().map(|c| &*c.name);
        let remedy = match nearest(name, known()) {
            Some(near) => format!("write: {near}"),
            None => format!("write one of: {}; or add a file to connectors", known().collect::<Vec<_>>().join(", ")),
        };
        site.error(view.at("connector"), format!("there is no connector {name:?}"), remedy);
    }
    found
}

/// C7: what the connection gets from its connector; what is missing for that is named, all of it at once.
fn outfit(site: &Site<'_>, view: &View<'_>, connector: &Connector) -> Outfit {
    let fields: Vec<(&str, &str)> =
        view.entries("fields").filter_map(|pair| Some((pair.key, pair.value.text_here()?))).collect();
    let choice = Choice {
        region: view.text("region"),
        fields: &fields,
        own_base_url: view.is_set("base_url"),
        own_inject: view.is_set("inject"),
    };
    let lacks = match connector.outfit(&choice) {
        Ok(outfit) => return outfit,
        Err(lacks) => lacks,
    };
    let name = &connector.name;
    let see = format!("`keystile connectors show {name}` lists what it needs");
    for lack in lacks {
        match lack {
            Lack::Missing(missing) => {
                let reason = format!("the connector {name} needs more: {}", missing.join(", "));
                let is_field = |m: &&String| connector.fields.iter().any(|f| f.name == **m);
                let fields: Vec<String> =
                    missing.iter().filter(is_field).map(|m| format!("{m}: {}", example(connector, m))).collect();
                let remedy = match fields.is_empty() {
                    true => see.clone(),
                    false => format!("write: fields: {{ {} }}; {see}", fields.join(", ")),
                };
                site.error(view.here(), reason, remedy);
            }
            Lack::UnknownRegion => {
                let known: Vec<&str> = connector.regions.iter().map(|r| r.name.as_str()).collect();
                let remedy = match known.is_empty() {
                    true => "leave it out".to_owned(),
                    false => format!("write one of: {}", known.join(", ")),
                };
                site.error(view.at("region"), format!("the connector {name} has no such region"), remedy);
            }
            Lack::UnknownField(field) => {
                site.error(view.at("fields"), format!("the connector {name} has no field {field:?}"), see.clone());
            }
            Lack::Unfit(field) => {
                let remedy = format!("write it as in: {field}: {}; {see}", example(connector, &field));
                site.error(view.at("fields"), format!("the value of {field} does not have its form"), remedy);
            }
        }
    }
    Outfit::default()
}

fn example<'c>(connector: &'c Connector, field: &str) -> &'c str {
    connector.fields.iter().find(|f| f.name == field).map_or("…", |f| &f.example)
}

/// The connection's own, or its connector's. One that is missing or malformed is reported elsewhere; the rest is still
/// looked at.
fn base_url(site: &Site<'_>, view: &View<'_>, outfit: &Outfit) -> Uri {
    let theirs = outfit.base_url.as_deref().and_then(|text| match scalar::url(text) {
        Ok(url) => Some(url),
        Err(wrong) => {
            site.error(view.at("fields"), format!("no base URL comes of it: {}", wrong.reason), "correct the fields");
            None
        }
    });
    let own = view.opt("base_url", scalar::url);
    own.or(theirs).unwrap_or(Uri::from_static("https://invalid.invalid"))
}

/// Where the secret goes.
fn rules(site: &Site<'_>, view: &View<'_>, connector: Option<&Connector>, outfit: &Outfit) -> Vec<InjectRule> {
    if !view.is_set("inject") {
        if outfit.inject.is_empty() && view.is_set("secret") && connector.is_some_and(|c| c.inject.is_empty()) {
            let remedy = "add: inject: { header: NAME }";
            site.error(view.at("secret"), "the connector does not say where the secret goes", remedy);
        }
        return outfit.inject.clone();
    }
    if connector.is_some_and(|c| c.secret.is_url) {
        let remedy = "leave it out: the path of the secret's URL is what is called";
        site.error(view.at("inject"), "the secret of this connector is a whole URL", remedy);
    }
    let rules: Vec<InjectRule> = view.list("inject").filter_map(|v| rule(site.mistakes(), &v)).collect();
    overlapping(site.mistakes(), view.at("inject"), &rules);
    rules
}

/// Whether the connection wants a secret that nobody has given it.
fn secret_missing(site: &Site<'_>, view: &View<'_>, rules: &[InjectRule]) -> bool {
    let missing = !rules.is_empty() && !view.is_set("secret") && site.held(view).is_none();
    if missing && !site.is_stored(view) {
        let remedy = "add: secret: env:NAME or file:PATH";
        site.warning(view.here(), "there is no secret, so every call is refused (secret_unavailable)", remedy);
    }
    missing
}

/// The last of `list` against those before it: ids, and C15's defaults.
fn check_unique(site: &Site<'_>, view: &View<'_>, list: &[Connection]) {
    let Some((last, before)) = list.split_last() else { return };
    if last.default && view.text("connector") == Some(CUSTOM) {
        site.error(view.at("default"), "the connector custom has no default connection", "leave it out");
    }
    if let Some(first) = before.iter().find(|c| c.uid == last.uid) {
        let reason = format!("the connection {} has the same id", first.name);
        site.error(view.at("id"), reason, "give each an id of its own, or leave it out");
    }
    let same = |c: &&Connection| c.default && c.connector == last.connector && c.environment == last.environment;
    if last.default
        && last.connector.is_some()
        && let Some(first) = before.iter().find(same)
    {
        let reason = format!("{} is the default of its connector in this environment already", first.name);
        site.error(view.at("default"), reason, "leave `default: true` at one of them");
    }
}

/// The connection's own, else its connector's, else the usual.
fn timeouts(view: &View<'_>, connector: Option<&Connector>) -> UpstreamTimeouts {
    let patience = connector.map(|c| c.patience).unwrap_or_default();
    let either = |field: &str, providers: Option<Duration>| match providers {
        Some(duration) if !view.is_set(field) => duration,
        _ => view.duration(field),
    };
    UpstreamTimeouts {
        connect: view.duration("timeouts.connect"),
        head: either("timeouts.head", patience.head),
        idle: either("timeouts.idle", patience.idle),
        tunnel: view.duration("timeouts.tunnel"),
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
