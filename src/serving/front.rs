//! A caller's connection, as its requests see it.

use crate::model::ClientCertificate;
use crate::model::listener::{Assurance, DoorKind};
use crate::policy::Origin;
use crate::policy::address::canonical;
use http::HeaderValue;
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

/// What every request of a connection shares.
pub struct Front {
    /// The listener's address as configured.
    pub address: Arc<str>,
    pub door: DoorKind,
    pub peer: IpAddr,
    pub peer_header: HeaderValue,
    /// The listener's when the connection began.
    pub assurance: Assurance,
    /// What it cost to begin is not made good yet.
    dear: Cell<bool>,
    /// What the caller showed in the handshake, read once.
    certificate: Option<ClientCertificate>,
}

impl Front {
    /// `dear`: it began with a handshake.
    pub fn new(
        address: Arc<str>,
        door: DoorKind,
        assurance: Assurance,
        peer: IpAddr,
        certificate: Option<ClientCertificate>,
        dear: bool,
    ) -> Front {
        let peer = canonical(peer);
        let peer_header = HeaderValue::try_from(peer.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Front { address, door, peer, peer_header, assurance, dear: Cell::new(dear), certificate }
    }

    /// Whether this request is the first after a handshake. Asked once of each.
    pub fn is_dear(&self) -> bool {
        self.dear.replace(false)
    }

    /// Where a request comes from whose client address is `address`.
    pub fn origin(&self, address: IpAddr) -> Origin<'_> {
        Origin { address, certificate: self.certificate.as_ref() }
    }
}
