//! Floor 5: from a configuration file to what runs. Every mistake is reported, with its place; nothing is put in force
//! by this module.

mod connections;
pub mod connectors;
mod destinations;
mod expiry;
mod injection;
mod keys;
mod listeners;
mod stamp;
mod workflows;

pub use listeners::socket_path;
pub use stamp::Stamp;

use connections::Connections;

use crate::config::reference::Reference;
use crate::config::scalar::{LogTarget, Rate};
use crate::config::source::{self, Found, SecretSources};
use crate::config::{self, At, Mistakes, View, mistake::nearest, schema};
use crate::connector::Verify;
use crate::model::certificate::Expiry;
use crate::model::directory::Directory;
use crate::model::environment::{Environment, EnvironmentId};
use crate::model::listener::Address;
use crate::model::{Quota, Snapshot};
use crate::net::tls::Tls;
use crate::telemetry::timestamp;
use http::HeaderValue;
use rustls::{ClientConfig, ServerConfig};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// A whole configuration, checked and made ready.
pub struct Assembled {
    pub snapshot: Snapshot,
    /// By the connection's index.
    pub trust: Vec<Option<Tls<ClientConfig>>>,
    /// C8: how a connection's secret is tried, by the connection's index; `None` where nothing is known to try.
    pub verify: Vec<Option<Verify>>,
    /// The connectors that connections may name.
    pub connectors: connectors::Catalogue,
    /// By the listener's index.
    pub certificates: Vec<Option<Tls<ServerConfig>>>,
    pub settings: Settings,
    /// What the lints say.
    pub warnings: Mistakes,
}

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
    /// Every file that was read: when one changes, the configuration is read again.
    pub files: Vec<Stamp>,
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

/// A configuration that cannot be put in force: what is wrong with it, all at once, and the files it was read from: when
/// one of them changes, it is worth another try.
pub struct Rejected {
    pub mistakes: Mistakes,
    pub files: Vec<Stamp>,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.mistakes.fmt(f)
    }
}

/// Reads and assembles the file at `path`.
pub fn from_file(path: &Path) -> Result<Assembled, Rejected> {
    let name = path.display().to_string();
    let stamp = Stamp::of(path);
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mut read = from_text(&text, &name, base_of(path));
            match &mut read {
                Ok(assembled) => assembled.settings.files.push(stamp),
                Err(rejected) => rejected.files.push(stamp),
            }
            read
        }
        Err(error) => {
            let mut mistakes = Mistakes::new(&name);
            let remedy = "name the file with --config FILE or KEYSTILE_CONFIG; `keystile demo` shows one that works";
            mistakes.error(At::TOP, format!("cannot read it: {error}"), remedy);
            Err(Rejected { mistakes, files: vec![stamp] })
        }
    }
}

/// The connectors that connections in the file at `path` may name; nothing else of it is read, and no secret.
pub fn connectors_of(path: &Path) -> Result<connectors::Catalogue, Mistakes> {
    let mut mistakes = Mistakes::new(&path.display().to_string());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.error(At::TOP, format!("cannot read it: {error}"), "name the file with --config FILE");
            return Err(mistakes);
        }
    };
    let Some(node) = config::load(&text, &mut mistakes) else { return Err(mistakes) };
    let root = View::root(&node, schema::ROOT);
    let site = Site::new(mistakes, base_of(path), &root);
    let catalogue = connectors::assemble(&site, &root);
    let mut mistakes = site.mistakes.into_inner();
    mistakes.sort();
    if mistakes.has_errors() { Err(mistakes) } else { Ok(catalogue) }
}

/// The directory that relative paths in the file start from.
pub fn base_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// As [`from_file`], for text from elsewhere.
pub fn from_text(text: &str, name: &str, base: &Path) -> Result<Assembled, Rejected> {
    let mut mistakes = Mistakes::new(name);
    let Some(node) = config::load(text, &mut mistakes) else {
        return Err(Rejected { mistakes, files: Vec::new() });
    };
    let root = View::root(&node, schema::ROOT);
    let site = Site::new(mistakes, base, &root);
    let environments = environments(&site, &root);
    let names = Names::of(&root, &environments);
    let listeners = listeners::assemble(&site, &root, &names);
    let (admin, admin_tls) = listeners::admin(&site, &root);
    let health = listeners::health(&site, &root);
    let connectors = connectors::assemble(&site, &root);
    let Connections { list: connections, trust, verify, needles } =
        connections::assemble(&site, &root, &environments, &names, &connectors);
    let (workflows, routes) = workflows::assemble(&site, &root, &names, &connections, &listeners.list);
    let (keys, digests) = keys::assemble(&site, &root, &names, &workflows, &connections, &listeners.list);
    let settings = Settings {
        listening: listeners.addresses,
        admin,
        admin_tls,
        health,
        log: log(&root, base),
        workers: root.opt_integer("workers").map(|n| n as usize),
        expiries: site.expiries.into_inner(),
        shutdown: Shutdown {
            delay: root.opt_duration("shutdown.delay").unwrap_or(Duration::ZERO),
            drain: root.duration("shutdown.drain"),
        },
        takeover_socket: root.opt_path("takeover_socket").map(|path| base.join(path)),
        files: site.files.into_inner(),
    };
    let mut mistakes = site.mistakes.into_inner();
    mistakes.sort();
    if mistakes.has_errors() {
        return Err(Rejected { mistakes, files: settings.files });
    }
    let default_environment = environments.default;
    let environments = environments.list;
    let snapshot = Snapshot {
        directory: Directory::of(&connections, &keys),
        listeners: listeners.list,
        environments,
        default_environment,
        connections,
        needles,
        workflows,
        keys,
        digests,
        routes,
    };
    let certificates = listeners.certificates;
    Ok(Assembled { snapshot, trust, verify, connectors, certificates, settings, warnings: mistakes })
}

/// Where everything is assembled: collects mistakes, fetches secrets, notes files.
struct Site<'a> {
    mistakes: RefCell<Mistakes>,
    base: &'a Path,
    /// Unix milliseconds.
    now: i64,
    sources: SecretSources,
    /// `key_checks: refuse`
    refuse_doubtful_keys: bool,
    files: RefCell<Vec<Stamp>>,
    expiries: RefCell<Vec<Expiry>>,
}

impl<'a> Site<'a> {
    fn new(mistakes: Mistakes, base: &'a Path, root: &View<'_>) -> Site<'a> {
        Site {
            mistakes: RefCell::new(mistakes),
            base,
            now: timestamp::now_ms(),
            sources: SecretSources::read(root),
            refuse_doubtful_keys: root.text("key_checks") == Some("refuse"),
            files: RefCell::default(),
            expiries: RefCell::default(),
        }
    }
}

impl Site<'_> {
    fn error(&self, at: At<'_>, reason: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.borrow_mut().error(at, reason, remedy);
    }

    fn warning(&self, at: At<'_>, reason: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.borrow_mut().warning(at, reason, remedy);
    }

    /// C9: about a secret that does not look right, as the policy has it.
    fn doubt(&self, at: At<'_>, reason: impl Into<String>, remedy: impl Into<String>) {
        match self.refuse_doubtful_keys {
            true => self.error(at, reason, remedy),
            false => self.warning(at, reason, remedy),
        }
    }

    /// An unknown name, with the nearest known one.
    fn unknown<'n>(&self, at: At<'_>, kind: &str, name: &str, known: impl IntoIterator<Item = &'n str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let remedy = match (nearest(name, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => format!("write: {near}"),
            (None, true) => format!("declare it under {kind}s"),
            (None, false) if known.len() <= 8 => format!("write one of: {}", known.join(", ")),
            (None, false) => format!("declare it under {kind}s"),
        };
        self.error(at, format!("there is no {kind} {name:?}"), remedy);
    }

    /// A path of the file, from its own directory.
    fn path(&self, path: &Path) -> PathBuf {
        let path = self.base.join(path);
        self.files.borrow_mut().push(Stamp::of(&path));
        path
    }

    /// The secret behind a reference; `None` if that was a mistake, which is reported.
    fn found(&self, at: At<'_>, reference: &Reference<'_>) -> Option<Found> {
        if let Reference::File(path) = reference {
            self.path(path);
        }
        match source::resolve(reference, self.base, &self.sources) {
            Ok(found) => Some(found),
            Err(error) => {
                self.error(at, error.to_string(), error.remedy());
                None
            }
        }
    }

    /// As [`Site::found`], for a key's token, of which only the digest is kept.
    fn fetch(&self, at: At<'_>, reference: &Reference<'_>) -> Option<Zeroizing<Vec<u8>>> {
        self.found(at, reference).map(|found| found.secret)
    }
}

/// Environments, and which is the default.
struct Environments {
    list: Vec<Environment>,
    default: EnvironmentId,
}

fn environments(site: &Site<'_>, root: &View<'_>) -> Environments {
    let mut list = Vec::new();
    let mut defaults = Vec::new();
    for view in root.list("environments") {
        let Some(name) = view.text("name") else { continue };
        let id = EnvironmentId(list.len() as u16);
        if view.flag("default") {
            defaults.push((id, view.at("default")));
        }
        list.push(environment(id, name));
    }
    if list.is_empty() {
        list.push(environment(EnvironmentId(0), "Production"));
    }
    match defaults.as_slice() {
        [] if list.len() > 1 => {
            let remedy = "write `default: true` at one of them";
            site.error(root.at("environments"), "none of the environments is the default", remedy);
        }
        [_, second, ..] => {
            site.error(second.1, "a second environment is the default", "leave `default: true` at one of them");
        }
        _ => {}
    }
    Environments { list, default: defaults.first().map_or(EnvironmentId(0), |(id, _)| *id) }
}

fn environment(id: EnvironmentId, name: &str) -> Environment {
    Environment { id, name: name.into(), header: word(name) }
}

/// Indices of what can be referred to by name.
struct Names<'a> {
    environments: HashMap<&'a str, EnvironmentId>,
    connections: HashMap<&'a str, u32>,
    workflows: HashMap<&'a str, u32>,
    keys: HashMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    fn of(root: &View<'a>, environments: &'a Environments) -> Names<'a> {
        let indexed = |list: &'static str| {
            let named = root.list(list).filter_map(|v| v.text("name"));
            named.enumerate().map(|(at, name)| (name, at as u32)).collect()
        };
        Names {
            environments: environments.list.iter().map(|e| (&*e.name, e.id)).collect(),
            connections: indexed("connections"),
            workflows: indexed("workflows"),
            keys: indexed("keys"),
        }
    }

    /// The environment that `view.field` names; `None` if it names none, or a wrong one, which is reported.
    fn environment(&self, site: &Site<'_>, view: &View<'_>, field: &str) -> Option<EnvironmentId> {
        let name = view.text(field)?;
        let found = self.environments.get(name).copied();
        if found.is_none() {
            site.unknown(view.at(field), "environment", name, self.environments.keys().copied());
        }
        found
    }
}

fn log(root: &View<'_>, base: &Path) -> Log {
    let access = match root.opt("log.access", config::scalar::log_target) {
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

/// A rate as the model has it. The schema excludes zeros.
fn quota(rate: Rate) -> Quota {
    let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota { count: at_least_one(rate.count), per: rate.per, burst: at_least_one(rate.burst) }
}

/// A name as a header's value. The grammar of names leaves no other characters.
fn word(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod verdicts_tests;
