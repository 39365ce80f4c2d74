//! Why something was not sealed or opened: the thing and the reason, and beside them the next step. Never what a key, a
//! token or a secret is, nor any part of it.

use super::key_file::KeyError;
use super::master::Fingerprint;
use super::transit::TransitError;

/// Nothing was changed, anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("the master key {place}: {reason}")]
    NoMasterKey { place: String, reason: KeyError },
    #[error(
        "the master key {place} (fingerprint {given}) is not the one that this data was sealed with (fingerprint \
         {made_with})"
    )]
    WrongMasterKey { place: String, given: Fingerprint, made_with: Fingerprint },
    #[error(
        "the vault's root does not open with the master key {place}, though it was sealed under that name ({fingerprint})"
    )]
    RootDoesNotOpen { place: String, fingerprint: Fingerprint },
    #[error("the record of the vault's root is damaged")]
    NoRoot,
    #[error("a sealed value does not open: it was changed, or belongs to another record, version or destination{}",
        other(.sealed_under, .in_force))]
    DoesNotOpen { sealed_under: Fingerprint, in_force: Fingerprint },
    #[error("a sealed value does not open: the key in Vault no longer opens what its early versions sealed")]
    TooOld,
    #[error("this is no sealed value, or only a part of one")]
    Malformed,
    #[error("a sealed value has format {0}, which this version does not know")]
    UnknownFormat(u8),
    #[error("the operating system gives no random numbers")]
    NoRandomness,
    #[error("the cipher failed")]
    Cipher,
    #[error(transparent)]
    Transit(#[from] TransitError),
}

fn other(sealed_under: &Fingerprint, in_force: &Fingerprint) -> String {
    match sealed_under == in_force {
        true => String::new(),
        false => format!(" (sealed under the master key {sealed_under}; {in_force} is in force)"),
    }
}

impl VaultError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            VaultError::NoMasterKey { reason, .. } => reason.remedy().into(),
            VaultError::WrongMasterKey { made_with, .. } => format!(
                "let master_key name the key with fingerprint {made_with}, or use the data that belongs to this key; \
                 nothing was changed"
            ),
            VaultError::RootDoesNotOpen { .. } => {
                "restore the database from a backup; if the key is in Vault, see that it \
                 is the one that was first used, and not a new one of the same name"
                    .into()
            }
            VaultError::NoRoot => "restore the database from a backup".into(),
            VaultError::DoesNotOpen { .. } | VaultError::Malformed => {
                "set this secret anew, or restore the database from a backup".into()
            }
            VaultError::TooOld => {
                "lower the key's min_decryption_version in Vault until the secrets are set anew".into()
            }
            VaultError::UnknownFormat(_) => "run the version of Keystile that wrote it, or a newer one".into(),
            VaultError::NoRandomness | VaultError::Cipher => {
                "try again; if it stays, the machine's kernel or processor is at fault".into()
            }
            VaultError::Transit(error) => error.remedy(),
        }
    }

    /// Whether the same may succeed later without anybody changing anything here.
    pub fn may_pass(&self) -> bool {
        matches!(self, VaultError::Transit(error) if error.may_pass())
    }
}
