//! What `keystile check` says of a webhook that was written wrongly: at its line and field, with what to write instead, and
//! with nothing of any secret.

use crate::support::Directory;
use crate::support::command::keystile;
use serde_json::Value;

/// The line on which the webhook's fields begin.
const FIRST: u64 = 10;
const SECRET: &str = "canary-secret-in-a-wrong-file-Zt5Km1";

/// All that is said of a webhook with these fields, each on a line of its own.
fn said(fields: &[&str]) -> Vec<Value> {
    let home = Directory::new();
    let fields: String = fields.iter().map(|field| format!("      {field}\n")).collect();
    let text = format!(
        "listeners: {{ inbound: [{{ address: 127.0.0.1:0 }}] }}
environments: [{{ name: Production, default: true }}, {{ name: Test }}]
connections: [{{ name: engine, base_url: http://127.0.0.1:1, allow_networks: [127.0.0.0/8] }}]
workflows:
  - name: other
  - name: hook
    template: POST /hook
    upstream: {{ Production: engine }}
    webhook:
{fields}"
    );
    home.write("keystile.yaml", text);
    home.write("s", SECRET);
    let done = keystile(&home, &["check", "-o", "json"], "", &[]);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("canary"), "{}{}", done.stdout, done.stderr);
    let told = done.json();
    let list = told["mistakes"].as_array().cloned().unwrap_or_else(|| panic!("{told}"));
    let errors: Vec<Value> = list.into_iter().filter(|problem| problem["severity"] == "error").collect();
    assert_eq!(done.code, i32::from(!errors.is_empty()), "{told}");
    errors
}

const STRIPE: &[&str] = &["scheme: stripe", "secrets: [file:s]"];
const CUSTOM: &[&str] = &[
    "scheme: custom",
    "secrets: [file:s]",
    "header: X-Sig",
    "algorithm: hmac-sha256",
    "encoding: hex",
    "template: '{body}'",
];

/// These, in place of the lines that begin with the same word, or after them.
fn with(lines: &[&'static str], other: &[&'static str]) -> Vec<&'static str> {
    let word = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let kept = lines.iter().filter(|line| !other.iter().any(|other| word(other) == word(line)));
    kept.chain(other).copied().filter(|line| !line.ends_with(':')).collect()
}

#[test]
fn h1_what_is_right_is_said_to_be_right() {
    for fields in [STRIPE.to_vec(), CUSTOM.to_vec(), vec!["require: key"]] {
        assert_eq!(said(&fields), Vec::<Value>::new(), "{fields:?}");
    }
}

#[test]
fn h1_every_mistake_is_told_where_it_is_and_what_to_write_instead() {
    let ed25519 = with(CUSTOM, &["algorithm: ed25519"]);
    // The fields; the field that is at fault and on which of the lines it stands; what is said, and what to do.
    let cases: Vec<(Vec<&'static str>, &str, usize, &str, &str)> = vec![
        (with(STRIPE, &["scheme: strype"]), "scheme", 2, "\"strype\" is not standard or", "stripe"),
        (with(CUSTOM, &["header:"]), "", 1, "custom needs header", "header: X-Acme-Signature"),
        (with(CUSTOM, &["template:"]), "", 1, "custom needs template", "{timestamp}.{body}"),
        (with(CUSTOM, &["algorithm:"]), "", 1, "custom needs algorithm", "hmac-sha256"),
        (with(CUSTOM, &["encoding:"]), "", 1, "custom needs encoding", "hex"),
        (with(CUSTOM, &["template: 'v0:'"]), "template", 6, "does not cover the body", "{body}"),
        (with(CUSTOM, &["template: '{ts}.{body}'"]), "template", 6, "{ts} is no part", "{timestamp}"),
        (with(CUSTOM, &["template: '{timestamp}{body}'"]), "template", 6, "{timestamp}", "timestamp_header"),
        (with(CUSTOM, &["timestamp_header: X-T"]), "timestamp_header", 7, "is not signed", "{timestamp}"),
        (with(CUSTOM, &["id_header: X-I"]), "id_header", 7, "is not signed", "{id}"),
        (with(CUSTOM, &["timestamp_format: unix"]), "", 1, "timestamp_header", "timestamp_header"),
        (with(CUSTOM, &["algorithm: sha256"]), "algorithm", 6, "\"sha256\"", "hmac-sha256"),
        (with(CUSTOM, &["encoding: b64"]), "encoding", 6, "\"b64\"", "base64"),
        (with(CUSTOM, &["header: 'X Sig'"]), "header", 6, "not the name of a header", "X-API-Key"),
        (ed25519, "secrets[0]", 2, "", "all of it"),
        (vec!["scheme: stripe"], "", 1, "without a secret", "secrets: [env:NAME]"),
        (with(STRIPE, &["secrets: [env:NOT_SET_ANYWHERE]"]), "secrets[0]", 2, "NOT_SET_ANYWHERE", "set it"),
        (with(STRIPE, &["header: X-Sig"]), "header", 3, "stripe says itself", "custom"),
        (with(STRIPE, &["scheme: github", "tolerance: 5m"]), "tolerance", 3, "no timestamp", "replays.remember"),
        (with(STRIPE, &["tolerance: 0s"]), "tolerance", 3, "\"0s\" is not a duration", "10s"),
        (with(STRIPE, &["tolerance: 300"]), "tolerance", 3, "\"300\" is not a duration", "unit"),
        (vec!["require: key", "handshake: slack"], "handshake", 2, "is signed", "scheme: slack"),
        (with(STRIPE, &["handshake: meta"]), "handshake", 3, "token", "verify_token: env:NAME"),
        (with(STRIPE, &["handshake: dropbox", "verify_token: file:s"]), "verify_token", 4, "no token", "leave it out"),
        (with(STRIPE, &["environment: Test"]), "environment", 3, "no upstream", "name an environment"),
        (with(STRIPE, &["environment: Prod"]), "environment", 3, "no environment \"Prod\"", "Production"),
        (with(STRIPE, &["require: key"]), "require", 3, "no signature is looked at", "require: both"),
        (with(STRIPE, &["require: any"]), "require", 3, "\"any\"", "either"),
        (with(STRIPE, &["public_url: 'https://a.example'"]), "public_url", 3, "does not sign the URL", "leave it out"),
        (with(STRIPE, &["replays: { answer: 409 }"]), "replays.answer", 3, "409", "conflict"),
        (with(STRIPE, &["signature_header: X-Sig"]), "signature_header", 3, "no field", "header: X-Acme-Signature"),
    ];
    for (fields, field, line, reason, remedy) in cases {
        let errors = said(&fields);
        let path = if field.is_empty() {
            "workflows[hook].webhook".to_owned()
        } else {
            format!("workflows[hook].webhook.{field}")
        };
        let found = errors
            .iter()
            .find(|error| error["path"] == path.as_str() && error["reason"].as_str().unwrap_or("").contains(reason));
        let Some(found) = found else { panic!("{fields:?}: nothing about {path}: {errors:#?}") };
        assert_eq!(found["line"], FIRST + line as u64 - 1, "{fields:?}: {found}");
        assert!(found["remedy"].as_str().unwrap_or("").contains(remedy), "{fields:?}: {found}");
    }
}

#[test]
fn h1_names_that_people_try_lead_to_the_right_ones() {
    for (tried, wanted) in [
        ("secret: file:s", "secrets: [env:NAME]"),
        ("signing_secret: file:s", "secrets: [env:NAME]"),
        ("provider: stripe", "scheme: stripe"),
        ("type: stripe", "scheme: stripe"),
        ("url: 'https://a.example'", "public_url"),
    ] {
        let errors = said(&[tried]);
        let field = format!("workflows[hook].webhook.{}", tried.split(':').next().unwrap_or_default());
        let Some(found) = errors.iter().find(|error| error["path"] == field.as_str()) else { panic!("{errors:#?}") };
        assert!(found["remedy"].as_str().unwrap_or_default().contains(wanted), "{found}");
    }
}
