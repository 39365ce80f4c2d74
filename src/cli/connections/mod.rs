//! `keystile connections …`: `list`, `show` and `verify` read a configuration file or ask a running gateway, the others
//! are the gateway's ([`remote::connections`]).

mod shown;
mod verified;

pub use verified::{Verified, verified, verified_table};

use super::output::{Format, print};
use super::remote::{self, Place};
use crate::assembly::{self, Assembled};
use crate::config::mistake::nearest;
use crate::config::scalar;
use crate::connector::State;
use crate::model::connection::ConnectionId;
use anyhow::bail;
use shown::{Shown, explained, rows, shown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// How long one verification may take: people wait for it, and providers who take longer are not well.
pub const TIME: Duration = Duration::from_secs(15);

/// Where connections are looked up.
#[derive(clap::Args)]
pub struct Source {
    /// Read this configuration file. Without it a running gateway is asked, if one is named below, by KEYSTILE_URL or by
    /// `keystile login`; else the file that KEYSTILE_CONFIG names, or keystile.yaml.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Source {
    /// The file to read; none if a gateway is to be asked.
    fn file(&self) -> Option<PathBuf> {
        match &self.config {
            Some(file) => Some(file.clone()),
            None if self.place.is_named() => None,
            None => Some(std::env::var_os("KEYSTILE_CONFIG").unwrap_or_else(|| "keystile.yaml".into()).into()),
        }
    }
}

#[derive(clap::Subcommand)]
pub enum Command {
    /// List the connections of a running gateway, or of a configuration file.
    ///
    /// Each with its environment, its connector and where calls go. Never a secret.
    List {
        #[command(flatten)]
        filter: remote::connections::Filter,
        #[command(flatten)]
        source: Source,
    },
    /// Show one connection: where its calls go, what may be called, its limits, and how its secret is verified.
    ///
    /// Never the secret. Whether the secret works is told by `keystile connections verify NAME`.
    Show {
        /// As `keystile connections list` names it.
        name: String,
        #[command(flatten)]
        source: Source,
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
        /// All connections.
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Fail on inconclusive ones too.
        #[arg(long)]
        strict: bool,
        /// How long each may take, where a file is read.
        #[arg(long, value_name = "DURATION", value_parser = time, default_value = "15s")]
        timeout: Duration,
        #[command(flatten)]
        source: Source,
    },
    #[command(flatten)]
    Remote(Box<remote::connections::Command>),
}

fn time(text: &str) -> Result<Duration, String> {
    scalar::duration(text).map_err(|wrong| format!("{}: write {}", wrong.reason, wrong.remedy))
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { filter, source } => {
            let Some(file) = source.file() else { return remote::connections::list(filter, &source.place, format) };
            let assembled = read(&file)?;
            let all: Vec<Shown> = ids(&assembled).map(|id| shown(&assembled, id)).collect();
            print(&all, format, |all| rows(all))?;
        }
        Command::Show { name, source } => {
            let Some(file) = source.file() else { return remote::connections::show(name, &source.place, format) };
            let assembled = read(&file)?;
            print(&shown(&assembled, named(&assembled, name)?), format, explained)?;
        }
        Command::Verify { names, all, strict, timeout, source } => {
            let Some(file) = source.file() else {
                return remote::connections::verify(names, *strict, &source.place, format);
            };
            let assembled = Rc::new(read(&file)?);
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
        Command::Remote(command) => return remote::connections::run(command, format),
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
