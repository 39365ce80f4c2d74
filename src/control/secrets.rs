//! R1, C8, C16: a connection's secrets: entered, tried, sealed, rolled back, forgotten. None is ever read back (S2).

use super::access::Actor;
use super::audit::Told;
use super::opening::{binding, held};
use super::refusal::{Done, Refusal, Wrong};
use super::resources::{State, shown};
use super::state::{Control, Effect, Frame, Hands};
use super::{Precondition, SecretSet, Shown};
use crate::assembly::Held;
use crate::model::{Resource, Uid};
use crate::store::{Change, ResourceRow, Sealed, SecretVersion, StoreError, Write};
use crate::telemetry::timestamp::now_ms;
use crate::vault::Binding;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A secret that is new, and what its provider says of it.
pub struct Fresh {
    pub value: Arc<Held>,
    pub state: State,
}

/// C8: how a secret is tried.
#[derive(Clone, Copy)]
pub struct Trial {
    /// Whether the provider is asked at all.
    pub verify: bool,
    /// Whether it is saved although the provider says no.
    pub force: bool,
}

/// C9: white space around it goes, with a notice; what no header could carry is refused. `field` is where it stood.
pub fn clean(field: &str, secret: &str) -> Done<(Zeroizing<Vec<u8>>, Vec<String>)> {
    let wrong = |reason: &str, remedy: &str| Err(Refusal::invalid(vec![Wrong::new(field, reason, remedy)]));
    let trimmed = secret.trim();
    if trimmed.is_empty() {
        return wrong("it is empty", "send the secret");
    }
    if ["env:", "file:", "vault:"].iter().any(|place| trimmed.starts_with(place)) {
        return wrong("references stand in the configuration file alone", "send the secret itself");
    }
    if trimmed.chars().any(char::is_control) {
        return wrong("it has control characters in it", "send the secret as text, in one line");
    }
    if trimmed.len() > 64 << 10 {
        return wrong("it is larger than 64 KiB", "send the secret alone");
    }
    let notice = (trimmed.len() != secret.len()).then(|| "white space around the secret was removed".to_owned());
    Ok((Zeroizing::new(trimmed.as_bytes().to_vec()), notice.into_iter().collect()))
}

impl Control {
    /// A version as it is kept.
    pub(super) async fn sealed(
        &self,
        actor: &Actor,
        resource: Uid,
        version: u32,
        value: &[u8],
        destination: [u8; 32],
    ) -> Done<Sealed> {
        let binding = Binding { record: resource, version, destination };
        let sealed = self.stored()?.vault.seal(value, &binding).await?;
        Ok(Sealed { resource, version, sealed, destination, created_at: now_ms(), created_by: actor.name().to_owned() })
    }

    pub async fn set_secret(
        &self,
        actor: &Actor,
        name: &str,
        set: SecretSet,
        if_match: Option<Precondition>,
    ) -> Done<Shown> {
        const KIND: Resource = Resource::Connection;
        actor.may_write()?;
        let store = &self.stored()?.store;
        let row = self.resource_row(KIND, name).await?;
        self.may_manage_now(actor, KIND, row.uid)?;
        let (value, mut notices) = clean("secret", &set.secret)?;
        let fresh = Arc::new(Held { value, sealed_to: None });
        let document = self.estate().await.holdings.get(row.uid).cloned();
        let document = document.ok_or_else(|| Refusal::not_found(KIND, name))?.with_secret(Some(fresh.clone()));
        let trial = Trial { verify: set.verify, force: set.force };
        let fresh = self.tried(actor, &document, &fresh, trial).await?;
        notices.extend(fresh.state.notices.iter().cloned());

        let estate = self.estate().await;
        let before = self.resource_row(KIND, name).await?;
        if if_match.as_ref().is_some_and(|wanted| !wanted.holds(before.version)) {
            return Err(Refusal::precondition_failed(KIND, &before.name));
        }
        if before.document != row.document {
            return Err(StoreError::Conflict.into());
        }
        let destination = self.seal_now(&estate, row.uid, KIND, &row.name).await?;
        let version = newest(&store.secret_versions(row.uid).await?) + 1;
        let sealed = self.sealed(actor, row.uid, version, &fresh.value.value, destination).await?;
        let state = State { notices, ..fresh.state };
        let after = ResourceRow { secret_version: Some(version), state: state.text(), ..before.clone() };
        let secret = held(fresh.value.value.clone(), destination);
        let writes = vec![Write::AddSecret(Box::new(sealed))];
        self.put_secret(actor, estate, "connection.set_secret", (before, after), secret, writes).await
    }

    /// R1: to that version, or to the one before the current. Never to one that was given for another destination (C16).
    pub async fn rollback(
        &self,
        actor: &Actor,
        name: &str,
        version: Option<u32>,
        if_match: Option<Precondition>,
    ) -> Done<Shown> {
        const KIND: Resource = Resource::Connection;
        actor.may_write()?;
        let stored = self.stored()?;
        let estate = self.estate().await;
        let before = self.resource_row(KIND, name).await?;
        self.may_manage_now(actor, KIND, before.uid)?;
        if if_match.as_ref().is_some_and(|wanted| !wanted.holds(before.version)) {
            return Err(Refusal::precondition_failed(KIND, &before.name));
        }
        let versions = stored.store.secret_versions(before.uid).await?;
        let current = before.secret_version.unwrap_or(u32::MAX);
        let earlier = || versions.iter().map(|v| v.version).filter(|v| *v < current).max();
        let wanted = version.or_else(earlier).and_then(|wanted| versions.iter().find(|v| v.version == wanted));
        let Some(wanted) = wanted else {
            let list = versions.iter().map(|v| v.version.to_string()).collect::<Vec<_>>().join(", ");
            let detail = format!("there is no such version of the secret of {}; there is: {list}", before.name);
            return Err(Refusal::new(StatusCode::NOT_FOUND, "version_not_found", detail, "choose one of these"));
        };
        if wanted.destination != self.seal_now(&estate, before.uid, KIND, &before.name).await? {
            let detail = format!(
                "version {} of the secret of {} was given for another destination",
                wanted.version, before.name
            );
            let hint = format!("enter the secret again: PUT /api/v1/connections/{}/secret", before.name);
            return Err(Refusal::new(StatusCode::CONFLICT, "destination_changed", detail, hint));
        }
        let kept = stored.store.secret(before.uid, wanted.version).await?;
        let kept = kept.ok_or_else(|| Refusal::internal("the version is gone"))?;
        let value = stored.vault.open(&kept.sealed, &binding(&kept)).await?;
        let after =
            ResourceRow { secret_version: Some(wanted.version), state: State::unverified().text(), ..before.clone() };
        let secret = held(value, kept.destination);
        self.put_secret(actor, estate, "connection.rollback", (before, after), secret, Vec::new()).await
    }

    /// Commits a row with the secret that is in force from then on.
    async fn put_secret(
        &self,
        actor: &Actor,
        estate: Hands,
        action: &str,
        (before, after): (ResourceRow, ResourceRow),
        secret: Arc<Held>,
        mut writes: Vec<Write>,
    ) -> Done<Shown> {
        let now = now_ms();
        let after = ResourceRow { version: before.version + 1, updated_at: now, ..after };
        let document = estate.holdings.get(after.uid).cloned();
        let document = document.ok_or_else(|| Refusal::not_found(after.kind, &after.name))?;
        let holdings = estate.holdings.with(document.with_secret(Some(secret)));
        let assembled = estate.written.with(&holdings, self.live().snapshot.keys.clone());
        let assembled = assembled.map_err(|r| Refusal::of_mistakes(&r.mistakes, after.kind, &after.name))?;
        let told = Told::by(actor, action, now).of(after.kind, &after.name, after.uid);
        writes.push(Write::SetResource { expected: before.version, row: Box::new(after.clone()) });
        let change = Change {
            guards: Vec::new(),
            audit: vec![told.change(shown(&before)?, shown(&after)?)],
            writes,
            replay: None,
            effects: vec![Effect::Frame(Frame(Box::new(assembled)))],
        };
        self.settle(estate, holdings, change).await?;
        Ok(Shown { body: shown(&after)?, version: Some(after.version) })
    }

    /// R1: what is not in force is forgotten for good, be it newer than what is: it may have been rolled back because it leaked.
    pub async fn purge(&self, actor: &Actor, name: &str) -> Done<Value> {
        actor.may_write()?;
        let store = &self.stored()?.store;
        let _estate = self.estate().await;
        let row = self.resource_row(Resource::Connection, name).await?;
        self.may_manage_now(actor, Resource::Connection, row.uid)?;
        let versions = store.secret_versions(row.uid).await?;
        let keep = row.secret_version;
        let gone = versions.iter().filter(|v| Some(v.version) != keep).count();
        let now = now_ms();
        let told = Told::by(actor, "connection.purge", now).of(Resource::Connection, &row.name, row.uid);
        let change = Change {
            guards: Vec::new(),
            writes: vec![Write::PurgeSecrets { resource: row.uid, keep }],
            audit: vec![
                told.change(json!({ "versions": versions.len() }), json!({ "versions": versions.len() - gone })),
            ],
            replay: None,
            effects: Vec::new(),
        };
        if gone > 0 {
            self.commit(change).await?;
        }
        Ok(json!({ "purged": gone }))
    }
}

fn newest(versions: &[SecretVersion]) -> u32 {
    versions.iter().map(|v| v.version).max().unwrap_or(0)
}
