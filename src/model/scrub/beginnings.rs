//! Where in a text a secret may begin: what has to be fast, for it sees every byte.
//!
//! Every way in which any form can begin is written out for its first few bytes, some two dozen patterns, and a vectorised
//! search (Teddy, of the aho-corasick crate) looks for all of them at once. What it finds is judged with care elsewhere.

use super::escapes;
use super::form::Form;
use aho_corasick::packed::{Config, MatchKind, Searcher};
use std::collections::BTreeSet;

/// How long beginnings are that hold no escape: longer ones are found more rarely by chance, shorter ones are fewer.
const LENGTHS: [usize; 2] = [4, 3];
/// How long those with an escape are, at least: `%73` is rare enough.
const ESCAPED: usize = 3;
/// Longer beginnings are cut: `\u0073` still stands apart from other escapes.
const LONGEST: usize = 6;
/// What Teddy takes.
const MOST: usize = 64;

/// Finds the places where a secret may begin.
pub struct Beginnings {
    /// None on processors without what it needs, or with more secrets than it can look for: then it is slow.
    searcher: Option<Searcher>,
    /// What any beginning begins with.
    first: Box<[bool; 256]>,
}

impl Beginnings {
    pub fn of(forms: &[Form]) -> Beginnings {
        let mut first = Box::new([false; 256]);
        for byte in forms.iter().flat_map(|form| written(form, 1)).filter_map(|text| text.first().copied()) {
            first[usize::from(byte)] = true;
        }
        let searcher = LENGTHS.iter().find_map(|length| {
            let all: BTreeSet<Vec<u8>> = forms.iter().flat_map(|form| written(form, *length)).collect();
            if all.len() > MOST {
                return None;
            }
            Config::new().match_kind(MatchKind::LeftmostFirst).builder().extend(all).build()
        });
        Beginnings { searcher, first }
    }

    /// The first place from `from` on where a form may begin; near the end of `text`, where it may be cut off there.
    pub fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        // From here on a beginning may be cut off, which the searcher would not see.
        let end = text.len().saturating_sub(LONGEST - 1).max(from);
        if let Some(searcher) = &self.searcher {
            let whole = searcher.find_in(text, (from..text.len()).into()).map(|found| found.start());
            if let Some(at) = whole.filter(|at| *at < end) {
                return Some(at);
            }
        }
        let from = if self.searcher.is_some() { end } else { from };
        text.get(from..)?.iter().position(|b| self.may_begin_with(*b)).map(|at| from + at)
    }

    pub fn may_begin_with(&self, byte: u8) -> bool {
        self.first[usize::from(byte)]
    }
}

/// Every way in which a text can begin with `form`, up to `length` bytes or a little more.
fn written(form: &Form, length: usize) -> BTreeSet<Vec<u8>> {
    let mut open = vec![(Vec::new(), 0, length)];
    let mut all = BTreeSet::new();
    while let Some((mut text, place, length)) = open.pop() {
        if text.len() >= length || place >= form.places() {
            text.truncate(LONGEST);
            all.insert(text);
            continue;
        }
        for byte in form.raw(place) {
            open.push(([&text[..], &[byte]].concat(), place + 1, length));
        }
        for introduction in escapes::INTRODUCTIONS {
            form.escapes(place, introduction, |escape, covers| {
                open.push(([&text[..], escape].concat(), place + covers, length.min(ESCAPED)));
            });
        }
    }
    all
}
