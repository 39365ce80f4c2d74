//! R2: what depends on something is told before it goes.

use super::edit::Draft;
use super::{effect, fields, reference};
use crate::control::access::Actor;
use crate::control::audit::Told;
use crate::control::keys::shown::last_used;
use crate::control::refusal::{Done, Refusal, broken};
use crate::control::state::Control;
use crate::control::{Deletion, Precondition};
use crate::model::key::Grants;
use crate::model::{Resource, Uid};
use crate::store::{ResourceRow, StoreError, Write};
use crate::telemetry::timestamp::{now_ms, text};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

/// So many keys are named; the rest is counted.
const NAMED: usize = 100;

/// What still needs a resource.
#[derive(Debug, Default, Serialize)]
pub struct Dependants {
    pub connections: Vec<String>,
    pub workflows: Vec<String>,
    /// Those that name it; `all` names nothing.
    pub keys: Vec<String>,
    /// All of them.
    pub key_count: usize,
    pub last_used_at: Option<String>,
}

impl Dependants {
    fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.workflows.is_empty() && self.key_count == 0
    }
}

impl Control {
    pub async fn dependants(&self, actor: &Actor, kind: Resource, name: &str) -> Done<Value> {
        actor.may_read()?;
        let (uid, _) = self.known(kind, name).ok_or_else(|| Refusal::not_found(kind, name))?;
        let found = self.depending(kind, uid).await?;
        serde_json::to_value(found).map_err(broken)
    }

    async fn depending(&self, kind: Resource, uid: Uid) -> Done<Dependants> {
        let usage = self.usage_of(kind, &[uid]).await?;
        let live = self.live();
        let frame = &live.snapshot.frame;
        let connections = frame
            .connections
            .iter()
            .filter(|c| kind == Resource::Environment && frame.environment(c.environment).uid == uid);
        let leads_there = |(environment, connection): &(_, _)| match kind {
            Resource::Environment => frame.environment(*environment).uid == uid,
            Resource::Connection => frame.connection(*connection).uid == uid,
            Resource::Workflow | Resource::Key => false,
        };
        let workflows = frame.workflows.iter().filter(|w| w.upstream.iter().any(leads_there));
        let names = |grants: &Grants| matches!(grants, Grants::Some(list) if list.binary_search(&uid).is_ok());
        let keys = live.snapshot.keys.iter().filter(|key| match kind {
            Resource::Environment => key.environment == Some(uid),
            Resource::Connection => names(&key.connections),
            Resource::Workflow => names(&key.workflows),
            Resource::Key => false,
        });
        let keys: Vec<&str> = keys.map(|key| &*key.name).collect();
        Ok(Dependants {
            connections: connections.map(|c| c.name.to_string()).collect(),
            workflows: workflows.map(|w| w.name.to_string()).collect(),
            key_count: keys.len(),
            keys: keys.into_iter().take(NAMED).map(str::to_owned).collect(),
            last_used_at: last_used(&usage, uid, None).map(text),
        })
    }

    pub(in crate::control) async fn delete_resource(
        &self,
        actor: &Actor,
        kind: Resource,
        name: &str,
        how: Deletion,
        if_match: Option<Precondition>,
    ) -> Done<()> {
        actor.may_write()?;
        self.stored()?;
        let estate = self.estate().await;
        let row = self.resource_row(kind, name).await?;
        if if_match.as_ref().is_some_and(|wanted| !wanted.holds(row.version)) {
            return Err(Refusal::precondition_failed(kind, &row.name));
        }
        self.may_manage_now(actor, kind, row.uid)?;
        let dependants = self.depending(kind, row.uid).await?;
        if !dependants.is_empty() && !how.force {
            return Err(in_use(&row, &dependants, "delete those first, or repeat it with force=true"));
        }
        let now = now_ms();
        let mut draft = Draft::of(&estate);
        if kind == Resource::Connection {
            self.cut_off(actor, &mut draft, &row, now).await?;
        }
        draft.holdings = draft.holdings.without(row.uid);
        draft.writes.push(Write::DropResource { uid: row.uid, expected: row.version });
        let told = Told::by(actor, &format!("{kind}.delete"), now).of(kind, &row.name, row.uid);
        draft.audit.push(told.change(super::shown(&row)?, Value::Null));
        // What force does not help: the file's workflows and keys, and what an environment is the home of.
        let assembled = self.beside(&estate, &draft.holdings, kind, &row.name).await.map_err(|refusal| {
            let told = in_use(&row, &dependants, "take it out of these first; force does not reach them");
            Refusal { errors: refusal.errors, ..told }
        })?;
        self.may_move(actor, &assembled)?;
        let holdings = draft.holdings.clone();
        match self.settle(estate, holdings, draft.into_change(vec![effect(assembled)])).await {
            Ok(_) => {}
            Err(StoreError::Conflict) if if_match.is_some() => {
                return Err(Refusal::precondition_failed(kind, &row.name));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The store's workflows no longer lead to it. A workflow that leads nowhere stays, and answers so.
    async fn cut_off(&self, actor: &Actor, draft: &mut Draft, gone: &ResourceRow, now: i64) -> Done<()> {
        for before in self.stored()?.store.resources(Resource::Workflow).await? {
            let mut document = fields(&before)?;
            if !reference::forget(&mut document, &gone.name) {
                continue;
            }
            let document = Value::Object(document).to_string();
            let after = ResourceRow { document, updated_at: now, ..before.clone() };
            let told = Told::by(actor, "workflow.cut_off", now).of(Resource::Workflow, &before.name, before.uid);
            draft.set(told, &before, after)?;
        }
        Ok(())
    }
}

fn in_use(row: &ResourceRow, dependants: &Dependants, hint: &str) -> Refusal {
    let mut needs = Vec::new();
    let mut add = |count: usize, what: &str| {
        if count > 0 {
            needs.push(format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
        }
    };
    add(dependants.connections.len(), "connection");
    add(dependants.workflows.len(), "workflow");
    add(dependants.key_count, "key");
    let detail = format!("the {} {} is in use by {}", row.kind, row.name, needs.join(", "));
    let refusal = Refusal::new(StatusCode::CONFLICT, "in_use", detail, hint);
    Refusal { dependants: serde_json::to_value(dependants).ok().map(Box::new), ..refusal }
}
