//! A request's journey through the inbound door, one step a line; and around it, once, what times, records and answers.

use super::core::Core;
use super::exchange::Exchange;
use super::front::Front;
use super::panics::caught;
use super::reply_body::ReplyBody;
use crate::http::body::{CallersBody, RequestBody};
use crate::http::h1::incoming::Early;
use crate::http::inspect::inspect;
use crate::http::reply;
use crate::http::upstream::{Patience, UpstreamBody};
use crate::limit::table::{Allowances, Held};
use crate::live::Live;
use crate::model::listener::PlaceMask;
use crate::model::routes::Found;
use crate::model::token::{self, Digest, Shape};
use crate::model::{Denial, Inbound, Snapshot};
use crate::net::guard::Running;
use crate::policy::authenticate::Rejected;
use crate::policy::forwarded::{self, Side};
use crate::policy::rewrite::{self, Caller};
use crate::policy::standing::{Asking, Standing};
use crate::policy::upgrade;
use crate::policy::via::Via;
use crate::policy::{Authenticated, Permit, Presented, address, authenticate, authorise, environment, identify, path};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

/// What the journey brings home: the upstream's reply, and what goes with it.
struct Passed {
    reply: Response<UpstreamBody>,
    held: Held,
    charged: Allowances,
    /// The reply switches protocols, as was permitted.
    switched: Option<Standing>,
}

/// Answers one request: never fails, never panics.
///
/// `early`: whom to tell what the upstream says before its reply.
pub async fn handle(
    core: Rc<Core>,
    front: Rc<Front>,
    request: Request<CallersBody>,
    early: Option<Early>,
) -> Response<ReplyBody> {
    let running = Running::on(front.activity.as_ref());
    let live = core.live();
    let (mut parts, body) = request.into_parts();
    let mut exchange = Exchange::begin(core.clone(), live.clone(), &front, &parts);
    let outcome = caught(pin!(journey(&core, &live, &front, &mut parts, body, early, &mut exchange))).await;
    let listener = live.listener(&front.address).map(|at| &live.snapshot.inbound[at]);
    match outcome {
        Ok(Passed { reply, held, charged, switched }) => {
            let (mut head, body) = reply.into_parts();
            sign(&mut head.headers, &exchange, listener, &charged);
            if let Some(standing) = switched {
                head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                head.headers.insert(header::UPGRADE, standing.protocol().clone());
                return Response::from_parts(head, ReplyBody::switched(body, exchange, held, running, standing));
            }
            Response::from_parts(head, ReplyBody::passed(body, exchange, held, running))
        }
        Err(denial) => {
            exchange.refused(&denial);
            let conceal = listener.is_some_and(|l| l.conceal);
            let asked = reply::Asked { request_id: &exchange.request_id, bearer: exchange.bearer, conceal };
            let (mut head, body) = reply::refusal(&denial, &asked).into_parts();
            if !conceal {
                deprecate(&mut head.headers, &exchange);
            }
            Response::from_parts(head, ReplyBody::own(body, exchange, running))
        }
    }
}

/// The journey itself. Whatever ends it early ends it before anything was sent.
async fn journey(
    core: &Rc<Core>,
    live: &Live,
    front: &Front,
    parts: &mut Parts,
    body: CallersBody,
    early: Option<Early>,
    log: &mut Exchange,
) -> Result<Passed, Denial> {
    let snapshot = &live.snapshot;
    let listener = live.listener(&front.address).ok_or(Denial::Overloaded { what: "removed listener" })?;
    let door = &snapshot.inbound[listener];
    log.address = forwarded::client(front.peer, &parts.headers, &door.trusted_proxies, door.forwarded);

    inspect(parts, door)?;
    let route = snapshot.routes.find(&parts.method, &path::segments(parts.uri.path())?);
    let open = places(snapshot, door, &route);
    let presented = identify(&parts.headers, parts.uri.query(), &door.places, open)?.ok_or(Denial::MissingKey)?;
    log.presented(&presented);
    let caller = authenticated(live, listener, &presented, log)?;
    log.caller(caller.key(), caller.slot());
    let asked = environment::asked(parts.uri.query(), &door.environment_parameter);
    let permit = authorise(snapshot, &caller, &front.origin(log.address), &route, &asked, log.now)?;
    log.permitted(&permit);
    if core.via.has_marked(&parts.headers) {
        return Err(Denial::LoopDetected);
    }
    let max_body = body_fits(parts, door, &permit)?;
    let charged = live.limits.charge(&permit, listener, log.address).map_err(Denial::RateLimited)?;
    let held = live.limits.enter(&permit)?;
    let standing = standing(parts, &permit, door, &presented, front, log);
    rewrite_request(parts, &permit, door, open, front, &core.via, log)?;
    if let Some(standing) = &standing {
        parts.headers.insert(header::UPGRADE, standing.protocol().clone());
    }
    let (body, upload) = RequestBody::new(body, max_body, door.timeouts.body_idle);
    log.sending(upload.clone());
    let reply = {
        let connection = permit.connection();
        let trust = live.trust[connection.index.0 as usize].as_ref().map(|tls| &tls.config);
        let until = log.started() + door.timeouts.request;
        let patience = Patience { until: until.into(), head: connection.timeouts.head };
        core.upstreams
            .send(connection, trust, upstream_request(parts, body), &upload, patience, |status, fields| {
                say_early(early.as_ref(), status, fields)
            })
            .await?
    };
    log.answered(reply.status().as_u16());
    let switched = standing.filter(|_| reply.status() == StatusCode::SWITCHING_PROTOCOLS);
    Ok(Passed { reply, held, charged, switched })
}

/// Where this request's credential may stand: the listener's places, as far as its workflow leaves them open.
pub fn places(snapshot: &Snapshot, door: &Inbound, route: &Found) -> PlaceMask {
    match route {
        Found::Workflow(id) => door.places.narrowed(snapshot.workflow(*id).places),
        _ => door.places.open,
    }
}

/// Authenticates, and counts failures by address (L3): over the limit, what is no well-formed token of ours is refused
/// without a look-up; well-formed ones are still judged, so that a bad neighbour locks nobody out.
fn authenticated<'s>(
    live: &'s Live,
    listener: usize,
    presented: &Presented<'_>,
    log: &mut Exchange,
) -> Result<Authenticated<'s>, Denial> {
    let failed = live.limits.failed(listener);
    let guess = token::shape(presented.token()) != Shape::WellFormed;
    if guess {
        failed.check(log.address, Instant::now()).map_err(Denial::RateLimited)?;
    }
    authenticate(&live.snapshot, presented, log.now).map_err(|Rejected { denial, whose }| {
        if let Some((key, slot)) = whose {
            log.caller(key, slot);
        }
        match denial {
            Denial::InvalidKey(_) => match failed.failed(log.address, Instant::now()) {
                Err(refusal) if guess => Denial::RateLimited(refusal),
                _ => denial,
            },
            _ => denial,
        }
    })
}

/// L5: the most bytes this request's body may have; refused at once if it says that it has more.
fn body_fits(parts: &Parts, door: &Inbound, permit: &Permit<'_>) -> Result<u64, Denial> {
    let limit = permit.workflow().max_body.unwrap_or(door.max_body);
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|bytes| bytes > limit) { Err(Denial::BodyTooLarge { limit }) } else { Ok(limit) }
}

/// Strips, says who called, injects.
fn rewrite_request(
    parts: &mut Parts,
    permit: &Permit<'_>,
    door: &Inbound,
    open: PlaceMask,
    front: &Front,
    via: &Via,
    log: &Exchange,
) -> Result<(), Denial> {
    let asked_host = match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(header::HOST).cloned(),
    };
    let caller = Caller {
        side: Side {
            peer: front.peer_header.clone(),
            scheme: HeaderValue::from_static(if door.tls { "https" } else { "http" }),
            host: asked_host,
        },
        trusted: address::within(front.peer, &door.trusted_proxies),
        request_id: log.request_id.clone(),
    };
    let target = rewrite::target(&parts.uri, permit, door, open);
    parts.uri = target.ok_or_else(|| Denial::Internal { cause: "the rewritten target is not valid".to_owned() })?;
    rewrite::fields(&mut parts.headers, permit, door, open, caller);
    via.mark(&mut parts.headers, parts.version);
    Ok(())
}

/// Hazard 15: what this request may switch to, and what has to stay true while it does.
fn standing(
    parts: &Parts,
    permit: &Permit<'_>,
    door: &Inbound,
    presented: &Presented<'_>,
    front: &Front,
    log: &Exchange,
) -> Option<Standing> {
    let asking = Asking {
        protocol: upgrade::asked(parts, permit.workflow())?,
        digest: Digest::of(presented.token()),
        in_query: presented.in_query,
        origin: front.origin(log.address),
        listener: &front.address,
        assurance: front.assurance,
        environment_parameter: &door.environment_parameter,
    };
    Some(Standing::new(parts, permit, asking))
}

/// Passes on what an upstream says before its reply (RFC 8297), without what is not the caller's business.
fn say_early(early: Option<&Early>, status: StatusCode, mut fields: HeaderMap) {
    if let Some(early) = early {
        crate::policy::headers::strip_reply(&mut fields);
        early.say(status, &fields);
    }
}

/// Takes what is sent on out of the caller's parts; version and extensions are the caller's own.
fn upstream_request(parts: &mut Parts, body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = std::mem::take(&mut parts.method);
    *request.uri_mut() = std::mem::take(&mut parts.uri);
    *request.headers_mut() = std::mem::take(&mut parts.headers);
    request
}

/// What is added to, and taken from, a reply that passes.
fn sign(fields: &mut HeaderMap, exchange: &Exchange, door: Option<&Inbound>, charged: &Allowances) {
    crate::policy::headers::strip_reply(fields);
    fields.insert(rewrite::REQUEST_ID, exchange.request_id.clone());
    if door.is_some_and(|d| d.limit_headers) {
        reply::allowances(fields, charged);
    }
    deprecate(fields, exchange);
}

/// K6: a key in the URL is answered with `Deprecation` (RFC 9745) and, where its end is set, `Sunset` (RFC 8594).
fn deprecate(fields: &mut HeaderMap, exchange: &Exchange) {
    if !exchange.in_query {
        return;
    }
    /// Since the first release, 2026-11-21.
    const SINCE: HeaderValue = HeaderValue::from_static("@1795219200");
    fields.insert(HeaderName::from_static("deprecation"), SINCE);
    let Some(sunset) = exchange.query_sunset() else { return };
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(sunset.max(0) as u64);
    if let Ok(value) = HeaderValue::try_from(httpdate::fmt_http_date(at)) {
        fields.insert(HeaderName::from_static("sunset"), value);
    }
}
