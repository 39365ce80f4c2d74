//! A create that is sent twice, because its answer was lost, is done once.

use super::access::Actor;
use super::refusal::{Done, Refusal};
use super::state::Control;
use crate::model::{Resource, Uid};
use crate::store::{Replay, StoreError};
use http::StatusCode;

/// What was asked, under which `Idempotency-Key`.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub key: &'a str,
    /// What it would make: `key`.
    pub what: &'a str,
    pub body: &'a str,
}

/// Whether it was asked before.
pub enum Once {
    New(Pending),
    /// It made this.
    Again(Uid),
}

/// What will be remembered of it.
pub struct Pending {
    actor: Uid,
    key: String,
    request: [u8; 32],
}

impl Pending {
    pub fn made(self, created: Uid, at: i64) -> Replay {
        Replay { actor: self.actor, key: self.key, request: self.request, created, at }
    }
}

impl Control {
    pub(super) async fn first_time(&self, actor: &Actor, asked: Asked<'_>) -> Done<Once> {
        let stored = self.stored()?;
        // Keyed: there may be a secret in the body, which whoever gets at the database alone must not be able to guess at.
        let mut hasher = blake3::Hasher::new_keyed(&stored.vault.derive("requests of idempotency keys"));
        hasher.update(asked.what.as_bytes()).update(&[0]).update(asked.body.as_bytes());
        let request = *hasher.finalize().as_bytes();
        match stored.store.replay(actor.uid(), asked.key).await? {
            None => Ok(Once::New(Pending { actor: actor.uid(), key: asked.key.to_owned(), request })),
            Some(replay) if replay.request == request => Ok(Once::Again(replay.created)),
            Some(_) => Err(StoreError::Replayed.into()),
        }
    }

    /// What a repeated create made may be gone again.
    pub(super) fn gone(kind: Resource, refusal: Refusal) -> Refusal {
        if refusal.status != StatusCode::NOT_FOUND {
            return refusal;
        }
        let detail = format!("the {kind} that this request created was deleted since");
        Refusal::new(StatusCode::CONFLICT, "deleted_since", detail, "use a new idempotency key to create another")
    }
}
