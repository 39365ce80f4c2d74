//! Hazards 29 and 30 at the wire: upstreams that come and go or say nothing, names that do not resolve, and an end in the
//! middle of everything. New work is refused in time, old work goes on, and all of it recovers by itself.

use crate::h2::world_answering;
use crate::support::{Answer, Connection, Directory, Gate, PATIENCE, Setup, World, token};
use crate::tls::request;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An upstream that can be closed and opened again at the same address.
struct Flapping {
    address: SocketAddr,
    open: Option<Open>,
}

struct Open {
    stop: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Flapping {
    fn new() -> Flapping {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Flapping { address, open: None }
    }

    fn open(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the address is free again");
        let (stop, streams) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopping, kept) = (stop.clone(), streams.clone());
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                std::thread::spawn(move || answer_all(&stream));
            }
        });
        self.open = Some(Open { stop, accepting, streams });
    }

    /// Closes the door and every connection.
    fn close(&mut self) {
        let Some(Open { stop, accepting, streams }) = self.open.take() else { return };
        stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        accepting.join().unwrap();
        for stream in streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn answer_all(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while matches!(reader.read_line(&mut line), Ok(1..)) {
        if line == "\r\n" && { stream }.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
        line.clear();
    }
}

fn connection(address: impl std::fmt::Display, timeouts: &str) -> String {
    let inject = "allow_cleartext: true, inject: { header: X-Engine-Key }, secret: 'file:production.secret'";
    format!("base_url: 'http://{address}', {inject}, timeouts: {{ {timeouts} }}")
}

#[test]
fn hazard_29_an_upstream_that_comes_and_goes_is_502_at_once_and_served_again_at_once() {
    let mut upstream = Flapping::new();
    let world = World::build().route("flap", &connection(upstream.address, "connect: 1s")).start();
    let mut caller = world.connect();
    let request = world.get("/flap/1").key(&token("all")).bytes();
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(caller.send(&request).verdict(), "502 upstream_unreachable");
        assert!(began.elapsed() < Duration::from_secs(1), "a refused connection is no time-out");
        upstream.open();
        for _ in 0..3 {
            assert_eq!(caller.send(&request).verdict(), "200", "on the same connection of the caller's");
        }
        upstream.close();
    }
    assert_eq!(world.call("crm").send().verdict(), "200", "its neighbour never noticed");
}

fn descriptors(world: &World) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", world.pid())).unwrap().count()
}

fn threads(world: &World) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", world.pid())).unwrap().count()
}

#[test]
fn hazard_29_an_upstream_that_never_answers_is_504_in_time_and_holds_nothing_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let held = Arc::new(Mutex::new(Vec::new()));
    let keeping = held.clone();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|s| keeping.lock().unwrap().push(s)));
    let world = World::build().route("mute", &connection(address, "head: 700ms")).start();
    assert_eq!(world.call("crm").send().verdict(), "200");
    let before = descriptors(&world);
    let began = Instant::now();
    let mut waiting: Vec<Connection> = (0..30).map(|_| world.connect()).collect();
    for caller in &mut waiting {
        caller.write(&world.get("/mute/1").key(&token("all")).bytes());
    }
    let asked = Instant::now();
    assert_eq!(world.call("crm").send().verdict(), "200");
    assert!(asked.elapsed() < Duration::from_millis(500), "others do not wait with them");
    for caller in &mut waiting {
        assert_eq!(caller.read(false).unwrap().verdict(), "504 upstream_timeout");
    }
    let took = began.elapsed();
    assert!((700..2500).contains(&took.as_millis()), "{took:?}");
    drop(waiting);
    let deadline = Instant::now() + PATIENCE;
    while descriptors(&world) > before {
        assert!(Instant::now() < deadline, "{} descriptors, {before} before", descriptors(&world));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(held.lock().unwrap().len(), 30, "each on a connection of its own, none used again");
}

#[test]
fn hazard_29_an_upstream_that_does_not_even_accept_is_504_in_time() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    // Its queue is full once connecting takes time.
    let queue: Vec<TcpStream> =
        std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()).take(10).collect();
    assert!(queue.len() < 10, "the kernel's queue has no end");
    let world = World::build().route("full", &connection(address, "connect: 500ms")).start();
    let began = Instant::now();
    assert_eq!(world.get("/full/1").key(&token("all")).send().verdict(), "504 upstream_connect_timeout");
    assert!((500..2000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

/// What stands before the system's resolver: one name is looked up in a file, which says an address, `none`, `again`
/// or `hang`.
const RESOLVER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
  char said[64] = "none";
  if (!node || strcmp(node, "engine.keystile.test") != 0) return real(node, service, hints, found);
  FILE *file = fopen(getenv("NAMES"), "r");
  if (file) {
    if (fscanf(file, "%63s", said) != 1) strcpy(said, "none");
    fclose(file);
  }
  if (strcmp(said, "none") == 0) return EAI_NONAME;
  if (strcmp(said, "again") == 0) return EAI_AGAIN;
  if (strcmp(said, "hang") == 0) {
    sleep(20);
    return EAI_AGAIN;
  }
  return real(said, service, hints, found);
}
"#;

/// A gateway whose resolver we are, and the directory in whose file `names` it looks.
fn resolving(first: &str) -> (World, Directory) {
    let directory = Directory::new();
    directory.write("names.c", RESOLVER);
    directory.write("names", first);
    let (source, library, names) = (directory.path("names.c"), directory.path("names.so"), directory.path("names"));
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    assert!(built.is_ok_and(|status| status.success()), "a C compiler, which the build needs as well");
    let build = World::build();
    let port = build.production.address.port();
    let world = build
        .route("named", &connection(format!("engine.keystile.test:{port}"), "connect: 700ms"))
        .root("shutdown: { drain: 2s }")
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("NAMES", names.to_str().unwrap())
        .start();
    (world, directory)
}

#[test]
fn hazard_29_a_name_that_does_not_resolve_is_502_until_it_does() {
    let (world, names) = resolving("none");
    let ask = world.get("/named/1").key(&token("all"));
    assert_eq!(ask.send().verdict(), "502 upstream_unreachable");
    names.write("names", "again");
    let reply = ask.send();
    assert_eq!(reply.verdict(), "502 upstream_unreachable");
    let cause = world.record_of(&reply)["cause"].as_str().unwrap().to_owned();
    assert!(cause.contains("engine.keystile.test"), "{cause}");
    world.production.assert_untouched();
    names.write("names", "127.0.0.1");
    let patience = Instant::now() + Duration::from_secs(4);
    while ask.send().verdict() != "200" {
        assert!(Instant::now() < patience, "a failure is remembered for a second, and no longer");
        std::thread::sleep(Duration::from_millis(100));
    }
    names.write("names", "none");
    assert_eq!(ask.send().verdict(), "200", "what is open, or was known just now, goes on");
}

#[test]
fn hazard_29_a_resolver_that_hangs_costs_its_own_requests_alone_and_few_threads() {
    let (mut world, _names) = resolving("hang");
    let began = Instant::now();
    let mut waiting: Vec<Connection> = (0..40).map(|_| world.connect()).collect();
    for caller in &mut waiting {
        caller.write(&world.get("/named/1").key(&token("all")).bytes());
    }
    assert_eq!(world.call("crm").send().verdict(), "200", "others go on");
    for caller in &mut waiting {
        assert_eq!(caller.read(false).unwrap().verdict(), "504 upstream_connect_timeout");
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let many = threads(&world);
    assert!(many < 20, "{many} threads: one look-up of a name is enough for all who wait for it");
    let ending = Instant::now();
    world.signal("TERM");
    assert_eq!(world.gateway.wait().code(), Some(0));
    assert!(ending.elapsed() < Duration::from_secs(5), "nobody waits for the resolver: {:?}", ending.elapsed());
}

#[test]
fn hazard_30_sigterm_under_load_loses_no_request_of_a_kept_connection() {
    let mut world = World::start();
    let (address, request) = (world.address(), world.call("crm").bytes());
    let sent = Arc::new(AtomicUsize::new(0));
    let callers: Vec<JoinHandle<Result<usize, String>>> = (0..12)
        .map(|_| {
            let (request, sent) = (request.clone(), sent.clone());
            std::thread::spawn(move || {
                let mut answered = 0;
                // Until nobody accepts any more; until then every connection is used until a reply says that it ends.
                while let Ok(mut caller) = Connection::try_open(address) {
                    loop {
                        caller.write(&request);
                        let reply = caller.read(false).map_err(|e| format!("after {answered}: {e}"))?;
                        assert_eq!(reply.verdict(), "200");
                        (answered, _) = (answered + 1, sent.fetch_add(1, Ordering::SeqCst));
                        if reply.header("connection") == Some("close") {
                            break;
                        }
                    }
                }
                Ok(answered)
            })
        })
        .collect();
    while sent.load(Ordering::SeqCst) < 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    world.signal("TERM");
    let outcomes: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    assert_eq!(world.gateway.wait().code(), Some(0));
    let lost: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let answered: usize = outcomes.into_iter().flatten().sum();
    assert_eq!(world.records().len(), answered, "as many records as answers");
    assert_eq!(world.production.count(), answered);
}

#[test]
fn hazard_30_sigterm_lets_http_2_streams_finish_and_records_them() {
    const STREAMS: usize = 25;
    let gate = Gate::default();
    let held = gate.clone();
    let (mut world, ca) = world_answering(move |_| {
        held.pass();
        Answer::reply("200 OK", &[], "finished")
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let replies = runtime.block_on(async {
        let mut sender = crate::h2::open(world.address(), &ca).await;
        let streams: Vec<_> = (0..STREAMS)
            .map(|_| tokio::spawn(sender.send_request(request("https://gateway.test/customers/1", &[]))))
            .collect();
        while world.production.count() < STREAMS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.signal("TERM");
        world.await_event(0, |e| e["message"] == "draining");
        gate.open();
        let mut statuses = Vec::new();
        for stream in streams {
            statuses.push(stream.await.unwrap().map(|reply| reply.status().as_u16()));
        }
        statuses
    });
    assert!(replies.iter().all(|reply| matches!(reply, Ok(200))), "{replies:?}");
    assert_eq!(world.gateway.wait().code(), Some(0));
    assert_eq!(world.records().iter().filter(|r| r["status"] == 200).count(), STREAMS);
}

#[test]
fn hazard_30_sigterm_leaves_websockets_until_the_drain_is_over_and_records_them() {
    let (address, _) = crate::upgrades::echo(crate::upgrades::SWITCH);
    let mut world = crate::upgrades::builder(address).root("shutdown: { drain: 1500ms }").start();
    let (_connection, mut stream) = crate::upgrades::open(&world);
    world.signal("TERM");
    world.await_event(0, |e| e["message"] == "draining");
    assert!(crate::upgrades::echoes(&mut stream, b"still here"));
    assert_eq!(world.gateway.wait().code(), Some(0));
    assert_eq!(world.await_event(0, |e| e["message"] == "stopped")["cut"], 1);
    let records = world.records();
    assert_eq!((records.len(), &records[0]["end"], &records[0]["status"]), (1, &"stopped".into(), &101.into()));
    assert_eq!((&records[0]["bytes_in"], &records[0]["bytes_out"]), (&10.into(), &10.into()));
}

#[test]
fn hazard_27_a_gateway_under_load_keeps_serving_while_broken_configurations_come_and_go() {
    let world = World::build().start();
    let good = std::fs::read_to_string(world.path("keystile.yaml")).unwrap();
    let (address, request, stop) = (world.address(), world.call("crm").bytes(), Arc::new(AtomicBool::new(false)));
    let stopping = stop.clone();
    let caller = std::thread::spawn(move || {
        let (mut kept, mut verdicts) = (Connection::open(address), Vec::new());
        while !stopping.load(Ordering::SeqCst) {
            verdicts.push(kept.send(&request).verdict());
            verdicts.push(crate::support::raw(address, &request).verdict());
        }
        verdicts
    });
    for round in 0..4 {
        assert!(!world.reload("listeners: ["));
        assert!(!world.reload(&good.replace("file:production.secret", "file:missing.secret")));
        assert!(world.reload(&good.replace("title: Nobody", &format!("title: Round {round}"))));
    }
    stop.store(true, Ordering::SeqCst);
    let verdicts = caller.join().unwrap();
    assert!(verdicts.len() > 10 && verdicts.iter().all(|verdict| verdict == "200"), "{verdicts:?}");
}

/// Nothing is refused at the start that would be refused later: a name that does not resolve yet is no mistake.
#[test]
fn hazard_29_a_name_that_does_not_resolve_does_not_keep_it_from_starting() {
    let yaml = World::build().route("later", &connection("nowhere.invalid:80", "connect: 1s")).yaml();
    let gateway = Setup::new(&yaml).file("production.secret", "s").file("test.secret", "s").start();
    assert_eq!(gateway.admin("/readyz").status, 200);
}
