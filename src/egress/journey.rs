//! A call's journey through the outbound door, one step a line.

use crate::http::body::RequestBody;
use crate::http::inspect::inspect;
use crate::http::scrubbed::{scrub_fields, scrubbed};
use crate::http::upstream::{Patience, UpstreamBody};
use crate::model::directory::Named;
use crate::model::key::KeyId;
use crate::model::listener::Door;
use crate::model::{Denial, Reply, Snapshot};
use crate::policy::authenticate::stood_for;
use crate::policy::outbound::authorise::Call;
use crate::policy::outbound::slots::{Filled, shown};
use crate::policy::outbound::{Called, authorise, called, guard, identify, rewrite};
use crate::policy::{Authenticated, forwarded};
use crate::serving::answer::{Arrival, Passed};
use crate::serving::exchange::Exchange;
use crate::serving::reply_body::{InForce, Passing};
use crate::serving::steps::{authenticated, body_fits, say_early};
use http::Method;
use std::mem;

/// The journey itself. Whatever ends it early ends it before anything was sent.
pub async fn journey(arrival: &mut Arrival<'_>) -> Result<Passed, Denial> {
    let Arrival { core, live, front, early, ref mut parts, ref mut body, ref mut log } = *arrival;
    let snapshot = &live.snapshot;
    // Costs a reference count; the parts' own is replaced further down.
    let uri = parts.uri.clone();
    // Before anything is refused: what is refused is logged as well.
    let called = called(&uri, parts.version);
    let named = called.as_ref().ok().and_then(|called| snapshot.directory.find(called.as_ref()?.name));
    log.shown_as(presentable(snapshot, &called, named));
    let index = live.listener(&front.address).ok_or(Denial::Overloaded { what: "removed listener" })?;
    let listener = &snapshot.listeners[index];
    log.listener = Some(index);
    log.address = forwarded::client(front.peer, &parts.headers, &listener.trusted_proxies, listener.forwarded);
    core.has_room(snapshot.overload, front, log.started())?;

    inspect(parts, listener)?;
    let Door::Outbound(door) = &listener.door else { return Err(Denial::ConnectionNotFound) };
    guard(parts, door)?;
    let called = called?;
    let rest = called.map_or("", |called| called.rest);
    let filled = Filled { headers: &parts.headers, query: uri.query(), rest };
    let claims = identify(filled, listener, &snapshot.directory)?;
    let (caller, token) = match door.identity.filter(|_| claims.tokens.is_empty()) {
        Some(identity) => (standing_for(snapshot, identity, log)?, None),
        None => authenticated(live, index, &claims.tokens, log).map(|(caller, token)| (caller, Some(token)))?,
    };
    log.asked_for(None, named.and_then(Named::connection));
    let call = Call { method: &parts.method, named, rest };
    let permit = authorise(snapshot, &caller, &front.origin(log.address), &call, &parts.headers, log.now)?;
    log.permitted(&permit, None);
    if let Some(token) = token {
        claims.settle(token.token(), filled, &permit.connection().injection)?;
    }
    if core.via.has_marked(&parts.headers) {
        return Err(Denial::LoopDetected);
    }
    let max_body = body_fits(parts, listener, None)?;
    let charged = live.limits.charge(&permit, None, index, log.address).map_err(Denial::RateLimited)?;
    let charged = listener.limit_headers.then(|| Box::new(charged));
    log.holds(live.limits.enter(&permit, None)?);
    let open = claims.open(listener);
    drop(claims);
    let target = called.and_then(|called| rewrite::target(&called, uri.query(), &permit, listener, open));
    parts.uri = target.ok_or_else(|| Denial::Internal { cause: "the provider's target is not valid".to_owned() })?;
    rewrite::fields(&mut parts.headers, &permit, listener, open, log.request_id.clone());
    core.via.mark(&mut parts.headers, parts.version);
    let needle = permit.connection().needle.map(|needle| InForce::new(live.clone(), needle));
    let (body, upload) =
        RequestBody::new(mem::take(*body), max_body, listener.timeouts.body_idle, log.started().into());
    let now = log.sending(upload.clone()).into();
    let reply = {
        let connection = permit.connection();
        let trust = live.trust[connection.index.0 as usize].as_ref().map(|tls| &tls.config);
        let until = log.started() + listener.timeouts.request;
        let patience = Patience { now, until: until.into(), head: connection.timeouts.head };
        let mut sent = core.upstreams.send(connection, trust, parts, body, patience);
        let reply = sent.reply(|status, mut fields| {
            if let Some(needle) = &needle {
                scrub_fields(needle, &mut fields);
            }
            say_early(early, status, fields)
        });
        reply.await?
    };
    log.answered(reply.status.as_u16());
    Ok(Passed { reply: without_secrets(reply, &parts.method, needle)?, charged })
}

/// C12: the provider's reply without the connection's secret; what cannot be looked through is stopped.
fn without_secrets(
    reply: Reply<Box<UpstreamBody>>,
    method: &Method,
    needle: Option<InForce>,
) -> Result<Reply<Passing>, Denial> {
    let Some(needle) = needle else { return Ok(reply.map(Passing::AsItIs)) };
    match scrubbed(reply.map(|body| *body), method, needle) {
        Ok(reply) => Ok(reply.map(|body| Passing::Scrubbed(Box::new(body)))),
        Err(cause) => Err(Denial::UpstreamOpaque { cause }),
    }
}

/// C4: the key that the listener stands for.
fn standing_for<'s>(snapshot: &'s Snapshot, identity: KeyId, log: &mut Exchange) -> Result<Authenticated<'s>, Denial> {
    let known = stood_for(snapshot, identity, log.now).map_err(|rejected| (rejected.denial, rejected.whose));
    let whose = known.as_ref().map_or_else(|(_, whose)| *whose, |caller| Some((caller.key(), None)));
    if let Some((key, slot)) = whose {
        log.caller(key, slot);
    }
    known.map_err(|(denial, _)| denial)
}

/// The path as it may be logged; `None`: as it came. Where it cannot be read, or no connection is meant, nobody can tell
/// which part of it is somebody's secret.
fn presentable(
    snapshot: &Snapshot,
    called: &Result<Option<Called<'_>>, Denial>,
    named: Option<&Named>,
) -> Option<String> {
    let Ok(Some(called)) = called else { return Some("/…".to_owned()) };
    let Some(named) = named else { return Some(format!("/c/{}/…", called.name)) };
    let mut rules = named.candidates().map(|id| &snapshot.connection(id).injection.rules[..]);
    rules.find_map(|rules| shown(called.rest, rules)).map(|rest| format!("/c/{}{rest}", called.name))
}
