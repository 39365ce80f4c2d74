//! K13, W1–W3, E1–E5, H1, H5: may this caller run this workflow, here?

use super::authenticate::Authenticated;
use super::environment::{self, Asked};
use super::permit::{Permit, Principal};
use super::webhook::Verified;
use crate::model::denial::BadCertificate;
use crate::model::key::ScopeName;
use crate::model::routes::Found;
use crate::model::webhook::Require;
use crate::model::{ClientCertificate, Denial, EnvironmentId, Key, Snapshot, Workflow};
use std::net::IpAddr;
use std::ops::Deref;

/// A request that may run: its permit, and the workflow it runs. Built by [`authorise`] only.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'s> {
    permit: Permit<'s>,
    workflow: &'s Workflow,
}

impl<'s> Invocation<'s> {
    pub fn workflow(&self) -> &'s Workflow {
        self.workflow
    }
}

impl<'s> Deref for Invocation<'s> {
    type Target = Permit<'s>;

    fn deref(&self) -> &Permit<'s> {
        &self.permit
    }
}

/// What a caller has proved: whose key he has, that a delivery is signed, or both.
#[derive(Debug, Clone, Copy, Default)]
pub struct Proven<'s> {
    pub key: Option<Authenticated<'s>>,
    pub delivery: Option<Verified<'s>>,
}

impl<'s> Proven<'s> {
    /// Possession of a key, and nothing else.
    pub fn key(key: Authenticated<'s>) -> Proven<'s> {
        Proven { key: Some(key), delivery: None }
    }

    /// H1: on whose behalf it runs, if what is proved is what `workflow` requires. Where both are, it is the key's: that is who
    /// calls, and the signature says that he may deliver.
    fn principal(&self, workflow: &'s Workflow) -> Result<Principal<'s>, Denial> {
        let key = self.key.map(|key| Principal::Key(key.key(), key.slot())).ok_or(Denial::MissingKey);
        let Some(webhook) = &workflow.webhook else { return key };
        let signed = self.delivery.filter(|delivery| delivery.workflow().index == workflow.index);
        let signed = match (signed, &webhook.signature) {
            (Some(_), Some(_)) => Ok(Principal::Sender(webhook)),
            (None, Some(wanted)) => Err(Denial::SignatureMissing { header: wanted.scheme.header.clone() }),
            (_, None) => Err(Denial::SigningSecretMissing { workflow: workflow.name.clone() }),
        };
        match webhook.require {
            Require::Signature => signed,
            Require::Key => key,
            Require::Either => key.or(signed),
            Require::Both => signed.and(key),
        }
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
/// environment. A sender who signs has no key whose address, permission or scope could be asked for.
pub fn authorise<'s>(
    snapshot: &'s Snapshot,
    proven: &Proven<'s>,
    origin: &Origin<'_>,
    route: &Found,
    asked: &Asked<'_>,
    now: i64,
) -> Result<Invocation<'s>, Denial> {
    match &proven.key {
        Some(key) => may_come_from(key.key(), origin, now)?,
        None if proven.delivery.is_none() => return Err(Denial::MissingKey),
        None => {}
    }
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
    let principal = proven.principal(workflow)?;
    if let Some(key) = &proven.key {
        may_run(key.key(), workflow)?;
    }
    let environment = snapshot.environment(where_it_runs(snapshot, proven, workflow, asked)?);
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
    // Hazard 24: without its secret the upstream would be asked by nobody.
    if connection.secret_missing {
        return Err(Denial::SecretUnavailable { connection: connection.name.clone() });
    }
    Ok(Invocation { permit: Permit::granted(principal, environment, connection), workflow })
}

/// W2, K13.
pub(super) fn may_run(key: &Key, workflow: &Workflow) -> Result<(), Denial> {
    if !key.workflows.permit(workflow.uid) {
        return Err(Denial::WorkflowNotPermitted { workflow: workflow.name.clone() });
    }
    match key.scopes.has(ScopeName::WorkflowsInvoke) {
        true => Ok(()),
        false => Err(Denial::ScopeMissing(ScopeName::WorkflowsInvoke)),
    }
}

/// H6: whether a key may ask `workflow` for its handshake: whether it could deliver from there. Where it would run is of no
/// concern: nothing does.
pub fn may_greet(key: &Key, origin: &Origin<'_>, workflow: &Workflow, now: i64) -> Result<(), Denial> {
    may_come_from(key, origin, now)?;
    may_run(key, workflow)
}

/// E1–E3 for a key, H5 for a delivery; where there are both, they have to agree.
fn where_it_runs(
    snapshot: &Snapshot,
    proven: &Proven<'_>,
    workflow: &Workflow,
    asked: &Asked<'_>,
) -> Result<EnvironmentId, Denial> {
    let keys = proven.key.map(|key| environment::select(snapshot, key.key(), asked)).transpose()?;
    let Some(webhook) = workflow.webhook.as_ref().filter(|_| proven.delivery.is_some()) else {
        return keys.ok_or(Denial::MissingKey);
    };
    let own = webhook.environment;
    let delivered = environment::of_delivery(snapshot, own, asked)?;
    match keys {
        Some(other) if other != own => {
            Err(Denial::EnvironmentMismatch { wants: Some(snapshot.environment(own).name.clone()) })
        }
        _ => Ok(delivered),
    }
}

/// K13: whether `key` may be used from there.
pub(super) fn may_come_from(key: &Key, origin: &Origin<'_>, now: i64) -> Result<(), Denial> {
    if key.more().allow_addresses.as_ref().is_some_and(|nets| !super::address::within(origin.address, nets)) {
        return Err(Denial::AddressNotAllowed);
    }
    certified(key, origin.certificate, now)
}

/// K13: a key bound to a certificate is worth nothing without it.
fn certified(key: &Key, presented: Option<&ClientCertificate>, now: i64) -> Result<(), Denial> {
    let Some(accepted) = &key.more().client_certificates else { return Ok(()) };
    let bad = match presented {
        None => BadCertificate::Absent,
        Some(certificate) if !accepted.iter().any(|a| a.accepts(certificate)) => BadCertificate::NotAccepted,
        Some(certificate) if !certificate.is_current(now) => BadCertificate::Expired,
        Some(_) => return Ok(()),
    };
    Err(Denial::ClientCertificateRequired(bad))
}
