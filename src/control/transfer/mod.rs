//! T2: everything that the store holds, out and in again: in the configuration's own schema, with ids, without secrets.

mod export;
pub(crate) mod given;
mod import;
mod keys;
mod resources;

use super::refusal::{Done, Refusal, Wrong};
use crate::config::{Mistakes, Severity};
use crate::model::Resource;
use http::StatusCode;

/// So many keys are exported or imported at once: a document is built in memory.
const MOST_KEYS: usize = 100_000;

/// What is wrong with a document, all of it.
#[derive(Default)]
struct Wrongs {
    list: Vec<Wrong>,
    /// How many of them are names that somebody else has.
    taken: usize,
}

impl Wrongs {
    /// `place` is `connections[stripe]`, `field` what is within it.
    fn add(&mut self, place: &str, field: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        let dot = if field.is_empty() || place.is_empty() { "" } else { "." };
        self.list.push(Wrong::new(&format!("{place}{dot}{field}"), reason, remedy));
    }

    fn taken(&mut self, place: &str, kind: Resource, whose: &str) {
        self.taken += 1;
        self.add(place, "name", format!("{whose} has one {kind} of this name"), "choose another name");
    }

    /// What was found in one document, at `place`; in all of them, where `place` is empty.
    fn all(&mut self, place: &str, mistakes: &Mistakes) {
        for mistake in mistakes.iter().filter(|mistake| mistake.severity == Severity::Error) {
            // What was read beside what is in force says its own place already.
            let field = mistake.path.strip_prefix(place).unwrap_or(&mistake.path);
            self.add(place, field.trim_start_matches('.'), &*mistake.reason, &*mistake.remedy);
        }
    }

    /// Goes on only if nothing is wrong.
    fn none(&mut self) -> Done<()> {
        let Wrongs { list, taken } = std::mem::take(self);
        if list.is_empty() {
            return Ok(());
        }
        let taken = taken == list.len();
        let refusal = Refusal::invalid(list);
        Err(match taken {
            true => Refusal { code: "name_taken", status: StatusCode::CONFLICT, ..refusal },
            false => refusal,
        })
    }
}

#[cfg(test)]
mod tests;
