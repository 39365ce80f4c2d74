//! Between a key as it is kept and a key as requests meet it.

use crate::assembly::keys::{Spec, State};
use crate::live::{KeyChange, KeyParts};
use crate::model::key::{KeyId, More};
use crate::model::keys::Token;
use crate::model::{Digest, Key, Origin, Slot, Uid};
use crate::store::KeyRow;

/// What the key is, as it was kept.
pub fn spec(row: &KeyRow) -> serde_json::Result<Spec> {
    serde_json::from_str(&row.document)
}

/// The key, for whatever number it gets.
pub fn parts(row: &KeyRow) -> serde_json::Result<KeyParts> {
    let spec = spec(row)?;
    let (uid, name, state) = (row.uid, row.name.clone(), state(row));
    Ok(KeyParts(Box::new(move |index| spec.key(index, uid, &name, Origin::Store, state.clone()))))
}

/// Any key whose document is this spec.
pub fn any(spec: &Spec) -> Key {
    spec.key(KeyId(0), Uid([0; 16]), "", Origin::Store, State::default())
}

/// The key of a row whose document is that of `any`.
pub fn like(any: &Key, row: &KeyRow, index: KeyId) -> Key {
    let State { enabled, revoked, expires_at, environment, graced } = state(row);
    let mut key = any.like(index, row.uid, &row.name);
    if !graced.is_empty() {
        let more = any.more().clone();
        key = key.with(More { graced, ..more });
    }
    (key.enabled, key.revoked, key.expires_at, key.environment) = (enabled, revoked, expires_at, environment);
    key
}

fn state(row: &KeyRow) -> State {
    State {
        enabled: row.enabled,
        revoked: row.revoked_at.is_some(),
        expires_at: row.expires_at,
        environment: row.environment,
        graced: row.graced.iter().map(|graced| (graced.digest, graced.until)).collect(),
    }
}

/// Every token that is, or for a while still is, the key's.
pub fn tokens(row: &KeyRow) -> Vec<Token> {
    let slots = [(row.primary, Slot::Primary), (row.secondary, Slot::Secondary)];
    let graced = row.graced.iter().map(|graced| (graced.digest, graced.slot));
    slots.into_iter().filter_map(|(digest, slot)| Some((digest?, slot))).chain(graced).collect()
}

/// What changes for requests. `after` is a row that was made of a spec.
pub fn change(before: Option<&KeyRow>, after: Option<&KeyRow>) -> serde_json::Result<KeyChange> {
    let had: Vec<Digest> = before.iter().flat_map(|row| tokens(row)).map(|(digest, _)| digest).collect();
    let tokenless = before.filter(|_| had.is_empty()).map(|row| row.uid);
    let after = after.map(|row| Ok::<_, serde_json::Error>((parts(row)?, tokens(row)))).transpose()?;
    Ok(KeyChange { before: had, tokenless, after })
}
