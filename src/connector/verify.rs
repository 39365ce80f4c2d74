//! C8: how a secret is tried, and what the provider's replies mean. They are judged in `verdict`; `egress/verify.rs`
//! sends the call.

use super::Header;
use http::{HeaderName, Method};

/// A cheap call that changes nothing. As part of a connector its texts may hold `{field}`; as part of an
/// [`Outfit`](super::Outfit) they are filled.
#[derive(Debug, Clone)]
pub struct Verify {
    pub method: Method,
    /// Behind the base URL (and the injected path), with its query.
    pub path: String,
    pub headers: Vec<Header>,
    pub body: Option<String>,
    /// In their order; the first that fits counts.
    pub rules: Vec<Rule>,
}

/// What a reply means that fits all of it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// First and last of each range.
    pub status: Vec<(u16, u16)>,
    /// Words in the body, in any case, of which one is enough; empty if the body does not matter.
    pub contains: Vec<String>,
    /// Values of a JSON body as text, by their path with dots (`error.code`); all of them.
    pub json: Vec<(String, String)>,
    /// A header that the reply has.
    pub header: Option<HeaderName>,
    pub meaning: Meaning,
    /// That in a sentence.
    pub says: String,
    pub remedy: Option<String>,
}

/// What a reply says of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    Active,
    BadKey,
    /// The key is good, and may not do this.
    MissingScope,
    WrongRegion,
    /// The API, or the account, is not switched on.
    NotEnabled,
    ProviderDown,
    Inconclusive,
}

impl Meaning {
    pub const ALL: [Meaning; 7] = [
        Meaning::Active,
        Meaning::BadKey,
        Meaning::MissingScope,
        Meaning::WrongRegion,
        Meaning::NotEnabled,
        Meaning::ProviderDown,
        Meaning::Inconclusive,
    ];

    /// As files and replies write it.
    pub fn name(self) -> &'static str {
        match self {
            Meaning::Active => "active",
            Meaning::BadKey => "bad_key",
            Meaning::MissingScope => "missing_scope",
            Meaning::WrongRegion => "wrong_region",
            Meaning::NotEnabled => "not_enabled",
            Meaning::ProviderDown => "provider_down",
            Meaning::Inconclusive => "inconclusive",
        }
    }

    pub fn named(name: &str) -> Option<Meaning> {
        Meaning::ALL.into_iter().find(|m| m.name() == name)
    }
}
