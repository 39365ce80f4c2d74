//! `keystile workflows secrets | add-secret | remove-secret`: what senders sign with, one by one.

use crate::cli::output::{Format, print};
use crate::cli::remote::client::Ask;
use crate::cli::remote::resource::{Named, cell, moment};
use crate::cli::remote::secret::{self, Source};
use crate::cli::remote::table::{printable, table};
use crate::cli::remote::{Place, input, times};
use http::Method;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Add {
    /// The workflow's name, or its id.
    name: String,
    #[command(flatten)]
    secret: Source,
    /// Repeating the command with the same text adds nothing twice.
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Remove {
    /// The workflow's name, or its id.
    name: String,
    /// The secret's number, as `keystile workflows secrets` shows it.
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    number: u32,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Also the last one: every delivery is refused from then on.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
}

pub fn list(named: &Named, format: Format) -> anyhow::Result<ExitCode> {
    let mut shown = named.place.open()?.get(&["workflows", &named.name])?.body;
    let secrets = match shown["webhook"]["secrets"].take() {
        Value::Array(secrets) => secrets,
        _ => anyhow::bail!("the workflow {} verifies no signatures, and has no secrets", printable(&named.name)),
    };
    print(&secrets, format, |secrets| told(&named.name, secrets))?;
    Ok(ExitCode::SUCCESS)
}

/// So long unused, a secret is taken for forgotten by its sender.
const LONG: u64 = 7;

fn told(name: &str, secrets: &[Value]) -> String {
    if secrets.is_empty() {
        return format!("there are none: keystile workflows add-secret {}\n", printable(name));
    }
    let heads = ["SECRET", "CREATED", "BY", "LAST USED"];
    let rows: Vec<Vec<String>> = secrets.iter().map(row).collect();
    let mut out = table(&heads, &rows);
    let used = secrets.iter().any(|secret| days_unused(secret).is_some_and(|days| days < LONG));
    for secret in secrets.iter().filter(|_| used) {
        let (Some(days), Some(number)) = (days_unused(secret), secret["number"].as_u64()) else { continue };
        if days >= LONG {
            let name = printable(name);
            let _ = writeln!(
                out,
                "\nsecret {number} is unused for {days} days: safe to remove\n  keystile workflows remove-secret {name} {number}"
            );
        }
    }
    out
}

fn row(secret: &Value) -> Vec<String> {
    let known_by = ["number", "reference"].map(|field| cell(secret, field)).concat();
    let used = match &secret["last_used_at"] {
        Value::Null => "never".to_owned(),
        used => moment(used),
    };
    vec![known_by, moment(&secret["created_at"]), cell(secret, "created_by"), used]
}

/// Since it was used, or else since it was added.
fn days_unused(secret: &Value) -> Option<u64> {
    let since = ["last_used_at", "created_at"].into_iter().find_map(|field| times::written(&secret[field]))?;
    times::days_since(&since)
}

pub fn add(arguments: &Add, format: Format) -> anyhow::Result<ExitCode> {
    arguments.secret.is_no_argument()?;
    let client = arguments.place.open()?;
    let value = arguments.secret.read(&arguments.name)?;
    let ask = Ask::new(Method::POST, &["workflows", &arguments.name, "secrets"])?;
    let ask = ask.idempotency_key(arguments.idempotency_key.as_deref());
    let added = client.send(ask.body(secret::body(&Map::new(), secret::Sent::Own(&value))?))?;
    print(&added.body, format, |body| {
        let name = printable(&arguments.name);
        format!("added secret {} of {name}: it is valid beside the others\n{}", cell(body, "number"), notes(body))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What was done to what was sent, a line each.
pub fn notes(body: &Value) -> String {
    let notices = body["notices"].as_array().into_iter().flatten().filter_map(Value::as_str);
    notices.map(|notice| format!("note: {}\n", printable(notice))).collect()
}

pub fn remove(arguments: &Remove, format: Format) -> anyhow::Result<ExitCode> {
    let client = arguments.place.open()?;
    let (name, number) = (printable(&arguments.name), arguments.number);
    let question =
        format!("Remove secret {number} of {name} for good? What is signed with it is refused from then on.");
    input::confirm(&question, arguments.yes || arguments.force)?;
    let ask = Ask::new(Method::DELETE, &["workflows", &arguments.name, "secrets", &number.to_string()])?;
    client.send(ask.flag("force", arguments.force))?;
    print(&json!({ "removed": number }), format, |_| format!("removed secret {number} of {name}\n"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_long_unused_while_another_is_used_is_safe_to_remove() {
        let now = crate::telemetry::timestamp::text(crate::telemetry::timestamp::now_ms());
        let old = "2020-01-01T00:00:00Z";
        let one = |number: u64, used: Value| json!({ "number": number, "created_at": old, "last_used_at": used });
        let text = told("hooks", &[one(1, old.into()), one(2, now.clone().into())]);
        assert!(text.contains("secret 1 is unused for") && text.contains("remove-secret hooks 1\n"), "{text}");
        assert!(!text.contains("secret 2 is unused"), "{text}");
        let quiet = told("hooks", &[one(1, old.into()), one(2, Value::Null)]);
        assert!(!quiet.contains("safe to remove") && quiet.contains("never"), "nobody delivers: {quiet}");
        let file = told("hooks", &[json!({ "reference": "env:A", "last_used_at": null })]);
        assert!(file.contains("env:A") && file.contains("never"), "{file}");
    }
}
