//! T4: whatever is done to the audit by another hand is found.

use super::support::*;
use crate::store::*;

/// Ten rows in the audit, two of them by one change.
async fn with_ten_rows() -> Opened {
    let opened = Opened::new();
    for n in 0..5 {
        let audit = vec![entry("key.create", &format!("k{n}")), entry("key.disable", &format!("k{n}"))];
        opened.store.commit(Change { audit, ..change(vec![]) }).await.unwrap();
    }
    opened
}

/// Without the triggers that hold the table together.
fn unguarded(opened: &Opened) -> rusqlite::Connection {
    let raw = opened.raw();
    raw.execute_batch("DROP TRIGGER audit_is_not_altered; DROP TRIGGER audit_is_not_cut").unwrap();
    raw
}

#[tokio::test]
async fn the_audit_is_append_only() {
    let opened = with_ten_rows().await;
    for sql in ["UPDATE audit SET actor = 'x' WHERE seq = 3", "DELETE FROM audit WHERE seq = 10", "DELETE FROM audit"] {
        let refused = opened.raw().execute_batch(sql).unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    let verdict = opened.store.audit_verify().await.unwrap();
    let head = opened.store.audit_head();
    assert_eq!((verdict.ok, verdict.count, &verdict.head), (true, 10, &head.hash));
    assert_eq!(head.count, 10);
}

#[tokio::test]
async fn every_alteration_is_found_at_its_row() {
    for (sql, broken_at) in [
        ("UPDATE audit SET actor = 'mallory' WHERE seq = 3", 3),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1),
        ("UPDATE audit SET actor_id = '' WHERE seq = 2", 2),
        ("UPDATE audit SET actor = actor || address, address = '' WHERE seq = 6", 6),
        ("UPDATE audit SET after = after || ' ' WHERE seq = 10", 10),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", 4),
        ("UPDATE audit SET after = CAST(x'ff' AS TEXT) WHERE seq = 5", 5),
        // Removed, from the beginning, the middle, and with the numbers closed up again.
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 7", 7),
        ("DELETE FROM audit WHERE seq = 7; UPDATE audit SET seq = seq - 1 WHERE seq > 7", 7),
        // Exchanged.
        (
            "UPDATE audit SET seq = -1 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5;
             UPDATE audit SET seq = 5 WHERE seq = -1",
            4,
        ),
        // Made up: at the end, before the beginning, by copying.
        (
            "INSERT INTO audit SELECT 11, at, 'x', '', '', '', action, kind, subject, subject_id, before, after, hash
          FROM audit WHERE seq = 10",
            11,
        ),
        (
            "INSERT INTO audit SELECT 0, at, 'x', '', '', '', action, kind, subject, subject_id, before, after, hash
          FROM audit WHERE seq = 1",
            1,
        ),
        (
            "INSERT INTO audit SELECT 11, at, actor, actor_id, address, request_id, action, kind, subject, subject_id,
          before, after, hash FROM audit WHERE seq = 10",
            11,
        ),
        // The end cut off behind our back.
        ("DELETE FROM audit WHERE seq > 8", 9),
        ("DELETE FROM audit", 1),
    ] {
        let opened = with_ten_rows().await;
        unguarded(&opened).execute_batch(sql).unwrap();
        let verdict = opened.store.audit_verify().await.unwrap();
        assert_eq!((verdict.ok, verdict.broken_at, verdict.count), (false, Some(broken_at), broken_at - 1), "{sql}");
        assert!(verdict.reason.is_some());
    }
}

#[tokio::test]
async fn an_end_that_was_cut_off_while_nothing_ran_shows_beside_a_head_that_was_noted() {
    let opened = with_ten_rows().await;
    let noted = opened.store.audit_head();
    unguarded(&opened).execute_batch("DELETE FROM audit WHERE seq > 8").unwrap();
    let opened = opened.again().await;
    let verdict = opened.store.audit_verify().await.unwrap();
    assert!(verdict.ok, "what is left is a chain");
    assert_eq!(verdict.count, 8);
    assert_ne!(opened.store.audit_head(), noted);
}

#[tokio::test]
async fn the_chain_goes_on_after_a_restart_and_is_no_other_keys() {
    let opened = with_ten_rows().await.again().await;
    opened.store.commit(Change { audit: vec![entry("key.create", "b")], ..change(vec![]) }).await.unwrap();
    let verdict = opened.store.audit_verify().await.unwrap();
    assert_eq!((verdict.ok, verdict.count), (true, 11));
    opened.store.close().await;
    let database = Database::find(&opened.folder.database(), LET_GO).unwrap();
    let other: Store<u64> = database.open([8; 32].into(), Box::new(|_| {})).unwrap();
    assert_eq!(other.audit_verify().await.unwrap().broken_at, Some(1));
}

#[tokio::test]
async fn a_walk_longer_than_it_reads_at_a_time_is_whole() {
    let opened = Opened::new();
    let audit = (0..2500).map(|n| entry("key.create", &n.to_string())).collect();
    opened.store.commit(Change { audit, ..change(vec![]) }).await.unwrap();
    assert_eq!(opened.store.audit_verify().await.unwrap().count, 2500);
    unguarded(&opened).execute_batch("UPDATE audit SET kind = 'x' WHERE seq = 1001").unwrap();
    assert_eq!(opened.store.audit_verify().await.unwrap().broken_at, Some(1001));
}

#[tokio::test]
async fn rows_come_from_the_newest_and_by_what_is_asked_for() {
    let opened = with_ten_rows().await;
    let mut odd = entry("connection.set_secret", "c");
    (odd.actor, odd.actor_id, odd.at, odd.kind) = ("bob".into(), Some("b-1".into()), 5_000, "connection".into());
    opened.store.commit(Change { audit: vec![odd.clone()], ..change(vec![]) }).await.unwrap();
    let all = AuditFilter { limit: 100, ..AuditFilter::default() };
    let numbers = async |filter: AuditFilter| {
        opened.store.audit(&filter).await.unwrap().iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(numbers(AuditFilter { limit: 3, ..all.clone() }).await, [11, 10, 9]);
    assert_eq!(numbers(AuditFilter { before: Some(9), limit: 2, ..all.clone() }).await, [8, 7]);
    assert_eq!(numbers(AuditFilter { actor: text("bob"), ..all.clone() }).await, [11]);
    assert_eq!(numbers(AuditFilter { actor: text("b-1"), ..all.clone() }).await, [11]);
    assert_eq!(numbers(AuditFilter { action: text("key.disable"), limit: 2, ..all.clone() }).await, [10, 8]);
    assert_eq!(numbers(AuditFilter { kind: text("connection"), ..all.clone() }).await, [11]);
    assert_eq!(numbers(AuditFilter { subject: text("k1"), ..all.clone() }).await, [4, 3]);
    let id = entry("", "k1").subject_id;
    assert_eq!(numbers(AuditFilter { subject: Some(id), ..all.clone() }).await, [4, 3]);
    assert_eq!(numbers(AuditFilter { since: Some(1_001), ..all.clone() }).await, [11]);
    assert_eq!(numbers(AuditFilter { until: Some(1_000), limit: 1, ..all.clone() }).await, [10]);
    let newest = opened.store.audit(&AuditFilter { limit: 1, ..all }).await.unwrap().remove(0);
    assert_eq!((newest.entry, newest.hash), (odd, opened.store.audit_head().hash));
}
