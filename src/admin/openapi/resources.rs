//! The schemas of resources: the configuration's own, with what differs in the API.
//!
//! Each kind has four: as it is created, as it is changed, as it is shown, and a page of it.

use super::parts::schema;
use crate::admin::routes::schema_name;
use crate::config::json_schema;
use crate::model::Resource;
use serde_json::{Map, Value, json};

pub fn all() -> Map<String, Value> {
    let mut all = Map::new();
    for kind in Resource::ALL {
        let name = schema_name(kind);
        all.insert(format!("New{name}"), created(kind));
        all.insert(format!("{name}Patch"), changed(kind));
        all.insert(name.to_owned(), shown(kind));
        all.insert(format!("{name}Page"), page(kind));
        all.insert(format!("{name}Document"), imported(kind));
    }
    all.insert("CreatedKey".to_owned(), created_key());
    all
}

/// Fields that are secret, or whose value only the gateway gives.
const OWN: [&str; 4] = ["id", "secret", "primary", "secondary"];

fn without_own(kind: Resource) -> Value {
    let mut document = json_schema::resource(kind);
    if let Some(fields) = document["properties"].as_object_mut() {
        fields.retain(|name, _| !OWN.contains(&name.as_str()));
    }
    if let Some(webhook) = webhook(&mut document) {
        webhook.remove("secrets");
        webhook.insert("verify_token".to_owned(), digest("Of the token that Meta's handshake shows."));
    }
    document
}

/// The fields of `webhook`, where there is one.
fn webhook(document: &mut Value) -> Option<&mut Map<String, Value>> {
    document.pointer_mut("/properties/webhook/properties")?.as_object_mut()
}

fn digest(description: &str) -> Value {
    json!({ "type": "string", "pattern": "^blake3:[0-9A-Fa-f]{64}$", "description": description })
}

/// H1: what people send of a webhook, and never see again.
fn webhook_secrets(document: &mut Value) {
    let Some(webhook) = webhook(document) else { return };
    let secret = json!({ "type": "string", "minLength": 1, "writeOnly": true, "examples": ["whsec_…"] });
    let secrets = json!({
        "type": "array",
        "items": secret,
        "maxItems": 16,
        "writeOnly": true,
        "description": "What the sender signs with, as he shows it: one, or several that are all valid. A list takes the place \
                        of those that were there; without it they stay. They are sealed, and never shown again.",
    });
    let token = json!({
        "type": "string",
        "minLength": 1,
        "description": "The token that Meta's handshake shows, or its digest; the digest is kept.",
    });
    webhook.insert("secrets".to_owned(), secrets);
    webhook.insert("verify_token".to_owned(), token);
}

/// K9: what a slot takes over from another system.
fn token(slot: &str) -> Value {
    json!({
        "type": "string",
        "pattern": "^(blake3:[0-9A-Fa-f]{64}|[!-~]{20,512})$",
        "writeOnly": true,
        "description": format!("An existing token for the {slot} slot, or its digest; without it one is drawn."),
    })
}

fn secret() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "writeOnly": true,
        "description": "The secret itself. It is sealed, tried at the provider, and never shown again.",
        "examples": ["sk_test_…"],
    })
}

fn created(kind: Resource) -> Value {
    let mut document = without_own(kind);
    match kind {
        Resource::Connection => document["properties"]["secret"] = secret(),
        Resource::Key => {
            document["properties"]["primary"] = token("primary");
            document["properties"]["secondary"] = token("secondary");
        }
        Resource::Workflow => webhook_secrets(&mut document),
        Resource::Environment => {}
    }
    document
}

/// A merge patch of it: anything may be left out, and all but the name be null.
fn changed(kind: Resource) -> Value {
    let mut document = without_own(kind);
    webhook_secrets(&mut document);
    let secrets = webhook(&mut document).and_then(|fields| fields.get("secrets").cloned());
    loosen(&mut document);
    // There is no default that null could go back to.
    if let Some((fields, secrets)) = webhook(&mut document).zip(secrets) {
        fields.insert("secrets".to_owned(), secrets);
    }
    document["description"] = json!("What changes; null goes back to the default.");
    if let Some(fields) = document["properties"].as_object_mut() {
        for (_, field) in fields.iter_mut().filter(|(name, _)| *name != "name") {
            nullable(field);
        }
    }
    document
}

/// What holds between fields holds for the result, not for the patch.
fn loosen(document: &mut Value) {
    if let Some(object) = document.as_object_mut() {
        object.remove("required");
        object.remove("allOf");
    }
    for field in document["properties"].as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
        if field.get("properties").is_some() {
            loosen(field);
            for inner in field["properties"].as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
                nullable(inner);
            }
        }
    }
    if let Some(value) = document.get_mut("additionalProperties").filter(|value| value.is_object()) {
        nullable(value);
    }
}

/// Its description moves outside; its default is what null goes back to.
fn nullable(field: &mut Value) {
    let mut either = Map::new();
    if let Some(object) = field.as_object_mut() {
        object.remove("default");
        either.extend(object.remove("description").map(|text| ("description".to_owned(), text)));
    }
    either.insert("anyOf".to_owned(), json!([field.take(), { "type": "null" }]));
    *field = Value::Object(either);
}

fn shown(kind: Resource) -> Value {
    let mut document = without_own(kind);
    if let Some(object) = document.as_object_mut() {
        object.remove("allOf");
        object.remove("additionalProperties");
        object.insert("required".to_owned(), json!(["id", "name", "origin"]));
    }
    let more = match kind {
        Resource::Key => key_shown(),
        Resource::Connection => connection_shown(),
        Resource::Workflow => workflow_shown(),
        Resource::Environment => json!({}),
    };
    if let Some(webhook) = webhook(&mut document) {
        webhook.insert("secrets".to_owned(), secrets_shown());
    }
    for fields in [every_shown(), more] {
        if let (Some(all), Value::Object(fields)) = (document["properties"].as_object_mut(), fields) {
            all.extend(fields);
        }
    }
    document
}

fn moment(description: &str) -> Value {
    json!({ "type": ["string", "null"], "format": "date-time", "readOnly": true, "description": description })
}

fn every_shown() -> Value {
    json!({
        "id": { "type": "string", "format": "uuid", "readOnly": true, "description": "Its id, which stays when it is renamed." },
        "origin": {
            "enum": ["file", "store"],
            "readOnly": true,
            "description": "Where it is kept. What the configuration file declares is changed there.",
        },
        "version": {
            "type": ["integer", "null"],
            "minimum": 1,
            "readOnly": true,
            "description": "Counts its changes; the same as `ETag`. None for what the file declares.",
        },
        "access": { "enum": ["personal", "team", "restricted"], "readOnly": true, "description": "How it is shared." },
        "created_at": moment("When it was created."),
        "updated_at": moment("When it was changed last."),
    })
}

fn key_shown() -> Value {
    let slot = |which: &str| {
        json!({
            "type": ["object", "null"],
            "readOnly": true,
            "description": format!("The {which} token, which is not shown; null: there is none."),
            "properties": {
                "created_at": moment("When it was drawn or taken over."),
                "last_used_at": moment("When it was used last; null: never, as far as is known."),
                "graced_until": moment("Until when a token that it replaced is accepted as well."),
            },
        })
    };
    json!({
        "status": {
            "enum": ["enabled", "disabled", "revoked", "expired"],
            "readOnly": true,
            "description": "Whether its tokens are accepted.",
        },
        "slots": {
            "type": "object",
            "readOnly": true,
            "description": "Its two tokens. One that is unused for long is safe to regenerate.",
            "properties": { "primary": slot("primary"), "secondary": slot("secondary") },
        },
        "revoked_at": moment("When it was revoked."),
        "notices": {
            "type": "array",
            "items": { "type": "string" },
            "readOnly": true,
            "description": "That it ends soon.",
        },
    })
}

fn connection_shown() -> Value {
    json!({
        "status": {
            "type": "string",
            "readOnly": true,
            "description": "`active`; `error` when the provider refuses the secret; `inconclusive` when it could not be \
                            asked; `needs_secret` when there is none for this destination; `unverified`.",
            "examples": ["active"],
        },
        "verification": {
            "type": ["object", "null"],
            "readOnly": true,
            "description": "What the provider said of the secret last, and what it means.",
        },
        "notices": {
            "type": "array",
            "items": { "type": "string" },
            "readOnly": true,
            "description": "What was done to the secret, is odd about it, or that it ends soon.",
        },
        "secret_version": {
            "type": ["integer", "null"],
            "minimum": 1,
            "readOnly": true,
            "description": "Counts the secrets it has had; null when there is none.",
        },
    })
}

fn workflow_shown() -> Value {
    json!({
        "status": {
            "type": "string",
            "readOnly": true,
            "description": "Of a workflow of the store that verifies signatures: `active`; `needs_secret` when there is none, so \
                            that every delivery is refused.",
            "examples": ["active"],
        },
        "notices": {
            "type": "array",
            "items": { "type": "string" },
            "readOnly": true,
            "description": "What was done to the secrets that were sent last.",
        },
    })
}

/// H1: what is known of a webhook's secrets.
fn secrets_shown() -> Value {
    let secret = json!({
        "type": "object",
        "properties": {
            "number": { "type": "integer", "minimum": 1, "description": "What it is known by, in the store." },
            "reference": { "type": "string", "description": "Where the configuration file says that it is read from." },
            "created_at": moment("When it was added."),
            "created_by": { "type": "string", "description": "The key that added it." },
            "last_used_at": moment("When a delivery was signed with it last; null: never, as far as is known."),
        },
    });
    json!({
        "type": "array",
        "items": secret,
        "readOnly": true,
        "description": "The secrets that are valid, without the secrets. One that is unused for long is safe to remove.",
    })
}

fn created_key() -> Value {
    let token = |which: &str| {
        json!({
            "type": "string",
            "readOnly": true,
            "description": format!("The {which} token, this once. Not there if it was taken over, or on a repeated call."),
            "examples": ["kst_…"],
        })
    };
    json!({
        "description": "A key that was just created.",
        "allOf": [schema("Key"), {
            "type": "object",
            "properties": {
                "primary": token("primary"),
                "secondary": token("secondary"),
                "tokens_already_shown": {
                    "type": "boolean",
                    "readOnly": true,
                    "description": "The call was repeated: its tokens were in the first reply.",
                },
            },
        }],
    })
}

fn page(kind: Resource) -> Value {
    super::schemas::page(&format!("A page of {}.", kind.plural()), &schema(schema_name(kind)))
}

/// As `export` says it and `import` takes it.
fn imported(kind: Resource) -> Value {
    let mut document = without_own(kind);
    let id = "Its id, to take over; without it a new one is drawn.";
    document["properties"]["id"] = json!({ "type": "string", "format": "uuid", "description": id });
    if kind == Resource::Key {
        for slot in ["primary", "secondary"] {
            document["properties"][slot] = json!({
                "type": "string",
                "pattern": "^blake3:[0-9A-Fa-f]{64}$",
                "description": format!("The digest of the {slot} token, which itself has no place in a document."),
            });
        }
    }
    document
}
