//! Where secrets come from: environment variables and files, named in the configuration, read at start and reload.
//!
//! No message of this module holds a secret or a part of one. What is read is wiped from memory when it is dropped.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{reference::Reference, scalar, view::View};

/// Credentials are shorter; whoever points to something larger points to the wrong file.
const MAX_FILE: u64 = 64 << 10;

/// Where references may point to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SecretSources {
    /// No list is written: whoever writes the file may read what the gateway can read.
    #[default]
    Anywhere,
    /// A list is written. What it leaves out is refused: a list of variables alone permits no files.
    Only {
        /// Names of variables, `*` standing for any characters.
        env: Vec<String>,
        /// Directories, with everything below them.
        files: Vec<PathBuf>,
    },
}

/// A secret as it was found.
#[derive(Clone)]
pub struct Found {
    /// Wiped when dropped.
    pub secret: Zeroizing<Vec<u8>>,
    /// White space around it was removed, beyond the line break that text files end with.
    pub trimmed: bool,
}

/// Why a reference yields no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    #[error("cannot read {0}: {1}")]
    Unreadable(String, std::io::ErrorKind),
    #[error("{0} is not a regular file")]
    NotAFile(String),
    #[error("{0} is larger than 64 KiB")]
    TooLarge(String),
    #[error("{0} is empty")]
    Empty(String),
    #[error("{0} has control characters in it")]
    Control(String),
    #[error("secret_sources does not permit {0}")]
    NotPermitted(String),
}

impl SourceError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            SourceError::NotSet(_) => "set it in the gateway's environment before starting it",
            SourceError::Unreadable(..) => "see that the file exists and that the gateway's user may read it",
            SourceError::NotAFile(_) => "name a file that holds nothing but the secret",
            SourceError::TooLarge(_) => "name a file that holds nothing but the secret",
            SourceError::Empty(_) => "write the secret into it",
            SourceError::Control(_) => "write the secret in one line, as text",
            SourceError::NotPermitted(_) => "add it to secret_sources, or point to a place that is listed there",
        }
    }
}

/// Fetches the secret. Relative paths start in `base`, the directory of the configuration file.
pub fn resolve(reference: &Reference<'_>, base: &Path, sources: &SecretSources) -> Result<Found, SourceError> {
    resolve_with(reference, base, sources, |name| env::var_os(name))
}

fn resolve_with(
    reference: &Reference<'_>,
    base: &Path,
    sources: &SecretSources,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Found, SourceError> {
    let shown = reference.to_string();
    let raw = match reference {
        Reference::Env(name) => {
            if !sources.permit_env(name) {
                return Err(SourceError::NotPermitted(shown));
            }
            let value = variable(name).ok_or_else(|| SourceError::NotSet((*name).to_owned()))?;
            Zeroizing::new(value.into_encoded_bytes())
        }
        Reference::File(path) => read(path, base, &shown, sources)?,
        Reference::Literal(text) => Zeroizing::new(text.as_bytes().to_vec()),
    };
    clean(raw, &shown)
}

impl SecretSources {
    /// As the file says. A list that is written and does not fit the schema permits nothing.
    pub fn read(root: &View<'_>) -> SecretSources {
        if !root.is_set("secret_sources") {
            return SecretSources::Anywhere;
        }
        let env = root.values("secret_sources.env", scalar::env_glob);
        let files = root.values("secret_sources.files", scalar::path);
        SecretSources::Only {
            env: env.into_iter().map(str::to_owned).collect(),
            files: files.into_iter().map(PathBuf::from).collect(),
        }
    }

    fn permit_env(&self, name: &str) -> bool {
        match self {
            SecretSources::Anywhere => true,
            SecretSources::Only { env, .. } => env.iter().any(|pattern| glob(pattern.as_bytes(), name.as_bytes())),
        }
    }

    /// `real` has no links left in it; a listed directory may be one.
    fn permit_file(&self, real: &Path, base: &Path) -> bool {
        match self {
            SecretSources::Anywhere => true,
            SecretSources::Only { files, .. } => files
                .iter()
                .filter_map(|directory| base.join(directory).canonicalize().ok())
                .any(|directory| real.starts_with(directory)),
        }
    }
}

fn read(path: &Path, base: &Path, shown: &str, sources: &SecretSources) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let unreadable = |error: std::io::Error| SourceError::Unreadable(shown.to_owned(), error.kind());
    // Links are followed first and judged by where they lead; the place that was judged is the one that is opened.
    let real = base.join(path).canonicalize().map_err(unreadable)?;
    if !sources.permit_file(&real, base) {
        return Err(SourceError::NotPermitted(shown.to_owned()));
    }
    // Before opening: a named pipe would keep the start waiting for ever.
    if !real.metadata().map_err(unreadable)?.is_file() {
        return Err(SourceError::NotAFile(shown.to_owned()));
    }
    // Reserved at once, because a vector that grows leaves copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 2));
    let file = File::open(&real).map_err(unreadable)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(SourceError::TooLarge(shown.to_owned()));
    }
    Ok(bytes)
}

fn clean(raw: Zeroizing<Vec<u8>>, shown: &str) -> Result<Found, SourceError> {
    let secret = raw.trim_ascii();
    if secret.is_empty() {
        return Err(SourceError::Empty(shown.to_owned()));
    }
    if secret.iter().any(u8::is_ascii_control) {
        return Err(SourceError::Control(shown.to_owned()));
    }
    let line = raw.strip_suffix(b"\n").unwrap_or(&raw);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Found { trimmed: secret.len() != line.len(), secret: Zeroizing::new(secret.to_vec()) })
}

/// Whether a pattern with `*` fits, in time proportional to the product of the lengths.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let mut fits = vec![false; name.len() + 1];
    fits[0] = true;
    for symbol in pattern {
        if *symbol == b'*' {
            for end in 1..fits.len() {
                fits[end] |= fits[end - 1];
            }
        } else {
            for end in (1..fits.len()).rev() {
                fits[end] = fits[end - 1] && name[end - 1] == *symbol;
            }
            fits[0] = false;
        }
    }
    fits[name.len()]
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
