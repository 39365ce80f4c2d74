//! What a caller is known by.

use super::certificate::AcceptedCertificate;
use super::connection::ConnectionId;
use super::environment::EnvironmentId;
use super::quota::Quota;
use super::workflow::WorkflowId;
use http::HeaderValue;
use ipnet::IpNet;
use std::sync::Arc;

/// Index of a key in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

/// K10: which of a key's two tokens was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    Primary,
    Secondary,
}

impl Slot {
    pub fn name(self) -> &'static str {
        match self {
            Slot::Primary => "primary",
            Slot::Secondary => "secondary",
        }
    }
}

/// A key, checked: what it refers to exists.
#[derive(Debug)]
pub struct Key {
    pub index: KeyId,
    /// UUID form; stays when the key is renamed.
    pub id: String,
    pub name: Arc<str>,
    pub enabled: bool,
    /// Unix milliseconds.
    pub expires_at: Option<i64>,
    /// E1: where its requests run, or not at all.
    pub environment: Option<EnvironmentId>,
    pub workflows: Grants,
    /// C1: what it may call by.
    pub connections: Grants<ConnectionId>,
    /// C15: which connection a connector's name means to it, where it is not the default one; sorted.
    pub bindings: Vec<(Box<str>, ConnectionId)>,
    pub scopes: Scopes,
    /// K13: `None` means any address; an empty list none.
    pub allow_addresses: Option<Vec<IpNet>>,
    /// K13: the certificates of which the caller must show one; `None` means that none is asked for.
    pub client_certificates: Option<Vec<AcceptedCertificate>>,
    pub quota: Option<Quota>,
    /// K6: Unix milliseconds after which this key is no longer accepted in a URL.
    pub query_key_sunset: Option<i64>,
    /// K14, ready to send: `X-Keystile-Username` and `X-Keystile-Key-Id`.
    pub username_header: HeaderValue,
    pub id_header: HeaderValue,
}

/// W2: what a key may run, or, of connections, use. There is no default: nothing means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants<T = WorkflowId> {
    /// The explicit word for everything.
    All,
    /// Sorted.
    Some(Box<[T]>),
}

impl<T: Ord + Copy> Grants<T> {
    /// Exactly these; an empty list permits nothing.
    pub fn some(mut granted: Vec<T>) -> Grants<T> {
        granted.sort_unstable();
        granted.dedup();
        Grants::Some(granted.into_boxed_slice())
    }

    /// Whether `wanted` is permitted.
    pub fn permit(&self, wanted: T) -> bool {
        match self {
            Grants::All => true,
            Grants::Some(list) => list.binary_search(&wanted).is_ok(),
        }
    }
}

/// K13: what a key may be used for at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ScopeName {
    WorkflowsInvoke = 1,
    ConnectionsUse = 2,
    AdminRead = 4,
    AdminWrite = 8,
}

impl ScopeName {
    pub const ALL: [ScopeName; 4] =
        [ScopeName::WorkflowsInvoke, ScopeName::ConnectionsUse, ScopeName::AdminRead, ScopeName::AdminWrite];

    pub fn name(self) -> &'static str {
        match self {
            ScopeName::WorkflowsInvoke => "workflows:invoke",
            ScopeName::ConnectionsUse => "connections:use",
            ScopeName::AdminRead => "admin:read",
            ScopeName::AdminWrite => "admin:write",
        }
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// K13: what a key has that names none; `admin:*` only when named.
    pub const UNNAMED: Scopes = Scopes(ScopeName::WorkflowsInvoke as u8 | ScopeName::ConnectionsUse as u8);
    pub const NONE: Scopes = Scopes(0);

    #[must_use]
    pub fn with(self, scope: ScopeName) -> Scopes {
        Scopes(self.0 | scope as u8)
    }

    pub fn has(self, scope: ScopeName) -> bool {
        self.0 & scope as u8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w2_an_empty_list_permits_nothing_and_all_is_explicit() {
        assert!(!Grants::<WorkflowId>::some(vec![]).permit(WorkflowId(0)));
        assert!(Grants::some(vec![WorkflowId(4), WorkflowId(1)]).permit(WorkflowId(1)));
        assert!(!Grants::some(vec![WorkflowId(4), WorkflowId(1)]).permit(WorkflowId(2)));
        assert!(Grants::All.permit(WorkflowId(7)));
    }

    #[test]
    fn k13_absent_means_the_first_two_scopes() {
        assert!(Scopes::UNNAMED.has(ScopeName::WorkflowsInvoke) && Scopes::UNNAMED.has(ScopeName::ConnectionsUse));
        assert!(!Scopes::UNNAMED.has(ScopeName::AdminRead) && !Scopes::UNNAMED.has(ScopeName::AdminWrite));
        assert!(!Scopes::NONE.with(ScopeName::AdminRead).has(ScopeName::WorkflowsInvoke));
    }
}
