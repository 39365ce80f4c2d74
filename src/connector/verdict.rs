//! C8: what came of trying a secret. Pure. Nothing that the provider said is repeated, since it may have said the secret:
//! all words are ours or the connector's.

use super::{Meaning, Rule, Verify};
use crate::model::Denial;
use crate::model::Fields;
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use serde_json::Value;

/// What a verification says of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    /// The provider says no, or is down.
    Error,
    /// Nobody knows.
    Inconclusive,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Error => "error",
            State::Inconclusive => "inconclusive",
        }
    }
}

impl Meaning {
    pub fn state(self) -> State {
        match self {
            Meaning::Active => State::Active,
            Meaning::Inconclusive => State::Inconclusive,
            Meaning::BadKey
            | Meaning::MissingScope
            | Meaning::WrongRegion
            | Meaning::NotEnabled
            | Meaning::ProviderDown => State::Error,
        }
    }
}

/// A state, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub state: State,
    /// One word for the reason: a [`Meaning`]'s, `needs_secret`, or `unreachable`.
    pub meaning: &'static str,
    /// What the provider answered with, if it did.
    pub status: Option<StatusCode>,
    /// The code of what kept the call from being answered.
    pub code: Option<&'static str>,
    pub says: String,
    pub remedy: Option<String>,
}

/// A provider's reply, as far as it was read.
#[derive(Debug)]
pub struct Reply<'a> {
    pub status: StatusCode,
    pub headers: &'a Fields,
    pub body: &'a [u8],
    /// The body is all there.
    pub whole: bool,
}

impl Verdict {
    /// The provider does not take the secret, whatever it is used for. One that may not do what was tried may be just what
    /// is wanted: restricted keys are.
    pub fn is_clear_no(&self) -> bool {
        [Meaning::BadKey, Meaning::WrongRegion].iter().any(|meaning| meaning.name() == self.meaning)
    }

    /// What the reply to `verify` says: the first rule that fits, else what HTTP itself means by its status.
    pub fn of_reply(verify: &Verify, reply: &Reply<'_>) -> Verdict {
        let body = Body::of(reply);
        for rule in &verify.rules {
            match rule.fits(reply, &body) {
                Fit::Yes => return rule.verdict(reply.status),
                Fit::No => {}
                // A later rule would judge by the status alone what this one tells by the body.
                Fit::Unknown => return half_read(reply.status),
            }
        }
        unruled(reply.status, verify.rules.is_empty())
    }

    /// There was no reply. That says nothing of the secret, whatever the cause.
    pub fn unreachable(denial: &Denial) -> Verdict {
        let (what, remedy) = match denial {
            Denial::DestinationNotAllowed { .. } => (
                "the gateway does not call such an address",
                "if the provider is meant to be there, name its network in the connection's allow_networks",
            ),
            Denial::UpstreamTls { .. } => (
                "the provider does not prove who it is",
                "check base_url and the gateway's clock; an authority of your own goes into the connection's tls.ca",
            ),
            Denial::UpstreamProtocol { .. } => (
                "what answers is no HTTP that can be read",
                "check that base_url is an HTTP service, and the connection's http",
            ),
            Denial::UpstreamConnectTimeout { .. } | Denial::UpstreamTimeout { .. } => (
                "the provider does not answer in time",
                "try again later; check base_url, and that the gateway may call out (DNS, firewall)",
            ),
            _ => (
                "the provider cannot be reached",
                "try again later; check base_url, and that the gateway may call out (DNS, firewall)",
            ),
        };
        let cause = denial.cause().map(|cause| format!(" ({cause})")).unwrap_or_default();
        Verdict {
            state: State::Inconclusive,
            meaning: "unreachable",
            status: None,
            code: Some(denial.code()),
            says: format!("Nothing is known of the secret: {what}{cause}."),
            remedy: Some(sentence(remedy)),
        }
    }

    /// The connection wants a secret and has none: nothing was called.
    pub fn needs_secret() -> Verdict {
        let remedy = "Add to the connection: secret: env:NAME or file:PATH.";
        plain(State::Error, "needs_secret", "There is no secret, so every call is refused.", remedy)
    }

    /// Nobody has said how: nothing was called.
    pub fn no_way() -> Verdict {
        let says = "No way to verify is known; nothing was called.";
        let remedy = "Write a connector with `verify` for it (`keystile connectors show stripe --source` is an example), \
                      or make a call through the gateway.";
        plain(State::Inconclusive, Meaning::Inconclusive.name(), says, remedy)
    }
}

fn plain(state: State, meaning: &'static str, says: &str, remedy: &str) -> Verdict {
    Verdict { state, meaning, status: None, code: None, says: says.to_owned(), remedy: Some(remedy.to_owned()) }
}

fn meant(meaning: Meaning, status: StatusCode, says: &str, remedy: Option<&str>) -> Verdict {
    Verdict {
        state: meaning.state(),
        meaning: meaning.name(),
        status: Some(status),
        code: None,
        says: says.to_owned(),
        remedy: remedy.map(str::to_owned),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn half_read(status: StatusCode) -> Verdict {
    let says = "The reply could not be read to its end, so nothing is known of the secret.";
    meant(Meaning::Inconclusive, status, says, Some("Try again."))
}

/// What no rule of the connector's covers. `alone`: there are none, so HTTP's own meanings count; where there are some,
/// a bare 401 or 200 is not what this provider says, so perhaps it is not the provider.
fn unruled(status: StatusCode, alone: bool) -> Verdict {
    let (meaning, says, remedy) = match status.as_u16() {
        300..=399 => (
            Meaning::Inconclusive,
            "The answer is a redirect, which is not followed: the secret goes nowhere else.",
            "Correct base_url, region or fields to where the API is.",
        ),
        429 => (
            Meaning::Inconclusive,
            "The provider's rate limit is used up, so nothing is known of the secret.",
            "Try again later.",
        ),
        500..=599 => (
            Meaning::ProviderDown,
            "The provider fails, so nothing is known of the secret.",
            "Try again later, and look at the provider's status page.",
        ),
        200..=299 if alone => return meant(Meaning::Active, status, "The provider accepts the secret.", None),
        401 if alone => (Meaning::BadKey, "The provider does not accept the secret.", "Make another one there."),
        403 if alone => (
            Meaning::MissingScope,
            "The provider refuses this call: the secret may not do it.",
            "Look at what the secret may do.",
        ),
        _ => (
            Meaning::Inconclusive,
            "This answer of the provider's is not known, so nothing is known of the secret.",
            "Check that base_url, region and fields lead to the provider's API.",
        ),
    };
    meant(meaning, status, says, Some(remedy))
}

/// A body, read as text and as JSON once for all rules.
struct Body {
    folded: Vec<u8>,
    json: Option<Value>,
    whole: bool,
}

impl Body {
    fn of(reply: &Reply<'_>) -> Body {
        // It was asked for as it is; what is encoded nevertheless cannot be read.
        let encoding = reply.headers.get(CONTENT_ENCODING).map(|e| e.as_bytes().to_ascii_lowercase());
        let plain = encoding.is_none_or(|e| e == b"identity" || e.is_empty());
        let text = if plain { reply.body } else { b"" };
        Body { folded: text.to_ascii_lowercase(), json: serde_json::from_slice(text).ok(), whole: reply.whole && plain }
    }

    fn holds(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        memchr::memmem::find(&self.folded, word.as_bytes()).is_some()
    }

    /// The value at `a.b.0`, as text.
    fn at(&self, path: &str) -> Option<String> {
        let found = path.split('.').try_fold(self.json.as_ref()?, |value, name| match value {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            _ => value.get(name),
        })?;
        match found {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(found.to_string()),
            _ => None,
        }
    }
}

enum Fit {
    Yes,
    No,
    /// What of the body was read does not tell.
    Unknown,
}

impl Rule {
    fn fits(&self, reply: &Reply<'_>, body: &Body) -> Fit {
        let status = reply.status.as_u16();
        let head = self.status.iter().any(|(first, last)| (*first..=*last).contains(&status))
            && self.header.as_ref().is_none_or(|name| reply.headers.contains_key(name));
        if !head {
            return Fit::No;
        }
        let said = (self.contains.is_empty() || self.contains.iter().any(|word| body.holds(word)))
            && self.json.iter().all(|(path, value)| body.at(path).as_ref() == Some(value));
        match (said, body.whole) {
            (true, _) => Fit::Yes,
            (false, true) => Fit::No,
            (false, false) => Fit::Unknown,
        }
    }

    fn verdict(&self, status: StatusCode) -> Verdict {
        meant(self.meaning, status, &self.says, self.remedy.as_deref())
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
