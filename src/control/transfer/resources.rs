//! Environments, connections and workflows of a document that is imported.

use super::Wrongs;
use super::given::Item;
use super::import::{Fate, Plan};
use crate::assembly::{Assembled, Document, Holdings};
use crate::control::access::Actor;
use crate::control::audit::Told;
use crate::control::keys::new_uid;
use crate::control::refusal::Done;
use crate::control::resources::{State, connection, effect, fields, reference, settled, shown};
use crate::control::signing::{self, Replaced, Ring};
use crate::control::state::{Control, Estate};
use crate::model::{Origin, Resource, Uid};
use crate::store::{Access, ResourceRow, Write};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

const KINDS: [Resource; 3] = [Resource::Environment, Resource::Connection, Resource::Workflow];

/// What becomes of them.
pub struct Resources {
    list: Vec<Change>,
}

/// A resource of the document, or one that follows a rename of it.
struct Change {
    before: Option<ResourceRow>,
    after: ResourceRow,
    document: Option<Document>,
    fate: Fate,
    /// The document says nothing of it: it speaks of something by name that the document renames.
    follows: bool,
}

/// What would be in force.
pub struct Candidate {
    pub assembled: Box<Assembled>,
    holdings: Holdings,
}

/// What the store and the file have.
struct Present {
    by_uid: HashMap<Uid, ResourceRow>,
    by_name: HashMap<(Resource, String), Uid>,
    /// Ids of the file's.
    files: HashSet<Uid>,
}

impl Present {
    async fn read(control: &Control) -> Done<Present> {
        let (mut by_uid, mut by_name) = (HashMap::new(), HashMap::new());
        for kind in KINDS {
            for row in control.stored()?.store.resources(kind).await? {
                by_name.insert((kind, row.name.clone()), row.uid);
                by_uid.insert(row.uid, row);
            }
        }
        let live = control.live();
        let frame = &live.snapshot.frame;
        let in_force = frame.environments.iter().map(|e| e.uid);
        let in_force = in_force.chain(frame.connections.iter().map(|c| c.uid));
        let in_force = in_force.chain(frame.workflows.iter().map(|w| w.uid));
        let keys = live.snapshot.keys.iter().filter(|key| key.origin == Origin::File).map(|key| key.uid);
        let files = in_force.chain(keys).filter(|uid| !by_uid.contains_key(uid)).collect();
        Ok(Present { by_uid, by_name, files })
    }

    /// The one that is meant: by id, else by name.
    fn meant(&self, item: &Item) -> Option<&ResourceRow> {
        let by_name = || self.by_name.get(&(item.kind, item.name().to_owned()));
        let uid = item.id().filter(|uid| self.by_uid.contains_key(uid)).or_else(|| by_name().copied())?;
        self.by_uid.get(&uid)
    }
}

impl Resources {
    pub async fn read(
        control: &Control,
        actor: &Actor,
        items: Vec<Item>,
        now: i64,
        wrongs: &mut Wrongs,
    ) -> Done<Resources> {
        let present = Present::read(control).await?;
        let (mut list, mut seen) = (Vec::new(), HashSet::new());
        for mut item in items {
            if let Err(refusal) = item.body.keep_digest() {
                refusal.errors.iter().for_each(|w| wrongs.add(&item.place, &w.field, &*w.reason, &*w.remedy));
                continue;
            }
            let Some(change) = one(control, actor, &present, &item, now, wrongs) else { continue };
            if !seen.insert(change.after.uid) {
                wrongs.add(&item.place, "", "the document has it twice", "leave one of the two out");
            }
            list.push(change);
        }
        follow(&present, &seen, &mut list, now)?;
        names_are_free(&present, &list, wrongs);
        Ok(Resources { list })
    }

    fn changed(&self) -> impl Iterator<Item = &Change> {
        self.list.iter().filter(|change| change.fate != Fate::Unchanged)
    }

    /// All of it beside the file and the store's other resources; none, if nothing changes.
    pub fn assemble(&self, estate: &Estate, wrongs: &mut Wrongs) -> Done<Option<Candidate>> {
        if self.changed().next().is_none() {
            return Ok(None);
        }
        let with_secrets = |document: Document| match estate.holdings.get(document.uid) {
            Some(old) => document.with_secret(old.secret.clone()).with_signing(old.signing.clone()),
            None => document,
        };
        let documents = self.changed().filter_map(|change| change.document.clone());
        let holdings = estate.holdings.with_all(documents.map(with_secrets));
        let keys = crate::model::Keys::default();
        match estate.written.with(&holdings, keys) {
            Ok(assembled) => Ok(Some(Candidate { assembled: Box::new(assembled), holdings })),
            Err(rejected) => {
                wrongs.all("", &rejected.mistakes);
                wrongs.none()?;
                Ok(None)
            }
        }
    }

    /// The rows as they will be, put into the plan. Whoever asks may have to be somebody else.
    pub fn plan(
        self,
        control: &Control,
        actor: &Actor,
        candidate: Option<Candidate>,
        now: i64,
        plan: &mut Plan,
    ) -> Done<Option<Holdings>> {
        let (assembled, mut holdings) = match candidate {
            Some(Candidate { assembled, holdings }) => (Some(assembled), holdings),
            None => (None, Holdings::default()),
        };
        if let Some(assembled) = &assembled {
            control.may_move(actor, assembled)?;
        }
        for change in self.list {
            let Change { before, mut after, fate, follows, .. } = change;
            if fate != Fate::Unchanged
                && let Some(assembled) = &assembled
            {
                if let Some(before) = before.as_ref().filter(|_| !follows) {
                    control.may_manage_now(actor, before.kind, before.uid)?;
                }
                if !follows {
                    control.may_manage(actor, assembled, after.kind, after.uid)?;
                }
                if before.is_none() && connection(assembled, after.uid).is_some_and(|c| c.secret_missing) {
                    after.state = State::needs_secret().text();
                }
                (after, holdings) = settled(after, holdings, assembled);
                let mut forgotten = Vec::new();
                if let Some(before) = &before {
                    (after, holdings, forgotten) = unsigned(before, after, holdings)?;
                }
                write(actor, before.as_ref(), &after, follows, now, plan)?;
                plan.writes.extend(forgotten);
            }
            if !follows {
                plan.tell(fate, after.kind, &after.name);
            }
            if signing::needs_secret(&after)? {
                plan.needs_signing_secret.push(after.name.clone());
            }
            if after.kind == Resource::Connection && State::of(&after).status == State::NEEDS_SECRET {
                plan.needs_secret.push(after.name);
            }
        }
        let in_force = assembled.is_some();
        plan.effects.extend(assembled.map(effect));
        Ok(Some(holdings).filter(|_| in_force))
    }
}

/// H1: a workflow that verifies no signatures any more has no secrets.
fn unsigned(before: &ResourceRow, after: ResourceRow, holdings: Holdings) -> Done<(ResourceRow, Holdings, Vec<Write>)> {
    let document = holdings.get(after.uid).cloned();
    match document.filter(|_| !Ring::of(before).secrets.is_empty()) {
        Some(document) if !signing::wants_secrets(&fields(&after)?) => {
            let none = Replaced::by_none(before);
            let (after, document) = none.apply(after, document)?;
            let forgotten = none.drops(after.uid);
            Ok((after, holdings.with(document), forgotten))
        }
        _ => Ok((after, holdings, Vec::new())),
    }
}

fn write(
    actor: &Actor,
    before: Option<&ResourceRow>,
    after: &ResourceRow,
    follows: bool,
    now: i64,
    plan: &mut Plan,
) -> Done<()> {
    let action = if follows { "follow_rename" } else { "import" };
    let told = Told::by(actor, &format!("{}.{action}", after.kind), now).of(after.kind, &after.name, after.uid);
    let row = Box::new(after.clone());
    let (was, write) = match before {
        None => (Value::Null, Write::AddResource(row)),
        Some(before) => (shown(before)?, Write::SetResource { expected: before.version, row }),
    };
    plan.audit.push(told.change(was, shown(after)?));
    plan.writes.push(write);
    Ok(())
}

/// What becomes of one, as far as it can be told by itself.
fn one(
    control: &Control,
    actor: &Actor,
    present: &Present,
    item: &Item,
    now: i64,
    wrongs: &mut Wrongs,
) -> Option<Change> {
    let (kind, place) = (item.kind, item.place.as_str());
    if item.body.name.is_none() {
        wrongs.add(place, "name", "the required field `name` is missing", "write its name");
        return None;
    }
    let told = [
        ("secret", item.body.secret.is_some(), "an import takes no secrets", "leave it out, and enter it afterwards"),
        (
            "webhook.secrets",
            item.body.signing.is_some(),
            "an import takes no secrets",
            "leave it out, and add them afterwards",
        ),
        ("primary", item.body.primary.is_some(), "unknown field", "leave it out: keys alone have tokens"),
        ("secondary", item.body.secondary.is_some(), "unknown field", "leave it out: keys alone have tokens"),
    ];
    for (field, _, reason, remedy) in told.into_iter().filter(|(_, given, ..)| *given) {
        wrongs.add(place, field, reason, remedy);
    }
    if control.written().has(kind, item.name()) {
        wrongs.taken(place, kind, "the configuration file");
        return None;
    }
    if item.id().is_some_and(|uid| present.files.contains(&uid)) {
        wrongs.add(place, "id", "something in the configuration file has this id", "leave it out");
        return None;
    }
    let before = present.meant(item);
    if let Some(other) = before.filter(|row| row.kind != kind) {
        wrongs.add(place, "id", format!("it is the id of the {} {}", other.kind, other.name), "leave it out");
        return None;
    }
    let uid = before.map(|row| row.uid).or(item.id()).unwrap_or_else(|| new_uid(now));
    let document = Document::read(kind, uid, item.name(), &item.body.fields);
    let document = document.map_err(|mistakes| wrongs.all(place, &mistakes)).ok();
    let text = Value::Object(item.body.fields.clone()).to_string();
    let Some(before) = before.cloned() else {
        let after = fresh(kind, uid, item.name(), text, actor, now);
        return Some(Change { before: None, after, document, fate: Fate::Created, follows: false });
    };
    let same = before.name == item.name() && fields(&before).ok().as_ref() == Some(&item.body.fields);
    if same {
        let after = before.clone();
        return Some(Change { before: Some(before), after, document, fate: Fate::Unchanged, follows: false });
    }
    let name = item.name().to_owned();
    let after = ResourceRow { name, document: text, version: before.version + 1, updated_at: now, ..before.clone() };
    Some(Change { before: Some(before), after, document, fate: Fate::Updated, follows: false })
}

fn fresh(kind: Resource, uid: Uid, name: &str, document: String, actor: &Actor, now: i64) -> ResourceRow {
    let state = if kind == Resource::Connection { State::unverified().text() } else { "{}".to_owned() };
    ResourceRow {
        uid,
        kind,
        name: name.to_owned(),
        document,
        state,
        connector: String::new(),
        environment: String::new(),
        secret_version: None,
        owner: actor.name().to_owned(),
        access: Access::default(),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// K15: what the document does not name, and speaks of something that the document renames.
fn follow(present: &Present, named: &HashSet<Uid>, list: &mut Vec<Change>, now: i64) -> Done<()> {
    let renames = list.iter().filter_map(|change| {
        let before = change.before.as_ref().filter(|before| before.name != change.after.name)?;
        Some((before.kind, before.name.clone(), change.after.name.clone()))
    });
    let renames: Vec<(Resource, String, String)> = renames.collect();
    if renames.is_empty() {
        return Ok(());
    }
    let mut others: Vec<&ResourceRow> = present.by_uid.values().filter(|row| !named.contains(&row.uid)).collect();
    others.sort_by(|a, b| a.name.cmp(&b.name));
    for before in others {
        let mut document: Map<String, Value> = fields(before)?;
        let rename = |(kind, from, to): &(Resource, String, String)| {
            reference::rename(before.kind, &mut document, *kind, from, to)
        };
        if renames.iter().map(rename).filter(|renamed| *renamed).count() == 0 {
            continue;
        }
        let read = Document::read(before.kind, before.uid, &before.name, &document).ok();
        let document = Value::Object(document).to_string();
        let after = ResourceRow { document, version: before.version + 1, updated_at: now, ..before.clone() };
        let before = Some(before.clone());
        list.push(Change { before, after, document: read, fate: Fate::Updated, follows: true });
    }
    Ok(())
}

/// K15: names are unique when all is done.
fn names_are_free(present: &Present, list: &[Change], wrongs: &mut Wrongs) {
    let changed: HashSet<Uid> = list.iter().map(|change| change.after.uid).collect();
    let others = present.by_uid.values().filter(|row| !changed.contains(&row.uid));
    let mut taken: HashSet<(Resource, &str)> = others.map(|row| (row.kind, row.name.as_str())).collect();
    for Change { after, .. } in list {
        if !taken.insert((after.kind, &after.name)) {
            wrongs.taken(&format!("{}[{}]", after.kind.plural(), after.name), after.kind, "another one");
        }
    }
}
