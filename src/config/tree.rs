//! The configuration file as a tree that remembers where everything stands.
//!
//! Scalars stay text: what they are is decided by the schema and not guessed, so that `no` can be an environment and
//! `1e3` a name. What YAML offers beyond maps, lists and scalars is refused or bounded, because a file that surprises
//! its author is worse than one that is longer.

use std::sync::Arc;

use super::trail::Step;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// What stands there.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text; `quoted` when it was written in quotes or as a block.
    Scalar { text: Box<str>, quoted: bool },
    /// Items in their order.
    List(Vec<Node>),
    /// Fields in their order; names are unique.
    Map(Vec<Entry>),
}

/// A field of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The field's name, shared among the many maps that have this field.
    pub key: Arc<str>,
    /// Counted from 1.
    pub key_line: u32,
    /// Counted from 1.
    pub key_column: u32,
    /// The field's value.
    pub node: Node,
}

impl Node {
    /// The value of a field, if this is a map that has it. Linear: maps of a schema have a handful of fields.
    pub fn field(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|entry| &entry.node)
    }

    /// The field itself, with the place of its name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| &*entry.key == name),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The step from a list to this item of it.
    pub fn step(&self, index: usize) -> Step<'_> {
        Step::item(index, self.field("name").and_then(Node::text))
    }

    /// What a user would call it.
    pub fn describe(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

impl Entry {
    /// Its name and value in bytes, without their places; no two that differ are written the same.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        write_text(&self.key, into);
        self.node.write(into);
    }
}

impl Node {
    fn write(&self, into: &mut Vec<u8>) {
        match &self.value {
            Value::Null => into.push(b'~'),
            Value::Scalar { text, quoted } => {
                into.push(if *quoted { b'"' } else { b'\'' });
                write_text(text, into);
            }
            Value::List(items) => {
                into.push(b'[');
                items.iter().for_each(|item| item.write(into));
                into.push(b']');
            }
            Value::Map(entries) => {
                into.push(b'{');
                for entry in entries {
                    into.push(b',');
                    entry.write(into);
                }
                into.push(b'}');
            }
        }
    }
}

fn write_text(text: &str, into: &mut Vec<u8>) {
    into.extend_from_slice(&text.len().to_le_bytes());
    into.extend_from_slice(text.as_bytes());
}
