//! C8 over the whole catalogue: fake providers over real TLS, the real binary, and what it says and sends.

use crate::support::hunt::assert_absent;
use crate::support::provider::{Provider, Say, reply};
use crate::support::replies::CASES;
use crate::support::{Directory, Recorded};
use crate::tls::Authority;
use serde_json::Value;
use std::process::{Command, Output};

/// A configuration of connections to one provider, which tells them apart by the first segment of their base path.
pub struct Scene {
    pub directory: Directory,
    pub ca: Authority,
    connections: Vec<String>,
    secrets: Vec<String>,
}

impl Scene {
    pub fn new() -> Scene {
        let (directory, ca) = (Directory::new(), Authority::new());
        directory.write("ca.pem", ca.pem());
        Scene { directory, ca, connections: Vec::new(), secrets: Vec::new() }
    }

    pub fn certificate(&self) -> (String, String) {
        self.ca.issue("provider.test", |_| {})
    }

    /// A connection of `connector` to the provider at `base`.
    pub fn connection(&mut self, name: &str, connector: &str, base: &str) {
        let (secret, canary) = secret(connector, base);
        self.directory.write(&format!("{name}.secret"), secret);
        self.secrets.push(canary);
        self.line(&format!(
            "name: {name}, connector: {connector}, base_url: '{base}', secret: 'file:{name}.secret', \
             tls: {{ ca: ca.pem, server_name: provider.test }}, {}",
            fields(connector)
        ));
    }

    /// A connection as it is written.
    pub fn line(&mut self, fields: &str) {
        self.connections.push(format!("  - {{ {fields} }}\n"));
    }

    pub fn keystile(&self, arguments: &[&str]) -> Output {
        let yaml = format!(
            "listeners: {{ inbound: [{{ address: 127.0.0.1:0 }}] }}\nallow_networks: [127.0.0.0/8]\n\
             connectors: [connectors]\nconnections:\n{}",
            self.connections.concat()
        );
        let _ = std::fs::create_dir(self.directory.path("connectors"));
        self.directory.write("keystile.yaml", yaml);
        let output = Command::new(env!("CARGO_BIN_EXE_keystile"))
            .args(arguments)
            .current_dir(self.directory.path("."))
            .env_remove("KEYSTILE_CONFIG")
            .output()
            .unwrap();
        assert_absent(&said(&output), &self.secrets);
        output
    }

    /// The verdicts on all connections, in their order.
    pub fn verified(&self, more: &[&str]) -> Vec<Value> {
        let output = self.keystile(&[&["connections", "verify", "--all", "-o", "json"], more].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&output)))
    }
}

/// Everything that was written.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn fields(connector: &str) -> &'static str {
    match connector {
        "shopify" => "fields: { store: acme }",
        "twilio" => "fields: { account: AC00000000000000000000000000000000 }",
        _ => "",
    }
}

/// A made-up secret in its provider's form, never whole in this file, and the part of it that must not be seen.
fn secret(connector: &str, base: &str) -> (String, String) {
    let made = |prefix: &str, rest: &str| (format!("{prefix}{rest}"), rest.to_owned());
    match connector {
        "airtable" => made("pat", &format!("{}.{}", "Qz7Kx2Lm9Wv4Ty", "a7c3".repeat(16))),
        "anthropic" => made("sk-ant-api03-", &"Qz7Kx2Lm9W".repeat(9)),
        "gemini" => made("AIza", &"Qz7Kx2L".repeat(5)),
        "github" => made("github_pat_", &"Qz7Kx2Lm9W".repeat(5)),
        "hubspot" => made("pat-na1-", "a7c3e1f0-1b2c-4d3e-9f4a-5b6c7d8e9fa0"),
        "mailgun" => made("key-", &"q7kx2lm9".repeat(4)),
        "notion" => made("ntn_", &format!("{}{}", "71829304561", "Qz7Kx2L".repeat(5))),
        "openai" => made("sk-proj-", &format!("{0}T3BlbkFJ{0}", "Qz7Kx2Lm9WvTyPq5Rs3N".repeat(2))),
        "postmark" => made("", "a7c3e1f0-1b2c-4d3e-9f4a-5b6c7d8e9fa1"),
        "sendgrid" => made("SG.", &format!("{}.{}", "Qz7Kx2Lm9Wv".repeat(2), "A".to_owned() + &"Qz7Kx2".repeat(7))),
        "shopify" => made("shpat_", &"a7c3e1f0".repeat(4)),
        "slack-webhook" => {
            let last = "Qz7Kx2Lm9WvTyPq5Rs3NQz7K";
            (format!("{base}/services/T0123ABCD/B0123ABCD/{last}"), last.to_owned())
        }
        "stripe" => made("sk_live_", &"Qz7Kx2Lm9W".repeat(3)),
        "telegram" => made("7182930456:", &"Qz7Kx2L".repeat(5)),
        "twilio" => made("", &"a7c3e1f9".repeat(4)),
        other => made("", &format!("a-secret-of-{other}")),
    }
}

/// The request that must arrive, `{secret}` standing for the secret: method and target, the field that holds it, and
/// what else the provider wants.
const REQUESTS: &[(&str, &str, &str, &[&str])] = &[
    ("airtable", "GET /meta/whoami", "authorization: Bearer {secret}", &[]),
    ("anthropic", "GET /v1/models", "x-api-key: {secret}", &["anthropic-version: 2023-06-01"]),
    ("gemini", "GET /v1/models?pageSize=1", "x-goog-api-key: {secret}", &[]),
    (
        "github",
        "GET /user",
        "authorization: Bearer {secret}",
        &["user-agent: keystile", "x-github-api-version: 2022-11-28"],
    ),
    ("hubspot", "GET /account-info/v3/api-usage/daily/private-apps", "authorization: Bearer {secret}", &[]),
    ("mailgun", "GET /v3/domains?limit=1", "authorization: Basic {api}", &[]),
    ("notion", "GET /users/me", "authorization: Bearer {secret}", &["notion-version: 2026-03-11"]),
    ("openai", "GET /v1/models", "authorization: Bearer {secret}", &[]),
    ("postmark", "GET /server", "x-postmark-server-token: {secret}", &[]),
    ("sendgrid", "GET /v3/scopes", "authorization: Bearer {secret}", &[]),
    ("shopify", "GET /admin/oauth/access_scopes.json", "x-shopify-access-token: {secret}", &[]),
    (
        "slack-webhook",
        "POST /services/T0123ABCD/B0123ABCD/{last}",
        "",
        &["content-type: application/json", "content-length: 8"],
    ),
    ("stripe", "GET /v1/charges?limit=1", "authorization: Bearer {secret}", &[]),
    ("telegram", "GET /bot{secret}/getMe", "", &[]),
    (
        "twilio",
        "GET /Accounts/AC00000000000000000000000000000000/Messages.json?PageSize=1",
        "authorization: Basic {account}",
        &[],
    ),
];

/// `case-7` of the request's path.
fn nth(request: &Recorded) -> usize {
    let target = request.target();
    target.split('/').nth(1).and_then(|s| s.strip_prefix("case-")?.parse().ok()).unwrap_or_else(|| panic!("{target}"))
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn c8_every_connector_calls_as_its_provider_wants_and_once() {
    let mut scene = Scene::new();
    let provider = Provider::start(scene.certificate(), |_| Say::Bytes(reply(503, &[], "")));
    for (at, (connector, ..)) in REQUESTS.iter().enumerate() {
        scene.connection(&format!("c{at}"), connector, &format!("https://{}/case-{at}", provider.address));
    }
    scene.verified(&[]);
    let arrived = provider.requests();
    assert_eq!(arrived.len(), REQUESTS.len(), "one call each");
    for (at, (connector, line, slot, extras)) in REQUESTS.iter().enumerate() {
        let request = arrived.iter().find(|r| nth(r) == at).unwrap_or_else(|| panic!("{connector}"));
        let (whole, last) = secret(connector, &format!("https://{}/case-{at}", provider.address));
        let fill = |text: &str| {
            text.replace("{secret}", &whole)
                .replace("{last}", &last)
                .replace("{api}", &base64(&format!("api:{whole}")))
                .replace("{account}", &base64(&format!("AC{}:{whole}", "0".repeat(32))))
        };
        let (method, path) = line.split_once(' ').unwrap();
        assert_eq!(request.line(), format!("{method} /case-{at}{} HTTP/1.1", fill(path)), "{connector}");
        let fields: Vec<String> = request.headers().iter().map(|(n, v)| format!("{}: {v}", n.to_lowercase())).collect();
        let mut wanted: Vec<String> = extras.iter().map(|e| (*e).to_owned()).collect();
        wanted.extend([fill(slot), format!("host: {}", provider.address)]);
        wanted.extend(["accept: */*", "accept-encoding: identity", "user-agent: keystile"].map(str::to_owned));
        wanted.retain(|w| !w.is_empty());
        wanted.sort();
        wanted.dedup();
        let mut fields = fields;
        fields.sort();
        assert_eq!(fields, wanted, "{connector}: these and no others");
        let text = request.text();
        assert!(!text.contains("kst_") && !text.to_lowercase().contains("keystile-"), "{connector}: {text}");
        let body: &[u8] = if *connector == "slack-webhook" { b"not json" } else { b"" };
        assert_eq!(request.body, body, "{connector}");
    }
}

/// What any provider may do, and what it means: a status, or nothing at all; the body; the verdict where rules differ.
const ANYWHERE: &[(&str, &str)] = &[
    ("down", "provider_down"),
    ("redirect", "inconclusive"),
    ("busy", "inconclusive"),
    ("weird", "inconclusive"),
    ("zipped", "-"),
    ("cut", "-"),
    ("no-http", "unreachable"),
    ("hangs-up", "unreachable"),
    ("reflects", "-"),
];

fn anyhow_said(what: &str, request: &Recorded) -> Say {
    let echo = request.text();
    let words: String = echo.split("\r\n").skip(1).collect::<Vec<_>>().join(" ");
    let line = request.line();
    let header = [("X-Echo", words.trim()), ("Location", line.as_str())];
    Say::Bytes(match what {
        "down" => reply(503, &header, &echo),
        "redirect" => reply(302, &header, &echo),
        "busy" => reply(429, &header, &echo),
        "weird" => reply(418, &header, &echo),
        "zipped" => reply(401, &[("Content-Encoding", "gzip")], "\u{1f}\u{8b} garbage"),
        "cut" => b"HTTP/1.1 401 No\r\nContent-Length: 5000\r\n\r\n{\"error\":".to_vec(),
        "no-http" => format!("{line} is no status line\r\n\r\n").into_bytes(),
        "hangs-up" => Vec::new(),
        _ => reply(401, &header, &echo),
    })
}

#[test]
fn c8_every_documented_reply_and_every_mishap_gets_its_verdict_and_no_secret_is_shown() {
    let mut scene = Scene::new();
    let connectors: Vec<&str> = REQUESTS.iter().map(|(name, ..)| *name).collect();
    let mishaps: Vec<(&str, &str, &str)> =
        connectors.iter().flat_map(|c| ANYWHERE.iter().map(|(what, meaning)| (*c, *what, *meaning))).collect();
    let said_of: Vec<&str> = mishaps.iter().map(|(_, what, _)| *what).collect();
    let provider = Provider::start(scene.certificate(), move |request| match CASES.get(nth(request)) {
        Some(case) => Say::Bytes(reply(case.status, case.headers, case.body)),
        None => anyhow_said(said_of[nth(request) - CASES.len()], request),
    });
    let all = CASES.iter().map(|c| c.connector).chain(mishaps.iter().map(|(c, ..)| *c));
    for (at, connector) in all.enumerate() {
        scene.connection(&format!("c{at}"), connector, &format!("https://{}/case-{at}", provider.address));
    }
    let verdicts = scene.verified(&[]);
    assert_eq!(verdicts.len(), CASES.len() + mishaps.len());
    for (case, verdict) in CASES.iter().zip(&verdicts) {
        assert_eq!(verdict["meaning"], case.meaning, "{} {}: {verdict}", case.connector, case.body);
        assert_eq!(verdict["provider_status"], case.status);
        let status = match case.meaning {
            "active" | "inconclusive" => case.meaning,
            _ => "error",
        };
        assert_eq!(verdict["status"], status, "{verdict}");
        assert!(status == "active" || status == "inconclusive" || verdict["remedy"].is_string(), "{verdict}");
    }
    for ((connector, what, meaning), verdict) in mishaps.iter().zip(&verdicts[CASES.len()..]) {
        let told = verdict["meaning"].as_str().unwrap();
        match *meaning {
            "-" => assert!(matches!(told, "bad_key" | "inconclusive"), "{connector} {what}: {verdict}"),
            meaning => assert_eq!(told, meaning, "{connector} {what}: {verdict}"),
        }
    }
    // Where only the body tells a bad key from a good one, what cannot be read tells nothing.
    let of = |connector: &str, what: &str| {
        let at = mishaps.iter().position(|(c, w, _)| *c == connector && *w == what).unwrap();
        verdicts[CASES.len() + at]["meaning"].clone()
    };
    for what in ["zipped", "cut"] {
        for connector in ["openai", "gemini", "twilio", "postmark"] {
            assert_eq!(of(connector, what), "inconclusive", "{connector} {what}");
        }
        assert_eq!(of("stripe", what), "bad_key", "{what}");
    }
    let most = provider.most_at_once();
    assert!((2..=16).contains(&most), "{most} connections at once");
    // The other two forms; the scene looks for secrets in whatever is written.
    let table = scene.keystile(&["connections", "verify", "--all"]);
    assert_eq!(table.status.code(), Some(1));
    assert!(said(&table).contains("OpenAI does not know the key, or it was deleted."));
    assert!(said(&table).contains("Make another one under Settings, API keys."));
    scene.keystile(&["check", "--verify", "-o", "yaml"]);
}

#[test]
fn c8_a_provider_who_takes_too_long_says_nothing_of_the_secret() {
    let mut scene = Scene::new();
    let provider = Provider::start(scene.certificate(), |request| {
        let head = b"HTTP/1.1 401 No\r\nContent-Length: 5000\r\n\r\n{\"error\":".to_vec();
        Say::AndThenNothing(if nth(request) == 0 { Vec::new() } else { head })
    });
    for at in 0..2 {
        scene.connection(&format!("c{at}"), "openai", &format!("https://{}/case-{at}", provider.address));
    }
    let verdicts = scene.verified(&["--timeout", "2s"]);
    assert_eq!((&verdicts[0]["meaning"], &verdicts[0]["code"]), (&"unreachable".into(), &"upstream_timeout".into()));
    assert_eq!((&verdicts[1]["meaning"], &verdicts[1]["provider_status"]), (&"inconclusive".into(), &401.into()));
    assert!(verdicts.iter().all(|v| v["status"] == "inconclusive"), "{verdicts:#?}");
}
