//! JSON as a tree of the configuration: what an API's body and a stored document are checked and read by, with the same
//! tables as the file.

use super::tree::{Entry, Node, Value};
use std::sync::Arc;

/// Nodes that stand in no file have no line.
pub const NOWHERE: u32 = 0;

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
