//! `keystile connections list | show | verify`.

mod shown;
mod verified;

pub use verified::{Verified, verified, verified_table};

use super::ConfigFile;
use super::output::{Format, print};
use crate::assembly::{self, Assembled};
use crate::config::mistake::nearest;
use crate::config::scalar;
use crate::connector::State;
use crate::model::connection::ConnectionId;
use anyhow::bail;
use shown::{Shown, explained, rows, shown};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// How long one verification may take: people wait for it, and providers who take longer are not well.
pub const TIME: Duration = Duration::from_secs(15);

#[derive(clap::Subcommand)]
pub enum Command {
    /// List the connections of the configuration.
    ///
    /// Each with its environment, its connector, where calls go and where in a request the secret goes. Never a secret.
    List {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Show one connection: where its calls go, what may be called, its limits, and how its secret is verified.
    ///
    /// Never the secret. Whether the secret works is told by `keystile connections verify NAME`.
    Show {
        /// As `keystile connections list` names it.
        name: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Ask the providers whether the connections' secrets work.
    ///
    /// Makes one cheap call for each connection, which changes nothing there: the `verify` of its connector, as
    /// `keystile connectors show stripe` lists it. The call goes to the connection's own base URL and nowhere else, over the
    /// same TLS, addresses and injection as traffic; redirects are not followed, and a connection's `allow` does not matter,
    /// since it speaks of callers. Nothing of the replies is printed but their status and what it means:
    ///
    /// active (the provider accepts the secret), error (it does not: bad_key, missing_scope, wrong_region, not_enabled;
    /// or it is down: provider_down; or there is no secret: needs_secret) or inconclusive (unreachable, or an answer that
    /// says nothing of the secret).
    ///
    /// Exit code 1 if any is an error, with --strict also if any is inconclusive.
    #[command(after_help = "\
Examples:
  keystile connections verify stripe-production
  keystile connections verify --all --strict
  keystile connections verify --all -o json | jq -r '.[] | select(.status != \"active\") | .name'")]
    Verify {
        /// Which connections.
        #[arg(required_unless_present = "all", value_name = "NAME")]
        names: Vec<String>,
        /// All connections of the configuration.
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Fail on inconclusive ones too.
        #[arg(long)]
        strict: bool,
        /// How long each may take.
        #[arg(long, value_name = "DURATION", value_parser = time, default_value = "15s")]
        timeout: Duration,
        #[command(flatten)]
        file: ConfigFile,
    },
}

fn time(text: &str) -> Result<Duration, String> {
    scalar::duration(text).map_err(|wrong| format!("{}: write {}", wrong.reason, wrong.remedy))
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { file } => {
            let assembled = read(&file.config)?;
            let all: Vec<Shown> = ids(&assembled).map(|id| shown(&assembled, id)).collect();
            print(&all, format, |all| rows(all))?;
        }
        Command::Show { name, file } => {
            let assembled = read(&file.config)?;
            print(&shown(&assembled, named(&assembled, name)?), format, explained)?;
        }
        Command::Verify { names, all, strict, timeout, file } => {
            let assembled = Rc::new(read(&file.config)?);
            let mut chosen: Vec<ConnectionId> = if *all { ids(&assembled).collect() } else { Vec::new() };
            for name in names {
                let id = named(&assembled, name)?;
                if !chosen.contains(&id) {
                    chosen.push(id);
                }
            }
            let found = verified(&assembled, &chosen, *timeout, format)?;
            print(&found, format, |found| verified_table(found))?;
            return Ok(exit_code(&found, *strict));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a script goes by.
fn exit_code(found: &[Verified], strict: bool) -> ExitCode {
    if failed(found, strict) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Whether these verdicts are a failure.
pub fn failed(found: &[Verified], strict: bool) -> bool {
    found.iter().any(|v| match v.state {
        State::Active => false,
        State::Error => true,
        State::Inconclusive => strict,
    })
}

/// All connections, in the order of the file.
pub fn ids(assembled: &Assembled) -> impl Iterator<Item = ConnectionId> {
    assembled.snapshot.connections.iter().map(|c| c.index)
}

fn read(path: &Path) -> anyhow::Result<Assembled> {
    assembly::from_file(path).map_err(|rejected| anyhow::anyhow!("{rejected}"))
}

fn named(assembled: &Assembled, name: &str) -> anyhow::Result<ConnectionId> {
    let connections = &assembled.snapshot.connections;
    if let Some(found) = connections.iter().find(|c| *c.name == *name) {
        return Ok(found.index);
    }
    let near = nearest(name, connections.iter().map(|c| &*c.name));
    let hint = near.map_or("see `keystile connections list`".to_owned(), |near| format!("did you mean {near}?"));
    bail!("there is no connection {name:?}; {hint}")
}
