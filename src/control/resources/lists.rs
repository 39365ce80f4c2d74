//! S3: lists by name, of the file's and the store's together, and single resources.

use crate::config::{View, json};
use crate::control::access::Actor;
use crate::control::keys::shown as keys_shown;
use crate::control::refusal::{Done, Refusal, broken};
use crate::control::signing::last_use;
use crate::control::state::Control;
use crate::control::{Listing, Page, Shown};
use crate::model::{Frame, Key, Origin, Resource, Uid};
use crate::store::ListQuery;
use crate::telemetry::timestamp::now_ms;
use serde_json::{Map, Value};

impl Control {
    pub async fn list(&self, actor: &Actor, kind: Resource, listing: Listing) -> Done<Page> {
        actor.may_read()?;
        let limit = listing.query.limit.clamp(1, 1000);
        let mut query = ListQuery { after: listing.cursor, limit: limit + 1, now: now_ms(), ..listing.query };
        if kind == Resource::Key
            && let Some(name) = query.environment.take()
        {
            let (uid, _) = self
                .known(Resource::Environment, &name)
                .ok_or_else(|| Refusal::not_found(Resource::Environment, &name))?;
            query.environment_id = Some(uid);
        }
        let wants = |origin: &str| listing.origin.as_deref().is_none_or(|wanted| wanted == origin);
        let mut items: Vec<(String, Value)> = Vec::new();
        if wants("file") {
            items.extend(self.of_file(kind, &query).await?);
        }
        if wants("store") {
            items.extend(self.of_store(kind, &query).await?);
        }
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|(name, _)| name.clone());
        Ok(Page { items: items.into_iter().map(|(_, item)| item).collect(), next })
    }

    async fn of_store(&self, kind: Resource, query: &ListQuery) -> Done<Vec<(String, Value)>> {
        let Some(stored) = &self.stored else { return Ok(Vec::new()) };
        if kind != Resource::Key {
            let rows = stored.store.resources_page(kind, query).await?;
            return rows.iter().map(|row| Ok((row.name.clone(), self.seen(row)?))).collect();
        }
        let rows = stored.store.keys(query).await?;
        let uids: Vec<Uid> = rows.iter().map(|row| row.uid).collect();
        let usage = self.usage_of(kind, &uids).await?;
        let live = self.live();
        let shown = |row| keys_shown::stored(row, &live.snapshot.frame, &usage, query.now);
        rows.iter().map(|row| Ok((row.name.clone(), shown(row).map_err(broken)?))).collect()
    }

    async fn of_file(&self, kind: Resource, query: &ListQuery) -> Done<Vec<(String, Value)>> {
        if query.access.is_some() || query.owner.is_some() {
            return Ok(Vec::new());
        }
        let behind = |name: &str| query.after.as_deref().is_none_or(|after| name > after);
        let mut found: Vec<(String, Value)> = match kind {
            Resource::Key => self.files_keys(query).await?,
            kind => {
                let written = self.written();
                let live = self.live();
                let frame = &live.snapshot.frame;
                let home = Some(&*frame.environment(frame.default_environment).name);
                let views = written.list(kind).into_iter().filter(|view| fits(view, kind, query, home));
                views
                    .map(|view| (view.text("name").unwrap_or_default().to_owned(), from_file(&view, kind, frame)))
                    .collect()
            }
        };
        found.retain(|(name, _)| behind(name));
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.truncate(query.limit);
        Ok(found)
    }

    async fn files_keys(&self, query: &ListQuery) -> Done<Vec<(String, Value)>> {
        let live = self.live();
        let fits = |key: &&Key| {
            let standing = keys_shown::Standing::of_files(key);
            key.origin == Origin::File
                && query.after.as_deref().is_none_or(|after| *key.name > *after)
                && query.environment_id.is_none_or(|uid| key.environment == Some(uid))
                && query.state.as_deref().is_none_or(|state| standing.status(query.now) == state)
                && query.q.as_deref().is_none_or(|q| holds(&key.name, q))
        };
        let mut keys: Vec<&Key> = live.snapshot.keys.iter().filter(fits).collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        keys.truncate(query.limit);
        let uids: Vec<Uid> = keys.iter().map(|key| key.uid).collect();
        let usage = self.usage_of(Resource::Key, &uids).await?;
        let frame = &live.snapshot.frame;
        Ok(keys.into_iter().map(|k| (k.name.to_string(), keys_shown::of_file(k, frame, &usage, query.now))).collect())
    }

    pub async fn show(&self, actor: &Actor, kind: Resource, name: &str) -> Done<Shown> {
        actor.may_read()?;
        if let Some(stored) = &self.stored {
            if kind == Resource::Key {
                if let Some(row) = stored.store.key(name).await? {
                    return Ok(Shown { body: self.shown_key(&row).await?, version: Some(row.version) });
                }
            } else if let Some(row) = stored.store.resource(kind, name).await? {
                return Ok(Shown { body: self.seen(&row)?, version: Some(row.version) });
            }
        }
        let body = match kind {
            Resource::Key => match self.file_key(name) {
                Some(key) => {
                    let usage = self.usage_of(kind, &[key.uid]).await?;
                    Some(keys_shown::of_file(&key, &self.live().snapshot.frame, &usage, now_ms()))
                }
                None => None,
            },
            kind => {
                let written = self.written();
                let wanted = Uid::parse(name);
                let is = |view: &&View<'_>| view.text("name") == Some(name) || wanted == Some(uid(view, kind));
                let live = self.live();
                written.list(kind).iter().find(is).map(|view| from_file(view, kind, &live.snapshot.frame))
            }
        };
        body.map(|body| Shown { body, version: None }).ok_or_else(|| Refusal::not_found(kind, name))
    }
}

fn uid(view: &View<'_>, kind: Resource) -> Uid {
    let name = view.text("name").unwrap_or_default();
    view.text("id").and_then(Uid::parse).unwrap_or_else(|| Uid::declared(kind.name(), name))
}

/// What stands in the file, as it stands there.
fn from_file(view: &View<'_>, kind: Resource, frame: &Frame) -> Value {
    let mut body = Map::new();
    if let Value::Object(fields) = json::shown(view) {
        body.extend(fields);
    }
    body.insert("id".to_owned(), uid(view, kind).to_string().into());
    if kind == Resource::Connection {
        let notice = super::ending(view.text("expires_at"), now_ms());
        body.insert("notices".to_owned(), notice.into_iter().collect::<Vec<_>>().into());
    }
    if let Some(Value::Object(webhook)) = body.get_mut("webhook")
        && webhook.contains_key("secrets")
    {
        webhook.insert("secrets".to_owned(), last_use::of_file(frame, uid(view, kind)));
    }
    body.insert("origin".to_owned(), "file".into());
    body.insert("version".to_owned(), Value::Null);
    Value::Object(body)
}

/// `home` is the environment of what names none (E5).
fn fits(view: &View<'_>, kind: Resource, query: &ListQuery, home: Option<&str>) -> bool {
    let q = query.q.as_deref().is_none_or(|q| {
        ["name", "title", "description"].into_iter().any(|field| view.text(field).is_some_and(|text| holds(text, q)))
    });
    let is = |wanted: &Option<String>, stands: Option<&str>| wanted.is_none() || wanted.as_deref() == stands;
    let there = match kind {
        Resource::Connection => {
            is(&query.connector, view.text("connector")) && is(&query.environment, view.text("environment").or(home))
        }
        _ => query.connector.is_none() && query.environment.is_none(),
    };
    q && there
}

fn holds(text: &str, q: &str) -> bool {
    text.to_lowercase().contains(&q.to_lowercase())
}
