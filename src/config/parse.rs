//! From YAML text to a [`Node`], by the parser's events and without recursion: what a file nests or repeats is bounded
//! before it is built.

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{
    mistake::Mistakes,
    names::{Seen, Shared},
    trail::{At, Step, Trail},
    tree::{Entry, Node, Value},
};

/// Deeper than any configuration; it bounds the recursion of everything that walks the tree.
const MAX_DEPTH: usize = 32;

/// What aliases may add to a file, in bytes of text plus [`NODE_WEIGHT`] per node. Ten lines of nested aliases can
/// otherwise stand for gigabytes ("billion laughs").
const MAX_EXPANSION: usize = 1 << 20;

/// Roughly what an empty node occupies.
const NODE_WEIGHT: usize = 64;

/// Reads a file. `None` when it is not YAML; otherwise the tree, also if parts of it had to be left out: the rest is
/// then still worth checking.
pub fn parse(text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    let mut builder = Builder {
        mistakes,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        names: Shared::default(),
        expanded: 0,
        documents: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let going_on = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                builder.syntax(&error);
                Err(Stop)
            }
        };
        if going_on.is_err() {
            return None;
        }
    }
    Some(builder.root.unwrap_or(Node { line: 1, column: 1, value: Value::Null }))
}

/// The file cannot be read any further; the reason is among the mistakes.
struct Stop;

struct Builder<'m> {
    mistakes: &'m mut Mistakes,
    open: Vec<Open>,
    root: Option<Node>,
    /// Anchored nodes with their weights; `None` while they are open or when they are too heavy to repeat.
    anchors: HashMap<usize, Option<(Node, usize)>>,
    names: Shared,
    expanded: usize,
    documents: usize,
}

/// A list or map whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    weight: usize,
    /// The name that waits for its value, in a map.
    key: Option<(Arc<str>, u32, u32)>,
    seen: Seen,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let (line, column) = place(span);
        let node = |value| Node { line, column, value };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), line, column);
                self.close(node(scalar(&text, style)), text.len() + NODE_WEIGHT, anchor);
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), line, column);
                self.open(node(Value::List(Vec::new())), anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), line, column);
                self.open(node(Value::Map(Vec::new())), anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(done) = self.open.pop() {
                    self.close(done.node, done.weight, done.anchor);
                }
            }
            Event::Alias(anchor) => self.alias(anchor, line, column)?,
            Event::DocumentStart(_) => self.document(line, column)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            let reason = format!("nested more than {MAX_DEPTH} levels deep");
            self.error(node.line, node.column, reason, "write: a flatter structure");
            return Err(Stop);
        }
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Open { node, anchor, weight: NODE_WEIGHT, key: None, seen: Seen::default() });
        Ok(())
    }

    /// A node is complete: it becomes a name, a value or an item of what is open around it.
    fn close(&mut self, node: Node, weight: usize, anchor: usize) {
        if anchor > 0 {
            let kept = (weight <= MAX_EXPANSION).then(|| (node.clone(), weight));
            self.anchors.insert(anchor, kept);
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        parent.weight += weight;
        match &mut parent.node.value {
            Value::List(items) => items.push(node),
            Value::Map(_) if parent.key.is_none() => self.name(node),
            _ => self.value(node),
        }
    }

    fn name(&mut self, node: Node) {
        let key = match node.value {
            Value::Scalar { ref text, quoted } => {
                if &**text == "<<" && !quoted {
                    let remedy = "write: the fields themselves";
                    self.error(node.line, node.column, "merge keys are not supported", remedy);
                }
                self.names.get(text)
            }
            _ => {
                let reason = format!("{} cannot be the name of a field", node.describe());
                self.error(node.line, node.column, reason, "write: a plain name before the colon");
                Arc::from("")
            }
        };
        if let Some(parent) = self.open.last_mut() {
            parent.key = Some((key, node.line, node.column));
        }
    }

    fn value(&mut self, node: Node) {
        let Some(parent) = self.open.last_mut() else {
            return;
        };
        let (Some((key, key_line, key_column)), Value::Map(entries)) = (parent.key.take(), &mut parent.node.value)
        else {
            return;
        };
        if let Some(first) = parent.seen.first_line(entries, &key) {
            // The first one stands; which of the two was meant is for the author to say.
            parent.key = Some((key, key_line, key_column));
            let reason = format!("written twice: here and in line {first}");
            self.error(key_line, key_column, reason, "remove one of the two");
            if let Some(parent) = self.open.last_mut() {
                parent.key = None;
            }
            return;
        }
        if !key.is_empty() {
            entries.push(Entry { key, key_line, key_column, node });
        }
    }

    fn alias(&mut self, anchor: usize, line: u32, column: u32) -> Result<(), Stop> {
        let Some(Some((node, weight))) = self.anchors.get(&anchor) else {
            let reason = "this alias stands for something too large, or for itself";
            self.error(line, column, reason, "write: the value itself");
            return Err(Stop);
        };
        let weight = *weight;
        if self.expanded + weight > MAX_EXPANSION {
            let reason = format!("the aliases stand for more than {MAX_EXPANSION} bytes");
            self.error(line, column, reason, "write: the values themselves, or fewer aliases");
            return Err(Stop);
        }
        self.expanded += weight;
        let node = node.clone();
        self.close(node, weight, 0);
        Ok(())
    }

    fn document(&mut self, line: u32, column: u32) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let remedy = "remove the line `---`, or put this part into a file of its own";
        self.error(line, column, "a second document in one file", remedy);
        Err(Stop)
    }

    fn refuse_tag(&mut self, tagged: bool, line: u32, column: u32) {
        if tagged {
            let remedy = "write: the value without the word that begins with `!`";
            self.error(line, column, "tags are not supported", remedy);
        }
    }

    /// The parser's messages hold no text of the file beyond a single character.
    fn syntax(&mut self, error: &ScanError) {
        let (line, column) = place(Span::empty(*error.marker()));
        let reason = format!("not valid YAML: {}", error.info());
        let remedy = "look at the indentation, colons and quotes here and in the lines above";
        self.error(line, column, reason, remedy);
    }

    fn error(&mut self, line: u32, column: u32, reason: impl Into<String>, remedy: &str) {
        let trail = trail(&self.open);
        let at = At { line, column, trail };
        self.mistakes.error(at, reason, remedy);
    }
}

/// The path of what is being read.
fn trail(open: &[Open]) -> Trail<'_> {
    let mut trail = Trail::TOP;
    for (depth, container) in open.iter().enumerate() {
        match (&container.node.value, &container.key) {
            (Value::Map(_), Some((key, ..))) => trail = trail.field(key),
            (Value::List(items), _) => {
                let step = match open.get(depth + 1) {
                    Some(item) => item.node.step(items.len()),
                    None => Step::Index(items.len()),
                };
                trail = trail.then(step);
            }
            _ => {}
        }
    }
    trail
}

pub(super) fn scalar(text: &str, style: ScalarStyle) -> Value {
    let quoted = style != ScalarStyle::Plain;
    match text {
        "" | "~" | "null" if !quoted => Value::Null,
        // A box and not the parser's string, which reserves far more than it holds.
        _ => Value::Scalar { text: text.into(), quoted },
    }
}

fn place(span: Span) -> (u32, u32) {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let start = span.start;
    (number(start.line()).max(1), number(start.col()).saturating_add(1))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
