//! `keystile status | export | import`: the gateway as a whole.

use super::client::Ask;
use super::table::printable;
use super::{Place, details, input, misuse};
use crate::cli::output::{Format, print};
use anyhow::Context as _;
use http::Method;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Status {
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keystile export > keystile-resources.yaml
  keystile export --file backup.yaml --profile production
  keystile export | keystile import -f - --profile staging --dry-run")]
pub struct Export {
    /// The file to write, which must not exist; without it standard output.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keystile import -f keystile-resources.yaml --dry-run    say what would be done
  keystile import -f keystile-resources.yaml
  keystile export --profile staging | keystile import -f - --profile production")]
pub struct Import {
    /// What `keystile export` wrote, or the resources of a configuration file, in YAML or JSON; - for standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

pub fn status(arguments: &Status, format: Format) -> anyhow::Result<ExitCode> {
    let status = arguments.place.open()?.get(&["status"])?.body;
    print(&status, format, details::told)?;
    Ok(ExitCode::SUCCESS)
}

/// YAML unless JSON is asked for: it is to be read, kept under version control and imported.
pub fn export(arguments: &Export, format: Format) -> anyhow::Result<ExitCode> {
    let document = arguments.place.open()?.get(&["export"])?.body;
    let format = if format == Format::Json { Format::Json } else { Format::Yaml };
    let Some(file) = &arguments.file else {
        print(&document, format, |_| String::new())?;
        return Ok(ExitCode::SUCCESS);
    };
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&document)? + "\n",
        _ => serde_yaml::to_string(&document)?,
    };
    let mut created = std::fs::File::create_new(file)
        .with_context(|| format!("cannot write {}: nothing is overwritten", file.display()))?;
    std::io::Write::write_all(&mut created, text.as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("keystile: wrote {}: ids and settings, no secrets", file.display());
    Ok(ExitCode::SUCCESS)
}

pub fn import(arguments: &Import, format: Format) -> anyhow::Result<ExitCode> {
    let text = input::text(&arguments.file)?;
    let at = input::shown(&arguments.file);
    let document: Value = serde_yaml::from_str(&text).map_err(|e| {
        let line = e.location().map(|l| format!(":{}:{}", l.line(), l.column())).unwrap_or_default();
        anyhow::anyhow!("{at}{line} is neither YAML nor JSON")
    })?;
    if !document.is_object() {
        return Err(misuse(format!("{at} holds no resources: connections:, workflows:, keys:, environments:")));
    }
    let ask = Ask::new(Method::POST, &["import"])?.flag("dry_run", arguments.dry_run).json(&document)?;
    let done = arguments.place.open()?.send(ask)?.body;
    print(&done, format, |done| told(done, arguments.dry_run))?;
    Ok(ExitCode::SUCCESS)
}

/// What was done to each, and what is left to do.
fn told(done: &Value, dry_run: bool) -> String {
    let named = |one: &Value| match (one.as_str(), one["kind"].as_str(), one["name"].as_str()) {
        (Some(text), ..) => printable(text),
        (_, Some(kind), Some(name)) => printable(&format!("{kind} {name}")),
        (_, None, Some(name)) => printable(name),
        _ => details::shown(one),
    };
    let of =
        |what: &str| done[what].as_array().map(|all| all.iter().map(named).collect::<Vec<_>>()).unwrap_or_default();
    let mut out = String::new();
    for (what, would) in [("created", "would create"), ("updated", "would update"), ("unchanged", "unchanged")] {
        let all = of(what);
        let label = if dry_run { would } else { what };
        let names = if all.is_empty() || what == "unchanged" { String::new() } else { format!("  {}", all.join(", ")) };
        let _ = writeln!(out, "{label:12}  {:>5}{names}", all.len());
    }
    let waiting = of("needs_secret");
    if !waiting.is_empty() {
        let _ = writeln!(out, "\nAn export holds no secrets. These need theirs, and refuse calls until then:");
    }
    for one in waiting {
        let name = one.strip_prefix("connection ").unwrap_or(&one);
        let _ = writeln!(out, "  keystile connections set-secret {name}");
    }
    let unsigned = of("needs_signing_secret");
    if !unsigned.is_empty() {
        let _ = writeln!(
            out,
            "\nThese workflows need a secret that their senders sign with, and refuse deliveries until then:"
        );
    }
    for name in unsigned {
        let _ = writeln!(out, "  keystile workflows add-secret {name}");
    }
    let tokenless = of("needs_token");
    if !tokenless.is_empty() {
        let _ = writeln!(out, "\nThese keys have no token yet:");
    }
    for name in tokenless {
        let _ = writeln!(out, "  keystile keys rotate {name} --slot primary");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_import_says_what_was_done_and_which_secrets_it_needs() {
        let done = json!({ "created": [{ "kind": "connection", "name": "stripe" }, "workflow pay"], "updated": [],
            "unchanged": [{ "kind": "key", "name": "acme" }], "needs_secret": ["stripe"] });
        let text = told(&done, false);
        assert!(text.contains("created           2  connection stripe, workflow pay"), "{text}");
        assert!(text.contains("unchanged         1\n"), "{text}");
        assert!(text.ends_with("  keystile connections set-secret stripe\n"), "{text}");
        assert!(told(&done, true).contains("would create"), "{text}");
        let text = told(&json!({ "needs_signing_secret": ["hooks"] }), false);
        assert!(text.ends_with("  keystile workflows add-secret hooks\n"), "{text}");
        let text = told(&json!({ "needs_token": ["acme"] }), false);
        assert!(text.ends_with("  keystile keys rotate acme --slot primary\n"), "{text}");
    }
}
