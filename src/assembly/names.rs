//! Environments, and what can be referred to by name.

use super::{Site, word};
use crate::config::{View, trail};
use crate::model::environment::{Environment, EnvironmentId};
use crate::model::{Frame, Uid};
use std::collections::HashMap;

/// The environment of a gateway that declares none.
pub const IMPLIED: &str = "Production";

/// Environments, and which is the default.
pub struct Environments {
    pub list: Vec<Environment>,
    pub default: EnvironmentId,
}

pub fn environments(site: &Site<'_>, root: &View<'_>) -> Environments {
    let mut list = Vec::new();
    let mut defaults = Vec::new();
    for view in root.list("environments") {
        let Some(name) = view.text("name") else { continue };
        let id = EnvironmentId(list.len() as u16);
        if view.flag("default") {
            defaults.push((id, view.at("default")));
        }
        let uid = view.text("id").and_then(Uid::parse);
        list.push(environment(id, uid, name));
    }
    if list.is_empty() {
        list.push(environment(EnvironmentId(0), None, IMPLIED));
    }
    // The file's only one needs no word; the store's stand beside it.
    let files = root.list("environments").filter(|view| view.here().line != trail::NOWHERE).count();
    match defaults.as_slice() {
        [] if files != 1 && list.len() > 1 => {
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

fn environment(id: EnvironmentId, uid: Option<Uid>, name: &str) -> Environment {
    let uid = uid.unwrap_or_else(|| Uid::declared("environment", name));
    Environment { id, uid, name: name.into(), header: word(name) }
}

/// Indices of what can be referred to by name.
pub struct Names<'a> {
    pub environments: HashMap<&'a str, EnvironmentId>,
    pub connections: HashMap<&'a str, u32>,
    pub workflows: HashMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    pub fn of(root: &View<'a>, environments: &'a Environments) -> Names<'a> {
        let indexed = |list: &'static str| {
            let named = root.list(list).filter_map(|v| v.text("name"));
            named.enumerate().map(|(at, name)| (name, at as u32)).collect()
        };
        Names {
            environments: environments.list.iter().map(|e| (&*e.name, e.id)).collect(),
            connections: indexed("connections"),
            workflows: indexed("workflows"),
        }
    }

    /// Of what is in force, for a resource that is added to it.
    pub fn in_force(frame: &'a Frame) -> Names<'a> {
        Names {
            environments: frame.environments.iter().map(|e| (&*e.name, e.id)).collect(),
            connections: frame.connections.iter().map(|c| (&*c.name, c.index.0)).collect(),
            workflows: frame.workflows.iter().map(|w| (&*w.name, w.index.0)).collect(),
        }
    }

    /// The environment that `view.field` names; `None` if it names none, or a wrong one, which is reported.
    pub fn environment(&self, site: &Site<'_>, view: &View<'_>, field: &str) -> Option<EnvironmentId> {
        let name = view.text(field)?;
        let found = self.environments.get(name).copied();
        if found.is_none() {
            site.unknown(view.at(field), "environment", name, self.environments.keys().copied());
        }
        found
    }
}
