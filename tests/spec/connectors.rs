//! C6, C7, C9, C15: connectors, with the real binary: what a configuration may say of them, and the commands about them.

use crate::support::{World, token};
use std::path::PathBuf;
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_keystile");

/// A directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("keystile-connectors-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn keystile(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY).args(arguments).current_dir(&self.0).env_remove("KEYSTILE_CONFIG").output().unwrap()
    }

    /// What `keystile check` says of a configuration with these connections, and whether it accepts it.
    fn check(&self, root: &str, connections: &str) -> (bool, String) {
        let text = format!(
            "listeners: {{ inbound: [{{ address: 127.0.0.1:0 }}] }}\n{root}\n\
             environments: [{{ name: Production, default: true }}, {{ name: Test }}]\n\
             connections:\n{connections}\n"
        );
        let file = self.file("keystile.yaml", &text);
        let output = self.keystile(&["check", "--config", &file]);
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    #[track_caller]
    fn accepted(&self, root: &str, connections: &str) -> String {
        let (ok, said) = self.check(root, connections);
        assert!(ok, "{said}");
        said
    }

    #[track_caller]
    fn refused(&self, root: &str, connections: &str, reasons: &[&str]) {
        let (ok, said) = self.check(root, connections);
        assert!(!ok, "{said}");
        for reason in reasons {
            assert!(said.contains(reason), "{reason} in\n{said}");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Made up, and never whole in this file.
fn key(kind: &str) -> String {
    format!("sk_{kind}_{}", "4eC39HqLyjWDarjtT1".repeat(2))
}

const STRIPE: &str = "  - { name: pay, connector: stripe, secret: file:key }";

#[test]
fn c6_a_connection_says_its_connector_and_its_secret_and_nothing_else() {
    let folder = Folder::new("plain");
    folder.file("key", &key("live"));
    let said = folder.accepted("", STRIPE);
    assert!(said.contains("1 connection") && !said.contains("warning"), "{said}");
}

#[test]
fn c6_every_connection_that_show_offers_to_paste_is_accepted() {
    let folder = Folder::new("paste");
    let list = stdout(&folder.keystile(&["connectors", "list", "-o", "json"]));
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert!(names.len() == 16 && names.contains(&"slack-webhook"), "{names:?}");
    for name in names {
        let shown = stdout(&folder.keystile(&["connectors", "show", name]));
        let (_, pasted) = shown.split_once("A connection to paste:\n\nconnections:\n").unwrap();
        // The variable is not set; everything else must stand.
        let (_, said) = folder.check("", pasted);
        assert!(
            said.contains("is not set") && said.contains("1 error to mend") && !said.contains("warning"),
            "{name}: {said}"
        );
    }
}

#[test]
fn c15_a_binding_to_a_connection_that_the_key_may_not_use_is_pointed_out() {
    let folder = Folder::new("bound");
    folder.file("key", &key("live"));
    let bound = |connections: &str| {
        let token = format!("primary: 'blake3:{}', expires_at: 2099-01-01T00:00:00Z", "a".repeat(64));
        let key =
            format!("keys: [{{ name: orders, {token}, bindings: {{ stripe: pay }}, connections: {connections} }}]");
        folder.accepted(&key, STRIPE)
    };
    let said = bound("[]");
    assert!(said.contains("the key may not use pay, so /c/stripe is not found by it"), "{said}");
    for enough in ["all", "[pay]"] {
        assert!(!bound(enough).contains("warning"), "{enough}");
    }
}

#[test]
fn c7_what_is_missing_is_a_mistake_that_names_all_of_it() {
    let folder = Folder::new("missing");
    folder.file("key", "a-key-of-no-known-form");
    let connections = "  - { name: shop, connector: shopify, secret: file:key }\n\
                       \x20 - { name: text, connector: twilio, secret: file:key, fields: { acount: AC1 } }\n\
                       \x20 - { name: code, connector: github, region: enterprise, secret: file:key }\n\
                       \x20 - { name: else, connector: custom }\n\
                       \x20 - { name: pay, connector: stripe, region: eu, secret: file:key }\n\
                       \x20 - { name: dots, connector: shopify, fields: { store: evil.example/ }, secret: file:key }";
    folder.refused(
        "",
        connections,
        &[
            "connections[shop]: the connector shopify needs more: store",
            "write: fields: { store: acme }",
            "connections[text]: the connector twilio needs more: account",
            "the connector twilio has no field \"acount\"",
            "connections[code]: the connector github needs more: host",
            "connections[else]: the connector custom needs more: base_url",
            "connections[pay].region: the connector stripe has no such region",
            "write one of: files",
            "the value of store does not have its form",
        ],
    );
    folder.refused("", "  - { name: a, connector: strype }", &["there is no connector \"strype\"", "write: stripe"]);
}

#[test]
fn c9_a_key_that_does_not_belong_is_pointed_out_or_refused_and_never_shown() {
    let folder = Folder::new("looks");
    folder.file("key", "hush-hush-of-another-provider");
    folder.file("test-key", &key("test"));
    folder.file("live-key", &key("live"));
    folder.file("bot", &format!("{}:{}", "1".repeat(10), "A".repeat(35)));
    let connections = "  - { name: a, connector: stripe, secret: file:key }\n\
                       \x20 - { name: b, connector: stripe, secret: file:test-key }\n\
                       \x20 - { name: c, connector: stripe, secret: file:live-key, environment: Test }\n\
                       \x20 - { name: d, connector: stripe, secret: file:test-key, environment: Test }\n\
                       \x20 - { name: e, connector: telegram, secret: file:bot, region: test }";
    let said = folder.accepted("", connections);
    for warning in [
        "warning: connections[a].secret: the secret does not look like one of Stripe (secret key, live;",
        "warning: connections[b].secret: a test key of Stripe in the default environment",
        "warning: connections[c].secret: a live key of Stripe outside of the default environment",
    ] {
        assert!(said.contains(warning), "{warning} in\n{said}");
    }
    assert!(said.contains("3 warnings") && !said.contains("hush") && !said.contains("4eC39"), "{said}");
    folder.refused(
        "key_checks: refuse",
        connections,
        &["error: connections[a].secret", "error: connections[b].secret"],
    );
}

#[test]
fn c9_a_live_key_does_not_belong_to_a_sandbox_nor_a_test_key_elsewhere() {
    let folder = Folder::new("sandbox");
    folder.file(
        "connectors/acme.yaml",
        "name: acme\ntitle: Acme\nbase_url: https://api.acme.example\n\
         regions: { sandbox: { base_url: 'https://sandbox.acme.example', sandbox: true } }\n\
         inject: { header: X-Acme-Key }\n\
         secret: { patterns: [{ name: live, pattern: 'live-\\w+', mark: live }, { name: test, pattern: 'test-\\w+', mark: test }] }\n",
    );
    folder.file("live", "live-0123456789abc");
    folder.file("test", "test-0123456789abc");
    let said = folder.accepted(
        "connectors: [connectors]",
        "  - { name: a, connector: acme, region: sandbox, secret: file:live }\n\
         \x20 - { name: b, connector: acme, environment: Test, secret: file:test }\n\
         \x20 - { name: c, connector: acme, environment: Test, region: sandbox, secret: file:test }",
    );
    assert!(said.contains("connections[a].secret: a live key for a sandbox of Acme"), "{said}");
    assert!(said.contains("connections[b].secret: a test key, but no sandbox of Acme"), "{said}");
    assert!(said.contains("2 warnings"), "{said}");
}

#[test]
fn c9_white_space_is_trimmed_with_a_notice_control_characters_are_refused_and_short_ones_pointed_out() {
    let folder = Folder::new("space");
    folder.file("key", &format!("  {}\n\n", key("live")));
    assert!(folder.accepted("", STRIPE).contains("white space around the secret was removed"));
    folder.file("key", &format!("{}\n", key("live")));
    assert!(!folder.accepted("", STRIPE).contains("warning"), "a last line break is no slip");
    folder.file("key", &key("live").replace("4eC", "4\u{7}C"));
    folder.refused("", STRIPE, &["control characters"]);
    folder.file("key", "hunter2hush");
    let own = "  - { name: a, base_url: 'https://a.example', inject: { header: X-A }, secret: file:key }";
    let said = folder.accepted("", own);
    assert!(said.contains("fewer than 12 characters") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_connection_without_its_secret_loads_with_a_warning() {
    let folder = Folder::new("nosecret");
    let said = folder.accepted("", "  - { name: pay, connector: stripe }");
    assert!(said.contains("every call is refused (secret_unavailable)"), "{said}");
    folder.refused("", "  - { name: a, base_url: 'https://a.example', secret: env:A }", &["inject or connector"]);
    folder.file("key", "0123456789abcdef");
    let custom = "  - { name: a, connector: custom, base_url: 'https://a.example', secret: file:key }";
    folder.refused("", custom, &["does not say where the secret goes"]);
}

#[test]
fn k15_a_connectors_name_is_no_connections() {
    let folder = Folder::new("reserved");
    let own = "name: acme\ntitle: Acme\nbase_url: https://a.example\ninject: { header: X-A }\n";
    folder.file("acme.yaml", own);
    let connections =
        "  - { name: stripe, base_url: 'https://a.example' }\n  - { name: acme, base_url: 'https://a.example' }";
    folder.refused(
        "connectors: [acme.yaml]",
        connections,
        &["connections[stripe].name: stripe is the name of a connector", "stripe-production", "connections[acme].name"],
    );
}

#[test]
fn c15_one_default_for_each_connector_and_environment() {
    let folder = Folder::new("default");
    let connections = "  - { name: a, connector: stripe, default: true }\n\
                       \x20 - { name: b, connector: stripe, default: true, environment: Test }\n\
                       \x20 - { name: c, connector: openai, default: true }\n";
    folder.accepted("", connections);
    let second = connections.to_owned() + "  - { name: d, connector: stripe, environment: Test, default: true }";
    folder.refused("", &second, &["connections[d].default: b is the default of its connector in this environment"]);
    folder.refused("", "  - { name: a, base_url: 'https://a.example', default: true }", &["only with connector"]);
    let custom = "  - { name: a, connector: custom, base_url: 'https://a.example', default: true }";
    folder.refused("", custom, &["custom has no default"]);
}

#[test]
fn ids_are_unique() {
    let folder = Folder::new("ids");
    let id = "0190a5e4-6a5c-7c3e-9f4b-0a1b2c3d4e5f";
    let two = format!(
        "  - {{ name: a, id: {id}, base_url: 'https://a.example' }}\n  - {{ name: b, id: {}, base_url: 'https://a.example' }}",
        id.to_uppercase()
    );
    folder.refused("", &two, &["connections[b].id: the connection a has the same id"]);
}

#[test]
fn c6_mistakes_in_a_connectors_file_are_told_at_their_place_in_it() {
    let folder = Folder::new("own");
    folder.file("connectors/acme.yaml", "name: acme\ntitle: Acme\nbase_url: https://{shop}.acme.example\ninjekt: {}\n");
    folder.file("connectors/b.yaml", "name: stripe\ntitle: Mine\nbase_url: https://a.example\n");
    folder.file("connectors/README.md", "no connector");
    folder.refused(
        "connectors: [connectors, missing.yaml]",
        "  - { name: a, connector: acme }",
        &[
            "connectors/acme.yaml:3:11: error: base_url: {shop} is no field of this connector",
            "connectors/acme.yaml:4:1: error: injekt: there is no field `injekt` here",
            "keystile.yaml:2:14: error: connectors[0]: the connector stripe of connectors/b.yaml has the same name as one that is built in",
            "cannot read missing.yaml",
        ],
    );
}

const SLACK: &str = "/services/T0123ABCD/B0123ABCD/abcdefghijklmnopqrstuvwx";

#[test]
fn a_secret_url_belongs_to_the_connections_place_and_is_never_shown() {
    let folder = Folder::new("url");
    let connection = "  - { name: alerts, connector: slack-webhook, secret: file:url }";
    folder.file("url", &format!("https://hooks.slack.com{SLACK}\n"));
    assert!(!folder.accepted("", connection).contains("warning"));
    for (url, reason) in [
        (format!("https://hooks.slack.com.evil.example{SLACK}"), "another scheme, host or port"),
        (format!("http://hooks.slack.com{SLACK}"), "another scheme, host or port"),
        (format!("https://hooks.slack.com{SLACK}?a=b"), "query"),
        (format!("https://hooks.slack.com/services/..{SLACK}"), "path"),
        (SLACK.to_owned(), "the secret is no URL"),
    ] {
        folder.file("url", &url);
        let (ok, said) = folder.check("", connection);
        assert!(!ok && said.contains(reason), "{reason}: {said}");
        assert!(!said.contains("abcdefghijkl") && !said.contains("evil"), "{said}");
    }
}

#[test]
fn a_secret_urls_path_is_what_is_called() {
    let connection = "connector: slack-webhook, base_url: 'http://{production}', secret: 'file:url'";
    let build = World::build();
    let url = format!("http://{}{SLACK}", build.production.address);
    let workflow = "template: 'POST /', upstream: { Production: alerts }";
    let more = "template: 'POST /more', upstream: { Production: alerts }";
    let world =
        build.file("url", url).connection("alerts", connection).workflow("notify", workflow).workflow("more", more);
    let world = world.start();
    for (path, arrives) in
        [("/", SLACK.to_owned()), ("/?a=b", format!("{SLACK}?a=b")), ("/more", format!("{SLACK}/more"))]
    {
        let ask = world.ask("POST", path).key(&token("all"));
        assert_eq!(world.arrived(&ask).target(), arrives);
    }
}

/// Connectors whose providers are our own upstreams.
fn stand_ins() -> World {
    let key = "inject: { header: X-Mine }, base_url: 'http://{production}'";
    World::build()
        .outbound("")
        .key("caller", "connections: all, expires_at: 2099-01-01T00:00:00Z")
        .file("a.secret", "a-secret-of-the-production-account")
        .file("b.secret", "a-secret-of-the-test-account")
        .connection("claude", "connector: anthropic, default: true, base_url: 'http://{production}', secret: 'file:a.secret'")
        .connection(
            "claude-test",
            "connector: anthropic, default: true, environment: Test, base_url: 'http://{test}', secret: 'file:b.secret'",
        )
        .connection(
            "ai",
            "connector: openai, fields: { project: proj_1 }, base_url: 'http://{production}/base', secret: 'file:a.secret'",
        )
        .connection("mine", &format!("connector: gemini, {key}, secret: 'file:a.secret'"))
        .connection("later", "connector: gemini, base_url: 'http://{production}'")
        .workflow("later", "template: 'GET /later-1/{rest...}', upstream: { Production: later }")
        .start()
}

#[test]
fn c6_c15_a_connectors_name_means_its_default_connection_with_all_that_the_provider_wants() {
    let world = stand_ins();
    let ask = |target: &str| world.call_out("GET", target).header("Keystile-Key", token("caller"));
    assert_eq!(ask("/c/anthropic/v1/models").send().verdict(), "200");
    let sent = world.production.last();
    assert_eq!(sent.target(), "/v1/models");
    assert_eq!(sent.all("x-api-key"), ["a-secret-of-the-production-account"]);
    assert_eq!(sent.all("anthropic-version"), ["2023-06-01"]);
    let own = ask("/c/claude/v1/models").header("anthropic-version", "2099-01-01").send();
    assert_eq!(own.verdict(), "200");
    assert_eq!(world.production.last().all("anthropic-version"), ["2099-01-01"], "a version is the caller's choice");
    assert_eq!(ask("/c/anthropic/v1/models").header("Keystile-Environment", "Test").send().verdict(), "200");
    assert_eq!(world.test.last().all("x-api-key"), ["a-secret-of-the-test-account"]);
    assert_eq!(ask("/c/ai/v1/models").header("OpenAI-Project", "proj_2").send().verdict(), "200");
    let sent = world.production.last();
    assert_eq!((sent.target(), sent.all("openai-project")), ("/base/v1/models".into(), vec!["proj_1".into()]));
    assert_eq!(sent.all("openai-organization"), Vec::<String>::new(), "a field that is not said is no header");
    assert_eq!(ask("/c/openai/v1/models").send().verdict(), "404 connection_not_found", "nothing is its default");
    assert_eq!(ask("/c/mine/v1/models").send().verdict(), "200");
    let sent = world.production.last();
    assert_eq!(
        (sent.all("x-mine").len(), sent.all("x-goog-api-key").len()),
        (1, 0),
        "the connection's own word counts"
    );
}

#[test]
fn hazard_24_a_connection_without_its_secret_refuses_calls_through_either_door() {
    let world = stand_ins();
    let reply = world.call_out("GET", "/c/later/v1/models").header("Keystile-Key", token("caller")).send();
    assert_eq!(reply.verdict(), "503 secret_unavailable");
    let inbound = world.get("/later-1/models").key(&token("all")).send();
    assert_eq!(inbound.verdict(), "503 secret_unavailable");
    world.assert_untouched();
}

#[test]
fn a_secret_urls_path_is_what_a_call_without_a_path_goes_to() {
    let build = World::build().outbound("").key("caller", "connections: all");
    let url = format!("http://{}{SLACK}", build.production.address);
    let connection = "connector: slack-webhook, base_url: 'http://{production}', secret: 'file:url'";
    let world = build.file("url", url).connection("alerts", connection).start();
    for path in ["/c/alerts", "/c/alerts/"] {
        let reply = world.call_out("POST", path).key(&token("caller")).body("{}").send();
        assert_eq!(reply.verdict(), "200", "{}", reply.text());
        assert_eq!(world.production.last().target(), SLACK);
    }
}

#[test]
fn c6_a_connectors_file_that_changes_is_read_again() {
    let acme = |header: &str| {
        format!("name: acme\ntitle: Acme\nbase_url: https://a.example\ninject: {{ header: {header} }}\n")
    };
    let connection = "connector: acme, base_url: 'http://{production}', secret: 'file:production.secret'";
    let world = World::build()
        .root("connectors: [acme.yaml]")
        .file("acme.yaml", acme("X-Before"))
        .route("acme-1", connection)
        .start();
    let call = || world.arrived(&world.get("/acme-1/x").key(&token("all")));
    assert!(call().header("x-before").is_some());
    let from = world.stderr.lines().len();
    world.write("acme.yaml", acme("X-After"));
    world.await_event(from, |e| e["message"] == "the configuration was reloaded");
    assert!(call().header("x-after").is_some());
}

const OPENAPI: &str = "openapi: 3.0.3\ninfo: { title: Acme Orders }\nservers: [{ url: 'https://{tenant}.acme.example/v1', \
                       variables: { tenant: { default: demo } } }]\ncomponents: { securitySchemes: { login: { type: http, \
                       scheme: basic }, key: { type: apiKey, in: header, name: X-Acme-Key } } }\n";

#[test]
fn c6_import_makes_a_connector_that_the_configuration_takes() {
    let folder = Folder::new("import");
    folder.file("openapi.yaml", OPENAPI);
    let made = folder.keystile(&["connectors", "import", "openapi.yaml", "--scheme", "key", "--to", "acme.yaml"]);
    assert!(made.status.success(), "{made:?}");
    let again = folder.keystile(&["connectors", "import", "openapi.yaml", "--to", "acme.yaml"]);
    assert!(stderr(&again).contains("cannot write acme.yaml"));
    folder.file("key", "0123456789abcdef");
    let connection = "  - { name: orders, connector: acme-orders, fields: { tenant: acme }, secret: file:key }";
    folder.accepted("connectors: [acme.yaml]", connection);
    let config = ["--config", "keystile.yaml"];
    let list = stdout(&folder.keystile(&[&["connectors", "list"], &config[..]].concat()));
    assert!(list.contains("https://{tenant}.acme.example/v1") && list.contains("x-acme-key: {secret}"), "{list}");
    let shown = stdout(&folder.keystile(&[&["connectors", "show", "acme-orders"], &config[..]].concat()));
    assert!(shown.contains("acme.yaml") && shown.contains("tenant"), "{shown}");
    let basic = folder.keystile(&["connectors", "import", "openapi.yaml", "--name", "acme"]);
    assert!(stdout(&basic).contains("username: \"{user}\""));
    assert!(String::from_utf8_lossy(&basic.stderr).contains("--scheme chooses key"));
}

#[test]
fn c6_import_says_what_it_cannot_express() {
    let folder = Folder::new("importbad");
    let bad = |name: &str, scheme: &str| {
        folder.file(
            name,
            &format!("openapi: 3.0.3\ninfo: {{ title: A }}\ncomponents: {{ securitySchemes: {{ s: {scheme} }} }}\n"),
        );
        stderr(&folder.keystile(&["connectors", "import", name]))
    };
    assert!(bad("a.yaml", "{ type: mutualTLS }").contains("client certificate"));
    assert!(bad("b.yaml", "{ type: http, scheme: digest }").contains("challenge"));
    assert!(bad("c.yaml", "{ type: apiKey, in: header, name: 'X Y' }").contains("not the name of a header"));
    assert!(stderr(&folder.keystile(&["connectors", "import", "none.yaml"])).contains("cannot read none.yaml"));
}

#[test]
fn show_prints_a_connectors_own_file_and_suggests_names() {
    let folder = Folder::new("show");
    let source = stdout(&folder.keystile(&["connectors", "show", "stripe", "--source"]));
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/connectors/stripe.yaml");
    assert_eq!(source, std::fs::read_to_string(file).unwrap());
    assert!(stderr(&folder.keystile(&["connectors", "show", "strpe"])).contains("did you mean stripe?"));
}
