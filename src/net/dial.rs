//! The way out: resolve, vet, and dial the very address that was vetted (C13).

use super::stream::Stream;
use super::tls;
use crate::model::Denial;
use crate::model::connection::{Connection, Destination, DestinationId};
use crate::policy::address::{NotPublic, may_dial};
use rustls::ClientConfig;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How long an answer of the system's resolver, which tells no lifetime, is believed.
const NAMES_LIVE: Duration = Duration::from_secs(10);

/// Dials, remembering vetted addresses for a moment. One a core.
#[derive(Default)]
pub struct Dialler {
    names: RefCell<HashMap<DestinationId, Vetted>>,
    looking: RefCell<HashMap<DestinationId, LookUp>>,
}

/// Addresses that may be dialled, and since when that is known.
type Vetted = (Instant, Arc<[SocketAddr]>);

/// A question to the system's resolver, and its answer once there is one.
type LookUp = watch::Receiver<Option<Result<Vec<SocketAddr>, String>>>;

impl Dialler {
    /// A connected, verified stream to `connection`'s own host, port and scheme.
    pub async fn dial(&self, connection: &Connection, trust: Option<&Arc<ClientConfig>>) -> Result<Stream, Denial> {
        let destination = &connection.destination;
        let deadline = Instant::now() + connection.timeouts.connect;
        let late = |_| Denial::UpstreamTimeout { phase: "connecting to the upstream" };
        let addresses = timeout_at(deadline, self.addresses(destination)).await.map_err(late)??;
        let tcp = timeout_at(deadline, connect(&addresses)).await.map_err(late)?.map_err(|e| {
            self.names.borrow_mut().remove(&destination.id);
            Denial::UpstreamUnreachable { cause: format!("{}:{}: {e}", destination.host, destination.port) }
        })?;
        let _ = tcp.set_nodelay(true);
        let (Some(tls), Some(trust)) = (&destination.tls, trust) else {
            return match destination.tls {
                None => Ok(Stream::Tcp(tcp)),
                // Never in the clear what was meant for TLS.
                Some(_) => Err(Denial::Internal { cause: "no trust was prepared for a TLS upstream".into() }),
            };
        };
        let failed = |cause: String| Denial::UpstreamTls { cause: format!("{}: {cause}", destination.host) };
        let name = tls::server_name(tls, &destination.host).ok_or_else(|| failed("not a name to verify".into()))?;
        let handshake = tokio_rustls::TlsConnector::from(trust.clone()).connect(name, tcp);
        match timeout_at(deadline, handshake).await.map_err(late)? {
            Ok(stream) => Ok(Stream::Client(Box::new(stream))),
            Err(e) => Err(failed(e.to_string())),
        }
    }

    /// Resolved and vetted; one bad address among several spoils them all (hazard 20).
    async fn addresses(&self, destination: &Destination) -> Result<Arc<[SocketAddr]>, Denial> {
        if let Some((since, known)) = self.names.borrow().get(&destination.id)
            && since.elapsed() < NAMES_LIVE
        {
            return Ok(known.clone());
        }
        let unknown = |cause: String| Denial::UpstreamUnreachable { cause: format!("{}: {cause}", destination.host) };
        let found = self.look_up(destination).await.map_err(unknown)?;
        if found.is_empty() {
            return Err(unknown("the name has no address".into()));
        }
        for address in &found {
            may_dial(address.ip(), &destination.allow_networks).map_err(|e: NotPublic| {
                Denial::DestinationNotAllowed { cause: format!("{}: {e}", destination.host) }
            })?;
        }
        let found: Arc<[SocketAddr]> = found.into();
        self.names.borrow_mut().insert(destination.id, (Instant::now(), found.clone()));
        Ok(found)
    }

    /// Asks the resolver, once for all who wait for the same name: each question holds a thread for as long as the
    /// resolver takes, however short the patience of those who asked (hazard 29).
    async fn look_up(&self, destination: &Destination) -> Result<Vec<SocketAddr>, String> {
        let is_running = |look_up: &LookUp| look_up.borrow().is_none() && look_up.has_changed().is_ok();
        self.looking.borrow_mut().retain(|_, look_up| is_running(look_up));
        let running = self.looking.borrow().get(&destination.id).cloned();
        let mut answer = match running {
            Some(running) => running,
            None => {
                let (tell, told) = watch::channel(None);
                let (host, port) = (destination.host.clone(), destination.port);
                tokio::spawn(async move {
                    let found = tokio::net::lookup_host((host.as_str(), port)).await;
                    tell.send_replace(Some(found.map(Iterator::collect).map_err(|e| e.to_string())));
                });
                self.looking.borrow_mut().insert(destination.id, told.clone());
                told
            }
        };
        let answered = answer.wait_for(Option::is_some).await;
        answered.ok().and_then(|a| a.clone()).unwrap_or_else(|| Err("the look-up was given up".into()))
    }
}

/// The first of `addresses` that answers.
async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
    }
    Err(last)
}
