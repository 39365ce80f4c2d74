//! Holds a file against the schema and reports everything that does not fit, each with what to write instead.

use std::collections::HashMap;

use super::{
    kind::{Kind, Verdict},
    mistake::{Mistakes, nearest},
    scalar::Wrong,
    shape::{Field, MapShape, Rule, Shape},
    trail::{At, Step, Trail, shown},
    tree::{Entry, Node, Value},
};

/// Checks a whole file. An empty file is a map without fields, so that what is missing can be named.
pub fn check_shape(root: &Node, shape: &Shape, mistakes: &mut Mistakes) {
    let empty;
    let root = match (&root.value, shape) {
        (Value::Null, Shape::Map(_)) => {
            let value = Value::Map(Vec::new());
            empty = Node { value, ..*root };
            &empty
        }
        _ => root,
    };
    Checker { mistakes }.node(root, shape, Trail::TOP);
}

/// Checks what stands in one place; the rest of the file is elsewhere.
pub fn check_part(node: &Node, shape: &Shape, trail: Trail<'_>, mistakes: &mut Mistakes) {
    Checker { mistakes }.node(node, shape, trail);
}

/// Reports an item that has another one's name.
pub fn report_second(name: &Node, item: Trail<'_>, first: u32, mistakes: &mut Mistakes) {
    let reason = format!("a second one of this name; the first is in line {first}");
    mistakes.error(at(name, item.field("name")), reason, "write: a name of its own");
}

struct Checker<'m> {
    mistakes: &'m mut Mistakes,
}

impl Checker<'_> {
    fn node(&mut self, node: &Node, shape: &Shape, trail: Trail<'_>) {
        match (shape, &node.value) {
            // Never taken for "absent": `allow_addresses:` with its entries commented out would open what it closed.
            (_, Value::Null) => {
                let remedy = format!("write: {}, or remove the line", shape.describe());
                self.mistakes.error(at(node, trail), "there is no value", remedy);
            }
            (Shape::Map(map), Value::Map(entries)) => self.map(node, entries, map, trail),
            (Shape::Free { key, value }, Value::Map(entries)) => self.free(entries, *key, value, trail),
            (Shape::Scalar(kind), Value::Scalar { text, .. }) => self.scalar(node, text, *kind, trail),
            (Shape::OrFalse(kind), Value::Scalar { text, quoted }) => {
                self.or_false(node, text, *quoted, *kind, trail);
            }
            (Shape::AllOr(_), Value::Scalar { text, .. }) if &**text == "all" => {}
            (Shape::List(item) | Shape::OneOrMany(item) | Shape::AllOr(item), Value::List(items)) => {
                self.list(items, item, trail);
            }
            (Shape::OneOrMany(item), _) => self.node(node, item, trail),
            _ => {
                let reason = format!("{} where {} belongs", node.describe(), shape.describe());
                let remedy = format!("write: {}", shape.describe());
                self.mistakes.error(at(node, trail), reason, remedy);
            }
        }
    }

    fn map(&mut self, node: &Node, entries: &[Entry], map: &MapShape, trail: Trail<'_>) {
        for entry in entries {
            let here = trail.field(&entry.key);
            match map.field(&entry.key) {
                Some(Field { later: Some(what), .. }) => {
                    let reason = format!("not available in this version: {what}");
                    let remedy = "remove it; nothing of it would take effect";
                    self.mistakes.error(at_key(entry, here), reason, remedy);
                }
                Some(field) => self.node(&entry.node, &field.shape, here),
                None => self.unknown(entry, map, here),
            }
        }
        for field in map.fields {
            if field.required && node.entry(field.name).is_none() {
                let example = field.example.map_or_else(|| field.shape.describe(), str::to_owned);
                let reason = format!("the required field `{}` is missing", field.name);
                let remedy = format!("write: {}: {example}", field.name);
                self.mistakes.error(at(node, trail), reason, remedy);
            }
        }
        for rule in map.rules {
            self.rule(node, rule, trail);
        }
    }

    fn unknown(&mut self, entry: &Entry, map: &MapShape, trail: Trail<'_>) {
        let reason = format!("there is no field `{}` here", shown(&entry.key));
        let gone = map.gone.iter().find(|gone| gone.name == &*entry.key);
        let known = || map.fields.iter().filter(|field| field.later.is_none()).map(|field| field.name);
        let remedy = match (gone, nearest(&entry.key, map.fields.iter().map(|field| field.name))) {
            (Some(gone), _) => format!("write: {}", gone.instead),
            (None, Some(meant)) => format!("did you mean `{meant}`?"),
            (None, None) if entry.key.contains([':', '=']) => "write: a space after the colon".to_owned(),
            (None, None) => format!("the fields here are: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.mistakes.error(at_key(entry, trail), reason, remedy);
    }

    fn rule(&mut self, node: &Node, rule: &Rule, trail: Trail<'_>) {
        let written = |name: &&&str| node.entry(name).is_some();
        match rule {
            Rule::ExactlyOne(names) => {
                let count = names.iter().filter(written).count();
                if count != 1 {
                    let number = if count == 0 { "none" } else { "several" };
                    let names = names.join(", ");
                    let reason = format!("{number} of {names} is written, where exactly one belongs");
                    self.mistakes.error(at(node, trail), reason, format!("write: one of {names}"));
                }
            }
            Rule::Together(names) => {
                if let (Some(present), Some(missing)) =
                    (names.iter().find(written), names.iter().find(|name| !written(name)))
                {
                    let reason = format!("`{present}` is written without `{missing}`");
                    self.mistakes.error(at(node, trail), reason, format!("write: {missing}, or leave out {present}"));
                }
            }
            Rule::AnyOf(names) => {
                if !names.iter().any(|name| written(&name)) {
                    let names = names.join(" or ");
                    self.mistakes.error(at(node, trail), format!("{names} is missing"), format!("write: {names}"));
                }
            }
            Rule::Needs(name, others) => {
                if written(&name) && !others.iter().any(|other| written(&other)) {
                    let others = others.join(" or ");
                    let reason = format!("`{name}` has a meaning only with {others}");
                    self.mistakes.error(at(node, trail), reason, format!("write: {others}, or leave out {name}"));
                }
            }
        }
    }

    fn free(&mut self, entries: &[Entry], key: Kind, value: &Shape, trail: Trail<'_>) {
        for entry in entries {
            let here = trail.field(&entry.key);
            self.report(at_key(entry, here), key.check(&entry.key));
            self.node(&entry.node, value, here);
        }
    }

    fn list(&mut self, items: &[Node], item: &Shape, trail: Trail<'_>) {
        let named = matches!(item, Shape::Map(map) if map.field("name").is_some());
        let mut names: HashMap<&str, u32> = HashMap::new();
        for (index, node) in items.iter().enumerate() {
            let here = trail.then(if named { node.step(index) } else { Step::Index(index) });
            self.node(node, item, here);
            let Some(name) = node.field("name").filter(|_| named) else {
                continue;
            };
            let Some(text) = name.text() else {
                continue;
            };
            let first = *names.entry(text).or_insert(name.line);
            if first != name.line {
                report_second(name, here, first, self.mistakes);
            }
        }
    }

    fn scalar(&mut self, node: &Node, text: &str, kind: Kind, trail: Trail<'_>) {
        self.report(at(node, trail), kind.check(text));
    }

    /// `true`, `no` and `off` could be names as well; without quotes they are more likely to be slips.
    fn or_false(&mut self, node: &Node, text: &str, quoted: bool, kind: Kind, trail: Trail<'_>) {
        if text == "false" {
            return;
        }
        let slip = matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "no" | "on" | "off" | "none");
        if slip && !quoted {
            let remedy = format!("{}, or false to switch it off", kind.describe());
            let reason = format!("{text:?} is neither a name nor false");
            return self.report(at(node, trail), Verdict::Bad(Wrong::new(reason, &remedy)));
        }
        self.scalar(node, text, kind, trail);
    }

    fn report(&mut self, at: At<'_>, verdict: Verdict) {
        match verdict {
            Verdict::Fine => {}
            Verdict::Doubtful(wrong) => self.mistakes.warning(at, wrong.reason, wrong.remedy),
            Verdict::Bad(wrong) => self.mistakes.error(at, wrong.reason, wrong.remedy),
        }
    }
}

fn at<'a>(node: &Node, trail: Trail<'a>) -> At<'a> {
    At { line: node.line, column: node.column, trail }
}

fn at_key<'a>(entry: &Entry, trail: Trail<'a>) -> At<'a> {
    At { line: entry.key_line, column: entry.key_column, trail }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
