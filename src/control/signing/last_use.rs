//! When each secret was last used: what nobody has used for long is safe to remove.

use crate::control::refusal::Done;
use crate::control::resources::shown;
use crate::control::state::Control;
use crate::model::Frame;
use crate::model::webhook::SigningSecret;
use crate::model::{Resource, Uid};
use crate::store::{ResourceRow, SecretUse, StoreError};
use crate::telemetry::timestamp::text;
use serde_json::{Value, json};
use std::collections::HashMap;

impl Control {
    /// A row as people see it, with what is known of its use.
    pub(in crate::control) fn seen(&self, row: &ResourceRow) -> Done<Value> {
        let mut body = shown(row)?;
        if row.kind == Resource::Workflow
            && let Some(list) = body.pointer_mut("/webhook/secrets").and_then(Value::as_array_mut)
        {
            let live = self.live();
            let secrets = secrets(&live.snapshot.frame, row.uid);
            for shown in list {
                let label = shown["number"].to_string();
                let used = secrets.iter().find(|secret| *secret.label == *label).and_then(|s| s.used.at());
                shown["last_used_at"] = used.map(text).into();
            }
        }
        Ok(body)
    }

    /// Writes down when secrets were last used.
    pub async fn note_uses(&self, uses: Vec<SecretUse>) -> Result<(), StoreError> {
        match &self.stored {
            Some(stored) => stored.store.note_uses(uses).await,
            None => Ok(()),
        }
    }

    /// Brings to mind when secrets were last used before this start. What is in force carries it on from there.
    pub async fn recall_uses(&self) -> Result<(), StoreError> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let uses = stored.store.secret_uses().await?.into_iter().map(|used| (used.secret, used.last_at));
        let uses: HashMap<Uid, i64> = uses.collect();
        let live = self.live();
        for (_, secret) in live.snapshot.frame.signing_secrets() {
            if let Some(at) = uses.get(&secret.uid) {
                secret.used.touch(*at);
            }
        }
        Ok(())
    }
}

fn secrets(frame: &Frame, workflow: Uid) -> &[SigningSecret] {
    frame.workflows.iter().find(|w| w.uid == workflow).map_or(&[], |workflow| workflow.signing_secrets())
}

/// Those of a workflow of the file: by the place that each is read from.
pub fn of_file(frame: &Frame, workflow: Uid) -> Value {
    let shown =
        |secret: &SigningSecret| json!({ "reference": &*secret.label, "last_used_at": secret.used.at().map(text) });
    secrets(frame, workflow).iter().map(shown).collect()
}
