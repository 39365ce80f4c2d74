//! K11: how a key stands. Taking away is open to whoever administers its environment; giving back takes what it has.

use super::rows;
use crate::control::access::Actor;
use crate::control::refusal::{Done, Refusal, broken};
use crate::control::state::Control;
use crate::control::{Precondition, Shown};
use crate::model::key::{ScopeName, Scopes};
use crate::store::KeyRow;
use crate::telemetry::timestamp::now_ms;
use http::StatusCode;

impl Control {
    pub async fn disable(&self, actor: &Actor, name: &str, if_match: Option<Precondition>) -> Done<Shown> {
        self.change_key(actor, name, "key.disable", if_match, |control, row| {
            actor.may_manage_in(row.environment)?;
            control.not_the_last_administrator(row)?;
            Ok(KeyRow { enabled: false, ..row.clone() })
        })
        .await
    }

    pub async fn enable(&self, actor: &Actor, name: &str, if_match: Option<Precondition>) -> Done<Shown> {
        self.change_key(actor, name, "key.enable", if_match, |_, row| {
            alive(row)?;
            actor.may_grant(&rows::spec(row).map_err(broken)?, row.environment)?;
            Ok(KeyRow { enabled: true, ..row.clone() })
        })
        .await
    }

    pub async fn revoke(&self, actor: &Actor, name: &str, if_match: Option<Precondition>) -> Done<Shown> {
        self.change_key(actor, name, "key.revoke", if_match, |control, row| {
            actor.may_manage_in(row.environment)?;
            control.not_the_last_administrator(row)?;
            Ok(KeyRow { revoked_at: row.revoked_at.or(Some(now_ms())), ..row.clone() })
        })
        .await
    }

    /// Somebody must be left who can undo it.
    pub(in crate::control) fn not_the_last_administrator(&self, row: &KeyRow) -> Done<()> {
        if !administers(row)? {
            return Ok(());
        }
        let (live, now) = (self.live(), now_ms());
        let another = live.snapshot.keys.iter().any(|key| {
            let alive = key.enabled && !key.revoked && key.expires_at.is_none_or(|at| at > now);
            alive && key.uid != row.uid && key.scopes.has(ScopeName::AdminWrite)
        });
        if another {
            return Ok(());
        }
        let detail = format!("{} is the last key with the scope admin:write", row.name);
        let hint =
            "create another administrator first: keystile keys create NAME --scope admin:read --scope admin:write";
        Err(Refusal::new(StatusCode::CONFLICT, "last_administrator", detail, hint))
    }
}

/// Whether somebody can administer with it: it has a token, is alive for now, and has the scope.
pub fn administers(row: &KeyRow) -> Done<bool> {
    let scopes = rows::spec(row).map_err(broken)?.scopes.into_iter().fold(Scopes::NONE, Scopes::with);
    let has_token = row.primary.is_some() || row.secondary.is_some();
    let alive = row.enabled && row.revoked_at.is_none() && row.expires_at.is_none_or(|at| at > now_ms());
    Ok(scopes.has(ScopeName::AdminWrite) && has_token && alive)
}

/// K11: a revoked key stays what it is.
pub(super) fn alive(row: &KeyRow) -> Done<()> {
    match row.revoked_at {
        None => Ok(()),
        Some(_) => {
            let detail = format!("the key {} was revoked, for good", row.name);
            Err(Refusal::new(StatusCode::CONFLICT, "key_revoked", detail, "create another key"))
        }
    }
}
