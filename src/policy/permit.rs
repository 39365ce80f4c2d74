//! The proof that opens a secret for a caller; what has none stands in `outbound/verification.rs`.

use crate::model::secret::MayOpen;
use crate::model::{Connection, Environment, Key, Slot, Webhook};
use http::{HeaderName, HeaderValue};

/// On whose behalf a request runs.
#[derive(Debug, Clone, Copy)]
pub enum Principal<'s> {
    /// Which of its tokens was presented; none where the listener stands for the key.
    Key(&'s Key, Option<Slot>),
    /// H6: whoever signs deliveries of this webhook.
    Sender(&'s Webhook),
}

/// Every check has passed but the limits: this principal, this environment, this connection. Made by the two `authorise` of
/// this floor only; it opens the secret of its own connection and of no other.
#[derive(Debug, Clone, Copy)]
pub struct Permit<'s> {
    principal: Principal<'s>,
    environment: &'s Environment,
    connection: &'s Connection,
}

impl MayOpen for Permit<'_> {}

impl<'s> Injects<'s> for Permit<'s> {
    fn connection(&self) -> &'s Connection {
        self.connection
    }
}

/// A proof that opens the secret of one connection, and so can put it where it belongs.
pub(super) trait Injects<'s>: MayOpen + Sized {
    fn connection(&self) -> &'s Connection;

    /// The header values to inject, opened.
    fn injected_headers(&self) -> impl Iterator<Item = (&'s HeaderName, HeaderValue)> {
        self.connection().injection.headers.iter().map(|(name, value)| (name, value.open(self)))
    }

    /// The query pairs to inject, opened and encoded.
    fn injected_query(&self) -> impl Iterator<Item = &'s [u8]> {
        self.connection().injection.query.iter().map(|(_, pair)| pair.open(self))
    }

    /// The path prefix to inject, opened and encoded.
    fn injected_path(&self) -> Option<&'s [u8]> {
        self.connection().injection.path.as_ref().map(|p| p.open(self))
    }
}

impl<'s> Permit<'s> {
    pub(super) fn granted(
        principal: Principal<'s>,
        environment: &'s Environment,
        connection: &'s Connection,
    ) -> Permit<'s> {
        Permit { principal, environment, connection }
    }

    pub fn principal(&self) -> Principal<'s> {
        self.principal
    }

    /// The key that it runs for, if it is one.
    pub fn key(&self) -> Option<&'s Key> {
        match self.principal {
            Principal::Key(key, _) => Some(key),
            Principal::Sender(_) => None,
        }
    }

    pub fn environment(&self) -> &'s Environment {
        self.environment
    }

    pub fn connection(&self) -> &'s Connection {
        self.connection
    }
}
