//! Environments, connections and workflows: few, kept as documents, and put in force as a whole.

mod create;
mod delete;
mod edit;
mod lists;
pub(super) mod reference;
mod verify;

use super::access::Actor;
use super::refusal::{Done, Refusal, broken};
use super::signing;
use super::state::{Control, Effect, Estate, Frame};
use crate::assembly::{Assembled, Document, Holdings};
use crate::config::scalar;
use crate::connector::Verdict;
use crate::model::connection::ConnectionId;
use crate::model::urgency::Urgency;
use crate::model::{Connection, Resource, Uid};
use crate::store::ResourceRow;
use crate::telemetry::timestamp::{self, now_ms};
pub(super) use edit::settled;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use tokio::task::spawn_blocking;

/// What is known of a connection beside its document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    #[serde(default)]
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

impl State {
    /// C16: it has none, or none for where it leads now.
    pub const NEEDS_SECRET: &str = "needs_secret";
    /// It has one that nobody has tried.
    pub const UNVERIFIED: &str = "unverified";

    /// As it was kept; of what is no connection, nothing.
    pub fn of(row: &ResourceRow) -> State {
        serde_json::from_str(&row.state).unwrap_or_default()
    }

    pub fn needs_secret() -> State {
        State { status: State::NEEDS_SECRET.to_owned(), ..State::default() }
    }

    pub fn unverified() -> State {
        State { status: State::UNVERIFIED.to_owned(), ..State::default() }
    }

    pub fn verified(verdict: &Verdict, now: i64) -> State {
        let verification = json!({
            "at": timestamp::text(now),
            "status": verdict.state.name(),
            "meaning": verdict.meaning,
            "provider_status": verdict.status.map(|status| status.as_u16()),
            "code": verdict.code,
            "says": verdict.says,
            "remedy": verdict.remedy,
        });
        State { status: verdict.state.name().to_owned(), verification: Some(verification), notices: Vec::new() }
    }

    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Control {
    /// The file beside these documents, in which `kind` `name` is what is new.
    /// With thousands of connections that takes a while, and everybody else's calls are answered by one thread.
    pub(super) async fn beside(
        &self,
        estate: &Estate,
        holdings: &Holdings,
        kind: Resource,
        name: &str,
    ) -> Done<Box<Assembled>> {
        let (written, holdings) = (estate.written.clone(), holdings.clone());
        let keys = self.live().snapshot.keys.clone();
        match spawn_blocking(move || written.with(&holdings, keys).map(Box::new)).await {
            Ok(assembled) => assembled.map_err(|rejected| Refusal::of_mistakes(&rejected.mistakes, kind, name)),
            Err(_) => Err(Refusal::internal("it could not be assembled")),
        }
    }

    /// K15: nobody has this name yet, be it in the file.
    pub(super) fn name_is_free(&self, kind: Resource, name: &str) -> Done<()> {
        match self.written().has(kind, name) {
            true => Err(Refusal::name_taken(kind, name)),
            false => Ok(()),
        }
    }

    /// The store's row of this name or id.
    pub(super) async fn resource_row(&self, kind: Resource, name: &str) -> Done<ResourceRow> {
        let found = match &self.stored {
            Some(stored) => stored.store.resource(kind, name).await?,
            None => None,
        };
        match found {
            Some(row) => Ok(row),
            None if self.known(kind, name).is_some() => Err(Refusal::managed_by_file(kind, name)),
            None => Err(Refusal::not_found(kind, name)),
        }
    }

    /// Id and name of what is in force under this name or id.
    pub(super) fn known(&self, kind: Resource, name: &str) -> Option<(Uid, String)> {
        let live = self.live();
        let (frame, uid) = (&live.snapshot.frame, Uid::parse(name));
        let is = |other: Uid, own: &str| own == name || uid == Some(other);
        match kind {
            Resource::Environment => {
                frame.environments.iter().find(|e| is(e.uid, &e.name)).map(|e| (e.uid, e.name.to_string()))
            }
            Resource::Connection => {
                frame.connections.iter().find(|c| is(c.uid, &c.name)).map(|c| (c.uid, c.name.to_string()))
            }
            Resource::Workflow => {
                frame.workflows.iter().find(|w| is(w.uid, &w.name)).map(|w| (w.uid, w.name.to_string()))
            }
            Resource::Key => frame_less(live.snapshot.keys.iter().find(|k| is(k.uid, &k.name))),
        }
    }

    /// Whether `actor` may have this document in force.
    pub(super) fn may_manage(&self, actor: &Actor, assembled: &Assembled, kind: Resource, uid: Uid) -> Done<()> {
        let frame = &assembled.snapshot.frame;
        match kind {
            Resource::Environment | Resource::Key => actor.may_manage_in(None),
            Resource::Connection => {
                let connection = connection(assembled, uid).map(|c| frame.environment(c.environment).uid);
                actor.may_manage_in(connection)
            }
            Resource::Workflow => {
                let workflow = frame.workflows.iter().find(|workflow| workflow.uid == uid);
                let upstream = workflow.map(|workflow| &*workflow.upstream).unwrap_or_default();
                if upstream.is_empty() {
                    return actor.may_manage_in(None);
                }
                upstream.iter().try_for_each(|(environment, id)| {
                    let connection = frame.connection(*id);
                    actor.may_manage_in(Some(frame.environment(*environment).uid))?;
                    actor.may_lend(connection.uid, &connection.name)
                })
            }
        }
    }
}

/// What a change of one resource does to others.
impl Control {
    /// K13: a connection that comes to belong to another environment comes within reach of that one's keys, whether it was
    /// edited or another environment is the default now. That is like granting it, and takes having it.
    pub(super) fn may_move(&self, actor: &Actor, assembled: &Assembled) -> Done<()> {
        let live = self.live();
        let (before, after) = (&live.snapshot.frame, &assembled.snapshot.frame);
        let home = |c: &Connection| (c.uid, before.environment(c.environment).uid);
        let homes: HashMap<Uid, Uid> = before.connections.iter().map(home).collect();
        let moves = |c: &&Connection| {
            homes.get(&c.uid).is_some_and(|environment| *environment != after.environment(c.environment).uid)
        };
        after.connections.iter().filter(moves).try_for_each(|c| actor.may_lend(c.uid, &c.name))
    }
}

fn frame_less(key: Option<&crate::model::Key>) -> Option<(Uid, String)> {
    key.map(|key| (key.uid, key.name.to_string()))
}

/// The connection of this id, as it was assembled.
pub(super) fn connection(assembled: &Assembled, uid: Uid) -> Option<&Connection> {
    assembled.snapshot.connections.iter().find(|connection| connection.uid == uid)
}

fn connection_id(assembled: &Assembled, uid: Uid) -> Option<ConnectionId> {
    connection(assembled, uid).map(|connection| connection.index)
}

/// C16: what its secret is sealed to.
fn seal_of(assembled: &Assembled, uid: Uid) -> Option<[u8; 32]> {
    connection_id(assembled, uid).and_then(|id| assembled.seals.get(id.0 as usize).copied())
}

pub(super) fn effect(assembled: Box<Assembled>) -> Effect {
    Effect::Frame(Frame(assembled))
}

/// A row as people see it.
pub fn shown(row: &ResourceRow) -> Done<Value> {
    let mut body = Map::new();
    body.insert("id".to_owned(), row.uid.to_string().into());
    body.insert("name".to_owned(), row.name.clone().into());
    body.insert("origin".to_owned(), "store".into());
    body.extend(fields(row)?);
    let more = json!({
        "owner": row.owner,
        "access": row.access.name(),
        "version": row.version,
        "created_at": timestamp::text(row.created_at),
        "updated_at": timestamp::text(row.updated_at),
    });
    let mut body = super::keys::shown::joined(body, more);
    if row.kind == Resource::Connection {
        let state = State::of(row);
        body["status"] = state.status.into();
        body["verification"] = state.verification.unwrap_or(Value::Null);
        let mut notices = state.notices;
        notices.extend(ending(body["expires_at"].as_str(), now_ms()));
        body["notices"] = notices.into();
        body["secret_version"] = row.secret_version.into();
    }
    if row.kind == Resource::Workflow {
        signing::show(row, &fields(row)?, &mut body);
    }
    Ok(body)
}

/// R3: what should be known of the end of a connection's secret. It is used all the same.
fn ending(expires_at: Option<&str>, now: i64) -> Option<String> {
    let end = scalar::timestamp(expires_at?).ok()?;
    Some(format!("the secret {}; it is used all the same", Urgency::told(end, now)?))
}

/// The document's fields.
pub(super) fn fields(row: &ResourceRow) -> Done<Map<String, Value>> {
    serde_json::from_str(&row.document).map_err(broken)
}

/// What filters go by.
fn indexed(row: ResourceRow, document: &Document, assembled: &Assembled) -> ResourceRow {
    if row.kind != Resource::Connection {
        return row;
    }
    let frame = &assembled.snapshot.frame;
    let environment = connection(assembled, row.uid).map(|c| frame.environment(c.environment).name.to_string());
    let connector = document.view().text("connector").unwrap_or_default().to_owned();
    ResourceRow { connector, environment: environment.unwrap_or_default(), ..row }
}
