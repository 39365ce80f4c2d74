//! T7 for calls: the same decisions as the journey's, in the same order, without a socket; a test holds the two together.

use crate::http::inspect::inspect;
use crate::model::connection::InjectRule;
use crate::model::directory::Named;
use crate::model::key::ScopeName;
use crate::model::listener::{Door, PlaceMask};
use crate::model::{Denial, Listener, Slot, Snapshot};
use crate::policy::authenticate::{Rejected, rehearse, stood_for};
use crate::policy::outbound::authorise::Call;
use crate::policy::outbound::slots::Filled;
use crate::policy::outbound::{Called, Claims, authorise, called, guard, identify, rewrite};
use crate::policy::rewrite::REQUEST_ID;
use crate::policy::{Authenticated, Origin, Permit, Presented, authenticate, forwarded};
use crate::serving::explanation::{Explanation, Question, Steps, describe_key};
use crate::telemetry::redact::redact;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderName, HeaderValue};

/// Decides without sending. Limits are named, not charged.
pub fn explain(snapshot: &Snapshot, listener: &Listener, question: Question) -> Explanation {
    Explanation::of(|steps| walk(snapshot, listener, &question, steps))
}

fn walk(snapshot: &Snapshot, listener: &Listener, question: &Question, steps: &mut Steps) -> Result<(), Denial> {
    let parts = &question.parts;
    let client = forwarded::client(question.peer, &parts.headers, &listener.trusted_proxies, listener.forwarded);
    if let Err(denial) = inspect(parts, listener) {
        return steps.no("request", denial);
    }
    let Door::Outbound(door) = &listener.door else { return Err(Denial::ConnectionNotFound) };
    if let Err(denial) = guard(parts, door) {
        return steps.no("browser", denial);
    }
    let called = match called(&parts.uri, parts.version) {
        Ok(called) => called,
        Err(denial) => return steps.no("request", denial),
    };
    steps.ok("request", format!("well-formed, from {client}, through listener {}", listener.address));
    let named = called.and_then(|called| snapshot.directory.find(called.name));
    steps.ok("call", describe_call(snapshot, called.as_ref(), named));
    let rest = called.map_or("", |called| called.rest);
    let filled = Filled { headers: &parts.headers, query: parts.uri.query(), rest };
    let claims = match identify(filled, listener, &snapshot.directory) {
        Ok(claims) => claims,
        Err(denial) => return steps.no("credential", denial),
    };
    let (caller, token) = identified(snapshot, listener, question, &claims, steps)?;
    let certificate = question.certificate.as_ref().filter(|_| listener.callers.is_some());
    let call = Call { method: &parts.method, named, rest };
    let origin = Origin { address: client, certificate };
    let permit = match authorise(snapshot, &caller, &origin, &call, &parts.headers, question.now) {
        Ok(permit) => permit,
        Err(denial) => {
            steps.certificate_missing(&denial, listener);
            return steps.no(failed_step(&denial), denial);
        }
    };
    if let Some(token) = token
        && let Err(denial) = claims.settle(token.token(), filled, &permit.connection().injection)
    {
        return steps.no("credential", denial);
    }
    granted(&permit, &call, steps);
    steps.limits(&permit, None, listener);
    if let Some(called) = called {
        rewritten(question, &called, &permit, listener, claims.open(listener), steps);
    }
    Ok(())
}

fn describe_call(snapshot: &Snapshot, called: Option<&Called<'_>>, named: Option<&Named>) -> String {
    match (called, named) {
        (None, _) => "nothing: calls go to /c/<connection>/<path>".to_owned(),
        (Some(called), None) => format!("{} is neither a connection nor a connector with one", redact(called.name)),
        (Some(_), Some(Named::Connection(id))) => format!("connection {}", snapshot.connection(*id).name),
        (Some(_), Some(Named::Connector(connector))) => {
            format!("connector {}: its default connection, or the one that the key is bound to", connector.name)
        }
    }
}

type Identified<'s, 'p, 'r> = (Authenticated<'s>, Option<&'p Presented<'r>>);

fn identified<'s, 'p, 'r>(
    snapshot: &'s Snapshot,
    listener: &Listener,
    question: &Question,
    claims: &'p Claims<'r>,
    steps: &mut Steps,
) -> Result<Identified<'s, 'p, 'r>, Denial> {
    if let Some(name) = &question.key {
        let Some(key) = snapshot.keys.named(name) else {
            return steps.no("credential", Denial::InvalidKey(crate::model::denial::BadToken::Unknown));
        };
        steps.ok("credential", format!("taken as given: key {name}, by --key"));
        let caller = rehearse(key, question.now).or_else(|denial| steps.no("key", denial))?;
        steps.ok("key", describe_key(snapshot, key));
        return Ok((caller, None));
    }
    let identity = match &listener.door {
        Door::Outbound(door) => door.identity.filter(|_| claims.tokens.is_empty()),
        Door::Inbound => None,
    };
    if let Some(identity) = identity {
        steps.ok("credential", "none is needed: the listener stands for a key (identity)");
        let caller = stood_for(snapshot, identity, question.now).or_else(|r| steps.no("key", r.denial))?;
        steps.ok("key", describe_key(snapshot, caller.key()));
        return Ok((caller, None));
    }
    let mut rejected = None;
    for token in &claims.tokens {
        match authenticate(snapshot, token, question.now) {
            Ok(caller) => {
                steps.ok("credential", format!("found in {}", token.place.name()));
                let slot = caller.slot().map_or("no", Slot::name);
                steps.ok("key", format!("{} ({slot} token)", describe_key(snapshot, caller.key())));
                return Ok((caller, Some(token)));
            }
            Err(refusal) if rejected.is_none() || refusal.whose.is_some() => rejected = Some((refusal, token)),
            Err(_) => {}
        }
    }
    let Some((Rejected { denial, whose }, token)) = rejected else {
        return steps.no("credential", Denial::MissingKey);
    };
    steps.ok("credential", format!("found in {}", token.place.name()));
    if let Some((key, Some(slot))) = whose {
        steps.ok("key", format!("the {} token of {}", slot.name(), key.name));
    }
    steps.no("key", denial)
}

/// Where in the order of `authorise` a refusal stands.
fn failed_step(denial: &Denial) -> &'static str {
    match denial {
        Denial::AddressNotAllowed => "address",
        Denial::ClientCertificateRequired(_) => "certificate",
        Denial::ScopeMissing(_) => "scope",
        Denial::EnvironmentMismatch { .. }
        | Denial::UnknownEnvironment
        | Denial::EnvironmentRepeated
        | Denial::ConnectionElsewhere { .. } => "environment",
        Denial::CallNotAllowed => "allow",
        Denial::ConflictingCredentials => "credential",
        Denial::SecretUnavailable { .. } => "secret",
        _ => "connection",
    }
}

fn granted(permit: &Permit<'_>, call: &Call<'_>, steps: &mut Steps) {
    let connection = permit.connection();
    permit.key().into_iter().for_each(|key| steps.came_from_there(key));
    steps.ok("connection", format!("the key may use {}", connection.name));
    steps.ok("scope", format!("the key has {}", ScopeName::ConnectionsUse.name()));
    steps.ok("environment", format!("{}, the call's and the connection's", permit.environment().name));
    let finding = match connection.allow.len() {
        0 => "the connection allows every call".to_owned(),
        _ => format!("{} and the path are on the connection's list", call.method),
    };
    steps.ok("allow", finding);
}

/// What would be sent: secrets as `{secret}`, and of the caller's own values none, since somebody's key may be among them.
fn rewritten(
    question: &Question,
    called: &Called<'_>,
    permit: &Permit<'_>,
    listener: &Listener,
    open: PlaceMask,
    steps: &mut Steps,
) {
    let (parts, connection) = (&question.parts, permit.connection());
    let mut after = parts.headers.clone();
    rewrite::fields(&mut after, permit, listener, open, HeaderValue::from_static("(of this request)"));
    steps.stripped(&parts.headers, &after);
    steps.injected(permit);
    let rules = &connection.injection.rules;
    let scrubbed =
        if connection.is_scrubbed() { "the secret is removed from the reply" } else { "the reply passes as it is" };
    steps.ok("scrub", scrubbed);
    let target = rewrite::shown_target(called, parts.uri.query(), permit, listener, open);
    steps.ok("forward", format!("{} {}", parts.method, connection.destination.shown()));
    steps.request.push(format!("{} {} HTTP/1.1", parts.method, redact(&target)));
    let of_ours = |name: &HeaderName| {
        [HOST, ACCEPT_ENCODING, REQUEST_ID].contains(name) || connection.extra_headers.iter().any(|e| e.name == name)
    };
    for (name, value) in &after {
        let shown = match rules.iter().find_map(|rule| template(rule, name)) {
            Some(template) => template,
            None if of_ours(name) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
            None => "(as it came)".to_owned(),
        };
        steps.request.push(format!("{name}: {shown}"));
    }
}

/// What a rule writes into the header `name`, if it is its own.
fn template(rule: &InjectRule, name: &HeaderName) -> Option<String> {
    match rule {
        InjectRule::Header { name: own, value } if own == name => Some(value.clone()),
        InjectRule::Basic { username, password } if name == AUTHORIZATION => {
            Some(format!("Basic base64({username}:{password})"))
        }
        _ => None,
    }
}
