//! `keystile audit list | verify | export`.

use super::client::Ask;
use super::resource::{self, Extent, cell};
use super::{Place, details, times};
use crate::cli::output::{Format, print};
use http::Method;
use serde_json::Value;
use std::io::Write as _;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub enum Command {
    /// List what was changed, by whom, when and from where; the newest first.
    #[command(after_help = "\
Examples:
  keystile audit list --since 7d
  keystile audit list --kind key --subject acme-crm -o json | jq -r '.[] | [.at, .actor, .action] | @tsv'")]
    List(List),
    /// Prove that no entry was changed, taken out or put in: follows the chain of hashes from its beginning.
    ///
    /// Exit code 1 if the chain is broken. That its end was not cut off is seen by comparing count and head with what the
    /// log tells every hour.
    Verify(Verify),
    /// Write all entries to standard output as JSON lines, the newest first.
    ///
    /// Example: keystile audit export --since 2027-01-01 > audit.jsonl
    Export(Export),
}

/// Which entries.
#[derive(clap::Args)]
pub struct Filter {
    /// Only what this key did.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this: key.create, connection.set_secret, …
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was done to these: key, connection, workflow, environment.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only what was done to this one.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Only from then on: 7d (ago), 2027-06-30 or 2027-06-30T12:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = times::back)]
    since: Option<String>,
    /// Only until then; written like --since.
    #[arg(long, value_name = "WHEN", value_parser = times::back)]
    until: Option<String>,
}

#[derive(clap::Args)]
pub struct List {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    extent: Extent,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Verify {
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Export {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    place: Place,
}

impl Filter {
    fn ask(&self) -> anyhow::Result<Ask> {
        Ok(Ask::new(Method::GET, &["audit"])?
            .query_if("actor", self.actor.as_deref())
            .query_if("action", self.action.as_deref())
            .query_if("kind", self.kind.as_deref())
            .query_if("subject", self.subject.as_deref())
            .query_if("since", self.since.as_deref())
            .query_if("until", self.until.as_deref()))
    }
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(arguments) => list(arguments, format),
        Command::Verify(arguments) => verify(&arguments.place, format),
        Command::Export(arguments) => export(arguments),
    }
}

fn list(arguments: &List, format: Format) -> anyhow::Result<ExitCode> {
    let client = arguments.place.open()?;
    let heads = ["NO", "WHEN", "WHO", "FROM", "DID", "TO WHAT", "WHAT CHANGED"];
    resource::list(
        &client,
        &arguments.extent,
        format,
        || arguments.filter.ask(),
        &heads,
        |entry| {
            vec![
                cell(entry, "seq"),
                resource::moment(&entry["at"]),
                cell(entry, "actor"),
                cell(entry, "address"),
                cell(entry, "action"),
                cell(entry, "subject"),
                changes(&entry["before"], &entry["after"]),
            ]
        },
    )
}

/// `rate_limit: 1/s → 2/s`, for the fields that differ.
fn changes(before: &Value, after: &Value) -> String {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return String::new() };
    let differs = |field: &&String| {
        before.get(*field) != after.get(*field) && !matches!(field.as_str(), "version" | "updated_at")
    };
    let mut fields: Vec<&String> = before.keys().chain(after.keys()).filter(differs).collect();
    fields.sort();
    fields.dedup();
    let shown =
        |fields: &serde_json::Map<String, Value>, name: &str| details::shown(fields.get(name).unwrap_or(&Value::Null));
    let change = |name: &&String| format!("{name}: {} → {}", shown(before, name), shown(after, name));
    fields.iter().map(change).collect::<Vec<_>>().join(", ")
}

fn verify(place: &Place, format: Format) -> anyhow::Result<ExitCode> {
    let found = place.open()?.get(&["audit", "verify"])?.body;
    let sound = found["ok"] == true;
    print(&found, format, |found| {
        let (count, head) = (details::shown(&found["count"]), details::shown(&found["head"]));
        match sound {
            true => format!("the chain is whole: {count} entries, head {head}\n"),
            false => format!(
                "the chain is broken at entry {}: what stands there or behind it was changed outside of Keystile\n",
                details::shown(&found["broken_at"])
            ),
        }
    })?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn export(arguments: &Export) -> anyhow::Result<ExitCode> {
    let client = arguments.place.open()?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let written = resource::each(
        &client,
        usize::MAX,
        || arguments.filter.ask(),
        |entry| {
            serde_json::to_writer(&mut out, &entry)?;
            Ok(out.write_all(b"\n")?)
        },
    );
    written.and_then(|_| Ok(out.flush()?)).or_else(|error| if is_hangup(&error) { Ok(()) } else { Err(error) })?;
    Ok(ExitCode::SUCCESS)
}

/// A reader that hangs up (`| head`) is no error.
fn is_hangup(error: &anyhow::Error) -> bool {
    let kind = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    let json = |error: &serde_json::Error| error.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe);
    error.downcast_ref().is_some_and(kind) || error.downcast_ref().is_some_and(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_says_what_changed() {
        let before = json!({ "rate_limit": "1/s", "title": null, "version": 1 });
        let after = json!({ "rate_limit": "2/s", "title": "T", "version": 2 });
        assert_eq!(changes(&before, &after), "rate_limit: 1/s → 2/s, title: - → T");
        assert_eq!(changes(&Value::Null, &after), "");
    }
}
