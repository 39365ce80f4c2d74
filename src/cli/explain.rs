//! `keystile explain`.

use super::ConfigFile;
use super::output::{Format, print};
use crate::assembly;
use crate::model::listener::{Address, DoorKind};
use crate::model::{ClientCertificate, Listener, Snapshot};
use crate::net::certificate;
use crate::serving::explanation::{Explanation, Question};
use crate::{egress, proxy};
use anyhow::{Context as _, bail};
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::io::BufRead as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keystile explain GET /customers/7 --key acme-crm
  keystile explain POST 'https://gateway/orders?_profile=Test' --key acme-crm
  keystile explain POST /c/stripe-production/v1/charges --key orders-worker
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
    let listener = listener(snapshot, &arguments)?;
    if let Some(name) = &arguments.key
        && snapshot.keys.named(name).is_none()
    {
        let near = crate::config::mistake::nearest(name, snapshot.keys.iter().map(|k| &*k.name));
        let hint = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
        bail!("there is no key {name:?}{hint}");
    }
    let question = Question {
        parts: request(&arguments, listener)?,
        key: arguments.key,
        peer: arguments.address,
        certificate: arguments.client_cert.as_deref().map(certificate).transpose()?,
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64),
    };
    let explanation = match listener.door.kind() {
        DoorKind::Inbound => proxy::explain::explain(snapshot, listener, question),
        DoorKind::Outbound => egress::explain::explain(snapshot, listener, question),
    };
    print(&explanation, format, table)?;
    Ok(if explanation.code.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The one that is named, or the first of the door that the path belongs to.
fn listener<'s>(snapshot: &'s Snapshot, arguments: &Arguments) -> anyhow::Result<&'s Listener> {
    let mut listeners = snapshot.listeners.iter();
    let found = match &arguments.listener {
        Some(address) => {
            let socket = address.strip_prefix("unix:").map(|path| {
                let base = assembly::base_of(&arguments.file.config);
                Address::Unix(assembly::socket_path(base, Path::new(path))).to_string()
            });
            let name = socket.as_ref().unwrap_or(address);
            listeners.find(|l| *l.address == **name)
        }
        None => {
            let path = arguments.url.parse::<Uri>().map(|url| url.path().to_owned()).unwrap_or_default();
            let wanted = if path.starts_with("/c/") { DoorKind::Outbound } else { DoorKind::Inbound };
            listeners.find(|l| l.door.kind() == wanted).or(snapshot.listeners.first())
        }
    };
    let known = || -> Vec<String> {
        snapshot.listeners.iter().map(|l| format!("{} ({})", l.address, l.door.kind().name())).collect()
    };
    found.with_context(|| format!("there is no such listener; there is {}", known().join(", ")))
}

fn certificate(file: &Path) -> anyhow::Result<ClientCertificate> {
    let der = CertificateDer::from_pem_file(file)
        .with_context(|| format!("cannot read {}: name a PEM file with --client-cert", file.display()))?;
    certificate::read(&der).with_context(|| format!("{} holds no certificate that can be read", file.display()))
}

fn request(arguments: &Arguments, listener: &Listener) -> anyhow::Result<http::request::Parts> {
    let method: Method = arguments.method.parse().context("the method is not valid: write GET, POST, …")?;
    let url: Uri = arguments.url.parse().context("the URL is not valid")?;
    let near = if listener.door.kind() == DoorKind::Outbound { "localhost" } else { "keystile" };
    let host = url.authority().map_or(near.to_owned(), |a| a.as_str().to_owned());
    let target: Uri = match url.path_and_query() {
        Some(target) => target.as_str().parse()?,
        None => bail!("the URL has no path: write /customers/7 or https://gateway/customers/7"),
    };
    let (mut parts, ()) = Request::builder().method(method).uri(target).body(())?.into_parts();
    for line in lines(&arguments.headers)? {
        let Some((name, value)) = line.split_once(':') else { bail!("a header is written `Name: value`") };
        // Neither name nor value is repeated: people paste tokens into both.
        let name: HeaderName = name.trim().parse().map_err(|_| anyhow::anyhow!("a header's name is not valid"))?;
        let value =
            HeaderValue::from_str(value.trim()).map_err(|_| anyhow::anyhow!("the value of {name} is not valid"))?;
        parts.headers.append(name, value);
    }
    if !parts.headers.contains_key(HOST) {
        parts.headers.insert(HOST, HeaderValue::from_str(&host)?);
    }
    Ok(parts)
}

fn lines(given: &[String]) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for header in given {
        if header == "@-" {
            for line in std::io::stdin().lock().lines() {
                let line = line.context("cannot read standard input")?;
                if !line.trim().is_empty() {
                    all.push(line);
                }
            }
        } else {
            all.push(header.clone());
        }
    }
    Ok(all)
}

fn table(explanation: &Explanation) -> String {
    let mut out = String::new();
    for step in &explanation.steps {
        out += &format!("{} {:<12} {}\n", if step.ok { "+" } else { "-" }, step.step, step.finding);
    }
    match (explanation.code, explanation.status, explanation.hint) {
        (Some(code), Some(status), Some(hint)) => out += &format!("\nrefused: {status} {code}\n  {hint}\n"),
        _ => out += "\npermitted: it would be forwarded (nothing was sent, no limit was charged)\n",
    }
    for line in &explanation.request {
        out += &format!("  {line}\n");
    }
    out
}
