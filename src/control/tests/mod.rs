//! What must hold whoever asks, and whenever he leaves.

mod world;

use super::{Deletion, SecretSet};
use crate::model::Resource::{Connection, Environment, Key, Workflow};
use serde_json::{Value, json};
use std::time::Duration;
use world::World;
use zeroize::Zeroizing;

const FORCE: Deletion = Deletion { force: true };

#[tokio::test]
async fn e1_a_key_whose_environment_is_gone_is_not_good_for_all_of_them_after_an_edit() {
    let world = World::new().await;
    let admin = &world.admin;
    world.create(admin, Environment, json!({ "name": "Test" })).await.unwrap();
    world.create(admin, Key, json!({ "name": "k", "environment": "Test", "workflows": "all" })).await.unwrap();
    let fixed = || world.control.live().snapshot.keys.named("k").unwrap().environment;
    let test = fixed().unwrap();
    world.control.delete(admin, Environment, "Test", FORCE, None).await.unwrap();

    let shown = world.edit(admin, Key, "k", json!({ "title": "Of nobody" })).await.unwrap();
    assert_eq!((fixed(), &shown["environment"]), (Some(test), &json!(test.to_string())));
    world.edit(admin, Key, "k", json!({ "environment": "Production" })).await.unwrap();
    assert_ne!(fixed(), Some(test));
    world.edit(admin, Key, "k", json!({ "environment": null })).await.unwrap();
    assert_eq!(fixed(), None, "somebody said so");
}

#[tokio::test]
async fn k13_who_does_not_have_a_connection_brings_it_within_reach_of_no_other_environment() {
    let world = World::new().await;
    world.create(&world.admin, Environment, json!({ "name": "Test" })).await.unwrap();
    world.connection("theirs").await;
    let limited = world.administrator("limited", json!({ "connections": [] })).await;
    let code = |done: Result<Value, super::Refusal>| done.map_err(|refusal| refusal.code);
    let moved = world.edit(&limited, Connection, "theirs", json!({ "environment": "Test" })).await;
    assert_eq!(code(moved), Err("grant_exceeds_own"));
    let moved = world.edit(&limited, Environment, "Test", json!({ "default": true })).await;
    assert_eq!(code(moved), Err("grant_exceeds_own"), "it belongs to the default environment");
    assert_eq!(
        code(world.create(&limited, Environment, json!({ "name": "New", "default": true })).await),
        Err("grant_exceeds_own")
    );
    let document = json!({ "environments": [{ "name": "Test", "default": true }] }).to_string();
    let imported = world.control.import(&limited, Zeroizing::new(document), false).await;
    assert_eq!(code(imported), Err("grant_exceeds_own"));
    world.edit(&limited, Connection, "theirs", json!({ "title": "Theirs" })).await.unwrap();
    world.edit(&world.admin, Environment, "Test", json!({ "default": true })).await.unwrap();
}

#[tokio::test]
async fn the_environment_that_nobody_declared_is_not_declared_twice() {
    let world = World::new().await;
    let refused = world.create(&world.admin, Environment, json!({ "name": "Production" })).await.err().unwrap();
    assert_eq!((refused.code, refused.errors[0].field.as_str()), ("invalid", "name"));
    world.create(&world.admin, Environment, json!({ "name": "Production", "default": true })).await.unwrap();
    assert_eq!(world.control.live().snapshot.environments.len(), 1);
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_nothing_stored_that_the_next_change_does_not_know() {
    let world = World::new().await;
    let names = || {
        let live = world.control.live();
        live.snapshot.workflows.iter().map(|w| w.name.to_string()).collect::<Vec<_>>()
    };
    for number in 0..20 {
        let create = world.create(&world.admin, Workflow, json!({ "name": format!("w{number}") }));
        // Somewhere between the question and the answer.
        let _ = tokio::time::timeout(Duration::from_micros(number * 100), create).await;
    }
    world.create(&world.admin, Workflow, json!({ "name": "last" })).await.unwrap();
    let stored = world.control.stored().ok().unwrap().store.resources(Workflow).await.unwrap();
    let mut stored: Vec<String> = stored.into_iter().map(|row| row.name).collect();
    let mut in_force = names();
    stored.sort();
    in_force.sort();
    assert!(stored.len() > 1, "nobody left in time");
    assert_eq!(in_force, stored);
}

#[tokio::test]
async fn r1_a_purge_leaves_the_secret_in_force_and_no_newer_one_either() {
    let world = World::new().await;
    let (control, admin) = (&world.control, &world.admin);
    world.connection("c").await;
    for secret in ["the-second-secret-of-it", "the-third-secret-of-it"] {
        let set = SecretSet { secret: Zeroizing::new(secret.to_owned()), force: false, verify: false };
        control.set_secret(admin, "c", set, None).await.unwrap();
    }
    control.rollback(admin, "c", Some(1), None).await.unwrap();
    assert_eq!(control.purge(admin, "c").await.unwrap(), json!({ "purged": 2 }));
    let uid = control.known(Connection, "c").unwrap().0;
    let left = control.stored().ok().unwrap().store.secret_versions(uid).await.unwrap();
    assert_eq!(left.into_iter().map(|v| v.version).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn t1b_what_the_files_keys_name_stays_as_they_want_it() {
    let world = World::new().await;
    let admin = &world.admin;
    world.connection("c").await;
    world.create(admin, Environment, json!({ "name": "Test" })).await.unwrap();
    let workflow = json!({ "name": "w", "template": "GET /w", "upstream": { "Production": "c" } });
    world.create(admin, Workflow, workflow).await.unwrap();
    let digest = crate::model::Digest::of(b"a-token-of-the-file-0123456789");
    let key =
        format!("- {{ name: of-file, environment: Test, connections: [c], workflows: [w], primary: '{digest}' }}");
    world.file(&format!("keys:\n  {key}\n")).await;
    for (kind, name) in [(Connection, "c"), (Environment, "Test"), (Workflow, "w")] {
        let renamed = world.edit(admin, kind, name, json!({ "name": "other" })).await.err().unwrap();
        let deleted = world.control.delete(admin, kind, name, FORCE, None).await.err().unwrap();
        assert_eq!((renamed.code, deleted.code), ("invalid", "in_use"), "{kind}");
        assert!(renamed.detail.contains(&format!("{kind} {name}")), "{renamed:?}");
    }
    let unbound = world.edit(admin, Workflow, "w", json!({ "template": null })).await.err().unwrap();
    assert!(unbound.detail.contains("the workflow w"), "{unbound:?}");
    let live = world.control.live();
    let uid = |name| world.control.known(Connection, name).unwrap().0.to_string();
    assert!(live.snapshot.keys.named("of-file").is_some());
    let document = json!({ "connections": [
        { "id": uid("c"), "name": "other", "connector": "custom", "base_url": "https://a.example",
            "inject": [{ "header": "X-Key" }] } ] });
    let imported = world.control.import(admin, Zeroizing::new(document.to_string()), false).await.err().unwrap();
    assert!(imported.detail.contains("the connection c"), "{imported:?}");
    world.file("").await;
    world.edit(admin, Connection, "c", json!({ "name": "other" })).await.unwrap();
}

#[tokio::test]
async fn k13_somebody_is_left_who_administers_however_a_key_is_changed() {
    let world = World::new().await;
    for patch in [
        json!({ "enabled": false }),
        json!({ "scopes": ["admin:read"] }),
        json!({ "expires_at": "2020-01-01T00:00:00Z" }),
    ] {
        let refused = world.edit(&world.admin, Key, "admin", patch.clone()).await.err().unwrap();
        assert_eq!(refused.code, "last_administrator", "{patch}");
    }
    world.administrator("another", json!({})).await;
    world.edit(&world.admin, Key, "admin", json!({ "enabled": false })).await.unwrap();
}

#[tokio::test]
async fn a_secret_where_none_belongs_is_refused_and_not_dropped() {
    let world = World::new().await;
    let refused = world.create(&world.admin, Workflow, json!({ "name": "w", "secret": "s3cr3t-s3cr3t" })).await;
    let refused = refused.err().unwrap();
    assert_eq!((refused.code, refused.errors[0].field.as_str()), ("invalid", "secret"));
    assert!(!format!("{refused:?}").contains("s3cr3t"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k13_two_who_take_the_keys_of_each_other_at_one_moment_do_not_both_succeed() {
    for _ in 0..20 {
        let world = World::new().await;
        let other = world.administrator("another", json!({})).await;
        let (one, two) = tokio::join!(
            world.control.disable(&world.admin, "another", None),
            world.control.disable(&other, "admin", None),
        );
        assert!(one.is_ok() != two.is_ok(), "{:?} {:?}", one.map(|_| ()), two.map(|_| ()));
        let live = world.control.live();
        assert_eq!(live.snapshot.keys.iter().filter(|key| key.enabled).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_is_asked_twice_at_once_is_done_once_and_answered_twice() {
    let world = World::new().await;
    world.connection("c").await;
    let body = json!({ "name": "w", "template": "GET /w", "upstream": { "Production": "c" } }).to_string();
    let create = || {
        let body = Zeroizing::new(body.clone());
        world.control.create(&world.admin, Workflow, body, Some("once"), false)
    };
    let (one, two) = tokio::join!(create(), create());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.replayed != two.replayed);
    assert_eq!(*one.body, *two.body);
}
