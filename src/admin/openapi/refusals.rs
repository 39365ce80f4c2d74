//! How a call can be refused: by what its route says, and by what follows from its shape.

use crate::admin::body::Wanted;
use crate::admin::routes::Route;

/// Status, code, when.
pub type Told = (u16, &'static str, &'static str);

const PARAMETERS: [Told; 3] = [
    (400, "unknown_parameter", "a query parameter is not known here"),
    (400, "invalid_parameter", "a query parameter's value cannot be read"),
    (400, "repeated_parameter", "a query parameter is there twice"),
];

const GUARDED: [Told; 9] = [
    (400, "invalid_header", "a condition or an Idempotency-Key is malformed, or means nothing here"),
    (400, "conflicting_credentials", "Authorization is there more than once"),
    (401, "missing_key", "there is no Bearer token"),
    (401, "invalid_key", "no key has this token; a key's own states follow: key_disabled, key_expired, key_revoked"),
    (403, "scope_missing", "the key has not the scope that the call wants"),
    (403, "address_not_allowed", "the key may not be used from this address"),
    (403, "forbidden_origin", "a browser sent it for a page of another site"),
    (403, "invalid_host", "Host is not the listener's"),
    (429, "rate_limited", "too many wrong tokens came from this address"),
];

const BODY: [Told; 4] = [
    (400, "invalid_json", "the body is not one JSON object, each field once"),
    (408, "request_timeout", "the body did not arrive in time"),
    (413, "body_too_large", "the body is larger than 1 MiB"),
    (415, "unsupported_media_type", "the body is not said to be JSON"),
];

/// By status, then in the order in which they are looked for.
pub fn of(route: &Route) -> Vec<Told> {
    let mut told = PARAMETERS.to_vec();
    if route.operation.guarded().is_some() {
        told.extend(GUARDED);
        match route.wants() {
            Wanted::Nothing => told.push((400, "unexpected_body", "the call takes no body")),
            Wanted::Optional => told.extend(BODY),
            Wanted::Required | Wanted::Patch => {
                told.push((400, "body_missing", "the call wants a body"));
                told.extend(BODY);
            }
        }
    }
    if route.is_named() {
        told.push((404, "not_found", "there is no such resource"));
    }
    if route.if_match {
        told.push((412, "precondition_failed", "it has another version than `If-Match` says"));
    }
    told.extend(&route.refusals);
    told.sort_by_key(|(status, ..)| *status);
    told
}
