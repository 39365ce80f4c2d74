//! `workflows`: templates, and where they lead in each environment.

use super::names::Environments;
use super::{Names, Site, handshakes, quota, webhooks, word};
use crate::config::{View, scalar};
use crate::model::Uid;
use crate::model::connection::{Connection, ConnectionId, HttpVersion};
use crate::model::environment::EnvironmentId;
use crate::model::listener::{Door, Listener, Place, PlaceMask};
use crate::model::routes::{Overlap, Routes};
use crate::model::workflow::{Workflow, WorkflowId};

/// The workflows, and the ways to them.
pub struct Workflows {
    pub list: Vec<Workflow>,
    pub routes: Routes,
    /// H6
    pub handshakes: Routes,
}

pub fn assemble(
    site: &Site<'_>,
    root: &View<'_>,
    names: &Names<'_>,
    environments: &Environments,
    connections: &[Connection],
    doors: &[Listener],
) -> Workflows {
    let (mut list, mut routes) = (Vec::<Workflow>::new(), Routes::default());
    let mut greeted = Vec::new();
    for view in root.list("workflows") {
        let Some(name) = view.text("name") else { continue };
        let index = WorkflowId(list.len() as u32);
        let template = view.opt("template", scalar::template);
        if let Some(template) = &template
            && let Err(Overlap(first)) = routes.add(template, index)
        {
            let first = list.get(first.0 as usize).map_or("another workflow", |w| &*w.name);
            let reason = format!("{template} overlaps with the template of {first}, and neither is more specific");
            site.error(view.at("template"), reason, "change one of the two, or merge the workflows (W4)");
        }
        let upstream = upstream(site, &view, names, connections);
        let uid = view.text("id").and_then(Uid::parse).unwrap_or_else(|| Uid::declared("workflow", name));
        let around = webhooks::Around {
            names,
            environments: &environments.list,
            default_environment: environments.default,
            workflow: (name, uid),
            template: template.as_ref(),
            upstream: &upstream,
            largest: largest_body(&view, doors),
            buffer: root.size("webhooks.buffer"),
        };
        let webhook = webhooks::assemble(site, &view, &around);
        list.push(Workflow {
            index,
            uid,
            name: name.into(),
            template,
            upgrades: upgrades(site, &view, &upstream, connections),
            upstream,
            places: places(site, &view, doors),
            quota: view.opt_rate("rate_limit").map(quota),
            max_body: view.opt_size("max_body"),
            concurrency: view.opt_integer("concurrency").map(|n| n as u32),
            webhook,
            header: word(name),
        });
        if let Some(template) = handshakes::by_get(list.last()) {
            greeted.push((template, index, view.part("webhook").at("handshake")));
        }
    }
    let handshakes = handshakes::assemble(site, &list, &routes, greeted);
    Workflows { list, routes, handshakes }
}

/// The most that a caller may send, wherever he comes in.
fn largest_body(workflow: &View<'_>, doors: &[Listener]) -> u64 {
    let inbound = doors.iter().filter(|door| matches!(door.door, Door::Inbound));
    let largest = inbound.map(|door| door.max_body).max().unwrap_or_default();
    workflow.opt_size("max_body").unwrap_or(largest)
}

/// Hazard 15: protocols that a tunnel is opened for. HTTP itself is none: what is said in it would go unexamined.
fn upgrades(
    site: &Site<'_>,
    view: &View<'_>,
    upstream: &[(EnvironmentId, ConnectionId)],
    connections: &[Connection],
) -> Vec<Box<str>> {
    let mut list = Vec::new();
    let over_h2 = upstream.iter().filter_map(|(_, c)| connections.get(c.0 as usize));
    if let Some(connection) = over_h2.into_iter().find(|c| c.destination.http == HttpVersion::Http2)
        && view.is_set("upgrades")
    {
        let reason = format!("connection {} speaks HTTP/2, which knows no upgrades", connection.name);
        site.error(view.at("upgrades"), reason, "write http: 1.1 or auto there, or leave upgrades out");
    }
    for item in view.list("upgrades") {
        let Some(name) = item.text_here() else { continue };
        let http = ["h2c", "h2", "h3", "tls"].iter().any(|n| name.eq_ignore_ascii_case(n))
            || name.to_ascii_lowercase().starts_with("http/");
        if http || name.parse::<http::HeaderName>().is_err() {
            let reason = format!("{name:?} is no protocol that callers may switch to");
            site.error(item.here(), reason, "write websocket, or leave it out");
        }
        list.push(name.to_ascii_lowercase().into());
    }
    list
}

/// E5: each environment leads to a connection of that environment.
fn upstream(
    site: &Site<'_>,
    view: &View<'_>,
    names: &Names<'_>,
    connections: &[Connection],
) -> Vec<(EnvironmentId, ConnectionId)> {
    let mut list = Vec::new();
    for pair in view.entries("upstream") {
        let environment = names.environments.get(pair.key).copied();
        if environment.is_none() {
            site.unknown(pair.key_at, "environment", pair.key, names.environments.keys().copied());
        }
        let Some(name) = pair.value.text_here() else { continue };
        let Some(index) = names.connections.get(name).copied() else {
            site.unknown(pair.value.here(), "connection", name, names.connections.keys().copied());
            continue;
        };
        let (Some(environment), Some(connection)) = (environment, connections.get(index as usize)) else { continue };
        if connection.environment != environment {
            let reason = format!("connection {name} does not belong to {} (environment_mismatch)", pair.key);
            let remedy = format!("name a connection of {}, or give {name} that environment", pair.key);
            site.error(pair.value.here(), reason, remedy);
        }
        list.push((environment, ConnectionId(index)));
    }
    if list.is_empty() && view.is_set("template") && !view.is_set("upstream") {
        let remedy = "add: upstream: { Production: NAME-OF-A-CONNECTION }";
        site.error(view.here(), "the workflow leads nowhere", remedy);
    }
    list
}

/// K3: a workflow can close places that its listener leaves open, and nothing else.
fn places(site: &Site<'_>, view: &View<'_>, doors: &[Listener]) -> PlaceMask {
    let doors: Vec<&Listener> = doors.iter().filter(|listener| listener.door == Door::Inbound).collect();
    let mut open = PlaceMask::ALL;
    if view.opt_flag("credentials.authorization") == Some(false) {
        open = open.without(Place::Authorization);
    }
    let urls = view.opt_flag("credentials.signed_url");
    if urls == Some(false) {
        open = open.without(Place::SignedUrl);
    }
    let named = [("credentials.header", Place::Header), ("credentials.query", Place::Query)];
    for (field, place) in named {
        match view.opt_switch(field) {
            None => {}
            Some(None) => open = open.without(place),
            Some(Some(name)) => {
                let same = doors.iter().all(|door| match place {
                    Place::Header => door.places.header.as_str().eq_ignore_ascii_case(name),
                    _ => door.places.query == name,
                });
                if !same {
                    let reason = format!("{name:?} is not the listener's name for this place");
                    site.error(view.at(field), reason, "write false, or leave it out: a workflow only closes places");
                }
            }
        }
    }
    // URLs alone are left where somebody writes so, here or on the listener.
    let is_open = |d: &Listener| {
        let left = d.places.narrowed(open);
        let urls_alone = urls == Some(true) || !d.places.open.takes_tokens();
        d.places.open.is_empty() || left.takes_tokens() || (urls_alone && left.has(Place::SignedUrl))
    };
    if (!open.takes_tokens() && urls != Some(true)) || !doors.iter().all(|door| is_open(door)) {
        let remedy = "leave open at least one place that the listener leaves open";
        site.error(view.at("credentials"), "no place is left for a credential", remedy);
    }
    open
}
