//! Keys: K8 to K13, K15.

mod edit;
pub mod rows;
pub mod shown;
pub mod states;
pub mod tokens;
pub mod urls;

use super::access::Actor;
use super::audit::Told;
use super::body::Body;
use super::refusal::{Done, Refusal, Wrong, broken};
use super::replay::{Asked, Once};
use super::state::{Control, Effect};
use super::{Created, Deletion, Precondition, Shown};
use crate::assembly::Document;
use crate::assembly::keys::{Described, described};
use crate::config::Mistakes;
use crate::model::{Origin, Resource, Slot, Uid};
use crate::store::{Access, Change, KeyRow, StoreError, Write};
use crate::telemetry::timestamp::now_ms;
use serde_json::{Map, Value};
use tokens::Tokens;
use zeroize::Zeroizing;

/// How often a change is tried when somebody else changes the same key.
const ATTEMPTS: usize = 5;

impl Control {
    pub(super) async fn create_key(&self, actor: &Actor, text: &str, asked: Option<Asked<'_>>) -> Done<Created> {
        actor.may_write()?;
        let store = &self.stored()?.store;
        let once = match asked {
            Some(asked) => match self.first_time(actor, asked).await? {
                Once::New(replay) => Some(replay),
                Once::Again(uid) => return self.key_again(uid).await,
            },
            None => None,
        };
        let body = Body::read(text)?;
        let name = named(&body)?;
        body.without_strangers(Resource::Key)?;
        self.name_is_free(Resource::Key, &name)?;
        let live = self.live();
        let now = now_ms();
        let row = self.described(&name, &body.fields)?.into_row(actor, new_uid(now), &name, now)?;
        actor.may_grant(&rows::spec(&row).map_err(broken)?, row.environment)?;
        let drawn = Tokens::of(&body)?;
        let row = KeyRow {
            primary: Some(drawn.primary.digest),
            secondary: Some(drawn.secondary.digest),
            primary_at: Some(now),
            secondary_at: Some(now),
            ..row
        };
        self.token_is_free(&row)?;
        let frame = &live.snapshot.frame;
        let shown = shown::stored(&row, frame, &[], now).map_err(broken)?;
        let told = Told::by(actor, "key.create", now).of(Resource::Key, &row.name, row.uid);
        let change = Change {
            guards: Vec::new(),
            audit: vec![told.change(Value::Null, without_usage(&shown))],
            effects: vec![Effect::Key(rows::change(None, Some(&row)).map_err(broken)?)],
            writes: vec![Write::AddKey(Box::new(row.clone()))],
            replay: once.map(|once| once.made(row.uid, now)),
        };
        match store.commit(change).await {
            Ok(_) => {}
            Err(StoreError::Repeated { created }) => return self.key_again(created).await,
            Err(error) => return Err(error.into()),
        }
        Ok(Created { body: drawn.into_body(shown), name: row.name, version: row.version, replayed: false })
    }

    /// What a repeated create answers: everything but the tokens.
    async fn key_again(&self, uid: Uid) -> Done<Created> {
        let row = self.key_row(&uid.to_string()).await.map_err(|refusal| Control::gone(Resource::Key, refusal))?;
        let mut shown = self.shown_key(&row).await?;
        shown["tokens_already_shown"] = true.into();
        Ok(Created { body: Zeroizing::new(shown.to_string()), name: row.name, version: row.version, replayed: true })
    }

    pub(super) async fn delete_key(
        &self,
        actor: &Actor,
        name: &str,
        _how: Deletion,
        if_match: Option<Precondition>,
    ) -> Done<()> {
        actor.may_write()?;
        for _ in 0..ATTEMPTS {
            let row = self.key_row(name).await?;
            if if_match.as_ref().is_some_and(|wanted| !wanted.holds(row.version)) {
                return Err(Refusal::precondition_failed(Resource::Key, &row.name));
            }
            actor.may_manage_in(row.environment)?;
            let guards = self.somebody_administers(&row, None).await?;
            let now = now_ms();
            let shown = self.shown_key(&row).await?;
            let told = Told::by(actor, "key.delete", now).of(Resource::Key, &row.name, row.uid);
            let change = Change {
                guards,
                writes: vec![Write::DropKey { uid: row.uid, expected: row.version }],
                audit: vec![told.change(without_usage(&shown), Value::Null)],
                replay: None,
                effects: vec![Effect::Key(rows::change(Some(&row), None).map_err(broken)?)],
            };
            match self.commit(change).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Reads a key, makes another of it, and commits that if it is still the one that was read.
    async fn change_key(
        &self,
        actor: &Actor,
        name: &str,
        action: &str,
        if_match: Option<Precondition>,
        changed: impl Fn(&Control, &KeyRow) -> Done<KeyRow>,
    ) -> Done<Shown> {
        actor.may_write()?;
        self.stored()?;
        for _ in 0..ATTEMPTS {
            let before = self.key_row(name).await?;
            if if_match.as_ref().is_some_and(|wanted| !wanted.holds(before.version)) {
                return Err(Refusal::precondition_failed(Resource::Key, &before.name));
            }
            let now = now_ms();
            let after = changed(self, &before)?;
            if after == before {
                return Ok(Shown { body: self.shown_key(&before).await?, version: Some(before.version) });
            }
            let guards = self.somebody_administers(&before, Some(&after)).await?;
            let mut after = KeyRow { version: before.version + 1, updated_at: now, ..after };
            after.graced.retain(|graced| graced.until > now);
            let (old, new) = (self.shown_key(&before).await?, self.shown_key(&after).await?);
            let told = Told::by(actor, action, now).of(Resource::Key, &after.name, after.uid);
            let change = Change {
                guards,
                audit: vec![told.change(without_usage(&old), without_usage(&new))],
                effects: vec![Effect::Key(rows::change(Some(&before), Some(&after)).map_err(broken)?)],
                writes: vec![Write::SetKey { expected: before.version, row: Box::new(after.clone()) }],
                replay: None,
            };
            match self.commit(change).await {
                Ok(_) => return Ok(Shown { body: new, version: Some(after.version) }),
                Err(StoreError::Conflict) if if_match.is_some() => {
                    return Err(Refusal::precondition_failed(Resource::Key, &before.name));
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// The store's key of this name or id.
    pub(super) async fn key_row(&self, name: &str) -> Done<KeyRow> {
        let found = match &self.stored {
            Some(stored) => stored.store.key(name).await?,
            None => None,
        };
        match found {
            Some(row) => Ok(row),
            None if self.file_key(name).is_some() => Err(Refusal::managed_by_file(Resource::Key, name)),
            None => Err(Refusal::not_found(Resource::Key, name)),
        }
    }

    /// The file's key of this name or id. Looks at every key, unless it is clear that there is none.
    pub(super) fn file_key(&self, name: &str) -> Option<crate::model::Key> {
        let uid = Uid::parse(name);
        if self.stored.is_some() && uid.is_none() && !self.written().has(Resource::Key, name) {
            return None;
        }
        let live = self.live();
        let found = live
            .snapshot
            .keys
            .iter()
            .find(|key| key.origin == Origin::File && (*key.name == *name || Some(key.uid) == uid));
        found.cloned()
    }

    pub(super) async fn shown_key(&self, row: &KeyRow) -> Done<Value> {
        let usage = self.usage_of(Resource::Key, &[row.uid]).await?;
        shown::stored(row, &self.live().snapshot.frame, &usage, now_ms()).map_err(broken)
    }

    /// What a body says, beside what is in force.
    pub(super) fn described(&self, name: &str, fields: &Map<String, Value>) -> Done<Described> {
        let of = |mistakes: Mistakes| Refusal::of_mistakes(&mistakes, Resource::Key, name);
        let document = Document::read(Resource::Key, Uid([0; 16]), name, fields).map_err(of)?;
        described(&document, &self.live().snapshot.frame).map_err(of)
    }

    /// A token belongs to one slot of one key, be it the file's.
    pub(super) fn token_is_free(&self, row: &KeyRow) -> Done<()> {
        let live = self.live();
        let twice = row.primary.is_some() && row.primary == row.secondary;
        let taken = rows::tokens(row)
            .iter()
            .any(|(digest, _)| live.snapshot.keys.find(digest).is_some_and(|(key, _)| key.uid != row.uid));
        if twice || taken { Err(StoreError::TokenTaken.into()) } else { Ok(()) }
    }
}

impl Described {
    /// A row without tokens.
    pub(super) fn into_row(self, actor: &Actor, uid: Uid, name: &str, created_at: i64) -> Done<KeyRow> {
        Ok(KeyRow {
            uid,
            name: name.to_owned(),
            document: serde_json::to_string(&self.spec).map_err(broken)?,
            enabled: self.enabled,
            revoked_at: None,
            expires_at: self.expires_at,
            environment: self.environment,
            primary: None,
            secondary: None,
            graced: Vec::new(),
            primary_at: None,
            secondary_at: None,
            owner: actor.name().to_owned(),
            access: Access::default(),
            version: 1,
            created_at,
            updated_at: created_at,
        })
    }
}

/// The name that a create needs.
pub(super) fn named(body: &Body) -> Done<String> {
    let missing =
        || Refusal::invalid(vec![Wrong::new("name", "the required field `name` is missing", "write: name: NAME")]);
    if body.id.is_some() {
        let wrong = Wrong::new("id", "ids are given by the store", "leave it out; `keystile import` keeps ids");
        return Err(Refusal::invalid(vec![wrong]));
    }
    body.name.clone().ok_or_else(missing)
}

pub(super) fn new_uid(now: i64) -> Uid {
    let mut random = [0u8; 10];
    if getrandom::fill(&mut random).is_err() {
        // The database refuses an id that is there already.
        random = blake3::hash(&now.to_le_bytes()).as_bytes()[..10].try_into().unwrap_or_default();
    }
    Uid::version_7(now, random)
}

/// What an audit keeps of it: when it was last used is no part of any change.
pub(super) fn without_usage(shown: &Value) -> Value {
    let mut shown = shown.clone();
    for slot in [Slot::Primary, Slot::Secondary] {
        if let Some(fields) = shown.pointer_mut(&format!("/slots/{}", slot.name())).and_then(Value::as_object_mut) {
            fields.remove("last_used_at");
        }
    }
    shown
}
