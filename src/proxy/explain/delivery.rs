//! What `explain` says of a webhook's deliveries and handshakes.

use super::identified;
use crate::model::routes::Found;
use crate::model::webhook::Require;
use crate::model::{Denial, Listener, Snapshot};
use crate::policy::webhook::{Addressed, Claim, Verified, signed_at};
use crate::policy::{Authenticated, Invocation, Origin, Proven, credential};
use crate::proxy::handshakes::{self, Asked};
use crate::proxy::routing::places;
use crate::serving::explanation::{Question, Steps};
use std::time::Duration;

/// What the request proves: whose key it shows, that it is signed, or both. In the journey's order.
pub(super) fn proven<'s>(
    snapshot: &'s Snapshot,
    door: &Listener,
    question: &Question,
    route: &Found,
    steps: &mut Steps,
) -> Result<Proven<'s>, Denial> {
    let shown = key_is_shown(snapshot, door, question, route, steps)?;
    let claim = claimed(snapshot, question, route, shown, steps)?;
    let mut proven = Proven::default();
    if shown || claim.is_none() {
        proven.key = Some(identified(snapshot, door, question, route, steps)?);
    }
    if let Some(claim) = claim {
        proven.delivery = Some(verified(&claim, door, question, steps)?);
    }
    Ok(proven)
}

/// Whether there is a key that would be looked at.
fn key_is_shown(
    snapshot: &Snapshot,
    door: &Listener,
    question: &Question,
    route: &Found,
    steps: &mut Steps,
) -> Result<bool, Denial> {
    let open = places(snapshot, door, route);
    if question.key.is_some() {
        if open.is_empty() {
            steps.ok("credential", "--key is not looked at: the workflow takes signatures and nothing else");
        }
        return Ok(!open.is_empty());
    }
    match credential(&question.parts.headers, question.parts.uri.query(), &door.places, open) {
        Ok(shown) => Ok(shown.is_some()),
        Err(denial) => steps.no("credential", denial),
    }
}

/// The signature that the fields claim, and how far its time is from ours.
fn claimed<'s, 'q>(
    snapshot: &'s Snapshot,
    question: &'q Question,
    route: &Found,
    with_key: bool,
    steps: &mut Steps,
) -> Result<Option<Claim<'s, 'q>>, Denial> {
    let Some(workflow) = route.workflow().map(|id| snapshot.workflow(id)) else { return Ok(None) };
    let headers = &question.parts.headers;
    let claim = Claim::read(workflow, headers, with_key, question.now);
    let signature = workflow.webhook.as_ref().and_then(|webhook| webhook.signature.as_ref());
    if let (Some(signature), Ok(Some(_)) | Err(_)) = (signature, &claim) {
        let (scheme, header) = (signature.scheme.name, &signature.scheme.header);
        steps.ok("scheme", format!("{scheme}: the signature is looked for in {header}"));
        if let (Some(at), Some(tolerance)) = (signed_at(signature, headers), signature.tolerance) {
            steps.ok("timestamp", age(at, question.now, tolerance));
        }
    }
    claim.or_else(|denial| steps.no("signature", denial))
}

/// `signed 7 s ago; 300 s are tolerated`
fn age(at: i64, now: i64, tolerance: Duration) -> String {
    let seconds = (now - at).unsigned_abs() / 1000;
    let tolerance = tolerance.as_secs();
    let direction = if at > now { "ahead of" } else { "behind" };
    let beyond = match seconds.checked_sub(tolerance) {
        Some(beyond @ 1..) => format!(", {beyond} s too many"),
        _ => String::new(),
    };
    format!("it says a time {seconds} s {direction} ours; {tolerance} s are tolerated{beyond}")
}

fn verified<'s>(
    claim: &Claim<'s, '_>,
    door: &Listener,
    question: &Question,
    steps: &mut Steps,
) -> Result<Verified<'s>, Denial> {
    let body = question.body.as_deref().unwrap_or_default();
    let limit = claim.workflow().max_body.unwrap_or(door.max_body);
    if body.len() as u64 > limit {
        return steps.no("body", Denial::BodyTooLarge { limit });
    }
    let parts = &question.parts;
    match claim.verify(parts, &Addressed::of(parts, door, question.peer), body) {
        Ok(verified) => {
            steps.ok("signature", format!("right, made with the secret {}", verified.secret().label));
            Ok(verified)
        }
        Err(denial) => {
            match &question.body {
                Some(body) => steps.ok("body", format!("{} bytes, as they are", body.len())),
                None => steps.ok("body", "none was given, and it is signed: give it with --data (in the API, body)"),
            }
            steps.no("signature", denial)
        }
    }
}

/// What becomes of a permitted delivery, beside the upstream's request. True: it is answered here.
pub(super) fn settled(
    run: &Invocation<'_>,
    delivery: &Verified<'_>,
    question: &Question,
    steps: &mut Steps,
) -> Result<bool, Denial> {
    match handshakes::challenge(delivery, question.body.as_deref().unwrap_or_default()) {
        Ok(None) => {}
        Ok(Some(_)) => {
            steps.answered("handshake", "it asks for its challenge, which the gateway says; nothing is forwarded");
            return Ok(true);
        }
        Err(denial) => return steps.no("handshake", denial),
    }
    let replays = run.workflow().webhook.as_ref().and_then(|webhook| webhook.replays);
    steps.ok("replay", match replays {
        Some(replays) => format!(
            "it would be reserved, and remembered for {:?} once the upstream has answered 2xx; whether it came before is not looked at",
            replays.remember
        ),
        None => "it would be forwarded however often it comes".to_owned(),
    });
    Ok(false)
}

/// H6, by a URL: whether it would be answered.
pub(super) fn greeted(
    snapshot: &Snapshot,
    door: &Listener,
    (asked, origin): (&Asked<'_>, &Origin<'_>),
    question: &Question,
    steps: &mut Steps,
) -> Result<(), Denial> {
    let route = Found::Workflow(asked.workflow.index);
    let needs_key = asked.workflow.webhook.as_ref().is_some_and(|w| matches!(w.require, Require::Key | Require::Both));
    let key: Option<Authenticated<'_>> = match key_is_shown(snapshot, door, question, &route, steps)? || needs_key {
        true => Some(identified(snapshot, door, question, &route, steps)?),
        false => None,
    };
    match handshakes::permitted(asked, key.as_ref(), origin, question.now) {
        Ok(_) => {
            steps.answered("handshake", "it asks for its challenge, which the gateway says; nothing is forwarded");
            Ok(())
        }
        Err(denial) => steps.no("handshake", denial),
    }
}
