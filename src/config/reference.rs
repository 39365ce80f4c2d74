//! What stands in the file in place of a secret, or of a key's token.
//!
//! No message repeats any of it: whoever confuses the forms has written the secret itself.

use std::{fmt, path::Path};

use crate::model::token::Digest;

use super::{
    mistake::nearest,
    scalar::{self, Wrong},
};

const REMEDY: &str = "env:NAME or file:PATH";

/// What the configuration writes in place of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `env:NAME`
    Env(&'a str),
    /// `file:PATH`, relative to the configuration file's directory.
    File(&'a Path),
    /// The secret itself, which works and is warned about.
    Literal(&'a str),
}

impl<'a> Reference<'a> {
    /// Reads a reference. What resembles one without being one is refused: as a literal, `evn:TOKEN` would be a secret
    /// that everybody can guess.
    pub fn parse(text: &'a str) -> Result<Reference<'a>, Wrong> {
        if let Some(name) = text.strip_prefix("env:") {
            return variable_name(name).map(Reference::Env);
        }
        if let Some(file) = text.strip_prefix("file:") {
            let wrong = |_| Wrong::new("not the path of a file", "file:PATH, such as file:/run/secrets/stripe");
            return scalar::path(file).map(Reference::File).map_err(wrong);
        }
        if text.starts_with("vault:") {
            return Err(Wrong::new("not available in this version: secrets from Vault", REMEDY));
        }
        if let Some((scheme, _)) = text.split_once(':')
            && nearest(scheme, ["env", "file", "vault", "blake3", "sha256", "literal"]).is_some()
        {
            return Err(Wrong::new("neither a reference nor, by its looks, a secret", REMEDY));
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Wrong::new("empty, or with control characters in it", REMEDY));
        }
        Ok(Reference::Literal(text))
    }
}

/// As it may be shown: the place, never the secret.
impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Env(name) => write!(f, "env:{name}"),
            Reference::File(path) => write!(f, "file:{}", path.display()),
            Reference::Literal(_) => f.write_str("<literal secret>"),
        }
    }
}

impl fmt::Debug for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a key's slot holds: a token's digest, or a reference to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'a> {
    /// `blake3:` and 64 hexadecimal digits. Not secret.
    Digest(Digest),
    /// Where the token (or its digest) stands.
    Reference(Reference<'a>),
}

impl<'a> Slot<'a> {
    /// Reads a slot. Tokens of other systems are accepted from 20 printable characters on.
    pub fn parse(text: &'a str) -> Result<Slot<'a>, Wrong> {
        if text.starts_with("blake3:") {
            return scalar::digest(text).map(Slot::Digest);
        }
        let reference = Reference::parse(text)?;
        let printable = |token: &str| token.bytes().all(|b| b.is_ascii_graphic());
        match reference {
            Reference::Literal(token) if !(20..=512).contains(&token.len()) || !printable(token) => {
                let remedy = "blake3:DIGEST, env:NAME, file:PATH, or 20 to 512 printable characters";
                Err(Wrong::new("not a digest, a reference or a token", remedy))
            }
            reference => Ok(Slot::Reference(reference)),
        }
    }
}

/// The name is not repeated when it is refused: it may be the secret, written behind the wrong prefix.
fn variable_name(name: &str) -> Result<&str, Wrong> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if begins && name.len() <= 256 && name.bytes().all(plain) {
        return Ok(name);
    }
    Err(Wrong::new("not the name of an environment variable", "env:NAME, such as env:STRIPE_KEY"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_say_where_never_what() {
        assert_eq!(Reference::parse("env:STRIPE_KEY"), Ok(Reference::Env("STRIPE_KEY")));
        assert_eq!(Reference::parse("file:a/b").unwrap().to_string(), "file:a/b");
        let literal = Reference::parse("sk_live_123").unwrap();
        assert_eq!(format!("{literal} {literal:?}"), "<literal secret> <literal secret>");
    }

    #[test]
    fn what_resembles_a_reference_is_no_secret() {
        for bad in ["evn:TOKEN", "File:/run/x", "env:", "env:A B", "file:", "vault:kv/a#b", "", "a\nb", "sha256:00ff"] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        let vault = Reference::parse("vault:kv/a#b").unwrap_err();
        assert_eq!(vault.reason, "not available in this version: secrets from Vault");
        // A secret with a colon in it, such as a pair of user and password, stays one.
        assert!(Reference::parse("apikey:s3cr3t").is_ok());
    }

    #[test]
    fn slots_take_digests_references_and_tokens() {
        let digest = format!("blake3:{}", "ab".repeat(32));
        assert_eq!(Slot::parse(&digest), Ok(Slot::Digest(Digest([0xab; 32]))));
        assert!(Slot::parse("env:TOKEN").is_ok() && Slot::parse(&"x".repeat(20)).is_ok());
        for bad in ["blake3:6f0c", "short", "with space in the middle of it"] {
            let wrong = Slot::parse(bad).unwrap_err();
            assert!(!wrong.reason.contains(bad), "{bad}");
        }
    }
}
