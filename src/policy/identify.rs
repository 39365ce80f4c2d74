//! K3, K4, H7: where is a credential, and is there exactly one?

use super::query;
use super::signed_url::{Reading, SignedUrl};
use crate::model::Denial;
use crate::model::Fields;
use crate::model::listener::{Place, PlaceMask, Places};
use crate::model::token::{self, Shape};
use http::header::AUTHORIZATION;
use std::borrow::Cow;

/// A token somebody showed, not yet believed. Not printable: it is a credential.
pub struct Presented<'a> {
    token: Cow<'a, [u8]>,
    shape: Shape,
    /// Where it stood; the header's place if it stood in several.
    pub place: Place,
    /// K6: it (also) stood in the URL.
    pub in_query: bool,
    /// It was sent as a Bearer token (RFC 6750 wants an `error` in the challenge then).
    pub bearer: bool,
}

impl<'a> Presented<'a> {
    /// A token that stood in `place`.
    pub(super) fn at(token: Cow<'a, [u8]>, place: Place) -> Presented<'a> {
        Presented { shape: token::shape(&token), token, place, in_query: place == Place::Query, bearer: false }
    }

    /// The token's bytes, for the digest.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// What can be said of it without looking anything up.
    pub fn shape(&self) -> Shape {
        self.shape
    }
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented")
            .field("place", &self.place)
            .field("in_query", &self.in_query)
            .finish_non_exhaustive()
    }
}

/// What somebody showed at the inbound door, not yet believed.
#[derive(Debug)]
pub enum Credential<'a> {
    Token(Presented<'a>),
    Url(Reading),
}

/// A token or a signed URL, in the places that `open` leaves open; both together are `conflicting_credentials`.
pub fn credential<'a>(
    headers: &'a Fields,
    query: Option<&'a str>,
    places: &Places,
    open: PlaceMask,
) -> Result<Option<Credential<'a>>, Denial> {
    let token = identify(headers, query, places, open)?;
    let query = query.filter(|_| open.has(Place::SignedUrl));
    match (token, query.map_or(Ok(None), SignedUrl::read)?) {
        (Some(_), Some(_)) => Err(Denial::ConflictingCredentials),
        (token, None) => Ok(token.map(Credential::Token)),
        (None, Some(url)) => Ok(Some(Credential::Url(url))),
    }
}

/// Looks for tokens, in the places that `open` leaves open.
///
/// Every value in an open place counts. `Ok(None)`: there is none. Errors: `conflicting_credentials` for two different
/// ones and for two `Authorization` lines, `credential_repeated` for a repeated query parameter.
pub fn identify<'a>(
    headers: &'a Fields,
    query: Option<&'a str>,
    places: &Places,
    open: PlaceMask,
) -> Result<Option<Presented<'a>>, Denial> {
    let mut found: Option<Presented<'a>> = None;
    if open.has(Place::Authorization) {
        let mut lines = headers.get_all(AUTHORIZATION);
        if let Some(line) = lines.next() {
            if lines.next().is_some() {
                return Err(Denial::ConflictingCredentials);
            }
            if let Some((token, bearer)) = token_of(line.as_bytes()) {
                found = Some(Presented { bearer, ..Presented::at(Cow::Borrowed(token), Place::Authorization) });
            }
        }
    }
    if open.has(Place::Header) {
        for line in headers.get_all(&places.header) {
            let token = Cow::Borrowed(line.as_bytes().trim_ascii());
            add(&mut found, token, Place::Header)?;
        }
    }
    if open.has(Place::Query)
        && let Some(query) = query
    {
        let mut values = query::pairs(query).filter(|p| p.is_in_any_case(&places.query));
        if let Some(pair) = values.next() {
            if values.next().is_some() {
                return Err(Denial::CredentialRepeated);
            }
            add(&mut found, pair.decoded_value(), Place::Query)?;
        }
    }
    Ok(found)
}

/// The same token in two places is fine, two different ones are a conflict.
fn add<'a>(found: &mut Option<Presented<'a>>, token: Cow<'a, [u8]>, place: Place) -> Result<(), Denial> {
    match found {
        Some(first) if *first.token != *token => Err(Denial::ConflictingCredentials),
        Some(first) => {
            first.in_query |= place == Place::Query;
            Ok(())
        }
        None => {
            *found = Some(Presented::at(token, place));
            Ok(())
        }
    }
}

/// The token of `Key=<t>`, `Key <t>` or `Bearer <t>`, and whether it was Bearer; `None` for a foreign scheme. Read raw:
/// `Key=<t>` is no valid RFC 9110 grammar and typed parsers reject it.
pub fn token_of(value: &[u8]) -> Option<(&[u8], bool)> {
    let value = value.trim_ascii();
    let end = value.iter().position(|b| matches!(b, b'=' | b' ' | b'\t')).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    let separator = rest.first().copied();
    let token = rest.get(1..).unwrap_or_default().trim_ascii();
    if scheme.eq_ignore_ascii_case(b"key") {
        return Some((token, false));
    }
    if scheme.eq_ignore_ascii_case(b"bearer") && separator != Some(b'=') {
        return Some((token, true));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn places() -> Places {
        Places { open: PlaceMask::ALL, header: HeaderName::from_static("x-api-key"), query: "auth-key".into() }
    }

    /// What is found: the token and its place, or the code of the refusal.
    fn look(
        lines: &[(&'static str, &str)],
        query: Option<&str>,
        open: PlaceMask,
    ) -> Result<Option<(String, &'static str, bool)>, &'static str> {
        let mut headers = Fields::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        identify(&headers, query, &places(), open)
            .map(|p| p.map(|p| (String::from_utf8_lossy(p.token()).into_owned(), p.place.name(), p.in_query)))
            .map_err(|d| d.code())
    }

    fn one(
        lines: &[(&'static str, &str)],
        query: Option<&str>,
    ) -> Result<Option<(String, &'static str, bool)>, &'static str> {
        look(lines, query, PlaceMask::ALL)
    }

    #[test]
    fn k3_every_accepted_place_in_every_spelling() {
        for value in
            ["Key=t", "key=t", "KEY=t", "Key t", "key   t", "Key= t", "kEy\tt", "Bearer t", "bearer t", "  Key=t  "]
        {
            assert_eq!(
                one(&[("authorization", value)], None),
                Ok(Some(("t".into(), "authorization", false))),
                "{value}"
            );
        }
        assert_eq!(one(&[("x-api-key", " t ")], None), Ok(Some(("t".into(), "header", false))));
        for query in ["auth-key=t", "a=1&auth%2Dkey=t", "auth-key=%74&b", "AUTH-KEY=t"] {
            assert_eq!(one(&[], Some(query)), Ok(Some(("t".into(), "query", true))), "{query}");
        }
        assert_eq!(one(&[], Some("a=1")), Ok(None));
        assert_eq!(one(&[], None), Ok(None));
    }

    #[test]
    fn k4_an_empty_value_counts() {
        for value in ["Key=", "Key", "Bearer", "Bearer "] {
            assert_eq!(
                one(&[("authorization", value)], None),
                Ok(Some(("".into(), "authorization", false))),
                "{value}"
            );
        }
        assert_eq!(one(&[], Some("auth-key")), Ok(Some(("".into(), "query", true))));
    }

    #[test]
    fn k4_a_foreign_scheme_is_no_credential() {
        for value in ["Basic dTpw", "HMAC-SHA256 abc", "AWS4-HMAC-SHA256 Credential=x", "Keys=1", "Bearer=t", "Token t"]
        {
            assert_eq!(one(&[("authorization", value)], None), Ok(None), "{value}");
        }
    }

    #[test]
    fn k4_conflicts() {
        assert_eq!(
            one(&[("authorization", "Key=a"), ("authorization", "Key=a")], None),
            Err("conflicting_credentials")
        );
        assert_eq!(
            one(&[("authorization", "Basic x"), ("authorization", "Key=a")], None),
            Err("conflicting_credentials")
        );
        assert_eq!(one(&[("authorization", "Key=a"), ("x-api-key", "b")], None), Err("conflicting_credentials"));
        assert_eq!(one(&[("x-api-key", "a"), ("x-api-key", "b")], None), Err("conflicting_credentials"));
        assert_eq!(one(&[("authorization", "Key=bad")], Some("auth-key=good")), Err("conflicting_credentials"));
        assert_eq!(
            one(&[("authorization", "Key=a"), ("x-api-key", "a")], None),
            Ok(Some(("a".into(), "authorization", false)))
        );
        assert_eq!(
            one(&[("authorization", "Key=a")], Some("auth-key=a")),
            Ok(Some(("a".into(), "authorization", true)))
        );
    }

    #[test]
    fn k4_a_repeated_query_credential_in_any_spelling() {
        for query in ["auth-key=a&auth-key=a", "auth-key=a&auth%2dkey=b", "Auth-Key=a&x&auth-key=a"] {
            assert_eq!(one(&[], Some(query)), Err("credential_repeated"), "{query}");
        }
    }

    #[test]
    fn k3_places_can_be_switched_off() {
        let off = |p| PlaceMask::ALL.without(p);
        assert_eq!(look(&[("authorization", "Bearer jwt")], None, off(Place::Authorization)), Ok(None));
        assert_eq!(
            look(&[("x-api-key", "a"), ("authorization", "Key=b")], None, off(Place::Header)).unwrap().unwrap().0,
            "b"
        );
        assert_eq!(look(&[], Some("auth-key=a&auth-key=b"), off(Place::Query)), Ok(None));
    }
}
