//! All of one resource, for people: its fields in the schema's order, then what the gateway knows beside them.

use super::fields::shape;
use super::table::printable;
use super::times;
use crate::model::Resource;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// `acme-crm (0190…)`, and a line for each field.
pub fn explained(kind: Resource, body: &Value, version: Option<u64>) -> String {
    let Some(fields) = body.as_object() else { return String::new() };
    let mut out = match (body["name"].as_str(), body["id"].as_str()) {
        (Some(name), Some(id)) => format!("{} ({})\n\n", printable(name), printable(id)),
        (Some(name), None) => format!("{}\n\n", printable(name)),
        _ => String::new(),
    };
    let known = shape(kind).into_iter().flat_map(|map| map.fields).map(|field| field.name);
    let mut order: Vec<&str> = known.filter(|name| fields.contains_key(*name)).collect();
    order.extend(fields.keys().map(String::as_str).filter(|name| shape(kind).is_none_or(|s| s.field(name).is_none())));
    order.retain(|name| !matches!(*name, "name" | "id" | "version"));
    out += &lines(fields, &order);
    if let Some(version) = version.or_else(|| body["version"].as_u64()) {
        let _ = writeln!(out, "{:18}  {version}", "version");
    }
    out
}

/// The fields of anything, a line each.
pub fn told(body: &Value) -> String {
    let Some(fields) = body.as_object() else { return format!("{}\n", shown(body)) };
    lines(fields, &fields.keys().map(String::as_str).collect::<Vec<_>>())
}

fn lines(fields: &Map<String, Value>, order: &[&str]) -> String {
    let mut out = String::new();
    for name in order {
        let value = fields.get(*name).unwrap_or(&Value::Null);
        for (n, line) in of(name, value).iter().enumerate() {
            let label = if n == 0 { label(name) } else { String::new() };
            let _ = writeln!(out, "{label:18}  {line}");
        }
    }
    out
}

fn label(field: &str) -> String {
    printable(&field.replace('_', " "))
}

/// A field's value: one line, or one for each of a list or map that holds more than words.
fn of(name: &str, value: &Value) -> Vec<String> {
    let moment = name == "at" || name.ends_with("_at") || name.ends_with("until");
    match value {
        _ if moment && let Some(text) = times::written(value) => {
            vec![format!("{} ({})", printable(&text), times::ago(&text))]
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().map(shown).collect()
        }
        Value::Object(map) if map.values().any(Value::is_object) => {
            map.iter().map(|(name, value)| format!("{}: {}", printable(name), shown(value))).collect()
        }
        _ => vec![shown(value)],
    }
}

/// In one line, as YAML would write it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(map) if map.is_empty() => "none".to_owned(),
        Value::Object(map) => {
            let pair = |(name, value): (&String, &Value)| match of(name, value).join(", ") {
                text if value.is_object() => format!("{}: {{ {text} }}", label(name)),
                text => format!("{}: {text}", label(name)),
            };
            map.iter().map(pair).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_is_told_in_the_schemas_order_with_all_of_its_fields() {
        let body = json!({ "id": "0190", "name": "acme", "workflows": ["a", "b"], "title": "A\u{1b}[31m",
            "connections": [], "expires_at": null, "enabled": true, "origin": "store",
            "slots": { "primary": { "last_used_at": "2020-01-01T00:00:00Z" }, "secondary": { "last_used_at": null } } });
        let text = explained(Resource::Key, &body, Some(7));
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} in\n{text}"));
        assert!(text.starts_with("acme (0190)\n"), "{text}");
        assert!(at("title") < at("enabled") && at("workflows") < at("connections") && at("connections") < at("slots"));
        assert!(text.contains("a, b") && text.contains("none") && text.contains("years ago"), "{text}");
        assert!(text.contains(r"\u{1b}[31m") && text.contains("version             7"), "{text}");
    }
}
