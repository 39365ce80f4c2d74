//! Floor 9: the command line. Exit codes: 0 done, 1 failed, 2 used wrongly.

mod check;
mod config;
mod connections;
mod connectors;
mod demo;
mod explain;
mod keys;
mod output;
mod sample;

use crate::telemetry::redact::redact;
use clap::{CommandFactory, Parser, Subcommand};
use output::Format;
use std::path::PathBuf;
use std::process::ExitCode;

/// Keystile: the gateway that keeps API keys where they belong.
///
/// Callers invoke workflows with a Keystile key; Keystile checks whose it is, whether it may run this workflow in this
/// environment and whether it is within its limits, takes the key away, puts the upstream's own key in, and forwards.
#[derive(Parser)]
#[command(name = "keystile", version, max_term_width = 100, after_help = FIRST_STEPS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How to print data.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
}

const FIRST_STEPS: &str = "\
First steps:
  keystile demo                         see it work, with curl lines to paste
  keystile keys generate                a token for a caller, and the digest for the configuration
  keystile check --config keystile.yaml every mistake of a configuration, at its place
  keystile serve --config keystile.yaml run it";

/// Where the configuration is.
#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(short, long, env = "KEYSTILE_CONFIG", default_value = "keystile.yaml", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway.
    ///
    /// Reads the configuration, listens, and serves until SIGTERM or Ctrl-C, which let running requests finish. Changes
    /// of the file, of its secrets and certificates are picked up within a second or two, and at once on SIGHUP (which
    /// also reopens the access log). A wrong file leaves the old configuration serving. Access records go to standard
    /// output, everything else to standard error.
    Serve {
        #[command(flatten)]
        file: ConfigFile,
        /// Take the listening sockets over from the gateway that runs.
        ///
        /// It must have the same `takeover_socket` in its configuration. Once this one serves, the other drains and ends
        /// by itself; no connection is lost.
        #[arg(long)]
        takeover: bool,
    },
    /// Check a configuration and change nothing.
    ///
    /// Reports all mistakes at once, each with file:line:column, the field, what is wrong and what to write instead.
    /// Secrets that the file refers to are read, so run it where the gateway will run. Exit code 1 if there are errors.
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// Fail on warnings too, and on connections of which nothing is known.
        #[arg(long)]
        strict: bool,
        /// Ask the providers whether the connections' secrets work, if the file is sound.
        ///
        /// As `keystile connections verify --all` does. Exit code 1 if a provider says no.
        #[arg(long)]
        verify: bool,
    },
    /// Explain why a request would pass or be refused, without sending it.
    ///
    /// Runs the gateway's own decisions over the request and prints them step by step: which credential was found where,
    /// whose it is, which workflow and environment, which limits would be charged, and what would be injected where.
    Explain(explain::Arguments),
    /// Show it working: a gateway with a sample upstream and fresh keys, on loopback.
    ///
    /// Prints curl lines to paste, each with a word on what it shows. Nothing is kept when it ends.
    Demo(demo::Arguments),
    /// Make keys' tokens, offline.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Connections: list them, show one, ask the providers whether their secrets work.
    #[command(subcommand)]
    Connections(connections::Command),
    /// Known providers: what connections to them need.
    #[command(subcommand)]
    Connectors(connectors::Command),
    /// Show the configuration in force, or its schema.
    #[command(subcommand)]
    Config(config::Command),
    /// Print a completion script for your shell.
    ///
    /// For bash: keystile completions bash > /etc/bash_completion.d/keystile
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// Runs what the arguments ask for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Serve { file, takeover } => {
            crate::app::runtime::serve(&file.config, takeover).map(|()| ExitCode::SUCCESS)
        }
        Command::Check { file, strict, verify } => check::run(&file.config, strict, verify, cli.output),
        Command::Explain(arguments) => explain::run(arguments, cli.output),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Keys(command) => keys::run(&command, cli.output),
        Command::Connections(command) => connections::run(&command, cli.output),
        Command::Connectors(command) => connectors::run(&command, cli.output),
        Command::Config(command) => config::run(&command, cli.output),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "keystile", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        // A mistake quotes what was written, and that may be a token in the wrong place (T3).
        eprintln!("{}", redact(format!("keystile: {error:#}").trim_end()));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
