//! Floor 5: from a configuration file to what runs. Every mistake is reported, with its place; nothing is put in force
//! by this module.

mod connections;
pub mod connectors;
mod destinations;
pub mod documents;
mod expiry;
mod file;
mod handshakes;
mod injection;
mod key_list;
pub mod keys;
mod listeners;
mod named;
mod names;
mod seal;
mod settings;
mod site;
mod stamp;
mod url_key;
mod webhooks;
mod workflows;
mod written;

pub use documents::{Document, Held, Holdings, Signing};
pub use file::{base_of, connectors_of, early, from_file, read};
pub use listeners::socket_path;
pub use seal::SIGNING as SIGNING_SEAL;
pub use settings::{Log, Settings, Shutdown, Store};
pub use stamp::Stamp;
pub use written::Written;

use connections::Connections;
use named::Named;
use names::{Names, environments};
use site::Site;
use workflows::Workflows;

use crate::config::scalar::{self, Rate};
use crate::config::{self, Items, Mistakes, Node, View, schema};
use crate::connector::Verify;
use crate::model::directory::Directory;
use crate::model::listener::Door;
use crate::model::{Frame, Keys, Origin, Quota, Snapshot};
use crate::net::tls::Tls;
use connectors::Catalogue;
use http::HeaderValue;
use key_list::KeyList;
use keys::Around;
use listeners::Listeners;
use rustls::{ClientConfig, ServerConfig};
use std::cell::Cell;
use std::collections::HashSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

/// A whole configuration, checked and made ready.
pub struct Assembled {
    pub snapshot: Snapshot,
    /// By the connection's index.
    pub trust: Vec<Option<Tls<ClientConfig>>>,
    /// C8: how a connection's secret is tried, by the connection's index; `None` where nothing is known to try.
    pub verify: Vec<Option<Verify>>,
    /// C16: what a connection's secret is sealed to, by the connection's index.
    pub seals: Vec<[u8; 32]>,
    /// The connectors that connections may name.
    pub connectors: Arc<Catalogue>,
    /// By the listener's index.
    pub certificates: Vec<Option<Tls<ServerConfig>>>,
    pub settings: Settings,
    /// What the lints say.
    pub warnings: Mistakes,
}

/// A configuration that cannot be put in force: what is wrong with it, all at once, and the files it was read from: when
/// one of them changes, it is worth another try.
pub struct Rejected {
    pub mistakes: Mistakes,
    pub files: Vec<Stamp>,
}

/// What is in force if it is accepted, and what was written.
pub type Read = Result<(Assembled, Written), Rejected>;

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.mistakes.fmt(f)
    }
}

/// As [`read`], for text from elsewhere.
pub fn from_text(text: &str, name: &str, base: &Path, holdings: &Holdings, before: &Keys) -> Read {
    let mut mistakes = Mistakes::new(name);
    let Some(file) = config::load(text, &mut mistakes) else {
        return Err(Rejected { mistakes, files: Vec::new() });
    };
    let unread = || Rejected { mistakes: Mistakes::new(name), files: Vec::new() };
    from_tree(file, None, mistakes, base, holdings, before).unwrap_or_else(|| Err(unread()))
}

/// `apart`: the keys that are not in the tree. None, if they cannot be read one by one.
fn from_tree(
    file: Node,
    apart: Option<&Items>,
    mistakes: Mistakes,
    base: &Path,
    holdings: &Holdings,
    before: &Keys,
) -> Option<Read> {
    let name = mistakes.file().clone();
    let site = Site::new(mistakes, base, &View::root(&file, schema::ROOT), holdings);
    let tree = holdings.join(&file, &site);
    let root = View::root(&tree, schema::ROOT);
    let mut listeners = listeners::assemble(&site, &root);
    let settings = Settings::read(&site, &root, &listeners);
    let connectors = Arc::new(connectors::assemble(&site, &root));
    let fetched = site.fetched.clone();
    let identities: Vec<&str> = root.list("listeners.outbound").filter_map(|v| v.text("identity")).collect();
    let list = KeyList { root, apart, is_irregular: Cell::new(false) };
    let (mut key_names, mut named_by_keys) = (HashSet::new(), Named::default());
    let assemble_keys = |site: &Site<'_>, around: &Around<'_>| {
        let around = Around { identities: &identities, ..*around };
        let keys = keys::assemble(site, &list, &around, before, |name, key| {
            if settings.store.is_some() {
                key_names.insert(name.into());
                named_by_keys.note(key);
            }
        });
        keys::hold_identities(site, &root, &keys);
        keys
    };
    let assembled =
        assembled_beside(site, &root, listeners.clone(), settings.clone(), connectors.clone(), assemble_keys);
    if list.is_irregular.get() {
        return None;
    }
    let mut assembled = match assembled {
        Ok(assembled) => assembled,
        Err(rejected) => return Some(Err(rejected)),
    };
    stand_in(&mut listeners, &assembled.snapshot.keys);
    if let Some(frame) = Arc::get_mut(&mut assembled.snapshot.frame) {
        frame.listeners = listeners.list.clone();
    }
    let fetched = fetched.take();
    let written = Written {
        key_names,
        named_by_keys,
        name: name.to_string(),
        base: base.to_owned(),
        tree: Written::without_keys(file),
        listeners,
        settings: assembled.settings.clone(),
        connectors,
        fetched,
    };
    Some(Ok((assembled, written)))
}

/// C4: which keys the listeners stand for.
fn stand_in(listeners: &mut Listeners, keys: &Keys) {
    for (listener, identity) in listeners.list.iter_mut().zip(&listeners.identities) {
        let (Door::Outbound(door), Some(name)) = (&mut listener.door, identity) else { continue };
        let key = keys.iter().find(|key| key.origin == Origin::File && *key.name == **name);
        door.identity = key.map(|key| key.index);
    }
}

/// Everything beside the listeners, which only the file has.
fn assembled_beside(
    site: Site<'_>,
    root: &View<'_>,
    listeners: Listeners,
    settings: Settings,
    connectors: Arc<Catalogue>,
    keys: impl FnOnce(&Site<'_>, &Around<'_>) -> Keys,
) -> Result<Assembled, Rejected> {
    let url_key = url_key::of(&site, root, &settings);
    let environments = environments(&site, root);
    let names = Names::of(root, &environments);
    let Connections { list: connections, trust, verify, seals, needles } =
        connections::assemble(&site, root, &environments, &names, &connectors);
    let Workflows { list: workflows, routes, handshakes } =
        workflows::assemble(&site, root, &names, &environments, &connections, &listeners.list);
    let around = Around {
        names: &names,
        environments: &environments.list,
        workflows: &workflows,
        connections: &connections,
        listeners: &listeners.list,
        identities: &[],
    };
    let keys = keys(&site, &around);
    let (mut mistakes, files, expiries) = site.finish();
    mistakes.sort();
    if mistakes.has_errors() {
        return Err(Rejected { mistakes, files });
    }
    let frame = Frame {
        directory: Directory::of(&connections),
        listeners: listeners.list,
        default_environment: environments.default,
        environments: environments.list,
        connections,
        needles,
        workflows,
        routes,
        handshakes,
        webhook_buffer: root.size("webhooks.buffer"),
        overload: root.switch("overload.delay").and_then(|delay| scalar::duration(delay).ok()),
        url_key,
    };
    let snapshot = Snapshot { frame: Arc::new(frame), keys };
    let certificates = listeners.certificates;
    let settings = settings.with(files, expiries);
    Ok(Assembled { snapshot, trust, verify, seals, connectors, certificates, settings, warnings: mistakes })
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
