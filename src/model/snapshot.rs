//! Everything a decision reads, whole and unchanging: a reload makes another one.

use super::connection::{Connection, ConnectionId};
use super::directory::Directory;
use super::environment::{Environment, EnvironmentId};
use super::key::{Key, KeyId};
use super::keys::Keys;
use super::listener::Listener;
use super::routes::Routes;
use super::scrub::Needles;
use super::signed_url::UrlKey;
use super::uid::Uid;
use super::webhook::SigningSecret;
use super::workflow::{Workflow, WorkflowId};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// The frame, and the keys, which change far more often: a copy costs two reference counts.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub frame: Arc<Frame>,
    pub keys: Keys,
}

/// Everything but the keys: nouns by index, and the look-ups of a request. Made anew whenever something of it changes.
#[derive(Debug)]
pub struct Frame {
    pub listeners: Vec<Listener>,
    pub environments: Vec<Environment>,
    pub default_environment: EnvironmentId,
    pub connections: Vec<Connection>,
    /// What is looked for in replies to outbound calls.
    pub needles: Needles,
    pub workflows: Vec<Workflow>,
    pub directory: Directory,
    pub routes: Routes,
    /// H6: where senders shake hands by GET, at workflows that take deliveries by another method.
    pub handshakes: Routes,
    /// H2: bytes that all deliveries may hold together while they are taken in.
    pub webhook_buffer: u64,
    /// How far a core may be behind before it refuses requests; none, and it takes whatever comes.
    pub overload: Option<Duration>,
    /// H7: what URLs are signed with; none where there is no master key.
    pub url_key: Option<Arc<UrlKey>>,
}

impl Deref for Snapshot {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.frame
    }
}

impl Snapshot {
    /// None, if it is gone.
    pub fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(id)
    }
}

impl Frame {
    pub fn environment(&self, id: EnvironmentId) -> &Environment {
        &self.environments[usize::from(id.0)]
    }

    pub fn connection(&self, id: ConnectionId) -> &Connection {
        &self.connections[id.0 as usize]
    }

    pub fn workflow(&self, id: WorkflowId) -> &Workflow {
        &self.workflows[id.0 as usize]
    }

    /// E3: names are case-sensitive.
    pub fn environment_named(&self, name: &str) -> Option<EnvironmentId> {
        self.environments.iter().find(|e| &*e.name == name).map(|e| e.id)
    }

    /// R3: the connections whose secrets end, and when: Unix milliseconds.
    pub fn secret_endings(&self) -> impl Iterator<Item = (Arc<str>, i64)> {
        self.connections.iter().filter_map(|connection| Some((connection.name.clone(), connection.expires_at?)))
    }

    /// H1: what senders sign with, and the workflow that each secret is of.
    pub fn signing_secrets(&self) -> impl Iterator<Item = (&Workflow, &SigningSecret)> {
        self.workflows.iter().flat_map(|workflow| workflow.signing_secrets().iter().map(move |s| (workflow, s)))
    }

    /// The use of secrets that `before` had as well goes on where it was noted.
    pub fn carry_on(&mut self, before: &Frame) {
        let known: HashMap<Uid, &SigningSecret> = before.signing_secrets().map(|(_, s)| (s.uid, s)).collect();
        let signatures = self.workflows.iter_mut().filter_map(|w| w.webhook.as_mut()?.signature.as_mut());
        for secret in signatures.flat_map(|signature| &mut signature.secrets) {
            if let Some(old) = known.get(&secret.uid) {
                secret.used = old.used.clone();
            }
        }
    }

    /// None, if it is gone.
    pub fn environment_of(&self, uid: Uid) -> Option<&Environment> {
        self.environments.iter().find(|e| e.uid == uid)
    }
}

#[cfg(any(test, fuzzing))]
impl std::ops::DerefMut for Snapshot {
    /// Tests change a frame that nobody else holds.
    fn deref_mut(&mut self) -> &mut Frame {
        Arc::get_mut(&mut self.frame).unwrap()
    }
}
