//! Where in the file something stands, and under which path: `keys[acme-crm].rate_limit`.
//!
//! Trails are walked for every field of every resource but printed only for mistakes, so they are kept as a small
//! array on the stack and become text at the last moment.

use std::fmt;

use super::scalar;

/// Deeper than any field of the schema; what is deeper still is shown by the path of its ancestor.
const DEPTH: usize = 8;

/// One step down from a node to a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A field of a map.
    Field(&'a str),
    /// An item of a list that calls itself by a name.
    Name(&'a str),
    /// An item of a list without a name.
    Index(usize),
}

impl<'a> Step<'a> {
    /// The step to a list's item: by its name when it has a proper one, because indices shift when files are edited.
    pub fn item(index: usize, name: Option<&'a str>) -> Step<'a> {
        match name {
            Some(name) if scalar::name(name).is_ok() => Step::Name(name),
            _ => Step::Index(index),
        }
    }
}

/// The path from the top of the file to a node.
#[derive(Clone, Copy)]
pub struct Trail<'a> {
    steps: [Step<'a>; DEPTH],
    len: usize,
}

impl<'a> Trail<'a> {
    /// The path of the whole file.
    pub const TOP: Trail<'static> = Trail { steps: [Step::Index(0); DEPTH], len: 0 };

    /// The path of a part.
    pub fn then(mut self, step: Step<'a>) -> Trail<'a> {
        if let Some(slot) = self.steps.get_mut(self.len) {
            *slot = step;
            self.len += 1;
        }
        self
    }

    /// The path of a field.
    pub fn field(self, name: &'a str) -> Trail<'a> {
        self.then(Step::Field(name))
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.steps[..self.len].iter().enumerate() {
            match step {
                Step::Field(name) => {
                    f.write_str(if depth == 0 { "" } else { "." })?;
                    f.write_str(&shown(name))?;
                }
                Step::Name(name) => write!(f, "[{name}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The line of what stands in no file.
pub const NOWHERE: u32 = 0;

/// A place that a mistake can be attached to.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// The path of the field or resource.
    pub trail: Trail<'a>,
}

impl At<'static> {
    /// The beginning of the file.
    pub const TOP: At<'static> = At { line: 1, column: 1, trail: Trail::TOP };
}

/// A field's name as messages show it. Names are the user's text until they are checked: only plain characters reach
/// the terminal, and `{ primary:TOKEN }` without its space, where the token becomes part of the name, shows `primary…`.
pub fn shown(name: &str) -> String {
    const LONGEST: usize = 40;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let end = name.find(|c| !plain(c)).unwrap_or(name.len());
    match end {
        end if end > LONGEST => format!("{}…", &name[..8]),
        end if end < name.len() => format!("{}…", &name[..end]),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resources_and_counts_the_nameless() {
        let keys = Trail::TOP.field("keys");
        let named = keys.then(Step::item(3, Some("acme-crm")));
        assert_eq!(named.field("rate_limit").to_string(), "keys[acme-crm].rate_limit");
        let nameless = keys.then(Step::item(3, None)).field("rate_limit");
        assert_eq!(nameless.to_string(), "keys[3].rate_limit");
        assert_eq!(keys.then(Step::item(3, Some("no good"))).to_string(), "keys[3]");
        assert_eq!(Trail::TOP.to_string(), "");
    }

    #[test]
    fn odd_names_are_cut() {
        let odd = Trail::TOP.field("upstream").field("a\u{1b}[2J");
        assert_eq!(odd.to_string(), "upstream.a…");
        assert_eq!(shown("primary:kst_secret"), "primary…");
        assert_eq!(shown(&"k".repeat(53)), "kkkkkkkk…");
        assert_eq!(shown("äh"), "…");
    }

    #[test]
    fn what_is_too_deep_is_called_by_its_ancestor() {
        let deep = (0..20).fold(Trail::TOP, |trail, _| trail.field("a"));
        assert_eq!(deep.to_string(), "a.a.a.a.a.a.a.a");
    }
}
