//! How the gateway is: what is kept, what is in force, and what will need somebody soon. Nothing is guessed.

use super::access::Actor;
use super::refusal::Done;
use super::resources::State;
use super::state::{Control, Stored};
use crate::model::urgency::Urgency;
use crate::model::{Key, Origin, Resource};
use crate::telemetry::timestamp::{now_ms, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Control {
    pub async fn status(&self, actor: &Actor) -> Done<Value> {
        actor.may_read()?;
        let (live, now) = (self.live(), now_ms());
        let mut status = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started_at": text(self.started_at),
            "uptime_seconds": now.saturating_sub(self.started_at).max(0) / 1000,
            "generation": live.generation,
            "store": null,
            "keys": Counted::of(live.snapshot.keys.iter(), now).shown(),
            "environments": live.snapshot.environments.len(),
            "connections": { "in_force": live.snapshot.connections.len() },
            "workflows": live.snapshot.workflows.len(),
        });
        if let Some(stored) = &self.stored {
            status["store"] = self.store_status(stored).await?;
            status["master_key"] = json!({
                "source": stored.vault.master().source().to_string(),
                "fingerprint": stored.vault.master().fingerprint().to_string(),
            });
            let head = stored.store.audit_head();
            status["audit"] = json!({ "count": head.count, "head": head.hash });
            let rows = stored.store.resources(Resource::Connection).await?;
            let mut by_status: BTreeMap<String, usize> = BTreeMap::new();
            for row in &rows {
                *by_status.entry(State::of(row).status).or_default() += 1;
            }
            status["connections"]["stored_by_status"] = json!(by_status);
        }
        Ok(status)
    }

    /// One node: what a commit changed is in force before it is answered, unless putting it in force failed.
    async fn store_status(&self, stored: &Stored) -> Done<Value> {
        let counts = stored.store.counts().await?;
        let outlet = self.outlet.as_ref();
        Ok(json!({
            "kind": "sqlite",
            "path": stored.settings.sqlite.display().to_string(),
            "revision": counts.revision,
            "environments": counts.environments,
            "connections": counts.connections,
            "workflows": counts.workflows,
            "keys": counts.keys,
            "secrets": counts.secrets,
            "in_force": outlet.is_some_and(|outlet| !outlet.is_behind()),
            "followed_at": outlet.and_then(|outlet| outlet.followed_at()).map(text),
        }))
    }
}

/// Keys by what will become of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    file: usize,
    store: usize,
    disabled: usize,
    revoked: usize,
    expired: usize,
    /// Alive, and for 30 days at most.
    expiring: usize,
    /// Alive, and for good.
    never_expire: usize,
}

impl Counted {
    fn of<'k>(keys: impl Iterator<Item = &'k Key>, now: i64) -> Counted {
        let mut counted = Counted::default();
        for key in keys {
            match key.origin {
                Origin::File => counted.file += 1,
                Origin::Store => counted.store += 1,
            }
            match key.expires_at.map(|at| Urgency::of(at, now)) {
                _ if key.revoked => counted.revoked += 1,
                _ if !key.enabled => counted.disabled += 1,
                None => counted.never_expire += 1,
                Some(Some(Urgency::Past)) => counted.expired += 1,
                Some(Some(_)) => counted.expiring += 1,
                Some(None) => {}
            }
        }
        counted
    }

    fn shown(&self) -> Value {
        json!({
            "in_force": self.file + self.store,
            "file": self.file,
            "store": self.store,
            "disabled": self.disabled,
            "revoked": self.revoked,
            "expired": self.expired,
            "expire_within_30_days": self.expiring,
            "never_expire": self.never_expire,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Uid;
    use crate::model::key::KeyId;

    #[test]
    fn r3_keys_are_counted_by_what_will_become_of_them() {
        const DAY: i64 = 86_400_000;
        let key = |expires_at| {
            let mut key = Key::new(KeyId(0), Uid([1; 16]), "k", Origin::Store);
            key.expires_at = expires_at;
            key
        };
        let mut revoked = key(Some(2 * DAY));
        revoked.revoked = true;
        let mut disabled = key(None);
        disabled.enabled = false;
        let keys = [key(None), key(Some(0)), key(Some(30 * DAY)), key(Some(31 * DAY)), revoked, disabled];
        let wanted = Counted { file: 0, store: 6, disabled: 1, revoked: 1, expired: 1, expiring: 1, never_expire: 1 };
        assert_eq!(Counted::of(keys.iter(), 0), wanted);
    }
}
