//! `keystile webhook send`.

use super::super::output::{Format, print};
use super::super::remote::table::printable;
use super::super::remote::target::Site;
use super::super::remote::wire::{Answered, Trouble, WHOLE, Wire};
use super::super::remote::{input, misuse, secret};
use super::scheme::Described;
use crate::config::scalar;
use crate::model::Uid;
use crate::model::webhook::{Part, Scheme};
use crate::policy::webhook::{Signed, Signer, Unsent, sign};
use crate::telemetry::redact::redact;
use crate::telemetry::timestamp::now_ms;
use anyhow::Context as _;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    described: Described,
    #[command(flatten)]
    secret: secret::Source,
    /// Where to: the listener, and the path of the workflow's template.
    #[arg(long, value_name = "URL")]
    url: String,
    /// The body: itself, @FILE, or @- for standard input [default: none]
    #[arg(short, long, value_name = "DATA")]
    data: Option<String>,
    #[arg(short = 'X', long, default_value = "POST")]
    method: Method,
    /// One more header; @- reads header lines from standard input, so that no token stands in the arguments.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// When it is signed, RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    timestamp: Option<i64>,
    /// The id of the delivery, where the scheme has one [default: a new one]
    #[arg(long)]
    id: Option<String>,
    /// [default: application/json; for twilio a form, unless the data begins as JSON does]
    #[arg(long, value_name = "TYPE")]
    content_type: Option<HeaderValue>,
    /// A PEM file with the authorities to trust in place of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What is sent.
#[derive(Debug, Serialize)]
struct Delivery {
    method: String,
    url: String,
    headers: Vec<Field>,
    #[serde(skip)]
    map: HeaderMap,
    #[serde(skip)]
    uri: Uri,
    #[serde(skip)]
    body: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Field {
    name: String,
    value: String,
}

/// What came back.
#[derive(Debug, Serialize)]
struct Reply {
    status: u16,
    /// Of the gateway's refusal.
    code: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
    /// H4: it was delivered before, and not forwarded now.
    replayed: bool,
    body: String,
}

pub fn run(arguments: &Arguments, format: Format) -> anyhow::Result<ExitCode> {
    arguments.secret.is_no_argument()?;
    let delivery = arguments.delivery()?;
    if arguments.dry_run {
        print(&delivery, format, Delivery::shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let wire = Wire::to(site(&delivery.uri)?, arguments.ca.clone())?;
    let answered = wire.send(delivery.request()?).map_err(|trouble| worded(wire.site(), trouble))?;
    let reply = Reply::read(&answered);
    print(&reply, format, Reply::shown)?;
    Ok(if answered.0.status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    fn delivery(&self) -> anyhow::Result<Delivery> {
        let (scheme, encoding) = self.described.read()?;
        self.means_something(&scheme)?;
        let url = absolute(&self.url)?;
        let written = self.secret.read(scheme.name)?;
        let signer = Signer::of(&scheme, written.as_bytes(), encoding)
            .map_err(|why| anyhow::anyhow!("the secret cannot be used: {why}"))?;
        let body = self.body()?;
        let mut given = fields(&self.headers)?;
        let content_type = match (given.remove(CONTENT_TYPE), &self.content_type) {
            (_, Some(said)) => said.clone(),
            (Some(given), None) => given,
            (None, None) => HeaderValue::from_static(usual_type(&scheme, &body)),
        };
        let id = self.id.clone().map_or_else(new_id, Ok)?;
        let unsent = Unsent {
            at: self.timestamp.unwrap_or_else(now_ms),
            id: &id,
            method: &self.method,
            url: &url,
            content_type: Some(&content_type),
            body: &body,
        };
        let signed = sign(&scheme, &signer, &unsent).map_err(|why| anyhow::anyhow!("it cannot be signed: {why}"))?;
        Delivery::of(&self.method, signed, (content_type, given), body)
    }

    /// What a scheme has no place for was written for nothing.
    fn means_something(&self, scheme: &Scheme) -> anyhow::Result<()> {
        let idle =
            match (self.timestamp.is_some() && scheme.timestamp.is_none(), self.id.is_some() && scheme.id.is_none()) {
                (true, _) => "--timestamp",
                (_, true) => "--id",
                _ => return Ok(()),
            };
        Err(misuse(format!("{} has no place for {idle}: leave it out", scheme.name)))
    }

    fn body(&self) -> anyhow::Result<Vec<u8>> {
        match self.data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
            None => Ok(Vec::new()),
            Some((data, None)) => Ok(data.as_bytes().to_vec()),
            Some((_, Some(file))) => input::bytes(Path::new(file), "the data"),
        }
    }
}

/// RFC 3339, or Unix seconds.
fn moment(text: &str) -> Result<i64, String> {
    let seconds = text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000));
    let wrong = || "write a moment (2026-01-31T12:00:00Z) or Unix seconds (1769860800)".to_owned();
    seconds.or_else(|| scalar::timestamp(text).ok()).filter(|at| *at >= 0).ok_or_else(wrong)
}

fn absolute(url: &str) -> anyhow::Result<Uri> {
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.scheme().is_some() && !url.contains('#'));
    uri.ok_or_else(|| misuse("--url is no whole URL: write http://127.0.0.1:8080/hooks/NAME"))
}

/// The one that a connection is made to.
fn site(url: &Uri) -> anyhow::Result<Site> {
    let authority = url.authority().map(|authority| authority.as_str()).unwrap_or_default();
    Site::parse(&format!("{}://{authority}", url.scheme_str().unwrap_or_default()))
}

fn new_id() -> anyhow::Result<String> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
    Ok(format!("msg_{}", Uid::version_7(now_ms(), random)))
}

fn usual_type(scheme: &Scheme, body: &[u8]) -> &'static str {
    let is_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    match scheme.signed.contains(&Part::SortedForm) && !is_json {
        true => "application/x-www-form-urlencoded",
        false => "application/json",
    }
}

/// `Name: value`. Values are not repeated: one may be a token.
fn fields(written: &[String]) -> anyhow::Result<HeaderMap> {
    let mut fields = HeaderMap::new();
    let mut add = |line: &str| {
        let field = line.split_once(':').and_then(|(name, value)| {
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
        });
        let (name, value) = field.ok_or_else(|| misuse("a header is written `Name: value`"))?;
        fields.append(name, value);
        Ok::<_, anyhow::Error>(())
    };
    for line in written {
        match line.as_str() {
            "@-" => {
                input::text(Path::new("-"))?.lines().filter(|line| !line.trim().is_empty()).try_for_each(&mut add)?
            }
            line => add(line)?,
        }
    }
    Ok(fields)
}

impl Delivery {
    fn of(
        method: &Method,
        signed: Signed,
        (content_type, given): (HeaderValue, HeaderMap),
        body: Vec<u8>,
    ) -> anyhow::Result<Delivery> {
        let authority = signed.url.authority().context("the URL names no host")?;
        let mut map = HeaderMap::new();
        map.insert(HOST, HeaderValue::from_str(authority.as_str())?);
        map.insert(USER_AGENT, HeaderValue::from_static(concat!("keystile/", env!("CARGO_PKG_VERSION"))));
        map.insert(CONTENT_TYPE, content_type);
        map.extend(signed.headers);
        // What is said by hand stands in place of what would have been sent.
        map.extend(given);
        let shown = |(name, value): (&HeaderName, &HeaderValue)| Field {
            name: name.to_string(),
            value: printable(&redact(&String::from_utf8_lossy(value.as_bytes()))),
        };
        Ok(Delivery {
            method: method.to_string(),
            url: signed.url.to_string(),
            headers: map.iter().map(shown).collect(),
            uri: signed.url,
            map,
            body,
        })
    }

    fn shown(&self) -> String {
        let fields = self.headers.iter().map(|field| format!("{}: {}\n", field.name, field.value));
        format!("{} {}\n{}", self.method, self.url, fields.collect::<String>())
    }

    fn request(self) -> anyhow::Result<Request<Full<Bytes>>> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request =
            Request::builder().method(self.method.as_str()).uri(path).body(Full::new(self.body.into()))?;
        *request.headers_mut() = self.map;
        Ok(request)
    }
}

impl Reply {
    fn read((parts, body): &Answered) -> Reply {
        let field = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(printable);
        let code = field("x-keystile-error");
        let problem: Value = code.as_ref().and_then(|_| serde_json::from_slice(body).ok()).unwrap_or_default();
        let said = |member: &str| problem[member].as_str().map(printable);
        Reply {
            status: parts.status.as_u16(),
            detail: said("detail"),
            hint: said("hint"),
            replayed: field("x-keystile-replayed").is_some(),
            body: String::from_utf8_lossy(body).into_owned(),
            code,
        }
    }

    fn shown(&self) -> String {
        let reason = http::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let mut text = format!("{} {}", self.status, reason.unwrap_or_default()).trim_end().to_owned();
        if let Some(code) = &self.code {
            text += &format!("  {code}");
        }
        if self.replayed {
            text += "  (it was delivered before, and not forwarded)";
        }
        text.push('\n');
        match (&self.detail, &self.hint) {
            (None, None) => self.body.lines().for_each(|line| text.extend([&*printable(line), "\n"])),
            told => [told.0, told.1].into_iter().flatten().for_each(|line| text.extend(["  ", line.as_str(), "\n"])),
        }
        text
    }
}

fn worded(site: &Site, trouble: Trouble) -> anyhow::Error {
    match trouble {
        Trouble::Unreachable(why) => {
            anyhow::anyhow!("cannot reach {site}: {why}\n  is it the address of listeners.inbound?")
        }
        Trouble::Distrusted(error) => anyhow::anyhow!(
            "cannot speak TLS with {site}: {error}\n  a certificate of your own authority needs --ca FILE; a listener \
             without tls needs http://"
        ),
        Trouble::Broken(error) => {
            anyhow::anyhow!("{site} broke the exchange off: {error:#}\n  whether it was delivered is not known")
        }
        Trouble::Late => anyhow::anyhow!(
            "{site} did not answer within {} s\n  whether it was delivered is not known",
            WHOLE.as_secs()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_two_ways() {
        assert_eq!(moment("1614265330"), Ok(1_614_265_330_000));
        assert_eq!(moment("2021-02-25T15:02:10Z"), Ok(1_614_265_330_000));
        for wrong in ["", "now", "-1", "99999999999999999999", "2021-02-25"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn urls_are_whole() {
        assert!(absolute("https://h/p?q=1").is_ok());
        for wrong in ["/hooks", "h:80/hooks", "https://h/#x", ""] {
            assert!(absolute(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_header_that_is_none_is_not_repeated() {
        for wrong in ["hunter2", "X-Key: hunter2\nb", "ä: hunter2"] {
            let told = fields(&[wrong.to_owned()]).unwrap_err().to_string();
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
