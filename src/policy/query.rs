//! The query string, pair by pair, without changing a byte that need not change.

use super::path::percent_decode;
use crate::model::token;
use std::borrow::Cow;

/// One `name=value` between ampersands, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    pub raw: &'a str,
    pub name: &'a str,
    pub value: &'a str,
}

/// The pairs of a query string, empty ones included.
pub fn pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    query.split('&').map(|raw| {
        let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
        Pair { raw, name, value }
    })
}

impl<'a> Pair<'a> {
    /// The name is `wanted` after decoding, exactly.
    pub fn is(&self, wanted: &str) -> bool {
        if plain(self.name) { self.name == wanted } else { *decode(self.name) == *wanted.as_bytes() }
    }

    /// The name is `wanted` after decoding, in any case.
    pub fn is_in_any_case(&self, wanted: &str) -> bool {
        if plain(self.name) {
            self.name.eq_ignore_ascii_case(wanted)
        } else {
            decode(self.name).eq_ignore_ascii_case(wanted.as_bytes())
        }
    }

    /// Some upstream may take the name for `wanted`: after decoding, whatever the case, `_` for `-`.
    pub fn folds_to(&self, wanted: &str) -> bool {
        if plain(self.name) {
            folds_to(self.name.as_bytes(), wanted.as_bytes())
        } else {
            folds_to(&decode(self.name), wanted.as_bytes())
        }
    }

    /// Some upstream may take it for `wanted`, or for a part of it: also `wanted[]`, `wanted[0]`, and what stands before
    /// a NUL or behind blanks.
    pub fn may_be(&self, wanted: &str) -> bool {
        if self.folds_to(wanted) {
            return true;
        }
        let name = decode(self.name);
        let name = name.trim_ascii_start();
        let end = name.iter().position(|b| matches!(b, b'[' | 0)).unwrap_or(name.len());
        folds_to(&name[..end], wanted.as_bytes())
    }

    /// A token of ours stands in it, in its name or its value.
    pub fn holds_token(&self) -> bool {
        token::held_in(self.raw.as_bytes()) || (!plain(self.raw) && token::held_in(&decode(self.raw)))
    }

    /// Itself, or the parts between semicolons, which some upstreams read as pairs of their own.
    pub fn parts(&self) -> impl Iterator<Item = Pair<'a>> {
        self.raw.split(';').map(|raw| {
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            Pair { raw, name, value }
        })
    }

    /// The value, decoded.
    pub fn decoded_value(&self) -> Cow<'a, [u8]> {
        decode(self.value)
    }
}

/// Whether two names are the same to an upstream that ignores case and takes all punctuation for `_`, as CGI and its
/// descendants do.
pub fn folds_to(name: &[u8], wanted: &[u8]) -> bool {
    name.len() == wanted.len()
        && name
            .iter()
            .zip(wanted)
            .all(|(a, b)| a.eq_ignore_ascii_case(b) || (!a.is_ascii_alphanumeric() && !b.is_ascii_alphanumeric()))
}

/// `query` without the pairs that `drop` names; each goes with its ampersand. `None` if nothing is left where something
/// was, so that the `?` goes too.
pub fn without<'a>(query: &'a str, mut drop: impl FnMut(&Pair<'a>) -> bool) -> Option<Cow<'a, str>> {
    if !pairs(query).any(|p| drop(&p)) {
        return Some(Cow::Borrowed(query));
    }
    let mut kept = String::with_capacity(query.len());
    let mut any = false;
    for pair in pairs(query).filter(|p| !drop(p)) {
        if any {
            kept.push('&');
        }
        kept.push_str(pair.raw);
        any = true;
    }
    any.then_some(Cow::Owned(kept))
}

fn plain(text: &str) -> bool {
    !text.bytes().any(|b| b == b'%' || b == b'+')
}

fn decode(text: &str) -> Cow<'_, [u8]> {
    if plain(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let spaced: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    let decoded = percent_decode(&spaced).unwrap_or_else(|| percent_encoding::percent_decode(&spaced).collect());
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(query: &str) -> Pair<'_> {
        pairs(query).next().unwrap()
    }

    #[test]
    fn k5_names_in_every_spelling() {
        for spelling in ["auth-key=1", "auth%2Dkey=1", "auth%2dkey=1", "%61%75th-key=1", "AUTH-key=1", "%41uth-key"] {
            assert!(first(spelling).is_in_any_case("auth-key"), "{spelling}");
        }
        for other in ["auth_key=1", "xauth-key=1", "auth-key2=1", "auth+key=1"] {
            assert!(!first(other).is_in_any_case("auth-key"), "{other}");
        }
    }

    #[test]
    fn c5_spellings_of_an_injected_parameter() {
        for spelling in ["api_key=1", "api-key=1", "API_KEY", "%61pi%5Fkey=2", "api.key=1", "api+key=1", "api%20key=1"]
        {
            assert!(first(spelling).folds_to("api_key"), "{spelling}");
        }
        assert!(!first("apikey=1").folds_to("api_key"));
    }

    #[test]
    fn c5_parts_of_an_injected_parameter() {
        for spelling in
            ["key=1", "key[]=1", "key%5B%5D=1", "%6Bey[0]=1", "key[a][b]=1", "+key=1", "%20KEY", "key%00x=1"]
        {
            assert!(first(spelling).may_be("key"), "{spelling}");
        }
        for other in ["[key]=1", "keys[]=1", "a[key]=1", "k[ey]=1", ""] {
            assert!(!first(other).may_be("key"), "{other}");
        }
    }

    #[test]
    fn k5_a_pair_goes_with_its_ampersand_and_the_rest_stays_to_the_byte() {
        let strip = |q: &'static str| without(q, |p| p.is_in_any_case("auth-key")).map(Cow::into_owned);
        assert_eq!(strip("auth-key=x"), None);
        assert_eq!(strip("auth-key=x&a=1"), Some("a=1".into()));
        assert_eq!(strip("a=1&auth-key=x"), Some("a=1".into()));
        assert_eq!(strip("a=1&auth-key=x&b=%41%zz+&&c"), Some("a=1&b=%41%zz+&&c".into()));
        assert_eq!(strip("&auth-key=x"), Some("".into()));
        assert_eq!(strip(""), Some("".into()));
    }

    proptest! {
        #[test]
        fn removal_is_idempotent_and_touches_nothing_else(query in "([ab]{0,2}=?[%0-9+]{0,3}&?|k=[x1]{0,2}&){0,6}") {
            if let Some(once) = without(&query, |p| p.is("k")) {
                prop_assert!(!pairs(&once).any(|p| p.is("k")));
                let kept: Vec<&str> = pairs(&query).filter(|p| !p.is("k")).map(|p| p.raw).collect();
                prop_assert_eq!(kept.join("&"), once.to_string());
                prop_assert_eq!(without(&once, |p| p.is("k")), Some(once.clone()));
            }
        }
    }
}
