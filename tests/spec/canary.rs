//! T3: tokens and secrets, each sent once, down every path that a request can take, in every place and encoding; then
//! everything that the gateway wrote or answered is searched for all of them.

use crate::support::hunt::{Hunt, assert_absent};
use crate::support::world::{PRODUCTION_SECRET, TEST_SECRET};
use crate::support::{Answer, Recorded, World, digest, nobody, token};

const BASIC_SECRET: &str = "canary-basic-6hK2vQx9";
const QUERY_SECRET: &str = "canary-query-8sJ1/+mZ=";
const PATH_SECRET: &str = "4711:canary-path-Lw3R";
const ENV_SECRET: &str = "canary-env-Tz7Yb4Nc";
const IMPORTED: &str = "canary-imported-token-Gp5Xd0";

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

fn world() -> World {
    let dead = nobody();
    // Its mistakes repeat what it was sent, secrets included.
    let misbehave = |request: &Recorded| {
        let secret = request.header("x-engine-key").or(request.header("authorization")).unwrap_or_default();
        match request.target().rsplit('/').next().unwrap_or_default() {
            "garbage" => Answer::Last(format!("{secret} {}\r\n\r\n", request.text()).into_bytes()),
            "bad-status" => Answer::Last(format!("HTTP/1.1 {secret}\r\n\r\n").into_bytes()),
            "bad-field" => Answer::Last(format!("HTTP/1.1 200 OK\r\n{secret}\0: {secret}\r\n\r\n").into_bytes()),
            "bad-length" => Answer::Last(format!("HTTP/1.1 200 OK\r\nContent-Length: {secret}\r\n\r\n").into_bytes()),
            "hangs-up" => Answer::Last(Vec::new()),
            "slow" => Answer::Silence,
            _ => Answer::reply("200 OK", &[], "ok"),
        }
    };
    let to = |secret: &str, inject: &str| {
        format!(
            "base_url: 'http://{{production}}', inject: {inject}, secret: 'file:{secret}', timeouts: {{ head: 200ms }}"
        )
    };
    let down = |address: &str, secret: &str, inject: &str| to(secret, inject).replace("http://{production}", address);
    let both = "[{ path: '/bot{secret}' }, { query: api_key }, { basic: { username: api } }]";
    World::build()
        .answering(misbehave)
        .listener("trusted_proxies: [127.0.0.0/8]")
        .listener("max_body: 1KiB")
        .listener("timeouts: { body_idle: 200ms, head: 300ms }")
        .root("log: { level: debug }")
        .file("basic.secret", BASIC_SECRET)
        .file("query.secret", QUERY_SECRET)
        .file("path.secret", PATH_SECRET)
        .file("imported.token", IMPORTED)
        .route("header", &to("production.secret", "{ header: X-Engine-Key }"))
        .route("basic", &to("basic.secret", "{ basic: { username: api } }"))
        .route("query", &to("query.secret", "{ query: api_key }"))
        .route("path", &to("path.secret", "{ path: '/bot{secret}' }"))
        .route("dead", &down(&format!("http://{dead}"), "path.secret", both))
        .route("tls", &down("https://{production}", "path.secret", both))
        .route("private", &down("https://10.1", "path.secret", both))
        .route("nameless", &down("https://no-such-host.invalid", "path.secret", both))
        .key("imported", "secondary: 'file:imported.token', workflows: all")
        .key("limited", "rate_limit: 1/day, workflows: all")
        .start()
}

const ROUTES: [&str; 8] = ["header", "basic", "query", "path", "dead", "tls", "private", "nameless"];
const ENDS: [&str; 7] = ["fine", "garbage", "bad-status", "bad-field", "bad-length", "hangs-up", "slow"];
const KEYS: [&str; 12] = [
    "all",
    "crm",
    "crm.secondary",
    "none",
    "fixed-test",
    "disabled",
    "expired",
    "elsewhere",
    "no-scope",
    "sunset",
    "sunset-ahead",
    "limited",
];

fn hunt() -> Hunt {
    let hunt = Hunt::default();
    hunt.known(&[PRODUCTION_SECRET, TEST_SECRET, BASIC_SECRET, QUERY_SECRET, PATH_SECRET, IMPORTED]);
    let tokens: Vec<String> = KEYS.iter().map(|k| token(k)).collect();
    hunt.known(&tokens.iter().map(String::as_str).collect::<Vec<_>>());
    hunt
}

#[test]
fn t3_no_verdict_on_a_known_key_writes_it_down() {
    let (world, hunt) = (world(), hunt());
    for token in KEYS.map(token).iter().map(String::as_str).chain([IMPORTED]) {
        for target in ["/customers/1", "/customers/1?_profile=Test", "/nowhere", "/files/..", "/orders"] {
            let and = if target.contains('?') { '&' } else { '?' };
            for (query, fields) in [
                (String::new(), format!("Authorization: Key={token}\r\n")),
                (String::new(), format!("Authorization: Bearer {token}\r\n")),
                (String::new(), format!("X-API-Key: {token}\r\n")),
                (format!("{and}auth-key={token}"), String::new()),
                (format!("{and}a&auth%2dkey={}", percent(token)), String::new()),
            ] {
                hunt.send(
                    &world,
                    format!("GET {target}{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n"),
                );
            }
        }
    }
    hunt.assert_clean(&world);
    assert!(world.records().len() > 300, "there was something to search");
}

#[test]
fn t3_no_failure_of_an_upstream_writes_a_secret_down() {
    let (world, hunt) = (world(), hunt());
    for route in ROUTES {
        for end in ENDS {
            let key = if end == "fine" { IMPORTED.to_owned() } else { token("all") };
            let head = format!("/{route}/{end} HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n");
            hunt.send(&world, format!("GET {head}\r\n"));
        }
    }
    world.record_of(&world.get("/nowhere").send());
    let codes: Vec<String> = world.records().iter().filter_map(|r| r["code"].as_str().map(str::to_owned)).collect();
    for code in
        ["upstream_unreachable", "upstream_tls", "upstream_protocol", "upstream_timeout", "destination_not_allowed"]
    {
        assert!(codes.iter().any(|c| c == code), "{code} was on the way: {codes:?}");
    }
    hunt.assert_clean(&world);
}

#[test]
fn t3_a_token_in_any_part_of_a_request_is_not_written_down() {
    let (world, hunt) = (world(), hunt());
    let spell: [&dyn Fn(&str) -> String; 6] = [
        &|t| t.to_owned(),
        &|t| percent(t),
        &|t| t.replace('_', "%5F"),
        &|t| t.replacen('k', "%6B", 1),
        &|t| percent(t).replace('%', "%25"),
        &|t| format!("x{t}y"),
    ];
    let heads: [&dyn Fn(&str) -> String; 28] = [
        &|t| format!("GET /{t} HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /customers/{t} HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /files/a/{t}/b HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /files/{t}/../x HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /files/%2f{t} HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /dead/{t} HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /files/a?{t} HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /files/a?other={t} HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /files/a?_profile={t} HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /files/a#{t} HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET http://{t}/files/a HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET http://u:{t}@h/files/a HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: {t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: u:{t}@h\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nUser-Agent: {t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nUser-Agent: \x1b[2J\"{t}\\\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nReferer: https://x.test/?k={t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nCookie: k={t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nX-Request-Id: {t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nExpect: {t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nConnection: {t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nContent-Length: {t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {t}\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nX-{t}: 1\r\n"),
        &|t| format!("GET /files/a HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Bearer {t}\r\n"),
        &|t| format!("{t} /files/a HTTP/1.1\r\nHost: h\r\n"),
        &|t| format!("CONNECT {t}:443 HTTP/1.1\r\nHost: {t}:443\r\n"),
    ];
    for head in heads {
        for spelled in spell {
            // Once with a good key, once without: other steps look at it.
            for key in [format!("X-API-Key: {}\r\n", token("all")), String::new()] {
                let bytes = format!("{}{key}Connection: close\r\n\r\n", head(&spelled(&hunt.fresh())));
                hunt.send(&world, bytes);
            }
        }
    }
    hunt.assert_clean(&world);
    let record = world.records().iter().map(ToString::to_string).find(|r| r.contains("kst_***"));
    assert!(record.is_some(), "where one stood, the record says so");
}

#[test]
fn t3_broken_and_truncated_requests_write_nothing_down() {
    let (world, hunt) = (world(), hunt());
    let key = || format!("Authorization: Key={}\r\n", hunt.fresh());
    let (t, good) = (|| hunt.fresh(), format!("X-API-Key: {}\r\n", token("all")));
    for bytes in [
        format!("GET /{} HTTP/9.9\r\n{}\r\n", t(), key()),
        format!("GET /{} HTTP/2.0\r\nHost: h\r\n{}\r\n", t(), key()),
        format!("GET /{} http/1.1\r\n{}\r\n", t(), key()),
        format!("GET /{}\r\n", t()),
        format!("GET  /{}  HTTP/1.1\r\n{}\r\n", t(), key()),
        format!("GET /{} HTTP/1.1 {}\r\n\r\n", t(), t()),
        format!("{}\r\n\r\n", t()),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{} : 1\r\n\r\n", t()),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n", t()),
        format!("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n {}\r\n\r\n", t()),
        format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Key={}\0\r\n\r\n", t()),
        format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Key={}\rX\r\n\r\n", t()),
        format!("GET / HTTP/1.1\r\nHost: h\r\nX-Big: {}{}\r\n{}\r\n", "b".repeat(200_000), t(), key()),
        format!("POST /orders HTTP/1.1\r\nHost: h\r\n{good}Transfer-Encoding: chunked\r\n\r\n{}\r\n", t()),
        format!("POST /orders HTTP/1.1\r\nHost: h\r\n{good}Transfer-Encoding: chunked\r\n\r\n1;{}\r\na\r\nxx", t()),
        format!("POST /orders HTTP/1.1\r\nHost: h\r\n{good}Transfer-Encoding: chunked\r\n\r\n0\r\nX: {}\r\n", t()),
        format!("POST /orders HTTP/1.1\r\nHost: h\r\n{good}Content-Length: 2000\r\n\r\n{}", t()),
        format!("POST /orders HTTP/1.1\r\nHost: h\r\n{good}Content-Length: 1000\r\n\r\n{}", t()),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}", t()),
        format!("\x16\x03\x01{}", t()),
    ] {
        hunt.send(&world, &bytes);
        hunt.truncated(&world, &bytes);
        // Cut in the middle of the token.
        hunt.truncated(&world, &bytes.as_bytes()[..bytes.len() - bytes.len().min(30)]);
    }
    assert_eq!(world.call("all").send().verdict(), "200");
    hunt.assert_clean(&world);
}

#[test]
fn t3_mistakes_in_the_configuration_never_repeat_a_secret() {
    let build = World::build().key("live", &format!("secondary: '{}', workflows: all", token("canary live")));
    let yaml = build.yaml();
    let (fresh, secret) = (token("canary config"), "sk-canary-config-Qm4Wd8".to_owned());
    let canaries = [fresh.clone(), secret.clone(), token("canary live"), ENV_SECRET.to_owned()];
    let with = |from: &str, to: &str| {
        assert!(yaml.contains(from));
        yaml.replacen(from, to, 1)
    };
    let cut = &fresh[..50];
    let primary = format!("primary: '{}'", digest(&token("crm")));
    let wrong = [
        with(&primary, &format!("primary: '{cut}'")),
        with(&primary, &format!("primary: 'evn:{fresh}'")),
        with(&primary, &format!("primary: 'env:{fresh}-'")),
        with(&primary, &format!("primary: 'file:{fresh}'")),
        with(&primary, &format!("primary: 'blake3:{fresh}'")),
        with(&primary, &format!("primary: [{fresh}]")),
        with(&primary, &format!("primary: '{fresh}', secondary: '{fresh}'")),
        with(&primary, &format!("token: '{fresh}'")),
        with(&primary, &format!("'{fresh}': '{fresh}'")),
        with(&primary, &format!("primary: '{fresh}\n\n")),
        with("'file:production.secret'", &format!("\"{secret}\\n{secret}\"")),
        with("'file:production.secret'", &format!("[{secret}]")),
        with("'file:production.secret'", &format!("{{ value: {secret} }}")),
        with("'file:production.secret'", &format!("'env:{secret}'")),
        with("'file:production.secret'", &format!("'fiel:{secret}'")),
        with("'file:production.secret'", &format!("'{secret}', secret: '{secret}'")),
        with("inject: { header: X-Engine-Key }, secret: 'file:production.secret'", &format!("secret: '{secret}'")),
        with(
            "inject: { header: X-Engine-Key }, secret: 'file:production.secret'",
            &format!("inject: {{ header: \"X\\nY\" }}, secret: '{secret}'"),
        ),
    ];
    let world = build.start();
    let hunt = Hunt::default();
    hunt.known(&canaries.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, bad) in wrong.iter().enumerate() {
        assert!(!world.reload(bad), "{n} was taken:\n{bad}");
        assert_eq!(world.call("live").send().verdict(), "200", "the old one keeps serving");
    }
    hunt.assert_clean(&world);
    for bad in wrong {
        assert_absent(&crate::support::gateway::Setup::new(&bad).refused(), &canaries);
    }
}

#[test]
fn t3_a_secret_from_the_environment_is_written_nowhere() {
    let yaml = World::build()
        .connection("env", "base_url: 'http://{production}', inject: { header: X-E }, secret: 'env:CANARY'")
        .yaml();
    let setup = crate::support::gateway::Setup::new(&yaml)
        .file("production.secret", PRODUCTION_SECRET)
        .file("test.secret", TEST_SECRET);
    let gateway = setup.env("CANARY", ENV_SECRET).start();
    assert!(gateway.reload(&format!("# again\n{yaml}")));
    let all = [gateway.stdout.text(), gateway.stderr.text(), gateway.metrics()].concat();
    assert_absent(&all, &[ENV_SECRET.to_owned(), PRODUCTION_SECRET.to_owned(), TEST_SECRET.to_owned()]);
}
