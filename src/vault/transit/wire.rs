//! One request to Vault, on a connection of its own: there are few, and none is on the way of traffic.

use super::error::Fault;
use super::reference::Reference;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// A batch's answer has no more.
const LONGEST: usize = 64 << 10;

pub(super) struct Reply {
    pub status: StatusCode,
    pub body: Zeroizing<Vec<u8>>,
}

/// What Vault answers. `tls` is there if the address is https.
pub(super) async fn ask(
    at: &Reference,
    tls: Option<&Arc<ClientConfig>>,
    request: Request<Full<Bytes>>,
) -> Result<Reply, Fault> {
    let tcp = connect(at).await?;
    let Some(tls) = tls else { return converse(tcp, request).await };
    let failed = |e: &dyn std::fmt::Display| Fault::Tls(e.to_string());
    let name = ServerName::try_from(at.host.clone()).map_err(|e| failed(&e))?;
    let stream = tokio_rustls::TlsConnector::from(tls.clone()).connect(name, tcp).await.map_err(|e| failed(&e))?;
    converse(stream, request).await
}

async fn connect(at: &Reference) -> Result<TcpStream, Fault> {
    let failed = |e: std::io::Error| Fault::Unreachable(e.to_string());
    let found: Vec<_> = tokio::net::lookup_host((at.host.as_str(), at.port)).await.map_err(failed)?.collect();
    if !at.tls && !found.iter().all(|address| address.ip().is_loopback()) {
        return Err(Fault::NotLoopback);
    }
    TcpStream::connect(&found[..]).await.map_err(failed)
}

async fn converse<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Reply, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |e: hyper::Error| Fault::Unreachable(e.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut exchange = pin!(async {
        let reply = sender.send_request(request).await.map_err(broken)?;
        let status = reply.status();
        let mut body = reply.into_body();
        // Reserved at once, because a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(broken)?;
            let data = frame.data_ref().map(|data| &data[..]).unwrap_or_default();
            if bytes.len() + data.len() > LONGEST {
                return Err(Fault::Garbled(status.as_u16()));
            }
            bytes.extend_from_slice(data);
        }
        Ok(Reply { status, body: bytes })
    });
    tokio::select! {
        done = &mut exchange => done,
        // Whatever ended it, the exchange knows whether it has everything.
        _ = connection => exchange.await,
    }
}

/// How Vault is verified: by the authorities of `file`, else by the public ones.
pub(super) fn trust(file: Option<&Path>) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            let wrong = |e: &dyn std::fmt::Display| Fault::Authorities(format!("{}: {e}", file.display()));
            let text = std::fs::read(file).map_err(|e| wrong(&e))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
            }
            if roots.is_empty() {
                return Err(wrong(&"holds no certificate"));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        }
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
