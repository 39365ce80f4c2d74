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
