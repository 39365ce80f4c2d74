//! The way out: resolve, vet, and dial the very address that was vetted (C13).

use super::stream::Stream;
use super::tls;
use crate::model::Denial;
use crate::model::connection::{Destination, HttpVersion, Site};
use crate::policy::address::{NotPublic, may_dial};
use ipnet::IpNet;
use rustls::ClientConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// How long an address may leave us waiting before the next one is tried beside it (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// What a site's name leads to just now.
pub type Answer = Result<Vec<SocketAddr>, String>;

/// Asks for the addresses of all `sites` at once, until `deadline`. The answers are in their order, and not yet vetted.
pub async fn resolve(sites: &[Site], deadline: Instant) -> Vec<Answer> {
    let mut asking = JoinSet::new();
    for (at, site) in sites.iter().cloned().enumerate() {
        asking.spawn_local(async move { (at, lookup(&site).await) });
    }
    let late = |site: &Site| Err(format!("{}: the resolver does not answer", site.host));
    let mut answers: Vec<Answer> = sites.iter().map(late).collect();
    while let Ok(Some(done)) = timeout_at(deadline, asking.join_next()).await {
        if let Ok((at, answer)) = done {
            answers[at] = answer;
        }
    }
    answers
}

async fn lookup(site: &Site) -> Answer {
    let found = tokio::net::lookup_host((site.host.as_str(), site.port)).await;
    let found: Vec<_> = found.map_err(|e| format!("{}: {e}", site.host))?.collect();
    if found.is_empty() { Err(format!("{}: the name has no address", site.host)) } else { Ok(found) }
}

/// One address that may not be dialled among several spoils them all (hazard 20).
pub fn vet(site: &Site, found: &[SocketAddr], networks: &[IpNet]) -> Result<(), Denial> {
    let denied = |e: NotPublic| Denial::DestinationNotAllowed { cause: format!("{}: {e}", site.host) };
    found.iter().try_for_each(|address| may_dial(address.ip(), networks).map_err(denied))
}

/// How an address was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    Begun,
    Failed,
}

/// The first address that answers. `next` gives another one to try: when the last one has failed, or has let us wait;
/// `told` hears how each was met.
pub async fn connect(
    mut next: impl FnMut() -> Option<SocketAddr>,
    mut told: impl FnMut(SocketAddr, Met),
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Denial> {
    let mut attempts = JoinSet::new();
    let mut waiting: Vec<SocketAddr> = Vec::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut at_last = String::from("no address is left to try");
    loop {
        let more = next();
        if let Some(address) = more {
            told(address, Met::Begun);
            waiting.push(address);
            attempts.spawn_local(async move { (address, TcpStream::connect(address).await) });
        } else if waiting.is_empty() {
            return Err(Denial::UpstreamUnreachable { cause: format!("{at_last}: {last}") });
        }
        let turn = if more.is_some() { deadline.min(Instant::now() + STAGGER) } else { deadline };
        tokio::select! {
            Some(done) = attempts.join_next() => {
                let Ok((address, outcome)) = done else { continue };
                let position = waiting.iter().position(|w| *w == address).unwrap_or_default();
                match outcome {
                    Ok(stream) => {
                        // Who was asked before and is still silent has failed us.
                        waiting[..position].iter().for_each(|slow| told(*slow, Met::Failed));
                        let _ = stream.set_nodelay(true);
                        return Ok((stream, address));
                    }
                    Err(error) => {
                        told(address, Met::Failed);
                        waiting.remove(position);
                        (at_last, last) = (address.to_string(), error);
                    }
                }
            }
            () = sleep(turn.saturating_duration_since(Instant::now())) => {
                if Instant::now() >= deadline {
                    waiting.iter().for_each(|slow| told(*slow, Met::Failed));
                    let silent: Vec<String> = waiting.iter().map(SocketAddr::to_string).collect();
                    return Err(Denial::UpstreamConnectTimeout { cause: format!("{}: no answer", silent.join(", ")) });
                }
            }
        }
    }
}

/// A stream that is ready for HTTP, and whether for HTTP/2.
pub struct Secured {
    pub stream: Stream,
    pub h2: bool,
}

/// TLS where the destination speaks it, verified, with the protocol that both sides agree on; `h1_only`: for a request
/// that HTTP/2 cannot carry.
pub async fn secure(
    tcp: TcpStream,
    destination: &Destination,
    trust: Option<&Arc<ClientConfig>>,
    h1_only: bool,
    deadline: Instant,
) -> Result<Secured, Denial> {
    let Some(settings) = &destination.tls else {
        return Ok(Secured { stream: Stream::Tcp(tcp), h2: destination.http == HttpVersion::Http2 });
    };
    // Never in the clear what was meant for TLS.
    let trust = trust.ok_or_else(|| Denial::Internal { cause: "no trust was prepared for a TLS upstream".into() })?;
    let failed = |cause: String| Denial::UpstreamTls { cause: format!("{}: {cause}", destination.host) };
    let name = tls::server_name(settings, &destination.host).ok_or_else(|| failed("not a name to verify".into()))?;
    let trust = if h1_only && destination.http == HttpVersion::Auto {
        let mut config = ClientConfig::clone(trust);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    } else {
        trust.clone()
    };
    let handshake = tokio_rustls::TlsConnector::from(trust).connect(name, tcp);
    let late = |_| Denial::UpstreamConnectTimeout { cause: format!("{}: TLS does not come about", destination.host) };
    let stream = match timeout_at(deadline, handshake).await.map_err(late)? {
        Ok(stream) => stream,
        Err(e) if refused_protocol(&e) => return Err(no_common(destination)),
        Err(e) => return Err(failed(e.to_string())),
    };
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if destination.http == HttpVersion::Http2 && !h2 {
        return Err(no_common(destination));
    }
    Ok(Secured { stream: Stream::Client(Box::new(stream)), h2 })
}

fn refused_protocol(error: &io::Error) -> bool {
    use rustls::{AlertDescription::NoApplicationProtocol, Error};
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
    matches!(tls, Some(Error::AlertReceived(NoApplicationProtocol) | Error::NoApplicationProtocol))
}

fn no_common(destination: &Destination) -> Denial {
    let wanted = match destination.http {
        HttpVersion::Http2 => "HTTP/2",
        HttpVersion::Http1 => "HTTP/1.1",
        HttpVersion::Auto => "HTTP/2 or HTTP/1.1",
    };
    Denial::UpstreamProtocol { cause: format!("{}: does not agree on {wanted} (ALPN)", destination.host) }
}
