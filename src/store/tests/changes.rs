//! A change is whole or absent, in an order, and its effects follow it.

use super::support::*;
use crate::model::Slot;
use crate::model::resource::Resource;
use crate::store::*;

fn add(name: &str) -> Write {
    Write::AddKey(Box::new(key(name)))
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let opened = Opened::new();
    let committed =
        opened.store.commit(Change { audit: vec![entry("key.create", "a")], ..change(vec![add("a")]) }).await.unwrap();
    assert_eq!(committed, Committed { revision: 1, audit_seq: Some(1) });
    let opened = opened.again().await;
    assert_eq!(opened.store.key("a").await.unwrap(), Some(key("a")));
    assert_eq!(opened.store.key(&key("a").uid.to_string()).await.unwrap(), Some(key("a")));
    assert_eq!(opened.store.key("A").await.unwrap(), None);
    let committed = opened.store.commit(change(vec![add("b")])).await.unwrap();
    assert_eq!(committed, Committed { revision: 2, audit_seq: None });
    let mut loaded = Vec::new();
    opened.store.load_keys(|key| loaded.push(key)).unwrap();
    assert_eq!(loaded, [key("a"), key("b")]);
}

#[tokio::test]
async fn a_change_that_fails_leaves_nothing_and_the_others_of_its_group_stand() {
    let opened = Opened::new();
    let with =
        |effect: u64, writes| Change { audit: vec![entry("key.create", "x")], effects: vec![effect], ..change(writes) };
    // Polled together, so that they wait together.
    let (one, two, three) = tokio::join!(
        opened.store.commit(with(1, vec![add("a")])),
        opened.store.commit(with(2, vec![add("b"), add("a")])),
        opened.store.commit(with(3, vec![add("c")])),
    );
    assert_eq!(two, Err(StoreError::NameTaken { kind: Resource::Key, name: "a".into() }));
    assert_eq!((one.unwrap().audit_seq, three.unwrap().audit_seq), (Some(1), Some(2)));
    assert_eq!(opened.effects(), [1, 3]);
    assert!(opened.store.key("b").await.unwrap().is_none());
    assert_eq!(opened.store.counts().await.unwrap(), Counts { keys: 2, audit: 2, revision: 2, ..Counts::default() });
    assert!(opened.store.audit_verify().await.unwrap().ok);
}

#[tokio::test]
async fn a_change_whose_caller_has_gone_is_done() {
    let opened = Opened::new();
    let mut gone = Box::pin(opened.store.commit(change(vec![add("a")])));
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(gone.as_mut().poll(cx))).await.is_pending());
    drop(gone);
    opened.store.commit(change(vec![add("b")])).await.unwrap();
    assert!(opened.store.key("a").await.unwrap().is_some());
}

#[tokio::test]
async fn what_somebody_else_changed_is_a_conflict() {
    let opened = Opened::new();
    opened.store.commit(change(vec![add("a")])).await.unwrap();
    let newer = KeyRow { version: 2, enabled: false, ..key("a") };
    let set = |expected| Write::SetKey { expected, row: Box::new(newer.clone()) };
    opened.store.commit(change(vec![set(1)])).await.unwrap();
    for stale in [set(1), Write::DropKey { uid: newer.uid, expected: 1 }] {
        assert_eq!(opened.store.commit(change(vec![stale])).await, Err(StoreError::Conflict));
    }
    assert_eq!(opened.store.key("a").await.unwrap(), Some(newer.clone()));
    opened.store.commit(change(vec![Write::DropKey { uid: newer.uid, expected: 2 }])).await.unwrap();
    assert_eq!(opened.store.key("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_guard_that_does_not_hold_stops_the_change() {
    let opened = Opened::new();
    let workflow = resource(Resource::Workflow, "w");
    opened.store.commit(change(vec![Write::AddResource(Box::new(workflow.clone()))])).await.unwrap();
    let guarded =
        |version, name| Change { guards: vec![Guard::Is { uid: workflow.uid, version }], ..change(vec![add(name)]) };
    assert_eq!(opened.store.commit(guarded(2, "a")).await, Err(StoreError::Conflict));
    opened.store.commit(guarded(1, "a")).await.unwrap();
    let drop = Write::DropResource { uid: workflow.uid, expected: 1 };
    opened.store.commit(change(vec![drop])).await.unwrap();
    assert_eq!(opened.store.commit(guarded(1, "b")).await, Err(StoreError::Conflict));
}

#[tokio::test]
async fn k15_a_name_is_taken_within_its_kind_whoever_owns_it() {
    let opened = Opened::new();
    for kind in [Resource::Environment, Resource::Connection, Resource::Workflow] {
        opened.store.commit(change(vec![Write::AddResource(Box::new(resource(kind, "x")))])).await.unwrap();
        let other = ResourceRow { uid: uid(1), owner: "bob".into(), ..resource(kind, "x") };
        let taken = opened.store.commit(change(vec![Write::AddResource(Box::new(other))])).await;
        assert_eq!(taken, Err(StoreError::NameTaken { kind, name: "x".into() }));
    }
    opened.store.commit(change(vec![add("x"), add("y")])).await.unwrap();
    let renamed = Write::SetKey { expected: 1, row: Box::new(KeyRow { name: "x".into(), version: 2, ..key("y") }) };
    let taken = opened.store.commit(change(vec![renamed])).await;
    assert_eq!(taken, Err(StoreError::NameTaken { kind: Resource::Key, name: "x".into() }));
}

#[tokio::test]
async fn k10_a_token_belongs_to_one_slot_of_one_key_for_as_long_as_it_is_accepted() {
    let opened = Opened::new();
    let first = key("a");
    opened.store.commit(change(vec![add("a")])).await.unwrap();
    let steal = |name: &str, token| KeyRow { secondary: token, ..key(name) };
    let taken = |row: KeyRow| opened.store.commit(change(vec![Write::AddKey(Box::new(row))]));
    assert_eq!(taken(steal("b", first.primary)).await, Err(StoreError::TokenTaken));
    assert_eq!(taken(steal("b", key("b").primary)).await, Err(StoreError::TokenTaken), "both slots the same");
    let set = |expected, row: &KeyRow| {
        opened.store.commit(change(vec![Write::SetKey { expected, row: Box::new(row.clone()) }]))
    };
    // Regenerated: the old one is still accepted, so it is still taken.
    let grace = Graced { slot: Slot::Primary, digest: first.primary.unwrap(), until: 9 };
    let second =
        KeyRow { primary: Some(digest("new")), graced: vec![grace], primary_at: Some(2), version: 2, ..first.clone() };
    set(1, &second).await.unwrap();
    assert_eq!(taken(steal("b", first.primary)).await, Err(StoreError::TokenTaken));
    assert_eq!(opened.store.key("a").await.unwrap(), Some(second.clone()));
    // Back in its slot, the slots exchanged, and out of grace at last.
    let third = KeyRow { primary: second.secondary, secondary: first.primary, graced: vec![], version: 3, ..second };
    set(2, &third).await.unwrap();
    let fourth = KeyRow { primary: third.secondary, secondary: third.primary, version: 4, ..third };
    set(3, &fourth).await.unwrap();
    taken(steal("b", Some(digest("new")))).await.unwrap();
    // A key that is gone has no tokens.
    opened.store.commit(change(vec![Write::DropKey { uid: fourth.uid, expected: 4 }])).await.unwrap();
    taken(steal("c", first.primary)).await.unwrap();
    let raw = opened.raw();
    let tokens: i64 = raw.query_row("SELECT count(*) FROM tokens", [], |row| row.get(0)).unwrap();
    assert_eq!(tokens, 4);
}

#[tokio::test]
async fn more_changes_than_may_wait_are_told_that_it_is_busy() {
    let folder = Folder::new();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let database = Database::create(&folder.database(), KEYRING).unwrap();
    // Putting in force takes until we say so.
    let store: Store<u64> = database
        .open(
            CHAIN.into(),
            Box::new(move |_| {
                let _ = wait.recv();
            }),
        )
        .unwrap();
    let held = tokio::spawn({
        let store = store.clone();
        async move { store.commit(Change { effects: vec![1], ..change(vec![]) }).await }
    });
    let mut waiting = Vec::new();
    let refused = loop {
        let mut one = Box::pin(store.commit(change(vec![])));
        match std::future::poll_fn(|cx| std::task::Poll::Ready(one.as_mut().poll(cx))).await {
            std::task::Poll::Ready(Err(refused)) => break refused,
            _ => waiting.push(one),
        }
        assert!(waiting.len() < 100_000, "the queue has no bound");
        // The first one is on its way to the writer.
        if waiting.len() == 1 {
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(refused, StoreError::Busy);
    drop(go);
    held.await.unwrap().unwrap();
    for one in waiting {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn a_large_change_is_whole_or_absent_among_small_ones() {
    let opened = Opened::new();
    let many = |prefix: &str| (0..150).map(|n| add(&format!("{prefix}{n}"))).collect::<Vec<_>>();
    let with = |effect: u64, writes| Change { effects: vec![effect], ..change(writes) };
    let (one, two, three, four) = tokio::join!(
        opened.store.commit(with(1, vec![add("a")])),
        opened.store.commit(with(2, many("b"))),
        opened.store.commit(with(3, [many("c"), vec![add("a")]].concat())),
        opened.store.commit(with(4, vec![add("d")])),
    );
    let revisions = [one, two, four].map(|done| done.unwrap().revision);
    assert_eq!(revisions, [1, 2, 3]);
    assert_eq!(three, Err(StoreError::NameTaken { kind: Resource::Key, name: "a".into() }));
    assert_eq!(opened.effects(), [1, 2, 4]);
    assert_eq!(opened.store.counts().await.unwrap().keys, 152);
}
