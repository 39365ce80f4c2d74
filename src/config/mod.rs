//! The configuration file: read, checked, shown and documented by one table.
//!
//! [`parse`] reads YAML into a [`tree`] that remembers places; [`schema`] says what may be written, in the vocabulary of [`shape`] and
//! [`kind`]; [`check`] holds one against the other and reports every [`mistake`] at once; [`view`] reads what was
//! accepted, with defaults; [`show`] and [`json_schema`] tell people and editors; [`source`] fetches the secrets
//! that a [`reference`](mod@reference) stands for. Where a file has very many keys, [`items`] reads them one by one.
//!
//! Nothing here knows the gateway's own nouns: turning a file into a snapshot is done elsewhere, on a [`View`].

pub mod check;
pub mod items;
pub mod json;
pub mod json_schema;
pub mod kind;
pub mod mistake;
mod names;
pub mod parse;
mod plain;
pub mod reference;
pub mod scalar;
pub mod schema;
pub mod shape;
pub mod show;
pub mod source;
pub mod trail;
pub mod tree;
mod values;
pub mod view;

pub use items::{Irregular, Items};
pub use mistake::{Mistake, Mistakes, Severity};
pub use trail::At;
pub use tree::Node;
pub use view::View;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// A file of this many bytes is worth a way of its own: some thousand keys.
const LONG: u64 = 1 << 20;
const READ_AT_ONCE: usize = 64 << 10;

/// The shortest file that works, and the one that explains everything.
pub const MINIMAL: &str = include_str!("../../config/minimal.yaml");
pub const COMMENTED: &str = include_str!("../../config/keystile.yaml");

/// Reads a file's text and checks it against the schema. The tree is returned if the text is YAML at all, so that the
/// reader can look for further mistakes; it counts only if there are no errors.
pub fn load(text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    load_as(&schema::ROOT, text, mistakes)
}

/// The same for a file of another kind: a connector.
pub fn load_as(shape: &shape::Shape, text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    let root = parse::parse(text, mistakes)?;
    check::check_shape(&root, shape, mistakes);
    Some(root)
}

/// A file without its keys, where it has so many that they are better read one by one. None: [`load`] is to read it, and to
/// say what is wrong with it.
pub fn load_without_keys(path: &Path, mistakes: &mut Mistakes) -> Option<(Node, Items)> {
    let file = File::open(path).ok()?;
    // Before anything is read: a pipe can be read but once.
    file.metadata().ok().filter(|about| about.is_file() && about.len() >= LONG)?;
    let (rest, items) = Items::cut(Box::new(BufReader::with_capacity(READ_AT_ONCE, file))).ok()??;
    let mut wrong = Mistakes::new("");
    let root = parse::parse(&rest, &mut wrong).filter(|root| wrong.is_empty() && items.belong_to(root))?;
    check::check_shape(&root, &schema::ROOT, mistakes);
    Some((root, items))
}
