//! Everything a decision reads, whole and unchanging: a reload makes another one.

use super::connection::{Connection, ConnectionId};
use super::directory::Directory;
use super::environment::{Environment, EnvironmentId};
use super::key::{Key, KeyId, Slot};
use super::listener::Listener;
use super::routes::Routes;
use super::scrub::Needles;
use super::token::Digest;
use super::workflow::{Workflow, WorkflowId};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Nouns by index, and the two look-ups of a request: digest to key, path to workflow.
#[derive(Debug)]
pub struct Snapshot {
    pub listeners: Vec<Listener>,
    pub environments: Vec<Environment>,
    pub default_environment: EnvironmentId,
    pub connections: Vec<Connection>,
    /// What is looked for in replies to outbound calls.
    pub needles: Needles,
    pub workflows: Vec<Workflow>,
    pub keys: Vec<Key>,
    pub digests: Digests,
    pub directory: Directory,
    pub routes: Routes,
}

impl Snapshot {
    pub fn environment(&self, id: EnvironmentId) -> &Environment {
        &self.environments[usize::from(id.0)]
    }

    pub fn connection(&self, id: ConnectionId) -> &Connection {
        &self.connections[id.0 as usize]
    }

    pub fn workflow(&self, id: WorkflowId) -> &Workflow {
        &self.workflows[id.0 as usize]
    }

    pub fn key(&self, id: KeyId) -> &Key {
        &self.keys[id.0 as usize]
    }

    /// E3: names are case-sensitive.
    pub fn environment_named(&self, name: &str) -> Option<EnvironmentId> {
        self.environments.iter().find(|e| &*e.name == name).map(|e| e.id)
    }
}

/// Whose a token is, by its digest.
pub type Digests = HashMap<Digest, (KeyId, Slot), BuildHasherDefault<Uniform>>;

/// Digests are uniform already: their first eight bytes are the hash.
#[derive(Debug, Default)]
pub struct Uniform(u64);

impl Hasher for Uniform {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
