//! Every use case, by its name. Bodies are JSON with the configuration's field names.

use super::{Actor, Refusal};
use crate::model::{Resource, Slot};
use crate::store::ListQuery;
use http::StatusCode;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// The use cases of one gateway.
pub struct Control {}

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

type Done<T> = Result<T, Refusal>;

fn later<T>() -> Done<T> {
    Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", "not there yet", ""))
}

/// Who asks.
impl Control {
    /// The key that this token belongs to, if it is alive, may come from there, and has a scope of administration.
    pub fn actor(&self, _token: &[u8], _address: IpAddr, _request_id: &str) -> Done<Actor> {
        later()
    }
}

/// The same for every kind of resource. `name` is a name or an id.
impl Control {
    pub async fn list(&self, _actor: &Actor, _kind: Resource, _listing: Listing) -> Done<Page> {
        later()
    }

    pub async fn show(&self, _actor: &Actor, _kind: Resource, _name: &str) -> Done<Shown> {
        later()
    }

    /// `body` is JSON text, so that a token or secret in it is wiped. `request` is a digest of what was asked, to tell
    /// a repeated create from another one with the same idempotency key.
    pub async fn create(
        &self,
        _actor: &Actor,
        _kind: Resource,
        _body: Zeroizing<String>,
        _idempotency_key: Option<&str>,
        _force: bool,
    ) -> Done<Created> {
        later()
    }

    /// `patch` is a JSON merge patch (RFC 7396).
    pub async fn edit(
        &self,
        _actor: &Actor,
        _kind: Resource,
        _name: &str,
        _patch: Zeroizing<String>,
        _if_match: Option<Precondition>,
    ) -> Done<Shown> {
        later()
    }

    pub async fn delete(
        &self,
        _actor: &Actor,
        _kind: Resource,
        _name: &str,
        _how: Deletion,
        _if_match: Option<Precondition>,
    ) -> Done<()> {
        later()
    }

    /// R2: `{"workflows": […], "keys": […], "last_used_at": …}`
    pub async fn dependants(&self, _actor: &Actor, _kind: Resource, _name: &str) -> Done<Value> {
        later()
    }
}

/// Keys (K10, K11).
impl Control {
    pub async fn disable(&self, _actor: &Actor, _name: &str, _if_match: Option<Precondition>) -> Done<Shown> {
        later()
    }

    pub async fn enable(&self, _actor: &Actor, _name: &str, _if_match: Option<Precondition>) -> Done<Shown> {
        later()
    }

    pub async fn revoke(&self, _actor: &Actor, _name: &str, _if_match: Option<Precondition>) -> Done<Shown> {
        later()
    }

    /// The slot's new token, this once; the old one is accepted for `grace` more.
    pub async fn regenerate(
        &self,
        _actor: &Actor,
        _name: &str,
        _slot: Slot,
        _grace: Duration,
        _if_match: Option<Precondition>,
    ) -> Done<Zeroizing<String>> {
        later()
    }
}

/// Connections (C8, R1).
impl Control {
    /// `{"status", "verification": {…}, "notices": […], "secret_version", …}`: the connection, as shown.
    pub async fn set_secret(
        &self,
        _actor: &Actor,
        _name: &str,
        _set: SecretSet,
        _if_match: Option<Precondition>,
    ) -> Done<Shown> {
        later()
    }

    pub async fn verify(&self, _actor: &Actor, _name: &str) -> Done<Shown> {
        later()
    }

    /// R1: to that version, or to the one before the current.
    pub async fn rollback(
        &self,
        _actor: &Actor,
        _name: &str,
        _version: Option<u32>,
        _if_match: Option<Precondition>,
    ) -> Done<Shown> {
        later()
    }

    /// R1: versions before the current one are forgotten for good; answers how many.
    pub async fn purge(&self, _actor: &Actor, _name: &str) -> Done<Value> {
        later()
    }
}

/// The whole (T2, T4, T5, T7).
impl Control {
    pub async fn export(&self, _actor: &Actor) -> Done<Value> {
        later()
    }

    /// `{"created": […], "updated": […], "unchanged": […], "needs_secret": […]}`; with `dry_run` nothing is changed.
    pub async fn import(&self, _actor: &Actor, _document: Zeroizing<String>, _dry_run: bool) -> Done<Value> {
        later()
    }

    /// Rows from the newest; `cursor` continues.
    pub async fn audit(&self, _actor: &Actor, _query: AuditQuery) -> Done<Page> {
        later()
    }

    /// `{"ok", "count", "head", "broken_at"}`
    pub async fn audit_verify(&self, _actor: &Actor) -> Done<Value> {
        later()
    }

    /// `{"items": [{"kind","name","slot","requests","refused":{code:n},"last_used_at"}]}`
    pub async fn usage(&self, _actor: &Actor, _kind: Option<Resource>, _name: Option<&str>) -> Done<Value> {
        later()
    }

    /// Version, store, staleness, counts, the chain's head.
    pub async fn status(&self, _actor: &Actor) -> Done<Value> {
        later()
    }

    /// `body`: `{"method","url","key","headers":{…},"address"}`
    pub async fn explain(&self, _actor: &Actor, _body: Value) -> Done<Value> {
        later()
    }
}

/// What of the audit is asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub actor: Option<String>,
    pub action: Option<String>,
    pub kind: Option<String>,
    pub subject: Option<String>,
    /// Unix milliseconds.
    pub since: Option<i64>,
    pub until: Option<i64>,
    /// Rows before this one, by number.
    pub before: Option<u64>,
    pub limit: usize,
}
