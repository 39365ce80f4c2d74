//! `keystile keys create | list | show | rotate | disable | enable | revoke | edit | delete`.

use super::client::{Ask, Client, Reply};
use super::fields::{Fields, Given};
use super::resource::{self, Delete, Edit, Extent, Named, cell, moment};
use super::secret::Sent;
use super::table::printable;
use super::{Place, input, times};
use crate::cli::keys::digest_of;
use crate::cli::output::{Format, print};
use crate::model::Resource;
use http::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Create a key, and print its two tokens, this once.
    ///
    /// Both are valid: one is for the caller, the other lets you replace the first while callers work. A key may do nothing
    /// until it is permitted: name its workflows or connections, or the word all. The gateway keeps digests only.
    #[command(after_help = "\
Examples:
  keystile keys create acme-crm --workflow get-customer --environment Test --expires 90d
  keystile keys create orders-worker --connection stripe-production --rate '600/min burst 50'
  keystile keys create old-caller --workflow all --import-primary-from token.txt
  keystile keys create ci --workflow all -o json | jq -r .primary")]
    Create(Box<Create>),
    /// List keys.
    ///
    /// Never a token. A token that was not used for long is safe to rotate.
    List(List),
    /// Show all of a key: what it may do, and when each of its tokens was used last. Never a token.
    Show(Named),
    /// Replace one of a key's tokens, and print the new one, this once.
    ///
    /// The other one goes on working, and so does the replaced one for --grace. To change a caller's token without a gap:
    /// rotate the slot it does not use (`keystile keys show` tells which), give it that token, then rotate the other.
    #[command(after_help = "\
Examples:
  keystile keys rotate acme-crm --slot secondary
  keystile keys rotate acme-crm --slot primary --grace 1h -o json | jq -r .primary")]
    Rotate(Rotate),
    /// Refuse a key's calls until it is enabled again; effective when this returns.
    Disable(Named),
    /// Let a disabled key call again.
    Enable(Named),
    /// End a key for good; it stays in lists. Effective when this returns.
    Revoke(Final),
    /// Change a key: with --set, from a file, or in your editor.
    #[command(after_help = "\
Examples:
  keystile keys edit acme-crm --set rate_limit=100/s --set expires_at=null
  keystile keys edit acme-crm                             (opens $VISUAL or $EDITOR)
  keystile keys show acme-crm -o yaml > key.yaml; keystile keys edit acme-crm -f key.yaml")]
    Edit(Edit),
    /// Delete a key with its usage; its tokens are unknown from then on.
    Delete(Delete),
}

#[derive(clap::Args)]
pub struct Create {
    /// What logs and upstreams call it; unless --file says it.
    name: Option<String>,
    /// A workflow it may invoke, or all; repeat it for more.
    #[arg(short, long = "workflow", value_name = "NAME")]
    workflows: Vec<String>,
    /// A connection it may use for outbound calls, or all; repeat it for more.
    #[arg(long = "connection", value_name = "NAME")]
    connections: Vec<String>,
    /// The one environment it may reach.
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// What it may do at all: workflows:invoke, connections:use, admin:read, admin:write; repeat it for more.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// When it ends: 90d, 2027-06-30 (its first moment, UTC) or 2027-06-30T12:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = times::ahead)]
    expires: Option<String>,
    /// How much it may call: 100/s, '600/min burst 50'.
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// A network it may call from; repeat it for more.
    #[arg(long = "allow", value_name = "CIDR")]
    addresses: Vec<String>,
    /// What people call it.
    #[arg(long)]
    title: Option<String>,
    /// What people should know about it.
    #[arg(long)]
    description: Option<String>,
    /// From when on its token is refused in URLs; written like --expires.
    #[arg(long, value_name = "WHEN", value_parser = times::ahead)]
    query_sunset: Option<String>,
    /// A token that callers have already, in a file or - for standard input; only its digest is sent.
    #[arg(long, value_name = "FILE", conflicts_with = "primary_digest")]
    import_primary_from: Option<PathBuf>,
    /// The same for the secondary token.
    #[arg(long, value_name = "FILE")]
    import_secondary_from: Option<PathBuf>,
    /// The digest of a token that callers have already, as `keystile keys digest` prints it.
    #[arg(long, value_name = "DIGEST")]
    primary_digest: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Repeating the command with the same text creates nothing twice, and shows no token again.
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct List {
    /// Only those in this state.
    #[arg(long, visible_alias = "status", value_parser = ["enabled", "disabled", "revoked", "expired"])]
    state: Option<String>,
    /// Only those of this environment.
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// Only those with this in their name, title or description.
    #[arg(short, value_name = "TEXT")]
    query: Option<String>,
    #[command(flatten)]
    extent: Extent,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Rotate {
    /// The key's name, or its id.
    name: String,
    /// Which token.
    #[arg(long, value_parser = ["primary", "secondary"])]
    slot: String,
    /// How long the replaced token is still accepted: 1h. Without it not at all.
    #[arg(long, value_name = "DURATION", value_parser = times::duration)]
    grace: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Final {
    /// The key's name, or its id.
    name: String,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(arguments) => create(arguments, format),
        Command::List(arguments) => list(arguments, format),
        Command::Show(named) => resource::show(Resource::Key, named, format),
        Command::Rotate(arguments) => rotate(arguments, format),
        Command::Disable(named) => {
            let shown = act(&named.place.open()?, &named.name, "disable")?;
            resource::done(&shown, format, &format!("disabled the key {}: its calls are refused", named.name))
        }
        Command::Enable(named) => {
            let shown = act(&named.place.open()?, &named.name, "enable")?;
            resource::done(&shown, format, &format!("enabled the key {}", named.name))
        }
        Command::Revoke(arguments) => {
            let client = arguments.place.open()?;
            let question = format!("Revoke the key {}? It cannot be enabled again.", printable(&arguments.name));
            input::confirm(&question, arguments.yes)?;
            let shown = act(&client, &arguments.name, "revoke")?;
            resource::done(&shown, format, &format!("revoked the key {} for good", arguments.name))
        }
        Command::Edit(arguments) => resource::edit(Resource::Key, arguments, format),
        Command::Delete(arguments) => resource::delete_alone(Resource::Key, arguments, format),
    }
}

fn act(client: &Client, name: &str, verb: &str) -> anyhow::Result<Reply> {
    client.post(&["keys", name, verb])
}

fn create(arguments: &Create, format: Format) -> anyhow::Result<ExitCode> {
    let imported = |file: Option<&Path>| {
        file.map(|file| Ok::<_, anyhow::Error>(digest_of(input::value(file, "the token")?.as_bytes())?.to_string()))
            .transpose()
    };
    let primary = imported(arguments.import_primary_from.as_deref())?.or_else(|| arguments.primary_digest.clone());
    let secondary = imported(arguments.import_secondary_from.as_deref())?;
    let fields = Fields::beginning_with(&arguments.given)?
        .names("workflows", &arguments.workflows)
        .names("connections", &arguments.connections)
        .text("environment", arguments.environment.as_deref())
        .list("scopes", &arguments.scopes)
        .text("expires_at", arguments.expires.as_deref())
        .text("rate_limit", arguments.rate.as_deref())
        .list("allow_addresses", &arguments.addresses)
        .text("title", arguments.title.as_deref())
        .text("description", arguments.description.as_deref())
        .text("query_key_sunset", arguments.query_sunset.as_deref())
        .text("primary", primary.as_deref())
        .text("secondary", secondary.as_deref())
        .set(&arguments.given)?;
    let (_, fields) = fields.named(Resource::Key, arguments.name.as_deref())?;
    let client = arguments.place.open()?;
    let idempotency_key = arguments.idempotency_key.as_deref();
    let created = resource::create(&client, Resource::Key, &fields, Sent::Nothing, idempotency_key, false)?;
    print(&created.body, format, tokens_told)?;
    Ok(ExitCode::SUCCESS)
}

/// The tokens, and what to do with them.
fn tokens_told(body: &Value) -> String {
    let name = printable(&cell(body, "name"));
    let mut out = format!("created the key {name} ({})\n\n", printable(&cell(body, "id")));
    let tokens: Vec<(&str, &str)> =
        ["primary", "secondary"].into_iter().filter_map(|slot| Some((slot, body[slot].as_str()?))).collect();
    if body["tokens_already_shown"] == true || tokens.is_empty() {
        let hint = "It was created before, and its tokens were shown then. A new one: keystile keys rotate";
        let _ = writeln!(out, "{hint} {name} --slot primary");
        return out;
    }
    for (slot, token) in &tokens {
        let _ = writeln!(out, "{slot:9}  {}", printable(token));
    }
    out + "\nKeep what you need of it now: it is not stored, and not shown again. Give the caller one of them.\n"
}

fn rotate(arguments: &Rotate, format: Format) -> anyhow::Result<ExitCode> {
    let (name, slot) = (arguments.name.as_str(), arguments.slot.as_str());
    let body = arguments.grace.as_ref().map_or_else(|| json!({}), |grace| json!({ "grace": grace }));
    let ask = Ask::new(Method::POST, &["keys", name, "slots", slot, "regenerate"])?.json(&body)?;
    let mut reply = arguments.place.open()?.send(ask)?.body;
    let token = reply["token"].take();
    let Some(text) = token.as_str().map(str::to_owned) else {
        anyhow::bail!("the reply holds no token: is it Keystile's?")
    };
    print(&json!({ slot: token }), format, |_| {
        let old = match &arguments.grace {
            Some(grace) => format!("The one it replaces is accepted for {grace} more."),
            None => "The one it replaces is refused from now on.".to_owned(),
        };
        format!("{slot:9}  {}\n\nKeep it now: it is not stored, and not shown again. {old}\n", printable(&text))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn list(arguments: &List, format: Format) -> anyhow::Result<ExitCode> {
    let client = arguments.place.open()?;
    let ask = || {
        Ok(Ask::new(Method::GET, &["keys"])?
            .query_if("status", arguments.state.as_deref())
            .query_if("environment", arguments.environment.as_deref())
            .query_if("q", arguments.query.as_deref()))
    };
    let heads =
        ["NAME", "STATUS", "ENVIRONMENT", "WORKFLOWS", "CONNECTIONS", "EXPIRES", "PRIMARY USED", "SECONDARY USED"];
    resource::list(&client, &arguments.extent, format, ask, &heads, |key| {
        vec![
            cell(key, "name"),
            cell(key, "status"),
            cell(key, "environment"),
            cell(key, "workflows"),
            cell(key, "connections"),
            moment(&key["expires_at"]),
            moment(last_used(key, "primary")),
            moment(last_used(key, "secondary")),
        ]
    })
}

fn last_used<'k>(key: &'k Value, slot: &str) -> &'k Value {
    &key["slots"][slot]["last_used_at"]
}
