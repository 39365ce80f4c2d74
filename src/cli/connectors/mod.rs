//! `keystile connectors list | show | import`.

mod import;
mod shown;

pub use shown::slots;

use super::output::{Format, print};
use crate::assembly::{self, connectors::Catalogue};
use crate::config::mistake::nearest;
use crate::connector::BUILT_IN;
use anyhow::{Context as _, bail};
use shown::{Shown, explained, shown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub enum Command {
    /// List the connectors that connections may name.
    ///
    /// Those that are built in, and with --config those of the configuration as well.
    List {
        /// The configuration file whose `connectors` are listed too.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show one connector: what it needs, what its keys look like, and a connection to paste.
    Show {
        /// As `keystile connectors list` names it.
        name: String,
        /// The configuration file whose `connectors` count too.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print its file instead: a start for one of your own.
        #[arg(long)]
        source: bool,
    },
    /// Make a connector from an OpenAPI document.
    ///
    /// Reads OpenAPI 3 or Swagger 2, in YAML or JSON: its servers become the base URL, regions and fields, and one of its
    /// security schemes says where the credential goes. The result is a file for `connectors:` in the configuration.
    Import {
        /// The document; - for standard input.
        document: PathBuf,
        /// The connector's name; without it one is made from the document's title.
        #[arg(long)]
        name: Option<String>,
        /// Which of the document's security schemes; without it the first that the document asks for.
        #[arg(long)]
        scheme: Option<String>,
        /// The file to write, which must not exist; without it standard output.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { config } => list(&catalogue(config.as_deref())?, format)?,
        Command::Show { name, config, source } => show(config.as_deref(), name, *source, format)?,
        Command::Import { document, name, scheme, to } => {
            import::import(document, name.as_deref(), scheme.as_deref(), to.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn catalogue(config: Option<&Path>) -> anyhow::Result<Catalogue> {
    match config {
        None => Ok(Catalogue::built_in()),
        Some(path) => assembly::connectors_of(path).map_err(|mistakes| anyhow::anyhow!("{mistakes}")),
    }
}

fn list(catalogue: &Catalogue, format: Format) -> anyhow::Result<()> {
    let all: Vec<Shown> = catalogue.iter().map(shown).collect();
    print(&all, format, |all| {
        let rows: Vec<[&str; 4]> = std::iter::once(["NAME", "TITLE", "BASE URL", "THE KEY GOES TO"])
            .chain(all.iter().map(|c| [&*c.name, &*c.title, c.base_url.as_deref().unwrap_or("-"), &*c.inject]))
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (a, b, c) = (width(0), width(1), width(2));
        rows.iter().map(|[name, title, url, key]| format!("{name:a$}  {title:b$}  {url:c$}  {key}\n")).collect()
    })
}

fn show(config: Option<&Path>, name: &str, source: bool, format: Format) -> anyhow::Result<()> {
    let catalogue = catalogue(config)?;
    let Some(connector) = catalogue.named(name) else {
        let near = nearest(name, catalogue.iter().map(|c| &*c.name));
        let hint = near.map_or("see `keystile connectors list`".to_owned(), |near| format!("did you mean {near}?"));
        bail!("there is no connector {name:?}; {hint}");
    };
    if !source {
        return print(&shown(connector), format, explained);
    }
    let text = match (&connector.file, config) {
        (Some(file), Some(config)) => std::fs::read_to_string(assembly::base_of(config).join(file))
            .with_context(|| format!("cannot read {file}"))?,
        _ => {
            let built_in = BUILT_IN.iter().find(|(file, _)| file.strip_suffix(".yaml") == Some(name));
            built_in.map(|(_, text)| (*text).to_owned()).unwrap_or_default()
        }
    };
    print(&text, Format::Table, Clone::clone)
}
