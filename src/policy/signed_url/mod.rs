//! H7: URLs that carry their own permission: whose it is, what it is for, until when.
//!
//! A URL is signed by a slot of a key, with what only this gateway can derive from its master key and that slot's token:
//! digests of tokens stand in configuration files, and must not suffice. The digest by which the slot is found does not
//! stand in the URL either: it is masked with what follows from the signature, so it is found as fast as a token is, and
//! two URLs of one slot have nothing in common.

mod issue;
#[cfg(test)]
mod tests;

pub use issue::{Issued, Notice, Order, Unissued, issue};

use super::environment::Asked;
use super::query::{self, Pair};
use crate::model::routes::Found;
use crate::model::template::Template;
use crate::model::{Denial, Digest, Snapshot, Uid, UrlKey, Workflow};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt::Write as _;

const ID: &str = "auth-id";
const EXPIRY: &str = "auth-exp";
/// The one without which the other two are somebody else's parameters.
const SIGNATURE: &str = "auth-sig";

/// What a URL says of itself, not yet believed. Not printable: whoever has it may call.
#[derive(Clone, Copy)]
pub struct SignedUrl {
    /// The slot's digest, masked.
    id: [u8; 32],
    /// Unix seconds.
    expires_at: i64,
    signature: [u8; 32],
}

impl std::fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedUrl").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A URL that somebody showed, or what of it cannot be read.
pub type Reading = Result<SignedUrl, &'static str>;

impl SignedUrl {
    /// What the query says, if it has a signature; names count in any case, and percent-encoded. The only error is
    /// `credential_repeated`: what is incomplete is a credential all the same, and a wrong one.
    pub fn read(query: &str) -> Result<Option<Reading>, Denial> {
        if !query::pairs(query).any(|pair| pair.is_in_any_case(SIGNATURE)) {
            return Ok(None);
        }
        let [id, expires_at, signature] = [one(query, ID)?, one(query, EXPIRY)?, one(query, SIGNATURE)?];
        let bytes = |pair: Option<Pair<'_>>| {
            let value = pair?.decoded_value();
            URL_SAFE_NO_PAD.decode(&*value).ok()?.try_into().ok()
        };
        Ok(Some(match (bytes(id), expires_at.and_then(seconds), bytes(signature)) {
            (Some(id), Some(expires_at), Some(signature)) => Ok(SignedUrl { id, expires_at, signature }),
            (None, ..) => Err("auth-id is missing, or is no 32 bytes in base64url"),
            (_, None, _) => Err("auth-exp is missing, or is no number of seconds"),
            (_, _, None) => Err("auth-sig is no 32 bytes in base64url"),
        }))
    }

    /// Unix milliseconds.
    pub fn expires_at(&self) -> i64 {
        self.expires_at.saturating_mul(1000)
    }

    /// Signs: `token` is the slot's, of the key with the id `whose`; good until `expires_at`, in Unix seconds.
    pub fn sign(key: &UrlKey, whose: Uid, token: &Digest, target: &Target<'_>, expires_at: i64) -> SignedUrl {
        let tag = hmac::sign(&signing_key(key, whose, token), &target.signed(expires_at));
        let mut signature = [0; 32];
        signature.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        SignedUrl { id: masked(key, &token.0, &signature), expires_at, signature }
    }

    /// The digest of the slot's token that this URL claims to come from.
    pub(super) fn token(&self, key: &UrlKey) -> Digest {
        Digest(masked(key, &self.id, &self.signature))
    }

    /// Whether that slot, of the key with the id `whose`, signed it for `target`. Takes as long wherever they differ, and
    /// where there is no such target.
    pub(super) fn is_signed(&self, key: &UrlKey, whose: Uid, token: &Digest, target: Option<&Target<'_>>) -> bool {
        let signed = target.unwrap_or(&Target::NOTHING).signed(self.expires_at);
        hmac::verify(&signing_key(key, whose, token), &signed, &self.signature).is_ok() && target.is_some()
    }

    /// The three parameters, as they stand in the query.
    pub fn pairs(&self) -> String {
        let text = |bytes: &[u8; 32]| URL_SAFE_NO_PAD.encode(bytes);
        format!("{ID}={}&{EXPIRY}={}&{SIGNATURE}={}", text(&self.id), self.expires_at, text(&self.signature))
    }
}

/// The parameters of a signed URL, which no listener can use for anything else.
pub const PARAMETERS: [&str; 3] = [ID, EXPIRY, SIGNATURE];

/// K5: whether this pair is one of a signed URL's, in any spelling.
pub fn is_part(pair: &Pair<'_>) -> bool {
    PARAMETERS.iter().any(|name| pair.is_in_any_case(name))
}

/// K5: whether the query has what goes: where URLs are looked for, whatever has the name of a signature; elsewhere, where it
/// may be the upstream's own, what can be read as one of ours.
pub fn stands_in(query: &str, is_looked_for: bool) -> bool {
    match is_looked_for {
        true => query::pairs(query).any(|pair| pair.is_in_any_case(SIGNATURE)),
        false => matches!(SignedUrl::read(query), Ok(Some(Ok(_))) | Err(_)),
    }
}

/// The only pair of this name.
fn one<'q>(query: &'q str, name: &str) -> Result<Option<Pair<'q>>, Denial> {
    let mut found = query::pairs(query).filter(|pair| pair.is_in_any_case(name));
    match (found.next(), found.next()) {
        (pair, None) => Ok(pair),
        (_, Some(_)) => Err(Denial::CredentialRepeated),
    }
}

/// Unix seconds in the one way in which they are written here.
fn seconds(pair: Pair<'_>) -> Option<i64> {
    let value = pair.decoded_value();
    let digits = std::str::from_utf8(&value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    if digits.starts_with('0') { None } else { digits.parse().ok() }
}

fn signing_key(key: &UrlKey, whose: Uid, token: &Digest) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &key.of_slot(&whose.0, &token.0)[..])
}

fn masked(key: &UrlKey, bytes: &[u8; 32], signature: &[u8; 32]) -> [u8; 32] {
    let mask = key.mask(signature);
    std::array::from_fn(|at| bytes[at] ^ mask[at])
}

/// What a URL is signed for. Values of placeholders, and the rest of the query, are not part of it.
pub struct Target<'s> {
    /// None: there is nothing there.
    template: Option<&'s Template>,
    workflow: Uid,
    environment: Uid,
}

impl<'s> Target<'s> {
    const NOTHING: Target<'static> = Target { template: None, workflow: Uid([0; 16]), environment: Uid([0; 16]) };

    /// None: without a template it cannot be reached.
    pub fn new(workflow: &'s Workflow, environment: Uid) -> Option<Target<'s>> {
        Some(Target { template: Some(workflow.template.as_ref()?), workflow: workflow.uid, environment })
    }

    /// What a request is for, as far as it leads anywhere.
    pub(super) fn of(snapshot: &'s Snapshot, route: &Found, asked: &Asked<'_>) -> Option<Target<'s>> {
        let environment = match asked {
            Asked::Nothing => snapshot.default_environment,
            Asked::Named(name) => snapshot.environment_named(std::str::from_utf8(name).ok()?)?,
            Asked::Repeated => return None,
        };
        Target::new(snapshot.workflow(route.workflow()?), snapshot.environment(environment).uid)
    }

    /// The only part that may hold blanks comes last, so no two targets are written alike.
    fn signed(&self, expires_at: i64) -> Vec<u8> {
        let mut out = String::with_capacity(160);
        let _ = write!(out, "keystile-url-1 {} {} {expires_at} ", self.workflow, self.environment);
        if let Some(template) = self.template {
            let _ = write!(out, "{template}");
        }
        out.into_bytes()
    }
}
