//! K13, W1–W3, E1–E5: may this key run this workflow, here?

use super::authenticate::Authenticated;
use super::environment::{self, Asked};
use super::permit::Permit;
use crate::model::denial::BadCertificate;
use crate::model::key::ScopeName;
use crate::model::routes::Found;
use crate::model::{ClientCertificate, Denial, Key, Snapshot, Workflow};
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
) -> Result<Invocation<'s>, Denial> {
    let key = caller.key();
    may_come_from(key, origin, now)?;
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
    if !key.workflows.permit(workflow.uid) {
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
    // Hazard 24: without its secret the upstream would be asked by nobody.
    if connection.secret_missing {
        return Err(Denial::SecretUnavailable { connection: connection.name.clone() });
    }
    Ok(Invocation { permit: Permit::granted(key, caller.slot(), environment, connection), workflow })
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
