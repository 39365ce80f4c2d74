//! `keys`: digests, grants and the states of K11.

use super::{Names, Site, quota};
use crate::config::reference;
use crate::config::view::Grant;
use crate::config::{View, scalar};
use crate::model::Uid;
use crate::model::certificate::AcceptedCertificate;
use crate::model::connection::{Connection, ConnectionId};
use crate::model::key::{Grants, Key, KeyId, ScopeName, Scopes, Slot};
use crate::model::listener::{Door, Listener};
use crate::model::snapshot::Digests;
use crate::model::token::{self, Digest, Shape};
use crate::model::workflow::{Workflow, WorkflowId};
use http::HeaderValue;

/// Lints name this many keys one by one; the rest is counted.
const NAMED: usize = 5;

pub fn assemble(
    site: &Site<'_>,
    root: &View<'_>,
    names: &Names<'_>,
    workflows: &[Workflow],
    known: &[Connection],
    doors: &[Listener],
) -> (Vec<Key>, Digests) {
    let (mut list, mut digests) = (Vec::<Key>::new(), Digests::default());
    let mut endless = 0;
    for view in root.list("keys") {
        let Some(name) = view.text("name") else { continue };
        let index = KeyId(list.len() as u32);
        let id = view.text("id").map_or_else(|| Uid::declared("key", name).to_string(), str::to_ascii_lowercase);
        slots(site, &view, index, &list, doors, &mut digests);
        let expires_at = view.opt_moment("expires_at");
        if expires_at.is_none() {
            endless += 1;
            if endless <= NAMED {
                site.warning(view.here(), "the key never expires", "add: expires_at: 2027-06-30T00:00:00Z");
            }
        }
        let connections = connections(site, &view, names);
        list.push(Key {
            index,
            name: name.into(),
            enabled: view.flag("enabled"),
            expires_at,
            environment: names.environment(site, &view, "environment"),
            workflows: grants(site, &view, names, workflows),
            bindings: bindings(site, &view, names, known, &connections),
            connections,
            scopes: scopes(&view),
            allow_addresses: view.is_set("allow_addresses").then(|| view.values("allow_addresses", scalar::cidr)),
            client_certificates: client_certificates(site, &view, doors),
            quota: view.opt_rate("rate_limit").map(quota),
            query_key_sunset: view.opt_moment("query_key_sunset"),
            username_header: HeaderValue::try_from(format!("Key: {name}")).unwrap_or(HeaderValue::from_static("Key")),
            id_header: HeaderValue::try_from(id.as_str()).unwrap_or(HeaderValue::from_static("-")),
            id,
        });
    }
    if endless > NAMED {
        let reason = format!("{} more keys never expire", endless - NAMED);
        site.warning(root.at("keys"), reason, "give them expires_at");
    }
    (list, digests)
}

/// K10: at least one slot; a token belongs to one slot of one key.
fn slots(site: &Site<'_>, view: &View<'_>, index: KeyId, before: &[Key], doors: &[Listener], digests: &mut Digests) {
    let is_identity = |l: &Listener| matches!(&l.door, Door::Outbound(door) if door.identity == Some(index));
    let needs_none = doors.iter().any(is_identity);
    if !needs_none && !view.is_set("primary") && !view.is_set("secondary") {
        let remedy = "add: primary: blake3:…, which `keystile keys generate` prints beside the token";
        site.error(view.here(), "the key has no token", remedy);
    }
    for (field, slot) in [("primary", Slot::Primary), ("secondary", Slot::Secondary)] {
        let Some(digest) = digest(site, view, field) else { continue };
        if let Some((other, other_slot)) = digests.insert(digest, (index, slot)) {
            let whose = before.get(other.0 as usize).map_or("this key", |k| &*k.name);
            let reason = format!("the same token is the {} one of {whose}", other_slot.name());
            site.error(view.at(field), reason, "generate a token for each slot: keystile keys generate");
        }
    }
}

fn digest(site: &Site<'_>, view: &View<'_>, field: &str) -> Option<Digest> {
    let reference = match view.opt(field, reference::Slot::parse)? {
        reference::Slot::Digest(digest) => return Some(digest),
        reference::Slot::Reference(reference) => reference,
    };
    let value = &site.fetch(view.at(field), &reference)?[..];
    if let Some(digest) = std::str::from_utf8(value).ok().and_then(Digest::parse) {
        return Some(digest);
    }
    match token::shape(value) {
        Shape::WellFormed | Shape::Foreign => Some(Digest::of(value)),
        Shape::Malformed if value.starts_with(token::PREFIX.as_bytes()) => {
            let remedy = "copy the whole token, or generate another: keystile keys generate";
            site.error(view.at(field), "a kst_ token with a wrong length or checksum", remedy);
            None
        }
        Shape::Malformed => {
            let reason = "a token is 20 to 512 printable ASCII characters without white space";
            site.error(view.at(field), reason, "check what the reference points to, or use keystile keys generate");
            None
        }
    }
}

/// W2, W3: what a key may run; a workflow without a template cannot be permitted.
fn grants(site: &Site<'_>, view: &View<'_>, names: &Names<'_>, workflows: &[Workflow]) -> Grants {
    let items = match view.grant("workflows") {
        Grant::All => return Grants::All,
        Grant::These(items) => items,
    };
    let mut granted = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = item.text_here() else { continue };
        match names.workflows.get(name).map(|i| (*i, &workflows[*i as usize])) {
            None => site.unknown(item.here(), "workflow", name, names.workflows.keys().copied()),
            Some((_, workflow)) if workflow.template.is_none() => {
                let reason = format!("workflow {name} has no template (workflow_not_bound)");
                site.error(item.here(), reason, "give the workflow a template, or take it off the list");
            }
            Some((index, _)) => granted.push(WorkflowId(index)),
        }
    }
    Grants::some(granted)
}

/// K13: the certificates that the key accepts, which some listener must be able to verify.
fn client_certificates(site: &Site<'_>, view: &View<'_>, doors: &[Listener]) -> Option<Vec<AcceptedCertificate>> {
    const FIELD: &str = "require_client_cert";
    if !view.is_set(FIELD) {
        return None;
    }
    let accepted = view.list(FIELD).filter_map(|item| match item.text("name") {
        Some(name) => Some(AcceptedCertificate::Name(name.to_owned())),
        None => item.opt("fingerprint", scalar::fingerprint).map(AcceptedCertificate::Fingerprint),
    });
    let accepted: Vec<_> = accepted.collect();
    if view.list(FIELD).next().is_none() {
        site.error(view.at(FIELD), "no certificate is accepted", "name one, or disable the key: enabled: false");
    }
    let deaf: Vec<&str> = doors.iter().filter(|d| d.callers.is_none()).map(|d| &*d.address).collect();
    let remedy = "add: tls: { …, client_ca: FILE } to the listener that the key is used on";
    if !doors.is_empty() && deaf.len() == doors.len() {
        site.error(view.at(FIELD), "no listener asks for certificates, so every call is refused", remedy);
    } else if !deaf.is_empty() {
        let reason = format!("the key is refused on {}, which asks for no certificates", deaf.join(", "));
        site.warning(view.at(FIELD), reason, remedy);
    }
    Some(accepted)
}

/// C1: what a key may call by.
fn connections(site: &Site<'_>, view: &View<'_>, names: &Names<'_>) -> Grants<ConnectionId> {
    let items = match view.grant("connections") {
        Grant::All => return Grants::All,
        Grant::These(items) => items,
    };
    let mut granted = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = item.text_here() else { continue };
        match names.connections.get(name) {
            Some(index) => granted.push(ConnectionId(*index)),
            None => site.unknown(item.here(), "connection", name, names.connections.keys().copied()),
        }
    }
    Grants::some(granted)
}

/// C15: what a connector means to a key, in place of its default.
fn bindings(
    site: &Site<'_>,
    view: &View<'_>,
    names: &Names<'_>,
    known: &[Connection],
    granted: &Grants<ConnectionId>,
) -> Vec<(Box<str>, ConnectionId)> {
    let mut bound = Vec::new();
    for entry in view.entries("bindings") {
        let Some(name) = entry.value.text_here() else { continue };
        let Some(index) = names.connections.get(name).copied() else {
            site.unknown(entry.value.here(), "connection", name, names.connections.keys().copied());
            continue;
        };
        let connector = known.get(index as usize).and_then(|c| c.connector.as_deref());
        if connector != Some(entry.key) {
            let reason = format!("connection {name} is not made from the connector {}", entry.key);
            site.error(entry.value.here(), reason, "name a connection with that connector");
        } else if !granted.permit(ConnectionId(index)) {
            let reason = format!("the key may not use {name}, so /c/{} is not found by it", entry.key);
            site.warning(entry.value.here(), reason, "add it to the key's connections");
        }
        bound.push((entry.key.into(), ConnectionId(index)));
    }
    bound.sort();
    bound
}

fn scopes(view: &View<'_>) -> Scopes {
    let named = view.list("scopes").filter_map(|item| {
        let text = item.text_here()?;
        ScopeName::ALL.into_iter().find(|s| s.name() == text)
    });
    named.fold(Scopes::NONE, Scopes::with)
}
