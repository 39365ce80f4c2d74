//! Hazard 33 at the wire: whatever callers put into a request, a record is one line, and no byte of it steers a terminal.

use crate::support::{Connection, Setup, World, token};
use std::process::{Command, Stdio};

/// What forges lines or steers terminals, as raw bytes.
const NASTY: &[&[u8]] = &[
    b"\r\n{\"status\":200,\"key\":\"forged\"}",
    b"\n",
    b"\r",
    b"\x1b[2J\x1b]0;owned\x07",
    b"\x00",
    b"\x08\x7f",
    b"\t",
    b"\xc2\x9b31m",
    b"\xc2\x85",
    b"\xe2\x80\xa8\xe2\x80\xa9",
    b"\xe2\x80\xae\xe2\x81\xa6",
    b"\xff\xfe\xc2",
    b"\"} {\"",
    b" status=200 key=forged",
    b"\\r\\n\\u000a",
    b"%0d%0a%1b%5b2J%c2%9b",
];

/// Every request with each of them in each place. Each of them yields one record.
fn requests() -> Vec<Vec<u8>> {
    let key = token("crm");
    let credential = format!("X-API-Key: {key}\r\n");
    let mut all = Vec::new();
    for nasty in NASTY {
        let encoded: String = nasty.iter().map(|byte| format!("%{byte:02X}")).collect();
        for (before, after) in [
            ("GET /customers/".to_owned(), format!(" HTTP/1.1\r\nHost: h\r\n{credential}\r\n")),
            (format!("GET /customers/1{encoded}"), format!(" HTTP/1.1\r\nHost: h\r\n{credential}\r\n")),
            ("GET /customers/1?".to_owned(), format!("=1 HTTP/1.1\r\nHost: h\r\n{credential}\r\n")),
            (format!("GET /customers/1?{encoded}=2&"), format!("=1 HTTP/1.1\r\nHost: h\r\n{credential}\r\n")),
            ("GE".to_owned(), format!("T /customers/1 HTTP/1.1\r\nHost: h\r\n{credential}\r\n")),
            ("GET /customers/1 HTTP/1.1\r\nHost: h".to_owned(), format!("\r\n{credential}\r\n")),
            (format!("GET /customers/1 HTTP/1.1\r\nHost: h\r\n{credential}User-Agent: a"), "b\r\n\r\n".to_owned()),
            ("GET /customers/1 HTTP/1.1\r\nHost: h\r\nX-API-Key: ".to_owned(), "\r\n\r\n".to_owned()),
            (format!("GET /customers/1 HTTP/1.1\r\nHost: h\r\n{credential}X-"), ": b\r\n\r\n".to_owned()),
            (format!("GET /customers/1 HTTP/1.1\r\nHost: h\r\n{credential}X-Forwarded-For: "), "\r\n\r\n".to_owned()),
            (format!("GET /customers/1?_profile={encoded}&a="), format!(" HTTP/1.1\r\nHost: h\r\n{credential}\r\n")),
            ("GET /customers/1 HTTP/1.1".to_owned(), format!("\r\nHost: h\r\n{credential}\r\n")),
        ] {
            all.push([before.as_bytes(), nasty, after.as_bytes()].concat());
        }
    }
    all
}

/// One line, of characters that are seen as what they are. `escape.rs` says which are not.
#[track_caller]
fn assert_harmless(line: &str) {
    let steers = |c: &char| {
        c.is_control()
            || matches!(*c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || *c == char::REPLACEMENT_CHARACTER
    };
    assert_eq!(line.chars().find(steers), None, "{line:?}");
}

/// Sends them all, each on a connection of its own, and hears every reply out.
fn send_all(address: std::net::SocketAddr) -> usize {
    let all = requests();
    for request in &all {
        let mut caller = Connection::open(address);
        caller.write(request);
        caller.read(false).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(request)));
        caller.finish();
        // Some carry a second request in their remainder, which is answered, and recorded, too.
        while caller.read(false).is_ok() {}
    }
    all.len()
}

#[test]
fn hazard_33_no_request_writes_a_second_line_or_a_control_byte_into_json_logs() {
    let world = World::start();
    let sent = send_all(world.address());
    let last = world.record_of(&world.get("/the-last-one").send());
    assert_eq!(last["path"], "/the-last-one");
    let lines = world.stdout.lines();
    for line in lines.iter().chain(&world.stderr.lines()) {
        assert_harmless(line);
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert_ne!(parsed["key"], "forged");
    }
    assert!(lines.len() > sent, "{} records of {sent} requests and one", lines.len());
}

#[test]
fn hazard_33_no_request_writes_a_second_line_or_a_control_byte_into_text_logs() {
    // A port of our own, since the log that tells it is not JSON here.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::build().at(port).root("log: { format: text }");
    let directory = std::env::temp_dir().join(format!("keystile-lines-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (name, content) in [("keystile.yaml", world.yaml().as_str()), ("production.secret", "s"), ("test.secret", "s")]
    {
        std::fs::write(directory.join(name), content).unwrap();
    }
    let (out, log) = (directory.join("out"), directory.join("log"));
    let file = |path| Stdio::from(std::fs::File::create(path).unwrap());
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_keystile"))
        .args(["serve", "--config"])
        .arg(directory.join("keystile.yaml"))
        .stdout(file(&out))
        .stderr(file(&log))
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while Connection::try_open(port).is_err() {
        assert!(std::time::Instant::now() < deadline, "{}", std::fs::read_to_string(&log).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let sent = send_all(port);
    let stopped = Command::new("kill").arg(gateway.id().to_string()).status();
    assert!(stopped.is_ok() && gateway.wait().unwrap().success());
    let (records, events) = (std::fs::read(&out).unwrap(), std::fs::read(&log).unwrap());
    let _ = std::fs::remove_dir_all(&directory);
    let records = String::from_utf8(records).expect("text");
    for line in records.lines().chain(std::str::from_utf8(&events).expect("text").lines()) {
        assert_harmless(line);
        let bare: String = line.replace("\\\"", "").split('"').step_by(2).collect();
        assert!(!bare.contains("key=forged"), "outside of quotes: {line}");
    }
    assert!(records.lines().all(|line| line.starts_with("time=")), "each line is a record");
    assert!(records.lines().count() >= sent, "{} records of {sent} requests", records.lines().count());
}

#[test]
fn hazard_33_what_a_configuration_says_wrong_is_told_in_one_harmless_line_each() {
    let world = World::start();
    let good = std::fs::read_to_string(world.path("keystile.yaml")).unwrap();
    for name in ["\\r\\n{}", "\\e[2J", "\\u009b31m", "\\u2028", "\\u202e"] {
        assert!(!world.reload(&format!("{good}\n\"{name}\": 1\n")));
        assert!(!world.reload(&good.replace("name: get-customer", &format!("name: \"a{name}\""))));
    }
    for line in world.stderr.lines() {
        assert_harmless(&line);
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line:?}");
    }
}

#[test]
fn hazard_33_checking_a_file_on_a_terminal_prints_no_escapes_of_the_files() {
    let told = Setup::new("listeners: {}\n\"\\e[2J\\u009b\\u202e\": 1\n").refused();
    for line in told.lines() {
        assert_harmless(line);
    }
}
