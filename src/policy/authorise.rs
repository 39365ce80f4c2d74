//! K13, W1–W3, E1–E5: may this key run this workflow, here?

use super::authenticate::Authenticated;
use super::environment::{self, Asked};
use crate::model::denial::BadCertificate;
use crate::model::key::ScopeName;
use crate::model::routes::Found;
use crate::model::secret::MayOpen;
use crate::model::{ClientCertificate, Connection, Denial, Environment, Key, Slot, Snapshot, Workflow};
use http::HeaderValue;
use std::net::IpAddr;

/// Every check has passed but the limits: this key, this workflow, this environment, this connection. Built by
/// [`authorise`] only; it opens the secret of its own connection and of no other.
#[derive(Debug, Clone, Copy)]
pub struct Permit<'s> {
    key: &'s Key,
    slot: Slot,
    workflow: &'s Workflow,
    environment: &'s Environment,
    connection: &'s Connection,
}

impl MayOpen for Permit<'_> {}

impl<'s> Permit<'s> {
    pub fn key(&self) -> &'s Key {
        self.key
    }

    pub fn slot(&self) -> Slot {
        self.slot
    }

    pub fn workflow(&self) -> &'s Workflow {
        self.workflow
    }

    pub fn environment(&self) -> &'s Environment {
        self.environment
    }

    pub fn connection(&self) -> &'s Connection {
        self.connection
    }

    /// The header values to inject, opened.
    pub fn injected_headers(&self) -> impl Iterator<Item = (&'s http::HeaderName, HeaderValue)> + '_ {
        self.connection.injection.headers.iter().map(|(name, value)| (name, value.open(self)))
    }

    /// The query pairs to inject, opened and encoded.
    pub fn injected_query(&self) -> impl Iterator<Item = &[u8]> {
        self.connection.injection.query.iter().map(|(_, pair)| pair.open(self))
    }

    /// The path prefix to inject, opened and encoded.
    pub fn injected_path(&self) -> Option<&[u8]> {
        self.connection.injection.path.as_ref().map(|p| p.open(self))
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub address: IpAddr,
    /// What the caller showed in the handshake, verified there.
    pub certificate: Option<&'a ClientCertificate>,
}

/// Decides in the order that W1 promises: address, client certificate, workflow or method, permission, scope,
/// environment.
pub fn authorise<'s>(
    snapshot: &'s Snapshot,
    caller: &Authenticated<'s>,
    origin: &Origin<'_>,
    route: &Found,
    asked: &Asked<'_>,
    now: i64,
) -> Result<Permit<'s>, Denial> {
    let key = caller.key();
    if key.allow_addresses.as_ref().is_some_and(|nets| !super::address::within(origin.address, nets)) {
        return Err(Denial::AddressNotAllowed);
    }
    certified(key, origin.certificate, now)?;
    let workflow = match route {
        Found::Workflow(id) => snapshot.workflow(*id),
        Found::OtherMethods(allow) => return Err(Denial::MethodNotAllowed { allow: allow.clone() }),
        Found::Nothing => return Err(Denial::WorkflowNotFound),
        Found::LookAlike => {
            return Err(Denial::AmbiguousPath(
                "the path differs from another workflow's only in what some upstreams ignore",
            ));
        }
    };
    if !key.workflows.permit(workflow.index) {
        return Err(Denial::WorkflowNotPermitted { workflow: workflow.name.clone() });
    }
    if !key.scopes.has(ScopeName::WorkflowsInvoke) {
        return Err(Denial::ScopeMissing(ScopeName::WorkflowsInvoke));
    }
    let environment = snapshot.environment(environment::select(snapshot, key, asked)?);
    let Some(connection) = workflow.connection_in(environment.id) else {
        return Err(Denial::WorkflowNotInEnvironment {
            workflow: workflow.name.clone(),
            environment: environment.name.clone(),
        });
    };
    let connection = snapshot.connection(connection);
    // E5, once more than the configuration's check: a Test request never meets a Production credential.
    if connection.environment != environment.id {
        return Err(Denial::EnvironmentMismatch { wants: Some(environment.name.clone()) });
    }
    Ok(Permit { key, slot: caller.slot(), workflow, environment, connection })
}

/// K13: a key bound to a certificate is worth nothing without it.
fn certified(key: &Key, presented: Option<&ClientCertificate>, now: i64) -> Result<(), Denial> {
    let Some(accepted) = &key.client_certificates else { return Ok(()) };
    let bad = match presented {
        None => BadCertificate::Absent,
        Some(certificate) if !accepted.iter().any(|a| a.accepts(certificate)) => BadCertificate::NotAccepted,
        Some(certificate) if !certificate.is_current(now) => BadCertificate::Expired,
        Some(_) => return Ok(()),
    };
    Err(Denial::ClientCertificateRequired(bad))
}
