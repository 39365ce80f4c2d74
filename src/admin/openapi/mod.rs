//! The API as an OpenAPI 3.1 document, made of the table of routes and the configuration's own schema.

mod operations;
mod parts;
pub mod refusals;
mod resources;
mod schemas;

use super::api::PREFIX;
use super::routes;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// The document, as it is sent.
pub fn text() -> Bytes {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    TEXT.get_or_init(|| Bytes::from(format!("{}\n", document()))).clone()
}

/// The document.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keystile admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Keys and connections that people manage while traffic flows.",
            "description": RULES.map(|rule| format!("- {rule}\n")).concat(),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": PREFIX, "description": "This gateway's admin listener." }],
        "security": [{ "token": [] }],
        "tags": routes::TAGS.map(|tag| json!({ "name": tag.name, "description": tag.description })),
        "paths": paths(),
        "components": {
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of a key with the scope that the call names.",
            } },
            "parameters": parts::parameters(),
            "headers": parts::headers(),
            "schemas": schemas(),
        },
    })
}

/// What holds for every call. Shown in the documentation as well.
pub const RULES: [&str; 9] = [
    "Bodies and replies are JSON with the field names of the configuration file.",
    "Every change is checked, stored with its audit entry and in force before the reply is there.",
    "A secret goes in and never comes out; a token is shown once.",
    "Lists come a page at a time: `next` of one reply is `cursor` of the next call, and null at the end.",
    "Whoever changes what he has read sends its `ETag` as `If-Match`, and is refused with 412 if somebody was faster.",
    "Creates take an `Idempotency-Key`, so that they can be repeated after a lost reply.",
    "What is unknown is refused by name: fields, parameters, conditions.",
    "What the configuration file declares is shown with `origin: file`, and changed there.",
    "Refusals are RFC 9457 problem documents with a stable `code`, which `X-Keystile-Error` repeats.",
];

fn paths() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::all() {
        let path = paths.entry(route.path.clone()).or_insert_with(|| operations::path(route));
        path[route.method.as_str().to_ascii_lowercase()] = operations::operation(route);
    }
    Value::Object(paths)
}

/// The schemas by their names.
pub fn schemas() -> Map<String, Value> {
    let mut all = schemas::all();
    all.extend(resources::all());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Everything that `$ref` says in it.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_in_the_document_and_nothing_else() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
                described.insert((method.to_uppercase(), path.clone(), operation["operationId"].to_string()));
            }
        }
        let routed = |route: &routes::Route| (route.method.to_string(), route.path.clone(), format!("{:?}", route.id));
        assert_eq!(described, routes::all().iter().map(routed).collect());
    }

    #[test]
    fn whatever_is_referred_to_is_there_and_used() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for part in ["schemas", "parameters", "headers"] {
            for name in document["components"][part].as_object().unwrap().keys() {
                assert!(found.contains(&format!("#/components/{part}/{name}")), "{part}/{name} is used by nobody");
            }
        }
    }

    #[test]
    fn secrets_and_tokens_go_in_and_do_not_come_out() {
        let schemas = schemas();
        assert_eq!(schemas["NewConnection"]["properties"]["secret"]["writeOnly"], true);
        for shown in ["Connection", "ConnectionPatch"] {
            assert!(schemas[shown]["properties"].get("secret").is_none(), "{shown}");
        }
        for shown in ["Key", "KeyPatch"] {
            assert!(schemas[shown]["properties"].get("primary").is_none(), "{shown}");
        }
    }

    #[test]
    fn examples_of_bodies_have_the_fields_of_their_schemas() {
        let schemas = schemas();
        for body in routes::all().iter().filter_map(|route| route.body.as_ref()) {
            let example: Value = serde_json::from_str(body.example).unwrap();
            let schema = &schemas[&body.schema];
            for name in example.as_object().unwrap().keys() {
                assert!(schema["properties"].get(name).is_some(), "{}: {name}", body.schema);
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(example.get(name.as_str().unwrap()).is_some(), "{}: {name}", body.schema);
            }
        }
    }
}
