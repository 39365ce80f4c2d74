//! `keystile usage [KEY]`.

use super::client::Ask;
use super::resource::{cell, moment};
use super::table::table;
use super::{Place, details};
use crate::cli::output::{Format, print};
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keystile usage                            everything that was used
  keystile usage acme-crm                   one key, by token
  keystile usage --kind workflow            all workflows")]
pub struct Usage {
    /// A key; with --kind another resource.
    name: Option<String>,
    /// Whose usage: key, workflow or connection [default: key if a name is given, else all].
    #[arg(long, value_parser = ["key", "workflow", "connection"])]
    kind: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub fn run(arguments: &Usage, format: Format) -> anyhow::Result<ExitCode> {
    let kind = arguments.kind.as_deref().or(arguments.name.as_ref().map(|_| "key"));
    let ask = Ask::new(Method::GET, &["usage"])?.query_if("kind", kind).query_if("name", arguments.name.as_deref());
    let mut body = arguments.place.open()?.send(ask)?.body;
    let items = body["items"].take();
    print(&items, format, |items| {
        let rows: Vec<Vec<String>> = items.as_array().into_iter().flatten().map(row).collect();
        match rows.is_empty() {
            true => "nothing was used yet\n".to_owned(),
            false => table(&["KIND", "NAME", "SLOT", "REQUESTS", "REFUSED", "LAST USED"], &rows),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn row(one: &Value) -> Vec<String> {
    let refused = one["refused"].as_object().filter(|codes| !codes.is_empty());
    let refused = refused.map(|codes| {
        let count = |(code, count): (&String, &Value)| format!("{code} {}", details::shown(count));
        codes.iter().map(count).collect::<Vec<_>>().join(", ")
    });
    vec![
        cell(one, "kind"),
        cell(one, "name"),
        cell(one, "slot"),
        cell(one, "requests"),
        refused.unwrap_or_default(),
        moment(&one["last_used_at"]),
    ]
}
