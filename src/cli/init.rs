//! `keystile init`.

use super::output::{Format, print};
use crate::app::founding::{Founding, found};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keystile init
  keystile init --data /var/lib/keystile --inbound 0.0.0.0:8080
  keystile init -o json | jq -r .admin_token > admin.token")]
pub struct Arguments {
    /// The directory to make. One that holds a gateway already is left as it is.
    #[arg(long, value_name = "DIR", default_value = "keystile-data")]
    data: PathBuf,
    /// Where callers come in.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    inbound: SocketAddr,
    /// Where workflows call out, to providers.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    outbound: SocketAddr,
    /// Where the API listens, which these commands talk to; on loopback, since beyond it a certificate is needed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8082")]
    admin: SocketAddr,
}

pub fn run(arguments: &Arguments, format: Format) -> anyhow::Result<ExitCode> {
    let founded = found(&Founding {
        data: arguments.data.clone(),
        inbound: arguments.inbound,
        outbound: arguments.outbound,
        admin: arguments.admin,
    })?;
    print(&founded, format, |founded| {
        let config = founded.config.display();
        let keep = founded.config.with_file_name("master.key");
        format!(
            "made a gateway in {data}\n\n\
             admin token  {token}\n\n\
             Keep two things, and apart from each other:\n\
             - the token: it may do everything, and is not shown again\n\
             - a copy of {keep}: without it nobody opens the secrets in the database, whoever takes both can\n\n\
             Next:\n  \
             keystile serve --config {config}\n  \
             keystile login --url {url}\n  \
             keystile keys create first-caller\n",
            data = arguments.data.display(),
            token = founded.admin_token(),
            keep = keep.display(),
            url = founded.login_url,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
