//! H1: the secrets that a workflow's senders sign with: several at once, each with a number of its own, so that one is taken
//! in while the one before is still valid. None is ever read back (S2).

mod add;
pub(super) mod last_use;
mod remove;

use super::access::Actor;
use super::audit::Told;
use super::refusal::{Done, Refusal, Wrong};
use super::resources::{effect, fields, shown};
use super::secrets::clean;
use super::state::{Control, Hands};
use crate::assembly::{Document, SIGNING_SEAL, Signing};
use crate::model::webhook::SigningSecret;
use crate::model::{Resource, Uid};
use crate::store::{Change, Replay, ResourceRow, Write};
use crate::telemetry::timestamp::{now_ms, text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use zeroize::Zeroizing;

/// So many a workflow: every delivery may be held against all of them.
const MOST: usize = 16;

/// What is known of a workflow's secrets, as it is kept beside its document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Those that are valid, by their numbers.
    #[serde(default)]
    pub secrets: Vec<Entry>,
    /// The highest number that was ever given.
    #[serde(default)]
    numbered: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub number: u32,
    /// Unix milliseconds.
    pub created_at: i64,
    pub created_by: String,
}

impl Entry {
    /// What people may know of it, but for its last use.
    pub fn shown(&self) -> Map<String, Value> {
        let fields = [
            ("number", self.number.into()),
            ("created_at", text(self.created_at).into()),
            ("created_by", self.created_by.clone().into()),
        ];
        fields.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
    }

    /// What its use is kept by.
    pub fn uid(&self, workflow: Uid) -> Uid {
        SigningSecret::uid_of(workflow, &self.number.to_string())
    }
}

impl Ring {
    /// As it was kept; of what is no workflow, nothing.
    pub fn of(row: &ResourceRow) -> Ring {
        match row.kind {
            Resource::Workflow => serde_json::from_str(&row.state).unwrap_or_default(),
            _ => Ring::default(),
        }
    }

    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// One more, under a number that none had before.
    fn add(&mut self, actor: &Actor, now: i64) -> u32 {
        self.numbered += 1;
        self.secrets.push(Entry { number: self.numbered, created_at: now, created_by: actor.name().to_owned() });
        self.numbered
    }

    /// None of them, and no number given again.
    #[must_use]
    pub fn emptied(&self) -> Ring {
        Ring { numbered: self.numbered, ..Ring::default() }
    }
}

/// Whether this document verifies signatures, and so wants secrets.
pub fn wants_secrets(document: &Map<String, Value>) -> bool {
    document.get("webhook").is_some_and(|webhook| webhook["scheme"].is_string())
}

/// Whether it wants secrets, and has none.
pub fn needs_secret(row: &ResourceRow) -> Done<bool> {
    Ok(row.kind == Resource::Workflow && wants_secrets(&fields(row)?) && Ring::of(row).secrets.is_empty())
}

/// What people see of them beside the document.
pub fn show(row: &ResourceRow, document: &Map<String, Value>, body: &mut Value) {
    if !wants_secrets(document) {
        return;
    }
    let ring = Ring::of(row);
    body["status"] = if ring.secrets.is_empty() { "needs_secret" } else { "active" }.into();
    body["webhook"]["secrets"] = ring.secrets.iter().map(Entry::shown).collect();
    body["notices"] = ring.notices.into();
}

/// What becomes of a workflow's secrets.
pub struct Replaced {
    ring: Ring,
    values: Vec<Arc<Signing>>,
    added: Vec<Arc<Signing>>,
    dropped: Vec<Entry>,
}

impl Replaced {
    /// These in the place of those that `row` has. One that is among them already keeps its number.
    pub fn by(
        actor: &Actor,
        row: &ResourceRow,
        present: &[Arc<Signing>],
        given: &[Zeroizing<String>],
    ) -> Done<Replaced> {
        let before = Ring::of(row);
        let mut ring = before.emptied();
        let (mut values, mut added) = (Vec::<Arc<Signing>>::new(), Vec::new());
        for (index, (value, notices)) in cleaned(given)?.into_iter().enumerate() {
            if let Some(twin) = twin(&values, &value) {
                return Err(wrong(index, format!("it is the same as secret {}", twin.number), "send each once"));
            }
            ring.notices.extend(notices);
            let kept = twin(present, &value).and_then(|twin| before.secrets.iter().find(|e| e.number == twin.number));
            let number = match kept {
                Some(entry) => {
                    ring.secrets.push(entry.clone());
                    entry.number
                }
                None => ring.add(actor, now_ms()),
            };
            let signing = Arc::new(Signing { number, value });
            if kept.is_none() {
                added.push(signing.clone());
            }
            values.push(signing);
        }
        let gone = |entry: &&Entry| !ring.secrets.iter().any(|kept| kept.number == entry.number);
        let dropped = before.secrets.iter().filter(gone).cloned().collect();
        Ok(Replaced { ring, values, added, dropped })
    }

    /// No secrets any more.
    pub fn by_none(row: &ResourceRow) -> Replaced {
        let before = Ring::of(row);
        Replaced { ring: before.emptied(), values: Vec::new(), added: Vec::new(), dropped: before.secrets }
    }

    /// What is to be written so that those which are gone are forgotten.
    pub fn drops(&self, workflow: Uid) -> Vec<Write> {
        let drop =
            |entry: &Entry| Write::DropSecret { resource: workflow, version: entry.number, uid: entry.uid(workflow) };
        self.dropped.iter().map(drop).collect()
    }

    /// They are those that were there.
    pub fn is_nothing(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }

    /// The row and its document with these.
    pub fn apply(&self, row: ResourceRow, document: Document) -> Done<(ResourceRow, Document)> {
        if !self.values.is_empty() && !wants_secrets(&fields(&row)?) {
            let remedy = "write how the sender signs, scheme: \"standard\", or leave the secrets out";
            let reason = "without a scheme no signature is verified";
            return Err(Refusal::invalid(vec![Wrong::new("webhook.secrets", reason, remedy)]));
        }
        Ok((ResourceRow { state: self.ring.text(), ..row }, document.with_signing(self.values.clone())))
    }
}

impl Control {
    /// What is to be written beside the row.
    pub(super) async fn signing_writes(&self, actor: &Actor, workflow: Uid, replaced: &Replaced) -> Done<Vec<Write>> {
        let mut writes = replaced.drops(workflow);
        for signing in &replaced.added {
            let sealed = self.sealed(actor, workflow, signing.number, &signing.value, SIGNING_SEAL).await?;
            writes.push(Write::AddSecret(Box::new(sealed)));
        }
        Ok(writes)
    }

    /// Commits a workflow with other secrets, and puts it in force.
    async fn put_signing(
        &self,
        actor: &Actor,
        estate: Hands,
        action: &str,
        before: ResourceRow,
        replaced: Replaced,
        replay: Option<Replay>,
    ) -> Done<ResourceRow> {
        let now = now_ms();
        let after = ResourceRow { version: before.version + 1, updated_at: now, ..before.clone() };
        let document = estate.holdings.get(after.uid).cloned();
        let document = document.ok_or_else(|| Refusal::not_found(Resource::Workflow, &after.name))?;
        let (after, document) = replaced.apply(after, document)?;
        let holdings = estate.holdings.with(document);
        let assembled = self.beside(&estate, &holdings, Resource::Workflow, &after.name).await?;
        self.may_manage(actor, &assembled, Resource::Workflow, after.uid)?;
        let mut writes = vec![Write::SetResource { expected: before.version, row: Box::new(after.clone()) }];
        writes.extend(self.signing_writes(actor, after.uid, &replaced).await?);
        let told = Told::by(actor, action, now).of(Resource::Workflow, &after.name, after.uid);
        let change = Change {
            guards: Vec::new(),
            writes,
            audit: vec![told.change(shown(&before)?, shown(&after)?)],
            replay,
            effects: vec![effect(assembled)],
        };
        self.settle(estate, holdings, change).await?;
        Ok(after)
    }
}

/// H1: what an edit means to a workflow's secrets: a list takes the place of all of them, and without a scheme there are none.
/// `None`: they stay.
pub fn edited(
    actor: &Actor,
    before: &ResourceRow,
    after: &Map<String, Value>,
    present: &[Arc<Signing>],
    given: Option<&[Zeroizing<String>]>,
) -> Done<Option<Replaced>> {
    match given {
        Some([]) => {
            let remedy = "leave it out to keep those there are; the last one is removed by DELETE, with force=true";
            Err(Refusal::invalid(vec![Wrong::new("webhook.secrets", "without a secret nobody can deliver", remedy)]))
        }
        Some(given) => Replaced::by(actor, before, present, given).map(Some),
        None if wants_secrets(after) || Ring::of(before).secrets.is_empty() => Ok(None),
        None => Ok(Some(Replaced::by_none(before))),
    }
}

type Cleaned = (Zeroizing<Vec<u8>>, Vec<String>);

/// T1a, C9: each of them, with what was done to it.
fn cleaned(given: &[Zeroizing<String>]) -> Done<Vec<Cleaned>> {
    if given.len() > MOST {
        let reason = format!("there are more than {MOST}");
        return Err(Refusal::invalid(vec![Wrong::new("webhook.secrets", reason, "send those that are in use")]));
    }
    given.iter().enumerate().map(|(index, secret)| clean(&place(index), secret)).collect()
}

fn place(index: usize) -> String {
    format!("webhook.secrets[{index}]")
}

fn wrong(index: usize, reason: String, remedy: &str) -> Refusal {
    Refusal::invalid(vec![Wrong::new(&place(index), reason, remedy)])
}

/// The one with this value. The time it takes does not depend on how much of it is right.
fn twin<'s>(list: &'s [Arc<Signing>], value: &[u8]) -> Option<&'s Arc<Signing>> {
    list.iter().find(|s| aws_lc_rs::constant_time::verify_slices_are_equal(&s.value, value).is_ok())
}

#[cfg(test)]
mod tests;
