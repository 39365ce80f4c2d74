//! A file that holds a key or a token and nothing else: read whole or not at all.

use crate::model::token;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Keys and tokens are shorter.
const LONGEST: usize = 16 << 10;
const OTHERS: u32 = 0o007;
const GROUP: u32 = 0o070;

/// Why there is no key. Says nothing of what is in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the environment variable is not set")]
    NotSet,
    #[error("there is no such file")]
    Missing,
    #[error("the file cannot be read ({0})")]
    Unreadable(io::ErrorKind),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("every user of this machine may use the file (mode {0:04o})")]
    OpenToAll(u32),
    #[error("it is empty")]
    Empty,
    #[error("what is there is not a master key: it is {0} characters long, not {length}", length = token::LENGTH)]
    Length(usize),
    #[error("what is there is not a master key: it does not begin with {prefix}", prefix = token::MASTER_PREFIX)]
    Prefix,
    #[error("the master key is damaged: its checksum does not fit")]
    Checksum,
}

impl KeyError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            KeyError::NotSet => "set it to the master key in the gateway's environment, or name where the key is",
            KeyError::Missing => {
                "put the master key back from where you keep its copy, or correct master_key; do not make a new one, \
                 which opens nothing that is already sealed"
            }
            KeyError::Unreadable(_) => "see that the gateway's user may read it and the directories above it",
            KeyError::NotAFile => "name the file that holds the master key and nothing else",
            KeyError::OpenToAll(_) => {
                "chmod 600 it (in Kubernetes: defaultMode: 0440 with fsGroup), and consider who may have read it"
            }
            KeyError::Empty | KeyError::Length(_) | KeyError::Prefix | KeyError::Checksum => {
                "put the master key back from where you keep its copy: kmk_ and 49 letters and digits, in one line"
            }
        }
    }
}

/// A file, read.
pub(super) struct KeyFile {
    pub text: Zeroizing<Vec<u8>>,
    mode: u32,
}

pub(super) fn read(path: &Path) -> Result<KeyFile, KeyError> {
    // Before opening: a named pipe would keep the start waiting for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(KeyError::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    // Of what was opened, which may be another file by now.
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(KeyError::NotAFile);
    }
    // Reserved at once, because a vector that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + 2));
    file.take(LONGEST as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() > LONGEST {
        return Err(KeyError::Length(text.len()));
    }
    Ok(KeyFile { text, mode: found.permissions().mode() & 0o777 })
}

impl KeyFile {
    /// Refuses what every user may read or change; of what a group may, the operator should know.
    pub(super) fn rights(&self, path: &Path) -> Result<Option<String>, KeyError> {
        let mode = self.mode;
        if mode & OTHERS != 0 {
            return Err(KeyError::OpenToAll(mode));
        }
        let notice =
            || format!("{}: the file's group may use the master key as well (mode {mode:04o})", path.display());
        Ok((mode & GROUP != 0).then(notice))
    }
}

/// A new file of one line, on the disk for good when this returns.
pub(super) fn create(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(line).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key is worse than none: the next attempt would find it and stop.
        let _ = fs::remove_file(path);
        return written;
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn unreadable(error: io::Error) -> KeyError {
    match error.kind() {
        io::ErrorKind::NotFound => KeyError::Missing,
        other => KeyError::Unreadable(other),
    }
}

/// The master key in a text, less the white space around it.
pub(super) fn master_key_in(text: &[u8]) -> Result<&[u8], KeyError> {
    let key = text.trim_ascii();
    if key.is_empty() {
        Err(KeyError::Empty)
    } else if !key.starts_with(token::MASTER_PREFIX.as_bytes()) {
        Err(KeyError::Prefix)
    } else if key.len() != token::LENGTH {
        Err(KeyError::Length(key.len()))
    } else if !token::is_master(key) {
        Err(KeyError::Checksum)
    } else {
        Ok(key)
    }
}
