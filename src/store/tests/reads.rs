//! Lists, secrets, and what is remembered of creates.

use super::support::*;
use crate::model::resource::Resource;
use crate::store::*;

fn all() -> ListQuery {
    ListQuery { limit: 100, now: 1_000, ..ListQuery::default() }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn keys_come_by_name_and_by_what_is_asked_for() {
    let opened = Opened::new();
    let rows = [
        KeyRow { environment: Some(uid(1)), access: Access::Team, ..key("b") },
        KeyRow { enabled: false, owner: "bob".into(), ..key("a") },
        KeyRow { expires_at: Some(1_000), document: "{}".into(), ..key("c") },
        KeyRow { expires_at: Some(1_001), document: r#"{"description":"Große Kasse"}"#.into(), ..key("D") },
        KeyRow { revoked_at: Some(5), expires_at: Some(5), enabled: false, ..key("e") },
    ];
    let writes = rows.iter().map(|row| Write::AddKey(Box::new(row.clone()))).collect();
    opened.store.commit(change(writes)).await.unwrap();
    let names = async |query: ListQuery| {
        let found = opened.store.keys(&query).await.unwrap();
        found.into_iter().map(|row| row.name).collect::<Vec<_>>().join("")
    };
    assert_eq!(names(all()).await, "Dabce");
    assert_eq!(names(ListQuery { limit: 0, ..all() }).await, "");
    assert_eq!(names(ListQuery { limit: 2, after: text("a"), ..all() }).await, "bc");
    assert_eq!(names(ListQuery { q: text("öL UND"), ..all() }).await, "abe", "a title, in any case");
    assert_eq!(names(ListQuery { q: text("KASSE"), ..all() }).await, "D", "a description");
    assert_eq!(names(ListQuery { q: text("d"), ..all() }).await, "Dabe");
    assert_eq!(names(ListQuery { q: text("workflows"), ..all() }).await, "", "names of fields are no words");
    assert_eq!(names(ListQuery { owner: text("bob"), ..all() }).await, "a");
    assert_eq!(names(ListQuery { access: Some(Access::Team), ..all() }).await, "b");
    assert_eq!(names(ListQuery { environment_id: Some(uid(1)), ..all() }).await, "b");
    for (state, found) in [("enabled", "Db"), ("disabled", "a"), ("expired", "c"), ("revoked", "e"), ("other", "")] {
        assert_eq!(names(ListQuery { state: text(state), ..all() }).await, found, "{state}");
    }
}

#[tokio::test]
async fn resources_come_by_name_and_by_what_is_asked_for() {
    let opened = Opened::new();
    let rows = [
        ResourceRow { connector: "stripe".into(), ..resource(Resource::Connection, "b") },
        ResourceRow { environment: "test".into(), owner: "bob".into(), ..resource(Resource::Connection, "a") },
        ResourceRow { document: r#"{"title":"Shop"}"#.into(), ..resource(Resource::Workflow, "w") },
    ];
    let writes = rows.iter().map(|row| Write::AddResource(Box::new(row.clone()))).collect();
    opened.store.commit(change(writes)).await.unwrap();
    let found = async |kind, query| opened.store.resources_page(kind, &query).await.unwrap();
    assert_eq!(opened.store.resources(Resource::Connection).await.unwrap(), [rows[1].clone(), rows[0].clone()]);
    let stripe = ListQuery { connector: text("stripe"), ..all() };
    assert_eq!(found(Resource::Connection, stripe).await, [rows[0].clone()]);
    let test = ListQuery { environment: text("test"), owner: text("bob"), access: Some(Access::Team), ..all() };
    assert_eq!(found(Resource::Connection, test).await, [rows[1].clone()]);
    assert_eq!(found(Resource::Workflow, ListQuery { q: text("SHOP"), ..all() }).await, [rows[2].clone()]);
    assert_eq!(found(Resource::Connection, ListQuery { limit: 1, after: text("a"), ..all() }).await.len(), 1);
    let id = rows[2].uid.to_string();
    assert_eq!(opened.store.resource(Resource::Workflow, &id).await.unwrap(), Some(rows[2].clone()));
    assert_eq!(opened.store.resource(Resource::Connection, &id).await.unwrap(), None);
}

#[tokio::test]
async fn r1_versions_of_a_secret_stay_until_they_are_purged() {
    let opened = Opened::new();
    let row = resource(Resource::Connection, "c");
    let at = |version, secret| ResourceRow { version, secret_version: secret, ..row.clone() };
    let commit = |writes| opened.store.commit(change(writes));
    let set = |expected, row| Write::SetResource { expected, row: Box::new(row) };
    let secret = |version| Write::AddSecret(Box::new(sealed(&row, version)));
    commit(vec![Write::AddResource(Box::new(at(1, None)))]).await.unwrap();
    commit(vec![secret(1), set(1, at(2, Some(1)))]).await.unwrap();
    commit(vec![set(2, at(3, Some(2))), secret(2)]).await.unwrap();
    assert_eq!(commit(vec![secret(2)]).await, Err(StoreError::Conflict), "a version is never replaced");
    let purge = |keep| Write::PurgeSecrets { resource: row.uid, keep };
    assert_eq!(commit(vec![purge(None)]).await, Err(StoreError::Conflict), "the current one stays");
    let versions = async || {
        let all = opened.store.secret_versions(row.uid).await.unwrap();
        all.into_iter().map(|v| v.version).collect::<Vec<_>>()
    };
    assert_eq!(versions().await, [2, 1]);
    assert_eq!(opened.store.secret(row.uid, 1).await.unwrap(), Some(sealed(&row, 1)));
    commit(vec![purge(Some(2))]).await.unwrap();
    assert_eq!(versions().await, [2]);
    assert_eq!(commit(vec![set(3, at(4, Some(1)))]).await, Err(StoreError::Conflict), "no way back to what was purged");
    commit(vec![Write::DropResource { uid: row.uid, expected: 3 }]).await.unwrap();
    assert_eq!(opened.store.secret(row.uid, 2).await.unwrap(), None);
    assert_eq!(commit(vec![secret(3)]).await, Err(StoreError::Conflict), "a secret of nothing");
}

#[tokio::test]
async fn what_was_purged_is_not_in_the_file() {
    let opened = Opened::new();
    let row = resource(Resource::Connection, "c");
    let secret = Sealed { sealed: b"sealed-canary-value".repeat(300), ..sealed(&row, 1) };
    let writes = vec![Write::AddResource(Box::new(row.clone())), Write::AddSecret(Box::new(secret))];
    opened.store.commit(change(writes)).await.unwrap();
    let opened = opened.again().await;
    let holds = || {
        let file = std::fs::read(opened.folder.database()).unwrap();
        memchr::memmem::find(&file, b"canary").is_some()
    };
    assert!(holds());
    opened.store.commit(change(vec![Write::PurgeSecrets { resource: row.uid, keep: None }])).await.unwrap();
    opened.store.close().await;
    assert!(!holds());
}

#[tokio::test]
async fn a_create_that_is_repeated_is_told_what_it_made_for_a_day() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let opened = Opened::new();
    let replay = |request, at| Replay { actor: uid(1), key: "once".into(), request, created: key("a").uid, at };
    let create =
        |name: &str, replay| Change { replay: Some(replay), ..change(vec![Write::AddKey(Box::new(key(name)))]) };
    opened.store.commit(create("a", replay([1; 32], 5))).await.unwrap();
    assert_eq!(opened.store.replay(uid(1), "once").await.unwrap(), Some(replay([1; 32], 5)));
    assert_eq!(opened.store.replay(uid(2), "once").await.unwrap(), None);
    let repeated = opened.store.commit(create("a", replay([1; 32], 6))).await;
    assert_eq!(repeated, Err(StoreError::Repeated { created: key("a").uid }));
    assert_eq!(opened.store.commit(create("b", replay([2; 32], 6))).await, Err(StoreError::Replayed));
    let other = Replay { actor: uid(2), ..replay([2; 32], 6) };
    opened.store.commit(create("b", other)).await.unwrap();
    // A create that fails is not remembered.
    let failing = Replay { key: "twice".into(), ..replay([3; 32], 7) };
    assert!(opened.store.commit(create("a", failing.clone())).await.is_err());
    opened.store.commit(create("c", failing)).await.unwrap();
    opened.store.commit(create("d", replay([4; 32], DAY + 5))).await.unwrap();
    assert_eq!(opened.store.replay(uid(1), "once").await.unwrap().unwrap().request, [4; 32]);
}
