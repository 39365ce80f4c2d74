//! A key as people see it: by names, never with a token or its digest.

use super::rows;
use crate::assembly::keys::{Granted, Spec};
use crate::model::urgency::Urgency;
use crate::model::{Frame, Key, Slot, Uid};
use crate::store::{KeyRow, UsageRow};
use crate::telemetry::timestamp;
use serde_json::{Map, Value, json};

/// What a patch applies to, and what an export holds: the configuration's fields.
pub fn document(spec: &Spec, frame: &Frame, row: &Standing<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put("title", spec.title.clone().map(Value::from));
    put("description", spec.description.clone().map(Value::from));
    put("enabled", Some(row.enabled.into()));
    // One that was deleted is told by its id: a key that says none is good for all.
    let environment = |uid| frame.environment_of(uid).map_or_else(|| uid.to_string().into(), |e| (&*e.name).into());
    put("environment", row.environment.map(environment));
    put("workflows", Some(granted(&spec.workflows, |uid| workflow(frame, uid))));
    put("connections", Some(granted(&spec.connections, |uid| connection(frame, uid))));
    let bound = spec.bindings.iter().filter_map(|(name, uid)| Some((name.clone(), connection(frame, *uid)?.into())));
    let bound: Map<String, Value> = bound.collect();
    put("bindings", Some(bound).filter(|bound| !bound.is_empty()).map(Value::Object));
    put("scopes", Some(spec.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().into()));
    put("rate_limit", spec.rate_limit.clone().map(Value::from));
    put("expires_at", row.expires_at.map(|at| timestamp::text(at).into()));
    let networks = spec.allow_addresses.as_ref().map(|nets| nets.iter().map(ToString::to_string).collect::<Vec<_>>());
    put("allow_addresses", networks.map(Value::from));
    put("require_client_cert", spec.require_client_cert.as_ref().map(|certificates| json!(certificates)));
    put("query_key_sunset", spec.query_key_sunset.map(|at| timestamp::text(at).into()));
    fields
}

/// How a key stands, wherever it is kept.
pub struct Standing<'a> {
    pub uid: Uid,
    pub name: &'a str,
    pub enabled: bool,
    pub revoked: bool,
    pub expires_at: Option<i64>,
    pub environment: Option<Uid>,
}

impl Standing<'_> {
    pub fn of(row: &KeyRow) -> Standing<'_> {
        Standing {
            uid: row.uid,
            name: &row.name,
            enabled: row.enabled,
            revoked: row.revoked_at.is_some(),
            expires_at: row.expires_at,
            environment: row.environment,
        }
    }

    pub fn of_files(key: &Key) -> Standing<'_> {
        Standing {
            uid: key.uid,
            name: &key.name,
            enabled: key.enabled,
            revoked: false,
            expires_at: key.expires_at,
            environment: key.environment,
        }
    }

    /// K11, in one word.
    pub fn status(&self, now: i64) -> &'static str {
        match self {
            Standing { revoked: true, .. } => "revoked",
            Standing { enabled: false, .. } => "disabled",
            Standing { expires_at: Some(at), .. } if *at <= now => "expired",
            _ => "enabled",
        }
    }
}

/// A key of the store.
pub fn stored(row: &KeyRow, frame: &Frame, usage: &[UsageRow], now: i64) -> serde_json::Result<Value> {
    let standing = Standing::of(row);
    let mut body = head(&standing, "store", now);
    body.extend(document(&rows::spec(row)?, frame, &standing));
    let slot = |slot: Slot, set: bool, at: Option<i64>| {
        let graced = row.graced.iter().filter(|g| g.slot == slot && g.until > now).map(|g| g.until).max();
        let last = last_used(usage, row.uid, Some(slot));
        match set {
            true => json!({
                "created_at": at.map(timestamp::text),
                "last_used_at": last.map(timestamp::text),
                "graced_until": graced.map(timestamp::text),
            }),
            false => Value::Null,
        }
    };
    let slots = json!({
        "primary": slot(Slot::Primary, row.primary.is_some(), row.primary_at),
        "secondary": slot(Slot::Secondary, row.secondary.is_some(), row.secondary_at),
    });
    let more = json!({
        "slots": slots,
        "revoked_at": row.revoked_at.map(timestamp::text),
        "owner": row.owner,
        "access": row.access.name(),
        "version": row.version,
        "created_at": timestamp::text(row.created_at),
        "updated_at": timestamp::text(row.updated_at),
    });
    Ok(joined(body, more))
}

/// What an audit says of a key that nothing else is known beside.
pub fn standing(row: &KeyRow) -> Value {
    Value::Object(head(&Standing::of(row), "store", row.created_at))
}

/// A key of the file.
pub fn of_file(key: &Key, frame: &Frame, usage: &[UsageRow], now: i64) -> Value {
    let standing = Standing::of_files(key);
    let mut body = head(&standing, "file", now);
    body.extend(document(&Spec::of(key), frame, &standing));
    let slot = |slot: Slot| json!({ "last_used_at": last_used(usage, key.uid, Some(slot)).map(timestamp::text) });
    joined(
        body,
        json!({ "slots": { "primary": slot(Slot::Primary), "secondary": slot(Slot::Secondary) }, "version": null }),
    )
}

fn head(standing: &Standing<'_>, origin: &str, now: i64) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("id".to_owned(), standing.uid.to_string().into());
    body.insert("name".to_owned(), standing.name.into());
    body.insert("origin".to_owned(), origin.into());
    body.insert("status".to_owned(), standing.status(now).into());
    let ends = standing.expires_at.filter(|_| standing.status(now) == "enabled");
    let notice = ends.and_then(|end| Urgency::told(end, now)).map(|told| format!("the key {told}"));
    body.insert("notices".to_owned(), notice.into_iter().collect::<Vec<_>>().into());
    body
}

/// When it was last used, by either slot or by one; refusals count, since somebody tried.
pub fn last_used(usage: &[UsageRow], uid: Uid, slot: Option<Slot>) -> Option<i64> {
    usage.iter().filter(|u| u.uid == uid && (slot.is_none() || u.slot == slot)).map(|u| u.last_at).max()
}

fn granted<'f>(granted: &Granted, name: impl Fn(Uid) -> Option<&'f str>) -> Value {
    match granted {
        Granted::All(_) => "all".into(),
        // What was deleted since is granted to nobody.
        Granted::These(list) => list.iter().filter_map(|uid| name(*uid)).collect::<Vec<_>>().into(),
    }
}

fn workflow(frame: &Frame, uid: Uid) -> Option<&str> {
    frame.workflows.iter().find(|w| w.uid == uid).map(|w| &*w.name)
}

fn connection(frame: &Frame, uid: Uid) -> Option<&str> {
    frame.connections.iter().find(|c| c.uid == uid).map(|c| &*c.name)
}

pub fn joined(mut body: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        body.extend(more);
    }
    Value::Object(body)
}
