//! Steps that both journeys take.

use super::exchange::Exchange;
use crate::http::early::Early;
use crate::live::Live;
use crate::model::routes::Found;
use crate::model::token::Shape;
use crate::model::{Denial, Listener};
use crate::model::{Fields, RequestHead};
use crate::policy::authenticate::{Rejected, by_url};
use crate::policy::environment::Asked;
use crate::policy::headers::strip_reply;
use crate::policy::signed_url::Reading;
use crate::policy::{Authenticated, Presented, authenticate};
use http::StatusCode;
use http::header;

/// Authenticates by the one of `presented` that is somebody's, and counts failures by address (L3): over the limit, what
/// is no well-formed token of ours is refused without a look-up; well-formed ones are still judged, so that a bad
/// neighbour locks nobody out.
pub fn authenticated<'s, 'p, 'r>(
    live: &'s Live,
    listener: usize,
    presented: &'p [Presented<'r>],
    log: &mut Exchange,
) -> Result<(Authenticated<'s>, &'p Presented<'r>), Denial> {
    let failed = live.limits.failed(listener);
    let is_guess = |p: &Presented<'_>| p.shape() != Shape::WellFormed;
    let over = match failed.is_calm() || !presented.iter().any(is_guess) {
        true => None,
        false => failed.check(log.address, log.started()).err(),
    };
    let (mut rejected, mut refused) = (None, over);
    for one in presented {
        if refused.is_some() && is_guess(one) {
            continue;
        }
        match authenticate(&live.snapshot, one, log.now) {
            Ok(caller) => {
                log.presented(one);
                log.caller(caller.key(), caller.slot());
                return Ok((caller, one));
            }
            Err(refusal) => {
                // Each is a try, and counted as one: several in a request are no cheaper.
                if matches!(refusal.denial, Denial::InvalidKey(_)) {
                    refused = failed.failed(log.address, log.started()).err().or(refused);
                }
                // Whose token matched is told more than the others.
                if rejected.is_none() || refusal.whose.is_some() {
                    rejected = Some((refusal, one));
                }
            }
        }
    }
    let Some((Rejected { denial, whose }, one)) = rejected else {
        return Err(refused.map_or(Denial::MissingKey, Denial::RateLimited));
    };
    log.presented(one);
    if let Some((key, slot)) = whose {
        log.caller(key, slot);
    }
    match (denial, refused) {
        (Denial::InvalidKey(_), Some(refusal)) if presented.iter().all(is_guess) => Err(Denial::RateLimited(refusal)),
        (denial, _) => Err(denial),
    }
}

/// H7: authenticates by a signed URL, for the route and environment that are asked for. A wrong one is a guess (L3): over the
/// limit it is refused without a look-up.
pub fn by_signed_url<'s>(
    live: &'s Live,
    listener: usize,
    url: Reading,
    (route, asked): (&Found, &Asked<'_>),
    log: &mut Exchange,
) -> Result<Authenticated<'s>, Denial> {
    let failed = live.limits.failed(listener);
    log.signed_url();
    failed.check(log.address, log.started()).map_err(Denial::RateLimited)?;
    match by_url(&live.snapshot, url, route, asked, log.now) {
        Ok(caller) => {
            log.caller(caller.key(), caller.slot());
            Ok(caller)
        }
        Err(Rejected { denial, whose: Some((key, slot)) }) => {
            log.caller(key, slot);
            Err(denial)
        }
        Err(Rejected { denial, whose: None }) => match failed.failed(log.address, log.started()) {
            Ok(()) => Err(denial),
            Err(refusal) => Err(Denial::RateLimited(refusal)),
        },
    }
}

/// L5: the most bytes this request's body may have; refused at once if it says that it has more.
pub fn body_fits(parts: &RequestHead, listener: &Listener, narrower: Option<u64>) -> Result<u64, Denial> {
    let limit = narrower.unwrap_or(listener.max_body);
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|bytes| bytes > limit) { Err(Denial::BodyTooLarge { limit }) } else { Ok(limit) }
}

/// Passes on what an upstream says before its reply (RFC 8297), without what is not the caller's business.
pub fn say_early(early: &Early, status: StatusCode, mut fields: Fields) {
    strip_reply(&mut fields);
    early.say(status, &fields);
}
