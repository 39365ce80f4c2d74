//! From the caller's request to the upstream's: strip, say who called, inject.

use super::authorise::Invocation;
use super::forwarded::{self, Side};
use super::permit::{Injects, Permit, Principal};
use super::{headers, query, signed_url, trailers};
use crate::model::Fields;
use crate::model::connection::InjectRule;
use crate::model::listener::{DoorKind, Place, PlaceMask};
use crate::model::token;
use crate::model::{Key, Listener};
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, TE, TRAILER};
use http::uri::{PathAndQuery, Uri};
use std::borrow::Cow;

/// What the upstream is told of the caller's side, ready to send.
#[derive(Debug)]
pub struct Caller {
    pub side: Side,
    /// The peer is a trusted proxy: its word on who is behind it is extended instead of replaced.
    pub trusted: bool,
    pub request_id: HeaderValue,
}

const KEY_ID: HeaderName = HeaderName::from_static("x-keystile-key-id");
const USERNAME: HeaderName = HeaderName::from_static("x-keystile-username");
const WORKFLOW: HeaderName = HeaderName::from_static("x-keystile-workflow");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-keystile-environment");
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Rewrites the fields of an inbound request in place.
pub fn fields(map: &mut Fields, run: &Invocation<'_>, listener: &Listener, open: PlaceMask, caller: Caller) {
    for_upstream(map, run, listener, open, caller.trusted, |map| {
        // Whatever the caller had of these was stripped.
        match run.principal() {
            Principal::Key(key, _) => {
                map.append(USERNAME, username(key));
                map.append(KEY_ID, id(key));
            }
            Principal::Sender(webhook) => map.append(USERNAME, webhook.username.clone()),
        }
        map.append(WORKFLOW, run.workflow().header.clone());
        map.append(ENVIRONMENT, run.environment().header.clone());
        map.append(REQUEST_ID, caller.request_id);
        forwarded::extend(map, caller.side, caller.trusted, listener.forwarded);
    });
}

/// K14: made for each request rather than kept a million times.
fn username(key: &Key) -> HeaderValue {
    let text = ["Key: ", &key.name].concat();
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("Key"))
}

fn id(key: &Key) -> HeaderValue {
    HeaderValue::from_bytes(&key.uid.digits()).unwrap_or(HeaderValue::from_static("-"))
}

/// What both doors do: strip, tell (`told`), inject.
pub(super) fn for_upstream(
    map: &mut Fields,
    permit: &Permit<'_>,
    listener: &Listener,
    open: PlaceMask,
    trusted: bool,
    told: impl FnOnce(&mut Fields),
) {
    let connection = permit.connection();
    let (te, trailer) = (trailers::are_read(map), trailers::announced(map, &connection.trailers));
    headers::strip(map, &listener.places, open, connection, trusted);
    map.append(HOST, connection.destination.authority.clone());
    told(map);
    if te {
        map.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(names) = trailer {
        map.insert(TRAILER, names);
    }
    for extra in &connection.extra_headers {
        if extra.always || !map.contains_key(&extra.name) {
            map.insert(&extra.name, extra.value.clone());
        }
    }
    // Last, so that nothing above can replace it.
    for (name, value) in permit.injected_headers() {
        map.insert(name, value);
    }
}

/// An inbound request's target at the upstream: base path, injected prefix, the caller's path to the byte, the query
/// without what was taken and with what is injected. `None`: it would be no valid target, which a checked configuration
/// excludes.
pub fn target(uri: &Uri, permit: &Permit<'_>, door: &Listener, open: PlaceMask) -> Option<Uri> {
    let connection = permit.connection();
    let kept = match uri.query() {
        Some(q) => strip_query(q, permit, door, open),
        None => None,
    };
    let unchanged = kept.as_deref().map(str::len) == uri.query().map(str::len);
    let plain = connection.destination.base_path.is_empty()
        && connection.injection.path.is_none()
        && connection.injection.query.is_empty();
    // An absolute target may have a query and no path, which is the root.
    let rooted = uri.path_and_query().filter(|p| p.as_str().starts_with('/'));
    if plain
        && unchanged
        && let Some(as_it_came) = rooted
    {
        // Without the scheme and host of an absolute target or of HTTP/2; costs a reference count.
        return Some(Uri::from(as_it_came.clone()));
    }
    join(permit, uri.path(), kept.as_deref())
}

/// Base path, injected prefix, path, query, injected pairs. `None` as above.
pub(super) fn join<'s>(permit: &impl Injects<'s>, path: &str, query: Option<&str>) -> Option<Uri> {
    let mut out = Vec::with_capacity(path.len() + query.map_or(0, str::len) + 128);
    out.extend_from_slice(permit.connection().destination.base_path.as_bytes());
    out.extend_from_slice(permit.injected_path().unwrap_or_default());
    out.extend_from_slice(permit.connection().injection.tail(path).as_bytes());
    if out.is_empty() {
        out.push(b'/');
    }
    let mut separator = b'?';
    let mut add = |part: &[u8]| {
        out.push(separator);
        out.extend_from_slice(part);
        separator = b'&';
    };
    query.into_iter().for_each(|q| add(q.as_bytes()));
    permit.injected_query().for_each(add);
    let path = PathAndQuery::from_maybe_shared(bytes::Bytes::from(out)).ok()?;
    Some(Uri::from(path))
}

/// The query without the credential, what stands in an injected slot and, where the listener says so, the environment's
/// parameter. `None`: nothing is left, the `?` goes as well.
pub(super) fn strip_query<'a>(
    q: &'a str,
    permit: &Permit<'_>,
    door: &Listener,
    open: PlaceMask,
) -> Option<Cow<'a, str>> {
    // H7. What providers are called with is between them and the caller.
    let is_signed = door.door.kind() == DoorKind::Inbound && signed_url::stands_in(q, open.has(Place::SignedUrl));
    query::without(q, |pair| {
        let place = &door.places.query;
        let ours = |p: &query::Pair<'_>| p.folds_to(place) && token::mentioned_in(&p.decoded_value());
        (pair.is_in_any_case(place) && open.has(Place::Query))
            || (is_signed && signed_url::is_part(pair))
            || pair.parts().any(|p| ours(&p))
            || (door.environment_parameter.strip && pair.is(&door.environment_parameter.name))
            || permit.connection().injection.read.iter().any(|rule| match rule {
                InjectRule::Query { name, .. } => pair.parts().any(|p| p.may_be(name)),
                _ => false,
            })
            // Whoever answers at the other end of the outbound door has no business with any token of ours.
            || (door.door.kind() == DoorKind::Outbound && pair.holds_token())
    })
}
