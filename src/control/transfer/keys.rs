//! Keys of a document that is imported. Tokens come as digests or not at all: an import shows none, so it draws none.

use super::Wrongs;
use super::given::Item;
use super::import::{Fate, Plan};
use crate::assembly::Document;
use crate::assembly::keys::described;
use crate::control::access::Actor;
use crate::control::audit::Told;
use crate::control::keys::states::administers;
use crate::control::keys::{new_uid, rows, shown, without_usage};
use crate::control::refusal::{Done, Refusal, broken};
use crate::control::state::{Control, Effect};
use crate::model::key::ScopeName;
use crate::model::{Digest, Frame, Origin, Resource, Slot, Uid};
use crate::store::{KeyRow, Write};
use http::StatusCode;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Keys whose form is right.
pub struct Keys {
    list: Vec<Read>,
    now: i64,
}

struct Read {
    place: String,
    before: Option<KeyRow>,
    document: Document,
    primary: Option<Digest>,
    secondary: Option<Digest>,
}

/// The same with what they refer to.
pub struct Described {
    list: Vec<(Option<KeyRow>, KeyRow)>,
}

impl Keys {
    pub async fn read(control: &Control, items: Vec<Item>, now: i64, wrongs: &mut Wrongs) -> Done<Keys> {
        let mut files: HashSet<Uid> = HashSet::new();
        let live = control.live();
        if !items.is_empty() {
            files.extend(live.snapshot.keys.iter().filter(|key| key.origin == Origin::File).map(|key| key.uid));
        }
        let (mut list, mut names, mut uids) = (Vec::with_capacity(items.len()), HashSet::new(), HashSet::new());
        for item in items {
            let Some(read) = one(control, &item, &files, now, wrongs).await? else { continue };
            if !names.insert(item.name().to_owned()) || !uids.insert(read.document.uid) {
                wrongs.add(&item.place, "", "the document has it twice", "leave one of the two out");
            }
            list.push(read);
        }
        let keys = Keys { list, now };
        keys.tokens_are_free(control, wrongs);
        Ok(keys)
    }

    /// A token belongs to one slot of one key, be it the file's.
    fn tokens_are_free(&self, control: &Control, wrongs: &mut Wrongs) {
        let live = control.live();
        let mut given: HashMap<Digest, &str> = HashMap::new();
        for read in &self.list {
            for (slot, digest) in [("primary", read.primary), ("secondary", read.secondary)] {
                let Some(digest) = digest else { continue };
                let owner = live.snapshot.keys.find(&digest).map(|(key, _)| key).filter(|k| k.uid != read.document.uid);
                let other = owner.map(|key| &*key.name).or_else(|| given.insert(digest, &read.document.name));
                if let Some(other) = other {
                    let reason = format!("the key {other} has this token");
                    wrongs.add(&read.place, slot, reason, "a token belongs to one slot of one key");
                }
            }
        }
    }

    /// Beside what will be in force: whatever they name must be there.
    pub fn described(self, actor: &Actor, frame: &Frame, wrongs: &mut Wrongs) -> Done<Described> {
        let mut list = Vec::with_capacity(self.list.len());
        for read in self.list {
            let described = match described(&read.document, frame) {
                Ok(described) => described,
                Err(mistakes) => {
                    wrongs.all(&read.place, &mistakes);
                    continue;
                }
            };
            let created_at = read.before.as_ref().map_or(self.now, |before| before.created_at);
            let row = described.into_row(actor, read.document.uid, &read.document.name, created_at)?;
            list.push((read.before.clone(), with_tokens(row, &read, self.now)));
        }
        Ok(Described { list })
    }
}

/// The row as it will be. A slot of which the document says nothing stays as it is.
fn with_tokens(row: KeyRow, read: &Read, now: i64) -> KeyRow {
    let Some(before) = &read.before else {
        let at = |digest: Option<Digest>| digest.map(|_| now);
        let (primary_at, secondary_at) = (at(read.primary), at(read.secondary));
        return KeyRow { primary: read.primary, secondary: read.secondary, primary_at, secondary_at, ..row };
    };
    let slot = |given: Option<Digest>, had: Option<Digest>, at: Option<i64>| match given {
        Some(digest) if had != Some(digest) => (Some(digest), Some(now)),
        _ => (had, at),
    };
    let (primary, primary_at) = slot(read.primary, before.primary, before.primary_at);
    let (secondary, secondary_at) = slot(read.secondary, before.secondary, before.secondary_at);
    let after = KeyRow {
        name: row.name,
        document: row.document,
        enabled: row.enabled,
        expires_at: row.expires_at,
        environment: row.environment,
        primary,
        secondary,
        primary_at,
        secondary_at,
        ..before.clone()
    };
    if after == *before {
        return after;
    }
    let mut after = KeyRow { version: before.version + 1, updated_at: now, ..after };
    // What was just declared a slot's token is not an earlier one of it as well.
    after.graced.retain(|graced| graced.until > now && ![primary, secondary].contains(&Some(graced.digest)));
    after
}

async fn one(
    control: &Control,
    item: &Item,
    files: &HashSet<Uid>,
    now: i64,
    wrongs: &mut Wrongs,
) -> Done<Option<Read>> {
    const KIND: Resource = Resource::Key;
    let place = item.place.as_str();
    if item.body.name.is_none() {
        wrongs.add(place, "name", "the required field `name` is missing", "write its name");
        return Ok(None);
    }
    if item.body.secret.is_some() {
        wrongs.add(place, "secret", "unknown field", "leave it out: connections alone have secrets");
    }
    if control.written().has(KIND, item.name()) {
        wrongs.taken(place, KIND, "the configuration file");
        return Ok(None);
    }
    if item.id().is_some_and(|uid| files.contains(&uid)) {
        wrongs.add(place, "id", "a key of the configuration file has this id", "leave it out");
        return Ok(None);
    }
    let store = &control.stored()?.store;
    let named = store.key(item.name()).await?;
    let before = match item.id() {
        Some(uid) => store.key(&uid.to_string()).await?.or_else(|| named.clone()),
        None => named.clone(),
    };
    if let (Some(named), Some(before)) = (&named, &before)
        && named.uid != before.uid
    {
        wrongs.taken(place, KIND, "another one");
    }
    if before.as_ref().is_some_and(|before| before.revoked_at.is_some()) {
        wrongs.add(place, "", "this key was revoked, for good", "leave it out, or give it another name and id");
    }
    let uid = before.as_ref().map(|row| row.uid).or(item.id()).unwrap_or_else(|| new_uid(now));
    let (mut primary, mut secondary) = (digest(item, Slot::Primary, wrongs), digest(item, Slot::Secondary, wrongs));
    // Another gateway's key of this name, such as its first administrator's: who holds a token of this one keeps it.
    if before.is_some() && item.id().is_some_and(|id| id != uid) {
        (primary, secondary) = (None, None);
    }
    match Document::read(KIND, uid, item.name(), &item.body.fields) {
        Ok(document) => Ok(Some(Read { place: item.place.clone(), before, document, primary, secondary })),
        Err(mistakes) => {
            wrongs.all(place, &mistakes);
            Ok(None)
        }
    }
}

/// T2: a document is kept and sent around, so a token has no place in it.
fn digest(item: &Item, slot: Slot, wrongs: &mut Wrongs) -> Option<Digest> {
    let given = match slot {
        Slot::Primary => item.body.primary.as_ref()?,
        Slot::Secondary => item.body.secondary.as_ref()?,
    };
    let digest = Digest::parse(given);
    if digest.is_none() {
        let remedy = "write blake3:…, as `keystile keys digest` prints it, or leave it out";
        wrongs.add(&item.place, slot.name(), "an import takes digests of tokens alone", remedy);
    }
    digest
}

impl Described {
    /// K13, and that somebody is left who can undo it.
    pub fn permitted(&self, control: &Control, actor: &Actor) -> Done<()> {
        for (before, after) in self.list.iter().filter(|(before, after)| before.as_ref() != Some(after)) {
            if let Some(before) = before {
                // What he could not give he may not keep alive with more.
                actor.may_grant(&rows::spec(before).map_err(broken)?, before.environment)?;
            }
            actor.may_grant(&rows::spec(after).map_err(broken)?, after.environment)?;
        }
        self.leaves_an_administrator(control)
    }

    fn leaves_an_administrator(&self, control: &Control) -> Done<()> {
        let mut demoted = None;
        for (before, after) in &self.list {
            if administers(after)? {
                return Ok(());
            }
            if let Some(before) = before
                && administers(before)?
            {
                demoted = Some(&before.name);
            }
        }
        let Some(demoted) = demoted else { return Ok(()) };
        let ours: HashSet<Uid> = self.list.iter().map(|(_, after)| after.uid).collect();
        let (live, now) = (control.live(), crate::telemetry::timestamp::now_ms());
        let another = live.snapshot.keys.iter().any(|key| {
            let alive = key.enabled && !key.revoked && key.expires_at.is_none_or(|at| at > now);
            alive && !ours.contains(&key.uid) && key.scopes.has(ScopeName::AdminWrite)
        });
        if another {
            return Ok(());
        }
        let detail = format!("{demoted} is the last key with the scope admin:write, and would not have it any more");
        let hint = "leave it as it is, or import another administrator with it";
        Err(Refusal::new(StatusCode::CONFLICT, "last_administrator", detail, hint))
    }

    pub fn plan(self, actor: &Actor, frame: &Frame, now: i64, plan: &mut Plan) -> Done<()> {
        for (before, after) in self.list {
            let fate = match &before {
                None => Fate::Created,
                Some(before) if *before == after => Fate::Unchanged,
                Some(_) => Fate::Updated,
            };
            plan.tell(fate, Resource::Key, &after.name);
            if after.primary.is_none() && after.secondary.is_none() {
                plan.needs_token.push(after.name.clone());
            }
            if fate == Fate::Unchanged {
                continue;
            }
            let shown = |row: &KeyRow| shown::stored(row, frame, &[], now).map(|shown| without_usage(&shown));
            let was = before.as_ref().map(shown).transpose().map_err(broken)?.unwrap_or(Value::Null);
            let told = Told::by(actor, "key.import", now).of(Resource::Key, &after.name, after.uid);
            plan.audit.push(told.change(was, shown(&after).map_err(broken)?));
            plan.effects.push(Effect::Key(rows::change(before.as_ref(), Some(&after)).map_err(broken)?));
            let row = Box::new(after);
            plan.writes.push(match before {
                None => Write::AddKey(row),
                Some(before) => Write::SetKey { expected: before.version, row },
            });
        }
        Ok(())
    }
}
