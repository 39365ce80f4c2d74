//! T3, S2, hazard 1 at the control plane: no token, no secret and no master key is found anywhere but where it was asked
//! for, however it was sent.

use crate::support::hunt::assert_absent;
use crate::support::sender::{hex, sha256};
use crate::support::{Ask, Connection, Founded, Stored, token};
use serde_json::{Value, json};
use std::fs;

/// Values that are sent once, and everything that is said and written.
#[derive(Default)]
struct Trail {
    canaries: Vec<String>,
    repeated: Vec<String>,
    said: Vec<u8>,
}

impl Trail {
    /// A secret that was never used before.
    fn secret(&mut self, what: &str) -> String {
        let canary = format!("sec{}ret", &blake3::hash(what.as_bytes()).to_hex()[..32]);
        self.canaries.push(canary.clone());
        canary
    }

    /// One that its sender may read again, and nobody else anywhere.
    fn repeated(&mut self, what: &str) -> String {
        let canary = self.secret(&format!("repeated {what}"));
        self.repeated.extend(self.canaries.pop());
        canary
    }

    /// A token of ours that is nobody's.
    fn token(&mut self, what: &str) -> String {
        let canary = token(&format!("canary {what}"));
        self.canaries.push(canary.clone());
        canary
    }

    /// Bytes as they are; what comes back is kept.
    fn send(&mut self, gateway: &Stored, bytes: &[u8]) -> u16 {
        let mut connection = Connection::open(gateway.api.address);
        connection.write(bytes);
        match connection.read(bytes.starts_with(b"HEAD")) {
            Ok(reply) => {
                self.said.extend(reply.raw);
                reply.status
            }
            Err(_) => 0,
        }
    }

    fn ask(&mut self, gateway: &Stored, ask: &Ask) -> u16 {
        self.send(gateway, &ask.bytes())
    }

    fn call(&mut self, gateway: &Stored, method: &str, path: &str, body: &Value) -> u16 {
        self.ask(gateway, &gateway.api.asking(method, path, body))
    }

    /// A call whose reply shows tokens, this once: they are canaries from now on, and the reply is left out.
    fn shown(&mut self, gateway: &Stored, method: &str, path: &str, body: &Value) -> Value {
        let shown = gateway.api.done(method, path, body);
        for field in ["primary", "secondary", "token"] {
            self.canaries.extend(shown[field].as_str().map(str::to_owned));
        }
        shown
    }
}

/// Every file in the directory but those that are meant to hold a secret.
fn files(founded: &Founded, but: &[&str]) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(founded.path("")).unwrap().map(|entry| entry.unwrap()) {
        if !but.contains(&entry.file_name().to_str().unwrap()) && entry.path().is_file() {
            all.extend(fs::read(entry.path()).unwrap());
        }
    }
    all
}

/// Wrong places, wrong types, wrong forms: what was sent is not repeated.
fn misplaced(trail: &mut Trail, gateway: &Stored) {
    let api = &gateway.api;
    for (n, body) in [
        (0, r#"{"name": "SECRET"}"#),
        (1, r#"{"name": "a", "title": ["SECRET"]}"#),
        (2, r#"{"name": "a", "title": {"SECRET": "SECRET"}}"#),
        (3, r#"{"name": "a", "SECRET": 1}"#),
        (4, r#"{"name": "a", "primary": ["SECRET"]}"#),
        (5, r#"{"name": "a", "primary": "env:SECRET"}"#),
        (6, r#"{"name": "a", "secret": "SECRET"}"#),
        (7, r#"{"name": "a", "secret": "SECRET", "secret": "SECRET"}"#),
        (8, r#"{"name": "a", "secret": "SECRET" SECRET"#),
        (9, r#"{"name": "a", "secret": SECRET}"#),
        (10, r#"{"name": "a", "rate_limit": "SECRET"}"#),
        (11, r#"{"name": "a", "base_url": "https://SECRET@provider.example"}"#),
        (12, r#"{"name": "a", "base_url": "SECRET"}"#),
        (13, r#"{"name": "a", "base_url": "https://provider.example", "secret": {"value": "SECRET"}}"#),
        (14, r#"{"name": "a", "base_url": "https://provider.example", "secret": "file:SECRET"}"#),
        (15, r#"{"name": "a", "base_url": "https://provider.example", "secret": "SE\u0000CRET SECRET"}"#),
        (16, r#"{"name": "a", "connector": "SECRET"}"#),
        (17, r#"["SECRET"]"#),
        (18, "\"SECRET\""),
        (19, "SECRET"),
        (20, r#"{"grace": "SECRET"}"#),
        (21, r#"{"version": "SECRET"}"#),
        (22, r#"{"keys": [{"name": "a", "primary": "SECRET"}]}"#),
        (23, r#"{"connections": [{"name": "a", "base_url": "https://provider.example", "secret": "SECRET"}]}"#),
        (24, r#"{"secret": "SECRET", "extra": "SECRET"}"#),
        (25, r#"{"name": "a", "base_url": "https://provider.example", "inject": {"header": "SECRET SECRET"}}"#),
        (26, r#"{"name": "a", "base_url": "https://provider.example", "headers": {"X": "SECRET\n"}}"#),
        (27, r#"{"name": "a", "title": "as agreed: SECRET."}"#),
        (28, r#"{"title": "as agreed: SECRET.", "description": "SECRET"}"#),
        (29, r#"{"name": "a", "webhook": {"scheme": "standard", "secrets": ["whsec_SECRET!"]}}"#),
        (30, r#"{"name": "a", "webhook": {"scheme": "github", "secrets": ["file:SECRET", "SECRET"]}}"#),
        (31, r#"{"name": "a", "webhook": {"scheme": "github", "secrets": "SECRET"}}"#),
        (32, r#"{"name": "a", "webhook": {"scheme": "github", "secrets": [["SECRET"], {"value": "SECRET"}]}}"#),
        (33, r#"{"name": "a", "webhook": {"scheme": "github", "secrets": ["SECRET", "SECRET"]}}"#),
        (34, r#"{"name": "a", "webhook": {"handshake": "meta", "verify_token": "env:SECRET"}}"#),
        (35, r#"{"name": "a", "webhook": {"handshake": "meta", "verify_token": {"token": "SECRET"}}}"#),
        (36, r#"{"workflows": [{"name": "a", "webhook": {"scheme": "github", "secrets": ["SECRET"]}}]}"#),
        (37, r#"{"name": "a", "webhook": "SECRET"}"#),
        (38, r#"{"name": "a", "webhook": {"require": "key", "secrets": ["SECRET"]}}"#),
    ] {
        let of = n.to_string();
        // What no field takes is said again to who sent it, so that he sees his mistake; but never a token.
        let repeated = matches!(n, 2 | 3 | 10..=12 | 16 | 20 | 25 | 26);
        let titled = matches!(n, 0 | 27 | 28);
        let canaries = match (repeated, titled) {
            (true, _) => vec![trail.token(&of), trail.repeated(&of)],
            (_, true) => vec![trail.token(&of)],
            _ => vec![trail.token(&of), trail.secret(&of)],
        };
        for (method, path) in [
            ("POST", "/keys"),
            ("POST", "/connections"),
            ("POST", "/workflows"),
            ("POST", "/environments"),
            ("PATCH", "/keys/crm"),
            ("PATCH", "/connections/other"),
            ("PATCH", "/workflows/hooks"),
            ("POST", "/workflows/hooks/secrets"),
            ("PUT", "/connections/other/secret"),
            ("POST", "/connections/other/rollback"),
            ("POST", "/keys/crm/slots/primary/regenerate"),
            ("POST", "/import"),
        ] {
            for text in canaries.iter().map(|canary| body.replace("SECRET", canary)) {
                let json = api.ask(method, path).header("Content-Type", "application/json").body(&text);
                let other = api.ask(method, path).header("Content-Type", "text/plain").body(&text);
                for ask in [json, other, api.ask(method, path).body(&text)] {
                    let status = trail.ask(gateway, &ask);
                    assert!((400..500).contains(&status), "{method} {path} {text}: {status}");
                }
            }
        }
    }
    for n in 0..6 {
        let canary = trail.token(&format!("place {n}"));
        let ask = match n {
            0 => api.ask("GET", &format!("/keys?q={canary}")),
            1 => api.ask("GET", &format!("/keys?{canary}=1")),
            2 => api.ask("GET", &format!("/keys/{canary}")),
            3 => api.ask("GET", &format!("/nowhere/{canary}")),
            4 => api.with(&canary).ask("GET", "/keys"),
            _ => api.ask("POST", "/keys").header("Idempotency-Key", &canary).header("If-Match", &canary),
        };
        trail.ask(gateway, &ask);
    }
}

/// H1: a webhook whose secrets come every way that there is.
fn hooks(trail: &mut Trail, gateway: &Stored) {
    let [one, two, three, token] = ["hook one", "hook two", "hook three", "meta"].map(|what| trail.secret(what));
    let webhook = json!({ "scheme": "github", "secrets": [one, two], "handshake": "meta", "verify_token": token });
    let fields = json!({ "name": "hooks", "template": "POST /hooks", "upstream": { "Production": "other" }, "webhook": webhook });
    assert_eq!(trail.call(gateway, "POST", "/workflows", &fields), 201);
    assert_eq!(trail.call(gateway, "POST", "/workflows/hooks/secrets", &json!({ "secret": three })), 201);
    assert_eq!(trail.call(gateway, "POST", "/workflows/hooks/secrets", &json!({ "secret": three })), 422);
    let four = trail.secret("hook four");
    let patch =
        json!({ "webhook": { "secrets": [three, format!(" {four} ")], "verify_token": trail.secret("meta two") } });
    assert_eq!(trail.call(gateway, "PATCH", "/workflows/hooks", &patch), 200);
    assert_eq!(trail.call(gateway, "DELETE", "/workflows/hooks/secrets/3", &Value::Null), 204);
    for secret in [&three, &four] {
        let signature = format!("sha256={}", hex(&sha256(secret.as_bytes(), b"{}")));
        let delivery = gateway.ask("POST", "/hooks").header("X-Hub-Signature-256", signature).body("{}").send();
        assert_eq!(delivery.verdict(), if secret == &four { "200" } else { "401 signature_invalid" });
        trail.said.extend(delivery.raw);
    }
}

#[test]
fn t3_no_token_no_secret_and_no_master_key_is_written_down_or_said_again() {
    let founded = Founded::new();
    let gateway = founded.start();
    let master = fs::read_to_string(founded.path("master.key")).unwrap().trim().to_owned();
    let mut trail = Trail::default();
    trail.canaries.extend([founded.admin.clone(), master]);

    let drawn = trail.shown(&gateway, "POST", "/keys", &json!({ "name": "crm", "workflows": "all" }));
    trail.shown(&gateway, "POST", "/keys/crm/slots/secondary/regenerate", &json!({ "grace": "1h" }));
    let (ours, foreign) = (trail.token("imported"), trail.secret("imported from elsewhere"));
    let imported = json!({ "name": "imported", "primary": ours, "secondary": foreign, "workflows": "all" });
    assert_eq!(trail.call(&gateway, "POST", "/keys", &imported), 201);
    assert_eq!(gateway.hello(&foreign), "200", "it is in force");

    let first = trail.secret("first");
    assert_eq!(trail.call(&gateway, "POST", "/connections", &founded.connection("other", &first)), 201);
    for value in ["second", "third"] {
        let canary = trail.secret(value);
        assert_eq!(trail.call(&gateway, "PUT", "/connections/other/secret", &json!({ "secret": canary })), 200);
    }
    assert_eq!(trail.call(&gateway, "POST", "/connections/other/rollback", &json!({ "version": 1 })), 200);
    let leads = json!({ "name": "led", "template": "GET /led", "upstream": { "Production": "other" } });
    assert_eq!(trail.call(&gateway, "POST", "/workflows", &leads), 201);
    assert_eq!(gateway.get("/led").key(drawn["primary"].as_str().unwrap()).send().status, 200);
    assert_eq!(founded.upstream.last().header("X-Engine-Key"), Some(first), "it is in force");
    hooks(&mut trail, &gateway);
    misplaced(&mut trail, &gateway);

    for path in [
        "/keys",
        "/connections",
        "/connections/other",
        "/keys/crm",
        "/export",
        "/audit?limit=500",
        "/audit/verify",
        "/workflows",
        "/workflows/hooks",
    ] {
        assert_eq!(trail.call(&gateway, "GET", path, &Value::Null), 200, "{path}");
    }
    for path in ["/usage", "/status", "/connections/other/dependants", "/docs", "/openapi.json", "/environments"] {
        assert_eq!(trail.call(&gateway, "GET", path, &Value::Null), 200, "{path}");
    }
    let asked = json!({ "method": "GET", "url": format!("http://{}/hello", gateway.address()), "key": "crm" });
    trail.call(&gateway, "POST", "/explain", &asked);
    let export = gateway.api.done("GET", "/export", &Value::Null);
    trail.call(&gateway, "POST", "/import?dry_run=true", &export);
    trail.call(&gateway, "POST", "/connections/other/verify", &Value::Null);
    trail.call(&gateway, "POST", "/connections/other/purge", &Value::Null);
    for path in ["/metrics", "/readyz", "/healthz"] {
        trail.said.extend(gateway.admin(path).raw);
    }
    let beside = ["master.key", "engine.secret"];
    let running = files(&founded, &beside);
    let (said, all) = (gateway.stdout.text() + &gateway.stderr.text(), trail.canaries.clone());
    assert_absent(&String::from_utf8_lossy(&trail.said), &all);
    let all = [all, trail.repeated.clone()].concat();
    assert_absent(&String::from_utf8_lossy(&running), &all);
    assert_absent(&said, &all);
    let mut gateway = gateway;
    gateway.signal("TERM");
    gateway.gateway.wait();
    assert_absent(&String::from_utf8_lossy(&files(&founded, &beside)), &all);
    assert_absent(&(gateway.stdout.text() + &gateway.stderr.text()), &all);
}

/// What is sealed of a connection's secrets, as it lies in the database.
fn sealed(founded: &Founded) -> Vec<Vec<u8>> {
    let database = rusqlite::Connection::open(founded.path("keystile.db")).unwrap();
    let mut statement = database.prepare("SELECT sealed FROM secrets ORDER BY version").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn ended(mut gateway: Stored) {
    gateway.signal("TERM");
    assert!(gateway.gateway.wait().success());
}

fn lies_in(file: &[u8], value: &[u8]) -> bool {
    // Any part of it: a value may lie in pieces.
    value.chunks(16).filter(|part| part.len() == 16).any(|part| file.windows(16).any(|window| window == part))
}

#[test]
fn r1_what_was_purged_or_deleted_is_not_left_in_the_file() {
    let founded = Founded::new();
    let gateway = founded.start();
    gateway.api.done("POST", "/connections", &founded.connection("other", "first-value-of-it-2Gs"));
    gateway.api.done("PUT", "/connections/other/secret", &json!({ "secret": "second-value-of-it-2Gs" }));
    ended(gateway);
    let versions = sealed(&founded);
    assert_eq!(versions.len(), 2);
    let before = fs::read(founded.path("keystile.db")).unwrap();
    assert!(versions.iter().all(|value| lies_in(&before, value)), "the search finds what is there");

    let gateway = founded.start();
    assert_eq!(gateway.api.done("POST", "/connections/other/purge", &Value::Null)["purged"], 1);
    ended(gateway);
    let after = fs::read(founded.path("keystile.db")).unwrap();
    assert!(!lies_in(&after, &versions[0]) && lies_in(&after, &versions[1]), "purged");

    let gateway = founded.start();
    gateway.api.done("DELETE", "/connections/other", &Value::Null);
    ended(gateway);
    assert!(!lies_in(&fs::read(founded.path("keystile.db")).unwrap(), &versions[1]), "deleted");
}

#[test]
fn a_stolen_database_without_its_master_key_opens_nothing() {
    let founded = Founded::new();
    let gateway = founded.start();
    gateway.api.done("POST", "/connections", &founded.connection("other", "a-value-to-be-stolen-6Vd"));
    ended(gateway);
    // Somebody has the files and makes a gateway with a key of his own.
    let thief = Founded::new();
    fs::copy(founded.path("keystile.db"), thief.path("keystile.db")).unwrap();
    let told = thief.setup().refused();
    assert!(told.contains("is not the one that this data was sealed with"), "{told}");
    // He puts his own keyring in, which his key opens: what was sealed before does not follow.
    let own = Founded::new();
    let keyring: Vec<u8> = rusqlite::Connection::open(own.path("keystile.db"))
        .unwrap()
        .query_row("SELECT record FROM keyring", [], |row| row.get(0))
        .unwrap();
    let database = rusqlite::Connection::open(thief.path("keystile.db")).unwrap();
    database.execute("UPDATE keyring SET record = ?1", [&keyring]).unwrap();
    drop(database);
    fs::copy(own.path("master.key"), thief.path("master.key")).unwrap();
    let gateway = thief.started(thief.setup());
    assert!(gateway.stderr.text().contains("its secret does not open"), "{}", gateway.stderr.text());
    let api = gateway.api.with(&founded.admin);
    assert_eq!(api.show("/audit/verify").json()["ok"], false, "and the audit tells of it");
    let leads = json!({ "name": "led", "template": "GET /led", "upstream": { "Production": "other" } });
    api.done("POST", "/workflows", &leads);
    let token = api.key("thief");
    assert_eq!(gateway.get("/led").key(&token).send().status, 503, "nothing is sent without it");
    assert_eq!(founded.upstream.count(), 0);
}
