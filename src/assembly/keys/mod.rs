//! `keys`: digests, grants and the states of K11.

mod alike;
mod spec;

pub use spec::{Certificate, Granted, Spec, State};

use super::key_list::KeyList;
use super::{Document, Holdings, Names, Site};
use alike::Alike;

use crate::config::reference;
use crate::config::view::Grant;
use crate::config::{Mistakes, View, scalar};
use crate::model::connection::Connection;
use crate::model::key::{KeyId, Origin, ScopeName};
use crate::model::keys::Token;
use crate::model::listener::Listener;
use crate::model::token::{self, Digest, Shape};
use crate::model::{Environment, Frame, Keys, Slot, Uid, Workflow};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Lints name this many keys one by one; the rest is counted.
const NAMED: usize = 5;

/// What keys refer to.
pub struct Around<'a> {
    pub names: &'a Names<'a>,
    pub environments: &'a [Environment],
    pub workflows: &'a [Workflow],
    pub connections: &'a [Connection],
    pub listeners: &'a [Listener],
    /// C4: names of keys for which a listener stands.
    pub identities: &'a [&'a str],
}

/// The file's keys, beside the store's: `before` holds both kinds as they were. `noted` hears of each.
pub fn assemble(
    site: &Site<'_>,
    list: &KeyList<'_>,
    around: &Around<'_>,
    before: &Keys,
    mut noted: impl FnMut(&str, &View<'_>),
) -> Keys {
    let mut keys = before.only(Origin::Store);
    let stored: HashSet<&str> = before.iter().filter(|key| key.origin == Origin::Store).map(|key| &*key.name).collect();
    // A key keeps its number, and with it what is left of its limits.
    let numbers: HashMap<Uid, KeyId> =
        before.iter().filter(|key| key.origin == Origin::File).map(|key| (key.uid, key.index)).collect();
    let (mut endless, mut alike) = (0, Alike::default());
    list.each(site, |view| {
        let Some(name) = view.text("name") else { return };
        if stored.contains(name) {
            // T1b.
            let remedy = "rename one of the two: the file's here, the store's with `keystile keys edit`";
            site.error(view.at("name"), format!("the store has a key {name} already"), remedy);
        }
        noted(name, &view);
        let uid = view.text("id").and_then(Uid::parse).unwrap_or_else(|| Uid::declared("key", name));
        let index = numbers.get(&uid).copied().unwrap_or_else(|| keys.next_id());
        let tokens = slots(site, &view, around, &keys);
        let expires_at = view.opt_moment("expires_at");
        if expires_at.is_none() {
            endless += 1;
            if endless <= NAMED {
                site.warning(view.here(), "the key never expires", "add: expires_at: 2027-06-30T00:00:00Z");
            }
        }
        let mut key = alike.of(site, &view, around).like(index, uid, name);
        (key.enabled, key.expires_at) = (view.flag("enabled"), expires_at);
        keys.put(key, &[], &tokens);
    });
    if endless > NAMED {
        let reason = format!("{} more keys never expire", endless - NAMED);
        site.warning(list.root.at("keys"), reason, "give them expires_at");
    }
    keys
}

/// A key as a document describes it: everything but its tokens.
pub struct Described {
    pub spec: Spec,
    pub enabled: bool,
    /// Unix milliseconds.
    pub expires_at: Option<i64>,
    pub environment: Option<Uid>,
    /// What should be looked at.
    pub warnings: Mistakes,
}

/// Reads a key's document beside what is in force: whatever it names must be there.
pub fn described(document: &Document, frame: &Frame) -> Result<Described, Mistakes> {
    let holdings = Holdings::default();
    let site = Site::bare(&holdings);
    let names = Names::in_force(frame);
    let around = Around {
        names: &names,
        environments: &frame.environments,
        workflows: &frame.workflows,
        connections: &frame.connections,
        listeners: &frame.listeners,
        identities: &[],
    };
    let view = document.view();
    let spec = spec(&site, &view, &around);
    let environment = names.environment(&site, &view, "environment").map(|id| frame.environment(id).uid);
    let (enabled, expires_at) = (view.flag("enabled"), view.opt_moment("expires_at"));
    let (warnings, ..) = site.finish();
    if warnings.has_errors() {
        return Err(warnings);
    }
    Ok(Described { spec, enabled, expires_at, environment, warnings })
}

/// C4: a listener stands for a key that the file has.
pub fn hold_identities(site: &Site<'_>, root: &View<'_>, keys: &Keys) {
    let written = || keys.iter().filter(|key| key.origin == Origin::File).map(|key| &*key.name);
    for listener in root.list("listeners.outbound") {
        let Some(name) = listener.text("identity") else { continue };
        if !written().any(|key| key == name) {
            site.unknown(listener.at("identity"), "key", name, written());
        }
    }
}

/// Everything of a key but its tokens and its states.
pub fn spec(site: &Site<'_>, view: &View<'_>, around: &Around<'_>) -> Spec {
    let connections = connections(site, view, around);
    let owned = |field: &str| view.text(field).map(str::to_owned);
    Spec {
        title: owned("title"),
        description: owned("description"),
        workflows: grants(site, view, around),
        bindings: bindings(site, view, around, &connections),
        connections,
        scopes: scopes(view),
        rate_limit: owned("rate_limit"),
        allow_addresses: view.is_set("allow_addresses").then(|| view.values("allow_addresses", scalar::cidr)),
        require_client_cert: client_certificates(site, view, around.listeners),
        query_key_sunset: view.opt_moment("query_key_sunset"),
    }
}

/// K10: at least one slot; a token belongs to one slot of one key.
fn slots(site: &Site<'_>, view: &View<'_>, around: &Around<'_>, before: &Keys) -> Vec<Token> {
    let needs_none = view.text("name").is_some_and(|name| around.identities.contains(&name));
    if !needs_none && !view.is_set("primary") && !view.is_set("secondary") {
        let remedy = "add: primary: blake3:…, which `keystile keys generate` prints beside the token";
        site.error(view.here(), "the key has no token", remedy);
    }
    let mut tokens: Vec<Token> = Vec::with_capacity(2);
    for (field, slot) in [("primary", Slot::Primary), ("secondary", Slot::Secondary)] {
        let Some(digest) = digest(site, view, field) else { continue };
        let own = tokens.iter().find(|(other, _)| *other == digest).map(|(_, slot)| ("this key", *slot));
        let others = before.find(&digest).map(|(key, slot)| (&*key.name, slot));
        if let Some((whose, other)) = own.or(others) {
            let reason = format!("the same token is the {} one of {whose}", other.name());
            site.error(view.at(field), reason, "generate a token for each slot: keystile keys generate");
        }
        tokens.push((digest, slot));
    }
    tokens
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
fn grants(site: &Site<'_>, view: &View<'_>, around: &Around<'_>) -> Granted {
    let items = match view.grant("workflows") {
        Grant::All => return Granted::ALL,
        Grant::These(items) => items,
    };
    let known = &around.names.workflows;
    let mut granted = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = item.text_here() else { continue };
        match known.get(name).and_then(|i| around.workflows.get(*i as usize)) {
            None => site.unknown(item.here(), "workflow", name, known.keys().copied()),
            Some(workflow) if workflow.template.is_none() => {
                let reason = format!("workflow {name} has no template (workflow_not_bound)");
                site.error(item.here(), reason, "give the workflow a template, or take it off the list");
            }
            Some(workflow) => granted.push(workflow.uid),
        }
    }
    Granted::These(granted)
}

/// K13: the certificates that the key accepts, which some listener must be able to verify.
fn client_certificates(site: &Site<'_>, view: &View<'_>, doors: &[Listener]) -> Option<Vec<Certificate>> {
    const FIELD: &str = "require_client_cert";
    if !view.is_set(FIELD) {
        return None;
    }
    let accepted = view.list(FIELD).filter_map(|item| match item.text("name") {
        Some(name) => Some(Certificate::Name(name.to_owned())),
        None => item.text("fingerprint").map(|text| Certificate::Fingerprint(text.to_owned())),
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
fn connections(site: &Site<'_>, view: &View<'_>, around: &Around<'_>) -> Granted {
    match view.grant("connections") {
        Grant::All => Granted::ALL,
        Grant::These(items) => {
            let named = items.iter().filter_map(|item| Some(connection(site, item, around)?.uid));
            Granted::These(named.collect())
        }
    }
}

/// The connection that stands there; one that does not exist is reported.
fn connection<'a>(site: &Site<'_>, view: &View<'_>, around: &Around<'a>) -> Option<&'a Connection> {
    let name = view.text_here()?;
    let known = &around.names.connections;
    let found = known.get(name).and_then(|index| around.connections.get(*index as usize));
    if found.is_none() {
        site.unknown(view.here(), "connection", name, known.keys().copied());
    }
    found
}

/// C15: what a connector means to a key, in place of its default.
fn bindings(site: &Site<'_>, view: &View<'_>, around: &Around<'_>, granted: &Granted) -> BTreeMap<String, Uid> {
    let granted = granted.grants();
    let mut bound = BTreeMap::new();
    for entry in view.entries("bindings") {
        let Some(connection) = connection(site, &entry.value, around) else { continue };
        let name = &connection.name;
        if connection.connector.as_deref() != Some(entry.key) {
            let reason = format!("connection {name} is not made from the connector {}", entry.key);
            site.error(entry.value.here(), reason, "name a connection with that connector");
        } else if !granted.permit(connection.uid) {
            let reason = format!("the key may not use {name}, so /c/{} is not found by it", entry.key);
            site.warning(entry.value.here(), reason, "add it to the key's connections");
        }
        bound.insert(entry.key.to_owned(), connection.uid);
    }
    bound
}

fn scopes(view: &View<'_>) -> Vec<ScopeName> {
    let named = view.list("scopes").filter_map(|item| {
        let text = item.text_here()?;
        ScopeName::ALL.into_iter().find(|s| s.name() == text)
    });
    named.collect()
}
