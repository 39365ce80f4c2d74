//! Reads a checked file: values by the names of their fields, with the schema's defaults for what is not written.
//!
//! There is nothing to handle for the reader: what does not fit the schema has been reported already and reads as if
//! it were not written. Whatever the reader itself finds wrong is attached with [`View::at`]. A field that the schema
//! does not have is a slip of ours and panics in the first test that reads it.

use super::{
    check::{check_part, report_second},
    mistake::Mistakes,
    scalar::Wrong,
    shape::{Field, Shape},
    trail::{At, Trail},
    tree::{Node, Value},
};

/// A place in the schema, and what the file says there.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What is written; `None` for what only exists by its defaults.
    pub(super) node: Option<&'a Node>,
    pub(super) shape: Shape,
    pub(super) default: Option<&'static str>,
    /// Where it stands, or where it would have to be written.
    pub(super) at: At<'a>,
}

/// What a field that takes `all` or a list permits.
#[derive(Debug, Clone)]
pub enum Grant<'a> {
    /// Everything, by the explicit word.
    All,
    /// These. Nothing, if nothing is written.
    These(Vec<View<'a>>),
}

/// An entry of a map whose names the user chose.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The name.
    pub key: &'a str,
    /// Where the name stands.
    pub key_at: At<'a>,
    /// What it maps to.
    pub value: View<'a>,
}

/// Finding parts.
impl<'a> View<'a> {
    /// The whole file.
    pub fn root(node: &'a Node, shape: Shape) -> View<'a> {
        View {
            node: Some(node),
            shape,
            default: None,
            at: At { line: node.line, column: node.column, trail: Trail::TOP },
        }
    }

    /// A part by its field names, `timeouts.head`.
    pub fn part(&self, names: &str) -> View<'a> {
        match names.bytes().any(|b| b == b'.') {
            true => names.split('.').fold(*self, |view, name| view.child(name)),
            false => self.child(names),
        }
    }

    /// Whether something is written there.
    pub fn is_set(&self, names: &str) -> bool {
        self.part(names).node.is_some()
    }

    /// Where a part stands, or else the nearest part around it that is written.
    pub fn at(&self, names: &str) -> At<'a> {
        self.part(names).at
    }

    /// Where this stands itself.
    pub fn here(&self) -> At<'a> {
        self.at
    }

    /// The items of a list; of one item that stands for a list; of the default. None for `all`: see [`View::grant`].
    pub fn list(&self, names: &str) -> impl Iterator<Item = View<'a>> + use<'a> {
        let list = self.part(names);
        let item = list.shape.item().copied();
        let (many, one) = match list.node.map(|node| (node, &node.value)) {
            Some((_, Value::List(items))) => (items.as_slice(), None),
            Some((node, _)) if matches!(list.shape, Shape::OneOrMany(_)) => (&[][..], Some(node)),
            _ => (&[][..], None),
        };
        let written = many.iter().enumerate().map(move |(index, node)| (node, list.at.trail.then(node.step(index))));
        let written = written.chain(one.map(|node| (node, list.at.trail)));
        let defaults = words(list.default.filter(|_| list.node.is_none()));
        written
            .filter_map(move |(node, trail)| Some(View::of(node, item?, trail)))
            .chain(defaults.filter_map(move |word| Some(View { shape: item?, default: Some(word), ..list })))
    }

    /// An item of this list that was read apart from it.
    pub fn item<'i>(&self, index: usize, node: &'i Node) -> Option<View<'i>>
    where
        'a: 'i,
    {
        Some(View::of(node, *self.shape.item()?, self.at.trail.then(node.step(index))))
    }

    /// What is written here but for some fields, whatever its place: the same for two that say the same.
    pub fn written_but(&self, left_out: &[&str]) -> Vec<u8> {
        let mut written = Vec::with_capacity(128);
        if let Some(Node { value: Value::Map(entries), .. }) = self.node {
            for entry in entries.iter().filter(|entry| !left_out.contains(&&*entry.key)) {
                entry.write(&mut written);
            }
        }
        written
    }

    /// Checks this, where the file as a whole was not.
    pub fn check(&self, mistakes: &mut Mistakes) {
        if let Some(node) = self.node {
            check_part(node, &self.shape, self.at.trail, mistakes);
        }
    }

    /// Reports that this item of a list has the name of another one, which stands in line `first`.
    pub fn report_second(&self, first: u32, mistakes: &mut Mistakes) {
        if let Some(name) = self.node.and_then(|node| node.field("name")) {
            report_second(name, self.at.trail, first, mistakes);
        }
    }

    /// The values of a list's items.
    pub fn values<T>(&self, names: &str, read: impl Fn(&'a str) -> Result<T, Wrong>) -> Vec<T> {
        let texts = self.list(names).filter_map(|item| item.text_here());
        texts.filter_map(|text| read(text).ok()).collect()
    }

    /// `all`, or a list.
    pub fn grant(&self, names: &str) -> Grant<'a> {
        match self.part(names).node.and_then(Node::text) {
            Some("all") => Grant::All,
            _ => Grant::These(self.list(names).collect()),
        }
    }

    /// The entries of a map whose names the user chose.
    pub fn entries(&self, names: &str) -> impl Iterator<Item = Pair<'a>> + use<'a> {
        let map = self.part(names);
        let entries = match map.node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().filter_map(move |entry| {
            let Shape::Free { key, value } = map.shape else {
                return None;
            };
            let trail = map.at.trail.field(&entry.key);
            key.accepts(&entry.key).then(|| Pair {
                key: &entry.key,
                key_at: At { line: entry.key_line, column: entry.key_column, trail },
                value: View::of(&entry.node, *value, trail),
            })
        })
    }

    fn of(node: &'a Node, shape: Shape, trail: Trail<'a>) -> View<'a> {
        View { node: Some(node), shape, default: None, at: At { line: node.line, column: node.column, trail } }
    }

    fn child(&self, name: &str) -> View<'a> {
        let field = self.field(name);
        let trail = self.at.trail.field(field.name);
        match self.node.and_then(|node| node.field(name)) {
            Some(node) => View { default: field.default, ..View::of(node, field.shape, trail) },
            None => View { node: None, shape: field.shape, default: field.default, at: At { trail, ..self.at } },
        }
    }

    fn field(&self, name: &str) -> &'static Field {
        let map = match self.shape {
            Shape::Map(map) => map,
            Shape::OneOrMany(Shape::Map(map)) => *map,
            _ => panic!("{:?} has no fields, and so no {name}", self.at.trail),
        };
        let field = map.field(name);
        field.unwrap_or_else(|| panic!("the schema has no field {name} in {:?}", self.at.trail))
    }
}

/// The words of a default such as `[a, b]`.
fn words(list: Option<&'static str>) -> impl Iterator<Item = &'static str> {
    let inner = list.and_then(|text| text.strip_prefix('[')?.strip_suffix(']'));
    let words = inner.unwrap_or("").split(',').map(str::trim);
    words.filter(|word| !word.is_empty())
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
