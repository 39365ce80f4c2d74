//! Hazards 25 and 30: a process that is killed while it commits loses nothing that it acknowledged, and leaves nothing half
//! done.

use super::support::*;
use crate::store::*;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DATABASE: &str = "KEYSTILE_TEST_STORE";
const ROUND: &str = "KEYSTILE_TEST_ROUND";

/// What is killed: it creates keys and changes each of them, and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test below"]
async fn commits_until_it_is_killed() {
    let (Ok(path), Ok(round)) = (std::env::var(DATABASE), std::env::var(ROUND)) else { return };
    let database = Database::find(Path::new(&path), Duration::from_secs(5)).unwrap();
    let store = open(database, &Arc::new(Mutex::new(Vec::new())));
    let tasks = (0..8).map(|task| {
        let (store, round) = (store.clone(), round.clone());
        tokio::spawn(async move {
            for n in 0.. {
                let made = key(&format!("{round}-{task}-{n}"));
                let create = change(vec![Write::AddKey(Box::new(made.clone()))]);
                store.commit(Change { audit: vec![entry("create", &made.name)], ..create }).await.unwrap();
                println!("\nack {} 1", made.name);
                let primary = Some(digest(&format!("{} again", made.name)));
                let grace = Graced { slot: crate::model::Slot::Primary, digest: made.primary.unwrap(), until: 9 };
                let set = KeyRow { primary, graced: vec![grace], version: 2, ..made };
                let audit = vec![entry("regenerate", &set.name)];
                println!("\nack {} {}", set.name, {
                    let writes = vec![Write::SetKey { expected: 1, row: Box::new(set.clone()) }];
                    store.commit(Change { audit, ..change(writes) }).await.unwrap();
                    2
                });
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Lets it run for a while, kills it, and returns the versions that were acknowledged.
fn killed_after(path: &Path, round: usize, while_running: Duration) -> HashMap<String, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::tests::killed::commits_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(DATABASE, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged = HashMap::new();
    let mut note = |line: String| {
        let mut words = line.strip_prefix("ack ")?.split(' ');
        acknowledged.insert(words.next()?.to_owned(), words.next()?.parse().ok()?)
    };
    // It has begun.
    lines.find(|line| line.starts_with("ack ")).map(&mut note);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(while_running);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        for line in lines {
            note(line);
        }
    });
    acknowledged
}

#[tokio::test]
async fn hazard_30_what_was_acknowledged_survives_a_kill_and_nothing_is_half_done() {
    let mut opened = Opened::new();
    let path = opened.folder.database();
    let mut acknowledged = HashMap::new();
    for round in 0..6 {
        opened.store.close().await;
        let mut random = [0u8; 1];
        getrandom::fill(&mut random).unwrap();
        acknowledged.extend(killed_after(&path, round, Duration::from_millis(u64::from(random[0]) / 2)));
        opened = opened.again().await;
        let mut found = HashMap::new();
        opened.store.load_keys(|key| drop(found.insert(key.name.clone(), key))).unwrap();
        for (name, version) in &acknowledged {
            assert!(found.get(name).is_some_and(|key| key.version >= *version), "{name} was lost");
        }
        // Whole: as many tokens and audit rows as the keys that are there say.
        let tokens: usize = found.values().map(|key| 2 + key.graced.len()).sum();
        let rows: u64 = found.values().map(|key| key.version).sum();
        let there: usize = opened.raw().query_row("SELECT count(*) FROM tokens", [], |row| row.get(0)).unwrap();
        assert_eq!(there, tokens);
        let verdict = opened.store.audit_verify().await.unwrap();
        assert_eq!((verdict.ok, verdict.count), (true, rows));
        assert_eq!(opened.store.counts().await.unwrap().revision, rows);
    }
    assert!(acknowledged.len() > 6, "it did work: {}", acknowledged.len());
}
