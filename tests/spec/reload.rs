//! Changes while traffic flows: picked up without a restart, refused without harm (hazard 27).

use crate::support::{Answer, Connection, Gate, Upstream, World, digest, token};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

/// Asks until the verdict is `wanted`.
#[track_caller]
fn becomes(what: &str, wanted: &str, ask: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let got = ask();
        if got == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: still {got}, not {wanted}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn file(world: &World) -> String {
    std::fs::read_to_string(world.path("keystile.yaml")).unwrap()
}

#[test]
fn an_edited_file_is_picked_up_by_itself_and_at_once_on_sighup() {
    let world = World::start();
    let line =
        |key: &str| format!("  - {{ name: {key}, primary: '{}', workflows: [get-customer] }}\n", digest(&token(key)));
    assert_eq!(world.call("newcomer").send().verdict(), "401 invalid_key");
    world.write("keystile.yaml", file(&world) + &line("newcomer"));
    becomes("by looking", "200", || world.call("newcomer").send().verdict());
    let before = world.stderr.lines().len();
    world.write("keystile.yaml", file(&world) + &line("second"));
    world.signal("HUP");
    world.await_event(before, |e| e["message"] == "the configuration was reloaded");
    assert_eq!(world.call("second").send().verdict(), "200");
    assert!(world.metrics().contains("keystile_config_generation 3"), "{}", world.metrics());
}

#[test]
fn hazard_27_a_wrong_file_leaves_the_old_one_serving_and_log_metric_and_readyz_say_so() {
    let world = World::start();
    let good = file(&world);
    assert!(!world.reload(&good.replace("workflows: [get-customer]", "workflows: [get-custmer]")));
    assert_eq!(world.call("crm").send().verdict(), "200");
    let told = world.await_event(0, |e| e["field"].as_str().is_some_and(|f| f.starts_with("keys[crm].workflows")));
    assert!(told["line"].is_u64() && told["remedy"].as_str().is_some_and(|r| r.contains("get-customer")), "{told}");
    let ready = world.admin("/readyz");
    assert_eq!((ready.status, ready.text().contains("failed")), (200, true), "{}", ready.text());
    assert!(world.metrics().contains("keystile_config_last_reload_successful 0"));
    // Seen by looking and by SIGHUP, whichever comes first or both.
    assert!(!world.metrics().contains("keystile_config_reload_failures_total 0"));
    assert!(world.reload(&(good + "# mended\n")));
    assert!(!world.admin("/readyz").text().contains("failed"));
    assert!(world.metrics().contains("keystile_config_last_reload_successful 1"));
}

#[test]
fn a_rotated_secret_file_is_used_by_the_next_request() {
    let world = World::start();
    world.call("crm").send();
    assert_eq!(world.production.last().header("x-engine-key").as_deref(), Some("production-secret-Zk3/+q8"));
    world.write("production.secret", "the-next-secret");
    becomes("the injected secret", "the-next-secret", || {
        world.call("crm").send();
        world.production.last().header("x-engine-key").unwrap()
    });
}

/// Writes `yaml` the way Kubernetes mounts a ConfigMap: `keystile.yaml` → `..data/keystile.yaml`, `..data` → a folder.
fn mount(folder: &Path, version: &str, yaml: &str) {
    std::fs::create_dir_all(folder.join(version)).unwrap();
    std::fs::write(folder.join(version).join("keystile.yaml"), yaml).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[test]
fn a_configmap_swap_is_seen() {
    let world = World::start();
    let folder = world.path("keystile.yaml").parent().unwrap().to_owned();
    let yaml = file(&world);
    // From a plain file to a mount, which is a change of links and none of content.
    mount(&folder, "..2026_01", &yaml);
    symlink("..data/keystile.yaml", folder.join("link")).unwrap();
    std::fs::rename(folder.join("link"), folder.join("keystile.yaml")).unwrap();
    let key = format!("  - {{ name: mounted, primary: '{}', workflows: all }}\n", digest(&token("mounted")));
    mount(&folder, "..2026_02", &(yaml + &key));
    becomes("after the swap", "200", || world.call("mounted").send().verdict());
}

#[test]
fn limits_go_on_over_a_reload_that_does_not_change_them() {
    let world = World::build().key("tight", "workflows: [get-customer], rate_limit: 2/h").start();
    let verdicts: Vec<String> = (0..3).map(|_| world.call("tight").send().verdict()).collect();
    assert_eq!(verdicts, ["200", "200", "429 rate_limited"]);
    let yaml = file(&world);
    assert!(world.reload(&(yaml.clone() + "# touched\n")));
    assert_eq!(world.call("tight").send().verdict(), "429 rate_limited", "no fresh burst for touching the file");
    assert!(world.reload(&yaml.replace("2/h", "3/h")));
    assert_eq!(world.call("tight").send().verdict(), "200", "another limit is another");
}

#[test]
fn listeners_come_and_go_with_a_reload() {
    let world = World::start();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = file(&world);
    let more = yaml.replace("  inbound:\n", &format!("  inbound:\n    - address: {free}\n"));
    assert_ne!(yaml, more);
    assert!(world.reload(&more));
    let ask = crate::support::Ask::new(free, "GET", "/customers/1").key(&token("crm"));
    assert_eq!(ask.send().verdict(), "200");
    assert!(world.reload(&yaml));
    becomes("the old address", "refused", || {
        if std::net::TcpStream::connect(free).is_err() { "refused".into() } else { "open".into() }
    });
}

#[test]
fn r1_a_request_under_way_finishes_with_what_it_began_with() {
    let gate = Gate::default();
    let held = gate.clone();
    let world = World::build()
        .answering(move |_| {
            held.pass();
            Answer::reply("200 OK", &[], "late")
        })
        .start();
    let mut connection = world.connect();
    connection.write(&world.call("crm").bytes());
    world.production.await_requests(1);
    let elsewhere = Upstream::start();
    let moved = file(&world).replace(&world.production.address.to_string(), &elsewhere.address.to_string());
    assert!(world.reload(&moved));
    assert_eq!(world.call("crm").send().text(), "ok", "the next request goes to the new place");
    gate.open();
    assert_eq!(connection.read(false).unwrap().text(), "late");
}

#[test]
fn a_key_taken_out_of_the_file_is_refused_on_open_connections_too() {
    let world = World::build().key("leaver", "workflows: [get-customer]").start();
    let mut connection = Connection::open(world.address());
    let request = world.call("leaver").bytes();
    assert_eq!(connection.send(&request).verdict(), "200");
    let yaml = file(&world);
    let without: String = yaml.lines().filter(|l| !l.contains("leaver")).map(|l| format!("{l}\n")).collect();
    assert!(world.reload(&without));
    assert_eq!(connection.send(&request).verdict(), "401 invalid_key");
}

#[test]
fn a_secret_that_appears_after_the_file_that_names_it_is_waited_for() {
    let world = World::start();
    let yaml = file(&world).replace("production.secret", "later.secret");
    assert!(!world.reload(&yaml), "the secret is not there yet");
    assert_eq!(world.call("crm").send().verdict(), "200", "the old one serves");
    world.write("later.secret", "came-later");
    becomes("the injected secret", "came-later", || {
        world.call("crm").send();
        world.production.last().header("x-engine-key").unwrap()
    });
}

/// Three reloads that change nothing, or nothing that an open connection could notice.
fn reload_three_times(world: &World) {
    let yaml = file(world);
    let newcomer = format!("  - {{ name: newcomer, primary: '{}', workflows: all }}\n", digest(&token("newcomer")));
    for next in [yaml.clone() + "# touched\n", yaml.clone() + &newcomer, yaml] {
        assert!(world.reload(&next));
    }
}

#[test]
fn a_reload_disturbs_neither_an_open_connection_nor_the_upstreams() {
    let world = World::start();
    let mut connection = world.connect();
    let request = world.call("crm").bytes();
    assert_eq!(connection.send(&request).verdict(), "200");
    reload_three_times(&world);
    assert_eq!(connection.send(&request).verdict(), "200", "the caller's connection is the same");
    assert_eq!(world.production.connections(), 1, "and so is the upstream's");
}

#[test]
fn a_body_that_is_on_its_way_over_http_2_arrives_whole_through_reloads() {
    let gate = Gate::default();
    let held = gate.clone();
    let (world, ca) = crate::h2::world_answering(move |_| {
        let held = held.clone();
        Answer::Halves(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst".to_vec(), held, b"other".to_vec())
    });
    let body = crate::h2::body_with_a_pause(world.address(), &ca, || {
        reload_three_times(&world);
        gate.open();
    });
    assert_eq!(body, "firstother");
    assert_eq!(world.production.connections(), 1);
}

/// Keys of a file that is long enough to be read key by key.
fn many(count: usize) -> String {
    let key = |n| {
        let digest = digest(&token(&format!("many-{n}")));
        format!(
            "  - name: many-{n}\n    primary: {digest}\n    workflows: [get-customer]\n    expires_at: 2040-01-01T00:00:00Z\n"
        )
    };
    (0..count).map(key).collect()
}

#[test]
fn hazard_32_a_file_of_many_keys_means_and_is_told_what_one_of_few_would() {
    let world = World::start();
    let (few, many) = (file(&world), many(7000));
    let good = format!("{few}{many}");
    assert!(good.len() > 1 << 20, "{} bytes are few", good.len());
    assert!(world.reload(&good));
    for (key, verdict) in [("crm", "200"), ("many-0", "200"), ("many-6999", "200"), ("nobody", "401 invalid_key")] {
        assert_eq!(world.call(key).send().verdict(), verdict, "{key}");
    }
    let line_of = |text: &str| good.lines().position(|line| line.contains(text)).unwrap() as u64 + 1;
    let told = |wrong: &str, line: u64, field: &str| {
        let before = world.stderr.lines().len();
        assert!(!world.reload(wrong), "{field}");
        let told = world.await_event(before, |e| e["field"] == field);
        assert_eq!(told["line"], line, "{told}");
    };
    told(&good.replace("many-6999\n", "many-6998\n"), line_of("many-6999\n".trim()), "keys[many-6998].name");
    let unknown = good.replacen("many-500\n", "many-500\n    wrkflows: [x]\n", 1);
    told(&unknown, line_of("name: many-500") + 1, "keys[many-500].wrkflows");
    assert_eq!(world.call("many-6999").send().verdict(), "200", "a wrong file changes nothing");
    // One that makes sense only in its place: the file is read whole.
    let fewer = good.replace("name: many-0\n", "name: &first many-0\n    title: *first\n");
    assert!(world.reload(&fewer.replace("many-6999\n", "last\n")));
    assert_eq!(world.call("many-0").send().verdict(), "200");
}
