use std::path::{Path, PathBuf};

use super::{
    super::{Mistakes, parse, reference::Reference, scalar, schema},
    *,
};

const TEXT: &str = "\
listeners:
  inbound:
    - address: 0.0.0.0:8443
      tls: { certificate: a.pem, key: b.pem }
      credentials: { header: false }
      max_body: 1MiB
      timeouts: { head: 5s, idle: nonsense }
workflows:
  - name: get
    upstream: { Production: engine, 'no good': x, Test: other }
    credentials: { query: false }
keys:
  - { name: a, workflows: all, expires_at: 1970-01-01T00:00:01Z, enabled: false }
  - { name: b, workflows: [get, '-bad', put], scopes: [admin:read] }
";

fn tree() -> Node {
    parse::parse(TEXT, &mut Mistakes::new("k.yaml")).unwrap()
}

#[test]
fn values_and_defaults_read_alike() {
    let tree = tree();
    let root = View::root(&tree, schema::ROOT);
    let inbound = root.list("listeners.inbound").next().unwrap();
    assert_eq!(inbound.opt_address("address").unwrap().to_string(), "0.0.0.0:8443");
    assert_eq!((inbound.size("max_body"), inbound.size("max_head")), (1 << 20, 16 << 10));
    assert_eq!(inbound.duration("timeouts.head").as_secs(), 5);
    assert_eq!(inbound.duration("timeouts.body_idle").as_secs(), 30);
    assert_eq!(inbound.rate("failed_auth_limit").to_string(), "100/min");
    assert_eq!(inbound.opt_rate("rate_limit"), None);
    assert!(!inbound.flag("conceal") && inbound.flag("credentials.authorization"));
    let admin = root.opt_address("listeners.admin.address").unwrap();
    assert_eq!(admin.to_string(), "127.0.0.1:8082");
    assert!(!root.is_set("listeners.admin") && !root.is_set("listeners.health"));
}

#[test]
fn what_does_not_fit_reads_as_not_written() {
    let tree = tree();
    let root = View::root(&tree, schema::ROOT);
    let inbound = root.list("listeners.inbound").next().unwrap();
    assert_eq!(inbound.duration("timeouts.idle").as_secs(), 75);
    let b = root.list("keys").nth(1).unwrap();
    assert_eq!(b.values("workflows", scalar::name), ["get", "put"]);
}

#[test]
fn places_can_be_switched_off() {
    let tree = tree();
    let root = View::root(&tree, schema::ROOT);
    let inbound = root.list("listeners.inbound").next().unwrap();
    assert_eq!((inbound.switch("credentials.header"), inbound.switch("credentials.query")), (None, Some("auth-key")));
    let workflow = root.list("workflows").next().unwrap();
    assert_eq!(workflow.opt_switch("credentials.query"), Some(None));
    assert_eq!(workflow.opt_switch("credentials.header"), None);
    assert_eq!(workflow.opt_flag("credentials.authorization"), None);
}

#[test]
fn one_stands_for_a_list() {
    let tree = tree();
    let root = View::root(&tree, schema::ROOT);
    let inbound = root.list("listeners.inbound").next().unwrap();
    let pairs: Vec<_> = inbound.list("tls").collect();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0].opt_path("key"), Some(Path::new("b.pem")));
    assert_eq!(root.part("listeners.admin").list("tls").count(), 0);
}

#[test]
fn everything_is_only_granted_by_the_word() {
    let tree = tree();
    let root = View::root(&tree, schema::ROOT);
    let keys: Vec<_> = root.list("keys").collect();
    assert!(matches!(keys[0].grant("workflows"), Grant::All));
    assert!(matches!(keys[1].grant("workflows"), Grant::These(list) if list.len() == 3));
    assert!(matches!(keys[0].grant("connections"), Grant::These(list) if list.is_empty()));
    let scopes = |key: &View<'_>| {
        key.list("scopes").filter_map(|scope| scope.text_here().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(scopes(&keys[0]), ["workflows:invoke", "connections:use"]);
    assert_eq!(scopes(&keys[1]), ["admin:read"]);
    assert_eq!(
        (keys[0].opt_moment("expires_at"), keys[0].flag("enabled"), keys[1].flag("enabled")),
        (Some(1000), false, true)
    );
}

#[test]
fn names_of_the_users_choosing() {
    let tree = tree();
    let root = View::root(&tree, schema::ROOT);
    let workflow = root.list("workflows").next().unwrap();
    let pairs: Vec<_> = workflow.entries("upstream").map(|pair| (pair.key, pair.value.text_here())).collect();
    assert_eq!(pairs, [("Production", Some("engine")), ("Test", Some("other"))]);
}

#[test]
fn mistakes_of_meaning_have_places_too() {
    let tree = tree();
    let root = View::root(&tree, schema::ROOT);
    let mut mistakes = Mistakes::new("k.yaml");
    let workflow = root.list("workflows").next().unwrap();
    let test = workflow.entries("upstream").nth(1).unwrap();
    mistakes.error(test.key_at, "an unknown environment", "");
    mistakes.error(test.value.here(), "an unknown connection", "");
    // What is not written is missed where it would have to be written.
    mistakes.warning(root.list("keys").next().unwrap().at("rate_limit"), "no limit", "");
    let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "k.yaml:10:51: error: workflows[get].upstream.Test: an unknown environment",
            "k.yaml:10:57: error: workflows[get].upstream.Test: an unknown connection",
            "k.yaml:13:5: warning: keys[a].rate_limit: no limit",
        ]
    );
}

#[test]
fn readers_of_other_modules_fit_in() {
    let text = "connections: [{ name: c, secret: 'file:a/b' }]\n";
    let tree = parse::parse(text, &mut Mistakes::new("k.yaml")).unwrap();
    let connection = View::root(&tree, schema::ROOT).list("connections").next().unwrap();
    let secret = connection.opt("secret", Reference::parse).unwrap();
    assert_eq!(secret, Reference::File(&PathBuf::from("a/b")));
}

#[test]
#[should_panic(expected = "the schema has no field colour")]
fn fields_that_do_not_exist_are_our_own_slips() {
    let tree = tree();
    View::root(&tree, schema::ROOT).text("colour");
}
