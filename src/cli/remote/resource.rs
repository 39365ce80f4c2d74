//! What is done with every kind of resource alike: list, show, create, edit, delete.

use super::client::{Ask, Client, Reply};
use super::editor::{Draft, editable};
use super::fields::{Given, check_names, difference, without_signing};
use super::problem::{dependants, is_needed};
use super::secret::Sent;
use super::table::{printable, table};
use super::{Place, details, input};
use crate::cli::output::{Format, print};
use crate::model::Resource;
use http::Method;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// How much people want to see at once.
const SCREENFUL: usize = 100;
/// What one request asks for.
const PAGE: usize = 500;

/// How much of a list.
#[derive(clap::Args)]
pub struct Extent {
    /// How many at most [default: 100 as a table; all of them with -o json or yaml].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// All of them, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Extent {
    fn most(&self, format: Format) -> usize {
        match self.limit {
            Some(limit) => limit as usize,
            None if self.all || format != Format::Table => usize::MAX,
            None => SCREENFUL,
        }
    }
}

/// One that exists.
#[derive(clap::Args)]
pub struct Named {
    /// Its name, or its id.
    pub name: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(clap::Args)]
pub struct Edit {
    /// Its name, or its id.
    name: String,
    #[command(flatten)]
    given: Given,
    /// Only if it is still in this version, as `show` prints it; else nothing is changed.
    #[arg(long, value_name = "VERSION")]
    if_match: Option<u64>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Delete {
    /// Its name, or its id.
    name: String,
    /// Do not ask. What depends on it is still told, and loses it.
    #[arg(short, long)]
    yes: bool,
    /// Do not look at what depends on it either.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
}

/// Fetches page after page, and hands on each item until `most` were; true if there are more.
pub fn each(
    client: &Client,
    most: usize,
    ask: impl Fn() -> anyhow::Result<Ask>,
    mut item: impl FnMut(Value) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let (mut cursor, mut left): (Option<String>, usize) = (None, most);
    loop {
        let ask = ask()?.query("limit", &left.min(PAGE).to_string()).query_if("cursor", cursor.as_deref());
        let mut body = client.send(ask)?.body;
        let Value::Array(items) = body["items"].take() else { anyhow::bail!("{} sent no list", client.site()) };
        for one in items.into_iter().take(left) {
            left -= 1;
            item(one)?;
        }
        let next = body["next"].as_str().map(str::to_owned);
        if next.is_none() || left == 0 || next == cursor {
            return Ok(next.is_some());
        }
        cursor = next;
    }
}

/// A list as a table, or whole for programs.
pub fn list(
    client: &Client,
    extent: &Extent,
    format: Format,
    ask: impl Fn() -> anyhow::Result<Ask>,
    heads: &[&str],
    row: impl Fn(&Value) -> Vec<String>,
) -> anyhow::Result<ExitCode> {
    let mut items = Vec::new();
    let more = each(client, extent.most(format), ask, |item| {
        items.push(item);
        Ok(())
    })?;
    print(&items, format, |items| match items.as_slice() {
        [] => "there are none\n".to_owned(),
        items => table(heads, &items.iter().map(row).collect::<Vec<_>>()),
    })?;
    if more {
        eprintln!("keystile: there are more than these {}: --all, or --limit N", items.len());
    }
    Ok(ExitCode::SUCCESS)
}

pub fn show(kind: Resource, named: &Named, format: Format) -> anyhow::Result<ExitCode> {
    let shown = named.place.open()?.get(&[kind.plural(), &named.name])?;
    print_one(kind, &shown, format)
}

/// One resource, as the gateway shows it.
pub fn print_one(kind: Resource, shown: &Reply, format: Format) -> anyhow::Result<ExitCode> {
    print(&shown.body, format, |body| details::explained(kind, body, shown.version))?;
    Ok(ExitCode::SUCCESS)
}

/// For programs the resource as it is now; for people what was done, and what to do next.
pub fn done(shown: &Reply, format: Format, words: &str) -> anyhow::Result<ExitCode> {
    print(&shown.body, format, |_| format!("{}\n", printable(words)))?;
    Ok(ExitCode::SUCCESS)
}

/// `POST` of a new one. What is secret stands in the body and nowhere else.
pub fn create(
    client: &Client,
    kind: Resource,
    fields: &Map<String, Value>,
    secret: Sent<'_>,
    idempotency_key: Option<&str>,
    force: bool,
) -> anyhow::Result<Reply> {
    check_names(kind, fields)?;
    let body = super::secret::body(fields, secret)?;
    let ask = Ask::new(Method::POST, &[kind.plural()])?.flag("force", force);
    client.send(ask.idempotency_key(idempotency_key).body(body))
}

/// By `--set`, from a file, or in an editor.
pub fn edit(kind: Resource, edit: &Edit, format: Format) -> anyhow::Result<ExitCode> {
    let client = edit.place.open()?;
    let path = [kind.plural(), &edit.name];
    let patch = |patch: Map<String, Value>, version: Option<u64>| {
        check_names(kind, &patch)?;
        client.send(Ask::new(Method::PATCH, &path)?.if_match(version).json(&Value::Object(patch))?)
    };
    let shown = if edit.given.is_nothing() {
        let before = client.get(&path)?;
        match in_editor(kind, &edit.name, &before)? {
            None => return said("nothing was changed"),
            Some((draft, changed)) => {
                // Whoever changed it meanwhile is not overwritten.
                let shown =
                    patch(changed, edit.if_match.or(before.version)).map_err(|e| kept(e, kind, &edit.name, &draft))?;
                draft.discard();
                shown
            }
        }
    } else {
        let mut changed = edit.given.in_file()?;
        let mut version = edit.if_match;
        if !changed.is_empty() {
            let before = client.get(&path)?;
            let mut fields = before.body.as_object().cloned().unwrap_or_default();
            without_signing(&mut fields)?;
            without_signing(&mut changed)?;
            changed = difference(&fields, &changed, false);
            version = version.or(before.version);
        }
        changed.extend(edit.given.patch()?);
        if changed.is_empty() {
            return said("nothing was changed");
        }
        patch(changed, version)?
    };
    let name = shown.body["name"].as_str().unwrap_or(&edit.name).to_owned();
    done(&shown, format, &format!("changed the {kind} {name}"))
}

fn said(words: &str) -> anyhow::Result<ExitCode> {
    eprintln!("keystile: {words}");
    Ok(ExitCode::SUCCESS)
}

fn in_editor(kind: Resource, name: &str, before: &Reply) -> anyhow::Result<Option<(Draft, Map<String, Value>)>> {
    let mut fields = editable(kind, before.body.as_object().unwrap_or(&Map::new()));
    without_signing(&mut fields)?;
    let draft = Draft::of(kind, name, &fields)?;
    let after = draft.edited().map_err(|e| kept(e, kind, name, &draft))?;
    let after = without_signing(&mut after.clone()).map(|()| after).map_err(|e| kept(e, kind, name, &draft))?;
    let changed = difference(&fields, &after, true);
    if changed.is_empty() {
        draft.discard();
        return Ok(None);
    }
    Ok(Some((draft, changed)))
}

/// Nobody types a page twice.
fn kept(error: anyhow::Error, kind: Resource, name: &str, draft: &Draft) -> anyhow::Error {
    let path = draft.path().display();
    anyhow::anyhow!("{error:#}\n  what you wrote is kept: keystile {} edit {name} -f {path}", kind.plural())
}

/// R2: what depends on it is shown before it is gone.
pub fn delete(kind: Resource, delete: &Delete, format: Format) -> anyhow::Result<ExitCode> {
    let client = delete.place.open()?;
    let name = &delete.name;
    let mut force = delete.force;
    if !force {
        let needed = client.get(&[kind.plural(), name, "dependants"])?.body;
        force = is_needed(&needed);
        let lines = dependants(&needed);
        if !lines.is_empty() {
            let verb = if force { "is still needed" } else { "is needed by nothing else" };
            eprintln!("the {kind} {} {verb}\n  {}", printable(name), lines.join("\n  "));
        }
        let question =
            if force { "Delete it nevertheless?".to_owned() } else { format!("Delete the {kind} {name} for good?") };
        input::confirm(&question, delete.yes)?;
    }
    client.send(Ask::new(Method::DELETE, &[kind.plural(), name])?.flag("force", force))?;
    deleted(kind, name, format)
}

/// Without asking what depends on it: keys are used by callers alone.
pub fn delete_alone(kind: Resource, delete: &Delete, format: Format) -> anyhow::Result<ExitCode> {
    let client = delete.place.open()?;
    let question = format!("Delete the {kind} {} for good?", printable(&delete.name));
    input::confirm(&question, delete.yes || delete.force)?;
    client.send(Ask::new(Method::DELETE, &[kind.plural(), &delete.name])?)?;
    deleted(kind, &delete.name, format)
}

fn deleted(kind: Resource, name: &str, format: Format) -> anyhow::Result<ExitCode> {
    print(&json!({ "deleted": name }), format, |_| format!("deleted the {kind} {}\n", printable(name)))?;
    Ok(ExitCode::SUCCESS)
}

/// A text of a resource for a cell; empty if it has none.
pub fn cell(body: &Value, field: &str) -> String {
    match &body[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => details::shown(other),
    }
}

/// A moment of a resource for a cell.
pub fn moment(value: &Value) -> String {
    super::times::written(value).map(|text| super::times::ago(&text)).unwrap_or_default()
}
