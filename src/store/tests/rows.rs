//! What is put in comes out, whatever it holds.

use super::support::*;
use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::model::{Digest, Slot};
use crate::store::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn uids() -> impl Strategy<Value = Uid> {
    any::<[u8; 16]>().prop_map(Uid)
}

fn digests() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn accesses() -> impl Strategy<Value = Access> {
    prop::sample::select(&Access::ALL)
}

fn graced() -> impl Strategy<Value = Graced> {
    let slot = prop::sample::select(&[Slot::Primary, Slot::Secondary]);
    (slot, digests(), any::<i64>()).prop_map(|(slot, digest, until)| Graced { slot, digest, until })
}

/// Names are checked above: here they may be anything but the form of an id.
fn names() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("an id", |name| Uid::parse(name).is_none())
}

fn keys() -> impl Strategy<Value = KeyRow> {
    let identity = (uids(), names(), any::<String>(), any::<bool>(), any::<String>(), accesses());
    let tokens = (of(digests()), of(digests()), vec(graced(), 0..4));
    let times = (any::<[Option<i64>; 4]>(), any::<[i64; 2]>(), 1..=i64::MAX as u64, of(uids()));
    (identity, tokens, times).prop_map(
        |(
            (uid, name, document, enabled, owner, access),
            (primary, secondary, mut graced),
            (some, all, version, environment),
        )| {
            graced.sort_by_key(|one| (one.until, one.digest));
            KeyRow {
                uid,
                name,
                document,
                enabled,
                revoked_at: some[0],
                expires_at: some[1],
                environment,
                primary,
                secondary,
                graced,
                primary_at: some[2],
                secondary_at: some[3],
                owner,
                access,
                version,
                created_at: all[0],
                updated_at: all[1],
            }
        },
    )
}

fn resources() -> impl Strategy<Value = ResourceRow> {
    let kinds = prop::sample::select(&[Resource::Environment, Resource::Connection, Resource::Workflow]);
    (uids(), kinds, names(), any::<[String; 5]>(), accesses(), 1..=i64::MAX as u64, any::<[i64; 2]>()).prop_map(
        |(
            uid,
            kind,
            name,
            [document, state, connector, environment, owner],
            access,
            version,
            [created_at, updated_at],
        )| {
            ResourceRow {
                uid,
                kind,
                name,
                document,
                state,
                connector,
                environment,
                secret_version: None,
                owner,
                access,
                version,
                created_at,
                updated_at,
            }
        },
    )
}

fn entries() -> impl Strategy<Value = AuditEntry> {
    let json = prop_oneof![
        Just(serde_json::Value::Null),
        any::<String>().prop_map(serde_json::Value::from),
        (any::<String>(), any::<i64>()).prop_map(|(name, value)| serde_json::json!({ name: [value] })),
    ];
    (any::<i64>(), any::<[String; 5]>(), any::<[Option<String>; 3]>(), json.clone(), json).prop_map(
        |(at, [actor, action, kind, subject, subject_id], [actor_id, address, request_id], before, after)| AuditEntry {
            at,
            actor,
            actor_id,
            address,
            request_id,
            action,
            kind,
            subject,
            subject_id,
            before,
            after,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_put_in_comes_out(
        before in keys(), after in keys(), resource in resources(), entry in entries(),
        secret in (any::<u32>(), vec(any::<u8>(), 0..200), any::<[u8; 32]>(), any::<i64>(), any::<String>())
    ) {
        let after = KeyRow { uid: before.uid, ..after };
        let (version, sealed, destination, created_at, created_by) = secret;
        let version = version.max(1);
        let sealed = Sealed { resource: resource.uid, version, sealed, destination, created_at, created_by };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let opened = Opened::new();
            let writes = vec![
                Write::AddKey(Box::new(before.clone())),
                Write::AddResource(Box::new(resource.clone())),
                Write::AddSecret(Box::new(sealed.clone())),
            ];
            opened.store.commit(Change { audit: vec![entry.clone()], ..change(writes) }).await.unwrap();
            assert_eq!(opened.store.key(&before.name).await.unwrap().as_ref(), Some(&before));
            let set = Write::SetKey { expected: before.version, row: Box::new(after.clone()) };
            opened.store.commit(change(vec![set])).await.unwrap();
            let opened = opened.again().await;
            assert_eq!(opened.store.key(&after.uid.to_string()).await.unwrap().as_ref(), Some(&after));
            let mut loaded = Vec::new();
            opened.store.load_keys(|key| loaded.push(key)).unwrap();
            assert_eq!(loaded, [after]);
            assert_eq!(opened.store.resource(resource.kind, &resource.name).await.unwrap().as_ref(), Some(&resource));
            assert_eq!(opened.store.secret(resource.uid, sealed.version).await.unwrap().as_ref(), Some(&sealed));
            let rows = opened.store.audit(&AuditFilter { limit: 9, ..AuditFilter::default() }).await.unwrap();
            assert_eq!(rows.into_iter().map(|row| row.entry).collect::<Vec<_>>(), [entry]);
            assert!(opened.store.audit_verify().await.unwrap().ok);
        });
    }
}
