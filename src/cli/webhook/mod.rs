//! `keystile webhook …`: the sender's side of a webhook, to try a route out.

mod scheme;
mod send;

use super::output::Format;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Sign a delivery as its provider does, and send it.
    ///
    /// Signs by the scheme that a workflow expects (or by any, to see what becomes of it), sends it once, and prints what came
    /// back: the status, the gateway's code and hint if it refused, and the body. With --dry-run it prints what would be
    /// sent, signature and all, and sends nothing.
    ///
    /// The secret is read from --secret-file or asked for, and never printed. For Ed25519 it is the private key: PKCS#8 in
    /// PEM, a seed of 32 bytes, or Standard Webhooks' whsk_….
    ///
    /// Exit code 0 for a 2xx, 1 for anything else.
    #[command(after_help = "\
Examples:
  keystile webhook send --scheme stripe --secret-file whsec --url http://127.0.0.1:8080/hooks/stripe --data @event.json
  keystile webhook send --scheme github --secret-file - --url https://hooks.example.com/gh -H 'X-GitHub-Event: ping' < secret
  keystile webhook send --scheme slack --secret-file s --url http://127.0.0.1:8080/slack --timestamp 2026-01-01T00:00:00Z
  keystile webhook send --scheme custom --signature-header X-Acme-Signature --prefix sha256= --template '{timestamp}.{body}' \\
    --timestamp-header X-Acme-Timestamp --algorithm hmac-sha256 --encoding hex --secret-file s --url http://127.0.0.1:8080/acme
  keystile webhook send --workflow acme-events --config keystile.yaml --secret-file s --url http://127.0.0.1:8080/acme --dry-run")]
    Send(Box<send::Arguments>),
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::Send(arguments) => send::run(arguments, format),
    }
}
