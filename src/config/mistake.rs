//! What is wrong with a configuration file: where, what, and what to write instead.
//!
//! Mistakes are collected rather than returned one by one: a user repairs a file in one round. A reason never repeats
//! the value of a field that may hold a secret, because reasons end up in logs and build servers.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

use super::trail::{At, NOWHERE};

/// What is named as the file of what stands in none: documents that are kept, or that came through the API.
pub const NO_FILE: &str = "the store";

/// Whether the gateway starts nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is not accepted.
    Error,
    /// The file is accepted; somebody should look at this.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Error or warning.
    pub severity: Severity,
    /// The file, as the user named it.
    #[serde(serialize_with = "as_text")]
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// The field, such as `keys[acme-crm].rate_limit`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        match self.line {
            NOWHERE => write!(f, "{}: {severity}: ", self.file)?,
            line => write!(f, "{}:{line}:{}: {severity}: ", self.file, self.column)?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.reason)?;
        if !self.remedy.is_empty() {
            write!(f, "\n    {}", self.remedy)?;
        }
        Ok(())
    }
}

/// The mistakes of one file.
#[derive(Debug, Clone)]
pub struct Mistakes {
    file: Arc<str>,
    list: Vec<Mistake>,
}

impl Mistakes {
    /// None yet.
    pub fn new(file: &str) -> Mistakes {
        Mistakes { file: file.into(), list: Vec::new() }
    }

    /// The file, as the user named it.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Adds a mistake that keeps the file from being accepted.
    pub fn error(&mut self, at: At<'_>, reason: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Error, at, reason.into(), remedy.into());
    }

    /// Adds a mistake that the file is accepted with.
    pub fn warning(&mut self, at: At<'_>, reason: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Warning, at, reason.into(), remedy.into());
    }

    /// Whether the file must be refused.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|m| m.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.list.iter()
    }

    /// In the order of the file.
    pub fn into_sorted(mut self) -> Vec<Mistake> {
        self.sort();
        self.list
    }

    /// Brings them into the order of the file, those of other files behind; those of one place stay in the order in
    /// which they were found.
    pub fn sort(&mut self) {
        let own = Arc::clone(&self.file);
        self.list.sort_by(|a, b| {
            let place = |m: &Mistake| (m.file != own, Arc::clone(&m.file), m.line, m.column);
            place(a).cmp(&place(b))
        });
    }

    /// Takes over what was found in a file that this one names.
    pub fn append(&mut self, other: Mistakes) {
        self.list.extend(other.list);
    }

    fn push(&mut self, severity: Severity, at: At<'_>, reason: String, remedy: String) {
        let file = if at.line == NOWHERE { Arc::from(NO_FILE) } else { Arc::clone(&self.file) };
        self.list.push(Mistake {
            severity,
            file,
            line: at.line,
            column: at.column,
            path: at.trail.to_string(),
            reason,
            remedy,
        });
    }
}

/// A plain list, for `-o json`.
impl Serialize for Mistakes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.iter().try_for_each(|m| writeln!(f, "{m}"))
    }
}

/// The candidate that was probably meant: a typing slip away, never a guess from afar.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer names are not slips of anything we know, and distances cost the product of the lengths.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_lowercase();
    let close = |candidate: &str| {
        let distance = distance(&name, &candidate.to_lowercase());
        (distance <= (name.len().max(3) / 3).min(3)).then_some(distance)
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .filter_map(|candidate| Some((close(candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters to insert, remove, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

fn as_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[cfg(test)]
mod tests {
    use super::super::trail::Trail;
    use super::*;

    fn at(line: u32, column: u32, field: &str) -> At<'_> {
        At { line, column, trail: Trail::TOP.field(field) }
    }

    #[test]
    fn prints_place_field_reason_and_remedy() {
        let mut mistakes = Mistakes::new("keystile.yaml");
        mistakes.error(at(12, 7, "workers"), "\"x\" is not a number", "write: a number");
        assert_eq!(
            mistakes.to_string(),
            "keystile.yaml:12:7: error: workers: \"x\" is not a number\n    write: a number\n"
        );
    }

    #[test]
    fn sorts_by_place_and_tells_errors_from_warnings() {
        let mut mistakes = Mistakes::new("k.yaml");
        mistakes.warning(at(9, 1, "b"), "later", "");
        assert!(!mistakes.has_errors() && !mistakes.is_empty());
        mistakes.error(at(2, 5, "a"), "earlier", "");
        assert!(mistakes.has_errors());
        let reasons: Vec<_> = mistakes.into_sorted().into_iter().map(|m| m.reason).collect();
        assert_eq!(reasons, ["earlier", "later"]);
    }

    #[test]
    fn json_is_a_list_of_plain_objects() {
        let mut mistakes = Mistakes::new("k.yaml");
        mistakes.warning(at(1, 2, "log"), "r", "s");
        assert_eq!(
            serde_json::to_value(&mistakes).unwrap(),
            serde_json::json!([{ "severity": "warning", "file": "k.yaml", "line": 1, "column": 2, "path": "log",
                                 "reason": "r", "remedy": "s" }])
        );
    }

    #[test]
    fn nearest_forgives_slips_only() {
        let fields = ["rate_limit", "base_url", "secret", "name"];
        assert_eq!(nearest("ratelimit", fields), Some("rate_limit"));
        assert_eq!(nearest("sercet", fields), Some("secret"));
        assert_eq!(nearest("Name", fields), Some("name"));
        assert_eq!(nearest("colour", fields), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), fields), None);
    }
}
