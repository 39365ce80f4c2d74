//! L1: a rate and a burst, `100/s` or `600/min burst 50`.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// `count` requests per `per`, of which up to `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    pub count: NonZeroU32,
    pub per: Duration,
    pub burst: NonZeroU32,
}

/// As it is written.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per.as_secs() {
            60 => "min",
            3_600 => "h",
            86_400 => "day",
            _ => "s",
        };
        write!(f, "{}/{per}", self.count)?;
        if self.burst == self.count { Ok(()) } else { write!(f, " burst {}", self.burst) }
    }
}

/// Which limit it was, from the narrowest to the widest (the order in which they are charged).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Key,
    Address,
    Workflow,
    Connection,
    Listener,
    /// Failed authentications of an address (L3).
    FailedAuth,
}

impl Scope {
    /// In the order of their declaration, so that `scope as usize` is an index.
    pub const ALL: [Scope; 6] =
        [Scope::Key, Scope::Address, Scope::Workflow, Scope::Connection, Scope::Listener, Scope::FailedAuth];

    /// Name in `RateLimit` fields, metrics and texts.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Key => "key",
            Scope::Address => "address",
            Scope::Workflow => "workflow",
            Scope::Connection => "connection",
            Scope::Listener => "listener",
            Scope::FailedAuth => "failed_auth",
        }
    }
}

/// A limit that said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub scope: Scope,
    pub quota: Quota,
    /// Until one more request would pass.
    pub wait: Duration,
}

/// A limit that said yes, for the `RateLimit` fields of a passed reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub scope: Scope,
    pub quota: Quota,
    /// How many more would pass right now.
    pub remaining: u32,
}
