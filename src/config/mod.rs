//! The configuration file: read, checked, shown and documented by one table.
//!
//! [`parse`] reads YAML into a [`tree`] that remembers places; [`schema`] says what may be written, in the vocabulary of [`shape`] and
//! [`kind`]; [`check`] holds one against the other and reports every [`mistake`] at once; [`view`] reads what was
//! accepted, with defaults; [`show`] and [`json_schema`] tell people and editors; [`source`] fetches the secrets
//! that a [`reference`](mod@reference) stands for.
//!
//! Nothing here knows the gateway's own nouns: turning a file into a snapshot is done elsewhere, on a [`View`].

pub mod check;
pub mod json;
pub mod json_schema;
pub mod kind;
pub mod mistake;
mod names;
pub mod parse;
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

pub use mistake::{Mistake, Mistakes, Severity};
pub use trail::At;
pub use tree::Node;
pub use view::View;

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
