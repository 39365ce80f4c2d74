//! C1, C15: what the name in `/c/<name>/…` means: a connection's name or id, or a connector, which stands for its default
//! connection in each environment.

use super::connection::{Connection, ConnectionId, InjectRule};
use super::environment::EnvironmentId;
use super::key::Key;
use super::name::is_uuid;
use std::collections::HashMap;

/// Names to what they mean.
#[derive(Debug, Default)]
pub struct Directory {
    names: HashMap<Box<str>, Named>,
    /// Every place where some connection's callers may put a token, once.
    slots: Vec<InjectRule>,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Connection(ConnectionId),
    Connector(Connector),
}

/// A connector, as callers reach it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connector {
    pub name: Box<str>,
    /// At most one an environment.
    pub defaults: Vec<(EnvironmentId, ConnectionId)>,
    /// What some keys mean by it.
    bound: Vec<ConnectionId>,
}

impl Directory {
    /// Connectors' names and ids are reserved, so nothing here is known by two names of different meaning.
    pub fn of(connections: &[Connection], keys: &[Key]) -> Directory {
        let mut names = HashMap::new();
        let mut connectors: HashMap<&str, Connector> = HashMap::new();
        for connection in connections {
            if let Some(connector) = connection.connector.as_deref().filter(|_| connection.default) {
                let entry = connectors.entry(connector).or_default();
                entry.defaults.push((connection.environment, connection.index));
            }
        }
        for (connector, connection) in keys.iter().flat_map(|key| &key.bindings) {
            let entry = connectors.entry(connector).or_default();
            if !entry.bound.contains(connection) {
                entry.bound.push(*connection);
            }
        }
        for (name, connector) in connectors {
            names.insert(name.into(), Named::Connector(Connector { name: name.into(), ..connector }));
        }
        for connection in connections {
            names.insert(connection.id.as_str().into(), Named::Connection(connection.index));
            names.insert((&*connection.name).into(), Named::Connection(connection.index));
        }
        let mut slots: Vec<InjectRule> = Vec::new();
        for rule in connections.iter().flat_map(|c| &c.injection.read) {
            // A user name is not read: a thousand accounts of one provider are one place.
            let is_known = |known: &InjectRule| match (known, rule) {
                (InjectRule::Basic { .. }, InjectRule::Basic { .. }) => true,
                (known, rule) => known == rule,
            };
            if !slots.iter().any(is_known) {
                slots.push(rule.clone());
            }
        }
        Directory { names, slots }
    }

    /// Where callers may put a token, for one connection or another (C4).
    pub fn slots(&self) -> &[InjectRule] {
        &self.slots
    }

    /// By a name as it is, or an id in either case.
    pub fn find(&self, name: &str) -> Option<&Named> {
        self.names.get(name).or_else(|| match is_uuid(name) {
            true => self.names.get(&*name.to_ascii_lowercase()),
            false => None,
        })
    }
}

impl Named {
    /// Every connection that it may mean to somebody, somewhere.
    pub fn candidates(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        let (one, connector) = match self {
            Named::Connection(id) => (Some(*id), None),
            Named::Connector(connector) => (None, Some(connector)),
        };
        let many =
            connector.into_iter().flat_map(|c| c.defaults.iter().map(|(_, id)| *id).chain(c.bound.iter().copied()));
        one.into_iter().chain(many)
    }
}
