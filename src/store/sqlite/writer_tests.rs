//! Hazard 25: the writer over a disk that is full, read-only or broken, and afterwards.

use super::*;
use crate::store::sqlite::{connect, migrate};
use crate::store::{AuditEntry, Write};
use std::path::{Path, PathBuf};

struct Bench {
    writer: Writer<u64>,
    applied: Arc<Mutex<Vec<Vec<u64>>>>,
    folder: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn bench_in(parent: &Path) -> Bench {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).unwrap();
    let folder = parent.join(format!("keystile-writer-{:016x}", u64::from_be_bytes(random)));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("keystile.db");
    std::fs::write(&path, "").unwrap();
    migrate::make(&mut connect::making(&path).unwrap(), b"keyring").unwrap();
    let applied = Arc::new(Mutex::new(Vec::new()));
    let sink = applied.clone();
    let apply = Box::new(move |effects| sink.lock().unwrap().push(effects));
    let connection = connect::writing(&path).unwrap();
    // With the first look there is a log.
    counts::revision(&connection).unwrap();
    let place = Arc::new(Place::of(&path).unwrap());
    let writer = Writer::new(connection, place, Chain::new([7; 32].into()), apply).unwrap();
    Bench { writer, applied, folder }
}

/// A change whose audit row has this size and whose effect is `n`.
fn change_of(n: u64, size: usize) -> Work<u64> {
    let entry = AuditEntry {
        at: 1,
        actor: "root".into(),
        actor_id: None,
        address: None,
        request_id: None,
        action: "test".into(),
        kind: "key".into(),
        subject: "x".into(),
        subject_id: "x".into(),
        before: serde_json::Value::Null,
        after: "x".repeat(size).into(),
    };
    let (guards, writes, replay) = (vec![], Vec::<Write>::new(), None);
    Work::Change(Box::new(Change { guards, writes, audit: vec![entry], replay, effects: vec![n] }))
}

impl Bench {
    fn commit(&mut self, work: Vec<Work<u64>>) -> Vec<Result<Committed, StoreError>> {
        let count = work.len();
        self.writer.work_through(work, count)
    }

    /// Everybody of a group is told `error`, nothing is kept or handed on; and once `mend` is done, the next one is.
    fn fails_and_recovers(&mut self, size: usize, error: &StoreError, mend: impl FnOnce(&Connection)) {
        let groups = self.applied.lock().unwrap().len();
        let (before, head) = (self.writer.at.revision, self.writer.at.head);
        let answers = self.commit(vec![change_of(1, 10), change_of(2, size)]);
        assert_eq!(answers, [Err(error.clone()), Err(error.clone())]);
        assert_eq!(self.applied.lock().unwrap().len(), groups);
        assert_eq!(audit::head(&self.writer.connection).unwrap(), head);
        mend(&self.writer.connection);
        let done = Committed { revision: before + 1, audit_seq: Some(head.seq + 1) };
        assert_eq!(self.commit(vec![change_of(3, size)]), [Ok(done)]);
        assert_eq!(self.applied.lock().unwrap().last(), Some(&vec![3]));
        let verdict = audit::verify(&self.writer.connection, &self.writer.chain, self.writer.at.head).unwrap();
        assert_eq!((verdict.ok, verdict.count), (true, head.seq + 1));
    }
}

#[test]
fn hazard_25_a_full_database_refuses_the_group_and_goes_on_when_there_is_room() {
    let mut bench = bench_in(&std::env::temp_dir());
    assert!(bench.commit(vec![change_of(0, 10)])[0].is_ok());
    let limit = |connection: &Connection, pages: i64| {
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&bench.writer.connection, 1);
    bench.fails_and_recovers(100_000, &StoreError::Full, |connection| limit(connection, 1_000_000));
}

#[test]
fn hazard_25_a_read_only_database_refuses_the_group_and_goes_on_when_it_may_write() {
    let mut bench = bench_in(&std::env::temp_dir());
    bench.writer.connection.pragma_update(None, "query_only", true).unwrap();
    bench.fails_and_recovers(10, &StoreError::ReadOnly, |connection| {
        connection.pragma_update(None, "query_only", false).unwrap();
    });
}

#[test]
fn hazard_25_a_broken_database_is_told_so_without_what_it_holds() {
    let mut bench = bench_in(&std::env::temp_dir());
    assert!(bench.commit(vec![change_of(0, 10)])[0].is_ok());
    bench.writer.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let path = bench.folder.join("keystile.db");
    let size = std::fs::metadata(&path).unwrap().len() as usize;
    let mut broken = std::fs::read(&path).unwrap();
    broken[4096..].fill(0x5a);
    std::fs::write(&path, &broken).unwrap();
    assert!(size > 4096);
    // What it has read before is not read again.
    bench.writer.connection.execute_batch("PRAGMA shrink_memory").unwrap();
    let answers = bench.commit(vec![change_of(1, 10)]);
    let Err(StoreError::Corrupt(reason)) = &answers[0] else { panic!("{answers:?}") };
    assert!(!reason.contains('Z') && !reason.contains("INSERT"), "{reason}");
    assert_eq!(bench.applied.lock().unwrap().len(), 1);
}

#[test]
fn what_an_effect_does_wrong_does_not_stop_the_writer() {
    let mut bench = bench_in(&std::env::temp_dir());
    bench.writer.apply = Box::new(|_| panic!("not ours"));
    assert!(bench.commit(vec![change_of(1, 10)])[0].is_ok());
    assert!(bench.commit(vec![change_of(2, 10)])[0].is_ok());
}

#[test]
fn effects_come_once_a_group_in_the_order_of_the_changes() {
    let mut bench = bench_in(&std::env::temp_dir());
    bench.commit(vec![change_of(1, 1), Work::Count(vec![]), change_of(2, 1), change_of(3, 1)]);
    bench.commit(vec![Work::Count(vec![])]);
    bench.commit(vec![change_of(4, 1)]);
    assert_eq!(*bench.applied.lock().unwrap(), [vec![1, 2, 3], vec![4]]);
}
