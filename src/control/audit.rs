//! T4: who changed what. An entry is made before the change and committed with it.

use super::access::Actor;
use crate::model::{Resource, Uid};
use crate::store::AuditEntry;
use serde_json::Value;

/// An entry in the making.
pub struct Told(AuditEntry);

impl Told {
    pub fn by(actor: &Actor, action: &str, at: i64) -> Told {
        Told(AuditEntry {
            at,
            actor: actor.name().to_owned(),
            actor_id: Some(actor.uid().to_string()),
            address: Some(actor.address().to_string()),
            request_id: Some(actor.request_id().to_owned()),
            ..Told::by_itself(action, at).0
        })
    }

    /// What nobody asked for.
    pub fn by_itself(action: &str, at: i64) -> Told {
        Told(AuditEntry {
            at,
            actor: "system".to_owned(),
            actor_id: None,
            address: None,
            request_id: None,
            action: action.to_owned(),
            kind: String::new(),
            subject: String::new(),
            subject_id: String::new(),
            before: Value::Null,
            after: Value::Null,
        })
    }

    pub fn of(self, kind: Resource, name: &str, uid: Uid) -> Told {
        let (kind, subject, subject_id) = (kind.name().to_owned(), name.to_owned(), uid.to_string());
        Told(AuditEntry { kind, subject, subject_id, ..self.0 })
    }

    /// Neither may hold a secret or a token.
    pub fn change(self, before: Value, after: Value) -> AuditEntry {
        AuditEntry { before, after, ..self.0 }
    }
}
