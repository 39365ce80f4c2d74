//! Words: names, free text, yes and no, moments, identifiers.

use jiff::Timestamp;

use super::Wrong;
use crate::model::name::{is_name, is_uuid};
use crate::model::token::Digest;

/// The name of a resource: `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`, and not of the form of an id, since names and ids are
/// accepted in the same places.
pub fn name(text: &str) -> Result<&str, Wrong> {
    if is_uuid(text) {
        let remedy = "a name; ids are told apart from names by their form";
        return Err(Wrong::is_not(text, "a name but an id", remedy));
    }
    if !is_name(text) {
        let remedy = "1 to 63 letters, digits, dots, underscores or hyphens, the first a letter or digit";
        return Err(Wrong::is_not(text, "a name", remedy));
    }
    Ok(text)
}

/// Free text for people. Not repeated: pasted text with control characters in it may be anything.
pub fn text(text: &str) -> Result<&str, Wrong> {
    const LONGEST: usize = 4096;
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.len() > LONGEST || text.contains(control) {
        let remedy = "at most 4096 bytes of text without control characters";
        return Err(Wrong::new("not plain text", remedy));
    }
    Ok(text)
}

/// `true` or `false`; not `yes`, `on` or `1`, which other readers of the same file take for something else.
pub fn flag(text: &str) -> Result<bool, Wrong> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong::is_not(text, "true or false", "true or false")),
    }
}

/// RFC 3339 with an offset, as milliseconds since 1970.
pub fn timestamp(text: &str) -> Result<i64, Wrong> {
    // jiff also reads dialects (a space for the T, time zones in brackets) that we would then owe to everybody.
    let bytes = text.as_bytes();
    let dialect = bytes.get(10) != Some(&b'T') || text.contains(['[', ' ']) || bytes.len() < 20;
    let moment = if dialect { None } else { text.parse::<Timestamp>().ok() };
    moment.map(Timestamp::as_millisecond).ok_or_else(|| {
        let remedy = "a date and time with its offset, such as 2027-06-30T00:00:00Z";
        Wrong::is_not(text, "a moment", remedy)
    })
}

/// An id in its usual form, lower-case.
pub fn uuid(text: &str) -> Result<&str, Wrong> {
    if is_uuid(text) {
        return Ok(text);
    }
    let remedy = "a UUID such as 0190a5e4-6a5c-7c3e-9f4b-0a1b2c3d4e5f, or leave it out";
    Err(Wrong::is_not(text, "an id", remedy))
}

/// The digest of a token. The text is not repeated: somebody may have pasted the token itself behind the prefix.
pub fn digest(text: &str) -> Result<Digest, Wrong> {
    Digest::parse(text).ok_or_else(|| {
        let remedy = "blake3: and 64 hexadecimal digits, as `keystile keys generate` prints them";
        Wrong::new("not a digest", remedy)
    })
}

/// The SHA-256 of a certificate; with colons as OpenSSL prints it, or without.
pub fn fingerprint(text: &str) -> Result<[u8; 32], Wrong> {
    let wrong = || Wrong::is_not(text, "a fingerprint", FINGERPRINT);
    let hex = text.strip_prefix("sha256:").ok_or_else(wrong)?;
    let pairs: Vec<&str> = match hex.contains(':') {
        true => hex.split(':').collect(),
        false => hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect(),
    };
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() {
        return Err(wrong());
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        // `from_str_radix` would take a sign.
        let hex = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        *byte = u8::from_str_radix(pair, 16).ok().filter(|_| hex).ok_or_else(wrong)?;
    }
    Ok(bytes)
}

const FINGERPRINT: &str =
    "sha256: and 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` prints them";

/// A name as it stands in a certificate.
pub fn certificate_name(text: &str) -> Result<&str, Wrong> {
    let plain = !text.is_empty() && text.len() <= 1024 && text.trim() == text && !text.chars().any(char::is_control);
    if plain {
        return Ok(text);
    }
    Err(Wrong::is_not(text, "a name in a certificate", "one that stands in it, such as worker.example"))
}

/// What is put into a header, query value or password around the secret. Not repeated: whoever misunderstands the
/// field writes the secret there.
pub fn injected(text: &str) -> Result<&str, Wrong> {
    if text.chars().any(char::is_control) || text.len() > 1024 {
        let remedy = "printable text such as \"Bearer {secret}\"";
        return Err(Wrong::new("control characters, or too long", remedy));
    }
    let rest = text.replacen("{secret}", "", 1);
    if rest.contains("{secret}") {
        return Err(Wrong::new("the secret is put in twice", "{secret} once"));
    }
    if !text.is_empty() && rest.len() == text.len() {
        let remedy = "\"{secret}\" where the secret goes; the secret itself goes into the field `secret`";
        return Err(Wrong::new("the secret is not put in", remedy));
    }
    Ok(text)
}

/// Names of environment variables, with `*` for any characters.
pub fn env_glob(text: &str) -> Result<&str, Wrong> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'*');
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(plain) {
        return Ok(text);
    }
    let remedy = "the name of an environment variable, `*` standing for any characters, such as KEYS_*";
    Err(Wrong::is_not(text, "a pattern", remedy))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        for good in ["a", "acme-crm", "9.lives_", "no", "null", &"x".repeat(63)] {
            assert_eq!(name(good), Ok(good));
        }
        let id = "0190a5e4-6a5c-7c3e-9f4b-0a1b2c3d4e5f";
        for bad in ["", "-a", ".a", "a b", "ä", "a/b", "a\n", id, &"x".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(timestamp("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(timestamp("1970-01-01T01:00:00.5+01:00"), Ok(500));
        for bad in ["2027-06-30", "2027-06-30T00:00:00", "2027-06-30 00:00:00Z", "2027-02-30T00:00:00Z", ""] {
            assert!(timestamp(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_true_is_true() {
        assert_eq!((flag("true"), flag("false")), (Ok(true), Ok(false)));
        for bad in ["yes", "on", "1", "True", ""] {
            assert!(flag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn digests_are_exact_and_never_repeated() {
        let good = format!("blake3:{}", "0F".repeat(32));
        assert_eq!(digest(&good), Ok(Digest([15; 32])));
        let pasted = "blake3:kst_verysecret";
        assert!(!format!("{:?}", digest(pasted)).contains("verysecret"));
    }

    #[test]
    fn fingerprints_with_and_without_colons() {
        let plain = format!("sha256:{}", "0F".repeat(32));
        let colons = format!("sha256:{}", ["0f"; 32].join(":"));
        assert_eq!((fingerprint(&plain), fingerprint(&colons)), (Ok([15; 32]), Ok([15; 32])));
        let bad = [
            "".to_owned(),
            plain.replace("sha256", "sha1"),
            plain[..70].to_owned(),
            plain.clone() + "0F",
            colons + ":",
        ];
        for bad in bad.iter().map(String::as_str).chain(["sha256:", &plain.replace("0F", "+F"), "sha256:é"]) {
            assert!(fingerprint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_certificates_name_is_never_empty() {
        assert!(certificate_name("spiffe://td/worker").is_ok() && certificate_name("Worker 7").is_ok());
        for bad in ["", " ", " a", "a\n", "a\0b"] {
            assert!(certificate_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_secret_is_put_in_exactly_once() {
        assert!(injected("Bearer {secret}").is_ok() && injected("").is_ok());
        let pasted = injected("Bearer sk_live_1").unwrap_err();
        assert!(!format!("{pasted:?}").contains("sk_live_1"));
        assert!(injected("{secret}{secret}").is_err());
        assert!(injected("{secret}\r\nX: y").is_err());
    }

    proptest! {
        #[test]
        fn moments_read_back(millis in -62_000_000_000_000_i64..253_000_000_000_000) {
            let moment = Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(timestamp(&moment.to_string()), Ok(millis));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (name(&text), timestamp(&text), uuid(&text), digest(&text), injected(&text));
            let _ = (fingerprint(&text), fingerprint(&format!("sha256:{text}")), certificate_name(&text));
        }
    }
}
