//! What is not the data plane's: addresses, logs, where things are kept.

use super::listeners::Listeners;
use super::{Site, Stamp, listeners};
use crate::config::View;
use crate::config::scalar::{self, LogTarget};
use crate::model::certificate::Expiry;
use crate::model::listener::Address;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What is not the data plane's.
#[derive(Clone)]
pub struct Settings {
    /// Where the listeners of both doors listen, by their index.
    pub listening: Vec<Address>,
    pub admin: SocketAddr,
    pub admin_tls: Option<Arc<ServerConfig>>,
    pub health: Option<SocketAddr>,
    pub log: Log,
    pub workers: Option<usize>,
    /// When the certificates of the configuration end.
    pub expiries: Vec<Expiry>,
    pub shutdown: Shutdown,
    /// Where successors ask for our listening sockets.
    pub takeover_socket: Option<PathBuf>,
    /// What is managed at run time, and what seals it.
    pub store: Option<Store>,
    /// As written; without a store it signs URLs alone.
    pub master_key: Option<String>,
    /// Every file that was read: when one changes, the configuration is read again.
    pub files: Vec<Stamp>,
}

/// `store` and `master_key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The database's file.
    pub sqlite: PathBuf,
    /// As written; files from the directory of the configuration.
    pub master_key: String,
}

/// `shutdown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// How long connections are still accepted.
    pub delay: Duration,
    /// How long requests may take to finish after that.
    pub drain: Duration,
}

/// `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: String,
    pub format: String,
    pub access: LogTarget,
}

impl Settings {
    pub(super) fn read(site: &Site<'_>, root: &View<'_>, listeners: &Listeners) -> Settings {
        let (admin, admin_tls) = listeners::admin(site, root);
        Settings {
            listening: listeners.addresses.clone(),
            admin,
            admin_tls,
            health: listeners::health(site, root),
            log: log(root, site.base),
            workers: root.opt_integer("workers").map(|n| n as usize),
            expiries: Vec::new(),
            shutdown: Shutdown {
                delay: root.opt_duration("shutdown.delay").unwrap_or(Duration::ZERO),
                drain: root.duration("shutdown.drain"),
            },
            takeover_socket: root.opt_path("takeover_socket").map(|path| site.base.join(path)),
            store: store(site, root),
            master_key: root.opt("master_key", scalar::master_key).map(str::to_owned),
            files: Vec::new(),
        }
    }

    /// With what was read, and what ends, on the way.
    pub(super) fn with(mut self, files: Vec<Stamp>, expiries: Vec<Expiry>) -> Settings {
        self.files.extend(files);
        self.expiries.extend(expiries);
        self
    }
}

pub(super) fn store(site: &Site<'_>, root: &View<'_>) -> Option<Store> {
    let sqlite = site.base.join(root.opt("store", scalar::store)?);
    let master_key = root.opt("master_key", scalar::master_key)?.to_owned();
    if let Some(file) = master_key.strip_prefix("file:")
        && sqlite.parent() == site.base.join(file).parent()
    {
        let reason = "the master key lies beside the database: whoever copies the directory has both";
        site.warning(root.at("master_key"), reason, "keep it elsewhere, such as file:/etc/keystile/master.key");
    }
    Some(Store { sqlite, master_key })
}

pub(super) fn log(root: &View<'_>, base: &Path) -> Log {
    let access = match root.opt("log.access", scalar::log_target) {
        Some(LogTarget::File(path)) => LogTarget::File(base.join(path)),
        Some(target) => target,
        None => LogTarget::Stdout,
    };
    Log {
        level: root.text("log.level").unwrap_or("info").to_owned(),
        format: root.text("log.format").unwrap_or("json").to_owned(),
        access,
    }
}

impl Default for Log {
    /// What counts until the file has been read.
    fn default() -> Log {
        Log { level: "info".to_owned(), format: "json".to_owned(), access: LogTarget::Stdout }
    }
}
