//! `keystile url sign | make-key` (H7): by a running gateway, or offline where a configuration without a store says all.

use super::output::{Format, print};
use super::remote::{self, Place, times};
use crate::assembly::{self, Assembled};
use crate::config::mistake::nearest;
use crate::control::{UrlOrder, no_url_key, signed_url};
use crate::model::{Key, Uid};
use crate::telemetry::timestamp::now_ms;
use crate::vault::MasterKey;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Sign a URL: whoever has it may call one workflow with it until it expires, without a token.
    ///
    /// For senders that can keep a URL and nothing else. It calls as the key: with its permissions, limits and addresses, in
    /// one environment, by the method of the workflow's template. The rest of the query and the values of the template's
    /// placeholders are not signed. It ends with --expires, and before that when the slot's token is regenerated, or the key is
    /// disabled, revoked or expired. It is kept nowhere; one that is lost is signed anew.
    ///
    /// Prints the URL on standard output, and what to know about it on standard error.
    #[command(after_help = "\
Examples:
  keystile url sign --key acme-crm --workflow order-created --expires 90d --base https://hooks.example.com
  keystile url sign --key acme-crm --workflow get-customer --param id=7 --expires 2027-03-01 --environment Test
  keystile url sign --config keystile.yaml --key acme-crm --workflow order-created --expires 1h -o json | jq -r .url")]
    Sign(Box<Sign>),
    /// Make a master key in a new file, for a configuration without a store: `master_key: file:FILE`.
    ///
    /// URLs are signed with it, so keep it as you keep tokens; URLs that were signed with another end. What stands at FILE is
    /// never replaced. `keystile init` makes one for a gateway with a store.
    MakeKey {
        /// Where it will be; only you can read it.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub struct Sign {
    /// The key that calls with it: its name, or its id.
    #[arg(short, long, value_name = "NAME")]
    key: String,
    /// The workflow that it calls.
    #[arg(short, long, value_name = "NAME")]
    workflow: String,
    /// When it ends, in ten years at most: 90d, 2027-03-01 (its first moment, UTC) or 2027-03-01T12:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = times::ahead)]
    expires: String,
    /// Which of the key's tokens ends it by being regenerated [default: the first that there is]
    #[arg(long, value_parser = ["primary", "secondary"])]
    slot: Option<String>,
    /// Where its calls run [default: the key's own, or the default environment]
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// What callers reach the gateway by: https://hooks.example.com [default: the listener's address]
    #[arg(long, value_name = "URL")]
    base: Option<String>,
    /// A value for a placeholder of the template, id=7; repeat it for more.
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Sign with this configuration, which has no store. Without it a running gateway is asked, if one is named below, by
    /// KEYSTILE_URL or by `keystile login`; else the file that KEYSTILE_CONFIG names, or keystile.yaml.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as id=7")?;
    let name = name.trim_start_matches('{').trim_end_matches('}').trim_end_matches("...");
    Ok((name.to_owned(), value.to_owned()))
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::Sign(arguments) => sign(arguments, format)?,
        Command::MakeKey { file } => {
            let place = file.display();
            MasterKey::create_file(file).with_context(|| format!("cannot make the master key {place}"))?;
            eprintln!("made {place}, which only you can read; keep a copy of it elsewhere");
            eprintln!("write into the configuration: master_key: file:{place}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn sign(arguments: &Sign, format: Format) -> anyhow::Result<()> {
    let order = UrlOrder {
        workflow: Some(arguments.workflow.clone()),
        expires_at: Some(arguments.expires.clone()),
        expires_in: None,
        slot: arguments.slot.clone(),
        environment: arguments.environment.clone(),
        base: arguments.base.clone(),
        parameters: arguments.parameters.iter().cloned().collect(),
    };
    let named = std::env::var_os("KEYSTILE_CONFIG").map(PathBuf::from);
    let signed = match &arguments.config {
        Some(file) => offline(file, &arguments.key, &order)?,
        None if arguments.place.is_named() => remote::urls::sign(&arguments.place, &arguments.key, &order)?,
        None => offline(&named.unwrap_or_else(|| "keystile.yaml".into()), &arguments.key, &order)?,
    };
    print(&signed, format, |signed| format!("{}\n", signed["url"].as_str().unwrap_or_default()))?;
    if format == Format::Table {
        told(&signed);
    }
    Ok(())
}

/// What to know of it, beside the URL.
fn told(signed: &Value) {
    let text = |field: &str| remote::printable(signed[field].as_str().unwrap_or_default());
    let (key, slot, environment) = (text("key"), text("slot"), text("environment"));
    eprintln!("until {}, as the key {key} (its {slot} slot), in {environment}", text("expires_at"));
    eprintln!("whoever has this URL can call {} with it ({})", text("workflow"), text("method"));
    for notice in signed["notices"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("note: {}", remote::printable(notice));
    }
}

fn offline(file: &Path, key: &str, order: &UrlOrder) -> anyhow::Result<Value> {
    if !file.exists() {
        bail!(
            "there is no {}, and no gateway is named\n  name a configuration with --config, or a running gateway: \
             keystile login, or --url",
            file.display()
        );
    }
    let Assembled { snapshot, settings, .. } =
        assembly::from_file(file).map_err(|rejected| anyhow::anyhow!("{rejected}"))?;
    if settings.store.is_some() {
        bail!(
            "{} has a store, from which URLs are signed: the running gateway does it\n  leave --config out, and name the \
             gateway: keystile login, or --url with KEYSTILE_TOKEN",
            file.display()
        );
    }
    if snapshot.url_key.is_none() {
        let (reason, remedy) = no_url_key(&settings);
        bail!("{reason}\n  {remedy}");
    }
    let found = snapshot.keys.iter().find(|known| *known.name == *key || Uid::parse(key) == Some(known.uid));
    let found = found.with_context(|| unknown(key, snapshot.keys.iter()))?;
    let signed = signed_url(&snapshot, found, order, now_ms()).map_err(|wrong| {
        let lines: Vec<String> = wrong.iter().map(|wrong| format!("{}\n  {}", wrong.reason, wrong.remedy)).collect();
        anyhow::anyhow!(lines.join("\n"))
    })?;
    Ok(serde_json::from_str(&signed)?)
}

fn unknown<'k>(name: &str, keys: impl Iterator<Item = &'k Key>) -> String {
    let near = nearest(name, keys.map(|key| &*key.name));
    let hint =
        near.map_or("they stand under keys: in the configuration".to_owned(), |near| format!("did you mean {near}?"));
    format!("there is no key {name:?}; {hint}")
}
