//! K11: how a key stands. Taking away is open to whoever administers its environment; giving back takes what it has.

use super::rows;
use crate::control::access::Actor;
use crate::control::refusal::{Done, Refusal, broken};
use crate::control::state::Control;
use crate::control::{Precondition, Shown};
use crate::model::key::{ScopeName, Scopes};
use crate::model::{Origin, Uid};
use crate::store::{Guard, KeyRow};
use crate::telemetry::timestamp::now_ms;
use http::StatusCode;

impl Control {
    pub async fn disable(&self, actor: &Actor, name: &str, if_match: Option<Precondition>) -> Done<Shown> {
        self.change_key(actor, name, "key.disable", if_match, |_, row| {
            actor.may_manage_in(row.environment)?;
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
        self.change_key(actor, name, "key.revoke", if_match, |_, row| {
            actor.may_manage_in(row.environment)?;
            Ok(KeyRow { revoked_at: row.revoked_at.or(Some(now_ms())), ..row.clone() })
        })
        .await
    }

    /// Somebody must be left who can undo it: answers what must still be so when the change is committed, because two who
    /// take the keys of each other at one moment would both find somebody.
    pub(in crate::control) async fn somebody_administers(
        &self,
        before: &KeyRow,
        after: Option<&KeyRow>,
    ) -> Done<Vec<Guard>> {
        let stays = after.map(administers).transpose()?.unwrap_or(false);
        if stays || !administers(before)? {
            return Ok(Vec::new());
        }
        let (live, now) = (self.live(), now_ms());
        let others = live.snapshot.keys.iter().filter(|key| {
            let alive = key.enabled && !key.revoked && key.expires_at.is_none_or(|at| at > now);
            alive && key.uid != before.uid && key.scopes.has(ScopeName::AdminWrite)
        });
        let mut others: Vec<(Origin, Uid)> = others.map(|key| (key.origin, key.uid)).collect();
        if others.iter().any(|(origin, _)| *origin == Origin::File) {
            // Nobody but the file takes it away.
            return Ok(Vec::new());
        }
        others.truncate(LOOKED_AT);
        for (_, uid) in others {
            let row = self.stored()?.store.key(&uid.to_string()).await?;
            if let Some(row) = row
                && administers(&row)?
            {
                return Ok(vec![Guard::Is { uid, version: row.version }]);
            }
        }
        let detail = format!("{} is the last key with the scope admin:write", before.name);
        let hint =
            "create another administrator first: keystile keys create NAME --scope admin:read --scope admin:write";
        Err(Refusal::new(StatusCode::CONFLICT, "last_administrator", detail, hint))
    }
}

/// So many administrators are looked at for one who can be counted on.
const LOOKED_AT: usize = 64;

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
