//! What a sealed value looks like.
//!
//! ```text
//! "K"  format  keeper  fingerprint  length  data key, sealed   nonce  value, sealed (with its tag)
//!  1     1       1          4         2     as long as it says   12     the rest
//! ```
//!
//! Both are sealed with AES-256-GCM-SIV, which forgives a nonce drawn twice; a data key is used once. The value is bound
//! to all that stands before its nonce, and both to the context: what the value is, whose, which version, for where.

use super::error::VaultError;
use super::master::Fingerprint;
use crate::model::uid::Uid;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

const MAGIC: u8 = b'K';
const FORMAT: u8 = 1;
const HEAD: usize = 9;
const NONCE: usize = 12;
const TAG: usize = 16;

/// A key of 256 bits, in one place of memory until it is wiped.
pub(super) type DataKey = Box<Zeroizing<[u8; 32]>>;

/// Keeps values of one kind from being taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Root,
    Secret,
}

/// What a secret is sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    pub record: Uid,
    /// From 1.
    pub version: u32,
    /// C16: the digest of where it may be sent.
    pub destination: [u8; 32],
}

impl Binding {
    pub(super) const ROOT: Binding = Binding { record: Uid([0; 16]), version: 0, destination: [0; 32] };

    /// The purpose's length and name, then fields of fixed width: no two bindings are written alike.
    pub(super) fn context(&self, purpose: Purpose) -> Vec<u8> {
        let purpose: &[u8] = match purpose {
            Purpose::Root => b"keystile 2026 root",
            Purpose::Secret => b"keystile 2026 secret",
        };
        let length = [purpose.len() as u8];
        [&length[..], purpose, &self.record.0, &self.version.to_be_bytes(), &self.destination].concat()
    }
}

/// Who seals data keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    Local = 1,
    Transit = 2,
}

/// Everything about a sealed value but the value.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub keeper: Keeper,
    /// Of the master key, as it was called then. Tells people; decides nothing.
    pub fingerprint: Fingerprint,
    /// The data key, sealed.
    pub wrapped: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope<'_>, VaultError> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(VaultError::Malformed)?;
    let [MAGIC, format, keeper, a, b, c, d, high, low] = *head else { return Err(VaultError::Malformed) };
    if format != FORMAT {
        return Err(VaultError::UnknownFormat(format));
    }
    let keeper = match keeper {
        1 => Keeper::Local,
        2 => Keeper::Transit,
        _ => return Err(VaultError::Malformed),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if rest.len() < length + NONCE + TAG {
        return Err(VaultError::Malformed);
    }
    Ok(Envelope { keeper, fingerprint: Fingerprint([a, b, c, d]), wrapped: &rest[..length] })
}

/// The whole of a sealed value.
pub(super) fn seal(
    envelope: &Envelope<'_>,
    key: &DataKey,
    context: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let length = u16::try_from(envelope.wrapped.len()).map_err(|_| VaultError::Malformed)?;
    let mut out = Vec::with_capacity(HEAD + envelope.wrapped.len() + NONCE + plaintext.len() + TAG);
    out.extend([MAGIC, FORMAT, envelope.keeper as u8]);
    out.extend(envelope.fingerprint.0);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(envelope.wrapped);
    let bound = [context, &out].concat();
    encrypt(key, &bound, plaintext, &mut out)?;
    Ok(out)
}

/// The value, if `key` is its data key and everything it is bound to is the same.
pub(super) fn open(bytes: &[u8], envelope: &Envelope<'_>, key: &DataKey, context: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (before, sealed) = bytes.split_at_checked(HEAD + envelope.wrapped.len())?;
    decrypt(key, &[context, before].concat(), sealed)
}

/// Appends nonce, ciphertext and tag to `out`, which has room for them: it must not move while it holds plaintext.
pub(super) fn encrypt(key: &[u8; 32], bound: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), VaultError> {
    out.reserve_exact(NONCE + plaintext.len() + TAG);
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|_| VaultError::NoRandomness)?;
    out.extend(nonce);
    let begins = out.len();
    out.extend_from_slice(plaintext);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = aead(key)?.seal_in_place_separate_tag(nonce, Aad::from(bound), &mut out[begins..]);
    match tag {
        Ok(tag) => out.extend_from_slice(tag.as_ref()),
        Err(_) => {
            zeroize::Zeroize::zeroize(out);
            return Err(VaultError::Cipher);
        }
    }
    Ok(())
}

/// What [`encrypt`] appended, opened.
pub(super) fn decrypt(key: &[u8; 32], bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = aead(key).ok()?.open_in_place(nonce, Aad::from(bound), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// aws-lc wipes its copy when it is dropped.
fn aead(key: &[u8; 32]) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM_SIV, key).map(LessSafeKey::new).map_err(|_| VaultError::Cipher)
}

/// Room for a key.
pub(super) fn no_key() -> DataKey {
    Box::new(Zeroizing::new([0; 32]))
}

pub(super) fn random_key() -> Result<DataKey, VaultError> {
    let mut key = no_key();
    getrandom::fill(&mut key[..]).map_err(|_| VaultError::NoRandomness)?;
    Ok(key)
}
