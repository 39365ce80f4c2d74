//! T4: the audit, row by row behind its chain.

use super::values::Sql;
use crate::store::chain::{Chain, Fields, Head, hex};
use crate::store::{AuditEntry, AuditFilter, AuditRow, AuditVerdict};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

/// Rows that a verification reads at a time.
const AT_A_TIME: usize = 1000;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, at, actor, actor_id, address, request_id, action, kind, subject, subject_id, before, after, \
             hash FROM audit ",
            $rest
        )
    };
}

/// Where the chain ends.
pub(super) fn head(connection: &Connection) -> Result<Head> {
    let mut statement = connection.prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?;
    let last = statement.query_row([], |row| Ok(Head { seq: row.get(0)?, hash: row.get(1)? })).optional()?;
    Ok(last.unwrap_or_default())
}

/// Adds `entry` behind `head`, and is the new one.
pub(super) fn append(connection: &Connection, chain: &Chain, head: &Head, entry: &AuditEntry) -> Result<Head> {
    let (before, after) = (entry.before.to_string(), entry.after.to_string());
    let texts = [
        Some(entry.actor.as_str()),
        entry.actor_id.as_deref(),
        entry.address.as_deref(),
        entry.request_id.as_deref(),
        Some(&entry.action),
        Some(&entry.kind),
        Some(&entry.subject),
        Some(&entry.subject_id),
        Some(&before),
        Some(&after),
    ];
    let new = chain.link(head, &Fields { at: entry.at, texts });
    let mut statement = connection.prepare_cached(
        "INSERT INTO audit (seq, at, actor, actor_id, address, request_id, action, kind, subject, subject_id, before,
            after, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    let [a, b, c, d, e, f, g, h, i, j] = texts;
    statement.execute(params![new.seq, entry.at, a, b, c, d, e, f, g, h, i, j, new.hash])?;
    Ok(new)
}

/// From the newest.
pub(super) fn list(connection: &Connection, filter: &AuditFilter) -> Result<Vec<AuditRow>> {
    let mut statement = connection.prepare_cached(select!(
        "WHERE seq < ?1
            AND (?2 IS NULL OR actor = ?2 OR actor_id = ?2)
            AND (?3 IS NULL OR action = ?3)
            AND (?4 IS NULL OR kind = ?4)
            AND (?5 IS NULL OR subject = ?5 OR subject_id = ?5)
            AND (?6 IS NULL OR at >= ?6)
            AND (?7 IS NULL OR at <= ?7)
         ORDER BY seq DESC LIMIT ?8"
    ))?;
    let before = filter.before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(
        params![before, filter.actor, filter.action, filter.kind, filter.subject, filter.since, filter.until, limit],
        read,
    )?;
    rows.collect()
}

fn read(row: &Row<'_>) -> Result<AuditRow> {
    let entry = AuditEntry {
        at: row.get(1)?,
        actor: row.get(2)?,
        actor_id: row.get(3)?,
        address: row.get(4)?,
        request_id: row.get(5)?,
        action: row.get(6)?,
        kind: row.get(7)?,
        subject: row.get(8)?,
        subject_id: row.get(9)?,
        before: row.get::<_, Sql<serde_json::Value>>(10)?.0,
        after: row.get::<_, Sql<serde_json::Value>>(11)?.0,
    };
    Ok(AuditRow { seq: row.get(0)?, entry, hash: hex(&row.get(12)?) })
}

/// Walks the chain, some rows at a time, so that neither memory nor the writer's log grows with it. It ended at `known` at
/// least.
pub(super) fn verify(connection: &Connection, chain: &Chain, known: Head) -> Result<AuditVerdict> {
    let mut head = Head::default();
    let mut behind = i64::MIN;
    loop {
        let mut statement = connection.prepare_cached(select!("WHERE seq > ?1 ORDER BY seq LIMIT ?2"))?;
        let mut rows = statement.query(params![behind, AT_A_TIME])?;
        let mut any = false;
        while let Some(row) = rows.next()? {
            any = true;
            behind = row.get(0)?;
            match next(chain, &head, behind, row) {
                Ok(new) => head = new,
                Err(reason) => return Ok(verdict(head, Some(reason))),
            }
        }
        if !any {
            let cut = head.seq < known.seq;
            return Ok(verdict(head, cut.then_some("the end was cut off while the gateway ran")));
        }
    }
}

/// The head after this row, if it is the one that was written there.
fn next(chain: &Chain, head: &Head, seq: i64, row: &Row<'_>) -> std::result::Result<Head, &'static str> {
    if u64::try_from(seq).ok() != Some(head.seq + 1) {
        return Err(if seq < 1 { "a row was put before the first" } else { "a row is missing" });
    }
    let read = || -> Result<(Head, [u8; 32])> {
        let mut texts = [None; 10];
        for (at, text) in texts.iter_mut().enumerate() {
            *text = row.get_ref(at + 2)?.as_str_or_null()?;
        }
        Ok((chain.link(head, &Fields { at: row.get(1)?, texts }), row.get(12)?))
    };
    match read() {
        Ok((expected, found)) if expected.hash == found => Ok(expected),
        Ok(_) => Err("the row or the one before it is not as it was written"),
        Err(_) => Err("the row cannot be read"),
    }
}

fn verdict(head: Head, reason: Option<&str>) -> AuditVerdict {
    AuditVerdict {
        ok: reason.is_none(),
        count: head.seq,
        head: hex(&head.hash),
        broken_at: reason.map(|_| head.seq + 1),
        reason: reason.map(str::to_owned),
    }
}
