//! `keystile explain`.

use super::ConfigFile;
use super::output::{Format, print};
use crate::app::explain;
use crate::assembly;
use crate::model::ClientCertificate;
use crate::model::listener::Address;
use crate::net::certificate;
use crate::serving::asked::Asked;
use crate::serving::explanation::Explanation;
use crate::telemetry::timestamp::now_ms;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::io::{BufRead as _, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zeroize::Zeroizing;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keystile explain GET /customers/7 --key acme-crm
  keystile explain POST 'https://gateway/orders?_profile=Test' --key acme-crm
  keystile explain POST /c/stripe-production/v1/charges --key orders-worker
  keystile explain POST /hooks/stripe -H 'Stripe-Signature: t=…,v1=…' --data @event.json
  printf 'Authorization: Key=%s\\n' \"$TOKEN\" | keystile explain GET /customers/7 -H @-")]
pub struct Arguments {
    /// The method, in capitals.
    method: String,
    /// The path with its query, or a whole URL.
    url: String,
    /// A header; `@-` reads header lines from standard input, so that no token stands in the arguments.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The key that calls, by its name: no token is needed.
    #[arg(short, long, value_name = "NAME")]
    key: Option<String>,
    /// The address the request comes from.
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    address: IpAddr,
    /// The client certificate that the caller shows: a PEM file, of which the first certificate counts.
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// The body, for a webhook's signature; `@FILE` reads it from a file, `@-` from standard input, byte for byte.
    #[arg(short, long, value_name = "TEXT")]
    data: Option<String>,
    /// The listener it reaches; if not said, the first outbound one for paths below /c/, else the first inbound one.
    #[arg(long, value_name = "ADDRESS")]
    listener: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

/// Exit code 0 if the request would pass, 1 if it would be refused.
pub fn run(arguments: Arguments, format: Format) -> anyhow::Result<ExitCode> {
    let assembled = assembly::from_file(&arguments.file.config).map_err(|rejected| anyhow::anyhow!("{rejected}"))?;
    let snapshot = &assembled.snapshot;
    let (listener, question) = asked(arguments)?.put(snapshot, now_ms())?;
    let explanation = explain(snapshot, listener, question);
    print(&explanation, format, table)?;
    Ok(if explanation.code.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn asked(arguments: Arguments) -> anyhow::Result<Asked> {
    let listener = arguments.listener.map(|address| match address.strip_prefix("unix:") {
        Some(path) => {
            let base = assembly::base_of(&arguments.file.config);
            Address::Unix(assembly::socket_path(base, Path::new(path))).to_string()
        }
        None => address,
    });
    if arguments.data.as_deref() == Some("@-") && arguments.headers.iter().any(|header| header == "@-") {
        bail!("standard input can be read once: put the headers or the body into a file or an argument");
    }
    let mut headers = Vec::new();
    for line in lines(arguments.headers)? {
        let Some((name, value)) = line.split_once(':') else { bail!("a header is written `Name: value`") };
        headers.push((Zeroizing::new(name.to_owned()), Zeroizing::new(value.to_owned())));
    }
    Ok(Asked {
        method: arguments.method,
        url: Zeroizing::new(arguments.url),
        key: arguments.key,
        headers,
        peer: arguments.address,
        listener,
        certificate: arguments.client_cert.as_deref().map(certificate).transpose()?,
        body: arguments.data.as_deref().map(body).transpose()?,
    })
}

fn body(given: &str) -> anyhow::Result<Bytes> {
    let read = match given.strip_prefix('@') {
        None => return Ok(Bytes::copy_from_slice(given.as_bytes())),
        Some("-") => {
            let mut read = Vec::new();
            std::io::stdin().read_to_end(&mut read).map(|_| read).context("cannot read standard input")?
        }
        Some(file) => {
            std::fs::read(file).with_context(|| format!("cannot read {file}: name a file with --data @FILE"))?
        }
    };
    Ok(read.into())
}

fn certificate(file: &Path) -> anyhow::Result<ClientCertificate> {
    let der = CertificateDer::from_pem_file(file)
        .with_context(|| format!("cannot read {}: name a PEM file with --client-cert", file.display()))?;
    certificate::read(&der).with_context(|| format!("{} holds no certificate that can be read", file.display()))
}

fn lines(given: Vec<String>) -> anyhow::Result<Vec<Zeroizing<String>>> {
    let mut all = Vec::new();
    for header in given {
        if header == "@-" {
            for line in std::io::stdin().lock().lines() {
                let line = Zeroizing::new(line.context("cannot read standard input")?);
                if !line.trim().is_empty() {
                    all.push(line);
                }
            }
        } else {
            all.push(Zeroizing::new(header));
        }
    }
    Ok(all)
}

fn table(explanation: &Explanation) -> String {
    let mut out = String::new();
    for step in &explanation.steps {
        out += &format!("{} {:<12} {}\n", if step.ok { "+" } else { "-" }, step.step, step.finding);
    }
    match (explanation.code, explanation.status, &explanation.hint) {
        (Some(code), Some(status), Some(hint)) => out += &format!("\nrefused: {status} {code}\n  {hint}\n"),
        _ if explanation.verdict == "answered" => {
            out += "\nanswered: the gateway replies by itself (nothing was sent)\n"
        }
        _ => out += "\npermitted: it would be forwarded (nothing was sent, no limit was charged)\n",
    }
    for line in &explanation.request {
        out += &format!("  {line}\n");
    }
    out
}
