//! Hazards 25, 29 and 30 at the control plane: whatever becomes of process, disk and database, traffic goes on, what was
//! acknowledged is there, nothing is half done, and it recovers by itself.

use crate::support::stored::{Api, verdict};
use crate::support::{Ask, Founded, PATIENCE, Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What one caller knows of a key of its own: what was acknowledged, and what it asked for last without hearing.
#[derive(Default, Clone)]
struct Known {
    /// Tokens of the primary slot, oldest first; the last is in force.
    primary: Vec<String>,
    secondary: String,
    disabled: bool,
    /// How many changes were acknowledged.
    done: u64,
    /// The call that was under way at the kill.
    open: Option<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Create,
    Rotate,
    Disable,
    Enable,
}

/// Creates, rotates, disables and enables keys until the gateway dies or `left` is used up.
fn work(api: &Api, caller: usize, round: usize, left: &AtomicUsize) -> BTreeMap<String, Known> {
    let mut all = BTreeMap::new();
    for n in 0.. {
        let name = format!("key-{round}-{caller}-{n}");
        let mut known = Known::default();
        for step in [Step::Create, Step::Rotate, Step::Disable, Step::Enable, Step::Rotate, Step::Disable] {
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err() {
                break;
            }
            let path = format!("/keys/{name}");
            let answer = match step {
                Step::Create => api.try_call("POST", "/keys", &json!({ "name": name, "workflows": "all" })),
                Step::Rotate => api.try_call("POST", &format!("{path}/slots/primary/regenerate"), &Value::Null),
                Step::Disable => api.try_call("POST", &format!("{path}/disable"), &Value::Null),
                Step::Enable => api.try_call("POST", &format!("{path}/enable"), &Value::Null),
            };
            let Ok(reply) = answer else {
                known.open = Some(step);
                break;
            };
            assert!(reply.status < 300, "{step:?} {name}: {} {}", reply.status, reply.text());
            known.done += 1;
            let told = |field: &str| reply.json()[field].as_str().expect(field).to_owned();
            match step {
                Step::Create => (known.primary, known.secondary) = (vec![told("primary")], told("secondary")),
                Step::Rotate => known.primary.push(told("token")),
                Step::Disable => known.disabled = true,
                Step::Enable => known.disabled = false,
            }
        }
        let over = known.open.is_some() || known.primary.is_empty();
        if known.open.is_some() || !known.primary.is_empty() {
            all.insert(name, known);
        }
        if over || left.load(Ordering::SeqCst) == 0 {
            break;
        }
    }
    all
}

/// Both tokens say the same, and it is what was acknowledged, or that and the call that was under way.
fn judge(gateway: &Stored, name: &str, known: &Known) {
    let shown = gateway.api.show(&format!("/keys/{name}"));
    let Some(primary) = known.primary.last() else {
        // Never acknowledged: it is there whole, or not at all. Its tokens nobody knows.
        assert!(matches!(shown.status, 200 | 404), "{name}: {}", shown.text());
        if shown.status == 200 {
            assert!(shown.json()["slots"]["primary"].is_object() && shown.json()["slots"]["secondary"].is_object());
        }
        return;
    };
    assert_eq!(shown.status, 200, "{name} was acknowledged and is lost: {}", shown.text());
    let disabled = shown.json()["status"] == "disabled";
    if !matches!(known.open, Some(Step::Disable | Step::Enable)) {
        assert_eq!(disabled, known.disabled, "{name}: {}", shown.text());
    }
    let alive = if disabled { "401 key_disabled" } else { "200" };
    assert_eq!(gateway.hello(&known.secondary), alive, "{name}: the other slot");
    let now = gateway.hello(primary);
    if known.open == Some(Step::Rotate) {
        assert!(now == alive || now == "401 invalid_key", "{name}: {now}");
    } else {
        assert_eq!(now, alive, "{name}");
    }
    for old in &known.primary[..known.primary.len() - 1] {
        assert_eq!(gateway.hello(old), "401 invalid_key", "{name}: a token that was replaced");
    }
}

#[test]
fn hazard_30_kills_lose_nothing_that_was_acknowledged_and_leave_nothing_half_done() {
    const CALLS: usize = 200;
    let founded = Founded::new();
    let left = AtomicUsize::new(CALLS);
    let mut all: BTreeMap<String, Known> = BTreeMap::new();
    let mut kills = 0;
    for round in 0.. {
        let gateway = founded.start();
        for (name, known) in &all {
            judge(&gateway, name, known);
        }
        // An entry for every change, the chain holds, and numbers have no gaps.
        let count = gateway.api.audited();
        let (done, open) = all
            .values()
            .fold((1, 0), |(done, open), known| (done + known.done, open + u64::from(known.open.is_some())));
        assert!((done..=done + open).contains(&count), "{count} entries, {done} acknowledged, {open} under way");
        let seqs = audit_numbers(&gateway.api);
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>());
        if left.load(Ordering::SeqCst) == 0 {
            break;
        }
        all.extend(until_killed(gateway, round, &left));
        kills += 1;
    }
    assert!(kills >= 3, "{kills} kills");
    assert!(all.len() > 20, "{} keys", all.len());
}

/// Four callers at once; at a random moment the gateway is killed.
fn until_killed(gateway: Stored, round: usize, left: &AtomicUsize) -> BTreeMap<String, Known> {
    let mut random = [0u8; 1];
    getrandom::fill(&mut random).unwrap();
    let api = gateway.api.clone();
    // So few calls a round that there are several kills, and each falls among them.
    let before = left.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let api = api.clone();
                scope.spawn(move || work(&api, caller, round, left))
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        while left.load(Ordering::SeqCst) + 30 > before && left.load(Ordering::SeqCst) > 0 && Instant::now() < deadline
        {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(u64::from(random[0]) * 100));
        drop(gateway);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

/// All of them, from the oldest.
fn audit_numbers(api: &Api) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::new();
    loop {
        let before = all.last().map_or(String::new(), |seq| format!("&cursor={seq}"));
        let page = api.done("GET", &format!("/audit?limit=100{before}"), &Value::Null);
        let items = page["items"].as_array().unwrap();
        all.extend(items.iter().map(|item| item["seq"].as_u64().unwrap()));
        if items.is_empty() || page["next"].is_null() {
            all.reverse();
            return all;
        }
    }
}

/// Requests, one after another, of which none may fail.
struct Traffic<'s> {
    stop: &'s AtomicBool,
    passed: &'s AtomicUsize,
    address: SocketAddr,
    token: String,
}

impl Traffic<'_> {
    fn flow(&self) {
        while !self.stop.load(Ordering::SeqCst) {
            let reply = Ask::new(self.address, "GET", "/hello").key(&self.token).send();
            assert_eq!(reply.verdict(), "200");
            self.passed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Does `work` while requests flow, and expects that all of them pass.
fn while_traffic_flows(gateway: &Stored, token: &str, work: impl FnOnce()) {
    let (stop, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let traffic = Traffic { stop: &stop, passed: &passed, address: gateway.address(), token: token.to_owned() };
    struct Stopping<'s>(&'s AtomicBool);
    impl Drop for Stopping<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    std::thread::scope(|scope| {
        let flowing = scope.spawn(|| traffic.flow());
        let stopping = Stopping(&stop);
        work();
        let so_far = passed.load(Ordering::SeqCst);
        while !flowing.is_finished() && passed.load(Ordering::SeqCst) < so_far + 3 {
            std::thread::yield_now();
        }
        drop(stopping);
        flowing.join().expect("every request passed");
    });
    assert!(passed.load(Ordering::SeqCst) > 3);
}

/// Every kind of change is refused so, with a hint, and nothing of it is there.
#[track_caller]
fn all_refused(founded: &Founded, gateway: &Stored, wanted: &str) {
    let api = &gateway.api;
    let before = api.show("/keys/crm").json()["version"].clone();
    let connection = founded.connection("refused", "a-secret-that-is-refused");
    for (method, path, body) in [
        ("POST", "/keys", json!({ "name": "refused", "description": "x".repeat(4000) })),
        ("POST", "/keys/crm/disable", Value::Null),
        ("POST", "/keys/crm/slots/primary/regenerate", Value::Null),
        ("PATCH", "/keys/crm", json!({ "description": "y".repeat(4000) })),
        ("DELETE", "/keys/crm", Value::Null),
        ("POST", "/connections", connection),
        ("PUT", "/connections/other/secret", json!({ "secret": "another-secret-that-is-refused" })),
    ] {
        let reply = api.call(method, path, &body);
        assert_eq!(verdict(&reply), wanted, "{method} {path}: {}", reply.text());
        let hint = reply.json()["hint"].as_str().unwrap_or_default().to_owned();
        assert!(hint.len() > 10, "{}", reply.text());
    }
    assert_eq!(gateway.api.show("/keys/refused").status, 404);
    assert_eq!(gateway.api.show("/connections/refused").status, 404);
    assert_eq!(gateway.api.show("/keys/crm").json()["version"], before);
}

/// A gateway with a key and a connection, and the key's token.
fn prepared(gateway: &Stored, founded: &Founded) -> String {
    gateway.api.done("POST", "/connections", &founded.connection("other", "the-first-secret-3Kd"));
    gateway.api.key("crm")
}

/// Waits until changes are taken again, and looks whether the audit is whole.
#[track_caller]
fn recovers(gateway: &Stored) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = gateway.api.call("POST", "/keys", &json!({ "name": "recovered" }));
        if reply.status == 201 {
            break;
        }
        assert!(reply.status == 503 && Instant::now() < deadline, "{} {}", reply.status, reply.text());
        std::thread::sleep(Duration::from_millis(50));
    }
    gateway.api.audited();
}

/// Files of the gateway may not grow beyond this, as on a disk that is full.
fn limit_files(gateway: &Stored, bytes: &str) {
    let (pid, limit) = (gateway.pid().to_string(), format!("--fsize={bytes}:unlimited"));
    let done = std::process::Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(done.is_ok_and(|status| status.success()), "prlimit");
}

#[test]
fn hazard_29_a_full_disk_stops_changes_and_nothing_else() {
    let founded = Founded::new();
    // A disk of its own, where the machine lets us have one.
    let script = "mount -t tmpfs -o size=1536k none \"$STORE\" && cp -a \"$SPARE\"/. \"$STORE\"/ && exec \"$@\"";
    let founded = match own_disk() {
        true => Founded::at("disk"),
        false => founded,
    };
    if !own_disk() {
        return full_by_limit(&founded);
    }
    fs::create_dir(founded.path("spare")).unwrap();
    for name in ["keystile.db", "master.key"] {
        fs::copy(founded.path(&format!("disk/{name}")), founded.path(&format!("spare/{name}"))).unwrap();
    }
    let (store, spare) = (founded.path("disk"), founded.path("spare"));
    let setup = founded
        .setup()
        .under(&["unshare", "-rm", "sh", "-c", script, "sh"])
        .env("STORE", store.to_str().unwrap())
        .env("SPARE", spare.to_str().unwrap());
    let gateway = founded.started(setup);
    // The same place, as the gateway sees it.
    let disk = std::path::PathBuf::from(format!("/proc/{}/root{}", gateway.pid(), store.display()));
    let token = prepared(&gateway, &founded);
    while_traffic_flows(&gateway, &token, || {
        let filler = disk.join("filler");
        let mut size = 1 << 20;
        while size > 512 {
            let file = fs::File::options().create(true).append(true).open(&filler).unwrap();
            if (&file).write_all(&vec![7; size]).is_err() {
                size /= 2;
            }
        }
        await_full(&gateway, "503 store_full");
        all_refused(&founded, &gateway, "503 store_full");
        assert_eq!(gateway.api.show("/keys").status, 200, "reading goes on");
        fs::remove_file(&filler).unwrap();
        recovers(&gateway);
    });
    assert_eq!(gateway.hello(&token), "200");
}

/// As a limit of the service manager does it.
fn full_by_limit(founded: &Founded) {
    let gateway = founded.start();
    let token = prepared(&gateway, founded);
    while_traffic_flows(&gateway, &token, || {
        limit_files(&gateway, "4096");
        await_full(&gateway, "503 store_unavailable");
        all_refused(founded, &gateway, "503 store_unavailable");
        limit_files(&gateway, "unlimited");
        recovers(&gateway);
    });
}

/// Whether we may mount a file system that nobody else sees.
fn own_disk() -> bool {
    let script = "mount -t tmpfs -o size=64k none /tmp";
    std::process::Command::new("unshare").args(["-rm", "sh", "-c", script]).output().is_ok_and(|o| o.status.success())
}

/// The log beside the database has room to be written over: only when that is used up, a change fails.
#[track_caller]
fn await_full(gateway: &Stored, wanted: &str) {
    for n in 0..2000 {
        let body = json!({ "name": format!("filling-{n}"), "description": "z".repeat(4000) });
        let reply = gateway.api.call("POST", "/keys", &body);
        if reply.status != 201 {
            assert_eq!(verdict(&reply), wanted, "{}", reply.text());
            assert_eq!(gateway.api.show(&format!("/keys/filling-{n}")).status, 404);
            return;
        }
    }
    panic!("the disk is never full");
}

#[test]
fn hazard_29_a_limit_on_files_is_an_error_and_no_end() {
    full_by_limit(&Founded::new());
}

/// System calls of a process go wrong, as long as it lives.
struct Wrong(std::process::Child);

impl Wrong {
    /// `pwrite64:error=EIO`; none where processes may not be traced.
    fn with(gateway: &Stored, what: &str) -> Option<Wrong> {
        let calls = what.split(':').next().unwrap();
        let pid = gateway.pid().to_string();
        let mut command = std::process::Command::new("strace");
        command.args([
            "-f",
            "-p",
            &pid,
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
            "-e",
            &format!("inject={what}"),
        ]);
        let child = command.stderr(std::process::Stdio::null()).spawn().ok()?;
        let mut wrong = Wrong(child);
        let tracer = format!("TracerPid:\t{}\n", wrong.0.id());
        let tasks = format!("/proc/{pid}/task");
        let all = || {
            let mut tasks = fs::read_dir(&tasks).unwrap().map(|task| task.unwrap().path().join("status"));
            tasks.all(|status| fs::read_to_string(status).is_ok_and(|text| text.contains(&tracer)))
        };
        let deadline = Instant::now() + PATIENCE;
        while !all() {
            if wrong.0.try_wait().unwrap().is_some() || Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(wrong)
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        // It lets go of the process before it ends.
        let _ = std::process::Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn hazard_29_a_disk_that_fails_stops_changes_and_nothing_else() {
    // As ext4 does after an error, as a disk does that breaks, and a disk that is full at the last moment.
    for (what, wanted) in [
        ("pwrite64:error=EROFS", "503 store_unavailable"),
        ("pwrite64:error=EIO", "503 store_unavailable"),
        ("pwrite64:error=ENOSPC", "503 store_full"),
        ("fdatasync,fsync:error=EIO", "503 store_unavailable"),
    ] {
        let founded = Founded::new();
        let gateway = founded.start();
        let token = prepared(&gateway, &founded);
        let mut traced = true;
        while_traffic_flows(&gateway, &token, || {
            let Some(wrong) = Wrong::with(&gateway, what) else {
                traced = false;
                return;
            };
            all_refused(&founded, &gateway, wanted);
            drop(wrong);
            recovers(&gateway);
        });
        if !traced {
            eprintln!("nothing can be traced here: left out");
            return;
        }
        assert_eq!(gateway.hello(&token), "200", "{what}");
        drop(gateway);
        let again = founded.start();
        assert_eq!(again.api.show("/keys/refused").status, 404, "{what}: it was refused and is there");
        assert_eq!(again.api.show("/keys/recovered").status, 200, "{what}");
        assert_eq!(again.hello(&token), "200", "{what}");
        again.api.audited();
    }
}

#[test]
fn hazard_29_a_disk_that_is_slow_slows_changes_and_nothing_else() {
    let founded = Founded::new();
    let gateway = founded.start();
    let token = prepared(&gateway, &founded);
    while_traffic_flows(&gateway, &token, || {
        let Some(_wrong) = Wrong::with(&gateway, "fdatasync,fsync:delay_enter=700000") else {
            eprintln!("nothing can be traced here: left out");
            return;
        };
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| {
                let begun = Instant::now();
                gateway.api.key("slow");
                begun.elapsed()
            });
            let mut quick = 0;
            while !slow.is_finished() {
                let begun = Instant::now();
                assert_eq!(gateway.hello(&token), "200");
                assert_eq!(gateway.api.show("/keys/crm").status, 200, "reading does not wait for writing");
                quick += u32::from(begun.elapsed() < Duration::from_millis(300));
            }
            assert!(
                slow.join().unwrap() >= Duration::from_millis(700),
                "it was acknowledged before it was on the disk"
            );
            assert!(quick > 3, "{quick}");
        });
    });
}

#[test]
fn hazard_29_a_database_that_was_replaced_takes_no_change_that_would_be_lost() {
    let founded = Founded::new();
    let gateway = founded.start();
    let token = prepared(&gateway, &founded);
    let (path, aside) = (founded.path("keystile.db"), founded.path("aside.db"));
    while_traffic_flows(&gateway, &token, || {
        // Another file at its place: what is written to the old one is nobody's after the next start.
        fs::copy(&path, founded.path("copy.db")).unwrap();
        fs::rename(&path, &aside).unwrap();
        all_refused(&founded, &gateway, "503 store_unavailable");
        fs::rename(founded.path("copy.db"), &path).unwrap();
        all_refused(&founded, &gateway, "503 store_unavailable");
        fs::rename(&aside, &path).unwrap();
        recovers(&gateway);
    });
    drop(gateway);
    let again = founded.start();
    assert_eq!(again.api.show("/keys/recovered").status, 200);
    again.api.audited();
}

#[test]
fn hazard_29_a_database_that_is_damaged_while_it_runs_does_not_reach_traffic() {
    let founded = Founded::new();
    let gateway = founded.start();
    let token = prepared(&gateway, &founded);
    while_traffic_flows(&gateway, &token, || {
        for name in ["keystile.db", "keystile.db-wal"] {
            let path = founded.path(name);
            let length = fs::metadata(&path).unwrap().len() as usize;
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.write_all_at(&vec![0x5a; length], 0).unwrap();
        }
        let mut seen = Vec::new();
        for n in 0..20 {
            let reply = gateway.api.call("POST", "/keys", &json!({ "name": format!("damaged-{n}") }));
            seen.push(verdict(&reply));
        }
        // What is in memory may carry it for a while; what is refused, is refused with words.
        assert!(seen.iter().all(|v| v == "201" || v == "503 store_unavailable"), "{seen:?}");
        assert_eq!(gateway.admin("/healthz").status, 200);
    });
    assert_eq!(gateway.hello(&token), "200");
}
