//! What a caller is known by.

pub use super::grants::Grants;

use super::certificate::AcceptedCertificate;
use super::name::Name;
use super::quota::Quota;
use super::token::Digest;
use super::uid::Uid;
use super::urgency::Urgency;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Index of a key in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

/// K10: which of a key's two tokens was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

    pub fn named(name: &str) -> Option<Slot> {
        [Slot::Primary, Slot::Secondary].into_iter().find(|slot| slot.name() == name)
    }
}

/// Where a resource is managed (T1b).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// In the configuration file: read-only for everybody else.
    File,
    Store,
}

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Origin::File => "file",
            Origin::Store => "store",
        }
    }
}

/// A key, checked. There may be a million: two cache lines hold all that a request asks of one, what few of them have stands
/// apart, and references are by id, so that they outlive whatever else changes.
#[derive(Debug, Clone)]
pub struct Key {
    pub index: KeyId,
    /// Stays when the key is renamed.
    pub uid: Uid,
    pub name: Name,
    pub origin: Origin,
    pub enabled: bool,
    /// K11: for good.
    pub revoked: bool,
    /// Unix milliseconds.
    pub expires_at: Option<i64>,
    /// E1: where its requests run, or not at all.
    pub environment: Option<Uid>,
    pub workflows: Grants,
    /// C1: what it may call by.
    pub connections: Grants,
    pub scopes: Scopes,
    /// Shared, since a change beside it copies the page that they both stand on.
    more: Option<Arc<More>>,
}

/// What few keys have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct More {
    /// C15: which connection a connector's name means to it, where it is not the default one; sorted.
    pub bindings: Vec<(Box<str>, Uid)>,
    /// K13: `None` means any address; an empty list none.
    pub allow_addresses: Option<Vec<IpNet>>,
    /// K13: the certificates of which the caller must show one; `None` means that none is asked for.
    pub client_certificates: Option<Vec<AcceptedCertificate>>,
    pub quota: Option<Quota>,
    /// K6: Unix milliseconds after which this key is no longer accepted in a URL.
    pub query_key_sunset: Option<i64>,
    /// K10: tokens that were replaced, and until when (Unix milliseconds) they are accepted nevertheless.
    pub graced: Vec<(Digest, i64)>,
}

/// What a key has that has nothing more.
static NOTHING_MORE: More = More {
    bindings: Vec::new(),
    allow_addresses: None,
    client_certificates: None,
    quota: None,
    query_key_sunset: None,
    graced: Vec::new(),
};

impl Key {
    /// One that may do nothing yet.
    pub fn new(index: KeyId, uid: Uid, name: &str, origin: Origin) -> Key {
        Key {
            index,
            uid,
            name: name.into(),
            origin,
            enabled: true,
            revoked: false,
            expires_at: None,
            environment: None,
            workflows: Grants::nothing(),
            connections: Grants::nothing(),
            scopes: Scopes::NONE,
            more: None,
        }
    }

    /// Another one that may do the same, for as long.
    #[must_use]
    pub fn like(&self, index: KeyId, uid: Uid, name: &str) -> Key {
        Key { index, uid, name: name.into(), ..self.clone() }
    }

    /// What few keys have.
    pub fn more(&self) -> &More {
        self.more.as_deref().unwrap_or(&NOTHING_MORE)
    }

    pub fn with(mut self, more: More) -> Key {
        self.more = (more != NOTHING_MORE).then(|| Arc::new(more));
        self
    }

    #[cfg(any(test, fuzzing))]
    pub fn more_mut(&mut self) -> &mut More {
        Arc::make_mut(self.more.get_or_insert_default())
    }
}

/// K13: what a key may be used for at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ScopeName {
    #[serde(rename = "workflows:invoke")]
    WorkflowsInvoke = 1,
    #[serde(rename = "connections:use")]
    ConnectionsUse = 2,
    #[serde(rename = "admin:read")]
    AdminRead = 4,
    #[serde(rename = "admin:write")]
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

    /// Those it has, in their order.
    pub fn iter(self) -> impl Iterator<Item = ScopeName> {
        ScopeName::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

/// R3: how many keys that are alive end soon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Endings {
    /// Each within the time, and not within the shorter ones.
    pub day: u64,
    pub week: u64,
    pub month: u64,
}

impl Endings {
    pub fn of<'k>(keys: impl Iterator<Item = &'k Key>, now: i64) -> Endings {
        let mut endings = Endings::default();
        for key in keys.filter(|key| key.enabled && !key.revoked) {
            match key.expires_at.and_then(|end| Urgency::of(end, now)) {
                Some(Urgency::Day) => endings.day += 1,
                Some(Urgency::Week) => endings.week += 1,
                Some(Urgency::Month) => endings.month += 1,
                Some(Urgency::Past) | None => {}
            }
        }
        endings
    }

    /// Those that there are, the most urgent first.
    pub fn soon(self) -> impl Iterator<Item = (Urgency, u64)> {
        let all = [(Urgency::Day, self.day), (Urgency::Week, self.week), (Urgency::Month, self.month)];
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hazard_32_a_million_of_them_fit() {
        assert!(size_of::<Option<Key>>() <= 128, "{} bytes", size_of::<Key>());
    }

    #[test]
    fn k13_absent_means_the_first_two_scopes() {
        assert!(Scopes::UNNAMED.has(ScopeName::WorkflowsInvoke) && Scopes::UNNAMED.has(ScopeName::ConnectionsUse));
        assert!(!Scopes::UNNAMED.has(ScopeName::AdminRead) && !Scopes::UNNAMED.has(ScopeName::AdminWrite));
        assert!(!Scopes::NONE.with(ScopeName::AdminRead).has(ScopeName::WorkflowsInvoke));
    }

    #[test]
    fn r3_keys_that_are_alive_are_counted_by_how_soon_they_end() {
        const DAY: i64 = 86_400_000;
        let ends = |days: i64| {
            let mut key = Key::new(KeyId(0), Uid([1; 16]), "k", Origin::Store);
            key.expires_at = Some(days * DAY);
            key
        };
        let mut disabled = ends(1);
        disabled.enabled = false;
        let keys = [ends(0), ends(1), ends(2), ends(7), ends(8), ends(31), disabled];
        assert_eq!(Endings::of(keys.iter(), 0), Endings { day: 1, week: 2, month: 1 });
        assert_eq!(Endings { day: 0, week: 2, month: 0 }.soon().collect::<Vec<_>>(), [(Urgency::Week, 2)]);
    }
}
