//! What HTTP/2 lets a caller do that HTTP/1.1 does not (hazard 12).

use crate::support::{Answer, Builder, Recorded, World, token};
use crate::tls::{Authority, provider, request};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::client::TlsStream;

const NAME: &str = "gateway.test";

/// A world that speaks HTTP/2, and whom its callers trust.
pub fn world(answer: Answer, listener: &str) -> (World, Authority) {
    let (build, ca) = build();
    let build = build.listener(listener).answering(move |_| match &answer {
        Answer::Bytes(bytes) => Answer::Bytes(bytes.clone()),
        _ => Answer::Silence,
    });
    (build.start(), ca)
}

/// The same, with standard time-outs.
pub fn world_answering(answer: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> (World, Authority) {
    let (build, ca) = build();
    (build.answering(answer).start(), ca)
}

fn build() -> (Builder, Authority) {
    let ca = Authority::new();
    let (certificate, key) = ca.issue(NAME, |_| {});
    let build = World::build()
        .file("0.pem", certificate)
        .file("0.key", key)
        .listener("tls: { certificate: 0.pem, key: 0.key }");
    (build, ca)
}

/// The body of one reply; `meanwhile` is called after its first part has arrived.
pub fn body_with_a_pause(address: SocketAddr, ca: &Authority, meanwhile: impl FnOnce()) -> String {
    let mut meanwhile = Some(meanwhile);
    runtime().block_on(async {
        let io = connect(address, ca).await;
        let (mut sender, driver) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(driver);
        let reply = sender.send_request(request("https://gateway.test/customers/1", &[])).await.unwrap();
        let (mut body, mut arrived) = (reply.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            arrived.extend(frame.unwrap().into_data().unwrap_or_default());
            if let Some(meanwhile) = meanwhile.take() {
                meanwhile();
            }
        }
        String::from_utf8(arrived).unwrap()
    })
}

/// The status of the reply to one request.
pub fn status<B>(address: SocketAddr, ca: &Authority, request: http::Request<B>) -> u16
where
    B: hyper::body::Body<Error = std::convert::Infallible> + Send + Unpin + 'static,
    B::Data: Send,
{
    runtime().block_on(async {
        let (mut sender, driver) = http2::handshake(TokioExecutor::new(), connect(address, ca).await).await.unwrap();
        tokio::spawn(driver);
        sender.send_request(request).await.unwrap().status().as_u16()
    })
}

/// A connection that sends requests with empty bodies.
pub async fn open(address: SocketAddr, ca: &Authority) -> http2::SendRequest<Empty<bytes::Bytes>> {
    let (sender, driver) = http2::handshake(TokioExecutor::new(), connect(address, ca).await).await.unwrap();
    tokio::spawn(driver);
    sender
}

async fn connect(address: SocketAddr, ca: &Authority) -> TokioIo<TlsStream<tokio::net::TcpStream>> {
    provider();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    TokioIo::new(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub const SHORT: &str = "timeouts: { head: 5s, body_idle: 500ms, request: 2s, idle: 60s }";

#[test]
fn hazard_12_a_caller_who_opens_no_window_is_not_waited_for() {
    let (world, ca) = world(Answer::reply("200 OK", &[], "never taken"), SHORT);
    for (uri, status) in [("https://gateway.test/customers/1", 200), ("https://gateway.test/nowhere", 404)] {
        let began = Instant::now();
        let outcome = runtime().block_on(async {
            let io = connect(world.address(), &ca).await;
            let mut shut = http2::Builder::new(TokioExecutor::new());
            shut.initial_stream_window_size(0);
            let (mut sender, driver) = shut.handshake(io).await.unwrap();
            tokio::spawn(driver);
            let reply = sender.send_request(request(uri, &[])).await.unwrap();
            assert_eq!(reply.status(), status);
            tokio::time::timeout(Duration::from_secs(10), reply.into_body().collect()).await
        });
        assert!(matches!(outcome, Ok(Err(_))), "{status}: the body was cut, not waited for: {outcome:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
    assert_eq!(world.await_record(|r| r["key"] == "crm")["protocol"], "HTTP/2.0");
}

#[test]
fn hazard_12_an_upstream_that_takes_its_time_is_not_the_callers_stall() {
    let (world, ca) = world(Answer::Silence, SHORT);
    let reply = runtime().block_on(async {
        let io = connect(world.address(), &ca).await;
        let (mut sender, driver) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(driver);
        sender.send_request(request("https://gateway.test/customers/1", &[])).await.map(|r| r.status())
    });
    assert_eq!(reply.unwrap(), 504, "four times body_idle later: the request's own time-out, not the connection's");
}

#[test]
fn hazard_12_a_body_that_is_not_as_long_as_it_says_never_reaches_the_upstream_whole() {
    let (world, ca) = world(Answer::reply("200 OK", &[], "ok"), SHORT);
    for (said, body) in [("5", ""), ("5", "abc"), ("2", "abc")] {
        let outcome = runtime().block_on(async {
            let io = connect(world.address(), &ca).await;
            let (mut sender, driver) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(driver);
            let request = http::Request::post("https://gateway.test/orders")
                .header("authorization", format!("Key={}", token("all")))
                .header("content-length", said)
                .body(Full::new(bytes::Bytes::from(body)))
                .unwrap();
            sender.send_request(request).await.map(|r| r.status())
        });
        assert!(!matches!(&outcome, Ok(status) if status.is_success()), "{said} {body:?}: {outcome:?}");
    }
    assert_eq!(world.production.count(), 0, "nothing arrived whole");
}
