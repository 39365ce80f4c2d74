//! The master key: where it comes from, and what it does, which is to seal data keys.

use super::derive;
use super::envelope::{self, DataKey, Keeper};
use super::error::VaultError;
use super::key_file::{self, KeyError};
use super::transit::{self, Client};
use crate::config::reference::Reference;
use crate::config::scalar::Wrong;
use crate::model::token;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How configuration names the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// `env:NAME`
    Env(String),
    /// `file:PATH`
    File(PathBuf),
    /// `vault:https://HOST:8200/transit/keys/NAME`, of HashiCorp Vault or OpenBao: the key never leaves it.
    Transit(transit::Reference),
}

const REMEDY: &str = "env:NAME, file:PATH or vault:https://HOST:8200/transit/keys/NAME";

impl MasterKeySource {
    /// Reads a reference; a relative path starts in `base`. What is refused is not repeated: it may be the key.
    pub fn parse(text: &str, base: &Path) -> Result<MasterKeySource, Wrong> {
        if text.starts_with(token::MASTER_PREFIX) {
            let reason = "the master key itself, which must not stand where the configuration does";
            return Err(Wrong::new(reason, REMEDY));
        }
        if let Some(address) = text.strip_prefix("vault:") {
            return transit::Reference::parse(address).map(MasterKeySource::Transit);
        }
        match Reference::parse(text)? {
            Reference::Env(name) => Ok(MasterKeySource::Env(name.to_owned())),
            Reference::File(path) => Ok(MasterKeySource::File(base.join(path))),
            Reference::Literal(_) => Err(Wrong::new("not a place where a master key can be", REMEDY)),
        }
    }

    /// The file that it is in, for those who look whether it lies beside what it protects.
    pub fn path(&self) -> Option<&Path> {
        match self {
            MasterKeySource::File(path) => Some(path),
            _ => None,
        }
    }

    /// Whether the key lies in `directory`: who copies that has both the sealed and what opens it.
    pub fn lies_in(&self, directory: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.path().is_some_and(|path| real(path).starts_with(real(directory)))
    }
}

impl fmt::Display for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MasterKeySource::Env(name) => write!(f, "env:{name}"),
            MasterKeySource::File(path) => write!(f, "file:{}", path.display()),
            MasterKeySource::Transit(reference) => write!(f, "vault:{reference}"),
        }
    }
}

/// A short keyed digest by which people tell master keys apart. Eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 4]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A master key, at hand.
pub struct MasterKey {
    source: MasterKeySource,
    fingerprint: Fingerprint,
    kept: Kept,
    notice: Option<String>,
}

enum Kept {
    /// Derived from the master key, which is forgotten.
    Local {
        /// Seals data keys.
        seals: DataKey,
        /// Where other keys come from, where there is no vault.
        others: DataKey,
    },
    Transit(Box<Client>),
}

/// Why a data key does not come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    /// Another master key, another binding, or changed bytes.
    Refused,
    /// The key in Vault is not allowed to open what its early versions sealed.
    TooOld,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, {})", self.source, self.fingerprint)
    }
}

impl MasterKey {
    /// A new key as it is kept in a file or variable: `kmk_`, 43 random characters, six of a checksum.
    pub fn generate() -> Result<Zeroizing<String>, VaultError> {
        token::generate_master(getrandom::fill).map_err(|_| VaultError::NoRandomness)
    }

    /// A new key in a new file, which only our user may read. What stands there already is never replaced: it may be all
    /// that opens somebody's data.
    pub fn create_file(path: &Path) -> io::Result<()> {
        let key = MasterKey::generate().map_err(io::Error::other)?;
        key_file::create(path, key.as_bytes())
    }

    /// Fetches the key, or for one in Vault, what is needed to ask for its service; nobody is asked yet.
    pub fn load(source: &MasterKeySource) -> Result<MasterKey, VaultError> {
        MasterKey::load_with(source, &|name| std::env::var_os(name))
    }

    /// The same, with the environment that `variable` knows.
    pub fn load_with(
        source: &MasterKeySource,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<MasterKey, VaultError> {
        let unfit = |reason: KeyError| VaultError::NoMasterKey { place: source.to_string(), reason };
        match source {
            MasterKeySource::Env(name) => {
                let value = variable(name).ok_or_else(|| unfit(KeyError::NotSet))?;
                let text = Zeroizing::new(value.into_encoded_bytes());
                MasterKey::of(source, &text, None).map_err(unfit)
            }
            MasterKeySource::File(path) => {
                let file = key_file::read(path).map_err(unfit)?;
                let notice = file.rights(path).map_err(unfit)?;
                MasterKey::of(source, &file.text, notice).map_err(unfit)
            }
            MasterKeySource::Transit(reference) => {
                let client = Client::new(reference.clone(), variable)?;
                let named = client.identity();
                let fingerprint = fingerprint(named.as_bytes());
                let kept = Kept::Transit(Box::new(client));
                Ok(MasterKey { source: source.clone(), fingerprint, kept, notice: None })
            }
        }
    }

    fn of(source: &MasterKeySource, text: &[u8], notice: Option<String>) -> Result<MasterKey, KeyError> {
        let text = key_file::master_key_in(text)?;
        let (mut seals, mut others) = (envelope::no_key(), envelope::no_key());
        seals.copy_from_slice(&derive("keystile 2026 master key: sealing data keys", text)[..]);
        others.copy_from_slice(&derive("keystile 2026 master key: other keys", text)[..]);
        let kept = Kept::Local { seals, others };
        Ok(MasterKey { source: source.clone(), fingerprint: fingerprint(text), kept, notice })
    }

    pub fn source(&self) -> &MasterKeySource {
        &self.source
    }

    /// By which people tell which key is in force. Of a key in Vault it is its name's, since nobody here knows the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What an operator should know about how the key is kept.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// A key for a purpose of its own, where there is no vault to derive it from; none from a key in Vault, which never comes
    /// here.
    pub fn derive(&self, purpose: &'static str) -> Option<Zeroizing<[u8; 32]>> {
        match &self.kept {
            Kept::Local { others, .. } => Some(derive(&format!("keystile 2026 master key: {purpose}"), &others[..])),
            Kept::Transit(_) => None,
        }
    }

    pub(super) fn keeper(&self) -> Keeper {
        match self.kept {
            Kept::Local { .. } => Keeper::Local,
            Kept::Transit(_) => Keeper::Transit,
        }
    }

    /// A data key, sealed. Only a key in Vault has to be waited for.
    pub(super) async fn wrap(&self, data_key: &DataKey, context: &[u8]) -> Result<Vec<u8>, VaultError> {
        match &self.kept {
            Kept::Local { seals, .. } => {
                let mut out = Vec::new();
                envelope::encrypt(seals, context, &data_key[..], &mut out)?;
                Ok(out)
            }
            Kept::Transit(client) => Ok(client.encrypt(&data_key[..], context).await?.into_bytes()),
        }
    }

    /// Sealed data keys with their contexts, opened, in their order.
    pub(super) async fn unwrap_all(
        &self,
        wrapped: &[(&[u8], &[u8])],
    ) -> Result<Vec<Result<DataKey, Shut>>, VaultError> {
        let key_of = |bytes: Zeroizing<Vec<u8>>| {
            let mut key = envelope::no_key();
            (bytes.len() == key.len()).then(|| key.copy_from_slice(&bytes)).map(|()| key).ok_or(Shut::Refused)
        };
        match &self.kept {
            Kept::Local { seals, .. } => {
                let open = |(sealed, context): &(&[u8], &[u8])| {
                    envelope::decrypt(seals, context, sealed).ok_or(Shut::Refused).and_then(key_of)
                };
                Ok(wrapped.iter().map(open).collect())
            }
            Kept::Transit(client) => {
                let opened = client.decrypt(wrapped).await?;
                Ok(opened.into_iter().map(|one| one.and_then(key_of)).collect())
            }
        }
    }
}

fn fingerprint(of: &[u8]) -> Fingerprint {
    let digest = derive("keystile 2026 master key: fingerprint", of);
    Fingerprint([digest[0], digest[1], digest[2], digest[3]])
}
