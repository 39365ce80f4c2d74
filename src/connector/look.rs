//! C9: what a secret looks like. Nothing here keeps or tells any part of it.

use super::SecretForm;
use regex_lite::Regex;

/// A form in which a provider's secrets come.
#[derive(Debug)]
pub struct Pattern {
    pub name: String,
    /// Fits whole secrets; of a secret URL its path.
    pub regex: Regex,
    pub mark: Option<Mark>,
    /// What is called to verify such a secret, if not what the others call.
    pub verify_path: Option<String>,
}

/// What a secret is marked for, by its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Live,
    Test,
}

/// What a secret looks like to its connector.
#[derive(Debug, Clone, Copy)]
pub enum Look<'a> {
    /// Like this one of the provider's forms.
    Known(&'a Pattern),
    /// Like none of them.
    Strange,
    /// The connector knows no forms.
    Untold,
}

impl SecretForm {
    /// The look of a secret; of a secret URL's path.
    pub fn look_of(&self, secret: &[u8]) -> Look<'_> {
        if self.patterns.is_empty() {
            return Look::Untold;
        }
        let text = std::str::from_utf8(secret).unwrap_or_default();
        self.patterns.iter().find(|p| p.regex.is_match(text)).map_or(Look::Strange, Look::Known)
    }
}

impl Look<'_> {
    pub fn mark(self) -> Option<Mark> {
        match self {
            Look::Known(pattern) => pattern.mark,
            Look::Strange | Look::Untold => None,
        }
    }
}
