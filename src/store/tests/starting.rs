//! Hazard 31: what a start finds, and that looking changes nothing.

use super::support::*;
use crate::model::resource::Resource;
use crate::store::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Every file of the folder with its content, but the lock.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    named.filter(|(name, _)| !name.ends_with(".lock")).collect()
}

#[test]
fn sqlite_is_new_enough() {
    assert!(rusqlite::version_number() >= 3_051_003, "SQLite {}", rusqlite::version());
}

#[tokio::test]
async fn hazard_31_looking_changes_nothing() {
    let opened = Opened::new();
    opened.store.commit(change(vec![Write::AddKey(Box::new(key("a")))])).await.unwrap();
    opened.store.close().await;
    let path = opened.folder.database();
    let before = files(path.parent().unwrap());
    assert_eq!(before.keys().collect::<Vec<_>>(), ["keystile.db"]);
    let database = Database::find(&path, LET_GO).unwrap();
    assert_eq!(database.keyring(), KEYRING);
    drop(database);
    assert_eq!(files(path.parent().unwrap()), before);
}

#[tokio::test]
async fn what_exists_is_never_overwritten() {
    let opened = Opened::new();
    opened.store.close().await;
    let path = opened.folder.database();
    assert!(matches!(Database::create(&path, b"other"), Err(OpenError::Exists { .. })));
    fs::remove_file(&path).unwrap();
    let log = path.with_extension("db-wal");
    fs::write(&log, "left behind").unwrap();
    assert_eq!(Database::create(&path, b"other").unwrap_err(), OpenError::Exists { path: log });
    assert!(!path.exists());
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let opened = Opened::new();
    opened.store.commit(change(vec![])).await.unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(opened.folder.database().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 4, "database, log, its index, lock");
}

#[tokio::test]
async fn one_gateway_has_it_and_a_successor_may_wait() {
    let opened = Opened::new();
    let path = opened.folder.database();
    let locked = Database::find(&path, Duration::ZERO).unwrap_err();
    assert!(matches!(locked, OpenError::Locked { .. }), "{locked}");
    let waiting = std::thread::spawn(move || Database::find(&path, Duration::from_secs(10)).map(drop));
    opened.store.close().await;
    waiting.join().unwrap().unwrap();
    let after = opened.store.commit(change(vec![])).await;
    assert_eq!(after, Err(StoreError::Unavailable("it is closed".into())));
}

#[tokio::test]
async fn what_is_not_ours_is_told_so() {
    let opened = Opened::new();
    opened.store.close().await;
    let path = opened.folder.database();
    let find = || Database::find(&path, Duration::ZERO).unwrap_err();
    raw(&path).pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(find(), OpenError::Newer { version: 99, .. }));
    assert!(find().to_string().contains("newer Keystile"));
    raw(&path).pragma_update(None, "application_id", 1).unwrap();
    assert!(matches!(find(), OpenError::Foreign { .. }));
    fs::write(&path, "listeners: []\n".repeat(500)).unwrap();
    assert!(matches!(find(), OpenError::Foreign { .. }));
    fs::write(&path, "").unwrap();
    assert!(matches!(find(), OpenError::Foreign { .. }));
    fs::remove_file(&path).unwrap();
    assert!(matches!(find(), OpenError::Missing { .. }));
}

#[tokio::test]
async fn damage_is_seen_at_the_start() {
    let opened = Opened::new();
    opened.store.close().await;
    let path = opened.folder.database();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let cut = Database::find(&path, Duration::ZERO).unwrap_err();
    assert!(matches!(cut, OpenError::Damaged { .. }), "{cut}");
    fs::write(&path, whole).unwrap();
    raw(&path).execute_batch("DELETE FROM keyring").unwrap();
    let gone = Database::find(&path, Duration::ZERO).unwrap_err();
    assert!(matches!(gone, OpenError::Damaged { .. }), "{gone}");
}

#[tokio::test]
async fn a_database_of_before_is_taken_along_with_what_it_has() {
    let opened = Opened::new();
    let row = resource(Resource::Connection, "c");
    let writes = vec![Write::AddResource(Box::new(row.clone())), Write::AddSecret(Box::new(sealed(&row, 1)))];
    opened.store.commit(change(writes)).await.unwrap();
    opened.store.close().await;
    // As version 1 had it.
    let before =
        "DROP TABLE secret_uses; ALTER TABLE secrets RENAME COLUMN resource TO connection; PRAGMA user_version = 1";
    raw(&opened.folder.database()).execute_batch(before).unwrap();
    let opened = opened.again().await;
    assert_eq!(opened.store.secret(row.uid, 1).await.unwrap(), Some(sealed(&row, 1)));
    assert!(opened.store.secret_uses().await.unwrap().is_empty());
    opened.store.commit(change(vec![Write::DropResource { uid: row.uid, expected: 1 }])).await.unwrap();
    assert_eq!(opened.store.secret(row.uid, 1).await.unwrap(), None, "and it still goes with its resource");
}
