//! K13: who asks, and what they may do. Every use case asks here, and nowhere else.

use super::refusal::{Done, Refusal};
use crate::assembly::keys::Spec;
use crate::model::key::{ScopeName, Scopes};
use crate::model::{Key, Uid};
use http::StatusCode;
use std::net::IpAddr;

/// Somebody whose key is alive and good for administration. Made by [`super::Control::actor`] only.
#[derive(Debug, Clone)]
pub struct Actor {
    /// As it was when he asked.
    key: Key,
    address: IpAddr,
    request_id: String,
}

impl Actor {
    pub(super) fn new(key: &Key, address: IpAddr, request_id: &str) -> Actor {
        Actor { key: key.clone(), address, request_id: request_id.to_owned() }
    }

    pub fn name(&self) -> &str {
        &self.key.name
    }

    pub fn uid(&self) -> Uid {
        self.key.uid
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    pub(super) fn may_read(&self) -> Done<()> {
        self.needs(ScopeName::AdminRead)
    }

    pub(super) fn may_write(&self) -> Done<()> {
        self.needs(ScopeName::AdminWrite)
    }

    fn needs(&self, scope: ScopeName) -> Done<()> {
        if self.key.scopes.has(scope) {
            return Ok(());
        }
        let detail = format!("the key {} does not have the scope {}", self.key.name, scope.name());
        Err(Refusal::new(StatusCode::FORBIDDEN, "scope_missing", detail, "use a key with that scope"))
    }

    /// Whether he may hand out, or keep alive, a key like this: whoever gets at its token has all of it.
    pub(super) fn may_grant(&self, spec: &Spec, environment: Option<Uid>) -> Done<()> {
        let own = &self.key;
        let scopes = spec.scopes.iter().copied().fold(Scopes::NONE, Scopes::with);
        if let Some(scope) = scopes.iter().find(|scope| !own.scopes.has(*scope)) {
            return Err(self.exceeded(format!("the scope {}", scope.name())));
        }
        if !own.workflows.cover(&spec.workflows.grants()) {
            return Err(self.exceeded("workflows".to_owned()));
        }
        if !own.connections.cover(&spec.connections.grants()) {
            return Err(self.exceeded("connections".to_owned()));
        }
        self.may_manage_in(environment)
    }

    /// Whether he may change what belongs to this environment; `None`: what belongs to all of them.
    pub(super) fn may_manage_in(&self, environment: Option<Uid>) -> Done<()> {
        match (self.key.environment, environment) {
            (None, _) => Ok(()),
            (Some(own), Some(other)) if own == other => Ok(()),
            (Some(_), Some(_)) => Err(self.exceeded("another environment".to_owned())),
            (Some(_), None) => Err(self.exceeded("all environments".to_owned())),
        }
    }

    /// Whether he may let a workflow, and so whoever may run it, use this connection.
    pub(super) fn may_lend(&self, connection: Uid, name: &str) -> Done<()> {
        match self.key.connections.permit(connection) {
            true => Ok(()),
            false => Err(self.exceeded(format!("the connection {name}"))),
        }
    }

    fn exceeded(&self, what: String) -> Refusal {
        let detail = format!("this goes beyond what the key {} has itself: {what}", self.key.name);
        let hint = "ask somebody who has it; nobody grants more than their own";
        Refusal::new(StatusCode::FORBIDDEN, "grant_exceeds_own", detail, hint)
    }
}
