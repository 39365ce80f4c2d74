//! T7: why a request would be refused, or what would be sent, step by step. The same decisions as the journey's, in the
//! same order, without a socket; a test holds the two together.

mod delivery;

use super::routing::{places, routed};
use crate::http::inspect::inspect;
use crate::model::key::ScopeName;
use crate::model::listener::Place;
use crate::model::routes::Found;
use crate::model::{Denial, Listener, Slot, Snapshot};
use crate::policy::authenticate::{Rejected, by_url, rehearse};
use crate::policy::environment::{Asked, asked};
use crate::policy::forwarded::{self, Side};
use crate::policy::rewrite::{self, Caller};
use crate::policy::signed_url::Reading;
use crate::policy::{Authenticated, Credential, Invocation, Origin, address, authenticate, authorise, credential};
use crate::serving::explanation::{Explanation, Question, Steps, describe_key};
use crate::telemetry::timestamp;
use http::header::HeaderValue;

/// Decides without sending. Limits are named, not charged.
pub fn explain(snapshot: &Snapshot, door: &Listener, question: Question) -> Explanation {
    Explanation::of(|steps| walk(snapshot, door, question, steps))
}

fn walk(snapshot: &Snapshot, door: &Listener, question: Question, steps: &mut Steps) -> Result<(), Denial> {
    let parts = &question.parts;
    let client = forwarded::client(question.peer, &parts.headers, &door.trusted_proxies, door.forwarded);
    if let Err(denial) = inspect(parts, door) {
        return steps.no("request", denial);
    }
    let has_body = question.body.as_ref().is_some_and(|body| !body.is_empty());
    let (route, greeted) = match routed(snapshot, parts, has_body) {
        Ok(routed) => routed,
        Err(denial) => return steps.no("request", denial),
    };
    steps.ok("request", format!("well-formed, from {client}, through listener {}", door.address));
    if question.certificate.is_none() && door.callers.is_some_and(|c| c.required) {
        steps.ok("handshake", "taken as given, though the listener refuses callers without a certificate");
    }
    steps.ok("route", describe_route(snapshot, &route));
    let origin =
        Origin { address: client, certificate: question.certificate.as_ref().filter(|_| door.callers.is_some()) };
    if let Some(greeted) = greeted {
        return delivery::greeted(snapshot, door, (&greeted, &origin), &question, steps);
    }
    let proven = delivery::proven(snapshot, door, &question, &route, steps)?;
    let asked = asked(parts.uri.query(), &door.environment_parameter);
    let permit = match authorise(snapshot, &proven, &origin, &route, &asked, question.now) {
        Ok(permit) => permit,
        Err(denial) => {
            steps.certificate_missing(&denial, door);
            return steps.no(failed_step(&denial), denial);
        }
    };
    granted(&permit, &asked, door, steps);
    if let Some(delivery) = &proven.delivery
        && delivery::settled(&permit, delivery, &question, steps)?
    {
        return Ok(());
    }
    steps.limits(&permit, Some(permit.workflow()), door);
    let open = places(snapshot, door, &route);
    rewritten(&question, &permit, door, open, steps);
    Ok(())
}

fn describe_route(snapshot: &Snapshot, route: &Found) -> String {
    match route {
        Found::Workflow(id) => {
            let workflow = snapshot.workflow(*id);
            match &workflow.template {
                Some(template) => format!("workflow {} ({template})", workflow.name),
                None => format!("workflow {}", workflow.name),
            }
        }
        Found::OtherMethods(methods) => {
            let list: Vec<&str> = methods.iter().map(http::Method::as_str).collect();
            format!("no workflow for this method; the path answers {}", list.join(", "))
        }
        Found::Nothing => "no workflow; the caller is told only with a valid key".to_owned(),
        Found::LookAlike => "another workflow's path, as careless upstreams read it".to_owned(),
    }
}

fn identified<'s>(
    snapshot: &'s Snapshot,
    door: &Listener,
    question: &Question,
    route: &Found,
    steps: &mut Steps,
) -> Result<Authenticated<'s>, Denial> {
    if let Some(name) = &question.key {
        let Some(key) = snapshot.keys.named(name) else {
            return steps.no("credential", Denial::InvalidKey(crate::model::denial::BadToken::Unknown));
        };
        steps.ok("credential", format!("taken as given: key {name}, by --key"));
        return match rehearse(key, question.now) {
            Ok(caller) => {
                steps.ok("key", describe_key(snapshot, key));
                Ok(caller)
            }
            Err(denial) => steps.no("key", denial),
        };
    }
    let parts = &question.parts;
    let open = places(snapshot, door, route);
    let presented = match credential(&parts.headers, parts.uri.query(), &door.places, open) {
        Ok(Some(Credential::Token(presented))) => presented,
        Ok(Some(Credential::Url(url))) => return by_signed_url(snapshot, door, question, (route, url), steps),
        Ok(None) => return steps.no("credential", Denial::MissingKey),
        Err(denial) => return steps.no("credential", denial),
    };
    let also = if presented.in_query && presented.place != Place::Query { ", and in the query" } else { "" };
    steps.ok("credential", format!("found in {}{also}", place(presented.place, door)));
    match authenticate(snapshot, &presented, question.now) {
        Ok(caller) => {
            let slot = caller.slot().map_or("no", Slot::name);
            steps.ok("key", format!("{} ({slot} token)", describe_key(snapshot, caller.key())));
            Ok(caller)
        }
        Err(Rejected { denial, whose }) => {
            if let Some((key, Some(slot))) = whose {
                steps.ok("key", format!("the {} token of {}", slot.name(), key.name));
            }
            steps.no("key", denial)
        }
    }
}

/// H7. Whoever explains may be told what callers are not: why a URL is not accepted.
fn by_signed_url<'s>(
    snapshot: &'s Snapshot,
    door: &Listener,
    question: &Question,
    (route, url): (&Found, Reading),
    steps: &mut Steps,
) -> Result<Authenticated<'s>, Denial> {
    let until = url.map_or("nobody can tell when".to_owned(), |url| timestamp::text(url.expires_at()));
    steps.ok("credential", format!("found in signed_url, until {until}"));
    let asked = asked(question.parts.uri.query(), &door.environment_parameter);
    match by_url(snapshot, url, route, &asked, question.now) {
        Ok(caller) => {
            let slot = caller.slot().map_or("no", Slot::name);
            steps.ok("key", format!("{} (signed by its {slot} slot)", describe_key(snapshot, caller.key())));
            Ok(caller)
        }
        Err(Rejected { denial, whose }) => {
            if let Some((key, Some(slot))) = whose {
                steps.ok("key", format!("signed by the {} slot of {}", slot.name(), key.name));
            }
            steps.no("key", denial)
        }
    }
}

fn place(place: Place, door: &Listener) -> String {
    match place {
        Place::Authorization => "the header authorization".to_owned(),
        Place::Header => format!("the header {}", door.places.header),
        Place::Query => format!("the query parameter {}", door.places.query),
        Place::KeystileKey | Place::ProxyAuthorization => format!("the header {}", place.name()),
        Place::Slot => "the place where the connection injects".to_owned(),
        Place::SignedUrl => "a signed URL".to_owned(),
    }
}

/// Where in the order of W1 a refusal stands.
fn failed_step(denial: &Denial) -> &'static str {
    match denial {
        Denial::AddressNotAllowed => "address",
        Denial::ClientCertificateRequired(_) => "certificate",
        Denial::WorkflowNotPermitted { .. } => "permission",
        Denial::ScopeMissing(_) => "scope",
        Denial::EnvironmentMismatch { .. }
        | Denial::UnknownEnvironment
        | Denial::EnvironmentRepeated
        | Denial::WorkflowNotInEnvironment { .. } => "environment",
        _ => "workflow",
    }
}

fn granted(permit: &Invocation<'_>, asked: &Asked<'_>, door: &Listener, steps: &mut Steps) {
    match permit.key() {
        Some(key) => {
            steps.came_from_there(key);
            steps.ok("permission", format!("the key may run {}", permit.workflow().name));
            steps.ok("scope", format!("the key has {}", ScopeName::WorkflowsInvoke.name()));
        }
        None => steps.ok("permission", format!("who signs may deliver to {}", permit.workflow().name)),
    }
    let why = match (permit.key().and_then(|key| key.environment), asked) {
        (Some(_), _) => "the key is fixed to it".to_owned(),
        _ if permit.key().is_none() => "the webhook's: a delivery's URL cannot choose".to_owned(),
        (None, Asked::Nothing) => "the default: nothing was asked for".to_owned(),
        (None, _) => format!("asked for by {}", door.environment_parameter.name),
    };
    steps.ok("environment", format!("{} ({why})", permit.environment().name));
}

/// What would be sent, secrets shown as `{secret}`.
fn rewritten(
    question: &Question,
    permit: &Invocation<'_>,
    door: &Listener,
    open: crate::model::listener::PlaceMask,
    steps: &mut Steps,
) {
    let before = &question.parts.headers;
    let mut after = before.clone();
    let caller = Caller {
        side: Side {
            peer: HeaderValue::from_static("-"),
            scheme: HeaderValue::from_static(if door.tls { "https" } else { "http" }),
            host: before.get(http::header::HOST).cloned(),
        },
        trusted: address::within(question.peer, &door.trusted_proxies),
        request_id: HeaderValue::from_static("-"),
    };
    rewrite::fields(&mut after, permit, door, open, caller);
    steps.stripped(before, &after);
    steps.injected(permit);
    let connection = permit.connection();
    let prefix = if connection.injection.path.is_some() { "/{secret}" } else { "" };
    let method = &question.parts.method;
    steps.ok("forward", format!("{method} {}{prefix}{}", connection.destination.shown(), question.parts.uri.path()));
}
