//! Proof that a delivery was signed by who may sign it.

use crate::model::Workflow;
use crate::model::webhook::SigningSecret;

/// A delivery whose signature is right and of now. Built by [`super::Claim::verify`] only.
#[derive(Debug, Clone, Copy)]
pub struct Verified<'s> {
    pub(super) workflow: &'s Workflow,
    pub(super) secret: &'s SigningSecret,
    pub(super) id: DeliveryId,
}

impl<'s> Verified<'s> {
    pub fn workflow(&self) -> &'s Workflow {
        self.workflow
    }

    /// The one that made the signature.
    pub fn secret(&self) -> &'s SigningSecret {
        self.secret
    }

    pub fn id(&self) -> DeliveryId {
        self.id
    }
}

/// H4: what makes two deliveries the same one: a digest of the workflow and its signed id, else of what was signed. Nothing
/// unsigned is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryId(pub [u8; 16]);
