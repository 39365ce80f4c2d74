//! How Twilio signs bodies: of a form, its names and values, sorted; of anything else, a digest in the URL.

use crate::policy::query;
use aws_lc_rs::{constant_time, digest};
use http::HeaderValue;
use std::borrow::Cow;

/// As many as frameworks take of one form. Each takes more memory than bytes.
const FIELDS: usize = 1000;
/// The parameter of the URL that says what the body is.
pub(super) const BODY_DIGEST: &str = "bodySHA256";

/// What is signed of this body beside the URL. Errors say why nothing is.
pub(super) fn signed(
    content_type: Option<&HeaderValue>,
    query: Option<&str>,
    body: &[u8],
) -> Result<Vec<u8>, Unsigned> {
    let form = is_form(content_type);
    let pairs = if form { sorted(body)? } else { Vec::new() };
    if !pairs.is_empty() {
        return Ok(pairs);
    }
    // Where the URL names a body, an empty one is another, whatever it is called: that signature is of the URL alone.
    match query.into_iter().flat_map(query::pairs).find(|pair| pair.is(BODY_DIGEST)) {
        Some(stated) => {
            let digest = body_digest(body);
            let same = constant_time::verify_slices_are_equal(digest.as_bytes(), &stated.decoded_value());
            same.map(|()| pairs).map_err(|_| Unsigned::Other)
        }
        None if body.is_empty() || form => Ok(pairs),
        None => Err(Unsigned::Unnamed),
    }
}

/// Why a body is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// Neither a form, nor named in the URL.
    Unnamed,
    /// The URL names another.
    Other,
    TooManyFields,
}

/// What the URL says of a body that is no form.
pub(super) fn body_digest(body: &[u8]) -> String {
    digest::digest(&digest::SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn is_form(content_type: Option<&HeaderValue>) -> bool {
    let essence = content_type.and_then(|value| value.as_bytes().split(|byte| *byte == b';').next());
    essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded"))
}

/// A name and its value, decoded.
type Pair<'f> = (Cow<'f, [u8]>, Cow<'f, [u8]>);

/// Names and values by the order of names, then of values; the same pair twice counts once, as the sender has it.
fn sorted(form: &[u8]) -> Result<Vec<u8>, Unsigned> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for pair in form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == FIELDS {
            return Err(Unsigned::TooManyFields);
        }
        let middle = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = middle.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        pairs.push((decoded(name), decoded(value)));
    }
    pairs.sort_unstable();
    pairs.dedup();
    Ok(pairs.iter().flat_map(|(name, value)| [&name[..], &value[..]]).collect::<Vec<_>>().concat())
}

/// `+` is a blank; what is not percent-encoded stays.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: &'static str, query: &str, body: &str) -> Result<String, Unsigned> {
        let signed = signed(Some(&HeaderValue::from_static(content_type)), Some(query), body.as_bytes());
        signed.map(|signed| String::from_utf8_lossy(&signed).into_owned())
    }

    #[test]
    fn a_form_is_signed_name_by_name() {
        let form = |body: &str| of("application/x-www-form-urlencoded", "", body).unwrap();
        assert_eq!(form(""), "");
        assert_eq!(form("To=%2B18005551212&CallSid=CA1&Digits=1234"), "CallSidCA1Digits1234To+18005551212");
        assert_eq!(form("b=2&a=x+y&&a=%78%20z&c"), "ax ya".to_owned() + "x zb2c");
        assert_eq!(form("a=2&a=1&a=2"), "a1a2", "the same twice counts once");
        assert_eq!(form("a=%zz%4"), "a%zz%4");
        assert_eq!(form("a=b=c"), "ab=c");
        let with_charset = of("Application/X-WWW-Form-Urlencoded ; charset=UTF-8", "", "a=1");
        assert_eq!(with_charset.unwrap(), "a1");
    }

    #[test]
    fn another_body_is_named_in_the_url() {
        let digest = body_digest(b"{}");
        assert_eq!(digest, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        let json = |query: &str, body: &str| of("application/json", query, body);
        assert_eq!(json(&format!("a=1&bodySHA256={digest}"), "{}"), Ok(String::new()));
        assert_eq!(json(&format!("bodySHA256={digest}"), "{ }"), Err(Unsigned::Other));
        assert_eq!(json("", "{}"), Err(Unsigned::Unnamed));
        assert_eq!(json("", ""), Ok(String::new()), "nothing is all of it");
        let form = |body| of("application/x-www-form-urlencoded", &format!("bodySHA256={digest}"), body);
        for emptied in ["", "&", "=", "=&="] {
            assert_eq!(form(emptied), Err(Unsigned::Other), "{emptied}");
            assert_eq!(json(&format!("bodySHA256={digest}"), emptied), Err(Unsigned::Other), "{emptied}");
        }
    }

    #[test]
    fn hostile_forms_take_no_memory_to_speak_of() {
        let fields = "a&".repeat(FIELDS);
        assert!(of("application/x-www-form-urlencoded", "", &fields).is_ok());
        let more = fields + "b";
        assert_eq!(of("application/x-www-form-urlencoded", "", &more), Err(Unsigned::TooManyFields));
    }
}
