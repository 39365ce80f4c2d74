//! Callers with certificates: whom a listener believes, and keys that are worth nothing without theirs.

use crate::support::World;
use crate::tls::{Authority, provider};
use keystile::net::certificate;
use rcgen::{CertificateParams, DnType, SanType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub type Pair = (String, String);
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A gateway's authority, its certificate, and an authority of its callers.
pub struct Cast {
    pub ca: Authority,
    pub callers: Authority,
    pub gateway: Pair,
}

impl Cast {
    pub fn new() -> Cast {
        let ca = Authority::new();
        let gateway = ca.issue("gateway.test", |_| {});
        Cast { ca, callers: Authority::new(), gateway }
    }

    /// A world whose listener believes the callers' authority; `more` are fields of its `tls`.
    pub fn world(&self, more: &str) -> crate::support::Builder {
        World::build()
            .file("0.pem", &self.gateway.0)
            .file("0.key", &self.gateway.1)
            .file("callers.pem", self.callers.pem())
            .listener(&format!("tls: {{ certificate: 0.pem, key: 0.key, client_ca: callers.pem{more} }}"))
    }

    /// A caller that speaks `version` and shows `identity`. One caller resumes what it began.
    pub fn caller(&self, version: &'static SupportedProtocolVersion, identity: Option<&Pair>) -> Caller {
        provider();
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.ca.pem())).unwrap();
        let builder = ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots);
        Caller(Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![der(chain)], key).unwrap()
            }
        }))
    }
}

pub fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[derive(Clone)]
pub struct Caller(Arc<ClientConfig>);

impl Caller {
    pub fn connect(&self, address: SocketAddr) -> Tls {
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        let name = ServerName::try_from("gateway.test").unwrap();
        StreamOwned::new(ClientConnection::new(self.0.clone(), name).unwrap(), tcp)
    }

    /// Status and code of `GET /customers/1` with the token of `key`, or why TLS failed; and whether the session was
    /// resumed.
    pub fn call(&self, world: &World, key: &str) -> (String, bool) {
        let mut tls = self.connect(world.address());
        let verdict = exchange(&mut tls, &world.call(key).header("Connection", "close").bytes());
        (verdict, tls.conn.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    pub fn verdict(&self, world: &World, key: &str) -> String {
        self.call(world, key).0
    }
}

/// Sends a request and reads to the end of its head.
pub fn exchange(tls: &mut Tls, request: &[u8]) -> String {
    if let Err(error) = tls.write_all(request).and_then(|()| tls.flush()) {
        return format!("TLS: {error}");
    }
    let (mut reply, mut room) = (Vec::new(), [0; 4096]);
    // The body comes with the head; what the peer says afterwards may be an alert, tickets or nothing.
    while !reply.windows(4).any(|w| w == b"\r\n\r\n") {
        match tls.read(&mut room) {
            Ok(0) => return "closed".to_owned(),
            Ok(n) => reply.extend_from_slice(&room[..n]),
            Err(error) => return format!("TLS: {error}"),
        }
    }
    let text = String::from_utf8_lossy(&reply).into_owned();
    let code = text.lines().find_map(|line| line.strip_prefix("x-keystile-error: ")).unwrap_or_default();
    format!("{} {code}", &text[9..12]).trim_end().to_owned()
}

pub fn both(test: impl Fn(&'static SupportedProtocolVersion)) {
    [&TLS12, &TLS13].into_iter().for_each(test);
}

const REFUSED: &str = "403 client_certificate_required";

#[test]
fn k13_a_key_bound_to_a_certificate_is_worth_nothing_without_it() {
    let cast = Cast::new();
    let worker = cast.callers.issue("worker.example", |params| {
        params.subject_alt_names.push(SanType::URI("spiffe://td/worker".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "Worker 7");
    });
    let other = cast.callers.issue("other.example", |_| {});
    let print: String =
        certificate::read(&der(&worker.0)).unwrap().fingerprint.iter().map(|b| format!("{b:02X}")).collect();
    let bound = [
        ("dns", "{ name: Worker.Example }".to_owned()),
        ("uri", "{ name: 'spiffe://td/worker' }".to_owned()),
        ("common", "{ name: Worker 7 }".to_owned()),
        ("print", format!("{{ fingerprint: 'sha256:{print}' }}")),
        ("either", "[{ name: nobody.example }, { name: worker.example }]".to_owned()),
    ];
    let build = bound.iter().fold(cast.world(""), |build, (name, accepted)| {
        build.key(name, &format!("workflows: [get-customer], require_client_cert: {accepted}"))
    });
    let world = build.start();
    both(|version| {
        let with = cast.caller(version, Some(&worker));
        let (without, wrong) = (cast.caller(version, None), cast.caller(version, Some(&other)));
        for (key, _) in &bound {
            let reached = world.production.count();
            assert_eq!(without.verdict(&world, key), REFUSED, "{key} without, {version:?}");
            assert_eq!(wrong.verdict(&world, key), REFUSED, "{key} with another's, {version:?}");
            assert_eq!(world.production.count(), reached, "{key}");
            assert_eq!(with.verdict(&world, key), "200", "{key}, {version:?}");
        }
        assert_eq!(without.verdict(&world, "crm"), "200", "a key that asks for none");
        assert_eq!(with.verdict(&world, "stranger"), "401 invalid_key", "no certificate replaces a token");
    });
    for cause in ["no client certificate was presented", "the client certificate is not one that the key accepts"] {
        let record = world.await_record(|r| r["cause"] == cause);
        assert_eq!((record["status"].as_u64(), record["key"].as_str()), (Some(403), Some("dns")));
    }
    let last = world.production.last().text();
    assert!(!last.to_ascii_lowercase().contains("cert"), "nothing of it goes on: {last}");
}

#[test]
fn k13_the_refusal_says_what_to_check_and_not_what_is_expected() {
    let cast = Cast::new();
    let world = cast.world("").key("bound", "workflows: all, require_client_cert: { name: worker.example }").start();
    let mut tls = cast.caller(&TLS13, None).connect(world.address());
    tls.write_all(&world.call("bound").header("Connection", "close").bytes()).unwrap();
    let mut reply = String::new();
    let _ = tls.read_to_string(&mut reply);
    assert!(reply.contains("client_certificate_required") && reply.contains("presents its certificate"), "{reply}");
    assert!(!reply.contains("worker.example"), "{reply}");
}

#[test]
fn a_certificate_that_nobody_vouches_for_fails_the_handshake_and_none_is_fine() {
    let cast = Cast::new();
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let bad = [Authority::new().issue("worker.example", |_| {}), cast.callers.issue("worker.example", expired)];
    let world = cast.world("").start();
    both(|version| {
        assert_eq!(cast.caller(version, None).verdict(&world, "crm"), "200");
        for identity in &bad {
            let verdict = cast.caller(version, Some(identity)).verdict(&world, "crm");
            assert!(verdict.starts_with("TLS: ") || verdict == "closed", "{verdict}");
        }
    });
    assert_eq!(world.production.count(), 2);
    world.await_metric("keystile_tls_handshake_failures_total 4");
}

#[test]
fn a_listener_that_requires_certificates_refuses_the_handshake_without() {
    let cast = Cast::new();
    let worker = cast.callers.issue("worker.example", |_| {});
    // Several authorities, of which the second one counts here.
    let several = Authority::new().pem() + &cast.callers.pem();
    let world = cast.world(", require_client_cert: true").file("callers.pem", several).start();
    both(|version| {
        let verdict = cast.caller(version, None).verdict(&world, "crm");
        assert!(verdict.starts_with("TLS: ") || verdict == "closed", "{verdict}");
        assert_eq!(cast.caller(version, Some(&worker)).verdict(&world, "crm"), "200");
    });
}

#[test]
fn the_authorities_count_whichever_certificate_the_caller_chooses_by_name() {
    let cast = Cast::new();
    let second = cast.ca.issue("second.test", |_| {});
    let world = World::build()
        .file("0.pem", &second.0)
        .file("0.key", &second.1)
        .file("1.pem", &cast.gateway.0)
        .file("1.key", &cast.gateway.1)
        .file("callers.pem", cast.callers.pem())
        .listener("tls: [{ certificate: 0.pem, key: 0.key, client_ca: callers.pem, require_client_cert: true }, { certificate: 1.pem, key: 1.key }]")
        .start();
    let worker = cast.callers.issue("worker.example", |_| {});
    assert_eq!(cast.caller(&TLS13, Some(&worker)).verdict(&world, "crm"), "200");
    assert_ne!(cast.caller(&TLS13, None).verdict(&world, "crm"), "200");
}

/// The first record that comes back for a hello of the version 3.`minor`, in which everything else is fine.
fn answer_to_hello(world: &World, minor: u8) -> [u8; 7] {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    // No session, three suites of which one is of today, no compression.
    hello.extend([0, 0, 6, 0xc0, 0x13, 0xc0, 0x09, 0xc0, 0x2b, 1, 0]);
    // ECDSA with SHA-256, P-256, uncompressed points, extended master secret.
    hello.extend([0, 26, 0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 23, 0, 0]);
    let length = hello.len() as u8;
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut tcp = TcpStream::connect(world.address()).unwrap();
    tcp.write_all(&record).unwrap();
    let mut answer = [0; 7];
    tcp.read_exact(&mut answer).unwrap();
    answer
}

#[test]
fn versions_before_1_2_are_refused() {
    let cast = Cast::new();
    let world = cast.world("").start();
    for minor in [1, 2] {
        let alert = answer_to_hello(&world, minor);
        assert_eq!((alert[0], alert[5], alert[6]), (21, 2, 70), "fatal protocol_version for 3.{minor}: {alert:?}");
    }
    let hello = answer_to_hello(&world, 3);
    assert_eq!((hello[0], hello[5]), (22, 2), "the same hello is answered when it says 1.2: {hello:?}");
}

#[test]
fn a_caller_that_speaks_no_protocol_of_ours_is_refused_and_one_that_names_none_speaks_http_1_1() {
    let cast = Cast::new();
    let world = cast.world("").start();
    both(|version| {
        let named = |protocol: &[u8]| {
            let mut config = (*cast.caller(version, None).0).clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Caller(Arc::new(config)).verdict(&world, "crm")
        };
        let refused = named(b"h3");
        assert!(refused.contains("NoApplicationProtocol"), "{refused}");
        assert_eq!(named(b"http/1.1"), "200");
        assert_eq!(cast.caller(version, None).verdict(&world, "crm"), "200");
    });
}

#[test]
fn neither_an_open_connection_nor_a_session_outlives_the_callers_certificate() {
    let cast = Cast::new();
    let world = cast.world("").key("bound", "workflows: all, require_client_cert: { name: worker.example }").start();
    // Certificates end at a whole second: between three and four from now.
    let end = SystemTime::now() + Duration::from_secs(4);
    let identity = cast.callers.issue("worker.example", |params| params.not_after = end.into());
    let worker = cast.caller(&TLS12, Some(&identity));
    assert_eq!(worker.call(&world, "bound"), ("200".to_owned(), false));
    assert_eq!(worker.call(&world, "bound"), ("200".to_owned(), true));
    let mut open = worker.connect(world.address());
    assert_eq!(exchange(&mut open, &world.call("bound").bytes()), "200");
    std::thread::sleep(end.duration_since(SystemTime::now()).unwrap_or_default());
    assert_eq!(exchange(&mut open, &world.call("bound").bytes()), REFUSED);
    world.await_record(|r| r["cause"] == "the client certificate has expired since the connection began");
    let (verdict, resumed) = worker.call(&world, "bound");
    assert!(resumed && !verdict.starts_with(|c: char| c.is_ascii_digit()), "{verdict}: rustls itself would go on");
}

fn in_days(days: u64) -> impl Fn(&mut CertificateParams) {
    move |params| params.not_after = (SystemTime::now() + Duration::from_secs(days * 86_400 + 3_600)).into()
}

#[test]
fn certificates_that_end_soon_or_have_ended_are_told_by_check_log_and_metric_and_still_serve() {
    let cast = Cast::new();
    let gateway = cast.ca.issue("gateway.test", |params| params.not_after = rcgen::date_time_ymd(2021, 2, 3));
    let ours = cast.ca.issue("ours.example", in_days(6));
    let fields = "base_url: 'https://upstream.example', tls: { certificate: ours.pem, key: ours.key }";
    let world = cast
        .world("")
        .file("0.pem", &gateway.0)
        .file("0.key", &gateway.1)
        .file("ours.pem", &ours.0)
        .file("ours.key", &ours.1)
        .connection("private", fields)
        .start();
    let told = |text: &str| {
        world.await_event(0, |e| e["message"].as_str().is_some_and(|m| m.contains(text)));
    };
    told("0.pem has expired ");
    told("ours.pem expires in 6 days");
    let checked = Command::new(env!("CARGO_BIN_EXE_keystile"))
        .args(["check", "--config"])
        .arg(world.path("keystile.yaml"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{text}");
    assert!(text.contains("warning: listeners.inbound[0].tls: the certificate \"gateway.test\" in"), "{text}");
    assert!(
        text.contains("warning: connections[private].tls.certificate: the certificate \"ours.example\" in"),
        "{text}"
    );
    let metrics = world.metrics();
    let name = "keystile_tls_certificate_expiry_timestamp_seconds";
    let line = metrics.lines().find(|l| l.starts_with(name) && l.contains(r#"name="gateway.test""#)).unwrap();
    assert!(line.contains(r#"used="listener""#) && line.ends_with("} 1612310400"), "{line}");
    for used in ["client_ca", "connection"] {
        assert!(metrics.lines().any(|l| l.starts_with(name) && l.contains(used)), "{used}:\n{metrics}");
    }
    // What it is worth is the caller's to judge; we do show it.
    let verdict = cast.caller(&TLS13, None).verdict(&world, "crm");
    assert!(verdict.contains("certificate expired"), "{verdict}");
}

#[test]
fn t7_explain_knows_the_certificate() {
    let cast = Cast::new();
    let (worker, other) = (cast.callers.issue("worker.example", |_| {}), cast.callers.issue("other.example", |_| {}));
    let world = cast
        .world("")
        .key("bound", "workflows: all, require_client_cert: { name: worker.example }")
        .file("worker.pem", &worker.0)
        .file("other.pem", &other.0)
        .start();
    let explain = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_keystile"))
            .args(["explain", "GET", "/customers/1", "--key", "bound", "--config"])
            .arg(world.path("keystile.yaml"))
            .args(more)
            .current_dir(world.path(""))
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (passes, text) = explain(&[]);
    assert!(!passes && text.contains("client_certificate_required") && text.contains("--client-cert FILE"), "{text}");
    let (passes, text) = explain(&["--client-cert", "other.pem"]);
    assert!(!passes && text.contains("not one that the key accepts"), "{text}");
    let (passes, text) = explain(&["--client-cert", "worker.pem"]);
    assert!(passes && text.contains("+ certificate"), "{text}");
}

#[test]
fn mistakes_about_client_certificates_are_told() {
    let cast = Cast::new();
    let bound = "workflows: all, require_client_cert: { name: worker.example }";
    let said = World::build().key("bound", bound).refused();
    assert!(said.contains("no listener asks for certificates, so every call is refused"), "{said}");
    let said = cast.world("").key("bound", "workflows: all, require_client_cert: []").refused();
    assert!(said.contains("no certificate is accepted"), "{said}");
    let pair = "certificate: 0.pem, key: 0.key";
    let said = World::build()
        .file("0.pem", &cast.gateway.0)
        .file("0.key", &cast.gateway.1)
        .listener(&format!("tls: [{{ {pair} }}, {{ {pair}, client_ca: 0.pem }}]"))
        .refused();
    assert!(said.contains("client_ca does not stand in the first entry"), "{said}");
    let said = cast.world("").file("callers.pem", "nothing").refused();
    assert!(said.contains("callers.pem") && said.contains("holds no certificate"), "{said}");
}
