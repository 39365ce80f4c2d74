//! A request's journey through the inbound door, one step a line.

use super::handshakes;
use super::routing::{claimed, places, routed};
use crate::http::body::{CallersBody, RequestBody};
use crate::http::inspect::inspect;
use crate::http::reply::Answer;
use crate::http::upstream::{Patience, Sent};
use crate::limit::replays::{Reserved, Seen};
use crate::limit::table::Allowances;
use crate::live::Live;
use crate::model::RequestHead;
use crate::model::listener::{Door, PlaceMask};
use crate::model::routes::Found;
use crate::model::webhook::ReplayAnswer;
use crate::model::{Denial, Listener};
use crate::policy::forwarded::{self, Side};
use crate::policy::rewrite::{self, Caller};
use crate::policy::standing::{Asking, Lasting, Standing};
use crate::policy::upgrade;
use crate::policy::via::Via;
use crate::policy::webhook::{Claim, Verified};
use crate::policy::{Credential, Invocation, Proven, address, authorise, credential, environment};
use crate::serving::answer::{Arrival, Ended, Passed};
use crate::serving::core::Core;
use crate::serving::delivery;
use crate::serving::exchange::Exchange;
use crate::serving::front::Front;
use crate::serving::reply_body::Passing;
use crate::serving::steps::{authenticated, body_fits, by_signed_url, say_early};
use http::StatusCode;
use http::header::{self, HeaderValue};
use http_body_util::Full;
use std::mem;
use std::rc::Rc;
use std::slice;
use std::time::Duration;

/// The journey itself. Whatever ends it early ends it before anything was sent.
///
/// What is decided is decided on the stack: among many requests under way what each keeps is cold memory, so it keeps what
/// it still needs when it waits.
pub async fn journey(arrival: &mut Arrival<'_>) -> Result<Passed, Ended> {
    let Arrival { core, live, front, early, ref mut parts, ref mut body, ref mut log } = *arrival;
    let at = At { core, live, front };
    let (permitted, body) = {
        let (wanted, claim) = wanted(at, parts, !body.is_end_stream(), log)?;
        match claim {
            None => (permitted(at, wanted, None, parts, log)?, mem::take(*body)),
            // Boxed, so that other requests do not carry its state around.
            Some(claim) => Box::pin(delivered(at, wanted, *claim, parts, mem::take(*body), log)).await?,
        }
    };
    let (mut sent, kept) = sent(at, permitted, parts, body, log)?;
    let reply = sent.reply(|status, fields| say_early(early, status, fields)).await?;
    log.answered(reply.status.as_u16());
    let Kept { door, charged, reserved, standing } = kept;
    if let Some((reserved, remember)) = reserved.filter(|_| reply.status.is_success()).map(|reserved| *reserved) {
        // Whether a delivery is of now was asked when its head came; its body may have come as late as that.
        reserved.remember(log.now, remember + door.timeouts.request);
    }
    let switched = standing.filter(|_| reply.status == StatusCode::SWITCHING_PROTOCOLS);
    let reply = reply.map(|body| match switched {
        Some(standing) => Passing::Switched(body, standing),
        None => Passing::AsItIs(body),
    });
    Ok(Passed { reply, charged })
}

/// Where the journey is made.
#[derive(Clone, Copy)]
struct At<'a> {
    core: &'a Rc<Core>,
    live: &'a Live,
    front: &'a Front,
}

/// What is wanted, and by whom.
struct Wanted<'s, 'r> {
    listener: usize,
    door: &'s Listener,
    route: Found,
    /// Where a credential may stand.
    open: PlaceMask,
    asked: environment::Asked<'r>,
    shown: Option<Credential<'r>>,
    proven: Proven<'s>,
}

/// What was decided.
struct Permitted<'a> {
    run: Invocation<'a>,
    open: PlaceMask,
    max_body: u64,
    kept: Kept<'a>,
}

/// What a request keeps while its reply is waited for.
struct Kept<'a> {
    door: &'a Listener,
    charged: Option<Box<Allowances>>,
    reserved: Option<Box<(Reserved<'a>, Duration)>>,
    standing: Option<Box<Standing>>,
}

/// Finds out who wants what, and which signature is claimed, if one is wanted: that takes the body.
fn wanted<'s, 'r>(
    At { core, live, front }: At<'s>,
    parts: &'r RequestHead,
    has_body: bool,
    log: &mut Exchange,
) -> Result<(Wanted<'s, 'r>, Option<Box<Claim<'s, 'r>>>), Ended> {
    let snapshot = &live.snapshot;
    let listener = live.listener(&front.address).ok_or(Denial::Overloaded { what: "removed listener" })?;
    let door = &snapshot.listeners[listener];
    log.listener = Some(listener);
    log.address = forwarded::client(front.peer, &parts.headers, &door.trusted_proxies, door.forwarded);
    core.has_room(snapshot.overload, front, log.started())?;

    inspect(parts, door)?;
    // A reload may have made it the other door's while this connection was kept alive.
    let Door::Inbound = door.door else { return Err(Denial::WorkflowNotFound.into()) };
    let (route, greeted) = routed(snapshot, parts, has_body)?;
    let open = places(snapshot, door, &route);
    let asked = environment::asked(parts.uri.query(), &door.environment_parameter);
    let shown = credential(&parts.headers, parts.uri.query(), &door.places, open)?;
    let claim = match greeted {
        None => claimed(snapshot, &route, parts, shown.is_some(), log.now).map_err(Ended::Unproven)?,
        // There is nothing yet that could be signed.
        Some(_) => None,
    };
    let mut proven = Proven::default();
    match &shown {
        Some(Credential::Token(token)) => {
            proven.key = Some(authenticated(live, listener, slice::from_ref(token), log)?.0)
        }
        Some(Credential::Url(url)) => proven.key = Some(by_signed_url(live, listener, *url, (&route, &asked), log)?),
        None if claim.is_none() && greeted.is_none() => return Err(Denial::MissingKey.into()),
        None => {}
    }
    if let Some(greeted) = greeted {
        let origin = front.origin(log.address);
        return Err(handshakes::answered(&greeted, proven.key.as_ref(), &origin, (live, listener), log));
    }
    // Boxed, as what is rare.
    Ok((Wanted { listener, door, route, open, asked, shown, proven }, claim.map(Box::new)))
}

/// H1, H2: waits for the body that a signature is claimed for, and decides.
async fn delivered<'s>(
    at: At<'s>,
    mut wanted: Wanted<'s, '_>,
    claim: Claim<'s, '_>,
    parts: &RequestHead,
    body: CallersBody,
    log: &mut Exchange,
) -> Result<(Permitted<'s>, CallersBody), Ended> {
    let limit = body_fits(parts, wanted.door, claim.workflow().max_body).map_err(Ended::Unproven)?;
    let place = (&**at.core, at.live, wanted.listener);
    let received = delivery::received(claim, parts, body, place, at.front.peer, limit, log).await;
    let (whole, delivery) = received.map_err(Ended::Unproven)?;
    log.signed();
    let challenge = handshakes::challenge(&delivery, &whole)?;
    wanted.proven.delivery = Some(delivery);
    Ok((permitted(at, wanted, challenge, parts, log)?, CallersBody::Own(Full::new(whole))))
}

/// Decides whether that may be, and takes what it takes. A permitted delivery may be a `challenge` that is answered here.
fn permitted<'s>(
    At { core, live, front }: At<'s>,
    wanted: Wanted<'s, '_>,
    challenge: Option<String>,
    parts: &RequestHead,
    log: &mut Exchange,
) -> Result<Permitted<'s>, Ended> {
    let Wanted { listener, door, route, open, asked, shown, proven } = wanted;
    log.asked_for(route.workflow(), None);
    let run = authorise(&live.snapshot, &proven, &front.origin(log.address), &route, &asked, log.now)?;
    log.permitted(&run, Some(run.workflow().index));
    if let Some(delivery) = &proven.delivery {
        delivery.secret().used.touch(log.now);
    }
    if let Some(challenge) = challenge {
        return Err(handshakes::said(challenge, &run, (live, listener), log));
    }
    if core.via.has_marked(&parts.headers) {
        return Err(Denial::LoopDetected.into());
    }
    let max_body = body_fits(parts, door, run.workflow().max_body)?;
    let workflow = Some(run.workflow().index);
    let charged = live.limits.charge(&run, workflow, listener, log.address).map_err(Denial::RateLimited)?;
    let charged = door.limit_headers.then(|| Box::new(charged));
    log.holds(live.limits.enter(&run, workflow)?);
    let reserved = reserved(core, &run, proven.delivery.as_ref(), log.now)?.map(Box::new);
    let standing = shown.and_then(|shown| standing(parts, &run, door, &shown, front, log)).map(Box::new);
    Ok(Permitted { run, open, max_body, kept: Kept { door, charged, reserved, standing } })
}

/// Strips, says who called, injects, and sends.
fn sent<'a>(
    At { core, live, front }: At<'a>,
    permitted: Permitted<'a>,
    parts: &'a mut RequestHead,
    body: CallersBody,
    log: &mut Exchange,
) -> Result<(Sent<'a>, Kept<'a>), Denial> {
    let Permitted { run, open, max_body, kept } = permitted;
    let door = kept.door;
    rewrite_request(parts, &run, door, open, front, &core.via, log)?;
    if let Some(standing) = &kept.standing {
        parts.headers.insert(header::UPGRADE, standing.protocol().clone());
    }
    let (body, upload) = RequestBody::new(body, max_body, door.timeouts.body_idle, log.started().into());
    let now = log.sending(upload).into();
    let connection = run.connection();
    let trust = live.trust[connection.index.0 as usize].as_ref().map(|tls| &tls.config);
    let until = log.started() + door.timeouts.request;
    let patience = Patience { now, until: until.into(), head: connection.timeouts.head };
    Ok((core.upstreams.send(connection, trust, parts, body, patience), kept))
}

/// H4: that this delivery is in flight, and for how long it is remembered once it has arrived.
fn reserved<'c>(
    core: &'c Core,
    run: &Invocation<'_>,
    delivery: Option<&Verified<'_>>,
    now: i64,
) -> Result<Option<(Reserved<'c>, Duration)>, Ended> {
    let replays = run.workflow().webhook.as_ref().and_then(|webhook| webhook.replays);
    let (Some(delivery), Some(replays)) = (delivery, replays) else { return Ok(None) };
    match (core.replays.reserve(delivery.id().0, now), replays.answer) {
        (Seen::Never(reserved), _) => Ok(Some((reserved, replays.remember))),
        (Seen::InFlight, _) => Err(Denial::Replayed { in_flight: true }.into()),
        (Seen::Before, ReplayAnswer::Conflict) => Err(Denial::Replayed { in_flight: false }.into()),
        (Seen::Before, ReplayAnswer::Ok) => Err(Ended::Answered(Answer::Replayed)),
    }
}

/// Strips, says who called, injects.
fn rewrite_request(
    parts: &mut RequestHead,
    run: &Invocation<'_>,
    door: &Listener,
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
    let target = rewrite::target(&parts.uri, run, door, open);
    parts.uri = target.ok_or_else(|| Denial::Internal { cause: "the rewritten target is not valid".to_owned() })?;
    rewrite::fields(&mut parts.headers, run, door, open, caller);
    via.mark(&mut parts.headers, parts.version);
    Ok(())
}

/// Hazard 15: what this request may switch to, and what has to stay true while it does.
fn standing(
    parts: &RequestHead,
    run: &Invocation<'_>,
    door: &Listener,
    shown: &Credential<'_>,
    front: &Front,
    log: &Exchange,
) -> Option<Standing> {
    let asking = Asking {
        protocol: upgrade::asked(parts, run.workflow())?,
        credential: Lasting::of(shown),
        origin: front.origin(log.address),
        listener: &front.address,
        assurance: front.assurance,
        environment_parameter: &door.environment_parameter,
    };
    Some(Standing::new(parts, run, asking))
}
