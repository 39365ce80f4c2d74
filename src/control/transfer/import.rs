//! T2: a document is imported whole or not at all: one candidate, checked by all the rules of single changes, and one
//! transaction. What it does not name stays; nothing is deleted.

use super::Wrongs;
use super::given::Given;
use super::keys::Keys;
use super::resources::Resources;
use crate::control::access::Actor;
use crate::control::refusal::Done;
use crate::control::state::{Control, Effect};
use crate::model::Resource;
use crate::store::{AuditEntry, Change, Write};
use crate::telemetry::timestamp::now_ms;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// What becomes of the document's resources, and what is to be written for it.
#[derive(Default)]
pub struct Plan {
    pub created: Vec<Value>,
    pub updated: Vec<Value>,
    pub unchanged: Vec<Value>,
    pub needs_secret: Vec<String>,
    pub needs_signing_secret: Vec<String>,
    pub needs_token: Vec<String>,
    pub writes: Vec<Write>,
    pub audit: Vec<AuditEntry>,
    pub effects: Vec<Effect>,
}

/// What becomes of a resource.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Created,
    Updated,
    Unchanged,
}

impl Plan {
    pub fn tell(&mut self, fate: Fate, kind: Resource, name: &str) {
        let list = match fate {
            Fate::Created => &mut self.created,
            Fate::Updated => &mut self.updated,
            Fate::Unchanged => &mut self.unchanged,
        };
        list.push(json!({ "kind": kind.name(), "name": name }));
    }

    fn told(&self) -> Value {
        json!({
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "needs_secret": self.needs_secret,
            "needs_signing_secret": self.needs_signing_secret,
            "needs_token": self.needs_token,
        })
    }
}

impl Control {
    /// With `dry_run` everything is checked, and nothing done.
    pub async fn import(&self, actor: &Actor, document: Zeroizing<String>, dry_run: bool) -> Done<Value> {
        actor.may_write()?;
        self.stored()?;
        let given = Given::read(&document)?;
        drop(document);
        let (now, mut wrongs, mut plan) = (now_ms(), Wrongs::default(), Plan::default());
        for list in &given.strangers {
            wrongs.add(list, "", "not a list of resources", "leave it out: it belongs in the configuration file");
        }
        let estate = self.estate().await;
        // The forms of all first, then what they refer to, then who may do it.
        let resources = Resources::read(self, actor, given.resources, now, &mut wrongs).await?;
        let keys = Keys::read(self, given.keys, now, &mut wrongs).await?;
        wrongs.none()?;
        let candidate = resources.assemble(&estate, &mut wrongs)?;
        let frame = match &candidate {
            Some(candidate) => candidate.assembled.snapshot.frame.clone(),
            None => self.live().snapshot.frame.clone(),
        };
        let keys = keys.described(actor, &frame, &mut wrongs)?;
        wrongs.none()?;
        keys.permitted(self, actor)?;
        // What keys are granted is in force before them.
        let holdings = resources.plan(self, actor, candidate, now, &mut plan)?;
        keys.plan(actor, &frame, now, &mut plan)?;
        drop(frame);
        let told = plan.told();
        if dry_run || plan.writes.is_empty() {
            return Ok(told);
        }
        let Plan { writes, audit, effects, .. } = plan;
        let holdings = holdings.unwrap_or_else(|| estate.holdings.clone());
        self.settle(estate, holdings, Change { guards: Vec::new(), writes, audit, replay: None, effects }).await?;
        Ok(told)
    }
}
