//! What of TLS lives on over a reload, and what must not: sessions, open connections, the last good files.

use crate::support::{Answer, Connection, Gate, PATIENCE, World, token};
use crate::tls::{Authority, provider};
use crate::tls_client::{Cast, Pair, both, der, exchange};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::TLS13;
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

fn file(world: &World) -> String {
    std::fs::read_to_string(world.path("keystile.yaml")).unwrap()
}

#[test]
fn sessions_outlive_a_reload_that_does_not_concern_them_and_no_other() {
    let cast = Cast::new();
    let identity = cast.callers.issue("worker.example", |_| {});
    both(|version| {
        let world =
            cast.world("").key("bound", "workflows: all, require_client_cert: { name: worker.example }").start();
        let worker = cast.caller(version, Some(&identity));
        let call = |what: &str, resumed: bool| {
            assert_eq!(worker.call(&world, "bound"), ("200".to_owned(), resumed), "{what}, {version:?}");
        };
        let reload = || {
            let from = world.stderr.lines().len();
            world.signal("HUP");
            world.await_event(from, |e| e["message"] == "the configuration was reloaded");
        };
        call("the first", false);
        call("the second, with the certificate of the first", true);
        let yaml = file(&world);
        assert!(world.reload(&yaml.replace("name: no-scope,", "name: renamed,")));
        call("after a reload of something else", true);
        let (certificate, key) = cast.ca.issue("gateway.test", |_| {});
        world.write("0.pem", certificate);
        world.write("0.key", key);
        reload();
        call("after another certificate of ours", false);
        call("and again", true);
        world.write("callers.pem", Authority::new().pem() + &cast.callers.pem());
        reload();
        call("after another list of authorities", false);
        assert!(world.reload(
            &file(&world).replace("client_ca: callers.pem", "client_ca: callers.pem, require_client_cert: true")
        ));
        call("after another setting", false);
        call("and again", true);
        world.write("callers.pem", Authority::new().pem());
        reload();
        let (verdict, resumed) = worker.call(&world, "bound");
        assert!(!resumed && verdict != "200", "{verdict}: a session that nobody vouches for any more");
    });
}

/// A TLS upstream that answers 200 on a connection of its own for every request, and tells how each began.
fn upstream(identity: &Pair) -> (SocketAddr, mpsc::Receiver<HandshakeKind>) {
    provider();
    let key = PrivateKeyDer::from_pem_slice(identity.1.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![der(&identity.0)], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, told) = mpsc::channel();
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let mut tls = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), tcp);
            if tls.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
                let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
                tls.conn.send_close_notify();
                let _ = tls.flush();
                let _ = begun.send(tls.conn.handshake_kind().unwrap());
            }
        }
    });
    (address, told)
}

#[test]
fn sessions_with_an_upstream_outlive_a_reload_that_does_not_concern_them_and_no_other() {
    let cast = Cast::new();
    let (address, begun) = upstream(&cast.ca.issue("engine.test", |_| {}));
    let fields = format!("base_url: 'https://{address}', tls: {{ ca: ca.pem, server_name: engine.test }}");
    let world =
        World::build().file("ca.pem", cast.ca.pem()).route("secure", &fields).key("k", "workflows: [secure]").start();
    let call = |what: &str, wanted: HandshakeKind| {
        assert_eq!(world.get("/secure/x").key(&token("k")).send().verdict(), "200", "{what}");
        assert_eq!(begun.recv_timeout(PATIENCE).unwrap(), wanted, "{what}");
    };
    call("the first", HandshakeKind::Full);
    call("the second", HandshakeKind::Resumed);
    assert!(world.reload(&(file(&world) + "# touched\n")));
    call("after a reload of something else", HandshakeKind::Resumed);
    let from = world.stderr.lines().len();
    world.write("ca.pem", cast.ca.pem() + &Authority::new().pem());
    world.signal("HUP");
    world.await_event(from, |e| e["message"] == "the configuration was reloaded");
    call("after another list of authorities", HandshakeKind::Full);
}

#[test]
fn hazard_27_a_broken_client_ca_leaves_the_last_good_one_in_force() {
    let cast = Cast::new();
    let world = cast.world("").key("bound", "workflows: all, require_client_cert: { name: worker.example }").start();
    let worker = cast.caller(&TLS13, Some(&cast.callers.issue("worker.example", |_| {})));
    for (broken, reason) in [("not a certificate", "holds no certificate"), ("", "holds no certificate")] {
        let from = world.stderr.lines().len();
        world.write("callers.pem", broken);
        // Seen by looking: the file is watched.
        let told = world.await_event(from, |e| e["field"] == "listeners.inbound[0].tls");
        assert!(told["message"].as_str().is_some_and(|m| m.contains("callers.pem") && m.contains(reason)), "{told}");
        world.await_event(from, |e| e["message"] == "the configuration was not reloaded: the old one keeps serving");
        assert_eq!(worker.verdict(&world, "bound"), "200");
    }
}

#[test]
fn connections_verified_against_authorities_that_no_longer_count_are_closed() {
    let cast = Cast::new();
    let world = cast.world("").key("bound", "workflows: all, require_client_cert: { name: worker.example }").start();
    let worker = cast.caller(&TLS13, Some(&cast.callers.issue("worker.example", |_| {})));
    let mut open = worker.connect(world.address());
    let request = world.call("bound").bytes();
    assert_eq!(exchange(&mut open, &request), "200");
    assert!(world.reload(&(file(&world) + "# touched\n")));
    assert_eq!(exchange(&mut open, &request), "200", "a reload of something else does not disturb it");
    world.write("callers.pem", Authority::new().pem());
    world.signal("HUP");
    let mut rest = Vec::new();
    let end = open.read_to_end(&mut rest);
    assert!(end.is_ok() || end.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock), "it stays open");
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1 200 OK"));
}

#[test]
fn connections_in_the_clear_are_closed_when_their_listener_gains_tls_and_running_requests_finish() {
    let cast = Cast::new();
    let gate = Gate::default();
    let held = gate.clone();
    let world = World::build()
        .file("0.pem", &cast.gateway.0)
        .file("0.key", &cast.gateway.1)
        .answering(move |_| {
            held.pass();
            Answer::reply("200 OK", &[], "late")
        })
        .start();
    let mut running = world.connect();
    running.write(&world.call("crm").bytes());
    world.production.await_requests(1);
    let mut idle = Connection::open(world.address());
    assert_eq!(idle.send(&world.call("stranger").bytes()).verdict(), "401 invalid_key");
    let yaml = file(&world);
    let secured = yaml.replacen(
        "    - address: 127.0.0.1:0\n",
        "    - address: 127.0.0.1:0\n      tls: { certificate: 0.pem, key: 0.key }\n",
        1,
    );
    assert_ne!(yaml, secured);
    assert!(world.reload(&secured));
    assert!(idle.is_closed(), "an idle connection in the clear");
    gate.open();
    assert_eq!(running.read(false).unwrap().text(), "late");
    assert!(running.is_closed(), "a connection in the clear, after its request");
    assert_eq!(cast.caller(&TLS13, None).verdict(&world, "crm"), "200", "the same socket, with TLS");
    let mut clear = TcpStream::connect(world.address()).unwrap();
    clear.write_all(&world.call("crm").bytes()).unwrap();
    let mut reply = Vec::new();
    let _ = clear.read_to_end(&mut reply);
    assert!(!reply.starts_with(b"HTTP/"), "nothing is answered in the clear any more");
}
