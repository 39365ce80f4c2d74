use super::access::Actor;
use super::refusal::{Done, Refusal};
use super::state::Control;
use super::{AuditQuery, Page};
use crate::model::Resource;
use http::StatusCode;
use serde_json::Value;
use zeroize::Zeroizing;

fn later<T>() -> Done<T> {
    Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", "not there yet", ""))
}

impl Control {
    pub async fn export(&self, _actor: &Actor) -> Done<Value> {
        later()
    }
    pub async fn import(&self, _actor: &Actor, _document: Zeroizing<String>, _dry_run: bool) -> Done<Value> {
        later()
    }
    pub async fn audit(&self, _actor: &Actor, _query: AuditQuery) -> Done<Page> {
        later()
    }
    pub async fn audit_verify(&self, _actor: &Actor) -> Done<Value> {
        later()
    }
    pub async fn usage(&self, _actor: &Actor, _kind: Option<Resource>, _name: Option<&str>) -> Done<Value> {
        later()
    }
    pub async fn status(&self, _actor: &Actor) -> Done<Value> {
        later()
    }
    pub async fn explain(&self, _actor: &Actor, _body: Value) -> Done<Value> {
        later()
    }
}
