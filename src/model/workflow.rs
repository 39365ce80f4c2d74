//! What callers may invoke: a method and a template, with a connection per environment.

use super::connection::ConnectionId;
use super::environment::EnvironmentId;
use super::listener::PlaceMask;
use super::quota::Quota;
use super::template::Template;
use super::uid::Uid;
use super::webhook::{SigningSecret, Webhook};
use http::HeaderValue;
use std::sync::Arc;

/// Index of a workflow in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkflowId(pub u32);

/// A workflow, checked.
#[derive(Debug)]
pub struct Workflow {
    pub index: WorkflowId,
    /// Stays when it is renamed; what keys are granted.
    pub uid: Uid,
    pub name: Arc<str>,
    /// W3: without one it can be neither reached nor permitted.
    pub template: Option<Template>,
    /// At most one connection per environment, and of that environment (E5).
    pub upstream: Vec<(EnvironmentId, ConnectionId)>,
    /// Places of the listener that stay open for it (K3).
    pub places: PlaceMask,
    pub quota: Option<Quota>,
    /// Bytes; narrower than the listener's.
    pub max_body: Option<u64>,
    pub concurrency: Option<u32>,
    /// Hazard 15: protocols that its callers may switch to, lower case.
    pub upgrades: Vec<Box<str>>,
    /// H1: what those who deliver to it have to prove.
    pub webhook: Option<Box<Webhook>>,
    /// `X-Keystile-Workflow`, ready to send.
    pub header: HeaderValue,
}

impl Workflow {
    /// H1: what those who deliver to it may sign with.
    pub fn signing_secrets(&self) -> &[SigningSecret] {
        let signature = self.webhook.as_ref().and_then(|webhook| webhook.signature.as_ref());
        signature.map_or(&[], |signature| &signature.secrets)
    }

    /// The connection that stands for this workflow in `environment`.
    pub fn connection_in(&self, environment: EnvironmentId) -> Option<ConnectionId> {
        self.upstream.iter().find(|(e, _)| *e == environment).map(|(_, c)| *c)
    }
}
