//! A message's fields, in the order they came. A hashed map is no faster for the dozen that a message has, and dearer to
//! fill, to empty and to walk; heads beyond a hundred fields are refused before anything is looked up in them.

use super::rooms::{self, Rooms};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::ops::Index;

/// Room for the fields of most messages.
const USUAL: usize = 14;

thread_local! {
    /// What messages before had, for as many as a core has under way.
    static ROOMS: Rooms<(HeaderName, HeaderValue)> = const { Rooms::new(256, 2 * USUAL) };
}

/// Names and values. A name may stand in several lines.
#[derive(Clone, Default)]
pub struct Fields {
    lines: Vec<(HeaderName, HeaderValue)>,
    /// [`mark`] of every name that stands there, and maybe of some that are gone: most of what is asked for is not there, and
    /// need not be looked for.
    marks: u64,
}

/// One bit for a name, in lower case, which a few others share.
fn mark(name: &str) -> u64 {
    let (first, last) = (name.as_bytes().first().unwrap_or(&0), name.as_bytes().last().unwrap_or(&0));
    let mixed = u64::from(*first) * 5 + u64::from(*last) * 3 + name.len() as u64;
    1 << (mixed % 64)
}

/// What a field can be looked up by.
pub trait Named {
    /// Whether `name` is the one that is looked for.
    fn is(&self, name: &HeaderName) -> bool;
    /// At least one of these is among the marks of the name.
    fn marks(&self) -> u64;
    /// The name, to be kept; nothing if it can be none.
    fn into_name(self) -> Option<HeaderName>;
}

impl Named for HeaderName {
    fn is(&self, name: &HeaderName) -> bool {
        self == name
    }

    fn marks(&self) -> u64 {
        mark(self.as_str())
    }

    fn into_name(self) -> Option<HeaderName> {
        Some(self)
    }
}

impl Named for &HeaderName {
    fn is(&self, name: &HeaderName) -> bool {
        *self == name
    }

    fn marks(&self) -> u64 {
        mark(self.as_str())
    }

    fn into_name(self) -> Option<HeaderName> {
        Some(self.clone())
    }
}

impl Named for &str {
    fn is(&self, name: &HeaderName) -> bool {
        name.as_str().eq_ignore_ascii_case(self)
    }

    /// In whatever case it is written.
    fn marks(&self) -> u64 {
        u64::MAX
    }

    fn into_name(self) -> Option<HeaderName> {
        self.parse().ok()
    }
}

impl Fields {
    /// None.
    pub fn new() -> Fields {
        Fields::default()
    }

    /// None yet, with room for as many as most messages have.
    pub fn with_room() -> Fields {
        let mut lines = rooms::take(&ROOMS);
        lines.reserve(USUAL);
        Fields { lines, marks: 0 }
    }

    fn push(&mut self, name: HeaderName, value: HeaderValue) {
        self.marks |= mark(name.as_str());
        self.lines.push((name, value));
    }

    /// False: nobody has to look.
    fn may_hold(&self, name: &impl Named) -> bool {
        self.marks & name.marks() != 0
    }

    /// Lines, not names.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn contains_key(&self, name: impl Named) -> bool {
        self.get(name).is_some()
    }

    /// The first line's value.
    pub fn get(&self, name: impl Named) -> Option<&HeaderValue> {
        if !self.may_hold(&name) {
            return None;
        }
        self.lines.iter().find(|(n, _)| name.is(n)).map(|(_, value)| value)
    }

    /// All lines' values.
    pub fn get_all<N: Named>(&self, name: N) -> impl DoubleEndedIterator<Item = &HeaderValue> + use<'_, N> {
        let lines = if self.may_hold(&name) { &self.lines[..] } else { &[] };
        lines.iter().filter(move |(n, _)| name.is(n)).map(|(_, value)| value)
    }

    /// One more line.
    pub fn append(&mut self, name: impl Named, value: HeaderValue) {
        if let Some(name) = name.into_name() {
            self.push(name, value);
        }
    }

    /// The only line of this name from now on, where its first one stood, else at the end.
    pub fn insert(&mut self, name: impl Named, value: HeaderValue) {
        let Some(first) = self.position(&name) else { return self.append(name, value) };
        self.lines[first].1 = value;
        self.remove_from(first + 1, &name);
    }

    /// Adds a line unless there is one.
    pub fn insert_if_absent(&mut self, name: HeaderName, value: HeaderValue) {
        if !self.contains_key(&name) {
            self.push(name, value);
        }
    }

    /// Takes all lines of this name out; the first one's value.
    pub fn remove(&mut self, name: impl Named) -> Option<HeaderValue> {
        let first = self.position(&name)?;
        let (_, value) = self.lines.remove(first);
        self.remove_from(first, &name);
        Some(value)
    }

    fn position(&self, name: &impl Named) -> Option<usize> {
        if !self.may_hold(name) {
            return None;
        }
        self.lines.iter().position(|(n, _)| name.is(n))
    }

    fn remove_from(&mut self, at: usize, name: &impl Named) {
        if self.lines[at..].iter().any(|(n, _)| name.is(n)) {
            let mut line = 0;
            self.lines.retain(|(n, _)| {
                line += 1;
                line <= at || !name.is(n)
            });
        }
    }

    /// Keeps the lines that `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&HeaderName, &HeaderValue) -> bool) {
        self.lines.retain(|(name, value)| keep(name, value));
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&HeaderName, &HeaderValue)> {
        self.lines.iter().map(|(name, value)| (name, value))
    }

    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&HeaderName, &mut HeaderValue)> {
        self.lines.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Every line's name.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &HeaderName> {
        self.lines.iter().map(|(name, _)| name)
    }

    /// Every line's value.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &HeaderValue> {
        self.lines.iter().map(|(_, value)| value)
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        if self.lines.capacity() >= USUAL {
            rooms::give_back(&ROOMS, std::mem::take(&mut self.lines));
        }
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Named> Index<N> for Fields {
    type Output = HeaderValue;

    /// # Panics
    /// Where there is none. For tests.
    fn index(&self, name: N) -> &HeaderValue {
        self.get(name).expect("no such field")
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = (&'a HeaderName, &'a HeaderValue);
    type IntoIter = std::iter::Map<
        std::slice::Iter<'a, (HeaderName, HeaderValue)>,
        fn(&'a (HeaderName, HeaderValue)) -> (&'a HeaderName, &'a HeaderValue),
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.iter().map(|(name, value)| (name, value))
    }
}

impl IntoIterator for Fields {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::vec::IntoIter<(HeaderName, HeaderValue)>;

    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(&mut self.lines).into_iter()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Fields {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> Fields {
        let mut fields = Fields::new();
        fields.extend(lines);
        fields
    }
}

impl Extend<(HeaderName, HeaderValue)> for Fields {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, lines: I) {
        lines.into_iter().for_each(|(name, value)| self.push(name, value));
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Fields) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Fields {}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Fields {
        let mut fields = Fields { lines: Vec::with_capacity(map.len().max(USUAL)), marks: 0 };
        let mut last = None;
        for (name, value) in map {
            // Of several lines with one name only the first says it.
            last = name.or(last);
            fields.extend(last.clone().map(|name| (name, value)));
        }
        fields
    }
}

impl From<Fields> for HeaderMap {
    fn from(fields: Fields) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(fields.len());
        for (name, value) in fields {
            map.append(name, value);
        }
        map
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
