//! Where a request goes, and what its workflow leaves open: the same for who sends it and who explains it.

use super::handshakes;
use crate::model::listener::PlaceMask;
use crate::model::routes::Found;
use crate::model::{Denial, Listener, RequestHead, Snapshot};
use crate::policy::path;
use crate::policy::webhook::Claim;

/// W1, H6: where the request goes, and whether it is a handshake there.
pub fn routed<'s>(
    snapshot: &'s Snapshot,
    parts: &RequestHead,
    has_body: bool,
) -> Result<(Found, Option<handshakes::Asked<'s>>), Denial> {
    let path = path::segments(parts.uri.path())?;
    let route = snapshot.routes.find(&parts.method, &path);
    let greeted = handshakes::asked(snapshot, &route, &path, parts, has_body);
    let route = greeted.as_ref().map_or(route, |greeted| Found::Workflow(greeted.workflow.index));
    Ok((route, greeted))
}

/// Where this request's credential may stand: the listener's places, as far as its workflow leaves them open; nowhere where a
/// signature alone counts.
pub fn places(snapshot: &Snapshot, door: &Listener, route: &Found) -> PlaceMask {
    let Found::Workflow(id) = route else { return door.places.open };
    let workflow = snapshot.workflow(*id);
    match &workflow.webhook {
        Some(webhook) if !webhook.require.takes_keys() => PlaceMask::NONE,
        _ => door.places.narrowed(workflow.places),
    }
}

/// H1: the signature that the request claims to have, where its workflow wants one.
pub fn claimed<'s, 'r>(
    snapshot: &'s Snapshot,
    route: &Found,
    parts: &'r RequestHead,
    with_key: bool,
    now: i64,
) -> Result<Option<Claim<'s, 'r>>, Denial> {
    match route.workflow() {
        Some(id) => Claim::read(snapshot.workflow(id), &parts.headers, with_key, now),
        None => Ok(None),
    }
}
