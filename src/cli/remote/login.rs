//! `keystile login | logout`.

use super::client::Client;
use super::profiles::{Profile, Profiles, Token};
use super::target::{DEFAULT_URL, Site, Target};
use super::{input, misuse};
use crate::cli::output::{Format, print};
use crate::model::token::{self, Shape};
use anyhow::{Context as _, bail};
use serde_json::json;
use std::io::{IsTerminal as _, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zeroize::Zeroizing;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keystile login                                          (asks for the token, unseen)
  keystile login --url https://keystile.example --name production
  keystile login --url https://keystile.example < token.txt
  keystile keys list --profile production")]
pub struct Login {
    /// The gateway's admin listener [env: KEYSTILE_URL] [default: http://127.0.0.1:8082]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What to call the profile.
    #[arg(long, value_name = "PROFILE", default_value = "default")]
    name: String,
    /// A file with the token; without it standard input, or you are asked.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file with the authorities to trust in place of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Logout {
    /// Which profile; without it the one of the last login.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// All of them.
    #[arg(long, conflicts_with = "profile")]
    all: bool,
}

fn path() -> anyhow::Result<PathBuf> {
    Profiles::path().ok_or_else(|| misuse("there is no home to keep profiles in: set HOME or XDG_CONFIG_HOME"))
}

pub fn login(arguments: &Login, format: Format) -> anyhow::Result<ExitCode> {
    let path = path()?;
    let mut profiles = Profiles::load(Some(&path))?;
    let named = || std::env::var("KEYSTILE_URL").ok().filter(|url| !url.is_empty());
    let url = arguments.url.clone().or_else(named).unwrap_or_else(|| DEFAULT_URL.to_owned());
    let site = Site::parse(&url)?;
    site.may_be_told_a_token()?;
    let token = Token::new(token(arguments.token_file.as_deref(), &site)?);
    let ca = arguments.ca.as_deref().map(std::path::absolute).transpose().context("--ca")?;
    let url = site.to_string();
    // Asked before it is written: a profile that does not work helps nobody.
    Client::to(Target { site, token: token.clone(), ca: ca.clone() })?.get(&["status"])?;
    profiles.put(&arguments.name, Profile { url: url.clone(), token, ca });
    profiles.save(&path)?;
    let told = json!({ "profile": arguments.name, "url": url, "file": path });
    print(&told, format, |_| {
        format!(
            "logged in to {url}, as the profile {} in {}\n",
            super::table::printable(&arguments.name),
            path.display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn token(file: Option<&Path>, site: &Site) -> anyhow::Result<Zeroizing<String>> {
    let given = match file {
        Some(file) => input::value(file, "the token")?,
        None if stdin().is_terminal() => input::hidden(&format!("Token for {site}"), "--token-file FILE")?,
        None => input::value(Path::new("-"), "the token")?,
    };
    let given = Zeroizing::new(given.trim().to_owned());
    match token::shape(given.as_bytes()) {
        Shape::Malformed => bail!("that is no token: copy it again, whole and alone (kst_ and 49 letters and digits)"),
        Shape::WellFormed | Shape::Foreign => Ok(given),
    }
}

pub fn logout(arguments: &Logout, format: Format) -> anyhow::Result<ExitCode> {
    let path = path()?;
    let mut profiles = Profiles::load(Some(&path))?;
    let name = arguments.profile.clone().or_else(|| profiles.current_name().map(str::to_owned));
    if arguments.all {
        profiles = Profiles::default();
    } else {
        let Some(name) = &name else { bail!("nobody is logged in: {} holds no profile", path.display()) };
        profiles.remove(name)?;
    }
    profiles.save(&path)?;
    let gone =
        if arguments.all { "all profiles".to_owned() } else { format!("the profile {}", name.unwrap_or_default()) };
    print(&json!({ "removed": gone }), format, |_| {
        format!("removed {gone}; the token itself is valid until its key is revoked\n")
    })?;
    Ok(ExitCode::SUCCESS)
}
