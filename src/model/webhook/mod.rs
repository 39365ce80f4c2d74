//! H1–H6: what a workflow wants of those who deliver to it: how they sign, with what, and what is done besides.

mod encoding;
mod scheme;
mod signing_key;

pub use encoding::{Encoding, SecretEncoding, SignatureBytes};
pub use scheme::{Algorithm, Clock, Form, Part, Scheme, TimestampPlace};
pub use signing_key::{Judge, SigningKey};

use super::environment::EnvironmentId;
use super::token::Digest;
use super::uid::Uid;
use http::HeaderValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// `webhook`, checked.
#[derive(Debug)]
pub struct Webhook {
    pub require: Require,
    /// How senders sign; none only where a key alone is required.
    pub signature: Option<Signature>,
    /// H5: where a delivery runs; its URL cannot choose.
    pub environment: EnvironmentId,
    pub handshake: Option<Handshake>,
    /// H4; none: a delivery is forwarded however often it comes.
    pub replays: Option<Replays>,
    /// H6: `Webhook: <workflow>/<scheme>`, ready to send.
    pub username: HeaderValue,
}

/// What proves a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    Signature,
    Key,
    /// What is there must be right, and something must be there.
    Either,
    Both,
}

impl Require {
    /// In the order of their declaration.
    pub const NAMES: &'static [&'static str] = &["signature", "key", "either", "both"];

    pub fn named(name: &str) -> Option<Require> {
        let all = [Require::Signature, Require::Key, Require::Either, Require::Both];
        Require::NAMES.iter().position(|known| *known == name).map(|at| all[at])
    }

    pub fn name(self) -> &'static str {
        Require::NAMES[self as usize]
    }

    /// Whether keys are looked for at all. Where they are not, their places are payload.
    pub fn takes_keys(self) -> bool {
        self != Require::Signature
    }

    /// Whether signatures are looked for at all.
    pub fn takes_signatures(self) -> bool {
        self != Require::Key
    }
}

/// How senders sign.
#[derive(Debug)]
pub struct Signature {
    pub scheme: Scheme,
    /// All of them are valid: one is enough.
    pub secrets: Vec<SigningSecret>,
    /// How far the sender's clock may be from ours, either way; none: nothing says when it was signed, or nobody asks.
    pub tolerance: Option<Duration>,
    /// What senders call us by, where the URL is signed and a proxy in front changes it: `https://hooks.example.com`.
    pub public_url: Option<Box<str>>,
}

/// One of the secrets that senders sign with.
#[derive(Debug)]
pub struct SigningSecret {
    /// Of this secret of this workflow, lasting: what its use is kept by.
    pub uid: Uid,
    /// What people know it by: `env:STRIPE_WEBHOOK_SECRET`, or its number in the store. Never the secret.
    pub label: Box<str>,
    pub key: SigningKey,
    /// Lives through reloads.
    pub used: Arc<LastUsed>,
}

impl SigningSecret {
    pub fn new(workflow: Uid, label: &str, key: SigningKey) -> SigningSecret {
        SigningSecret { uid: SigningSecret::uid_of(workflow, label), label: label.into(), key, used: Arc::default() }
    }

    /// What the use of this secret of this workflow is kept by.
    pub fn uid_of(workflow: Uid, label: &str) -> Uid {
        Uid::declared("webhook secret", &format!("{workflow}/{label}"))
    }
}

/// When something was last used: Unix milliseconds, to the second, so that busy cores do not fight for it.
#[derive(Debug, Default)]
pub struct LastUsed(AtomicI64);

impl LastUsed {
    pub fn at(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    pub fn touch(&self, now: i64) {
        let second = now - now.rem_euclid(1000);
        if self.0.load(Ordering::Relaxed) < second {
            self.0.fetch_max(second, Ordering::Relaxed);
        }
    }
}

/// H6: what senders want to hear before they deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    /// A signed `POST` of `{"type": "url_verification", "challenge": "…"}`: its challenge.
    Slack,
    /// `GET ?hub.mode=subscribe&hub.verify_token=…&hub.challenge=…`: its challenge, if it knows the token.
    Meta { verify_token: Digest },
    /// `GET ?challenge=…`: its challenge.
    Dropbox,
    /// `POST ?validationToken=…`: the token.
    Microsoft,
}

impl Handshake {
    pub const NAMES: &'static [&'static str] = &["slack", "meta", "dropbox", "microsoft"];
}

/// What the gateway itself says to a sender, with 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnAnswer {
    /// H4: it was delivered before.
    Replayed,
    /// H6: what the sender wanted to hear.
    Handshake,
}

impl OwnAnswer {
    /// In the order of their declaration, so that `answer as usize` is an index.
    pub const ALL: [OwnAnswer; 2] = [OwnAnswer::Replayed, OwnAnswer::Handshake];

    /// Name in the access log and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            OwnAnswer::Replayed => "replayed",
            OwnAnswer::Handshake => "handshake",
        }
    }
}

/// H4: what becomes of deliveries that come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replays {
    /// How long a delivery is remembered.
    pub remember: Duration,
    /// Whether the sender is told 200 for one that was delivered before, or 409.
    pub answer: ReplayAnswer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayAnswer {
    /// 200 with `X-Keystile-Replayed`: for senders that try again until they hear it.
    Ok,
    /// 409 `replayed`.
    Conflict,
}
