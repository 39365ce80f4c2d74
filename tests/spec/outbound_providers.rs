//! C4, C5, C6: what arrives at every provider of the catalogue, over TLS and under its own name, when its SDK is given the
//! gateway's token for its API key and the gateway for its base URL: the provider's own key and not a byte of ours.

use crate::support::*;
use crate::tls::Authority;
use base64::Engine as _;

/// One SDK's call, and what must arrive. `{t}`: the caller's token; `{s}`: the connection's secret; `{basic a:b}`: Base64.
struct Case {
    connection: &'static str,
    /// Of the connection, in flow style.
    fields: &'static str,
    host: &'static str,
    secret: String,
    /// Request line without the version, then fields.
    sends: &'static str,
    arrives: &'static str,
}

fn case(
    connection: &'static str,
    fields: &'static str,
    host: &'static str,
    secret: String,
    sends: &'static str,
    arrives: &'static str,
) -> Case {
    Case { connection, fields, host, secret, sends, arrives }
}

/// Every connector in every form that its providers' SDKs know. Secrets look like real ones and never stand here whole.
fn cases() -> Vec<Case> {
    let hex = "0123456789abcdef".repeat(2);
    let uuid = format!("{}-1111-2222-3333-{}", &hex[..8], &hex[..12]);
    let stripe = format!("sk_{}_{}", "live", "4eC39HqLyjWDarjtT1".repeat(2));
    let gemini = format!("AI{}{}", "za", "Sy0_-".repeat(7));
    let bot = format!("4711471147:{}", "AAHd_".repeat(7));
    let mailgun = format!("{hex}-{}-{}", &hex[..8], &hex[8..16]);
    let openai = format!("sk-proj-{}T3Blbk{}{}", "A1b2".repeat(6), "FJ", "C3d4".repeat(6));
    let account = "fields: { account: AC00000000000000000000000000000000 }";
    vec![
        case(
            "connector: openai, fields: { organization: org-A1, project: proj_1 }",
            "",
            "api.openai.com",
            openai.clone(),
            "POST /v1/chat/completions\nAuthorization: Bearer {t}\nOpenAI-Organization: org-theirs\nAccept: text/event-stream",
            "POST /v1/chat/completions\nauthorization: Bearer {s}\nopenai-organization: org-A1\nopenai-project: proj_1\naccept: text/event-stream",
        ),
        case(
            "connector: openai, region: eu",
            "",
            "eu.api.openai.com",
            openai,
            "GET /v1/models\nAuthorization: bearer {t}",
            "GET /v1/models\nauthorization: Bearer {s}",
        ),
        case(
            "connector: anthropic",
            "",
            "api.anthropic.com",
            format!("sk-ant-{}-{}", "api03", "Ab1_".repeat(24)),
            "POST /v1/messages\nX-Api-Key: {t}\nAnthropic-Beta: x",
            "POST /v1/messages\nx-api-key: {s}\nanthropic-version: 2023-06-01\nanthropic-beta: x",
        ),
        case(
            "connector: gemini",
            "",
            "generativelanguage.googleapis.com",
            gemini.clone(),
            "POST /v1beta/models/m:generateContent?alt=sse\nx-goog-api-key: {t}",
            "POST /v1beta/models/m:generateContent?alt=sse\nx-goog-api-key: {s}",
        ),
        case(
            "connector: gemini",
            "inject: { query: key }",
            "generativelanguage.googleapis.com",
            gemini,
            "GET /v1beta/models?%6Bey={t}&pageSize=1\nAccept: */*",
            "GET /v1beta/models?pageSize=1&key={s}\naccept: */*",
        ),
        case(
            "connector: stripe, fields: { account: acct_1, version: 2025-03-31.basil }",
            "",
            "api.stripe.com",
            stripe.clone(),
            "GET /v1/charges?limit=1\nAuthorization: Basic {basic {t}:}\nStripe-Account: acct_theirs\nStripe-Version: 2020-08-27",
            "GET /v1/charges?limit=1\nauthorization: Bearer {s}\nstripe-account: acct_1\nstripe-version: 2020-08-27",
        ),
        case(
            "connector: stripe, region: files",
            "",
            "files.stripe.com",
            stripe,
            "POST /v1/files\nAuthorization: Bearer {t}",
            "POST /v1/files\nauthorization: Bearer {s}",
        ),
        case(
            "connector: sendgrid",
            "",
            "api.sendgrid.com",
            format!("S{}.{}.{}", "G", "a1B2c3-_d4e".repeat(2), &"a1B2c3-_d4e".repeat(4)[..43]),
            "POST /v3/mail/send\nAuthorization: Bearer {t}",
            "POST /v3/mail/send\nauthorization: Bearer {s}",
        ),
        case(
            "connector: mailgun, region: eu",
            "",
            "api.eu.mailgun.net",
            mailgun,
            "POST /v3/mg.example/messages\nAuthorization: Basic {basic api:{t}}",
            "POST /v3/mg.example/messages\nauthorization: Basic {basic api:{s}}",
        ),
        case(
            "connector: telegram",
            "",
            "api.telegram.org",
            bot.clone(),
            "POST /bot{t}/sendMessage?chat_id=1\nAccept: */*",
            "POST /bot{s}/sendMessage?chat_id=1\naccept: */*",
        ),
        case(
            "connector: telegram, region: test",
            "",
            "api.telegram.org",
            bot,
            "GET /%62ot{t}/test/getMe",
            "GET /bot{s}/test/getMe",
        ),
        case(
            "connector: airtable",
            "",
            "api.airtable.com",
            format!("p{}{}.{hex}{hex}", "at", "A1b2C3d4E5f6G7"),
            "GET /appX/Table%20one\nAuthorization: Bearer {t}",
            "GET /v0/appX/Table%20one\nauthorization: Bearer {s}",
        ),
        case(
            "connector: notion",
            "",
            "api.notion.com",
            format!("{}_{}{}", "ntn", "12345678901", "A1b2C".repeat(7)),
            "GET /users/me\nAuthorization: Bearer {t}\nNotion_Version: 1",
            "GET /v1/users/me\nauthorization: Bearer {s}\nnotion-version: 2026-03-11\nnotion_version: 1",
        ),
        case(
            "connector: postmark",
            "",
            "api.postmarkapp.com",
            uuid.clone(),
            "POST /email\nX-Postmark-Server-Token: {t}\nX-Custom: theirs",
            "POST /email\nx-postmark-server-token: {s}\nx-custom: theirs",
        ),
        case(
            "connector: postmark, region: account",
            "",
            "api.postmarkapp.com",
            uuid.clone(),
            "GET /servers\nX-Postmark-Account-Token: {t}",
            "GET /servers\nx-postmark-account-token: {s}",
        ),
        case(
            "connector: slack-webhook",
            "",
            "hooks.slack.com",
            format!("https://hooks.slack.com/{}/T000/B000/{}", "services", "AbCdyyyy".repeat(3)),
            "POST /\nAuthorization: Bearer {t}",
            "POST {path}",
        ),
        case(
            "connector: github",
            "",
            "api.github.com",
            format!("github_{}_{}", "pat", "A1b2".repeat(10)),
            "GET /user\nAuthorization: token {t}",
            "GET /user\nauthorization: Bearer {s}\nx-github-api-version: 2022-11-28\nuser-agent: keystile",
        ),
        case(
            "connector: github, region: enterprise, fields: { host: github.acme.example }",
            "",
            "github.acme.example",
            format!("{}_{}", "ghp", "A1b2".repeat(10)),
            "GET /user\nAuthorization: Bearer {t}\nUser-Agent: octokit",
            "GET /api/v3/user\nauthorization: Bearer {s}\nx-github-api-version: 2022-11-28\nuser-agent: octokit",
        ),
        case(
            "connector: hubspot",
            "",
            "api.hubapi.com",
            format!("{}-eu1-{uuid}", "pat"),
            "GET /crm/v3/objects/contacts\nAuthorization: Bearer {t}",
            "GET /crm/v3/objects/contacts\nauthorization: Bearer {s}",
        ),
        case(
            "connector: shopify, fields: { store: acme }",
            "",
            "acme.myshopify.com",
            format!("shp{}_{hex}", "at"),
            "GET /admin/api/2025-01/shop.json\nX-Shopify-Access-Token: {t}",
            "GET /admin/api/2025-01/shop.json\nx-shopify-access-token: {s}",
        ),
        case(
            "connector: twilio",
            account,
            "api.twilio.com",
            hex.clone(),
            "POST /Accounts/AC00000000000000000000000000000000/Messages.json\nAuthorization: Basic {basic AC00000000000000000000000000000000:{t}}",
            "POST /2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json\nauthorization: Basic {basic AC00000000000000000000000000000000:{s}}",
        ),
        case(
            "base_url: 'https://engine.example/v2', inject: [{ header: X-Engine-Key }, { query: k }]",
            "",
            "engine.example",
            "engine-secret-+/=&".to_owned(),
            "GET /x?k={t}\nX-Engine-Key: {t}",
            "GET /v2/x?k=engine-secret-%2B%2F%3D%26\nx-engine-key: {s}",
        ),
    ]
}

/// Everything of `text` put in.
fn fill(text: &str, token: &str, secret: &str) -> String {
    let path = secret.split_once(".com").map_or("", |(_, path)| path);
    let mut text = text.replace("{t}", token).replace("{s}", secret).replace("{path}", path);
    while let Some((before, after)) = text.clone().split_once("{basic ") {
        let (pair, after) = after.split_once('}').unwrap();
        text = format!("{before}{}{after}", base64::engine::general_purpose::STANDARD.encode(pair));
    }
    text
}

/// A gateway with a connection `c0`, `c1`, … for each case, and behind it one upstream that is all of the providers.
fn world(cases: &[Case]) -> (World, Provider) {
    let ca = Authority::new();
    let hosts: Vec<&str> = cases.iter().map(|case| case.host).collect();
    let provider = Provider::start(&ca, &hosts, Upstream::start());
    let mut build = World::build()
        .outbound("")
        .outbound("identity: caller")
        .key("caller", "connections: all, expires_at: 2099-01-01T00:00:00Z")
        .file("ca.pem", ca.pem());
    for (n, case) in cases.iter().enumerate() {
        let more = if case.fields.is_empty() { String::new() } else { format!("{}, ", case.fields) };
        let fields = format!(
            "{}, {more}secret: 'file:{n}.secret', tls: {{ ca: ca.pem }}, addresses: ['{}']",
            case.connection, provider.address
        );
        build = build.connection(&format!("c{n}"), &fields).file(&format!("{n}.secret"), &case.secret);
    }
    (build.start(), provider)
}

/// What every caller sends beside, and what goes.
const CHATTER: [(&str, &str); 9] = [
    ("Keystile-Environment", "Production"),
    ("Keystile-Connection", "other"),
    ("X-Keystile-Username", "Key: root"),
    ("X_Keystile_Key_Id", "root"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("Forwarded", "for=10.0.0.1"),
    ("X-Real-IP", "10.0.0.1"),
    ("Accept-Encoding", "gzip, br"),
    ("Connection", "keep-alive, x-api-key, authorization"),
];

/// Makes the call of `case` with `token`, and compares what arrives: the line to the byte, and every field.
fn check(world: &World, provider: &Provider, (n, case): (usize, &Case), listener: usize, token: &str) {
    let sends = fill(case.sends, token, "");
    let mut lines = sends.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut ask =
        Ask::new(world.outbound[listener], method, &format!("/c/c{n}{path}")).header("Host", "localhost:8081");
    for (name, value) in lines.map(|line| line.split_once(": ").unwrap()).chain(CHATTER) {
        ask = ask.header(name, value);
    }
    let body = if method == "POST" { "{}" } else { "" };
    let ask = if method == "POST" { ask.body(body) } else { ask };
    let reply = ask.send();
    assert_eq!(reply.verdict(), "200", "{}: {}", case.connection, reply.text());
    let seen = provider.upstream.last();
    let arrives = fill(case.arrives, "", &case.secret);
    let (line, fields) = arrives.split_once('\n').unwrap_or((&arrives, ""));
    assert_eq!(seen.line(), format!("{line} HTTP/1.1"), "{}", case.connection);
    let mut wanted: Vec<String> = fields.lines().map(str::to_owned).collect();
    wanted.extend([format!("host: {}", case.host), "accept-encoding: identity".into()]);
    wanted.extend((method == "POST").then(|| "content-length: 2".to_owned()));
    let own = ["via", "x-request-id"];
    let (ours, rest): (Vec<_>, Vec<_>) =
        seen.headers().into_iter().map(|(n, v)| (n.to_ascii_lowercase(), v)).partition(|(n, _)| own.contains(&&**n));
    let mut rest: Vec<String> = rest.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    rest.sort();
    wanted.sort();
    assert_eq!(rest, wanted, "{}", case.connection);
    assert_eq!(ours.len(), 2, "the request's id, and the mark against loops: {ours:?}");
    assert_eq!(seen.body, body.as_bytes());
    assert!(!seen.text().contains(token), "{}", seen.text());
}

#[test]
fn c4_c6_every_provider_is_called_as_its_sdk_would_with_the_providers_key() {
    let cases = cases();
    let (world, provider) = world(&cases);
    for case in cases.iter().enumerate() {
        check(&world, &provider, case, 0, &token("caller"));
    }
    assert_eq!(provider.upstream.count(), cases.len(), "one request, one call");
}

#[test]
fn c4_with_an_identity_an_sdks_dummy_key_is_replaced_everywhere() {
    let cases = cases();
    let (world, provider) = world(&cases);
    for case in cases.iter().enumerate().filter(|(_, case)| case.host != "hooks.slack.com") {
        check(&world, &provider, case, 1, "dummy-key-of-an-sdk");
    }
}

#[test]
fn c6_the_table_knows_every_connector() {
    let mut list = std::process::Command::new(env!("CARGO_BIN_EXE_keystile"));
    let listed = list.args(["connectors", "list", "-o", "json"]).output().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    for connector in listed.as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).filter(|n| *n != "custom") {
        let named = format!("connector: {connector}");
        let known = |case: &Case| case.connection.split(',').next() == Some(&named);
        assert!(cases().iter().any(known), "{connector} has no case");
    }
}
