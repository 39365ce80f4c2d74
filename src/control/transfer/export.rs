//! T2: the store's resources as a configuration file has them. Digests are no secrets: whoever has one has no token.

use super::MOST_KEYS;
use crate::control::access::Actor;
use crate::control::keys::rows;
use crate::control::keys::shown::{Standing, document};
use crate::control::refusal::{Done, Refusal, broken};
use crate::control::resources::fields;
use crate::control::state::Control;
use crate::model::{Frame, Resource, Uid};
use crate::store::{KeyRow, ListQuery, ResourceRow};
use http::StatusCode;
use serde_json::{Map, Value};

/// Keys that are read at a time.
const AT_A_TIME: usize = 1000;

impl Control {
    /// Keys that were revoked are left out: revoking is final, and what is imported could be enabled again.
    pub async fn export(&self, actor: &Actor) -> Done<Value> {
        actor.may_read()?;
        let store = &self.stored()?.store;
        // Names in the rows, and names in force, are those of one moment.
        let _estate = self.estate().await;
        let count = store.counts().await?.keys;
        if count > MOST_KEYS as u64 {
            let detail = format!("the store has {count} keys; up to {MOST_KEYS} are exported at once");
            let hint = "copy the database itself: it is the whole of it, secrets sealed";
            return Err(Refusal::new(StatusCode::CONFLICT, "export_too_large", detail, hint));
        }
        let mut exported = Map::new();
        for kind in [Resource::Environment, Resource::Connection, Resource::Workflow] {
            let rows = store.resources(kind).await?;
            let one = |row: &ResourceRow| Ok(named((row.uid, &row.name), fields(row)?));
            exported.insert(kind.plural().to_owned(), Value::Array(rows.iter().map(one).collect::<Done<_>>()?));
        }
        let live = self.live();
        let mut keys = Vec::new();
        let mut query = ListQuery { limit: AT_A_TIME, ..ListQuery::default() };
        loop {
            let rows = store.keys(&query).await?;
            let kept = rows.iter().filter(|row| row.revoked_at.is_none());
            for row in kept {
                keys.push(key(row, &live.snapshot.frame)?);
            }
            match rows.last() {
                Some(last) if rows.len() == AT_A_TIME => query.after = Some(last.name.clone()),
                _ => break,
            }
        }
        exported.insert(Resource::Key.plural().to_owned(), Value::Array(keys));
        Ok(Value::Object(exported))
    }
}

fn key(row: &KeyRow, frame: &Frame) -> Done<Value> {
    let mut fields = document(&rows::spec(row).map_err(broken)?, frame, &Standing::of(row));
    let tokens = [("primary", row.primary), ("secondary", row.secondary)];
    let digests = tokens.into_iter().filter_map(|(slot, digest)| Some((slot.to_owned(), digest?.to_string().into())));
    fields.extend(digests);
    Ok(named((row.uid, &row.name), fields))
}

fn named((uid, name): (Uid, &str), fields: Map<String, Value>) -> Value {
    let mut document = Map::new();
    document.insert("id".to_owned(), uid.to_string().into());
    document.insert("name".to_owned(), name.into());
    document.extend(fields);
    Value::Object(document)
}
