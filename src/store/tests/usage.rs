//! T5: tallies add up.

use super::support::*;
use crate::model::Slot;
use crate::model::resource::Resource;
use crate::store::*;

#[tokio::test]
async fn t5_tallies_add_up_by_slot_and_code_and_go_with_their_resource() {
    let opened = Opened::new();
    let a = key("a").uid;
    opened.store.commit(change(vec![Write::AddKey(Box::new(key("a")))])).await.unwrap();
    let primary = Some(Slot::Primary);
    let count = |tallies| opened.store.count(tallies);
    count(vec![tally(Resource::Key, a, primary, "", 3, 50), tally(Resource::Key, a, primary, "rate_limited", 1, 50)])
        .await
        .unwrap();
    count(vec![tally(Resource::Key, a, primary, "", 2, 40), tally(Resource::Key, a, Some(Slot::Secondary), "", 1, 90)])
        .await
        .unwrap();
    count(vec![tally(Resource::Workflow, uid(9), None, "", 7, 70)]).await.unwrap();
    let row = |slot, code: &str, count, first_at, last_at| UsageRow {
        kind: Resource::Key,
        uid: a,
        slot,
        code: code.into(),
        count,
        first_at,
        last_at,
    };
    let keys = [
        row(primary, "", 5, 40, 50),
        row(primary, "rate_limited", 1, 50, 50),
        row(Some(Slot::Secondary), "", 1, 90, 90),
    ];
    assert_eq!(opened.store.usage(Some(Resource::Key), Some(a)).await.unwrap(), keys);
    assert_eq!(opened.store.usage_of(Resource::Key, &[uid(5), a]).await.unwrap(), keys);
    assert_eq!(opened.store.usage(Some(Resource::Key), None).await.unwrap(), keys);
    assert_eq!(opened.store.usage(None, Some(uid(9))).await.unwrap()[0].count, 7);
    assert_eq!(opened.store.usage(None, None).await.unwrap().len(), 4);
    opened.store.commit(change(vec![Write::DropKey { uid: a, expected: 1 }])).await.unwrap();
    assert_eq!(opened.store.usage(None, None).await.unwrap().len(), 1);
    let counts = opened.store.counts().await.unwrap();
    assert_eq!((counts.revision, counts.audit), (2, 0), "counting is no change");
}

#[tokio::test]
async fn t5_the_last_use_of_a_secret_moves_forward_and_goes_with_the_secret() {
    let opened = Opened::new();
    let row = resource(Resource::Workflow, "hooks");
    let used = |secret, last_at| SecretUse { secret: uid(secret), workflow: row.uid, last_at };
    let filed = SecretUse { secret: uid(9), workflow: uid(99), last_at: 7 };
    let secret = |version| Write::AddSecret(Box::new(sealed(&row, version)));
    let commit = |writes| opened.store.commit(change(writes));
    commit(vec![Write::AddResource(Box::new(row.clone())), secret(1), secret(2), secret(3)]).await.unwrap();
    opened.store.note_uses(vec![used(1, 50), used(2, 60), used(3, 70), filed]).await.unwrap();
    opened.store.note_uses(vec![used(1, 40), used(2, 65)]).await.unwrap();
    let uses = async || {
        let mut uses = opened.store.secret_uses().await.unwrap();
        uses.sort_by_key(|used| used.last_at);
        uses
    };
    assert_eq!(uses().await, [filed, used(1, 50), used(2, 65), used(3, 70)]);
    let drop = |version| Write::DropSecret { resource: row.uid, version, uid: uid(version.into()) };
    commit(vec![drop(1)]).await.unwrap();
    assert_eq!(commit(vec![drop(1)]).await, Err(StoreError::Conflict), "it is gone already");
    assert_eq!(uses().await, [filed, used(2, 65), used(3, 70)]);
    let left: Vec<u32> = opened.store.secrets_of(Resource::Workflow).await.unwrap().iter().map(|s| s.version).collect();
    assert_eq!(left, [2, 3]);
    assert!(opened.store.secrets_of(Resource::Connection).await.unwrap().is_empty());
    commit(vec![Write::DropResource { uid: row.uid, expected: 1 }]).await.unwrap();
    assert_eq!(uses().await, [filed]);
    assert!(opened.store.secrets_of(Resource::Workflow).await.unwrap().is_empty());
}
