//! What a sender signs with. It makes and judges signatures, and is never read back.

use super::encoding::SecretEncoding;
use super::scheme::{Algorithm, Form, Scheme};
use aws_lc_rs::{constant_time, hmac, signature};
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

/// What Standard Webhooks writes before a secret, and before a public key.
const SECRET: &[u8] = b"whsec_";
const PUBLIC_KEY: &[u8] = b"whpk_";

impl SigningKey {
    /// The key of `scheme` that is `written` so. Errors say what is wrong, and nothing of the secret.
    pub fn of(scheme: &Scheme, written: &[u8], encoding: SecretEncoding) -> Result<SigningKey, &'static str> {
        if written.is_empty() {
            return Err("it is empty");
        }
        match scheme.form {
            Form::Versions => Self::standard(scheme.algorithm, written),
            _ => Self::new(scheme.algorithm, &encoding.decode(written)?),
        }
    }

    /// Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes, or `whpk_` and base64 of an Ed25519 public key.
    fn standard(algorithm: Algorithm, written: &[u8]) -> Result<SigningKey, &'static str> {
        if written.starts_with(b"whsk_") {
            return Err("it is a private key, which signs; give the public one, which begins with whpk_");
        }
        if let Some(public) = written.strip_prefix(PUBLIC_KEY) {
            return Self::new(Algorithm::Ed25519, &SecretEncoding::Base64.decode(public)?);
        }
        let bytes = SecretEncoding::Base64.decode(written.strip_prefix(SECRET).unwrap_or(written))?;
        match bytes.len() {
            24..=64 => Self::new(algorithm, &bytes),
            _ => Err("it is not of 24 to 64 bytes in base64, as Standard Webhooks' secrets are"),
        }
    }

    /// An HMAC takes any bytes, but none at all.
    pub fn new(algorithm: Algorithm, bytes: &Zeroizing<Vec<u8>>) -> Result<SigningKey, &'static str> {
        let digest = match algorithm {
            Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
            Algorithm::HmacSha512 => hmac::HMAC_SHA512,
            Algorithm::Ed25519 => {
                let public = bytes[..].try_into();
                return public
                    .map(SigningKey::Ed25519)
                    .map_err(|_| "it is no Ed25519 public key, which has 32 bytes in hex or base64");
            }
        };
        match bytes.is_empty() {
            true => Err("it is empty"),
            false => Ok(SigningKey::Hmac(Box::new(hmac::Key::new(digest, bytes)))),
        }
    }

    /// Whether it judges HMACs; else it judges Ed25519's signatures.
    pub fn is_hmac(&self) -> bool {
        matches!(self, SigningKey::Hmac(_))
    }

    /// What is at hand to judge signatures of these pieces, one after another, by.
    pub fn judge(&self, pieces: &[&[u8]]) -> Judge<'_> {
        match self {
            SigningKey::Hmac(key) => Judge::Hmac(tag(key, pieces)),
            SigningKey::Ed25519(public) => Judge::Ed25519(public, pieces.concat()),
        }
    }
}

/// Judges signatures of one message by one key; however many there are, an HMAC is made once.
pub enum Judge<'k> {
    Hmac(hmac::Tag),
    Ed25519(&'k [u8; 32], Vec<u8>),
}

impl Judge<'_> {
    /// Whether `given` is right. The time it takes does not depend on how much of it is.
    pub fn accepts(&self, given: &[u8]) -> bool {
        match self {
            Judge::Hmac(made) => constant_time::verify_slices_are_equal(made.as_ref(), given).is_ok(),
            Judge::Ed25519(public, message) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, public).verify(message, given).is_ok()
            }
        }
    }

    /// The HMAC that a sender with this secret would have sent.
    pub fn made(&self) -> Option<&[u8]> {
        match self {
            Judge::Hmac(made) => Some(made.as_ref()),
            Judge::Ed25519(..) => None,
        }
    }
}

/// The HMAC of these pieces, one after another.
fn tag(key: &hmac::Key, pieces: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    pieces.iter().for_each(|piece| context.update(piece));
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scheme: &str, written: &str) -> Result<SigningKey, &'static str> {
        SigningKey::of(&Scheme::known(scheme).unwrap(), written.as_bytes(), SecretEncoding::Text)
    }

    fn is_hmac(key: Result<SigningKey, &'static str>) -> bool {
        matches!(key, Ok(SigningKey::Hmac(_)))
    }

    #[test]
    fn h1_secrets_of_standard_webhooks() {
        assert!(is_hmac(of("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")));
        assert!(is_hmac(of("standard", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")), "many leave the prefix out");
        let public = format!("whpk_{}=", "A".repeat(43));
        assert!(matches!(of("standard", &public), Ok(SigningKey::Ed25519(_))));
        for wrong in ["", "whsec_", "whpk_", "whsec_AAAA", "whsec_ä", "whpk_AAAA", "hunter2", "whsk_AAAA"] {
            assert!(of("standard", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn h1_secrets_of_others_are_text_unless_said_otherwise() {
        assert!(is_hmac(of("stripe", "whsec_123")));
        assert!(of("github", "").is_err());
        let mut custom = Scheme::known("github").unwrap();
        let hex = |custom: &Scheme, text: &str| SigningKey::of(custom, text.as_bytes(), SecretEncoding::Hex);
        assert!(is_hmac(hex(&custom, "00ff")));
        assert_eq!(hex(&custom, "00f").unwrap_err(), "it is not hexadecimal");
        custom.algorithm = Algorithm::Ed25519;
        assert!(matches!(hex(&custom, &"ab".repeat(32)), Ok(SigningKey::Ed25519(_))));
        assert!(hex(&custom, &"ab".repeat(31)).unwrap_err().contains("32 bytes"));
    }

    #[test]
    fn a_key_says_nothing_of_itself() {
        assert_eq!(format!("{:?}", of("github", "hunter2").unwrap()), "SigningKey(…)");
    }
}
