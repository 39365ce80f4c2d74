//! The proof that opens a secret for a caller; what has none stands in `outbound/verification.rs`.

use crate::model::secret::MayOpen;
use crate::model::{Connection, Environment, Key, Slot};
use http::{HeaderName, HeaderValue};

/// Every check has passed but the limits: this key, this environment, this connection. Made by the two `authorise` of
/// this floor only; it opens the secret of its own connection and of no other.
#[derive(Debug, Clone, Copy)]
pub struct Permit<'s> {
    key: &'s Key,
    slot: Option<Slot>,
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
        key: &'s Key,
        slot: Option<Slot>,
        environment: &'s Environment,
        connection: &'s Connection,
    ) -> Permit<'s> {
        Permit { key, slot, environment, connection }
    }

    pub fn key(&self) -> &'s Key {
        self.key
    }

    /// Which of the key's tokens was presented; none where the listener stands for the key.
    pub fn slot(&self) -> Option<Slot> {
        self.slot
    }

    pub fn environment(&self) -> &'s Environment {
        self.environment
    }

    pub fn connection(&self) -> &'s Connection {
        self.connection
    }
}
