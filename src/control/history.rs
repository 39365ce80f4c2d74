//! T4: what was changed, read back, and proved to be what was written.

use super::Page;
use super::access::Actor;
use super::refusal::{Done, broken};
use super::state::Control;
use crate::store::{AuditFilter, AuditRow, AuditVerdict};
use crate::telemetry::timestamp;
use serde_json::{Value, json};

/// At most so many entries in one answer.
const MOST: usize = 1000;

impl Control {
    /// From the newest on. The cursor is the number before which it goes on.
    pub async fn audit(&self, actor: &Actor, query: AuditFilter) -> Done<Page> {
        actor.may_read()?;
        let limit = query.limit.clamp(1, MOST);
        let filter = AuditFilter { limit: limit + 1, ..query };
        let mut rows = self.stored()?.store.audit(&filter).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| row.seq.to_string());
        Ok(Page { items: rows.iter().map(entry).collect::<Done<_>>()?, next })
    }

    /// Walks the whole chain.
    pub async fn audit_verify(&self, actor: &Actor) -> Done<Value> {
        actor.may_read()?;
        let AuditVerdict { ok, count, head, broken_at, reason } = self.stored()?.store.audit_verify().await?;
        Ok(json!({ "ok": ok, "count": count, "head": head, "broken_at": broken_at, "reason": reason }))
    }
}

fn entry(row: &AuditRow) -> Done<Value> {
    let mut shown = serde_json::to_value(row).map_err(broken)?;
    shown["at"] = timestamp::text(row.entry.at).into();
    Ok(shown)
}
