//! What a sender signs with. It makes and judges signatures, and is never read back.

use super::scheme::{Algorithm, Scheme, SecretEncoding};
use aws_lc_rs::{hmac, signature};
use std::fmt;
use zeroize::Zeroizing;

/// A key, made ready: of an HMAC, or the public one of Ed25519.
pub enum SigningKey {
    Hmac(Box<hmac::Key>),
    Ed25519([u8; 32]),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// `None`: no key of this algorithm; an HMAC takes any bytes but none at all.
    pub fn new(algorithm: Algorithm, bytes: &Zeroizing<Vec<u8>>) -> Option<SigningKey> {
        let digest = match algorithm {
            Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
            Algorithm::HmacSha512 => hmac::HMAC_SHA512,
            Algorithm::Ed25519 => return bytes[..].try_into().ok().map(SigningKey::Ed25519),
        };
        (!bytes.is_empty()).then(|| SigningKey::Hmac(Box::new(hmac::Key::new(digest, bytes))))
    }

    /// Of a secret as its sender shows it. Errors say what is wrong, without any part of it.
    pub fn of(scheme: &Scheme, written: &Zeroizing<Vec<u8>>, _how: SecretEncoding) -> Result<SigningKey, &'static str> {
        SigningKey::new(scheme.algorithm, written).ok_or("it is no key of this scheme")
    }

    /// Whether `given` signs these pieces, one after another. The time it takes does not depend on how much of it is right.
    pub fn verifies(&self, pieces: &[&[u8]], given: &[u8]) -> bool {
        match self {
            SigningKey::Hmac(key) => {
                let made = tag(key, pieces);
                aws_lc_rs::constant_time::verify_slices_are_equal(made.as_ref(), given).is_ok()
            }
            SigningKey::Ed25519(public) => {
                let message = pieces.concat();
                signature::UnparsedPublicKey::new(&signature::ED25519, public).verify(&message, given).is_ok()
            }
        }
    }
}

/// The HMAC of these pieces, one after another.
fn tag(key: &hmac::Key, pieces: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    pieces.iter().for_each(|piece| context.update(piece));
    context.sign()
}
