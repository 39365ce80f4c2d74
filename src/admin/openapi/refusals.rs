//! How a call can be refused: by what its route says, and by what follows from its shape.

use crate::admin::body::Wanted;
use crate::admin::routes::Route;
use crate::model::Resource;
use crate::model::key::ScopeName;

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
    (400, "bad_body", "the body is not one JSON object, each field once"),
    (408, "request_timeout", "the body did not arrive in time"),
    (413, "body_too_large", "the body is larger than 1 MiB"),
    (415, "unsupported_media_type", "the body is not said to be JSON"),
];

const CHANGES: [Told; 3] = [
    (409, "conflict", "somebody else changed it at the same moment; read it again"),
    (409, "managed_by_file", "it, or everything where there is no store, stands in the configuration file"),
    (
        503,
        "store_unavailable",
        "the store cannot take it; store_full, store_read_only, store_busy, vault_unavailable say why",
    ),
];

/// The code says what is not there.
fn not_found(route: &Route) -> &'static str {
    match route.path.split('/').nth(1).and_then(Resource::listed_as) {
        Some(Resource::Environment) => "environment_not_found",
        Some(Resource::Connection) => "connection_not_found",
        Some(Resource::Workflow) => "workflow_not_found",
        Some(Resource::Key) => "key_not_found",
        None => "not_found",
    }
}

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
        told.push((404, not_found(route), "there is no such resource"));
    }
    if route.operation.scope() == Some(ScopeName::AdminWrite) {
        told.extend(CHANGES);
    }
    if route.if_match {
        told.push((412, "precondition_failed", "it has another version than `If-Match` says"));
    }
    told.extend(&route.refusals);
    told.sort_by_key(|(status, ..)| *status);
    told
}
