//! A new environment, connection or workflow. A connection's secret is tried before it counts (C8).

use super::{State, connection, effect, indexed, seal_of, shown};
use crate::assembly::{Document, Held};
use crate::control::Created;
use crate::control::access::Actor;
use crate::control::audit::Told;
use crate::control::body::Body;
use crate::control::keys::{named, new_uid};
use crate::control::refusal::{Done, Refusal};
use crate::control::replay::{Asked, Once};
use crate::control::secrets::{Fresh, Trial, clean};
use crate::control::signing;
use crate::control::state::Control;
use crate::model::{Resource, Uid};
use crate::store::{Access, Change, ResourceRow, StoreError, Write};
use crate::telemetry::timestamp::now_ms;
use serde_json::Value;
use std::sync::Arc;
use zeroize::Zeroizing;

impl Control {
    pub(in crate::control) async fn create_resource(
        &self,
        actor: &Actor,
        kind: Resource,
        text: &str,
        asked: Option<Asked<'_>>,
        force: bool,
    ) -> Done<Created> {
        actor.may_write()?;
        self.stored()?;
        let once = match asked {
            Some(asked) => match self.first_time(actor, asked).await? {
                Once::New(pending) => Some(pending),
                Once::Again(uid) => return self.resource_again(kind, uid).await,
            },
            None => None,
        };
        let mut body = Body::read(text)?;
        let name = named(&body)?;
        body.without_strangers(kind)?;
        body.keep_digest()?;
        let (secret, signing) = (body.secret.take(), body.signing.take().unwrap_or_default());
        self.name_is_free(kind, &name)?;
        let now = now_ms();
        let uid = new_uid(now);
        let (secret, mut notices) = match secret {
            Some(secret) => clean("secret", &secret).map(|(secret, notices)| (Some(secret), notices))?,
            None => (None, Vec::new()),
        };
        let document = Document::read(kind, uid, &name, &body.fields)
            .map_err(|mistakes| Refusal::of_mistakes(&mistakes, kind, &name))?;
        let held = secret.map(|value| Arc::new(Held { value, sealed_to: None }));
        let mut document = document.with_secret(held.clone());
        let fresh = match &held {
            Some(held) => Some(self.tried(actor, &document, held, Trial { verify: true, force }).await?),
            None => None,
        };
        let mut row = ResourceRow {
            uid,
            kind,
            name: name.clone(),
            document: Value::Object(body.fields).to_string(),
            state: "{}".to_owned(),
            connector: String::new(),
            environment: String::new(),
            secret_version: None,
            owner: actor.name().to_owned(),
            access: Access::default(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let signing = signing::Replaced::by(actor, &row, &[], &signing)?;
        if kind == Resource::Workflow {
            (row, document) = signing.apply(row, document)?;
        }

        let estate = self.estate().await;
        // The same may have been asked for, and done, while this one waited.
        if let Some(asked) = asked
            && let Once::Again(uid) = self.first_time(actor, asked).await?
        {
            return self.resource_again(kind, uid).await;
        }
        let holdings = estate.holdings.with(document.clone());
        let assembled = self.beside(&estate, &holdings, kind, &name).await?;
        self.may_manage(actor, &assembled, kind, uid)?;
        self.may_move(actor, &assembled)?;
        let state = match (&fresh, connection(&assembled, uid)) {
            (_, None) => State::default(),
            (_, Some(connection)) if connection.secret_missing => State::needs_secret(),
            (Some(fresh), Some(_)) => fresh.state.clone(),
            (None, Some(_)) => State::unverified(),
        };
        notices.extend(state.notices.iter().cloned());
        if kind == Resource::Connection {
            row.state = State { notices, ..state }.text();
        }
        row = indexed(row, &document, &assembled);
        let mut writes = self.signing_writes(actor, uid, &signing).await?;
        let mut kept = document;
        if let Some(Fresh { value, .. }) = fresh {
            let destination = seal_of(&assembled, uid).ok_or_else(|| Refusal::internal("no destination"))?;
            let sealed = self.sealed(actor, uid, 1, &value.value, destination).await?;
            row.secret_version = Some(1);
            kept = kept.with_secret(Some(Arc::new(Held { value: value.value.clone(), sealed_to: Some(destination) })));
            writes.push(Write::AddSecret(Box::new(sealed)));
        }
        writes.insert(0, Write::AddResource(Box::new(row.clone())));
        let told = Told::by(actor, &format!("{kind}.create"), now).of(kind, &name, uid);
        let change = Change {
            guards: Vec::new(),
            writes,
            audit: vec![told.change(Value::Null, shown(&row)?)],
            replay: once.map(|once| once.made(uid, now)),
            effects: vec![effect(assembled)],
        };
        let holdings = estate.holdings.with(kept);
        match self.settle(estate, holdings, change).await {
            Ok(_) => {}
            Err(StoreError::Repeated { created }) => return self.resource_again(kind, created).await,
            Err(error) => return Err(error.into()),
        }
        let body = self.seen(&row)?;
        Ok(Created { body: Zeroizing::new(body.to_string()), name, version: row.version, replayed: false })
    }

    async fn resource_again(&self, kind: Resource, uid: Uid) -> Done<Created> {
        let row = self.resource_row(kind, &uid.to_string()).await.map_err(|refusal| Control::gone(kind, refusal))?;
        let body = Zeroizing::new(self.seen(&row)?.to_string());
        Ok(Created { body, name: row.name, version: row.version, replayed: true })
    }
}
