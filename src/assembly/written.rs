//! What the file says, kept while it is in force: so that a change in the store is assembled beside what the file said
//! when it was accepted, and needs neither the file nor its secrets to be there, or right, at that moment.

use super::connectors::Catalogue;
use super::documents::Holdings;
use super::listeners::Listeners;
use super::named::Named;
use super::{Assembled, Rejected, Settings, Site, assembled_beside};
use crate::config::source::Found;
use crate::config::tree::{Node, Value};
use crate::config::{Mistakes, View, schema};
use crate::model::{Keys, Resource};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

/// An accepted file.
pub struct Written {
    pub(super) name: String,
    pub(super) base: PathBuf,
    /// Without the keys, which may be a million and change nothing of the rest.
    pub(super) tree: Node,
    pub(super) listeners: Listeners,
    pub(super) settings: Settings,
    pub(super) connectors: Arc<Catalogue>,
    pub(super) fetched: HashMap<String, Found>,
    /// Names that the store's keys may not have, where there is a store.
    pub(super) key_names: HashSet<Box<str>>,
    pub(super) named_by_keys: Named,
}

impl Written {
    pub(super) fn without_keys(mut tree: Node) -> Node {
        if let Value::Map(entries) = &mut tree.value {
            entries.retain(|entry| &*entry.key != Resource::Key.plural());
        }
        tree
    }

    /// The same file beside other documents. The keys are as they are.
    pub fn with(&self, holdings: &Holdings, keys: Keys) -> Result<Assembled, Rejected> {
        let file = View::root(&self.tree, schema::ROOT);
        let site = Site::again(Mistakes::new(&self.name), &self.base, &file, holdings, &self.fetched);
        let tree = holdings.join(&self.tree, &site);
        let root = View::root(&tree, schema::ROOT);
        let (listeners, settings) = (self.listeners.clone(), self.settings.clone());
        assembled_beside(site, &root, listeners, settings, self.connectors.clone(), |site, around| {
            self.named_by_keys.hold(site, &file, around);
            keys
        })
    }

    /// What the file has of this kind, as it stands there; keys are not among it.
    pub fn list(&self, kind: Resource) -> Vec<View<'_>> {
        View::root(&self.tree, schema::ROOT).list(kind.plural()).collect()
    }

    /// Whether the file has a resource of this name.
    pub fn has(&self, kind: Resource, name: &str) -> bool {
        match kind {
            Resource::Key => self.key_names.contains(name),
            kind => self.list(kind).iter().any(|view| view.text("name") == Some(name)),
        }
    }

    /// The connectors that connections may name.
    pub fn connectors(&self) -> &Catalogue {
        &self.connectors
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
