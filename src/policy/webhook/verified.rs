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

impl DeliveryId {
    pub(super) fn by_id(workflow: &Workflow, id: &[u8]) -> DeliveryId {
        DeliveryId::of(workflow, b'i', &[id])
    }

    /// By its bytes, so that it is the same one however they are written.
    pub(super) fn by_signature(workflow: &Workflow, signature: &[u8]) -> DeliveryId {
        DeliveryId::of(workflow, b's', &[signature])
    }

    /// By all that is signed, in its pieces.
    pub(super) fn by_message(workflow: &Workflow, pieces: &[&[u8]]) -> DeliveryId {
        DeliveryId::of(workflow, b'm', pieces)
    }

    /// Only what comes last is of any length, so that nothing can run into its neighbour.
    fn of(workflow: &Workflow, kind: u8, what: &[&[u8]]) -> DeliveryId {
        let mut hasher = blake3::Hasher::new_derive_key("keystile 2026 which delivery it is");
        hasher.update(&workflow.uid.0).update(&[kind]);
        for piece in what {
            hasher.update(piece);
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        DeliveryId(id)
    }
}
