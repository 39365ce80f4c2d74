//! Floor 2: connectors, templates for connections to known providers. Data, not code: what is known of a provider stands
//! in its file under `config/connectors/`; here are the nouns and what follows from them.

mod builtin;
mod look;
mod openapi;
mod outfit;
mod secret_url;
mod server;
mod verdict;
mod verify;

pub use builtin::BUILT_IN;
pub use look::{Look, Mark, Pattern};
pub use openapi::{ImportError, Imported, import};
pub use outfit::{Choice, Lack, Outfit, Values, placeholders};
pub use secret_url::{BadUrl, path_of};
pub use verdict::{Reply, State, Verdict};
pub use verify::{Meaning, Rule, Verify};

use crate::model::connection::InjectRule;
use http::HeaderName;
use regex_lite::Regex;
use std::sync::Arc;
use std::time::Duration;

/// The connector of a connection that says everything itself.
pub const CUSTOM: &str = "custom";

/// What connections to one provider have in common.
#[derive(Debug)]
pub struct Connector {
    pub name: Arc<str>,
    pub title: String,
    pub documentation: Option<String>,
    /// May hold `{field}`.
    pub base_url: Option<String>,
    /// Callers write the base URL's path themselves, or leave it out.
    pub base_path_once: bool,
    pub regions: Vec<Region>,
    pub fields: Vec<Field>,
    pub inject: Vec<InjectRule>,
    /// Other places where the provider's clients put a key: read there, and removed.
    pub client_slots: Vec<InjectRule>,
    pub headers: Vec<Header>,
    pub patience: Patience,
    pub secret: SecretForm,
    pub verify: Option<Verify>,
    /// The file that it was read from; `None` for those of the catalogue.
    pub file: Option<String>,
}

/// Another place of the same API.
#[derive(Debug)]
pub struct Region {
    pub name: String,
    pub title: Option<String>,
    /// May hold `{field}`.
    pub base_url: String,
    /// Where the secret goes there, if elsewhere.
    pub inject: Vec<InjectRule>,
    /// For trying out.
    pub sandbox: bool,
}

/// C7: something that connections say beside the secret.
#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub doc: String,
    /// Fits whole values.
    pub pattern: Regex,
    pub example: String,
    pub required: bool,
    /// May hold the names of fields before it.
    pub default: Option<String>,
}

/// A header, its value still with `{field}`.
#[derive(Debug, Clone)]
pub struct Header {
    pub name: HeaderName,
    pub value: String,
    /// Replaces the caller's own.
    pub always: bool,
}

/// How long a provider may take, where that is not the usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience {
    /// From the request to the head of the reply.
    pub head: Option<Duration>,
    /// Without a byte of the reply's body.
    pub idle: Option<Duration>,
}

/// What the provider's secrets look like.
#[derive(Debug, Default)]
pub struct SecretForm {
    pub doc: Option<String>,
    /// The secret is a whole URL, whose path is where calls go.
    pub is_url: bool,
    /// In their order; the first that fits counts.
    pub patterns: Vec<Pattern>,
}

impl Connector {
    pub fn region(&self, name: &str) -> Option<&Region> {
        self.regions.iter().find(|r| r.name == name)
    }

    /// Whether the provider keeps test data in places of its own.
    pub fn has_sandbox(&self) -> bool {
        self.regions.iter().any(|r| r.sandbox)
    }
}
