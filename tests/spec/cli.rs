//! The command line, as a user meets it: the real binary, its output and its exit codes.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_keystile");

fn keystile(arguments: &[&str]) -> Output {
    with_input(arguments, "")
}

fn with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(BINARY)
        .args(arguments)
        .env_remove("KEYSTILE_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("keystile-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Two environments, two workflows, two keys.
const WORLD: &str = "\
listeners:
  inbound: [{ address: 127.0.0.1:0 }]
  admin: { address: 127.0.0.1:0 }
environments: [{ name: Production, default: true }, { name: Test }]
connections:
  - name: engine
    base_url: http://127.0.0.1:9/base
    allow_networks: [127.0.0.0/8]
    inject: { header: X-Engine-Key }
    secret: file:secret
workflows:
  - { name: get-customer, template: 'GET /customers/{id}', upstream: { Production: engine }, rate_limit: 5/s }
  - { name: create-order, template: 'POST /orders', upstream: { Production: engine } }
keys:
  - { name: crm, primary: file:token, workflows: [get-customer], expires_at: 2099-01-01T00:00:00Z }
  - { name: tester, primary: 'blake3:0000000000000000000000000000000000000000000000000000000000000000',
      workflows: all, environment: Test, expires_at: 2099-01-01T00:00:00Z }
";

fn world(folder: &Folder) -> String {
    folder.file("secret", "the-engines-own-secret");
    folder.file("token", "a-token-of-another-system");
    folder.file("keystile.yaml", WORLD)
}

#[test]
fn every_command_teaches_with_help_and_wrong_use_exits_with_2() {
    let commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["check"],
        &["explain"],
        &["demo"],
        &["keys"],
        &["keys", "generate"],
        &["keys", "digest"],
        &["connections"],
        &["connections", "list"],
        &["connections", "show"],
        &["connections", "verify"],
        &["connectors"],
        &["connectors", "list"],
        &["connectors", "show"],
        &["connectors", "import"],
        &["config"],
        &["config", "show"],
        &["config", "schema"],
        &["webhook", "send"],
        &["completions"],
    ];
    for command in commands {
        let help = keystile(&[command, &["--help"][..]].concat());
        assert_eq!(help.status.code(), Some(0), "{command:?}");
        assert!(stdout(&help).len() > 150, "{command:?} teaches little: {}", stdout(&help));
    }
    for wrong in [&["nonsense"][..], &["serve", "--nonsense"], &["completions", "tcsh"], &["check", "-o", "xml"]] {
        assert_eq!(keystile(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn k7_k8_generate_prints_a_token_and_its_digest_and_digest_agrees() {
    let generated = json(&keystile(&["keys", "generate", "-o", "json"]));
    let token = generated["token"].as_str().unwrap();
    assert_eq!(keystile::model::token::shape(token.as_bytes()), keystile::model::token::Shape::WellFormed);
    let digested = with_input(&["keys", "digest", "-o", "json"], &format!("  {token}\n"));
    assert_eq!(json(&digested)["digest"], generated["digest"]);
    assert_ne!(json(&keystile(&["keys", "generate", "-o", "json"]))["token"], generated["token"]);
}

#[test]
fn k9_digest_refuses_what_is_no_token_and_does_not_repeat_it() {
    let almost = format!("kst_{}", "a".repeat(49));
    for bad in ["", "short", "with white space in the middle of it", &almost, "ümlaute-sind-keine-ascii-zeichen"] {
        let output = with_input(&["keys", "digest"], bad);
        assert_eq!(output.status.code(), Some(1), "{bad}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.starts_with("keystile: "), "{error}");
        assert!(bad.is_empty() || !error.contains(bad), "{error}");
    }
}

#[test]
fn check_reports_all_mistakes_each_at_its_place_with_a_remedy() {
    let folder = Folder::new("check");
    world(&folder);
    let broken = WORLD
        .replace("rate_limit: 5/s", "rate_limit: 5 per second")
        .replace("{ Production: engine } }\nkeys", "{ Prodution: engin } }\nkeys")
        .replace("workflows: [get-customer]", "workflows: [get-custmer]")
        .replace("allow_networks: [127.0.0.0/8]", "allow_network: [127.0.0.0/8]")
        .replace("environment: Test,", "environment: Tset,");
    let file = folder.file("broken.yaml", &broken);
    let output = keystile(&["check", "--config", &file, "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    let found: Vec<(u64, &str, &str)> = report["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["line"].as_u64().unwrap(), m["path"].as_str().unwrap(), m["remedy"].as_str().unwrap()))
        .collect();
    for (line, path, remedy) in [
        (7, "connections[engine].base_url", "allow_networks"),
        (8, "connections[engine].allow_network", "allow_networks"),
        (12, "workflows[get-customer].rate_limit", "100/s"),
        (13, "workflows[create-order].upstream", "Production"),
        (13, "workflows[create-order].upstream", "engine"),
        (15, "keys[crm].workflows", "get-customer"),
        (17, "keys[tester].environment", "Test"),
    ] {
        let there = found.iter().any(|(l, p, r)| *l == line && p.starts_with(path) && r.contains(remedy));
        assert!(there, "line {line}, {path}, {remedy} is not among {found:#?}");
    }
    let text = stdout(&keystile(&["check", "--config", &file]));
    assert!(text.contains("broken.yaml:12:"), "{text}");
}

#[test]
fn check_accepts_a_sound_file_and_strict_fails_on_warnings() {
    let folder = Folder::new("sound");
    let file = world(&folder);
    let output = keystile(&["check", "--config", &file]);
    assert_eq!((output.status.code(), stdout(&output).contains("ok: 1 listener")), (Some(0), true), "{output:?}");
    let lax = folder.file("lax.yaml", &WORLD.replace("secret: file:secret", "secret: in-the-file-itself"));
    let output = keystile(&["check", "--config", &lax]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("warning") && !stdout(&output).contains("in-the-file-itself"), "{output:?}");
    assert_eq!(keystile(&["check", "--strict", "--config", &lax]).status.code(), Some(1));
}

#[test]
fn t7_explain_says_step_by_step_what_would_happen() {
    let folder = Folder::new("explain");
    let file = world(&folder);
    let ask =
        |rest: &[&str], input: &str| with_input(&[&["explain", "-o", "json", "--config", &file], rest].concat(), input);
    let passes = ask(&["GET", "/customers/7?x=1", "--key", "crm"], "");
    assert_eq!(passes.status.code(), Some(0), "{passes:?}");
    let answer = json(&passes);
    assert_eq!((&answer["verdict"], &answer["code"]), (&Value::from("permitted"), &Value::Null));
    let steps: Vec<&str> = answer["steps"].as_array().unwrap().iter().map(|s| s["step"].as_str().unwrap()).collect();
    for step in ["request", "route", "credential", "key", "environment", "limits", "inject", "forward"] {
        assert!(steps.contains(&step), "{step} is not among {steps:?}");
    }
    assert!(!stdout(&passes).contains("the-engines-own-secret"));
    let by_token = ask(&["GET", "/customers/7", "-H", "@-"], "Authorization: Key=a-token-of-another-system\n");
    assert_eq!(json(&by_token)["verdict"], "permitted");
    assert!(!stdout(&by_token).contains("a-token-of-another-system"));
    for (rest, code) in [
        (&["GET", "/customers/7"][..], "missing_key"),
        (&["GET", "/customers/7", "-H", "X-API-Key: not-a-known-token-at-all"], "invalid_key"),
        (&["POST", "/orders", "--key", "crm"], "workflow_not_permitted"),
        (&["GET", "/nowhere", "--key", "crm"], "workflow_not_found"),
        (&["DELETE", "/orders", "--key", "crm"], "method_not_allowed"),
        (&["GET", "/customers/7", "--key", "tester"], "environment_mismatch"),
        (&["GET", "/customers/7?_profile=Test", "--key", "tester"], "workflow_not_in_environment"),
        (&["GET", "/customers/../7", "--key", "crm"], "ambiguous_path"),
    ] {
        let refused = ask(rest, "");
        assert_eq!(refused.status.code(), Some(1), "{rest:?}");
        assert_eq!(json(&refused)["code"], code, "{rest:?}");
    }
}

#[test]
fn config_show_names_where_each_value_comes_from_and_no_secret() {
    let folder = Folder::new("show");
    let file = folder.file("keystile.yaml", &WORLD.replace("secret: file:secret", "secret: hush-hush-hush"));
    let settings = json(&keystile(&["config", "show", "-o", "json", "--config", &file]));
    let of = |path: &str| {
        let found = settings.as_array().unwrap().iter().find(|s| s["path"] == path);
        found.unwrap_or_else(|| panic!("{path} is not shown")).clone()
    };
    assert_eq!(of("listeners.inbound[0].max_body")["from"], "default");
    assert!(of("connections[engine].base_url")["from"].as_str().unwrap().ends_with(":7:15"));
    assert!(!settings.to_string().contains("hush-hush-hush"));
    let yaml = stdout(&keystile(&["config", "show", "-o", "yaml", "--config", &file]));
    assert!(yaml.contains("path: listeners.inbound[0].address"), "{yaml}");
    let schema = json(&keystile(&["config", "schema"]));
    assert!(schema["properties"]["keys"].is_object());
}

#[test]
fn completions_come_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&keystile(&["completions", shell])).contains("keystile"), "{shell}");
    }
}

#[test]
fn serve_with_a_wrong_file_prints_every_mistake_and_exits_with_1() {
    let folder = Folder::new("serve");
    let file = folder.file("keystile.yaml", "listeners: { inbound: [{ adress: 127.0.0.1:0 }] }\nkeyz: []\n");
    let output = keystile(&["serve", "--config", &file]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains(":1:") && error.contains("address") && error.contains(":2:1:") && error.contains("keys"),
        "{error}"
    );
    let missing = keystile(&["serve", "--config", "/nowhere/keystile.yaml"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("--config"), "{missing:?}");
}

/// Ends a demo by its own signal, and its folder with it.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demos_lines_work_when_pasted_one_by_one() {
    let child = Command::new(BINARY).args(["demo", "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut demo = Demo(child);
    let mut lines = Vec::new();
    for line in BufReader::new(demo.0.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let last = line.starts_with("Ctrl-C");
        lines.push(line);
        if last {
            break;
        }
    }
    assert!(lines.iter().any(|l| l.contains("THIS IS A DEMO")));
    let expected = [
        ("Passes", "HTTP/1.1 200"),
        ("missing_key", "HTTP/1.1 401"),
        ("workflow_not_permitted", "HTTP/1.1 403"),
        ("environment_mismatch", "HTTP/1.1 403"),
        ("Passes", "\"engine\": \"Test\""),
        ("Deprecation", "deprecation: @"),
        ("A limit", "200\n200\n200\n429\n429\n429\n"),
        ("signs the body", "Webhook: github-events/github"),
        ("signature_invalid", "x-keystile-error: signature_invalid"),
        ("Outbound", "X-Engine-Key: *****"),
        ("connection_not_found", "HTTP/1.1 404"),
        ("Metrics", "keystile_requests_total"),
    ];
    let pasted: Vec<(&String, &String)> =
        lines.windows(2).filter(|w| w[1].starts_with("curl ")).map(|w| (&w[0], &w[1])).collect();
    assert_eq!(pasted.len(), expected.len(), "{lines:#?}");
    for ((word, line), (says, shows)) in pasted.into_iter().zip(expected) {
        assert!(word.contains(says), "{word}");
        let output = Command::new("bash").args(["-c", line]).output().unwrap();
        assert!(stdout(&output).contains(shows), "{line}\n{}", stdout(&output));
    }
    let folder = lines.iter().find_map(|l| l.strip_prefix("Its configuration:  ")).unwrap();
    let folder = Path::new(folder.split(' ').next().unwrap()).parent().unwrap().to_owned();
    assert!(folder.exists());
    drop(demo);
    assert!(!folder.exists(), "nothing is kept when it ends");
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let mut child =
        Command::new(BINARY).args(["config", "schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!((child.wait().unwrap().code(), error.as_str()), (Some(0), ""));
}

#[test]
fn the_examples_are_accepted_once_their_tokens_are_there() {
    let token = json(&keystile(&["keys", "generate", "-o", "json"]))["token"].as_str().unwrap().to_owned();
    for example in ["config/minimal.yaml", "config/keystile.yaml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(example);
        let output = Command::new(BINARY)
            .args(["check", "--config"])
            .arg(path)
            .envs([("KEYSTILE_FIRST_TOKEN", &token), ("ACME_TOKEN", &token)])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{example}: {}", stdout(&output));
    }
}
