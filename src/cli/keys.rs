//! `keystile keys generate | digest`: offline. The other commands are a running gateway's ([`remote::keys`]).

use super::output::{Format, print};
use super::remote;
use crate::model::token::{self, Digest, Shape};
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;
use zeroize::Zeroizing;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Draw a token, and print it with its digest.
    ///
    /// The token goes to the caller, once; it is not stored anywhere. The digest goes into the configuration, as
    /// `primary:` or `secondary:` of a key. Tokens match kst_[0-9A-Za-z]{49}, for secret scanners.
    Generate,
    /// Print the digest of a token that is read from standard input.
    ///
    /// For tokens you have already, also those of another system: 20 to 512 printable ASCII characters. White space
    /// around it is ignored. Example: keystile keys digest < token.txt
    Digest,
    #[command(flatten)]
    Remote(Box<remote::keys::Command>),
}

#[derive(Serialize)]
struct Generated<'a> {
    token: &'a str,
    digest: String,
}

#[derive(Serialize)]
struct Digested {
    digest: String,
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::Generate => generate(format)?,
        Command::Digest => digest(format)?,
        Command::Remote(command) => return remote::keys::run(command, format),
    }
    Ok(ExitCode::SUCCESS)
}

fn generate(format: Format) -> anyhow::Result<()> {
    let token = draw()?;
    let generated = Generated { digest: Digest::of(token.as_bytes()).to_string(), token: &token };
    print(&generated, format, |g| {
        format!(
            "token   {}\ndigest  {}\n\nGive the token to the caller: it is not stored and not shown again.\n\
                 Write the digest into the configuration: primary: {}\n",
            g.token, g.digest, g.digest
        )
    })
}

/// A fresh token, from the system's randomness.
pub fn draw() -> anyhow::Result<Zeroizing<String>> {
    token::generate(getrandom::fill).map_err(|e| anyhow::anyhow!("no randomness: {e}"))
}

fn digest(format: Format) -> anyhow::Result<()> {
    let mut input = Zeroizing::new(Vec::with_capacity(1024));
    if std::io::stdin().is_terminal() {
        eprintln!("Paste the token, then press Enter and Ctrl-D:");
    }
    std::io::stdin().lock().take(64 * 1024).read_to_end(&mut input).context("cannot read standard input")?;
    let value = input.trim_ascii();
    if value.is_empty() {
        bail!("nothing on standard input: keystile keys digest < token.txt");
    }
    let digested = Digested { digest: digest_of(value)?.to_string() };
    print(&digested, format, |d| format!("{}\n", d.digest))
}

/// The digest of a token that callers have already.
pub fn digest_of(value: &[u8]) -> anyhow::Result<Digest> {
    match token::shape(value) {
        Shape::WellFormed | Shape::Foreign => Ok(Digest::of(value)),
        Shape::Malformed if value.starts_with(token::PREFIX.as_bytes()) => {
            bail!("a kst_ token with a wrong length or checksum: copy the whole token")
        }
        Shape::Malformed => bail!("a token is 20 to 512 printable ASCII characters without white space"),
    }
}
