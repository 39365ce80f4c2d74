//! The profiles that `keystile login` writes: for each gateway its URL and a token, in a file that nobody else may read.

use super::misuse;
use crate::config::mistake::nearest;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A token that is shown to nobody but the gateway.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    pub fn new(text: Zeroizing<String>) -> Token {
        Token(text)
    }

    /// For the one header it goes into.
    pub fn show(&self) -> &str {
        &self.0
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Token, D::Error> {
        String::deserialize(from).map(|text| Token(Zeroizing::new(text)))
    }
}

/// One gateway.
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    pub url: String,
    pub token: Token,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// The file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// The one of the last login.
    current: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// `$XDG_CONFIG_HOME/keystile/profiles.yaml`, else below `~/.config`; none without a home.
    pub fn path() -> Option<PathBuf> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
        Some(base.join("keystile").join("profiles.yaml"))
    }

    /// What is written there; nothing if nobody has logged in.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Profiles> {
        let Some(path) = path else { return Ok(Profiles::default()) };
        let shown = path.display();
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Profiles::default()),
            Err(e) => return Err(e).with_context(|| format!("cannot read the profiles in {shown}")),
        };
        let about = file.metadata().with_context(|| format!("cannot look at {shown}"))?;
        if about.mode() & 0o077 != 0 {
            bail!(
                "{shown} holds tokens and others may read it (mode {:04o})\n  chmod 600 {shown}, and replace the \
                 tokens if others did",
                about.mode() & 0o7777
            );
        }
        let mut text = Zeroizing::new(String::with_capacity(64 * 1024));
        file.read_to_string(&mut text).with_context(|| format!("cannot read {shown}"))?;
        // The parser's words may quote the file, and so a token: where it stands is enough.
        serde_yaml::from_str(&text).map_err(|e| {
            let line = e.location().map(|l| format!(":{}", l.line())).unwrap_or_default();
            anyhow::anyhow!("{shown}{line} is not a file of profiles\n  remove it, and log in again: keystile login")
        })
    }

    /// By its name.
    pub fn named(&self, name: &str) -> anyhow::Result<&Profile> {
        self.profiles.get(name).ok_or_else(|| {
            let near = nearest(name, self.profiles.keys().map(String::as_str));
            let hint = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
            misuse(format!("there is no profile {name:?}{hint}\n  write one with `keystile login --name {name}`"))
        })
    }

    /// The one of the last login.
    pub fn current(&self) -> Option<&Profile> {
        self.profiles.get(self.current.as_deref()?)
    }

    pub fn current_name(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Adds or replaces one, and makes it the current one.
    pub fn put(&mut self, name: &str, profile: Profile) {
        self.profiles.insert(name.to_owned(), profile);
        self.current = Some(name.to_owned());
    }

    /// Takes one out; the first of the others becomes the current one if it was.
    pub fn remove(&mut self, name: &str) -> anyhow::Result<()> {
        self.named(name)?;
        self.profiles.remove(name);
        if self.current.as_deref() == Some(name) {
            self.current = self.profiles.keys().next().cloned();
        }
        Ok(())
    }

    /// Whole or not at all, and readable to nobody else from its first byte on.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().context("profiles need a directory")?;
        let text = Zeroizing::new(serde_yaml::to_string(self)?);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let draft = folder.join(format!(".profiles.{}.new", std::process::id()));
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&draft, path)
        };
        write().map_err(|e| {
            // It may hold a token.
            let _ = std::fs::remove_file(&draft);
            anyhow::anyhow!("cannot write {}: {e}", path.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn profile(url: &str) -> Profile {
        Profile { url: url.to_owned(), token: Token::new(Zeroizing::new("kst_x".to_owned())), ca: None }
    }

    #[test]
    fn profiles_are_written_for_their_owner_alone_and_read_back() {
        let folder = std::env::temp_dir().join(format!("keystile-profiles-{}", std::process::id()));
        let path = folder.join("keystile").join("profiles.yaml");
        let mut profiles = Profiles::default();
        profiles.put("a", profile("http://a"));
        profiles.put("b", profile("http://b"));
        profiles.save(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let mut read = Profiles::load(Some(&path)).unwrap();
        assert_eq!(read.current().unwrap().url, "http://b");
        read.remove("b").unwrap();
        assert_eq!(read.current().unwrap().token.show(), "kst_x");
        assert!(read.remove("b").is_err());

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Profiles::load(Some(&path)).err().unwrap().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "profiles: { a: kst_sesame }").unwrap();
        let refused = Profiles::load(Some(&path)).err().unwrap().to_string();
        assert!(!refused.contains("sesame") && refused.contains("keystile login"), "{refused}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
