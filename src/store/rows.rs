//! The rows, as everybody above the store sees them.

use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::model::{Digest, Slot};
use serde::{Deserialize, Serialize};

/// S1: who may see and use a row; enforced once there are people. The default is the narrowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    #[default]
    Personal,
    Team,
    Restricted,
}

impl Access {
    pub const ALL: [Access; 3] = [Access::Personal, Access::Team, Access::Restricted];

    /// `personal`
    pub fn name(self) -> &'static str {
        match self {
            Access::Personal => "personal",
            Access::Team => "team",
            Access::Restricted => "restricted",
        }
    }

    pub fn named(name: &str) -> Option<Access> {
        Access::ALL.into_iter().find(|access| access.name() == name)
    }
}

/// An environment, a connection or a workflow: few, so they are kept as documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRow {
    pub uid: Uid,
    pub kind: Resource,
    /// Unique within its kind, over all owners (K15).
    pub name: String,
    /// JSON with the configuration's field names, without `id`, `name` and `secret`. References are by name.
    pub document: String,
    /// What is known beside it, as JSON: a connection's status, its last verification.
    pub state: String,
    /// For filters: a connection's connector and environment, by name; empty elsewhere.
    pub connector: String,
    pub environment: String,
    /// A connection's current secret version; none: it needs one.
    pub secret_version: Option<u32>,
    pub owner: String,
    pub access: Access,
    /// Counts changes, from 1; `ETag`.
    pub version: u64,
    /// Unix milliseconds.
    pub created_at: i64,
    pub updated_at: i64,
}

/// A key: there may be a million, so what is asked for often has a column, and what the data plane decides by is compact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub uid: Uid,
    /// Unique over all owners.
    pub name: String,
    /// Compact JSON: grants by id, scopes, limits (`assembly::keys::Spec`), title and description.
    pub document: String,
    pub enabled: bool,
    /// K11: final. Unix milliseconds.
    pub revoked_at: Option<i64>,
    pub expires_at: Option<i64>,
    /// E1.
    pub environment: Option<Uid>,
    pub primary: Option<Digest>,
    pub secondary: Option<Digest>,
    /// K10: values that a regenerate keeps alive for a while.
    pub graced: Vec<Graced>,
    /// K10: when each slot got its present value.
    pub primary_at: Option<i64>,
    pub secondary_at: Option<i64>,
    pub owner: String,
    pub access: Access,
    pub version: u64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A token that was replaced and is still accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graced {
    pub slot: Slot,
    pub digest: Digest,
    /// Unix milliseconds.
    pub until: i64,
}

/// A secret, sealed: a version of a connection's, or one of those that a workflow's senders sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub resource: Uid,
    /// From 1; of a workflow its number.
    pub version: u32,
    /// What the vault made of it.
    pub sealed: Vec<u8>,
    /// C16: the digest of the destination it is sealed to.
    pub destination: [u8; 32],
    pub created_at: i64,
    pub created_by: String,
}

/// A version of a connection's secret, without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersion {
    pub version: u32,
    /// C16: the digest of the destination it is sealed to.
    pub destination: [u8; 32],
    pub created_at: i64,
    pub created_by: String,
}

/// One write. `expected` is the version that must be there: another one is a [`StoreError::Conflict`](super::StoreError::Conflict).
#[derive(Debug, Clone)]
pub enum Write {
    AddKey(Box<KeyRow>),
    /// With `version` the new one.
    SetKey {
        expected: u64,
        row: Box<KeyRow>,
    },
    /// Its usage goes as well.
    DropKey {
        uid: Uid,
        expected: u64,
    },
    AddResource(Box<ResourceRow>),
    SetResource {
        expected: u64,
        row: Box<ResourceRow>,
    },
    /// Its secrets and usage go as well.
    DropResource {
        uid: Uid,
        expected: u64,
    },
    AddSecret(Box<Sealed>),
    /// Every version but this one is forgotten for good, with its last use.
    PurgeSecrets {
        resource: Uid,
        keep: Option<u32>,
    },
    /// One version is forgotten for good; `uid` is what its last use is kept by.
    DropSecret {
        resource: Uid,
        version: u32,
        uid: Uid,
    },
}

/// What is remembered of a create, so that a repeated one is answered and not done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Who asked; the same key of somebody else is another one.
    pub actor: Uid,
    /// `Idempotency-Key`.
    pub key: String,
    /// Of the method, path and body.
    pub request: [u8; 32],
    pub created: Uid,
    pub at: i64,
}

/// T4: what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Unix milliseconds.
    pub at: i64,
    /// The name and id of the key that asked; `system` for what happens by itself.
    pub actor: String,
    pub actor_id: Option<String>,
    pub address: Option<String>,
    pub request_id: Option<String>,
    /// `key.create`, `connection.set_secret`, …
    pub action: String,
    pub kind: String,
    pub subject: String,
    pub subject_id: String,
    /// JSON without secrets; `null` where there was nothing.
    pub before: serde_json::Value,
    pub after: serde_json::Value,
}

/// An entry in its chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// From 1, without gaps.
    pub seq: u64,
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// Lower-case hex: over the hash before, the number and the entry, with the chain's key.
    pub hash: String,
}

/// Something that must still be so when the change is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The resource or key is there, in this version.
    Is { uid: Uid, version: u64 },
}

/// A change, whole or absent. `E` is what it means to the data plane.
#[derive(Debug)]
pub struct Change<E> {
    pub guards: Vec<Guard>,
    pub writes: Vec<Write>,
    pub audit: Vec<AuditEntry>,
    pub replay: Option<Replay>,
    /// Handed on after the commit, before the caller hears of it.
    pub effects: Vec<E>,
}

/// T5: what was counted since the last flush.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tally {
    pub kind: Resource,
    pub uid: Uid,
    /// Keys only.
    pub slot: Option<Slot>,
    /// The reason code; empty for what passed.
    pub code: String,
    pub count: u64,
    /// Unix milliseconds.
    pub last_at: i64,
}

/// When a secret that senders sign with was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretUse {
    pub secret: Uid,
    pub workflow: Uid,
    /// Unix milliseconds.
    pub last_at: i64,
}

/// What was counted in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    pub kind: Resource,
    pub uid: Uid,
    pub slot: Option<Slot>,
    pub code: String,
    pub count: u64,
    pub first_at: i64,
    pub last_at: i64,
}
