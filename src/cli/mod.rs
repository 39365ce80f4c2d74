//! Floor 10: the command line. Exit codes: 0 done, 1 failed, 2 used wrongly.

mod check;
mod config;
mod connections;
mod connectors;
mod demo;
mod explain;
mod init;
mod keys;
mod output;
pub(crate) mod remote;
mod sample;
mod url;
mod webhook;

use crate::telemetry::redact::redact;
use clap::{CommandFactory, Parser, Subcommand};
use output::Format;
use std::borrow::Cow;
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
  keystile serve --config keystile.yaml run it

With a store, so that keys and connections are managed while it runs:
  keystile init                         a directory with configuration, database and master key
  keystile login                        remember the gateway and your token for the commands below
  keystile keys create NAME             a key for a caller
  keystile url sign …                   a URL that calls a workflow without a token";

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
    /// Make a directory from which a gateway with a store runs: configuration, database, master key.
    Init(init::Arguments),
    /// Remember a gateway and a token for it, as a profile.
    ///
    /// Reads the token from a prompt that does not show it, or from standard input, asks the gateway whether it is good, and
    /// writes $XDG_CONFIG_HOME/keystile/profiles.yaml (else below ~/.config), which only you can read.
    Login(remote::login::Login),
    /// Forget a profile that `keystile login` wrote.
    Logout(remote::login::Logout),
    /// Keys of a running gateway: create, rotate, disable, revoke …; or make tokens offline.
    #[command(subcommand)]
    Keys(keys::Command),
    /// URLs that call a workflow without a token, until they expire.
    #[command(subcommand)]
    Url(url::Command),
    /// Webhooks from the sender's side: sign and send, to try a route out.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Connections and their secrets, of a running gateway or a configuration file.
    #[command(subcommand)]
    Connections(connections::Command),
    /// Workflows of a running gateway.
    #[command(subcommand)]
    Workflows(remote::workflows::Command),
    /// Environments of a running gateway.
    #[command(subcommand)]
    Environments(remote::environments::Command),
    /// Who changed what of a running gateway, and whether that record is whole.
    #[command(subcommand)]
    Audit(remote::audit::Command),
    /// How much keys, workflows and connections of a running gateway were used, and when last.
    Usage(remote::usage::Usage),
    /// How a running gateway is: version, store, how current what it decides by is, counts.
    Status(remote::whole::Status),
    /// Print the resources of a running gateway in the configuration's schema. Never a secret, never a token.
    Export(remote::whole::Export),
    /// Create and update resources from a file, all of them or none.
    ///
    /// Connections that are new have no secret, and refuse calls until `keystile connections set-secret` gives them one:
    /// which ones is told.
    Import(remote::whole::Import),
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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    run(cli.command, cli.output).unwrap_or_else(|error| {
        // A mistake quotes what was written, and that may be a token in the wrong place (T3).
        eprintln!("{}", redact(format!("keystile: {error:#}").trim_end()));
        if error.is::<remote::Misuse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
    })
}

/// clap quotes arguments it does not understand, and one of them may be a token.
fn misread(error: &clap::Error) -> ExitCode {
    match redact(&error.render().to_string()) {
        Cow::Borrowed(_) => error.exit(),
        Cow::Owned(text) => eprint!("{text}"),
    }
    ExitCode::from(2)
}

fn run(command: Command, output: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { file, takeover } => {
            crate::app::runtime::serve(&file.config, takeover).map(|()| ExitCode::SUCCESS)
        }
        Command::Check { file, strict, verify } => check::run(&file.config, strict, verify, output),
        Command::Explain(arguments) => explain::run(arguments, output),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Init(arguments) => init::run(&arguments, output),
        Command::Login(arguments) => remote::login::login(&arguments, output),
        Command::Logout(arguments) => remote::login::logout(&arguments, output),
        Command::Keys(command) => keys::run(&command, output),
        Command::Url(command) => url::run(&command, output),
        Command::Webhook(command) => webhook::run(&command, output),
        Command::Connections(command) => connections::run(&command, output),
        Command::Workflows(command) => remote::workflows::run(&command, output),
        Command::Environments(command) => remote::environments::run(&command, output),
        Command::Audit(command) => remote::audit::run(&command, output),
        Command::Usage(arguments) => remote::usage::run(&arguments, output),
        Command::Status(arguments) => remote::whole::status(&arguments, output),
        Command::Export(arguments) => remote::whole::export(&arguments, output),
        Command::Import(arguments) => remote::whole::import(&arguments, output),
        Command::Connectors(command) => connectors::run(&command, output),
        Command::Config(command) => config::run(&command, output),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "keystile", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
