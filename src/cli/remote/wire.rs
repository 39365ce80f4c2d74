//! One request at a time to one site, over TCP or TLS. Redirects are not followed: what is sent goes where it was meant to.

use super::target::Site;
use crate::model::connection::{HttpVersion, UpstreamTls};
use crate::net::tls;
use anyhow::Context as _;
use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Name, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(5);
/// The whole of it: providers are asked about secrets meanwhile.
pub const WHOLE: Duration = Duration::from_secs(60);
/// An export of everything stays far below; a stranger's endless reply does not.
const LARGEST: usize = 256 << 20;

/// What came back.
pub type Answered = (Parts, Zeroizing<Vec<u8>>);

/// Why nothing came back.
#[derive(Debug)]
pub enum Trouble {
    /// Nothing was sent.
    Unreachable(String),
    /// TLS failed; nothing was sent.
    Distrusted(std::io::Error),
    /// Whether it was done is not known.
    Broken(anyhow::Error),
    /// It took longer than [`WHOLE`]; whether it was done is not known.
    Late,
}

/// A site to talk to.
pub struct Wire {
    site: Site,
    tls: Option<Arc<rustls::ClientConfig>>,
    runtime: Runtime,
}

impl Wire {
    /// `ca`: the authorities to trust in place of the system's.
    pub fn to(site: Site, ca: Option<PathBuf>) -> anyhow::Result<Wire> {
        let authorities = UpstreamTls { ca, identity: None, server_name: None };
        let tls = match site.tls {
            true => Some(tls::client(&authorities, HttpVersion::Http1).context("--ca")?.0.config),
            false => None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Wire { site, tls, runtime })
    }

    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Sends, and waits for what comes of it.
    pub fn send(&self, request: Request<Full<Bytes>>) -> Result<Answered, Trouble> {
        let exchange = async { timeout(WHOLE, self.exchange(request)).await };
        self.runtime.block_on(exchange).unwrap_or(Err(Trouble::Late))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answered, Trouble> {
        let late = |_| Trouble::Unreachable(format!("no answer within {} s", CONNECT.as_secs()));
        let connecting = TcpStream::connect((self.site.host.as_str(), self.site.port));
        let tcp = timeout(CONNECT, connecting).await.map_err(late)?;
        let tcp = tcp.map_err(|error| Trouble::Unreachable(error.to_string()))?;
        let _ = tcp.set_nodelay(true);
        let Some(tls) = &self.tls else { return exchanged(tcp, request).await.map_err(Trouble::Broken) };
        let name = rustls::pki_types::ServerName::try_from(self.site.host.clone());
        let name = name.map_err(|_| Trouble::Unreachable("the URL's host is not valid".to_owned()))?;
        let shaken = tokio_rustls::TlsConnector::from(tls.clone()).connect(name, tcp);
        let stream = timeout(CONNECT, shaken).await.map_err(late)?.map_err(Trouble::Distrusted)?;
        exchanged(stream, request).await.map_err(Trouble::Broken)
    }
}

async fn exchanged(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Answered> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driven = tokio::spawn(connection);
    let reply: Response<Incoming> = sender.send_request(request).await?;
    let (parts, body) = reply.into_parts();
    let whole = Limited::new(body, LARGEST).collect().await.map_err(|e| anyhow::anyhow!("{e}"))?;
    driven.abort();
    Ok((parts, Zeroizing::new(whole.to_bytes().to_vec())))
}
