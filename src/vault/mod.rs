//! Floor 3: secrets at rest (T1): a fresh data key for each, sealed by the master key and bound to its record.
//!
//! From the random root, which is sealed the same way and kept beside the data, come the keys of everything else: it
//! stays when the master key is changed.

mod envelope;
mod error;
mod key_file;
mod master;
#[cfg(test)]
mod tests;
pub mod transit;

pub use envelope::Binding;
pub use error::VaultError;
pub use key_file::KeyError;
pub use master::{Fingerprint, MasterKey, MasterKeySource};

/// What URLs' key is derived for (H7), from whatever there is to derive it from.
pub const SIGNED_URLS: &str = "signed urls";

use envelope::{DataKey, Envelope, Purpose};
use master::Shut;
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// Seals and opens; made only where the master key has opened (or made) the root. Cheap to share, with an `Arc`.
pub struct Vault {
    master: MasterKey,
    root: DataKey,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.master.fingerprint())
    }
}

impl Vault {
    /// A new vault, with the record of its root. Whoever loses that record, or the master key, loses what is sealed.
    pub async fn create(master: MasterKey) -> Result<(Vault, Vec<u8>), VaultError> {
        let root = envelope::random_key()?;
        let record = seal(&master, &root[..], Purpose::Root, &Binding::ROOT).await?;
        Ok((Vault { master, root }, record))
    }

    /// The vault whose root is in `record`. Changes nothing, so it is the first thing to be done at a start (hazard 31).
    pub async fn unlock(master: MasterKey, record: &[u8]) -> Result<Vault, VaultError> {
        let opened = open_many(&master, &[(record, Binding::ROOT)], Purpose::Root).await?.pop();
        let bytes = opened.unwrap_or(Err(VaultError::NoRoot)).map_err(|error| of_the_root(&master, error))?;
        let mut root = envelope::no_key();
        if bytes.len() != root.len() {
            return Err(VaultError::NoRoot);
        }
        root.copy_from_slice(&bytes);
        Ok(Vault { master, root })
    }

    /// Seals a value to a record, its version and the destination it may be sent to. No two results are alike.
    pub async fn seal(&self, plaintext: &[u8], binding: &Binding) -> Result<Vec<u8>, VaultError> {
        seal(&self.master, plaintext, Purpose::Secret, binding).await
    }

    /// What was sealed, if it was sealed to just this.
    pub async fn open(&self, sealed: &[u8], binding: &Binding) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut opened = open_many(&self.master, &[(sealed, *binding)], Purpose::Secret).await?;
        opened.pop().unwrap_or(Err(VaultError::Malformed))
    }

    /// Many at once, answered in their order, each for itself; with a master key in Vault in few requests. Fails as a
    /// whole only where the master key cannot be reached.
    pub async fn open_many(
        &self,
        sealed: &[(&[u8], Binding)],
    ) -> Result<Vec<Result<Zeroizing<Vec<u8>>, VaultError>>, VaultError> {
        open_many(&self.master, sealed, Purpose::Secret).await
    }

    /// A key for a purpose of its own, such as `audit chain`; the same as long as the root is.
    pub fn derive(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        derive(&format!("keystile 2026 root: {purpose}"), &self.root[..])
    }

    /// The master key that is in force, for status and logs.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }
}

/// What it means that the root's record does not open.
fn of_the_root(master: &MasterKey, error: VaultError) -> VaultError {
    let place = master.source().to_string();
    match error {
        VaultError::DoesNotOpen { sealed_under, in_force } if sealed_under == in_force => {
            VaultError::RootDoesNotOpen { place, fingerprint: in_force }
        }
        VaultError::DoesNotOpen { sealed_under, in_force } => {
            VaultError::WrongMasterKey { place, given: in_force, made_with: sealed_under }
        }
        VaultError::Malformed => VaultError::NoRoot,
        other => other,
    }
}

async fn seal(
    master: &MasterKey,
    plaintext: &[u8],
    purpose: Purpose,
    binding: &Binding,
) -> Result<Vec<u8>, VaultError> {
    let context = binding.context(purpose);
    let key = envelope::random_key()?;
    let wrapped = master.wrap(&key, &context).await?;
    envelope::seal(
        &Envelope { keeper: master.keeper(), fingerprint: master.fingerprint(), wrapped: &wrapped },
        &key,
        &context,
        plaintext,
    )
}

async fn open_many(
    master: &MasterKey,
    sealed: &[(&[u8], Binding)],
    purpose: Purpose,
) -> Result<Vec<Result<Zeroizing<Vec<u8>>, VaultError>>, VaultError> {
    let contexts: Vec<Vec<u8>> = sealed.iter().map(|(_, binding)| binding.context(purpose)).collect();
    let mut envelopes = Vec::with_capacity(sealed.len());
    let mut asked = Vec::with_capacity(sealed.len());
    for ((bytes, _), context) in sealed.iter().zip(&contexts) {
        let envelope = envelope::parse(bytes);
        // Only what this kind of master key can have sealed is worth asking it for.
        let wrapped = envelope.as_ref().ok().filter(|e| e.keeper == master.keeper()).map(|e| e.wrapped);
        asked.extend(wrapped.map(|wrapped| (wrapped, &context[..])));
        envelopes.push((envelope, wrapped.is_some()));
    }
    let mut keys = master.unwrap_all(&asked).await?.into_iter();
    let mut opened = Vec::with_capacity(sealed.len());
    for ((envelope, is_asked), ((bytes, _), context)) in envelopes.into_iter().zip(sealed.iter().zip(&contexts)) {
        let key = if is_asked { keys.next() } else { None };
        let open = |envelope| open_with(key.unwrap_or(Err(Shut::Refused)), master, &envelope, bytes, context);
        opened.push(envelope.and_then(open));
    }
    Ok(opened)
}

/// The value in an envelope, now that its data key was asked for.
fn open_with(
    key: Result<DataKey, Shut>,
    master: &MasterKey,
    envelope: &Envelope<'_>,
    bytes: &[u8],
    context: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let opened = match key {
        Ok(key) => envelope::open(bytes, envelope, &key, context),
        Err(Shut::Refused) => None,
        Err(Shut::TooOld) => return Err(VaultError::TooOld),
    };
    let (sealed_under, in_force) = (envelope.fingerprint, master.fingerprint());
    opened.ok_or(VaultError::DoesNotOpen { sealed_under, in_force })
}

/// A key from a key; `context` is ours alone and for one purpose only.
fn derive(context: &str, key: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(key);
    let mut hash = hasher.finalize();
    let derived = Zeroizing::new(*hash.as_bytes());
    hasher.zeroize();
    hash.zeroize();
    derived
}
