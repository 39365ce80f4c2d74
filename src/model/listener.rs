//! A listener of either door: where credentials may stand, what is believed, what is too much.

use super::key::KeyId;
use super::quota::Quota;
use http::HeaderName;
use ipnet::IpNet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One address that callers reach, and its rules.
#[derive(Debug, Clone)]
pub struct Listener {
    /// As configured, `0.0.0.0:8443`, or `unix:` and the whole path; names the listener in limits and logs.
    pub address: Arc<str>,
    /// The rights of a Unix socket's file: whom they let write may connect.
    pub socket_mode: u32,
    pub door: Door,
    pub tls: bool,
    /// HTTP/2 without TLS, to those who begin with its preface.
    pub h2c: bool,
    /// Against what callers' certificates are verified; `None` means that none is asked for.
    pub callers: Option<CallerAuthorities>,
    pub places: Places,
    /// Inbound alone.
    pub environment_parameter: EnvironmentParameter,
    /// W6. Inbound alone.
    pub conceal: bool,
    pub trusted_proxies: Vec<IpNet>,
    /// Which field of theirs says for whom they speak.
    pub forwarded: ForwardedField,
    /// Connections begin with a PROXY protocol header, and only trusted proxies may open them.
    pub proxy_protocol: bool,
    pub caps: ConnectionCaps,
    pub quota: Option<Quota>,
    pub address_quota: Option<Quota>,
    pub failed_auth_quota: Quota,
    /// L2: `RateLimit` fields on passed replies too.
    pub limit_headers: bool,
    /// Bytes.
    pub max_body: u64,
    pub max_head: u64,
    pub max_uri: u64,
    pub timeouts: FrontTimeouts,
}

/// Which way requests go that come in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// Callers to workflows.
    Inbound,
    /// Workflows to providers.
    Outbound(OutboundDoor),
}

impl Door {
    pub fn kind(&self) -> DoorKind {
        match self {
            Door::Inbound => DoorKind::Inbound,
            Door::Outbound(_) => DoorKind::Outbound,
        }
    }
}

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DoorKind {
    Inbound,
    Outbound,
}

impl DoorKind {
    /// Name in logs and metrics, and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            DoorKind::Inbound => "inbound",
            DoorKind::Outbound => "outbound",
        }
    }
}

/// What only the outbound door knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboundDoor {
    /// C4: whoever reaches this listener is this key.
    pub identity: Option<KeyId>,
    /// Hosts, beside loopback's names, by which a listener with an identity may be called; lower case, without ports.
    pub hosts: Vec<Box<str>>,
}

/// What a listener makes sure of before a caller's first word. Connections of one that makes sure of something else now
/// are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assurance {
    tls: bool,
    callers: Option<CallerAuthorities>,
}

impl Listener {
    pub fn assurance(&self) -> Assurance {
        Assurance { tls: self.tls, callers: self.callers }
    }
}

/// Whose certificates a listener accepts from callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerAuthorities {
    /// A digest of the authorities: connections that were verified against others are not kept.
    pub digest: [u8; 32],
    /// Whether the handshake fails without a certificate.
    pub required: bool,
}

/// How many connections may be open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCaps {
    pub total: u32,
    /// From one client address (IPv6: a /64).
    pub per_address: u32,
}

/// Why a connection was closed before anything was read from its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionRefusal {
    ListenerFull,
    AddressFull,
    /// Callers hold their share of the process's file descriptors.
    DescriptorsShort,
    /// Where the PROXY protocol is spoken, only trusted proxies speak.
    UntrustedPeer,
    /// No PROXY protocol header, a malformed one, or not in time.
    ProxyHeader,
}

impl ConnectionRefusal {
    /// In the order of their declaration, so that `refusal as usize` is an index.
    pub const ALL: [ConnectionRefusal; 5] = [
        ConnectionRefusal::ListenerFull,
        ConnectionRefusal::AddressFull,
        ConnectionRefusal::DescriptorsShort,
        ConnectionRefusal::UntrustedPeer,
        ConnectionRefusal::ProxyHeader,
    ];

    /// Name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionRefusal::ListenerFull => "max_connections",
            ConnectionRefusal::AddressFull => "max_connections_per_address",
            ConnectionRefusal::DescriptorsShort => "descriptors",
            ConnectionRefusal::UntrustedPeer => "untrusted_peer",
            ConnectionRefusal::ProxyHeader => "proxy_header",
        }
    }
}

/// How long a caller may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontTimeouts {
    /// From the first byte of a request's head (or the connection's start) to its last.
    pub head: Duration,
    /// Without a byte of a body, in either direction.
    pub body_idle: Duration,
    /// From the whole head to the head of the reply.
    pub request: Duration,
    /// Between requests.
    pub idle: Duration,
}

/// Where proxies say for whom they speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedField {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// E4.
#[derive(Debug, Clone)]
pub struct EnvironmentParameter {
    pub name: String,
    pub strip: bool,
}

/// K3: where credentials are looked for.
#[derive(Debug, Clone)]
pub struct Places {
    pub open: PlaceMask,
    /// The header that holds a bare token; named even when switched off, since a token of ours is removed there too.
    pub header: HeaderName,
    /// The query parameter; as above.
    pub query: String,
}

impl Places {
    /// These places, as far as a workflow leaves them open.
    pub fn narrowed(&self, mask: PlaceMask) -> PlaceMask {
        PlaceMask(self.open.0 & mask.0)
    }
}

/// A place a credential may stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    Authorization = 1,
    Header = 2,
    Query = 4,
    // At the outbound door, beside these:
    /// `Keystile-Key`.
    KeystileKey = 8,
    ProxyAuthorization = 16,
    /// Where the connection injects.
    Slot = 32,
    // At the inbound door:
    /// H7: a URL that is signed.
    SignedUrl = 64,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Place::Authorization => "authorization",
            Place::Header => "header",
            Place::Query => "query",
            Place::KeystileKey => "keystile-key",
            Place::ProxyAuthorization => "proxy-authorization",
            Place::Slot => "slot",
            Place::SignedUrl => "signed_url",
        }
    }
}

/// A set of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceMask(u8);

impl PlaceMask {
    /// The places of K3, and H7's.
    pub const ALL: PlaceMask = PlaceMask(7 | Place::SignedUrl as u8);
    pub const NONE: PlaceMask = PlaceMask(0);

    #[must_use]
    pub fn without(self, place: Place) -> PlaceMask {
        PlaceMask(self.0 & !(place as u8))
    }

    pub fn has(self, place: Place) -> bool {
        self.0 & place as u8 != 0
    }

    /// Whether a token may stand anywhere.
    pub fn takes_tokens(self) -> bool {
        !self.without(Place::SignedUrl).is_empty()
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
