//! T1b: what the file's keys name, which may be the store's: it must stay as the file wants it, or the file could not be
//! read again.

use super::Site;
use super::keys::Around;
use crate::config::View;
use crate::config::view::Grant;
use crate::model::Resource;
use std::collections::HashSet;

/// Names, each once: there may be a million keys.
#[derive(Default)]
pub struct Named {
    these: HashSet<(Resource, Box<str>)>,
    /// C15: connectors, and what keys mean by them.
    bound: HashSet<(Box<str>, Box<str>)>,
}

impl Named {
    /// What one key names.
    pub fn note(&mut self, key: &View<'_>) {
        let mut note = |kind, name: Option<&str>| self.these.extend(name.map(|name| (kind, Box::from(name))));
        note(Resource::Environment, key.text("environment"));
        for kind in [Resource::Connection, Resource::Workflow] {
            if let Grant::These(items) = key.grant(kind.plural()) {
                items.iter().for_each(|item| note(kind, item.text_here()));
            }
        }
        let bound = key.entries("bindings");
        self.bound.extend(bound.filter_map(|pair| Some((pair.key.into(), pair.value.text_here()?.into()))));
    }

    /// Reports what would be missing, or other than the keys say.
    pub fn hold(&self, site: &Site<'_>, file: &View<'_>, around: &Around<'_>) {
        let names = around.names;
        let bad = |what: String| {
            let remedy = "change the file's keys first: this change is not made, whatever forces it";
            site.error(file.at("keys"), format!("keys of the configuration file name {what}"), remedy);
        };
        let connection = |name: &str| around.connections.get(*names.connections.get(name)? as usize);
        let workflow = |name: &str| around.workflows.get(*names.workflows.get(name)? as usize);
        for (kind, name) in &self.these {
            let there = match kind {
                Resource::Environment => names.environments.contains_key(&**name),
                Resource::Connection => connection(name).is_some(),
                Resource::Workflow => workflow(name).is_some_and(|workflow| workflow.template.is_some()),
                Resource::Key => true,
            };
            if !there {
                bad(format!("the {kind} {name}"));
            }
        }
        for (connector, name) in &self.bound {
            if connection(name).is_none_or(|connection| connection.connector.as_deref() != Some(&**connector)) {
                bad(format!("the connection {name} for {connector}"));
            }
        }
    }
}
