//! An environment, connection or workflow that changes, and what follows from that: references to it, and C16.

use super::{State, connection, effect, fields, indexed, reference, seal_of, shown};
use crate::assembly::{Assembled, Document, Holdings};
use crate::control::access::Actor;
use crate::control::audit::Told;
use crate::control::body::{Body, merge_patch};
use crate::control::refusal::{Done, Refusal};
use crate::control::signing::{self, Replaced};
use crate::control::state::{Control, Effect, Estate};
use crate::control::{Precondition, Shown};
use crate::model::{Resource, Uid};
use crate::store::{AuditEntry, Change, ResourceRow, StoreError, Write};
use crate::telemetry::timestamp::now_ms;
use serde_json::Value;

/// Rows that change together, and what they come to.
pub struct Draft {
    pub holdings: Holdings,
    pub writes: Vec<Write>,
    pub audit: Vec<AuditEntry>,
}

impl Draft {
    pub fn of(estate: &Estate) -> Draft {
        Draft { holdings: estate.holdings.clone(), writes: Vec::new(), audit: Vec::new() }
    }

    /// `before` becomes `after`, of which the version and time are set here. A secret it has stays at hand.
    pub fn set(&mut self, told: Told, before: &ResourceRow, after: ResourceRow) -> Done<ResourceRow> {
        let after = ResourceRow { version: before.version + 1, ..after };
        let document = self.document(&after)?;
        self.holdings = self.holdings.with(document);
        self.audit.push(told.change(shown(before)?, shown(&after)?));
        self.writes.push(Write::SetResource { expected: before.version, row: Box::new(after.clone()) });
        Ok(after)
    }

    /// What an assembly told of a row: the place that was kept for it is filled.
    pub fn amend(&mut self, row: &ResourceRow) -> Done<()> {
        for write in &mut self.writes {
            if let Write::SetResource { row: kept, .. } = write
                && kept.uid == row.uid
            {
                **kept = row.clone();
            }
        }
        let after = shown(row)?;
        if let Some(entry) = self.audit.iter_mut().find(|entry| entry.subject_id == row.uid.to_string()) {
            entry.after = after;
        }
        Ok(())
    }

    /// A row as it is assembled, with the secret that is at hand.
    fn document(&self, row: &ResourceRow) -> Done<Document> {
        let document = Document::read(row.kind, row.uid, &row.name, &fields(row)?)
            .map_err(|mistakes| Refusal::of_mistakes(&mistakes, row.kind, &row.name))?;
        let old = self.holdings.get(row.uid);
        let (secret, signing) = old.map(|old| (old.secret.clone(), old.signing.clone())).unwrap_or_default();
        Ok(document.with_secret(secret).with_signing(signing))
    }

    /// H1: a workflow with other secrets. It is among the writes already.
    fn sign_with(&mut self, row: ResourceRow, replaced: &Replaced, writes: Vec<Write>) -> Done<ResourceRow> {
        let document = self.document(&row)?;
        let (row, document) = replaced.apply(row, document)?;
        self.holdings = self.holdings.with(document);
        self.writes.extend(writes);
        Ok(row)
    }

    pub fn into_change(self, effects: Vec<Effect>) -> Change<Effect> {
        Change { guards: Vec::new(), writes: self.writes, audit: self.audit, replay: None, effects }
    }
}

impl Control {
    pub(in crate::control) async fn edit_resource(
        &self,
        actor: &Actor,
        kind: Resource,
        name: &str,
        patch: &str,
        if_match: Option<Precondition>,
    ) -> Done<Shown> {
        actor.may_write()?;
        self.stored()?;
        let mut patch = Body::read(patch)?;
        patch.without_secrets(kind, name)?;
        patch.keep_digest()?;
        let signing = patch.signing.take();
        let estate = self.estate().await;
        let before = self.resource_row(kind, name).await?;
        if if_match.as_ref().is_some_and(|wanted| !wanted.holds(before.version)) {
            return Err(Refusal::precondition_failed(kind, &before.name));
        }
        self.may_manage_now(actor, kind, before.uid)?;
        patch.keeps_id(before.uid)?;
        let now = now_ms();
        let mut document = fields(&before)?;
        merge_patch(&mut document, patch.fields);
        let renamed = patch.name.filter(|to| *to != before.name);
        let after = ResourceRow {
            document: Value::Object(document).to_string(),
            name: renamed.clone().unwrap_or_else(|| before.name.clone()),
            updated_at: now,
            ..before.clone()
        };
        let present = estate.holdings.get(before.uid).map(|d| d.signing.clone()).unwrap_or_default();
        let signing = signing::edited(actor, &before, &fields(&after)?, &present, signing.as_deref())?;
        let same = signing.as_ref().is_none_or(Replaced::is_nothing);
        if same && after == (ResourceRow { updated_at: now, ..before.clone() }) {
            return Ok(Shown { body: self.seen(&before)?, version: Some(before.version) });
        }
        let mut draft = Draft::of(&estate);
        if let Some(to) = &renamed {
            self.name_is_free(kind, to)?;
            self.follow(actor, &mut draft, &before, to, now).await?;
        }
        let told = Told::by(actor, &format!("{kind}.edit"), now).of(kind, &after.name, after.uid);
        let mut after = draft.set(told, &before, after)?;
        if let Some(signing) = &signing {
            let writes = self.signing_writes(actor, after.uid, signing).await?;
            after = draft.sign_with(after, signing, writes)?;
        }
        let assembled = self.beside(&estate, &draft.holdings, kind, &after.name).await?;
        self.may_manage(actor, &assembled, kind, after.uid)?;
        self.may_move(actor, &assembled)?;
        (after, draft.holdings) = settled(after, draft.holdings, &assembled);
        draft.amend(&after)?;
        let holdings = draft.holdings.clone();
        match self.settle(estate, holdings, draft.into_change(vec![effect(assembled)])).await {
            Ok(_) => {}
            Err(StoreError::Conflict) if if_match.is_some() => {
                return Err(Refusal::precondition_failed(kind, &before.name));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Shown { body: self.seen(&after)?, version: Some(after.version) })
    }

    /// Whether `actor` may touch it as it is.
    pub(in crate::control) fn may_manage_now(&self, actor: &Actor, kind: Resource, uid: Uid) -> Done<()> {
        let live = self.live();
        let frame = &live.snapshot.frame;
        match kind {
            Resource::Environment | Resource::Key => actor.may_manage_in(None),
            Resource::Connection => {
                let connection = frame.connections.iter().find(|c| c.uid == uid);
                actor.may_manage_in(connection.map(|c| frame.environment(c.environment).uid))
            }
            Resource::Workflow => {
                let workflow = frame.workflows.iter().find(|w| w.uid == uid);
                let upstream = workflow.map(|w| &*w.upstream).unwrap_or_default();
                if upstream.is_empty() {
                    return actor.may_manage_in(None);
                }
                upstream.iter().try_for_each(|(e, _)| actor.may_manage_in(Some(frame.environment(*e).uid)))
            }
        }
    }

    /// K15: whoever speaks of it speaks of it by its new name, from the same moment on.
    async fn follow(&self, actor: &Actor, draft: &mut Draft, renamed: &ResourceRow, to: &str, now: i64) -> Done<()> {
        for kind in [Resource::Connection, Resource::Workflow] {
            for before in self.stored()?.store.resources(kind).await? {
                let mut document = fields(&before)?;
                if !reference::rename(kind, &mut document, renamed.kind, &renamed.name, to) {
                    continue;
                }
                let environment = match renamed.kind {
                    Resource::Environment if before.environment == renamed.name => to.to_owned(),
                    _ => before.environment.clone(),
                };
                let document = Value::Object(document).to_string();
                let after = ResourceRow { document, environment, updated_at: now, ..before.clone() };
                let told = Told::by(actor, &format!("{kind}.follow_rename"), now).of(kind, &before.name, before.uid);
                draft.set(told, &before, after)?;
            }
        }
        Ok(())
    }

    /// C16: what its secret would have to be sealed to now.
    pub(in crate::control) async fn seal_now(
        &self,
        estate: &Estate,
        uid: Uid,
        kind: Resource,
        name: &str,
    ) -> Done<[u8; 32]> {
        let assembled = self.beside(estate, &estate.holdings, kind, name).await?;
        seal_of(&assembled, uid).ok_or_else(|| Refusal::not_found(kind, name))
    }
}

/// A changed row with what its assembly says of it, and what stays at hand of its secret.
pub(in crate::control) fn settled(
    mut row: ResourceRow,
    mut holdings: Holdings,
    assembled: &Assembled,
) -> (ResourceRow, Holdings) {
    if let Some(document) = holdings.get(row.uid) {
        row = indexed(row, document, assembled);
    }
    let wants = connection(assembled, row.uid).is_some_and(|connection| connection.secret_missing);
    if row.secret_version.is_some() && wants {
        // C16: the secret was given for another destination, and is not sent to this one, nor kept at hand for it.
        let notice = "the destination changed: enter the secret again".to_owned();
        row.state = State { notices: vec![notice], ..State::needs_secret() }.text();
        row.secret_version = None;
        if let Some(document) = holdings.get(row.uid).cloned() {
            holdings = holdings.with(document.with_secret(None));
        }
    } else if row.kind == Resource::Connection && !wants && State::of(&row).status == State::NEEDS_SECRET {
        // It has stopped to want one.
        row.state = State::unverified().text();
    }
    (row, holdings)
}
