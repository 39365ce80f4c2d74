//! How a sender signs, as data: where the signature stands, and what it is made of. The known schemes are made here; an
//! operator's own is put together of the same parts.

use super::encoding::Encoding;
use http::HeaderName;

/// A way of signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// `stripe`
    pub name: &'static str,
    /// Where the signature stands; named in hints.
    pub header: HeaderName,
    pub form: Form,
    pub timestamp: Option<(TimestampPlace, Clock)>,
    /// Where the delivery's id stands; an id that is not signed identifies nothing.
    pub id: Option<HeaderName>,
    /// What is signed, piece by piece.
    pub signed: Vec<Part>,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
}

/// How signatures are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// One, behind this: `sha256=`; often nothing.
    Prefixed(Box<str>),
    /// Standard Webhooks: `v1,<hmac> v1a,<ed25519> …`, blanks between.
    Versions,
    /// Stripe: `t=<timestamp>,v1=<signature>,…`; other names are ignored.
    Pairs { timestamp: &'static str, signature: &'static str },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimestampPlace {
    Header(HeaderName),
    /// Among the pairs of the signature's own header.
    Pair,
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    Seconds,
    Milliseconds,
    /// RFC 3339, with any offset.
    Rfc3339,
}

impl Clock {
    pub const NAMES: &'static [&'static str] = &["unix", "unix_ms", "rfc3339"];

    pub fn named(name: &str) -> Option<Clock> {
        let all = [Clock::Seconds, Clock::Milliseconds, Clock::Rfc3339];
        Clock::NAMES.iter().position(|known| *known == name).map(|at| all[at])
    }
}

/// A piece of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(Box<str>),
    /// As it was written, to the byte.
    Timestamp,
    Id,
    Body,
    Method,
    /// Scheme, host, path and query, as the sender called us.
    Url,
    /// Path and query.
    Path,
    /// Twilio: names and values of a form, sorted, one after another; nothing of other bodies.
    SortedForm,
}

impl Part {
    /// What operators write in their templates.
    const WORDS: [(&'static str, Part); 6] = [
        ("timestamp", Part::Timestamp),
        ("id", Part::Id),
        ("body", Part::Body),
        ("method", Part::Method),
        ("url", Part::Url),
        ("path", Part::Path),
    ];

    /// `{timestamp}.{body}`, taken apart; and the words in braces that are none.
    pub fn template(text: &str) -> (Vec<Part>, Vec<&str>) {
        let (mut parts, mut unknown, mut rest) = (Vec::new(), Vec::new(), text);
        while let Some((text, behind)) = rest.split_once('{') {
            if !text.is_empty() {
                parts.push(Part::Text(text.into()));
            }
            // One that nothing closes opens no word.
            let (word, behind) = behind.split_once('}').unwrap_or(("", ""));
            match Part::WORDS.into_iter().find(|(known, _)| *known == word) {
                Some((_, part)) => parts.push(part),
                None => unknown.push(word),
            }
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        (parts, unknown)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    Ed25519,
}

impl Algorithm {
    pub const NAMES: &'static [&'static str] = &["hmac-sha1", "hmac-sha256", "hmac-sha512", "ed25519"];

    pub fn named(name: &str) -> Option<Algorithm> {
        use Algorithm::{Ed25519, HmacSha1, HmacSha256, HmacSha512};
        let all = [HmacSha1, HmacSha256, HmacSha512, Ed25519];
        Algorithm::NAMES.iter().position(|known| *known == name).map(|at| all[at])
    }
}

impl Scheme {
    /// H4: whether a delivery can be told by its id: nothing of any length runs into it, so that a part of the one could not
    /// be sent again as a part of the other.
    pub fn identifies(&self) -> bool {
        self.signed.contains(&Part::Id)
            && !self.signed.windows(2).any(|two| {
                matches!(two, [Part::Id, Part::Body | Part::Id] | [Part::Body | Part::Url | Part::Path, Part::Id])
            })
    }

    /// H4: whether two deliveries with the same body are signed differently: they have an id, or a time.
    pub fn is_unique(&self) -> bool {
        [Part::Id, Part::Timestamp].iter().any(|part| self.signed.contains(part))
    }

    pub const NAMES: &'static [&'static str] =
        &["standard", "svix", "github", "stripe", "slack", "shopify", "twilio", "custom"];

    /// A known scheme by its name; none of `custom`, which everybody writes himself.
    pub fn known(name: &str) -> Option<Scheme> {
        use Part::{Body, Id, SortedForm, Timestamp, Url};
        let header = HeaderName::from_static;
        let text = |t: &str| Part::Text(t.into());
        let hmac = |name, field, form, signed, encoding| Scheme {
            name,
            header: header(field),
            form,
            timestamp: None,
            id: None,
            signed,
            algorithm: Algorithm::HmacSha256,
            encoding,
        };
        let prefixed = |prefix: &str| Form::Prefixed(prefix.into());
        let seconds_in = |field| Some((TimestampPlace::Header(header(field)), Clock::Seconds));
        Some(match name {
            "standard" => Scheme {
                timestamp: seconds_in("webhook-timestamp"),
                id: Some(header("webhook-id")),
                ..hmac(
                    "standard",
                    "webhook-signature",
                    Form::Versions,
                    vec![Id, text("."), Timestamp, text("."), Body],
                    Encoding::Base64,
                )
            },
            // The same, by the names that its fields had before it was a standard.
            "svix" => Scheme {
                name: "svix",
                header: header("svix-signature"),
                timestamp: seconds_in("svix-timestamp"),
                id: Some(header("svix-id")),
                ..Scheme::known("standard")?
            },
            "github" => hmac("github", "x-hub-signature-256", prefixed("sha256="), vec![Body], Encoding::Hex),
            "stripe" => Scheme {
                timestamp: Some((TimestampPlace::Pair, Clock::Seconds)),
                ..hmac(
                    "stripe",
                    "stripe-signature",
                    Form::Pairs { timestamp: "t", signature: "v1" },
                    vec![Timestamp, text("."), Body],
                    Encoding::Hex,
                )
            },
            "slack" => Scheme {
                timestamp: seconds_in("x-slack-request-timestamp"),
                ..hmac(
                    "slack",
                    "x-slack-signature",
                    prefixed("v0="),
                    vec![text("v0:"), Timestamp, text(":"), Body],
                    Encoding::Hex,
                )
            },
            "shopify" => hmac("shopify", "x-shopify-hmac-sha256", prefixed(""), vec![Body], Encoding::Base64),
            "twilio" => Scheme {
                algorithm: Algorithm::HmacSha1,
                ..hmac("twilio", "x-twilio-signature", prefixed(""), vec![Url, SortedForm], Encoding::Base64)
            },
            _ => return None,
        })
    }
}
