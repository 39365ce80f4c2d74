//! T1, hazard 31: a start with what is wrong is refused with words, and leaves every file as it was. What was acknowledged is
//! there after any end.

use crate::support::{Founded, Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// Names, modes and contents of all files, but for the configuration's drafts.
fn files(founded: &Founded) -> BTreeMap<String, (u32, String)> {
    // The index of the log (-shm) is made anew from that by whoever looks.
    let all = fs::read_dir(founded.path("")).unwrap().map(|entry| entry.unwrap().path());
    let all = all.filter(|path| path.extension().is_none_or(|end| end != "db-shm"));
    all.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let content =
            if path.is_dir() { "a directory".to_owned() } else { blake3::hash(&fs::read(&path).unwrap()).to_string() };
        (name, (path.metadata().unwrap().permissions().mode(), content))
    })
    .collect()
}

/// The start is refused, says all of `words`, and changes no file.
#[track_caller]
fn refused(founded: &Founded, words: &[&str]) {
    let setup = founded.setup();
    let before = files(founded);
    let told = setup.refused();
    for word in words {
        assert!(told.contains(word), "{word} is not said in:\n{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    assert_eq!(files(founded), before, "files changed");
}

/// A store in which something was done, and whose gateway was killed: with a log beside the database, as a crash leaves it.
fn used() -> Founded {
    let founded = Founded::new();
    let gateway = founded.start();
    gateway.api.key("crm");
    gateway.api.done("POST", "/connections", &founded.connection("other", "the-others-own-9Xy"));
    drop(gateway);
    assert!(fs::metadata(founded.path("keystile.db-wal")).unwrap().len() > 0);
    founded
}

#[test]
fn hazard_31_a_wrong_master_key_changes_nothing_and_is_named() {
    let founded = used();
    let right = fs::read(founded.path("master.key")).unwrap();
    let another = fs::read(Founded::new().path("master.key")).unwrap();
    for (key, words) in [
        (another, &["the master key", "fingerprint", "nothing was changed"][..]),
        (Vec::new(), &["master.key", "empty"]),
        (right[..20].to_vec(), &["master.key"]),
        (b"not a key at all\n".to_vec(), &["master.key"]),
        (vec![0xff; 4096], &["master.key"]),
    ] {
        founded.directory.write("master.key", key);
        fs::set_permissions(founded.path("master.key"), fs::Permissions::from_mode(0o600)).unwrap();
        refused(&founded, words);
    }
    fs::remove_file(founded.path("master.key")).unwrap();
    refused(&founded, &["master.key", "master_key"]);
    fs::create_dir(founded.path("master.key")).unwrap();
    refused(&founded, &["master.key", "directory"]);
    fs::remove_dir(founded.path("master.key")).unwrap();

    founded.directory.write("master.key", &right);
    fs::set_permissions(founded.path("master.key"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(&founded, &["master.key", "chmod 600"]);
    fs::set_permissions(founded.path("master.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let gateway = founded.start();
    assert_eq!(gateway.api.show("/keys/crm").status, 200, "and with the right one everything is there");
    gateway.api.audited();
}

#[test]
fn hazard_31_what_is_no_database_of_ours_is_left_alone() {
    let founded = used();
    let path = founded.path("keystile.db");
    let whole = fs::read(&path).unwrap();
    fs::remove_file(founded.path("keystile.db-wal")).unwrap();
    for (content, words) in [
        (Vec::new(), &["keystile.db", "not a database of Keystile"][..]),
        (b"#!/bin/sh\necho hello\n".repeat(100), &["keystile.db", "not a database of Keystile"]),
        (b"SQLite format 3\0".repeat(1024), &["keystile.db", "not a database of Keystile"]),
        (whole[..whole.len() / 3].to_vec(), &["keystile.db", "damaged", "backup"]),
        ([&whole[..4096], &vec![0x5a; whole.len() - 4096]].concat(), &["keystile.db", "damaged", "backup"]),
    ] {
        fs::write(&path, content).unwrap();
        refused(&founded, words);
    }
    fs::remove_file(&path).unwrap();
    refused(&founded, &["keystile.db", "is not there", "keystile init"]);
    fs::create_dir(&path).unwrap();
    refused(&founded, &["keystile.db"]);
}

#[test]
fn hazard_31_a_newer_database_is_left_to_its_own_program() {
    let founded = Founded::new();
    // `user_version`, in the head of the file.
    let mut database = fs::read(founded.path("keystile.db")).unwrap();
    database[60..64].copy_from_slice(&99u32.to_be_bytes());
    fs::write(founded.path("keystile.db"), database).unwrap();
    refused(&founded, &["newer Keystile", "99", "keystile.db"]);
}

#[test]
fn hazard_31_a_damaged_keyring_is_told_apart_from_a_wrong_key() {
    let founded = used();
    // A start and an orderly end leave no log, so that the file is all there is.
    let mut gateway = founded.start();
    gateway.signal("TERM");
    assert!(gateway.gateway.wait().success());
    drop(gateway);
    let whole = fs::read(founded.path("keystile.db")).unwrap();
    let keyring = keyring_of(&whole);
    for at in [keyring.start, keyring.start + keyring.len() / 2, keyring.end - 1] {
        let mut database = whole.clone();
        database[at] ^= 0x10;
        fs::write(founded.path("keystile.db"), database).unwrap();
        refused(&founded, &["restore the database from a backup"]);
    }
    fs::write(founded.path("keystile.db"), &whole).unwrap();
    founded.start().api.audited();
}

/// Where the keyring's record lies: the only row of its table, found by what the library reads.
fn keyring_of(file: &[u8]) -> std::ops::Range<usize> {
    let database = keystile::store::Database::find;
    let folder = crate::support::Directory::new();
    let path = folder.path("copy.db");
    fs::write(&path, file).unwrap();
    let record = database(&path, Duration::ZERO).unwrap().keyring().to_vec();
    let at = file.windows(record.len()).position(|window| window == record).expect("it is in the file");
    at..at + record.len()
}

#[test]
fn hazard_31_one_gateway_has_a_database() {
    let founded = Founded::new();
    let first = founded.start();
    let token = first.api.key("crm");
    let second = founded.setup().launch();
    std::thread::sleep(Duration::from_millis(500));
    assert!(!second.stderr.text().contains("\"ready\""), "it waits: {}", second.stderr.text());
    assert_eq!(first.hello(&token), "200");
    first.api.key("another");
    drop(first);
    second
        .stderr
        .find(0, |line| line.contains("\"ready\"").then_some(()))
        .expect("it takes over once the first is gone");
}

#[test]
fn a_takeover_with_a_store_is_refused_with_words() {
    let founded = Founded::new();
    let first = founded.start();
    let told = founded.setup().argument("--takeover").refused();
    assert!(told.contains("--takeover") && told.contains("store") && told.contains("restart"), "{told}");
    first.api.key("crm");
}

#[test]
fn hazard_30_sigterm_amid_calls_loses_nothing_that_was_acknowledged() {
    let founded = Founded::new();
    let mut gateway = founded.start();
    let api = gateway.api.clone();
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let api = api.clone();
                scope.spawn(move || {
                    let mut done = Vec::new();
                    for n in 0.. {
                        let name = format!("key-{caller}-{n}");
                        match api.try_call("POST", "/keys", &json!({ "name": name })) {
                            Ok(reply) if reply.status == 201 => done.push(name),
                            Ok(reply) => assert!(reply.status == 503, "{} {}", reply.status, reply.text()),
                            Err(_) => break,
                        }
                    }
                    done
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        gateway.signal("TERM");
        assert!(gateway.gateway.wait().success());
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    assert!(acknowledged.len() > 4, "{acknowledged:?}");
    assert!(!founded.path("keystile.db-wal").exists(), "an orderly end leaves no log");
    let again = founded.start();
    for name in &acknowledged {
        assert_eq!(again.api.show(&format!("/keys/{name}")).status, 200, "{name} is lost");
    }
    again.api.audited();
}

/// What is to be the same after a restart.
fn standing(stored: &Stored) -> Value {
    let paths = ["/keys", "/connections", "/workflows", "/environments", "/export", "/audit/verify", "/usage"];
    paths.iter().map(|path| stored.api.done("GET", path, &Value::Null)).collect()
}

#[test]
fn a_restart_keeps_everything() {
    let founded = Founded::new();
    let mut gateway = founded.start();
    let api = gateway.api.clone();
    let tokens: Vec<String> = ["plain", "graced", "disabled", "revoked"].iter().map(|name| api.key(name)).collect();
    let replaced =
        api.done("POST", "/keys/graced/slots/primary/regenerate", &json!({ "grace": "1h" }))["token"].clone();
    let replaced = replaced.as_str().unwrap();
    api.done("POST", "/keys/disabled/disable", &Value::Null);
    api.done("POST", "/keys/revoked/revoke", &Value::Null);
    api.done("POST", "/connections", &founded.connection("other", "first-secret-8Jw"));
    api.done("PUT", "/connections/other/secret", &json!({ "secret": "second-secret-8Jw" }));
    api.done("POST", "/connections/other/rollback", &Value::Null);
    api.done("POST", "/environments", &json!({ "name": "Staging" }));
    let leads = json!({ "name": "stored", "template": "GET /stored", "upstream": { "Production": "other" } });
    api.done("POST", "/workflows", &leads);
    let passes = |stored: &Stored| {
        let mut all: Vec<String> = tokens.iter().map(|token| stored.hello(token)).collect();
        all.push(stored.hello(replaced));
        all.push(stored.get("/stored").key(&tokens[0]).send().verdict());
        all.push(founded.upstream.last().header("X-Engine-Key").unwrap());
        all
    };
    let expected = ["200", "200", "401 key_disabled", "401 key_revoked", "200", "200", "first-secret-8Jw"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(passes(&gateway), expected);
    // What was counted is written down at the end, if not before.
    gateway.signal("TERM");
    assert!(gateway.gateway.wait().success());
    drop(gateway);
    let gateway = founded.start();
    let before = standing(&gateway);
    let used = api_usage(&gateway, "plain");
    assert!(used >= 2, "used before the restart: {used}");
    drop(gateway);
    let again = founded.start();
    assert_eq!(standing(&again), before);
    assert_eq!(passes(&again), expected);
}

fn api_usage(stored: &Stored, key: &str) -> u64 {
    let usage = stored.api.done("GET", &format!("/usage?kind=key&name={key}"), &Value::Null);
    usage["items"].as_array().unwrap().iter().filter_map(|item| item["requests"].as_u64()).sum()
}
