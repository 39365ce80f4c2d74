//! What is looked for.

use super::beginnings::Beginnings;
use super::form::{Form, Reading};
use crate::model::secret::Secret;
use std::fmt;
use std::ops::Range;

/// Shorter secrets are not scrubbed: they would be found by chance.
pub const LEAST: usize = 12;

/// Every form of one or more secrets. As secret as they are: it says nothing of itself, cannot be copied, and is wiped when
/// it goes, but for the first bytes (six at most) of each form, which the search keeps.
pub struct Needle {
    forms: Vec<Form>,
    beginnings: Beginnings,
    /// No form is written in fewer bytes. Most fields of a reply are shorter than most secrets.
    shortest: usize,
}

impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Needle(…)")
    }
}

/// Index of a needle in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeedleId(u32);

/// The needles of a snapshot.
#[derive(Debug, Default)]
pub struct Needles(Vec<Needle>);

impl Needles {
    pub fn keep(&mut self, needle: Needle) -> NeedleId {
        self.0.push(needle);
        NeedleId(self.0.len() as u32 - 1)
    }

    /// What [`Needles::keep`] gave this index for.
    pub fn at(&self, id: NeedleId) -> &Needle {
        &self.0[id.0 as usize]
    }
}

/// What of a text is to be replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In order, not overlapping.
    pub(super) spans: Vec<Range<usize>>,
    /// How many of them are new: one may have begun before the text.
    pub(super) begun: u64,
    /// From here on nothing is decided until more of the text is known.
    pub(super) decided: usize,
}

impl Needle {
    /// Of all secrets that are long enough; `None` if there is none.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Option<Needle> {
        let mut forms = Vec::new();
        for secret in secrets.into_iter().map(Secret::for_scrubbing).filter(|bytes| bytes.len() >= LEAST) {
            forms.push(Form::plain(secret));
            forms.push(Form::hex(secret));
            forms.extend((0..3).map(|before| Form::base64(secret, before)));
        }
        let beginnings = Beginnings::of(&forms);
        // An escape has no fewer bytes than what it stands for.
        let shortest = forms.iter().map(Form::places).min()?;
        Some(Needle { forms, beginnings, shortest })
    }

    /// `text` without secrets, and how many there were; `None` if it is to stay as it is.
    pub fn scrub(&self, text: &[u8]) -> Option<(Vec<u8>, u64)> {
        if text.len() < self.shortest {
            return None;
        }
        let found = self.find(text, 0, true);
        if found.spans.is_empty() {
            return None;
        }
        let mut clean = text.to_vec();
        found.cover(&mut clean);
        Some((clean, found.begun))
    }

    /// Whether the name of a field, which is in lower case by now, holds a secret.
    pub fn is_in_name(&self, name: &str) -> bool {
        let mut rest = name.as_bytes();
        while let [first, after @ ..] = rest
            && rest.len() >= self.shortest
        {
            let may =
                self.beginnings.may_begin_with(*first) || self.beginnings.may_begin_with(first.to_ascii_uppercase());
            if may && self.forms.iter().any(|form| matches!(form.read(rest, true), Reading::Match(_))) {
                return true;
            }
            rest = after;
        }
        false
    }

    /// Looks through `text`, of which the first `covered` bytes are to be replaced anyway. `ended`: nothing follows it.
    pub(super) fn find(&self, text: &[u8], covered: usize, ended: bool) -> Found {
        let mut found = Found { decided: text.len(), ..Found::default() };
        if covered > 0 {
            found.spans.push(0..covered);
        }
        let mut from = 0;
        while let Some(at) = self.beginnings.next(text, from) {
            let (matched, unfinished) = self.read(text.get(at..).unwrap_or_default());
            if unfinished && !ended {
                // Whatever else begins here is found again.
                found.decided = at;
                break;
            }
            if let Some(length) = matched {
                found.add(at..at + length);
            }
            from = at + 1;
        }
        found
    }

    /// How long the secret is that `text` begins with, and whether there may be (another) one when more is known.
    fn read(&self, text: &[u8]) -> (Option<usize>, bool) {
        let (mut matched, mut unfinished) = (None, false);
        let first = text.first().copied().unwrap_or_default();
        for form in self.forms.iter().filter(|form| form.may_begin_with(first)) {
            match form.read(text, false) {
                Reading::Match(length) => matched = matched.max(Some(length)),
                Reading::Unfinished => unfinished = true,
                Reading::Other => {}
            }
        }
        (matched, unfinished)
    }
}

impl Found {
    /// Spans come by their beginnings; one that overlaps its predecessor lengthens it.
    fn add(&mut self, span: Range<usize>) {
        match self.spans.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => {
                self.spans.push(span);
                self.begun += 1;
            }
        }
    }

    /// Puts `*` over what was found in `text`, which may end before it does.
    pub(super) fn cover(&self, text: &mut [u8]) {
        let length = text.len();
        for span in &self.spans {
            if let Some(secret) = text.get_mut(span.start.min(length)..span.end.min(length)) {
                secret.fill(b'*');
            }
        }
    }

    /// How far the last span reaches into what is not decided.
    pub(super) fn overhang(&self) -> usize {
        self.spans.last().map_or(0, |last| last.end.saturating_sub(self.decided))
    }
}
