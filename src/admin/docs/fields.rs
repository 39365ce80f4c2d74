//! A schema as rows for people: `tls.ca`, `inject[].header`.

use serde_json::{Map, Value};

/// A field, as it is listed.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub kind: String,
    pub required: bool,
    pub description: String,
    pub default: Option<String>,
    pub example: Option<String>,
}

/// How deep fields are followed: schemas of ours end long before.
const DEEPEST: usize = 4;

/// The fields of a schema, with those of the objects in it.
pub fn rows(schema: &Value, all: &Map<String, Value>) -> Vec<Row> {
    let mut rows = Vec::new();
    follow(schema, all, "", DEEPEST, &mut rows);
    rows
}

fn follow(schema: &Value, all: &Map<String, Value>, prefix: &str, depth: usize, rows: &mut Vec<Row>) {
    let schema = resolved(schema, all);
    if depth == 0 {
        return;
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        follow(part, all, prefix, depth, rows);
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let field = resolved(field, all);
        let path = format!("{prefix}{name}");
        rows.push(row(&path, field, required.contains(&name.as_str())));
        let (inner, list) = inside(field, all);
        let prefix = if list { format!("{path}[].") } else { format!("{path}.") };
        follow(inner, all, &prefix, depth - 1, rows);
    }
}

fn resolved<'s>(schema: &'s Value, all: &'s Map<String, Value>) -> &'s Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| all.get(name)).unwrap_or(schema)
}

/// What a field's own fields stand in, and whether that is an item of a list.
fn inside<'s>(field: &'s Value, all: &'s Map<String, Value>) -> (&'s Value, bool) {
    let choices = field["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
    for choice in std::iter::once(field).chain(choices) {
        let choice = resolved(choice, all);
        if choice.get("properties").is_some() {
            return (choice, false);
        }
        let item = resolved(&choice["items"], all);
        if item.get("properties").is_some() {
            return (item, true);
        }
    }
    (&Value::Null, false)
}

fn row(path: &str, field: &Value, required: bool) -> Row {
    let example = field["examples"].as_array().and_then(|examples| examples.first());
    Row {
        name: path.to_owned(),
        kind: kind(field),
        required,
        description: field["description"].as_str().unwrap_or_default().to_owned(),
        default: field.get("default").map(plain),
        example: example.map(plain),
    }
}

/// A value as it would be written.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What may stand there, in a word or two.
fn kind(field: &Value) -> String {
    if let Some(words) = field["enum"].as_array() {
        return words.iter().map(plain).collect::<Vec<_>>().join(" or ");
    }
    if let Some(constant) = field.get("const") {
        return plain(constant);
    }
    if let Some(choices) = field["anyOf"].as_array() {
        let mut kinds: Vec<String> = choices.iter().map(kind).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    if field.get("items").is_some() {
        return "list".to_owned();
    }
    if let Some(format) = field["format"].as_str() {
        return format.to_owned();
    }
    match &field["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => field["$ref"].as_str().map_or("any", |_| "object").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_within_fields_are_named_by_their_way() {
        let mut all = Map::new();
        all.insert("Tls".into(), json!({ "properties": { "ca": { "type": "string", "examples": ["a.pem"] } } }));
        let schema = json!({
            "required": ["tls"],
            "properties": {
                "tls": { "$ref": "#/components/schemas/Tls" },
                "inject": {
                    "description": "Where.",
                    "anyOf": [
                        { "properties": { "header": { "enum": ["a", "b"], "default": "a" } } },
                        { "type": "array", "items": {} },
                    ],
                },
                "rules": { "type": "array", "items": { "properties": { "path": { "type": ["string", "null"] } } } },
            },
        });
        let told: Vec<String> = rows(&schema, &all)
            .iter()
            .map(|r| format!("{}: {}{}", r.name, r.kind, if r.required { "!" } else { "" }))
            .collect();
        let expected = [
            "inject: any or list",
            "inject.header: a or b",
            "rules: list",
            "rules[].path: string or null",
            "tls: any!",
            "tls.ca: string",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        let mut all = Map::new();
        all.insert("Loop".into(), json!({ "properties": { "again": { "$ref": "#/components/schemas/Loop" } } }));
        assert_eq!(rows(&all["Loop"], &all).len(), DEEPEST);
    }
}
