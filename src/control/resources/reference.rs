//! K15: who speaks of whom by name, so that renaming rewrites it and deleting asks first.

use crate::model::Resource;
use serde_json::{Map, Value};

/// Rewrites what a document of `kind` says of the `renamed` one; whether anything was said.
pub fn rename(kind: Resource, document: &mut Map<String, Value>, renamed: Resource, from: &str, to: &str) -> bool {
    match (kind, renamed) {
        (Resource::Workflow, Resource::Connection) => {
            let upstream = document.get_mut("upstream").and_then(Value::as_object_mut);
            let named = upstream.into_iter().flat_map(|map| map.values_mut()).filter(|value| *value == from);
            named.map(|value| *value = to.into()).count() > 0
        }
        (Resource::Workflow, Resource::Environment) => {
            let runs_in = document.get_mut("webhook").and_then(|webhook| webhook.get_mut("environment"));
            let deliveries = runs_in.filter(|name| *name == from).map(|name| *name = to.into()).is_some();
            let Some(upstream) = document.get_mut("upstream").and_then(Value::as_object_mut) else { return deliveries };
            let Some(connection) = upstream.remove(from) else { return deliveries };
            upstream.insert(to.to_owned(), connection);
            true
        }
        (Resource::Connection, Resource::Environment) => match document.get_mut("environment") {
            Some(environment) if *environment == from => {
                *environment = to.into();
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Takes out what a workflow's document says of a connection; whether anything was said.
pub fn forget(document: &mut Map<String, Value>, connection: &str) -> bool {
    let Some(upstream) = document.get_mut("upstream").and_then(Value::as_object_mut) else { return false };
    let before = upstream.len();
    upstream.retain(|_, value| *value != connection);
    upstream.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => panic!(),
        }
    }

    #[test]
    fn k15_what_is_said_of_it_is_rewritten_and_nothing_else() {
        let mut workflow = document(json!({ "upstream": { "Production": "a", "Test": "b" }, "title": "a" }));
        assert!(rename(Resource::Workflow, &mut workflow, Resource::Connection, "a", "c"));
        assert_eq!(workflow, document(json!({ "upstream": { "Production": "c", "Test": "b" }, "title": "a" })));
        assert!(!rename(Resource::Workflow, &mut workflow, Resource::Connection, "a", "c"));
        assert!(rename(Resource::Workflow, &mut workflow, Resource::Environment, "Test", "Staging"));
        assert_eq!(workflow["upstream"], json!({ "Production": "c", "Staging": "b" }));
        let mut connection = document(json!({ "environment": "Test" }));
        assert!(rename(Resource::Connection, &mut connection, Resource::Environment, "Test", "Staging"));
        assert_eq!(connection["environment"], "Staging");
        assert!(forget(&mut workflow, "c"));
        assert_eq!(workflow["upstream"], json!({ "Staging": "b" }));
    }
}
