//! A database in a folder of its own, and rows to put into it.

use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::model::{Digest, Slot};
use crate::store::*;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const KEYRING: &[u8] = b"what the vault made";
pub const CHAIN: [u8; 32] = [7; 32];

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).unwrap();
        let path = std::env::temp_dir().join(format!("keystile-store-{:016x}", u64::from_be_bytes(random)));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("keystile.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How long a lock that was let go of may still be seen: until a program that another test starts just then has closed the
/// files that it was born with.
pub const LET_GO: Duration = Duration::from_secs(5);

/// An open store, and what it handed on, group by group.
pub struct Opened {
    pub store: Store<u64>,
    pub applied: Arc<Mutex<Vec<Vec<u64>>>>,
    pub folder: Folder,
}

impl Opened {
    pub fn new() -> Opened {
        let folder = Folder::new();
        let database = Database::create(&folder.database(), KEYRING).unwrap();
        let applied = Arc::new(Mutex::new(Vec::new()));
        let store = open(database, &applied);
        Opened { store, applied, folder }
    }

    /// Closed and opened again.
    pub async fn again(self) -> Opened {
        self.store.close().await;
        let store = open(Database::find(&self.folder.database(), LET_GO).unwrap(), &self.applied);
        Opened { store, applied: self.applied.clone(), folder: self.folder }
    }

    /// The file by another hand.
    pub fn raw(&self) -> rusqlite::Connection {
        raw(&self.folder.database())
    }

    pub fn effects(&self) -> Vec<u64> {
        self.applied.lock().unwrap().concat()
    }
}

pub fn raw(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection
}

pub fn open(database: Database, applied: &Arc<Mutex<Vec<Vec<u64>>>>) -> Store<u64> {
    let applied = applied.clone();
    database.open(CHAIN.into(), Box::new(move |effects| applied.lock().unwrap().push(effects))).unwrap()
}

pub fn uid(n: u64) -> Uid {
    Uid(*blake3::hash(&n.to_be_bytes()).as_bytes().first_chunk().unwrap())
}

pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A key with two tokens of its own.
pub fn key(name: &str) -> KeyRow {
    KeyRow {
        uid: Uid::declared("key", name),
        name: name.into(),
        document: r#"{"title":"Öl und Gas","workflows":["a"]}"#.into(),
        enabled: true,
        revoked_at: None,
        expires_at: None,
        environment: None,
        primary: Some(digest(&format!("{name} 1"))),
        secondary: Some(digest(&format!("{name} 2"))),
        graced: Vec::new(),
        primary_at: Some(1),
        secondary_at: Some(1),
        owner: "alice".into(),
        access: Access::Personal,
        version: 1,
        created_at: 1,
        updated_at: 1,
    }
}

pub fn resource(kind: Resource, name: &str) -> ResourceRow {
    ResourceRow {
        uid: Uid::declared(kind.name(), name),
        kind,
        name: name.into(),
        document: "{}".into(),
        state: "{}".into(),
        connector: String::new(),
        environment: String::new(),
        secret_version: None,
        owner: "alice".into(),
        access: Access::Team,
        version: 1,
        created_at: 1,
        updated_at: 1,
    }
}

pub fn sealed(resource: &ResourceRow, version: u32) -> Sealed {
    Sealed {
        resource: resource.uid,
        version,
        sealed: vec![version as u8; 60],
        destination: [3; 32],
        created_at: 1,
        created_by: "alice".into(),
    }
}

pub fn entry(action: &str, subject: &str) -> AuditEntry {
    AuditEntry {
        at: 1_000,
        actor: "root".into(),
        actor_id: None,
        address: Some("192.0.2.1".into()),
        request_id: None,
        action: action.into(),
        kind: "key".into(),
        subject: subject.into(),
        subject_id: Uid::declared("key", subject).to_string(),
        before: serde_json::Value::Null,
        after: serde_json::json!({ "name": subject }),
    }
}

pub fn change(writes: Vec<Write>) -> Change<u64> {
    Change { guards: Vec::new(), writes, audit: Vec::new(), replay: None, effects: Vec::new() }
}

pub fn tally(kind: Resource, of: Uid, slot: Option<Slot>, code: &str, count: u64, at: i64) -> Tally {
    Tally { kind, uid: of, slot, code: code.into(), count, last_at: at }
}
