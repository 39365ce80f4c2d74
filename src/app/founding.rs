//! `keystile init`: a directory from which a gateway with a store runs. Nothing that exists is overwritten.

use crate::control::founding;
use crate::vault::{MasterKey, MasterKeySource};
use anyhow::{Context as _, bail};
use serde::{Serialize, Serializer};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const CONFIG: &str = "keystile.yaml";
const STORE: &str = "keystile.db";
const MASTER_KEY: &str = "master.key";

/// What is asked for.
pub struct Founding {
    /// The directory.
    pub data: PathBuf,
    pub inbound: SocketAddr,
    pub outbound: SocketAddr,
    pub admin: SocketAddr,
}

/// What came of it.
#[derive(Serialize)]
pub struct Founded {
    pub config: PathBuf,
    #[serde(serialize_with = "shown_once")]
    admin_token: Zeroizing<String>,
    pub login_url: String,
}

impl Founded {
    /// The first administrator's, to be shown once.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }
}

fn shown_once<S: Serializer>(token: &Zeroizing<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(token)
}

/// Makes the directory with its configuration, master key and store, and the first administrator's key.
pub fn found(founding: &Founding) -> anyhow::Result<Founded> {
    if !founding.admin.ip().is_loopback() {
        bail!(
            "--admin {}: beyond loopback the admin listener needs a certificate, which init does not make\n  leave it out, \
             and write listeners.admin.address with its tls: into {CONFIG} afterwards",
            founding.admin
        );
    }
    is_free(&founding.data)?;
    let directory = founding.data.display();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&founding.data)
        .with_context(|| format!("cannot make the directory {directory}"))?;
    let admin_token = furnish(&founding.data)?;
    // Last, so that a directory with a configuration is a whole one.
    let config = founding.data.join(CONFIG);
    write_new(&config, written(founding).as_bytes())?;
    Ok(Founded { config, admin_token, login_url: format!("http://{}", founding.admin) })
}

/// Neither a configuration nor a database nor a master key is there.
fn is_free(data: &Path) -> anyhow::Result<()> {
    for name in [CONFIG, STORE, MASTER_KEY] {
        let path = data.join(name);
        match std::fs::symlink_metadata(&path) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(e) => return Err(e).with_context(|| format!("cannot look at {}", path.display())),
            Ok(_) => bail!(
                "{} is there already, and nothing was touched\n  start that gateway with `keystile serve --config {}`, \
                 or name another directory with --data",
                path.display(),
                data.join(CONFIG).display()
            ),
        }
    }
    Ok(())
}

/// The master key, the store and in it the first key, with `admin:read` and `admin:write`: its token.
fn furnish(data: &Path) -> anyhow::Result<Zeroizing<String>> {
    let path = data.join(MASTER_KEY);
    MasterKey::create_file(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let master = MasterKey::load(&MasterKeySource::File(path))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(founding::found(&data.join(STORE), master))
}

fn write_new(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    create()
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The configuration, with a word on each of its parts.
fn written(founding: &Founding) -> String {
    let Founding { inbound, outbound, admin, .. } = founding;
    format!(
        "\
# A gateway with a store, made by `keystile init`. `keystile check --config` this file reports every mistake in it, and
# `keystile config schema` lists what else can be written. Paths start in this file's directory.

listeners:
  # Callers: METHOD PATH of a workflow, with a token of a key. Beyond loopback give it tls.
  inbound:
    - address: {inbound}
  # Workflows' own calls to providers: /c/CONNECTION/PATH.
  outbound:
    - address: {outbound}
  # The admin API, for the commands that manage keys and connections; metrics and health. Beyond loopback it needs tls.
  admin:
    address: {admin}

# What is managed while the gateway runs: keys, connections, workflows, their secrets (sealed), who changed what.
store: sqlite:{STORE}
# What the secrets are sealed with. Keep a copy elsewhere: without it they are lost, and whoever has it and the database
# can read them. It is better kept away from the database altogether: env:NAME, or a file on another volume.
master_key: file:{MASTER_KEY}

environments:
  - {{ name: Production, default: true }}
  - {{ name: Test }}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn founding(data: PathBuf) -> Founding {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Founding { data, inbound: address(8080), outbound: address(8081), admin: address(8082) }
    }

    #[test]
    fn hazard_31_nothing_that_exists_is_overwritten() {
        for name in [CONFIG, STORE, MASTER_KEY] {
            let data = std::env::temp_dir().join(format!("keystile-init-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&data).unwrap();
            std::fs::write(data.join(name), "mine").unwrap();
            let refused = found(&founding(data.clone())).err().unwrap().to_string();
            assert!(refused.contains(name) && refused.contains("--data"), "{refused}");
            assert_eq!(std::fs::read_to_string(data.join(name)).unwrap(), "mine");
            assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
            std::fs::remove_dir_all(data).unwrap();
        }
    }

    #[test]
    fn an_admin_listener_beyond_loopback_is_refused() {
        let data = std::env::temp_dir().join(format!("keystile-init-{}-far", std::process::id()));
        let far = Founding { admin: SocketAddr::from(([0, 0, 0, 0], 8082)), ..founding(data.clone()) };
        let refused = found(&far).err().unwrap().to_string();
        assert!(refused.contains("tls:") && !data.exists(), "{refused}");
    }

    #[test]
    fn the_configuration_that_is_written_has_the_addresses_asked_for() {
        let text = written(&founding(PathBuf::from("data")));
        let read: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read["listeners"]["inbound"][0]["address"], "127.0.0.1:8080");
        assert_eq!(read["listeners"]["admin"]["address"], "127.0.0.1:8082");
        assert_eq!(read["store"], "sqlite:keystile.db");
        assert_eq!(read["environments"][0]["name"], "Production");
    }
}
