//! The schema in the language of editors: JSON Schema 2020-12, generated from the tables.

use serde_json::{Map, Value, json};

use super::{
    kind::Kind,
    schema,
    shape::{Field, MapShape, Rule, Shape},
};
use crate::model::Resource;

/// For `keystile config schema`.
pub fn json_schema() -> Value {
    let mut document = shape(&schema::ROOT);
    document["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    document["title"] = json!("Keystile");
    document
}

/// One resource, as an item of its list; without the fields that this version does not have.
pub fn resource(kind: Resource) -> Value {
    let mut document = object(schema::resource(kind));
    forget_later(&mut document);
    document
}

fn forget_later(document: &mut Value) {
    match document {
        Value::Object(map) => {
            if let Some(Value::Object(fields)) = map.get_mut("properties") {
                fields.retain(|_, field| field.get("not").is_none());
            }
            map.values_mut().for_each(forget_later);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_later),
        _ => {}
    }
}

fn shape(shape_: &Shape) -> Value {
    match shape_ {
        Shape::Scalar(kind) => scalar(*kind),
        Shape::Map(map) => object(map),
        Shape::List(item) => list(item),
        Shape::OneOrMany(item) => json!({ "anyOf": [shape(item), list(item)] }),
        Shape::AllOr(item) => json!({ "anyOf": [{ "const": "all" }, list(item)] }),
        Shape::OrFalse(kind) => json!({ "anyOf": [{ "const": false }, scalar(*kind)] }),
        Shape::Free { key, value } => {
            json!({ "type": "object", "propertyNames": scalar(*key), "additionalProperties": shape(value) })
        }
    }
}

fn list(item: &Shape) -> Value {
    json!({ "type": "array", "items": shape(item) })
}

fn object(map: &MapShape) -> Value {
    let properties: Map<String, Value> = map.fields.iter().map(|f| (f.name.to_owned(), field(f))).collect();
    let required: Vec<&str> = map.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    let mut object = json!({
        "type": "object",
        "description": map.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    let rules: Vec<Value> = map.rules.iter().map(rule).collect();
    if !rules.is_empty() {
        object["allOf"] = json!(rules);
    }
    object
}

fn field(field: &Field) -> Value {
    if let Some(what) = field.later {
        // Known to the editor, and never valid: completion does not offer what would be refused.
        return json!({ "description": format!("Not available in this version: {what}."), "not": {} });
    }
    let mut schema = shape(&field.shape);
    schema["description"] = json!(field.doc);
    if let Some(default) = field.default {
        schema["default"] = typed(&field.shape, default);
    }
    if let Some(example) = field.example {
        schema["examples"] = json!([typed(&field.shape, example)]);
    }
    schema
}

fn rule(rule: &Rule) -> Value {
    let required = |name: &&str| json!({ "required": [name] });
    match rule {
        Rule::ExactlyOne(names) => {
            json!({ "oneOf": names.iter().map(required).collect::<Vec<_>>() })
        }
        Rule::AnyOf(names) => {
            json!({ "anyOf": names.iter().map(required).collect::<Vec<_>>() })
        }
        Rule::Together(names) => {
            let each = names.iter().map(|name| ((*name).to_owned(), json!(names)));
            json!({ "dependentRequired": each.collect::<Map<_, _>>() })
        }
        Rule::Needs(name, others) => {
            let any: Vec<Value> = others.iter().map(required).collect();
            json!({ "if": required(name), "then": { "anyOf": any } })
        }
    }
}

fn scalar(kind: Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Enum(words) => {
            // `http: 2` is text to us and a number to an editor.
            let numbers = words.iter().filter_map(|word| word.parse::<serde_json::Number>().ok().map(Value::from));
            json!({ "enum": words.iter().map(|word| json!(word)).chain(numbers).collect::<Vec<_>>() })
        }
        // Numbers are text to us and numbers to an editor.
        Kind::Name | Kind::Text => with_pattern(json!({ "type": ["string", "number"] }), kind),
        Kind::Size | Kind::Mode => with_pattern(json!({ "type": ["string", "integer"] }), kind),
        _ => with_pattern(json!({ "type": "string" }), kind),
    }
}

fn with_pattern(mut schema: Value, kind: Kind) -> Value {
    if let Some(pattern) = kind.pattern() {
        schema["pattern"] = json!(pattern);
    }
    schema
}

/// Defaults and examples are kept as they are written; YAML knows what they are.
fn typed(shape: &Shape, text: &str) -> Value {
    match shape {
        Shape::Scalar(Kind::Bool | Kind::Integer { .. }) => serde_json::from_str(text).unwrap_or(json!(text)),
        Shape::Scalar(_) | Shape::OrFalse(_) if !text.starts_with('"') => json!(text),
        _ => serde_yaml::from_str(text).unwrap_or(json!(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_teach() {
        let schema = json_schema();
        let inbound = &schema["properties"]["listeners"]["properties"]["inbound"]["items"];
        assert_eq!(inbound["required"], json!(["address"]));
        assert_eq!(inbound["additionalProperties"], json!(false));
        assert_eq!(inbound["properties"]["max_body"]["default"], json!("16MiB"));
        assert_eq!(inbound["properties"]["conceal"]["default"], json!(false));
        let key = &schema["properties"]["keys"]["items"]["properties"];
        assert_eq!(key["scopes"]["default"], json!(["workflows:invoke", "connections:use"]));
        assert!(key["workflows"]["description"].as_str().unwrap().contains("all"));
    }

    #[test]
    fn a_resource_has_the_fields_of_this_version() {
        let key = resource(Resource::Key);
        assert_eq!(key["properties"]["rate_limit"]["examples"], json!(["600/min burst 50"]));
        assert!(key["properties"].get("quota").is_none(), "a later version's");
        for kind in Resource::ALL {
            assert_eq!(resource(kind)["required"], json!(["name"]), "{kind}");
        }
    }

    #[test]
    fn later_fields_are_never_valid() {
        let schema = json_schema();
        assert_eq!(schema["properties"]["variables"]["not"], json!({}));
    }

    #[test]
    fn rules_are_carried_over() {
        let schema = json_schema();
        let connection = &schema["properties"]["connections"]["items"];
        assert_eq!(connection["allOf"][0]["anyOf"][1]["required"], json!(["connector"]));
        assert_eq!(connection["allOf"][1]["if"]["required"], json!(["secret"]));
        let tls = &connection["properties"]["tls"];
        assert_eq!(tls["allOf"][0]["dependentRequired"]["key"], json!(["certificate", "key"]));
    }
}
