//! How data is printed: for people, or for programs.

use serde::Serialize;
use std::io::Write as _;

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    Json,
    Yaml,
}

/// Prints `data`; for people what `table` makes of it. A reader that hangs up (`| head`) is no error.
pub fn print<T: Serialize>(data: &T, format: Format, table: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => table(data),
        Format::Json => serde_json::to_string_pretty(data)? + "\n",
        Format::Yaml => serde_yaml::to_string(data)?,
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
