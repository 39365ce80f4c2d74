//! From the caller's request to the provider's. The provider is a stranger: it is not told who calls, nor from where.

use super::called::Called;
use super::slots::without_slot;
use crate::model::Listener;
use crate::model::listener::PlaceMask;
use crate::policy::permit::Permit;
use crate::policy::rewrite::{self, REQUEST_ID};
use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use http::uri::Uri;

/// Rewrites the fields in place.
pub fn fields(map: &mut HeaderMap, permit: &Permit<'_>, listener: &Listener, open: PlaceMask, request_id: HeaderValue) {
    rewrite::for_upstream(map, permit, listener, open, false, |map| {
        map.insert(REQUEST_ID, request_id);
        if permit.connection().is_scrubbed() {
            // A part could begin in the middle of a secret, and what is encoded cannot be looked through as it flows.
            map.remove(RANGE);
            map.remove(IF_RANGE);
            map.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
    });
}

/// The provider's target. `None`: it would be no valid one, which a checked configuration excludes.
pub fn target(
    called: &Called<'_>,
    query: Option<&str>,
    permit: &Permit<'_>,
    listener: &Listener,
    open: PlaceMask,
) -> Option<Uri> {
    let kept = query.and_then(|q| rewrite::strip_query(q, permit, listener, open));
    rewrite::join(permit, without_slot(called.rest, &permit.connection().injection.rules), kept.as_deref())
}
