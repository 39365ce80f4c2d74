//! H7: a URL is signed for what it will be permitted, and nothing else is signed.

use super::{SignedUrl, Target};
use crate::model::listener::{Door, Listener, Place};
use crate::model::template::Template;
use crate::model::webhook::Require;
use crate::model::{Denial, Environment, EnvironmentId, Key, Slot, Snapshot, Workflow};
use crate::policy::authorise::may_run;
use crate::policy::environment::{Asked, select};
use crate::policy::path;
use http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use zeroize::Zeroizing;

/// The furthest end: ten years, in milliseconds.
const LONGEST: i64 = 3653 * 86_400_000;

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub key: &'a Key,
    /// None: the first that has a token.
    pub slot: Option<Slot>,
    /// The workflow's name.
    pub workflow: &'a str,
    /// None: the key's, else the default one.
    pub environment: Option<&'a str>,
    /// Unix milliseconds.
    pub expires_at: i64,
    /// What callers reach the gateway by: `https://hooks.example.com`.
    pub base: Option<&'a str>,
    /// For the template's placeholders.
    pub parameters: &'a BTreeMap<String, String>,
}

/// A URL that may be called by whoever has it.
#[derive(Debug)]
pub struct Issued<'s> {
    pub url: Zeroizing<String>,
    /// Unix milliseconds.
    pub expires_at: i64,
    pub slot: Slot,
    pub workflow: &'s Workflow,
    pub template: &'s Template,
    pub environment: &'s Environment,
    pub notices: Vec<Notice>,
}

/// What whoever hands the URL out should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// It begins with the listener's address.
    ListenersAddress,
    /// It begins with its path: the listener has no address to call.
    PathOnly,
    /// It calls the workflow with any values: those of placeholders are not signed.
    AnyValues,
    /// Unix milliseconds.
    KeyEndsBefore(i64),
    KeyDisabled,
    /// The key has allow_addresses.
    FromItsAddresses,
    WithItsCertificate,
    /// The workflow wants its sender's signature as well.
    WithSignature,
}

/// Why nothing is signed: it would not be accepted, or what is asked for cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unissued {
    /// Of the order.
    pub field: &'static str,
    pub reason: String,
    pub remedy: String,
}

fn unissued(field: &'static str, reason: impl Into<String>, remedy: impl Into<String>) -> Unissued {
    Unissued { field, reason: reason.into(), remedy: remedy.into() }
}

/// As a request would be refused.
fn refused(field: &'static str, denial: &Denial) -> Unissued {
    unissued(field, format!("the URL would be refused: {}", denial.detail()), denial.hint())
}

/// Signs what `order` asks for, if requests with it are going to be permitted.
pub fn issue<'s>(snapshot: &'s Snapshot, order: &Order<'_>, now: i64) -> Result<Issued<'s>, Unissued> {
    let url_key = snapshot.url_key.as_ref().ok_or_else(|| {
        unissued("", "this gateway has no master key that URLs could be signed with", "add master_key: file:PATH")
    })?;
    let key = order.key;
    if key.revoked || key.expires_at.is_some_and(|at| at <= now) {
        let denial = if key.revoked { Denial::KeyRevoked } else { Denial::KeyExpired };
        return Err(refused("key", &denial));
    }
    let (workflow, template) = workflow(snapshot, order.workflow)?;
    may_run(key, workflow).map_err(|denial| refused("workflow", &denial))?;
    let environment = snapshot.environment(environment(snapshot, order, workflow)?);
    let seconds = expiry(order.expires_at, now)?;
    let (slot, token) = token(snapshot, order)?;
    let door = door(snapshot, workflow)?;
    let path = path(snapshot, order, workflow, template)?;
    let target = Target::new(workflow, environment.uid).ok_or_else(|| unreachable_workflow(workflow))?;
    let signed = SignedUrl::sign(url_key, key.uid, &token, &target, seconds);
    let mut notices = Vec::new();
    let base = base(order, door, &mut notices)?;
    known(order, workflow, template, seconds.saturating_mul(1000), &mut notices);
    let named = match environment.id == snapshot.default_environment {
        true => String::new(),
        false => format!("{}={}&", encoded(&door.environment_parameter.name), encoded(&environment.name)),
    };
    let url = Zeroizing::new(format!("{base}{path}?{named}{}", signed.pairs()));
    Ok(Issued { url, expires_at: signed.expires_at(), slot, workflow, template, environment, notices })
}

fn unreachable_workflow(workflow: &Workflow) -> Unissued {
    unissued("workflow", format!("the workflow {} has no template", workflow.name), "give it one: template: GET /path")
}

fn workflow<'s>(snapshot: &'s Snapshot, name: &str) -> Result<(&'s Workflow, &'s Template), Unissued> {
    let Some(workflow) = snapshot.workflows.iter().find(|workflow| &*workflow.name == name) else {
        let remedy = "check its spelling; the URL is signed for the name of a workflow, not for a path";
        return Err(unissued("workflow", format!("there is no workflow {name:?}"), remedy));
    };
    let template = workflow.template.as_ref().ok_or_else(|| unreachable_workflow(workflow))?;
    if workflow.webhook.as_ref().is_some_and(|webhook| !webhook.require.takes_keys()) {
        let reason = format!("the workflow {} takes signed deliveries and no keys, so no signed URLs", workflow.name);
        return Err(unissued("workflow", reason, "give it webhook.require: either, or sign for another workflow"));
    }
    Ok((workflow, template))
}

/// Where requests with it will run.
fn environment(snapshot: &Snapshot, order: &Order<'_>, workflow: &Workflow) -> Result<EnvironmentId, Unissued> {
    let fixed = order.key.environment.and_then(|uid| snapshot.environment_of(uid)).map(|fixed| &*fixed.name);
    let asked = match order.environment.or(fixed) {
        Some(name) => Asked::Named(Cow::Borrowed(name.as_bytes())),
        None => Asked::Nothing,
    };
    let of = |denial: Denial| refused("environment", &denial);
    let environment = select(snapshot, order.key, &asked).map_err(of)?;
    let name = || snapshot.environment(environment).name.clone();
    if workflow.connection_in(environment).is_none() {
        return Err(of(Denial::WorkflowNotInEnvironment { workflow: workflow.name.clone(), environment: name() }));
    }
    if let Some(webhook) = workflow.webhook.as_ref().filter(|webhook| webhook.require == Require::Both)
        && webhook.environment != environment
    {
        let own = &snapshot.environment(webhook.environment).name;
        let reason = format!("deliveries to {} run in {own}, and the URL would run in {}", workflow.name, name());
        return Err(unissued("environment", reason, format!("sign for the environment {own}")));
    }
    Ok(environment)
}

/// Unix seconds.
fn expiry(at: i64, now: i64) -> Result<i64, Unissued> {
    if at <= now {
        return Err(unissued("expires_at", "that moment is past", "name one that is still to come, such as 90d"));
    }
    if at - now > LONGEST {
        let remedy = "name an earlier end, and sign anew before it comes";
        return Err(unissued("expires_at", "a URL is signed for ten years at most", remedy));
    }
    Ok(at / 1000)
}

fn token(snapshot: &Snapshot, order: &Order<'_>) -> Result<(Slot, crate::model::Digest), Unissued> {
    let slots = match order.slot {
        Some(slot) => vec![slot],
        None => vec![Slot::Primary, Slot::Secondary],
    };
    let found = slots.iter().find_map(|slot| Some((*slot, snapshot.keys.token_of(order.key, *slot)?)));
    found.ok_or_else(|| {
        let which = order.slot.map_or("", Slot::name);
        let reason = format!("the key {} has no {which} token to sign for", order.key.name);
        unissued("slot", reason.replace("  ", " "), "name the other slot, or give this one a token")
    })
}

/// The first listener that takes signed URLs for this workflow.
fn door<'s>(snapshot: &'s Snapshot, workflow: &Workflow) -> Result<&'s Listener, Unissued> {
    let takes =
        |door: &&Listener| door.door == Door::Inbound && door.places.narrowed(workflow.places).has(Place::SignedUrl);
    snapshot.listeners.iter().find(takes).ok_or_else(|| {
        let reason = format!("signed URLs are switched off for {}, on every listener", workflow.name);
        unissued("workflow", reason, "leave credentials.signed_url out there, or sign for another workflow")
    })
}

/// A path that leads to the workflow, and to no other.
fn path(snapshot: &Snapshot, order: &Order<'_>, workflow: &Workflow, template: &Template) -> Result<String, Unissued> {
    if let Some(name) = order.parameters.keys().find(|name| !template.placeholders().any(|known| known == **name)) {
        let reason = format!("{template} has no placeholder {{{name}}}");
        return Err(unissued("parameters", reason, "leave it out, or check its spelling"));
    }
    let path = template.path(|name| order.parameters.get(name).map(String::as_str)).map_err(|missing| {
        let names = missing.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ");
        let remedy = missing.iter().map(|name| format!("--param {name}=VALUE")).collect::<Vec<_>>().join(" ");
        let remedy = format!("give them with {remedy} (in the API, parameters)");
        unissued("parameters", format!("{template} needs values for {names}"), remedy)
    })?;
    let route = path::segments(&path).map(|segments| snapshot.routes.find(&template.method, &segments));
    match route.map_err(|denial| refused("parameters", &denial))?.workflow() {
        Some(found) if found == workflow.index => Ok(path),
        _ => {
            let reason = format!("with these values the path does not lead to {}", workflow.name);
            Err(unissued("parameters", reason, "use other values: none may be empty, or what another template says"))
        }
    }
}

/// What the URL begins with.
fn base(order: &Order<'_>, door: &Listener, notices: &mut Vec<Notice>) -> Result<String, Unissued> {
    if let Some(base) = order.base {
        let remedy = "write what callers reach the gateway by: https://hooks.example.com";
        let wrong = || unissued("base", "the base is not the beginning of a URL", remedy);
        let url: Uri = base.parse().map_err(|_| wrong())?;
        // Nothing that a URL would not be copied whole with.
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/[]%@!$&'()*+,;=".contains(&b);
        let is_http = url.scheme_str().is_some_and(|scheme| matches!(scheme, "http" | "https"));
        let host = url.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        if !is_http || host.as_str().is_empty() || !base.bytes().all(is_plain) {
            return Err(wrong());
        }
        return Ok(base.trim_end_matches('/').to_owned());
    }
    let scheme = if door.tls { "https" } else { "http" };
    match door.address.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => {
            notices.push(Notice::ListenersAddress);
            match address.ip().is_unspecified() {
                true => Ok(format!("{scheme}://localhost:{}", address.port())),
                false => Ok(format!("{scheme}://{address}")),
            }
        }
        // A Unix socket, or any free port.
        _ => {
            notices.push(Notice::PathOnly);
            Ok(String::new())
        }
    }
}

fn known(order: &Order<'_>, workflow: &Workflow, template: &Template, ends: i64, notices: &mut Vec<Notice>) {
    let key = order.key;
    let ends_first = key.expires_at.filter(|at| *at < ends).map(Notice::KeyEndsBefore);
    let both = workflow.webhook.as_ref().is_some_and(|webhook| webhook.require == Require::Both);
    let all = [
        template.placeholders().next().map(|_| Notice::AnyValues),
        ends_first,
        (!key.enabled).then_some(Notice::KeyDisabled),
        key.more().allow_addresses.as_ref().map(|_| Notice::FromItsAddresses),
        key.more().client_certificates.as_ref().map(|_| Notice::WithItsCertificate),
        both.then_some(Notice::WithSignature),
    ];
    notices.extend(all.into_iter().flatten());
}

fn encoded(text: &str) -> impl std::fmt::Display + '_ {
    const VALUE: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, VALUE)
}
