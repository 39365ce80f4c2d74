//! C1, C15: what the name in `/c/<name>/…` means: a connection's name or id, or a connector, which stands for its default
//! connection in each environment.

use super::connection::{Connection, ConnectionId, InjectRule};
use super::environment::EnvironmentId;
use super::name::is_uuid;
use super::snapshot::Frame;
use super::uid::Uid;
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
    /// All that are made from it: a key may mean any of them.
    made: Vec<ConnectionId>,
}

impl Directory {
    /// Connectors' names and ids are reserved, so nothing here is known by two names of different meaning.
    pub fn of(connections: &[Connection]) -> Directory {
        let mut names = HashMap::new();
        let mut connectors: HashMap<&str, Connector> = HashMap::new();
        for connection in connections {
            let Some(name) = connection.connector.as_deref() else { continue };
            let entry = connectors.entry(name).or_default();
            entry.made.push(connection.index);
            if connection.default {
                entry.defaults.push((connection.environment, connection.index));
            }
        }
        for (name, connector) in connectors {
            names.insert(name.into(), Named::Connector(Connector { name: name.into(), ..connector }));
        }
        for connection in connections {
            names.insert(connection.uid.to_string().into(), Named::Connection(connection.index));
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

impl Connector {
    /// The connection of this id, if it is made from this connector.
    pub fn made(&self, frame: &Frame, uid: Uid) -> Option<ConnectionId> {
        self.made.iter().copied().find(|id| frame.connection(*id).uid == uid)
    }
}

impl Named {
    /// The connection, if it is named itself; which one a connector means depends on who asks, and where.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Named::Connection(id) => Some(*id),
            Named::Connector(_) => None,
        }
    }

    /// Every connection that it may mean to somebody, somewhere.
    pub fn candidates(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        let (one, connector) = match self {
            Named::Connection(id) => (Some(*id), None),
            Named::Connector(connector) => (None, Some(connector)),
        };
        let many = connector.into_iter().flat_map(|c| c.made.iter().copied());
        one.into_iter().chain(many)
    }
}
