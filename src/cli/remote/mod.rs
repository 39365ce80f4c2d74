//! Commands that talk to a running gateway: thin over its admin API.
//!
//! Each says what it wants in one request or two, and prints what comes back; whether it may, and whether it makes sense,
//! is the gateway's to decide.

pub mod audit;
mod client;
pub mod connections;
mod details;
mod editor;
pub mod environments;
mod fields;
pub mod input;
pub mod keys;
pub mod login;
pub(crate) mod problem;
mod profiles;
mod resource;
pub mod secret;
pub mod table;
pub mod target;
pub mod times;
pub mod urls;
pub mod usage;
pub mod whole;
pub mod wire;
pub mod workflows;

pub use table::printable;

use client::Client;
use std::fmt;
use std::path::PathBuf;
use target::Surroundings;

/// Which gateway a command talks to, and as whom.
#[derive(clap::Args, Clone, Default)]
pub struct Place {
    /// The gateway's admin listener [env: KEYSTILE_URL] [default: the profile's, or http://127.0.0.1:8082]
    #[arg(long, value_name = "URL", help_heading = "Which gateway")]
    url: Option<String>,
    /// A profile that `keystile login` wrote [env: KEYSTILE_PROFILE] [default: the one of the last login]
    #[arg(long, value_name = "NAME", help_heading = "Which gateway")]
    profile: Option<String>,
    /// A file with the token, - for standard input [env: KEYSTILE_TOKEN, the token itself] [default: the profile's]
    #[arg(long, value_name = "FILE", help_heading = "Which gateway", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// The token. Every process of the machine can read arguments: --token-file and KEYSTILE_TOKEN are not seen.
    #[arg(long, value_name = "TOKEN", hide = true)]
    token: Option<String>,
    /// A PEM file with the authorities to trust in place of the system's.
    #[arg(long, value_name = "FILE", help_heading = "Which gateway")]
    ca: Option<PathBuf>,
}

impl Place {
    /// Ready to talk. Nothing is sent yet.
    fn open(&self) -> anyhow::Result<Client> {
        if self.token.is_some() {
            eprintln!("keystile: --token is seen by every process of this machine: use --token-file or KEYSTILE_TOKEN");
        }
        Client::to(target::choose(self, Surroundings::of_this_process())?)
    }

    /// Whether somebody said which gateway: by an argument, in the environment or by logging in.
    pub fn is_named(&self) -> bool {
        let flags = self.url.is_some() || self.profile.is_some() || self.token_file.is_some() || self.token.is_some();
        flags || Surroundings::of_this_process().name_a_gateway()
    }
}

/// The command was used wrongly: exit code 2.
#[derive(Debug)]
pub struct Misuse(pub String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// A [`Misuse`], as commands return it.
pub fn misuse(text: impl Into<String>) -> anyhow::Error {
    Misuse(text.into()).into()
}
