//! T5: what is used and how much, by key and slot, workflow and connection: what nobody has used for long is safe to take
//! away.

use super::access::Actor;
use super::refusal::{Done, Refusal};
use super::state::Control;
use crate::model::{Resource, Slot, Uid};
use crate::store::UsageRow;
use crate::telemetry::timestamp;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

/// So many subjects are told in one answer, those used last; the others are counted.
const MOST: usize = 10_000;

/// Whose usage is told apart.
type Subject = (Resource, Uid, Option<Slot>);

/// What was counted of a subject.
#[derive(Debug, Default, PartialEq, Eq)]
struct Total {
    /// Passed or not.
    requests: u64,
    refused: BTreeMap<String, u64>,
    first_at: i64,
    last_at: i64,
}

impl Control {
    /// Of everything, of a kind, or of one resource, by its name or id. What is not flushed yet is not in it.
    pub async fn usage(&self, actor: &Actor, kind: Option<Resource>, name: Option<&str>) -> Done<Value> {
        actor.may_read()?;
        let store = &self.stored()?.store;
        let wanted = match (kind, name) {
            (_, None) => None,
            (Some(kind), Some(name)) => Some(self.uid_of(kind, name).await?),
            (None, Some(name)) => {
                let detail = format!("{name} may be a key, a workflow or a connection");
                let hint = "say which with kind: keys, workflows and connections have names of their own";
                return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail, hint));
            }
        };
        let mut totals: Vec<(Subject, Total)> = totals(store.usage(kind, wanted).await?).into_iter().collect();
        let left_out = totals.len().saturating_sub(MOST);
        if left_out > 0 {
            totals.sort_by_key(|(_, total)| std::cmp::Reverse(total.last_at));
            totals.truncate(MOST);
        }
        let names = self.names(totals.iter().map(|(subject, _)| *subject));
        let mut items: Vec<Value> = totals.iter().map(|(subject, total)| item(*subject, total, &names)).collect();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        items.sort_by_cached_key(|item| ["kind", "name", "slot"].map(|field| text(item, field)));
        Ok(json!({ "items": items, "left_out": left_out }))
    }

    /// By what the store knows, for keys, of which there may be a million; else by what is in force.
    async fn uid_of(&self, kind: Resource, name: &str) -> Done<Uid> {
        if kind == Resource::Key
            && let Some(row) = self.stored()?.store.key(name).await?
        {
            return Ok(row.uid);
        }
        // What is gone may still be asked for by its id.
        let known = self.known(kind, name).map(|(uid, _)| uid).or_else(|| Uid::parse(name));
        known.ok_or_else(|| Refusal::not_found(kind, name))
    }

    /// The names of those who were counted, of file and store alike.
    fn names(&self, counted: impl Iterator<Item = Subject>) -> HashMap<(Resource, Uid), String> {
        let live = self.live();
        let frame = &live.snapshot.frame;
        let mut names = HashMap::new();
        names.extend(frame.environments.iter().map(|e| ((Resource::Environment, e.uid), e.name.to_string())));
        names.extend(frame.connections.iter().map(|c| ((Resource::Connection, c.uid), c.name.to_string())));
        names.extend(frame.workflows.iter().map(|w| ((Resource::Workflow, w.uid), w.name.to_string())));
        let counted: HashSet<Uid> =
            counted.filter(|(kind, ..)| *kind == Resource::Key).map(|(_, uid, _)| uid).collect();
        if !counted.is_empty() {
            let keys = live.snapshot.keys.iter().filter(|key| counted.contains(&key.uid));
            names.extend(keys.map(|key| ((Resource::Key, key.uid), key.name.to_string())));
        }
        names
    }
}

/// Adds up what was counted by code.
fn totals(rows: Vec<UsageRow>) -> HashMap<Subject, Total> {
    let mut totals: HashMap<Subject, Total> = HashMap::new();
    for row in rows {
        let total = totals.entry((row.kind, row.uid, row.slot)).or_insert(Total {
            first_at: row.first_at,
            last_at: row.last_at,
            ..Total::default()
        });
        total.requests = total.requests.saturating_add(row.count);
        if !row.code.is_empty() {
            let refused = total.refused.entry(row.code).or_default();
            *refused = refused.saturating_add(row.count);
        }
        total.first_at = total.first_at.min(row.first_at);
        total.last_at = total.last_at.max(row.last_at);
    }
    totals
}

/// Of what is gone, the id stands for the name.
fn item((kind, uid, slot): Subject, total: &Total, names: &HashMap<(Resource, Uid), String>) -> Value {
    let id = uid.to_string();
    let refused: Map<String, Value> = total.refused.iter().map(|(code, n)| (code.clone(), (*n).into())).collect();
    json!({
        "kind": kind.name(),
        "name": names.get(&(kind, uid)).unwrap_or(&id),
        "id": id,
        "slot": slot.map(Slot::name),
        "requests": total.requests,
        "refused": refused,
        "first_used_at": timestamp::text(total.first_at),
        "last_used_at": timestamp::text(total.last_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(slot: Option<Slot>, code: &str, count: u64, last_at: i64) -> UsageRow {
        UsageRow { kind: Resource::Key, uid: Uid([1; 16]), slot, code: code.to_owned(), count, first_at: 5, last_at }
    }

    #[test]
    fn t5_what_passed_and_what_was_refused_are_one_total_for_each_slot() {
        let (first, second) = (Some(Slot::Primary), Some(Slot::Secondary));
        let rows = vec![row(first, "", 7, 10), row(first, "rate_limited", 2, 30), row(second, "key_disabled", 1, 20)];
        let found = totals(rows);
        let refused = |code: &str, n| BTreeMap::from([(code.to_owned(), n)]);
        let of = |slot| &found[&(Resource::Key, Uid([1; 16]), slot)];
        let wanted = Total { requests: 9, refused: refused("rate_limited", 2), first_at: 5, last_at: 30 };
        assert_eq!(of(first), &wanted);
        assert_eq!(of(second).requests, 1);
        let names = HashMap::from([((Resource::Key, Uid([1; 16])), "acme".to_owned())]);
        let shown = item((Resource::Key, Uid([1; 16]), first), of(first), &names);
        assert_eq!((&shown["name"], &shown["slot"]), (&json!("acme"), &json!("primary")));
        assert_eq!(shown["refused"], json!({ "rate_limited": 2 }));
        let gone = item((Resource::Key, Uid([1; 16]), first), of(first), &HashMap::new());
        assert_eq!(gone["name"], "01010101-0101-0101-0101-010101010101");
    }
}
