//! The schemas that are no resource's.

use super::parts::schema;
use crate::admin::routes::schema_name;
use crate::model::Resource;
use serde_json::{Map, Value, json};

pub fn all() -> Map<String, Value> {
    let all = [
        ("Problem", problem()),
        ("Mistake", mistake()),
        ("Dependants", dependants()),
        ("Secret", secret()),
        ("Rollback", rollback()),
        ("SigningSecret", signing_secret()),
        ("AddedSigningSecret", added_signing_secret()),
        ("Purged", purged()),
        ("Regeneration", regeneration()),
        ("Token", token()),
        ("UrlOrder", url_order()),
        ("SignedUrl", signed_url()),
        ("Document", document()),
        ("Imported", imported()),
        ("AuditEntry", audit_entry()),
        ("AuditPage", page("A page of the audit, from the newest entry on.", &schema("AuditEntry"))),
        ("AuditVerdict", audit_verdict()),
        ("Usage", usage()),
        ("Status", status()),
        ("ExplainRequest", explain_request()),
        ("Explanation", explanation()),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// Items, and where they go on.
pub fn page(description: &str, item: &Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": {
            "items": { "type": "array", "items": item, "description": "What fits." },
            "next": { "type": ["string", "null"], "description": "The `cursor` of the next page; null: this was the last." },
        },
        "required": ["items", "next"],
    })
}

/// A closed object, as requests hold them.
fn taken(description: &str, fields: &Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": fields,
        "required": required,
        "additionalProperties": false,
    })
}

/// An open object, as replies hold them: a later version may say more.
fn told(description: &str, fields: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "description": description, "properties": fields, "required": required })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn names(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

fn moment(description: &str) -> Value {
    json!({ "type": ["string", "null"], "format": "date-time", "description": description })
}

fn problem() -> Value {
    let fields = json!({
        "type": { "type": "string", "format": "uri", "description": "`urn:keystile:error:` and the code." },
        "title": text("The kind of problem, for people."),
        "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The reply's status." },
        "code": { "type": "string", "pattern": "^[a-z_]+$", "description": "Stable, for programs." },
        "detail": text("What is wrong, with the thing's name."),
        "hint": text("What to do next."),
        "instance": { "type": "string", "format": "uri", "description": "`urn:uuid:` and the request id." },
        "request_id": { "type": "string", "format": "uuid", "description": "The call's id in log and audit." },
        "errors": { "type": "array", "items": schema("Mistake"), "description": "Every mistake of the body." },
        "dependants": { "type": "object", "description": "What still needs the resource." },
    });
    told("Why a call was refused (RFC 9457). Nothing was changed.", &fields, &["type", "title", "status", "code"])
}

fn mistake() -> Value {
    let fields = json!({
        "field": text("Where: `rate_limit`, `inject[0].header`; empty for the body as a whole."),
        "reason": text("What is wrong."),
        "remedy": text("What to write instead."),
    });
    told("One mistake of a body.", &fields, &["field", "reason", "remedy"])
}

fn dependants() -> Value {
    let fields = json!({
        "workflows": names("Workflows that lead to it."),
        "connections": names("Connections that belong to it."),
        "keys": names("Keys that are permitted, bound or fixed to it."),
        "last_used_at": moment("When it was used last."),
    });
    told("What would break without it.", &fields, &[])
}

fn secret() -> Value {
    let fields = json!({ "secret": {
        "type": "string",
        "minLength": 1,
        "writeOnly": true,
        "description": "The secret itself, never a reference to one.",
    } });
    taken("A connection's new secret.", &fields, &["secret"])
}

fn signing_secret() -> Value {
    let fields = json!({ "secret": {
        "type": "string",
        "minLength": 1,
        "writeOnly": true,
        "description": "The secret itself as the sender shows it, never a reference to one.",
    } });
    taken("One more secret of a workflow's senders.", &fields, &["secret"])
}

fn added_signing_secret() -> Value {
    let fields = json!({
        "number": { "type": "integer", "minimum": 1, "description": "What it is known by." },
        "created_at": moment("When it was added."),
        "created_by": text("The key that added it."),
        "last_used_at": moment("When a delivery was signed with it last; null: never."),
        "notices": names("What was done to it."),
    });
    told("A secret that was added, without the secret.", &fields, &["number", "created_at", "created_by"])
}

fn rollback() -> Value {
    let fields = json!({ "version": {
        "type": "integer",
        "minimum": 1,
        "maximum": u32::MAX,
        "description": "Of the secret; without it the one before the current.",
    } });
    taken("Which secret to go back to.", &fields, &[])
}

fn purged() -> Value {
    told("What was forgotten.", &json!({ "purged": count("Secrets that were deleted.") }), &[])
}

fn regeneration() -> Value {
    let fields = json!({ "grace": {
        "type": "string",
        "pattern": "^[0-9]+(ms|s|m|h|d)$",
        "description": "How long the old token is accepted beside the new one; without it not at all.",
        "examples": ["1h"],
    } });
    taken("How a token is replaced.", &fields, &[])
}

fn token() -> Value {
    let fields =
        json!({ "token": { "type": "string", "pattern": "^kst_[0-9A-Za-z]{49}$", "description": "Shown this once." } });
    told("A new token.", &fields, &["token"])
}

fn url_order() -> Value {
    let fields = json!({
        "workflow": text("The workflow that the URL calls, by its name."),
        "expires_at": { "type": "string", "format": "date-time", "description": "When the URL ends; ten years from now at most." },
        "expires_in": text("The same, from now on: `90d`. One of the two is required."),
        "slot": { "enum": ["primary", "secondary"], "description": "Whose token ends the URL when it is regenerated; without it the first that there is." },
        "environment": text("Where calls run; without it the key's own, or the default one."),
        "base": text("What callers reach the gateway by, `https://hooks.example.com`; without it the listener's address."),
        "parameters": {
            "type": "object",
            "additionalProperties": { "type": "string" },
            "description": "Values for the placeholders of the workflow's template. They are not signed: the URL calls with others, too.",
        },
    });
    taken("What a URL is to be signed for.", &fields, &["workflow"])
}

fn signed_url() -> Value {
    let fields = json!({
        "url": text("The URL. Whoever has it may call."),
        "expires_at": { "type": "string", "format": "date-time", "description": "When it ends." },
        "key": text("The key that calls with it."),
        "slot": { "enum": ["primary", "secondary"], "description": "The slot that signed it." },
        "workflow": text("What it calls."),
        "environment": text("Where its calls run."),
        "method": text("The method to call it with."),
        "notices": names("What whoever hands it out should know."),
    });
    let all = ["url", "expires_at", "key", "slot", "workflow", "environment", "method", "notices"];
    told("A URL that may be called without a token.", &fields, &all)
}

fn document() -> Value {
    let lists = Resource::ALL.map(|kind| {
        let items = schema(&format!("{}Document", schema_name(kind)));
        let list = json!({ "type": "array", "items": items, "description": format!("The {}.", kind.plural()) });
        (kind.plural().to_owned(), list)
    });
    let fields: Map<String, Value> = lists.into_iter().collect();
    taken("Resources, in the configuration's own schema, without secrets.", &Value::Object(fields), &[])
}

fn imported() -> Value {
    let these = |description: &str| {
        let fields = json!({ "kind": text("The kind of resource."), "name": text("Its name.") });
        let item = told("A resource.", &fields, &["kind", "name"]);
        json!({ "type": "array", "items": item, "description": description })
    };
    let fields = json!({
        "created": these("What was not there before."),
        "updated": these("What was changed."),
        "unchanged": these("What was so already."),
        "needs_secret": names("Connections that wait for a secret."),
        "needs_signing_secret": names("Workflows whose webhook waits for a secret."),
        "needs_token": names("Keys without a token: regenerate one of their slots."),
    });
    told("What an import did, or would do.", &fields, &["created", "updated", "unchanged", "needs_secret"])
}

fn audit_entry() -> Value {
    let fields = json!({
        "seq": count("From 1, without gaps."),
        "at": { "description": "When." },
        "actor": text("The key that asked; `system` for what happens by itself."),
        "actor_id": { "type": ["string", "null"], "description": "Its id." },
        "address": { "type": ["string", "null"], "description": "From where it asked." },
        "request_id": { "type": ["string", "null"], "description": "The call." },
        "action": { "type": "string", "description": "What was done.", "examples": ["key.create"] },
        "kind": text("The kind of resource."),
        "subject": text("Its name."),
        "subject_id": text("Its id."),
        "before": { "description": "As it was, without secrets; null: it was not there." },
        "after": { "description": "As it is since; null: it is gone." },
        "hash": { "type": "string", "description": "Over the entry and the hash before it, with the chain's key." },
    });
    told("One change.", &fields, &["seq", "at", "actor", "action", "kind", "subject", "hash"])
}

fn audit_verdict() -> Value {
    let fields = json!({
        "ok": { "type": "boolean", "description": "Whether no entry was changed or removed." },
        "count": count("Entries that were read."),
        "head": { "type": ["string", "null"], "description": "The newest entry's hash." },
        "broken_at": { "type": ["integer", "null"], "description": "The first entry that does not fit." },
    });
    told("What the chain proves.", &fields, &["ok", "count"])
}

fn usage() -> Value {
    let item = json!({
        "type": "object",
        "properties": {
            "kind": text("The kind of resource."),
            "name": text("Its name."),
            "slot": { "enum": ["primary", "secondary", null], "description": "Of a key." },
            "requests": count("What came, passed or not."),
            "refused": {
                "type": "object",
                "additionalProperties": { "type": "integer", "minimum": 0 },
                "description": "What was refused, by code.",
            },
            "last_used_at": moment("When it was used last."),
        },
    });
    let fields = json!({ "items": { "type": "array", "items": item, "description": "By resource, keys by slot." } });
    told("What was counted.", &fields, &["items"])
}

fn status() -> Value {
    told("How the gateway is.", &json!({ "version": text("The gateway's.") }), &[])
}

fn explain_request() -> Value {
    let fields = json!({
        "method": { "type": "string", "pattern": "^[A-Z-]+$", "description": "The request's method.", "examples": ["GET"] },
        "url": { "type": "string", "description": "What is called: a listener's address and the path." },
        "key": text("The caller, by its name; without it nobody."),
        "headers": {
            "type": "object",
            "additionalProperties": { "type": "string" },
            "description": "Further fields of the request.",
        },
        "address": text("Where the caller is; without it on loopback."),
        "body": text("What is sent, as text: a signature is held against it."),
        "body_base64": text("The same, for what is no text."),
        "listener": text("The listener's address; without it the first one of the path's door."),
    });
    taken("A request that is not sent.", &fields, &["method", "url"])
}

fn explanation() -> Value {
    let fields = json!({
        "verdict": text("Whether it would pass: permitted, refused, or answered by the gateway itself."),
        "code": { "type": ["string", "null"], "description": "The refusal's code." },
        "steps": { "type": "array", "items": { "type": "object" }, "description": "What was looked at, in order." },
    });
    told("Why it passes, or not.", &fields, &["verdict", "steps"])
}
