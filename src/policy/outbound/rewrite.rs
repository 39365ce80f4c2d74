//! From the caller's request to the provider's. The provider is a stranger: it is not told who calls, nor from where.

use super::called::Called;
use super::slots::behind_base;
use crate::model::Fields;
use crate::model::connection::InjectRule;
use crate::model::listener::PlaceMask;
use crate::model::{Connection, Listener};
use crate::policy::headers::{Names, holds_token};
use crate::policy::permit::Permit;
use crate::policy::rewrite::{self, REQUEST_ID};
use http::header::{ACCEPT_ENCODING, HeaderName, HeaderValue, IF_RANGE, RANGE};
use http::uri::Uri;
use std::borrow::Cow;

/// What asks for parts, for differences, or for messages that are compressed within their stream.
const PARTS_AND_CODINGS: [HeaderName; 5] = [
    RANGE,
    IF_RANGE,
    HeaderName::from_static("a-im"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("connect-accept-encoding"),
];

/// Rewrites the fields in place. A field that holds a token of ours goes, whichever it is: what is a slot of one connection
/// is nothing to another, whose provider would be told it.
pub fn fields(map: &mut Fields, permit: &Permit<'_>, listener: &Listener, open: PlaceMask, request_id: HeaderValue) {
    let telling: Names = map.iter().filter(|(_, value)| holds_token(value)).map(|(name, _)| name.clone()).collect();
    for name in &telling {
        map.remove(name);
    }
    rewrite::for_upstream(map, permit, listener, open, false, |map| {
        map.insert(REQUEST_ID, request_id);
        if permit.connection().is_scrubbed() {
            // A part could begin in the middle of a secret, and what is encoded cannot be looked through as it flows.
            for name in PARTS_AND_CODINGS {
                map.remove(name);
            }
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
    rewrite::join(permit, behind_base(called.rest, permit.connection()), kept.as_deref())
}

/// The target as it may be shown: with templates where the secret goes.
pub fn shown_target(
    called: &Called<'_>,
    query: Option<&str>,
    permit: &Permit<'_>,
    listener: &Listener,
    open: PlaceMask,
) -> String {
    let kept = query.and_then(|q| rewrite::strip_query(q, permit, listener, open));
    templated(permit.connection(), behind_base(called.rest, permit.connection()), kept.as_deref())
}

/// The target of a call to `connection`, with templates where the secret goes.
pub fn templated(connection: &Connection, path: &str, query: Option<&str>) -> String {
    let rules = &connection.injection.rules;
    let prefix = rules.iter().find_map(|rule| match rule {
        InjectRule::Path { prefix } => Some(prefix.as_str()),
        InjectRule::WholePath => Some("/{secret}"),
        _ => None,
    });
    let path = connection.injection.tail(path);
    let mut shown = format!("{}{}{path}", connection.destination.base_path, prefix.unwrap_or_default());
    if shown.is_empty() {
        shown.push('/');
    }
    let injected = rules.iter().filter_map(|rule| match rule {
        InjectRule::Query { name, value } => Some(Cow::Owned(format!("{name}={value}"))),
        _ => None,
    });
    for (at, pair) in query.map(Cow::Borrowed).into_iter().chain(injected).enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        shown.push_str(&pair);
    }
    shown
}
