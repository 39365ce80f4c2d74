//! The schema's vocabulary. A schema is data: one table says what may be written, and checking, reading, showing and
//! documenting a file all follow it, so that none of them can disagree with another.

use super::kind::Kind;

/// What may stand at a place.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// One value.
    Scalar(Kind),
    /// Known fields.
    Map(&'static MapShape),
    /// Any number of items.
    List(&'static Shape),
    /// One item, or a list of them.
    OneOrMany(&'static Shape),
    /// The word `all`, or a list. Everything is only permitted by saying so.
    AllOr(&'static Shape),
    /// A value, or `false` to switch the thing off.
    OrFalse(Kind),
    /// Names of the user's choosing, each with a value.
    Free { key: Kind, value: &'static Shape },
}

/// A map with known fields.
#[derive(Debug)]
pub struct MapShape {
    /// What it describes, in one sentence.
    pub doc: &'static str,
    /// In the order in which they are explained.
    pub fields: &'static [Field],
    /// What holds between the fields.
    pub rules: &'static [Rule],
    /// Names that are not fields, but that people write: old ones and those of other systems.
    pub gone: &'static [Gone],
}

/// A field of a map.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// As it is written.
    pub name: &'static str,
    /// One sentence that teaches.
    pub doc: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// Whether it must be written.
    pub required: bool,
    /// What counts when it is not written, as it would be written.
    pub default: Option<&'static str>,
    /// Something to copy.
    pub example: Option<&'static str>,
    /// Known, and not available in this version: what it would do. Ignoring such a field would drop a protection that
    /// its author counts on, so it is an error.
    pub later: Option<&'static str>,
}

/// What holds between the fields of a map.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// One of these, no less and no more.
    ExactlyOne(&'static [&'static str]),
    /// All of these or none.
    Together(&'static [&'static str]),
    /// One of these, or more.
    AnyOf(&'static [&'static str]),
    /// The first only together with one of the others.
    Needs(&'static str, &'static [&'static str]),
}

/// A name that is no field, and what to write instead.
#[derive(Debug, Clone, Copy)]
pub struct Gone {
    /// As people write it.
    pub name: &'static str,
    /// What to write.
    pub instead: &'static str,
}

impl MapShape {
    /// A map of these fields and nothing else.
    pub const fn new(doc: &'static str, fields: &'static [Field]) -> MapShape {
        MapShape { doc, fields, rules: &[], gone: &[] }
    }

    /// With rules between the fields.
    pub const fn rules(mut self, rules: &'static [Rule]) -> MapShape {
        self.rules = rules;
        self
    }

    /// With names that people write by mistake.
    pub const fn gone(mut self, gone: &'static [Gone]) -> MapShape {
        self.gone = gone;
        self
    }

    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// An optional field without a default.
    pub const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Field {
        Field { name, doc, shape, required: false, default: None, example: None, later: None }
    }

    /// A field that a later version understands; `what` completes "not available in this version: …".
    pub const fn later(name: &'static str, what: &'static str) -> Field {
        let mut field = Field::new(name, Shape::Scalar(Kind::Text), what);
        field.later = Some(what);
        field
    }

    /// Must be written.
    pub const fn required(mut self) -> Field {
        self.required = true;
        self
    }

    /// What counts when it is not written.
    pub const fn default(mut self, text: &'static str) -> Field {
        self.default = Some(text);
        self
    }

    /// Something to copy.
    pub const fn example(mut self, text: &'static str) -> Field {
        self.example = Some(text);
        self
    }
}

impl Gone {
    /// Instead of `name`, write `instead`.
    pub const fn new(name: &'static str, instead: &'static str) -> Gone {
        Gone { name, instead }
    }
}

impl Shape {
    /// What is expected, for messages.
    pub fn describe(&self) -> String {
        match self {
            Shape::Scalar(kind) => kind.describe(),
            Shape::Map(_) | Shape::Free { .. } => "a map (name: value)".to_owned(),
            Shape::List(_) => "a list".to_owned(),
            Shape::OneOrMany(item) => format!("{} or a list of these", item.describe()),
            Shape::AllOr(_) => "`all` or a list".to_owned(),
            Shape::OrFalse(kind) => format!("{} or false", kind.describe()),
        }
    }

    /// The items of a list, if this can be one.
    pub fn item(&self) -> Option<&'static Shape> {
        match self {
            Shape::List(item) | Shape::OneOrMany(item) | Shape::AllOr(item) => Some(item),
            _ => None,
        }
    }
}
