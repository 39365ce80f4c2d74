//! What several operations share: fields of requests and replies.

use serde_json::{Value, json};

/// A reference to a part of the document.
pub fn reference(part: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{part}/{name}") })
}

pub fn schema(name: &str) -> Value {
    reference("schemas", name)
}

/// Names and ids, as paths hold them.
const NAME_OR_ID: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";

pub fn parameters() -> Value {
    json!({
        "IfMatch": {
            "name": "If-Match",
            "in": "header",
            "description": "Only if the resource still has this version: its `ETag`, or `*` for any. Weak tags never match.",
            "schema": { "type": "string", "pattern": r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"# },
            "example": "\"7\"",
        },
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "description": "Only if the resource has another version than this one; otherwise 304.",
            "schema": { "type": "string", "pattern": r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"# },
            "example": "\"7\"",
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Of the caller's choosing, new for each create: repeated with the same body, the call creates \
                            nothing and answers what was created.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$" },
            "example": "3f1c0b1e-nightly-import-17",
        },
        "name": {
            "name": "name",
            "in": "path",
            "required": true,
            "description": "The resource's name or id.",
            "schema": { "type": "string", "pattern": NAME_OR_ID },
            "example": "acme-crm",
        },
        "number": {
            "name": "number",
            "in": "path",
            "required": true,
            "description": "Of one of the workflow's secrets.",
            "schema": { "type": "integer", "minimum": 1, "maximum": u32::MAX },
            "example": 1,
        },
        "slot": {
            "name": "slot",
            "in": "path",
            "required": true,
            "description": "Which of the key's two tokens.",
            "schema": { "enum": ["primary", "secondary"] },
            "example": "secondary",
        },
    })
}

pub fn headers() -> Value {
    json!({
        "ETag": {
            "description": "The resource's version; absent for what the configuration file declares.",
            "schema": { "type": "string", "pattern": "^\"[0-9]+\"$" },
        },
        "Location": { "description": "Where it is shown.", "schema": { "type": "string", "format": "uri-reference" } },
        "X-Request-Id": {
            "description": "The call's id in the gateway's log and audit.",
            "schema": { "type": "string", "format": "uuid" },
        },
        "X-Keystile-Error": { "description": "The problem's `code`.", "schema": { "type": "string" } },
        "WWW-Authenticate": { "description": "How to ask again.", "schema": { "type": "string" } },
        "Retry-After": { "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 1 } },
    })
}
