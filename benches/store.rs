//! What the store costs: `cargo bench --bench store`, with `KEYS=1000000 DB=/path/on/the/disk.db` if others are wanted.

use keystile::model::{Digest, Uid};
use keystile::store::{Access, AuditEntry, Change, Database, KeyRow, ListQuery, Store, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const CHAIN: [u8; 32] = [7; 32];

fn key(n: u64) -> KeyRow {
    let random = blake3::hash(&n.to_be_bytes());
    KeyRow {
        uid: Uid::version_7(1_760_000_000_000 + n as i64, *random.as_bytes().first_chunk().expect("32 bytes")),
        name: format!("customer-{n:07}"),
        document: format!(r#"{{"workflows":["{}"],"rate_limit":"60/m","title":"Customer {n}"}}"#, Uid([n as u8; 16])),
        enabled: true,
        revoked_at: None,
        expires_at: Some(1_860_000_000_000),
        environment: None,
        primary: Some(Digest::of(format!("{n} 1").as_bytes())),
        secondary: Some(Digest::of(format!("{n} 2").as_bytes())),
        graced: Vec::new(),
        primary_at: Some(1_760_000_000_000),
        secondary_at: Some(1_760_000_000_000),
        owner: "root".into(),
        access: Access::Personal,
        version: 1,
        created_at: 1_760_000_000_000,
        updated_at: 1_760_000_000_000,
    }
}

/// A create as the API makes one, with its audit row.
fn create(n: u64) -> Change<u64> {
    let row = key(n);
    let entry = AuditEntry {
        at: row.created_at,
        actor: "root".into(),
        actor_id: Some(Uid([1; 16]).to_string()),
        address: Some("192.0.2.1".into()),
        request_id: Some(Uid([2; 16]).to_string()),
        action: "key.create".into(),
        kind: "key".into(),
        subject: row.name.clone(),
        subject_id: row.uid.to_string(),
        before: serde_json::Value::Null,
        after: serde_json::from_str(&row.document).unwrap_or_default(),
    };
    let writes = vec![Write::AddKey(Box::new(row))];
    Change { guards: Vec::new(), writes, audit: vec![entry], replay: None, effects: vec![n] }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    println!("{what}: {:.3} s", begun.elapsed().as_secs_f64());
    done
}

fn open(path: &std::path::Path) -> Store<u64> {
    let database = timed("find", || Database::find(path, Duration::from_secs(5))).expect("found");
    timed("open", || database.open(CHAIN.into(), Box::new(drop))).expect("opened")
}

/// Creates by so many callers, each of whom waits for his own.
async fn creates(store: &Store<u64>, callers: u64, each: u64, from: u64) {
    let (begun, mut tasks) = (Instant::now(), Vec::new());
    for caller in 0..callers {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            for n in 0..each {
                let begun = Instant::now();
                store.commit(create(from + caller * each + n)).await.expect("committed");
                slowest = slowest.max(begun.elapsed());
            }
            slowest
        }));
    }
    let mut slowest = Duration::ZERO;
    for task in tasks {
        slowest = slowest.max(task.await.expect("ended"));
    }
    let rate = (callers * each) as f64 / begun.elapsed().as_secs_f64();
    println!("creates by {callers} callers: {rate:.0}/s, the slowest {slowest:.1?}");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let keys: u64 = std::env::var("KEYS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("keystile-bench-{}", std::process::id()));
    let path = std::env::var_os("DB").map_or_else(|| folder.join("keystile.db"), PathBuf::from);
    if !path.exists() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        Database::create(&path, b"keyring").expect("created");
        let store = open(&path);
        let begun = Instant::now();
        for from in (0..keys).step_by(10_000) {
            let writes = (from..keys.min(from + 10_000)).map(|n| Write::AddKey(Box::new(key(n)))).collect();
            let change = Change { guards: vec![], writes, audit: vec![], replay: None, effects: vec![] };
            store.commit(change).await.expect("committed");
        }
        println!("{keys} keys put in: {:.1} s", begun.elapsed().as_secs_f64());
        store.close().await;
    }
    println!("file: {} MiB", path.metadata().expect("a file").len() >> 20);
    let store = open(&path);
    let mut count = 0u64;
    timed("load_keys, rows counted", || store.load_keys(|_| count += 1)).expect("loaded");
    let mut all = Vec::with_capacity(count as usize);
    timed("load_keys, rows kept", || store.load_keys(|key| all.push(key))).expect("loaded");
    drop(all);
    let there = store.counts().await.expect("counts");
    let from = there.keys + there.audit;
    creates(&store, 1, 500, from).await;
    creates(&store, 16, 250, from + 500).await;
    creates(&store, 200, 50, from + 4_500).await;
    let begun = Instant::now();
    for n in 0..1000 {
        store.key(&format!("customer-{:07}", n * 997 % keys)).await.expect("read");
    }
    println!("a key by its name: {:.0} µs", begun.elapsed().as_secs_f64() * 1e3);
    let query = |q: &str| ListQuery { q: Some(q.into()), limit: 100, ..ListQuery::default() };
    for (what, query) in [
        ("a page", ListQuery { after: Some("customer-0005".into()), limit: 100, ..ListQuery::default() }),
        ("a search that finds nothing", query("nowhere")),
    ] {
        let begun = Instant::now();
        let found = store.keys(&query).await.expect("read").len();
        println!("{what}: {found} rows, {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    }
    let begun = Instant::now();
    let verdict = store.audit_verify().await.expect("walked");
    println!("audit_verify: {} rows, ok {}, {:.3} s", verdict.count, verdict.ok, begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    store.close().await;
    println!("close: {:.3} s", begun.elapsed().as_secs_f64());
    let _ = std::fs::remove_dir_all(&folder);
}
