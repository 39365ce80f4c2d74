//! An item of a list as programs write it, read without the parser: a field a line, words or a list of words behind each.
//! Whatever is written otherwise is left to the parser, so that there is one reading of it: `items_tests.rs` holds the two
//! against each other.

use super::names::Shared;
use super::parse::scalar;
use super::tree::{Entry, Node, Value};
use saphyr_parser::ScalarStyle;

/// The item whose hyphen has `indent` blanks before it, with its first line's number; none if it is not written plainly.
pub fn plain(item: &str, line: u32, indent: usize, names: &mut Shared) -> Option<Node> {
    let column = indent + 2;
    let mut entries: Vec<Entry> = Vec::with_capacity(8);
    for (number, text) in (line..).zip(item.lines()) {
        let depth = blanks(text);
        let is_first = number == line;
        let field = match text.as_bytes().get(depth) {
            None | Some(b'#') => continue,
            Some(_) if is_first => text[depth..].strip_prefix("- ")?,
            Some(_) => &text[depth..],
        };
        if depth != if is_first { indent } else { column } {
            return None;
        }
        let entry = entry(field, number, column, names)?;
        if entries.iter().any(|other| other.key == entry.key) {
            return None;
        }
        entries.push(entry);
    }
    Some(node(line, column, Value::Map(entries)))
}

/// How many blanks a line begins with.
pub fn blanks(text: &str) -> usize {
    text.bytes().take_while(|b| *b == b' ').count()
}

fn node(line: u32, column: usize, value: Value) -> Node {
    Node { line, column: u32::try_from(column + 1).unwrap_or(u32::MAX), value }
}

/// `name: value`
fn entry(field: &str, line: u32, column: usize, names: &mut Shared) -> Option<Entry> {
    let length = field.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
    let (name, value) = (&field[..length], field[length..].strip_prefix(": ")?);
    if name.is_empty() {
        return None;
    }
    let at = column + name.len() + 2;
    let value = match value.strip_prefix('[') {
        Some(list) => Value::List(words(list.strip_suffix(']')?, line, at + 1)?),
        None => self::value(value)?,
    };
    let (key_line, key_column) = (line, u32::try_from(column + 1).ok()?);
    Some(Entry { key: names.get(name), key_line, key_column, node: node(line, at, value) })
}

/// `one, two`
fn words(mut list: &str, line: u32, mut at: usize) -> Option<Vec<Node>> {
    let mut items = Vec::new();
    while !list.is_empty() {
        let length = list.bytes().take_while(|b| *b != b',').count();
        let (word, behind) = list.split_at(length);
        if !word.starts_with('"') && word.bytes().any(|b| matches!(b, b' ' | b':')) {
            return None;
        }
        items.push(node(line, at, value(word)?));
        at += word.len() + 2;
        list = match behind {
            "" => "",
            _ => behind.strip_prefix(", ").filter(|rest| !rest.is_empty())?,
        };
    }
    Some(items)
}

/// A word, some words with single blanks between them, or a text in double quotes in which nothing is escaped.
fn value(text: &str) -> Option<Value> {
    if let Some(quoted) = text.strip_prefix('"') {
        let inner = quoted.strip_suffix('"')?;
        let is_plain = inner.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\');
        return is_plain.then(|| scalar(inner, ScalarStyle::DoubleQuoted));
    }
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'+' | b'-');
    let bytes = text.as_bytes();
    // A colon or a blank in the middle alone, with something of a word on either side.
    let within = |at: usize| at > 0 && letter(bytes[at - 1]) && bytes.get(at + 1).copied().is_some_and(letter);
    let is_plain = bytes.first()?.is_ascii_alphanumeric()
        && bytes.iter().enumerate().all(|(at, b)| letter(*b) || matches!(b, b':' | b' ') && within(at));
    is_plain.then(|| scalar(text, ScalarStyle::Plain))
}
