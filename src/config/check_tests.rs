use super::{
    super::{Severity, load},
    *,
};

fn mistakes(text: &str) -> Vec<String> {
    let mut mistakes = Mistakes::new("k.yaml");
    load(text, &mut mistakes);
    mistakes.into_sorted().iter().map(ToString::to_string).collect()
}

/// A file that is right but for `more`.
fn file(more: &str) -> String {
    format!("listeners: {{ inbound: [{{ address: 127.0.0.1:1 }}] }}\n{more}")
}

#[test]
fn a_right_file_has_no_mistakes() {
    assert_eq!(mistakes(&file("")), Vec::<String>::new());
}

#[test]
fn everything_is_reported_at_once_in_the_order_of_the_file() {
    let found = mistakes(
        "listeners:
  inbound:
    - address: localhost:8443
      max_bdy: 1MiB
      timeouts: { head: 10 }
    - conceal: yes
keys:
  - name: acme-crm
    rate_limit: 600
    scopes: [workflows:invoke, admin]
  - name: acme-crm
    allow_addresses:
    token: kst_x
colour: blue
",
    );
    let expected = [
        r#"k.yaml:3:16: error: listeners.inbound[0].address: "localhost:8443" is not an address to listen on
    write: an IP address and a port, such as 127.0.0.1:8082 or [::]:8443, or unix:PATH"#,
        r#"k.yaml:4:7: error: listeners.inbound[0].max_bdy: there is no field `max_bdy` here
    did you mean `max_body`?"#,
        r#"k.yaml:5:25: error: listeners.inbound[0].timeouts.head: "10" is not a duration
    write: a number and a unit (ms, s, m, h, d) from 1ms to 3650d, such as 500ms or 10s"#,
        r"k.yaml:6:7: error: listeners.inbound[1]: the required field `address` is missing
    write: address: 0.0.0.0:8443",
        r#"k.yaml:6:16: error: listeners.inbound[1].conceal: "yes" is not true or false
    write: true or false"#,
        r#"k.yaml:9:17: error: keys[acme-crm].rate_limit: "600" is not a rate
    write: a count per unit (s, min, h, day), such as 100/s or 600/min burst 50"#,
        r#"k.yaml:10:32: error: keys[acme-crm].scopes[1]: "admin" is not workflows:invoke or connections:use or admin:read or admin:write
    write: workflows:invoke or connections:use or admin:read or admin:write"#,
        "k.yaml:11:11: error: keys[acme-crm].name: a second one of this name; the first is in line 8
    write: a name of its own",
        "k.yaml:12:20: error: keys[acme-crm].allow_addresses: there is no value
    write: a list, or remove the line",
        r#"k.yaml:13:5: error: keys[acme-crm].token: there is no field `token` here
    write: primary: blake3:…, as `keystile keys digest` prints it"#,
        r#"k.yaml:14:1: error: colour: there is no field `colour` here
    the fields here are: listeners, secret_sources, allow_networks, environments, connectors, key_checks, connections, workflows, keys, log, workers, webhooks, overload, shutdown, takeover_socket, store, master_key"#,
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn an_empty_file_misses_what_is_required() {
    let found = mistakes("");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("k.yaml:1:1: error: the required field `listeners` is missing"));
}

#[test]
fn protections_of_later_versions_are_refused_by_name() {
    let found = mistakes(&file(
        "variables: []
workflows: [{ name: a, retries: 2 }]
keys: [{ name: k, quota: 100/day }]
connections: [{ name: c, base_url: 'https://a', pacing: 1s }]
",
    ));
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|line| line.contains("not available in this version: ")), "{found:?}");
}

#[test]
fn wrong_structures() {
    let found = mistakes(&file("workflows: { name: a }\nkeys: [acme]\nlog: [a]\nworkers: [1]\n"));
    let starts = [
        "k.yaml:2:12: error: workflows: a map where a list belongs",
        "k.yaml:3:8: error: keys[0]: a single value where a map (name: value) belongs",
        "k.yaml:4:6: error: log: a list where a map (name: value) belongs",
        "k.yaml:5:10: error: workers: a list where a whole number from 1 to 1024 belongs",
    ];
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}");
    }
    assert_eq!(found.len(), starts.len());
}

#[test]
fn rules_between_fields() {
    let connection =
        |rest: &str| mistakes(&file(&format!("connections: [{{ name: c, base_url: 'https://a', {rest} }}]\n")));
    assert!(connection("secret: env:A")[0].contains("`secret` has a meaning only with inject or connector"));
    assert!(connection("default: true")[0].contains("`default` has a meaning only with connector"));
    assert!(mistakes(&file("connections: [{ name: c }]\n"))[0].contains("base_url or connector is missing"));
    assert!(connection("secret: env:A, inject: { header: X-A, query: b }")[0].contains("several of header, query"));
    assert!(
        connection("secret: env:A, inject: [{ value: '{secret}' }]").iter().any(|m| m.contains("inject[0]: none of"))
    );
    assert!(
        connection("secret: env:A, inject: { path: '/bot{secret}', value: '{secret}' }")[0]
            .contains("`value` has a meaning")
    );
    assert!(connection("tls: { key: a.pem }")[0].contains("`key` is written without `certificate`"));
    let key = |rest: &str| mistakes(&file(&format!("keys: [{{ name: k, require_client_cert: {rest} }}]\n")));
    assert!(key("{ name: a }").is_empty() && key("[{ name: a }, { name: b }]").is_empty());
    assert!(key("{ name: a, fingerprint: 'sha256:00' }").iter().any(|m| m.contains("several of fingerprint, name")));
    assert!(key("true")[0].contains("where a map (name: value) belongs"));
    let tls = |rest: &str| format!("tls: {{ certificate: a, key: b, {rest} }}");
    let listener = |rest: &str| mistakes(&format!("listeners: {{ inbound: [{{ address: 127.0.0.1:1, {rest} }}] }}\n"));
    assert!(listener(&tls("client_ca: c, require_client_cert: true")).is_empty());
    assert!(listener(&tls("require_client_cert: true"))[0].contains("`require_client_cert` has a meaning only with"));
    assert!(listener("client_ca: c")[0].contains("tls: { certificate: tls/cert.pem"));
    assert!(connection("tls: { insecure: true }")[0].contains("verification cannot be switched off"));
}

#[test]
fn one_or_many_all_or_some_name_or_false() {
    let listener = |rest: &str| mistakes(&format!("listeners: {{ inbound: [{{ address: 127.0.0.1:1, {rest} }}] }}\n"));
    let pair = "{ certificate: a, key: b }";
    assert!(listener(&format!("tls: {pair}")).is_empty() && listener(&format!("tls: [{pair}, {pair}]")).is_empty());
    assert!(listener("credentials: { header: false, query: k }").is_empty());
    assert!(listener("credentials: { header: true }")[0].contains(r#""true" is neither a name nor false"#));
    assert!(listener("credentials: { header: off }")[0].contains("or false to switch it off"));
    let key = |rest: &str| mistakes(&file(&format!("keys: [{{ name: k, {rest} }}]\n")));
    assert!(key("workflows: all").is_empty() && key("workflows: [a]").is_empty());
    assert!(key("workflows: any")[0].contains("where `all` or a list belongs"));
}

#[test]
fn literal_secrets_are_warned_about() {
    let text = file("keys: [{ name: k, primary: abcdefghijklmnopqrstuvwxyz }]\n");
    let mut found = Mistakes::new("k.yaml");
    load(&text, &mut found);
    let only = found.iter().next().unwrap();
    assert_eq!((only.severity, only.path.as_str()), (Severity::Warning, "keys[k].primary"));
    assert!(!found.has_errors());
}

/// Whatever is wrong around a secret, the message does not hold it.
#[test]
fn secrets_are_never_repeated() {
    let secret = "S3CR3T";
    for wrong in [
        "keys: [{ name: k, primary: S3CR3T }]",
        "keys: [{ name: k, primary: 'blake3:S3CR3T' }]",
        "keys: [{ name: k, primary: 'env:S3CR3T-x' }]",
        "keys: [{ name: k, primary: [S3CR3T] }]",
        "keys: [{ name: k, primary:S3CR3T }]",
        "keys: [{ name: k, primary=S3CR3T }]",
        "keys: [{ name: k, primary:S3CR3T , primary:S3CR3T }]",
        "keys: [S3CR3T]",
        "keys: S3CR3T",
        "connections: [{ name: c, base_url: 'https://u:S3CR3T@h', secret: S3CR3T }]",
        "connections: [{ name: c, base_url: 'https://h/?key=S3CR3T' }]",
        "connections: [{ name: c, base_url: 'https://h', secret: 'evn:S3CR3T' }]",
        "connections: [{ name: c, base_url: 'https://h', secret: env:A, inject: { header: A, value: S3CR3T } }]",
        "connections: [{ name: c, base_url: 'https://h', secret: env:A, inject: { header: 'A: S3CR3T' } }]",
        "connections: [{ name: c, base_url: 'https://h', secret: env:A, inject: { query: 'k=S3CR3T' } }]",
        "connections: [{ name: c, base_url: 'https://h', secret: env:A, inject: { path: '/S3CR3T' } }]",
        "connections: [{ name: c, base_url: 'https://h', secret: env:A, inject: S3CR3T }]",
        "connections: [{ name: c, base_url: 'https://h', tls: { key: \"-----BEGIN\\nS3CR3T\", certificate: a } }]",
        "connections: [{ name: c, base_url: 'https://h', secret: \"S3CR3T\\nx\" }]",
    ] {
        let found = mistakes(&file(wrong));
        assert!(!found.is_empty(), "{wrong}");
        assert!(!found.iter().any(|line| line.contains(secret)), "{found:?}");
    }
}
