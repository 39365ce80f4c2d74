//! JSON as a tree of the configuration: what an API's body and a stored document are checked and read by, with the same
//! tables as the file.

use super::kind::Kind;
use super::shape::Shape;
use super::trail::NOWHERE;
use super::tree::{Entry, Node, Value};
use super::view::View;
use std::sync::Arc;

/// A value as a node.
pub fn node(value: &serde_json::Value) -> Node {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => scalar(&flag.to_string(), false),
        serde_json::Value::Number(number) => scalar(&number.to_string(), false),
        serde_json::Value::String(text) => scalar(text, true),
        serde_json::Value::Array(items) => Value::List(items.iter().map(node).collect()),
        serde_json::Value::Object(fields) => {
            Value::Map(fields.iter().map(|(name, value)| field(name, node(value))).collect())
        }
    };
    at(value)
}

/// A field that stands in no file.
pub fn field(name: &str, node: Node) -> Entry {
    Entry { key: Arc::from(name), key_line: NOWHERE, key_column: NOWHERE, node }
}

/// Text that stands in no file.
pub fn text(text: &str) -> Node {
    at(scalar(text, true))
}

fn at(value: Value) -> Node {
    Node { line: NOWHERE, column: NOWHERE, value }
}

fn scalar(text: &str, quoted: bool) -> Value {
    Value::Scalar { text: text.into(), quoted }
}

/// What is written there, as JSON with the types of its schema; secrets as the place they are read from.
pub fn shown(view: &View<'_>) -> serde_json::Value {
    view.node.map_or(serde_json::Value::Null, |node| shown_as(node, &view.shape))
}

fn shown_as(node: &Node, shape: &Shape) -> serde_json::Value {
    match (&node.value, shape) {
        (Value::Null, _) => serde_json::Value::Null,
        (Value::Map(entries), shape) => {
            let map = match shape {
                Shape::Map(map) | Shape::OneOrMany(Shape::Map(map)) => Some(*map),
                _ => None,
            };
            let of = |entry: &Entry| {
                let shape = match shape {
                    Shape::Free { value, .. } => Some(**value),
                    _ => map.and_then(|map| map.field(&entry.key)).map(|field| field.shape),
                };
                Some((entry.key.to_string(), shown_as(&entry.node, &shape?)))
            };
            serde_json::Value::Object(entries.iter().filter_map(of).collect())
        }
        (Value::List(items), shape) => {
            let item = shape.item();
            items.iter().filter_map(|node| Some(shown_as(node, item?))).collect()
        }
        (Value::Scalar { text, .. }, shape) => match shape {
            Shape::Scalar(Kind::Bool) => (&**text == "true").into(),
            Shape::Scalar(Kind::Integer { .. }) => text.parse::<u64>().map_or_else(|_| (&**text).into(), Into::into),
            Shape::OrFalse(_) if &**text == "false" => false.into(),
            Shape::Scalar(kind) | Shape::OrFalse(kind) => kind.show(text).into(),
            Shape::OneOrMany(Shape::Scalar(kind)) => kind.show(text).into(),
            _ => (&**text).into(),
        },
    }
}
