//! An upstream that speaks HTTP/2, in the clear or over TLS, and answers as it is told.

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// What it does with a request.
#[derive(Clone)]
pub enum H2Answer {
    /// 200 with this body.
    Body(&'static str),
    /// 200, the request's body sent back as it comes, then trailers.
    Echo(HeaderMap),
    /// RST_STREAM.
    Reset(Reason),
    /// GOAWAY that says that this request was not looked at.
    GoAway,
    /// Nothing.
    Silence,
    /// 200 after this long.
    After(Duration),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct H2Seen {
    pub head: Request<()>,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
}

type Answering = Arc<dyn Fn(&Request<()>, usize) -> H2Answer + Send + Sync>;

/// A listening upstream.
pub struct H2Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<H2Seen>>>,
    connections: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl H2Upstream {
    /// `answer` hears the request and how many came before it. `streams`: how many it takes at once.
    pub fn start(
        tls: Option<ServerConfig>,
        streams: u32,
        answer: impl Fn(&Request<()>, usize) -> H2Answer + Send + Sync + 'static,
    ) -> H2Upstream {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (answer, count): (Answering, _) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        let acceptor = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        let (noting, opened) = (seen.clone(), connections.clone());
        runtime.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::SeqCst);
                let serving = Serving { streams, answer: answer.clone(), count: count.clone(), seen: noting.clone() };
                match acceptor.clone() {
                    None => drop(tokio::spawn(serving.serve(tcp))),
                    Some(acceptor) => drop(tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(tcp).await {
                            serving.serve(stream).await;
                        }
                    })),
                }
            }
        });
        H2Upstream { address, seen, connections, _runtime: runtime }
    }

    pub fn answering(answer: impl Fn(&Request<()>, usize) -> H2Answer + Send + Sync + 'static) -> H2Upstream {
        H2Upstream::start(None, 100, answer)
    }

    /// Every request whose body has ended.
    pub fn requests(&self) -> Vec<H2Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

struct Serving {
    streams: u32,
    answer: Answering,
    count: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<H2Seen>>>,
}

impl Serving {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let Ok(mut connection) =
            Builder::new().max_concurrent_streams(self.streams).handshake::<_, Bytes>(stream).await
        else {
            return;
        };
        while let Some(Ok((request, respond))) = connection.accept().await {
            let (parts, body) = request.into_parts();
            let head = Request::from_parts(parts, ());
            let answer = (self.answer)(&head, self.count.fetch_add(1, Ordering::SeqCst));
            if let H2Answer::GoAway = answer {
                drop(respond);
                // With the last stream that was looked at: none.
                connection.abrupt_shutdown(Reason::NO_ERROR);
                continue;
            }
            let seen = self.seen.clone();
            tokio::spawn(async move {
                if let Some((body, trailers)) = exchange(body, respond, answer).await {
                    seen.lock().unwrap().push(H2Seen { head, body, trailers });
                }
            });
        }
    }
}

async fn exchange(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    answer: H2Answer,
) -> Option<(Vec<u8>, HeaderMap)> {
    match answer {
        H2Answer::Reset(reason) => {
            respond.send_reset(reason);
            return None;
        }
        H2Answer::Silence => std::future::pending().await,
        H2Answer::Echo(trailers) => {
            let mut send = respond.send_response(Response::new(()), false).ok()?;
            let mut all = Vec::new();
            while let Some(part) = body.data().await {
                let part = part.ok()?;
                body.flow_control().release_capacity(part.len()).ok()?;
                all.extend_from_slice(&part);
                send.send_data(part, false).ok()?;
            }
            let came = body.trailers().await.ok()?.unwrap_or_default();
            send.send_trailers(trailers).ok()?;
            return Some((all, came));
        }
        _ => {}
    }
    let mut all = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.ok()?;
        body.flow_control().release_capacity(part.len()).ok()?;
        all.extend_from_slice(&part);
    }
    let came = body.trailers().await.ok()?.unwrap_or_default();
    match answer {
        H2Answer::After(pause) => {
            tokio::time::sleep(pause).await;
            respond.send_response(Response::new(()), false).ok()?.send_data(Bytes::from_static(b"late"), true).ok()?;
        }
        H2Answer::Body(text) => {
            respond
                .send_response(Response::new(()), false)
                .ok()?
                .send_data(Bytes::from_static(text.as_bytes()), true)
                .ok()?;
        }
        _ => {}
    }
    Some((all, came))
}
