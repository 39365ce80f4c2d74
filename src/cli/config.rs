//! `keystile config show | schema`.

use super::ConfigFile;
use super::output::{Format, print};
use crate::config::{self, Mistakes, schema, show};
use anyhow::Context as _;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Show the configuration with every default, and where each value comes from.
    ///
    /// Secrets are shown as the place they are read from.
    Show(ConfigFile),
    /// Print the configuration's JSON Schema, for editors and validators.
    ///
    /// In VS Code: "yaml.schemas": { "keystile.schema.json": "keystile.yaml" }
    Schema,
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(file) => {
            let path = file.config.display().to_string();
            let text = std::fs::read_to_string(&file.config)
                .with_context(|| format!("cannot read {path}: name the file with --config FILE"))?;
            let mut mistakes = Mistakes::new(&path);
            let tree = config::load(&text, &mut mistakes);
            let (Some(tree), false) = (tree, mistakes.has_errors()) else {
                mistakes.sort();
                anyhow::bail!("{mistakes}");
            };
            let settings = show::effective(&tree, &schema::ROOT, &path);
            print(&settings, format, |s| show::table(s))?;
        }
        Command::Schema => {
            let schema = config::json_schema::json_schema();
            // A schema is JSON; as YAML if asked for.
            let format = if format == Format::Table { Format::Json } else { format };
            print(&schema, format, |_| String::new())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
