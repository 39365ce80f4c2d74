//! C8: a secret is tried before it counts, beside the runtime that everybody else waits on.

use super::{State, connection_id, shown};
use crate::assembly::{Assembled, Document, Held};
use crate::connector::Verdict;
use crate::control::Shown;
use crate::control::access::Actor;
use crate::control::audit::Told;
use crate::control::refusal::{Done, Refusal};
use crate::control::secrets::{Fresh, Trial};
use crate::control::state::Control;
use crate::model::Resource;
use crate::store::{Change, ResourceRow, Write};
use crate::telemetry::timestamp::now_ms;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// How long a provider may take.
pub const TIME: Duration = Duration::from_secs(15);

impl Control {
    /// Tries what the document would send. A clear no is a refusal, unless it is forced.
    pub(in crate::control) async fn tried(
        &self,
        actor: &Actor,
        document: &Document,
        held: &Arc<Held>,
        trial: Trial,
    ) -> Done<Fresh> {
        let (assembled, holdings_name) = {
            let estate = self.estate().await;
            let holdings = estate.holdings.with(document.clone());
            (self.beside(&estate, &holdings, document.kind, &document.name).await?, document.name.to_string())
        };
        self.may_manage(actor, &assembled, document.kind, document.uid)?;
        let notices: Vec<String> = doubts(&assembled, &holdings_name);
        let verdict = if trial.verify { self.verdict(assembled, document.uid).await? } else { None };
        let now = now_ms();
        let state = match verdict {
            Some(verdict) if verdict.is_clear_no() && !trial.force => {
                return Err(rejected(&holdings_name, &verdict));
            }
            Some(verdict) => State::verified(&verdict, now),
            None => State::unverified(),
        };
        Ok(Fresh { value: held.clone(), state: State { notices, ..state } })
    }

    /// What the provider says; none, if nothing is known to try.
    async fn verdict(&self, assembled: Box<Assembled>, uid: crate::model::Uid) -> Done<Option<Verdict>> {
        let Some(id) = connection_id(&assembled, uid) else { return Ok(None) };
        let Some(verify) = self.verifier.filter(|_| assembled.verify[id.0 as usize].is_some()) else { return Ok(None) };
        let verdict = tokio::task::spawn_blocking(move || verify(assembled, id, TIME)).await;
        match verdict {
            Ok(Ok(verdict)) => Ok(Some(verdict)),
            Ok(Err(error)) => Err(Refusal::internal(format!("the provider cannot be asked: {error}"))),
            Err(_) => Err(Refusal::internal("asking the provider failed")),
        }
    }

    /// Tries the secret in force, and remembers what came of it. What is in force stays.
    pub async fn verify(&self, actor: &Actor, name: &str) -> Done<Shown> {
        actor.may_write()?;
        let row = self.resource_row(Resource::Connection, name).await?;
        self.may_manage_now(actor, Resource::Connection, row.uid)?;
        let assembled = {
            let estate = self.estate().await;
            self.beside(&estate, &estate.holdings, Resource::Connection, &row.name).await?
        };
        let missing = super::connection(&assembled, row.uid).is_some_and(|c| c.secret_missing);
        let verdict = if missing { None } else { self.verdict(assembled, row.uid).await? };
        let now = now_ms();
        let state = match verdict {
            None if missing => State::needs_secret(),
            None => State::unverified(),
            Some(verdict) => State::verified(&verdict, now),
        };
        let _estate = self.estate().await;
        let before = self.resource_row(Resource::Connection, name).await?;
        // Another secret came meanwhile: what was found is not said of that one.
        if before.secret_version != row.secret_version || before.document != row.document {
            return Ok(Shown { body: shown(&before)?, version: Some(before.version) });
        }
        let after = ResourceRow { state: state.text(), version: before.version + 1, updated_at: now, ..before.clone() };
        let told = Told::by(actor, "connection.verify", now).of(Resource::Connection, &after.name, after.uid);
        let change = Change {
            guards: Vec::new(),
            audit: vec![told.change(shown(&before)?, shown(&after)?)],
            writes: vec![Write::SetResource { expected: before.version, row: Box::new(after.clone()) }],
            replay: None,
            effects: Vec::new(),
        };
        self.commit(change).await?;
        Ok(Shown { body: shown(&after)?, version: Some(after.version) })
    }
}

/// C9: what is odd about the secret.
fn doubts(assembled: &Assembled, name: &str) -> Vec<String> {
    let place = format!("connections[{name}].secret");
    assembled.warnings.iter().filter(|warning| warning.path == place).map(|w| w.reason.clone()).collect()
}

fn rejected(name: &str, verdict: &Verdict) -> Refusal {
    let detail = format!("the provider does not accept the secret of {name}: {}", verdict.says);
    let remedy = verdict.remedy.as_deref().unwrap_or("check the secret");
    let hint = format!("{remedy}; force=true saves it nevertheless. What was in force still is");
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "secret_rejected", detail, hint)
}
