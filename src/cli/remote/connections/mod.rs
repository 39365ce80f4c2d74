//! `keystile connections …` of a running gateway. Their secrets go in and never come out.

mod found;

pub use found::{Filter, list, show, verify};

use super::client::Ask;
use super::fields::{Fields, Given};
use super::resource::{self, Delete, Edit};
use super::secret::{self, Sent, Source};
use super::table::printable;
use super::{Place, misuse};
use crate::cli::output::{Format, print};
use crate::model::Resource;
use http::Method;
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use zeroize::Zeroizing;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Create a connection: an upstream, the secret it wants and the place where the secret goes.
    ///
    /// The secret is asked for, unseen, or read from --secret-file; it is verified with the provider, sealed, and never
    /// shown again. `keystile connectors list` names the providers that are known.
    #[command(after_help = "\
Examples:
  keystile connections create stripe-production --connector stripe --environment Production
  keystile connections create engine --base-url https://engine.example --inject header=X-Engine-Key \\
      --secret-file /run/secrets/engine
  vault kv get -field=key kv/stripe | keystile connections create stripe --connector stripe --secret-file -
  keystile connections create later --connector stripe --no-secret")]
    Create(Box<Create>),
    /// Replace a connection's secret; the one before is kept for roll-back.
    ///
    /// Requests that run finish with the old one. The provider is asked first, and if it clearly says no, the old one
    /// stays (--force: save it nevertheless; --no-verify: do not ask).
    #[command(after_help = "\
Examples:
  keystile connections set-secret stripe-production
  keystile connections set-secret stripe-production --secret-file /run/secrets/stripe")]
    SetSecret(SetSecret),
    /// Make an earlier version of a connection's secret the current one.
    Rollback(Rollback),
    /// Forget the versions of a connection's secret before the current one, for good.
    Purge(Purge),
    /// Change a connection: with --set, from a file, or in your editor.
    ///
    /// A secret is sealed to its destination: changing where it goes leaves the connection in needs_secret until the secret
    /// is entered again. Example: keystile connections edit engine --set rate_limit=90/s
    Edit(Edit),
    /// Delete a connection with its secrets, after showing what depends on it.
    Delete(Delete),
}

#[derive(clap::Args)]
pub struct Create {
    /// What workflows and callers call it; unless --file says it.
    name: Option<String>,
    /// The provider, as `keystile connectors list` names it; custom for your own service.
    #[arg(short, long, value_name = "NAME")]
    connector: Option<String>,
    /// Where it belongs; without it the default environment.
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// What paths are appended to, if no connector says it.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Which of the connector's places.
    #[arg(long)]
    region: Option<String>,
    /// What the connector needs beside the secret; repeat it for more.
    #[arg(long = "field", value_name = "NAME=VALUE")]
    fields: Vec<String>,
    /// Where the secret goes: header=NAME, 'header=NAME=Bearer {secret}', query=NAME, basic=USER, 'path=/bot{secret}'.
    #[arg(long = "inject", value_name = "PLACE")]
    places: Vec<String>,
    /// A private network that this upstream may be in; repeat it for more.
    #[arg(long = "allow-network", value_name = "CIDR")]
    networks: Vec<String>,
    /// How much it is sent: 90/s.
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// The one that /c/CONNECTOR means in its environment.
    #[arg(long)]
    default: bool,
    /// What people call it.
    #[arg(long)]
    title: Option<String>,
    /// What people should know about it.
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    secret: Source,
    /// Without a secret: every call is refused until `set-secret` gives it one.
    #[arg(long, conflicts_with = "secret_file")]
    no_secret: bool,
    /// Save the secret even if the provider says no to it.
    #[arg(long)]
    force: bool,
    /// Repeating the command with the same text creates nothing twice.
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct SetSecret {
    /// The connection's name, or its id.
    name: String,
    #[command(flatten)]
    secret: Source,
    /// Save it even if the provider says no to it.
    #[arg(long)]
    force: bool,
    /// Do not ask the provider.
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Rollback {
    /// The connection's name, or its id.
    name: String,
    /// Which version; without it the one before the current.
    #[arg(long = "to", visible_alias = "version", value_name = "N")]
    to: Option<u32>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Purge {
    /// The connection's name, or its id.
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
        Command::SetSecret(arguments) => set_secret(arguments, format),
        Command::Rollback(arguments) => rollback(arguments, format),
        Command::Purge(arguments) => purge(arguments, format),
        Command::Edit(arguments) => resource::edit(Resource::Connection, arguments, format),
        Command::Delete(arguments) => resource::delete(Resource::Connection, arguments, format),
    }
}

fn create(arguments: &Create, format: Format) -> anyhow::Result<ExitCode> {
    arguments.secret.is_no_argument()?;
    let places: Vec<Value> = arguments.places.iter().map(|text| place(text)).collect::<anyhow::Result<_>>()?;
    let fields = Fields::beginning_with(&arguments.given)?
        .text("connector", arguments.connector.as_deref().filter(|name| *name != "custom"))
        .text("environment", arguments.environment.as_deref())
        .text("base_url", arguments.base_url.as_deref())
        .text("region", arguments.region.as_deref())
        .pairs("fields", "--field", &arguments.fields)?
        .value(
            "inject",
            (!places.is_empty()).then(|| if places.len() == 1 { places[0].clone() } else { places.into() }),
        )
        .list("allow_networks", &arguments.networks)
        .text("rate_limit", arguments.rate.as_deref())
        .flag("default", arguments.default)
        .text("title", arguments.title.as_deref())
        .text("description", arguments.description.as_deref())
        .set(&arguments.given)?;
    let (name, mut fields) = fields.named(Resource::Connection, arguments.name.as_deref())?;
    // Apart from the rest, so that it is wiped.
    let in_file = match fields.remove("secret") {
        Some(Value::String(secret)) => Some(Zeroizing::new(secret)),
        _ => None,
    };
    let client = arguments.place.open()?;
    let secret = match in_file {
        _ if arguments.no_secret => None,
        Some(secret) if !arguments.secret.is_named() => Some(secret),
        _ => Some(arguments.secret.read(&name)?),
    };
    let key = arguments.idempotency_key.as_deref();
    let sent = secret.as_ref().map_or(Sent::Nothing, Sent::Own);
    let created = resource::create(&client, Resource::Connection, &fields, sent, key, arguments.force)?;
    print(&created.body, format, |body| {
        format!("created the connection {}\n{}", printable(&name), standing(&name, body))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `header=Authorization=Bearer {secret}` as the configuration writes it.
fn place(text: &str) -> anyhow::Result<Value> {
    let wrong = || {
        misuse(
            "--inject is written header=NAME, 'header=NAME=Bearer {secret}', query=NAME, basic=USER or path=/bot{secret}",
        )
    };
    let (kind, rest) = text.split_once('=').filter(|(_, rest)| !rest.is_empty()).ok_or_else(wrong)?;
    match kind {
        "header" | "query" => Ok(match rest.split_once('=') {
            Some((name, value)) => json!({ kind: name, "value": value }),
            None => json!({ kind: rest }),
        }),
        "basic" => Ok(match rest.split_once(':') {
            Some((user, password)) => json!({ "basic": { "username": user, "password": password } }),
            None => json!({ "basic": { "username": rest } }),
        }),
        "path" => Ok(json!({ "path": rest })),
        _ => Err(wrong()),
    }
}

/// How it stands with the secret, in a line or a few.
fn standing(name: &str, body: &Value) -> String {
    let name = printable(name);
    let mut out = match body["status"].as_str() {
        None => String::new(),
        Some("needs_secret") => format!("it needs a secret: keystile connections set-secret {name}\n"),
        Some(status) => match said(&body["verification"]) {
            text if text.is_empty() => format!("{}\n", printable(status)),
            text => format!("{}: {text}\n", printable(status)),
        },
    };
    for notice in body["notices"].as_array().into_iter().flatten() {
        out += &format!("note: {}\n", printable(notice.as_str().or(notice["detail"].as_str()).unwrap_or("?")));
    }
    out
}

fn said(verification: &Value) -> String {
    let part = |field: &str| verification[field].as_str().filter(|text| !text.is_empty()).map(printable);
    [part("says"), part("remedy")].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn set_secret(arguments: &SetSecret, format: Format) -> anyhow::Result<ExitCode> {
    arguments.secret.is_no_argument()?;
    let client = arguments.place.open()?;
    let value = arguments.secret.read(&arguments.name)?;
    let mut ask = Ask::new(Method::PUT, &["connections", &arguments.name, "secret"])?.flag("force", arguments.force);
    if arguments.no_verify {
        ask = ask.query("verify", "false");
    }
    let shown = client.send(ask.body(secret::body(&Map::new(), Sent::Own(&value))?))?;
    let version = shown.body["secret_version"].as_u64().map(|n| format!(", version {n}")).unwrap_or_default();
    print(&shown.body, format, |body| {
        format!("saved the secret of {}{version}\n{}", printable(&arguments.name), standing(&arguments.name, body))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn rollback(arguments: &Rollback, format: Format) -> anyhow::Result<ExitCode> {
    let body = arguments.to.map_or_else(|| json!({}), |version| json!({ "version": version }));
    let ask = Ask::new(Method::POST, &["connections", &arguments.name, "rollback"])?.json(&body)?;
    let shown = arguments.place.open()?.send(ask)?;
    let version = shown.body["secret_version"].as_u64().map(|n| format!(" to version {n}")).unwrap_or_default();
    resource::done(&shown, format, &format!("rolled the secret of {} back{version}", arguments.name))
}

fn purge(arguments: &Purge, format: Format) -> anyhow::Result<ExitCode> {
    let client = arguments.place.open()?;
    let name = printable(&arguments.name);
    let question = format!("Forget all but the current secret of {name}? There is no roll-back then.");
    super::input::confirm(&question, arguments.yes)?;
    let done = client.post(&["connections", &arguments.name, "purge"])?;
    print(&done.body, format, |body| match body["purged"].as_u64() {
        Some(count) => format!("forgot {count} earlier versions of the secret of {name}\n"),
        None => format!("forgot the earlier versions of the secret of {name}\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_in_one_word() {
        let written = |text: &str| place(text).unwrap();
        assert_eq!(written("header=X-Key"), json!({ "header": "X-Key" }));
        let bearer = json!({ "header": "Authorization", "value": "Bearer {secret}" });
        assert_eq!(written("header=Authorization=Bearer {secret}"), bearer);
        assert_eq!(written("query=api_key"), json!({ "query": "api_key" }));
        assert_eq!(written("basic=api"), json!({ "basic": { "username": "api" } }));
        assert_eq!(written("basic={secret}:x"), json!({ "basic": { "username": "{secret}", "password": "x" } }));
        assert_eq!(written("path=/bot{secret}"), json!({ "path": "/bot{secret}" }));
        for bad in ["", "header", "header=", "cookie=x"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
