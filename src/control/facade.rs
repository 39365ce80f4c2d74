//! Every use case, by its name. Bodies are JSON with the configuration's field names.

use super::access::Actor;
use super::refusal::{Done, Refusal};
use super::replay::Asked;
use super::state::Control;
use crate::model::Resource;
use crate::policy::administer::administrator;
use crate::store::ListQuery;
use crate::telemetry::timestamp::now_ms;
use serde_json::Value;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// A resource as it is shown: never a secret, never a token.
#[derive(Debug, Clone)]
pub struct Shown {
    pub body: Value,
    /// `ETag`; none for what the file manages.
    pub version: Option<u64>,
}

/// What a create answers. A key's tokens are in the body, this once.
#[derive(Debug)]
pub struct Created {
    pub body: Zeroizing<String>,
    pub name: String,
    pub version: u64,
    /// It had been created before, with this idempotency key: no tokens are in the body.
    pub replayed: bool,
}

/// What a list is asked for.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub query: ListQuery,
    /// `file`, `store`; both if not said.
    pub origin: Option<String>,
    pub cursor: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Page {
    pub items: Vec<Value>,
    /// What `cursor` continues with.
    pub next: Option<String>,
}

/// `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// `*`: it is there.
    Any,
    Versions(Vec<u64>),
}

/// How a delete goes about what depends on the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// R2: `?force=true`.
    pub force: bool,
}

/// A secret, and how it is saved.
pub struct SecretSet {
    pub secret: Zeroizing<String>,
    /// C8: also if the provider says no.
    pub force: bool,
    /// Whether the provider is asked at all.
    pub verify: bool,
}

/// H1: one more secret that a workflow's senders sign with.
pub struct NewSigningSecret<'a> {
    pub secret: Zeroizing<String>,
    pub idempotency_key: Option<&'a str>,
}

impl Precondition {
    /// Whether a resource of this version may be changed.
    pub fn holds(&self, version: u64) -> bool {
        match self {
            Precondition::Any => true,
            Precondition::Versions(versions) => versions.contains(&version),
        }
    }
}

/// Who asks.
impl Control {
    /// The key that this token belongs to, if it is alive, may come from there, and has a scope of administration.
    pub fn actor(&self, token: &[u8], address: IpAddr, request_id: &str) -> Done<Actor> {
        let live = self.live();
        let key = administrator(&live.snapshot, token, address, now_ms()).map_err(|d| Refusal::of_denial(&d))?;
        Ok(Actor::new(key, address, request_id))
    }
}

/// The same for every kind of resource. `name` is a name or an id.
impl Control {
    /// `body` is JSON text, so that a token or secret in it is wiped.
    pub async fn create(
        &self,
        actor: &Actor,
        kind: Resource,
        body: Zeroizing<String>,
        idempotency_key: Option<&str>,
        force: bool,
    ) -> Done<Created> {
        let asked = idempotency_key.map(|key| Asked { key, what: kind.name(), body: &body });
        match kind {
            Resource::Key => self.create_key(actor, &body, asked).await,
            kind => self.create_resource(actor, kind, &body, asked, force).await,
        }
    }

    /// `patch` is a JSON merge patch (RFC 7396).
    pub async fn edit(
        &self,
        actor: &Actor,
        kind: Resource,
        name: &str,
        patch: Zeroizing<String>,
        if_match: Option<Precondition>,
    ) -> Done<Shown> {
        match kind {
            Resource::Key => self.edit_key(actor, name, &patch, if_match).await,
            kind => self.edit_resource(actor, kind, name, &patch, if_match).await,
        }
    }

    pub async fn delete(
        &self,
        actor: &Actor,
        kind: Resource,
        name: &str,
        how: Deletion,
        if_match: Option<Precondition>,
    ) -> Done<()> {
        match kind {
            Resource::Key => self.delete_key(actor, name, how, if_match).await,
            kind => self.delete_resource(actor, kind, name, how, if_match).await,
        }
    }
}
