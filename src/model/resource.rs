//! The kinds of resources that people manage, by the names that configuration, API, CLI and audit share.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    Environment,
    Connection,
    Workflow,
    Key,
}

impl Resource {
    /// In the order in which they may refer to those before them.
    pub const ALL: [Resource; 4] = [Resource::Environment, Resource::Connection, Resource::Workflow, Resource::Key];

    /// `key`
    pub fn name(self) -> &'static str {
        match self {
            Resource::Environment => "environment",
            Resource::Connection => "connection",
            Resource::Workflow => "workflow",
            Resource::Key => "key",
        }
    }

    /// `keys`: its list in the configuration, and its place in the API.
    pub fn plural(self) -> &'static str {
        match self {
            Resource::Environment => "environments",
            Resource::Connection => "connections",
            Resource::Workflow => "workflows",
            Resource::Key => "keys",
        }
    }

    pub fn named(name: &str) -> Option<Resource> {
        Resource::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// By its place in the API.
    pub fn listed_as(plural: &str) -> Option<Resource> {
        Resource::ALL.into_iter().find(|kind| kind.plural() == plural)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
