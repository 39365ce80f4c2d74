//! TLS on both sides, with real certificates: HTTP/2 and HTTP/1.1 in front, upstreams that must be who they say.

use crate::support::{World, token};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, RootCertStore, ServerConfig};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An authority of our own, and what it certifies.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A caller's TLS to `name` over `tcp`.
    pub fn client(&self, name: &str, tcp: TcpStream) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
        provider();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        rustls::StreamOwned::new(rustls::ClientConnection::new(Arc::new(config), name).unwrap(), tcp)
    }

    /// Certificate and key for `name`, in PEM.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

pub fn provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A world whose listener shows the certificates of `pairs`.
fn world(pairs: &[(String, String)]) -> World {
    let mut build = World::build();
    let mut list = String::new();
    for (n, (certificate, key)) in pairs.iter().enumerate() {
        build = build.file(&format!("{n}.pem"), certificate).file(&format!("{n}.key"), key);
        list.push_str(&format!("{{ certificate: {n}.pem, key: {n}.key }}, "));
    }
    build.listener(&format!("tls: [{}]", list.trim_end_matches(", "))).start()
}

/// What a caller sees: protocol, status, body, and the certificate he was shown.
struct Seen {
    version: http::Version,
    status: u16,
    body: String,
    certificate: Vec<u8>,
}

/// Asks over TLS as `name`, offering `alpn`.
fn ask(
    address: SocketAddr,
    ca: &str,
    name: &str,
    alpn: &[&str],
    request: http::Request<Empty<bytes::Bytes>>,
) -> Result<Seen, String> {
    provider();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|a| a.as_bytes().to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let tls = connector.connect(name, tcp).await.map_err(|e| e.to_string())?;
        let (_, session) = tls.get_ref();
        let h2 = session.alpn_protocol() == Some(b"h2");
        let certificate = session.peer_certificates().unwrap()[0].to_vec();
        let io = TokioIo::new(tls);
        let reply = if h2 {
            let (mut sender, driver) = http2::handshake(TokioExecutor::new(), io).await.map_err(|e| e.to_string())?;
            tokio::spawn(driver);
            sender.send_request(request).await
        } else {
            let (mut sender, driver) = http1::handshake(io).await.map_err(|e| e.to_string())?;
            tokio::spawn(driver);
            sender.send_request(request).await
        };
        let reply = reply.map_err(|e| e.to_string())?;
        let (version, status) = (reply.version(), reply.status().as_u16());
        let body = reply.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok(Seen { version, status, body: String::from_utf8_lossy(&body).into_owned(), certificate })
    })
}

pub fn request(uri: &str, fields: &[(&str, &str)]) -> http::Request<Empty<bytes::Bytes>> {
    let mut request = http::Request::builder().uri(uri).header("authorization", format!("Key={}", token("crm")));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

#[test]
fn the_admin_listener_speaks_http_1_1_over_tls_and_its_certificate_says_which_names_are_its_own() {
    let ca = Authority::new();
    let (certificate, key) = ca.issue("gateway.test", |_| {});
    let tls = "admin: { address: 127.0.0.1:0, tls: { certificate: a.pem, key: a.key } }";
    let yaml = World::build().yaml().replace("admin: { address: 127.0.0.1:0 }", tls);
    let setup = crate::support::Setup::new(&yaml).file("a.pem", certificate).file("a.key", key);
    let gateway = setup.file("production.secret", "s").file("test.secret", "s").start();
    let request = request("/api/v1/docs", &[("host", "gateway.test")]);
    let seen = ask(gateway.admin.unwrap(), &ca.pem(), "gateway.test", &["h2", "http/1.1"], request).unwrap();
    assert_eq!((seen.version, seen.status), (http::Version::HTTP_11, 200));
}

#[test]
fn http_2_and_http_1_1_are_chosen_by_alpn() {
    let ca = Authority::new();
    let world = world(&[ca.issue("gateway.test", |_| {})]);
    let h2 = ask(
        world.address(),
        &ca.pem(),
        "gateway.test",
        &["h2", "http/1.1"],
        request("https://gateway.test/customers/1?x=1", &[]),
    )
    .unwrap();
    assert_eq!((h2.version, h2.status, h2.body.as_str()), (http::Version::HTTP_2, 200, "ok"));
    let seen = world.production.last();
    assert_eq!(seen.line(), "GET /customers/1?x=1 HTTP/1.1");
    assert_eq!(seen.header("x-forwarded-host").as_deref(), Some("gateway.test"));
    assert_eq!(seen.header("x-forwarded-proto").as_deref(), Some("https"));
    assert!(!seen.text().contains(&token("crm")));
    let record = world.await_record(|r| r["protocol"] == "HTTP/2.0");
    assert_eq!((record["status"].as_u64(), record["key"].as_str()), (Some(200), Some("crm")));
    let one = ask(
        world.address(),
        &ca.pem(),
        "gateway.test",
        &["http/1.1"],
        request("/customers/1", &[("host", "gateway.test")]),
    )
    .unwrap();
    assert_eq!((one.version, one.status), (http::Version::HTTP_11, 200));
}

#[test]
fn http_2_crumbs_are_joined_and_another_host_is_refused() {
    let ca = Authority::new();
    let world = world(&[ca.issue("gateway.test", |_| {})]);
    let h2 = |fields: &[(&str, &str)]| {
        ask(world.address(), &ca.pem(), "gateway.test", &["h2"], request("https://gateway.test/customers/1", fields))
            .unwrap()
    };
    assert_eq!(h2(&[("cookie", "a=1"), ("cookie", "b=2")]).status, 200);
    assert_eq!(world.production.last().header("cookie").as_deref(), Some("a=1; b=2"));
    let refused = h2(&[("host", "other.test")]);
    assert_eq!((refused.status, refused.body.contains("invalid_host")), (400, true), "{}", refused.body);
    assert_eq!(world.production.count(), 1);
}

/// Callers who put AES-256 first, as most do, and those who know nothing else.
#[test]
fn aes_128_is_chosen_where_it_is_offered() {
    provider();
    let ca = Authority::new();
    let world = world(&[ca.issue("gateway.test", |_| {})]);
    let chosen = |offered: &[CipherSuite]| {
        let all = rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
        let suites = offered.iter().map(|name| *all.iter().find(|suite| suite.suite() == *name).unwrap()).collect();
        let provider = CryptoProvider { cipher_suites: suites, ..rustls::crypto::aws_lc_rs::default_provider() };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let name = ServerName::try_from("gateway.test").unwrap();
        let mut tls = rustls::ClientConnection::new(Arc::new(config.with_no_client_auth()), name).unwrap();
        let mut tcp = TcpStream::connect(world.address()).unwrap();
        tls.complete_io(&mut tcp).unwrap();
        tls.negotiated_cipher_suite().unwrap().suite()
    };
    use CipherSuite as C;
    let (aes_128, aes_256) = (C::TLS13_AES_128_GCM_SHA256, C::TLS13_AES_256_GCM_SHA384);
    assert_eq!(chosen(&[aes_256, C::TLS13_CHACHA20_POLY1305_SHA256, aes_128]), aes_128);
    assert_eq!(chosen(&[aes_256]), aes_256);
    let old = C::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;
    assert_eq!(chosen(&[old]), old, "TLS 1.2");
}

#[test]
fn the_certificate_is_chosen_by_name_and_the_first_is_the_default() {
    let ca = Authority::new();
    let pairs = [ca.issue("one.test", |_| {}), ca.issue("two.test", |_| {})];
    let world = world(&pairs);
    let shown = |name: &str| {
        ask(world.address(), &ca.pem(), name, &["http/1.1"], request("/customers/1", &[("host", name)]))
            .map(|s| s.certificate)
    };
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
    assert_eq!(shown("one.test").unwrap(), der(&pairs[0].0));
    assert_eq!(shown("two.test").unwrap(), der(&pairs[1].0));
    assert!(shown("three.test").is_err(), "the default is not for three.test, and the caller sees that");
}

#[test]
fn hazard_27_a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let ca = Authority::new();
    let world = world(&[ca.issue("gateway.test", |_| {})]);
    let shown = || {
        let asked = request("/customers/1", &[("host", "gateway.test")]);
        ask(world.address(), &ca.pem(), "gateway.test", &["http/1.1"], asked).unwrap().certificate
    };
    let first = shown();
    let (certificate, key) = ca.issue("gateway.test", |_| {});
    let renew = |certificate: &str, key: &str, message: &str| {
        let from = world.stderr.lines().len();
        world.write("0.pem", certificate);
        world.write("0.key", key);
        world.signal("HUP");
        world.await_event(from, |e| e["message"] == message);
    };
    renew(&certificate, &key, "the configuration was reloaded");
    let second = shown();
    assert_ne!(first, second);
    renew("not a certificate", &key, "the configuration was not reloaded: the old one keeps serving");
    assert_eq!(shown(), second);
}

/// A TLS upstream that answers 200 and counts the requests whose bytes it saw.
fn upstream(certificate: &str, key: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    provider();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut tcp);
            let mut head = [0; 4096];
            if std::io::Read::read(&mut stream, &mut head).is_ok_and(|n| n > 0) {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecure");
                let _ = stream.flush();
            }
        }
    });
    (address, seen)
}

#[test]
fn hazard_22_an_upstream_must_be_who_it_says_or_is_sent_nothing() {
    let (ca, stranger) = (Authority::new(), Authority::new());
    let expired = |p: &mut CertificateParams| {
        p.not_before = rcgen::date_time_ymd(2020, 1, 1);
        p.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let cases = [
        ("right", ca.issue("engine.test", |_| {}), "200"),
        ("a wrong name", ca.issue("other.test", |_| {}), "502 upstream_tls"),
        ("a stranger's signature", stranger.issue("engine.test", |_| {}), "502 upstream_tls"),
        ("expired", ca.issue("engine.test", expired), "502 upstream_tls"),
    ];
    for (what, (certificate, key), wanted) in cases {
        let (address, seen) = upstream(&certificate, &key);
        let fields = format!(
            "base_url: 'https://{address}', tls: {{ ca: ca.pem, server_name: engine.test }}, \
             inject: {{ header: X-Engine-Key }}, secret: 'file:engine.secret'"
        );
        let world = World::build()
            .file("ca.pem", ca.pem())
            .file("engine.secret", "only-for-the-right-engine")
            .route("secure", &fields)
            .key("secure-key", "workflows: [secure]")
            .start();
        let reply = world.get("/secure/x").key(&token("secure-key")).send();
        assert_eq!(reply.verdict(), wanted, "{what}: {}", reply.text());
        assert_eq!(seen.load(Ordering::SeqCst), usize::from(wanted == "200"), "{what}: request bytes");
        if wanted != "200" {
            let record = world.record_of(&reply);
            assert_eq!(record["whose"], "upstream", "{what}");
            assert!(record["cause"].as_str().is_some_and(|c| c.contains("certificate")), "{what}: {record}");
        }
    }
}

#[test]
fn a_cleartext_upstream_behind_https_is_told_apart() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let fields = format!("base_url: 'https://{address}', tls: {{ ca: ca.pem }}");
    let world = World::build()
        .file("ca.pem", Authority::new().pem())
        .route("odd", &fields)
        .key("k", "workflows: [odd]")
        .start();
    assert_eq!(world.get("/odd/x").key(&token("k")).send().verdict(), "502 upstream_tls");
}
