//! Accepting operators, probes and scrapers: few, and never so many that the control plane runs short.

use super::guard::Door;
use super::service::Service;
use crate::limit::{Slots, slots::Taken};
use http::Request;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// Operators, a console's tabs, probes and scrapers together. Beyond it connections are closed at once.
const MOST_CONNECTIONS: u32 = 512;
/// A head, or a handshake, is a few packets; also how long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a head may hold; a token, a few conditions and a browser's own fields.
const MOST_HEAD: usize = 32 * 1024;
/// How often addresses are forgotten that no longer guess.
const SWEEP: Duration = Duration::from_secs(60);

/// Accepts on `socket` until the runtime ends, or the handle is told to.
pub fn open(
    socket: std::net::TcpListener,
    tls: Option<Arc<ServerConfig>>,
    service: Service,
) -> io::Result<AbortHandle> {
    let listener = TcpListener::from_std(socket)?;
    let door = Door { address: listener.local_addr()?, tls: tls.is_some() };
    Ok(tokio::spawn(accept(listener, tls.map(http1_only), door, service)).abort_handle())
}

/// Few requests come here, and HTTP/2 would bring its floods: callers are told that it is not spoken.
fn http1_only(tls: Arc<ServerConfig>) -> TlsAcceptor {
    let mut config = ServerConfig::clone(&tls);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, door: Door, service: Service) {
    let connections = Arc::new(Slots::new(MOST_CONNECTIONS));
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                service.sweep();
                continue;
            }
        };
        let Ok((tcp, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if let Some(slot) = connections.take() {
            tokio::spawn(connection(tcp, peer, tls.clone(), door, service.clone(), slot));
        }
    }
}

async fn connection(
    tcp: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    door: Door,
    service: Service,
    _slot: Taken,
) {
    match tls {
        None => serve(tcp, peer, door, service).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(PATIENCE, acceptor.accept(tcp));
            if let Ok(Ok(stream)) = handshake.await {
                serve(stream, peer, door, service).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: SocketAddr, door: Door, service: Service) {
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request, peer.ip(), door).await) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(MOST_HEAD);
    // A probe that hangs up is nobody's concern.
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}
