//! C4: who asks?
//!
//! Nothing here may depend on whether the connection exists: callers who may not use it learn nothing about it, not even
//! by which spelling of a credential is refused in what way (C1, hazard 8). So tokens are taken from every slot of every
//! connection, and only once the caller may use the connection it is asked whether they stood in the right place.

use super::slots::{Filled, values};
use crate::model::Denial;
use crate::model::Fields;
use crate::model::connection::{InjectRule, Injection};
use crate::model::directory::Directory;
use crate::model::listener::{Door, Listener, Place, PlaceMask};
use crate::policy::headers::basic_pair;
use crate::policy::identify::{self, Presented, token_of};
use http::header::{HeaderName, PROXY_AUTHORIZATION};
use smallvec::SmallVec;
use std::borrow::Cow;

const KEYSTILE_KEY: HeaderName = HeaderName::from_static("keystile-key");

/// Different tokens that are looked at: honest callers send one.
const MOST: usize = 4;

/// Tokens that a caller showed.
#[derive(Debug)]
pub struct Claims<'a> {
    pub tokens: SmallVec<[Presented<'a>; 1]>,
    /// They stood where nothing else can stand, so that all other places are payload.
    decisive: bool,
}

impl Claims<'_> {
    /// The places of K3 that are credentials in this request, and go; in the others only tokens of ours do.
    pub fn open(&self, listener: &Listener) -> PlaceMask {
        if self.decisive || stands_for_somebody(listener) { PlaceMask::NONE } else { listener.places.open }
    }

    /// Whether `token`, by which the caller was known, is the one and only that stands where this connection's callers
    /// put it. To be asked once he may use the connection.
    ///
    /// Errors: `missing_key` if it stood in another connection's slot, `conflicting_credentials` beside another one.
    pub fn settle(&self, token: &[u8], filled: Filled<'_>, injection: &Injection) -> Result<(), Denial> {
        if self.decisive {
            return Ok(());
        }
        let slots = values(filled, &injection.read);
        let in_usual_place = self.tokens.iter().any(|t| t.place != Place::Slot && t.token() == token);
        if slots.iter().any(|value| **value != *token) {
            return Err(Denial::ConflictingCredentials);
        }
        if in_usual_place || !slots.is_empty() { Ok(()) } else { Err(Denial::MissingKey) }
    }
}

/// Every token that the caller showed; none of them is believed yet. None at all: the listener's identity counts, if it
/// has one.
///
/// Errors: `conflicting_credentials` and `credential_repeated`, as at the inbound door.
pub fn identify<'a>(filled: Filled<'a>, listener: &Listener, directory: &Directory) -> Result<Claims<'a>, Denial> {
    let decisive = decisive(filled.headers)?;
    if decisive.is_some() || stands_for_somebody(listener) {
        return Ok(Claims { decisive: decisive.is_some(), tokens: decisive.into_iter().collect() });
    }
    let mut tokens: SmallVec<[Presented<'a>; 1]> = SmallVec::new();
    tokens.extend(identify::identify(filled.headers, filled.query, &listener.places, listener.places.open)?);
    if tokens.is_empty() {
        for value in values(filled, directory.slots()) {
            if tokens.iter().all(|known| *known.token() != *value) {
                tokens.push(Presented::at(value, Place::Slot));
            }
        }
        // K6: a provider that takes its key from the URL is no reason to forget that it stood there.
        let in_query = |rule: &&InjectRule| matches!(rule, InjectRule::Query { .. });
        let of_query = directory.slots().iter().filter(in_query);
        for value in of_query.flat_map(|rule| values(filled, std::slice::from_ref(rule))) {
            for token in tokens.iter_mut().filter(|token| *token.token() == *value) {
                token.in_query = true;
            }
        }
    }
    if tokens.len() > MOST {
        return Err(Denial::ConflictingCredentials);
    }
    Ok(Claims { tokens, decisive: false })
}

fn stands_for_somebody(listener: &Listener) -> bool {
    matches!(&listener.door, Door::Outbound(door) if door.identity.is_some())
}

/// `Keystile-Key` and `Proxy-Authorization`, which belong to nobody else.
fn decisive(headers: &Fields) -> Result<Option<Presented<'_>>, Denial> {
    let mut found: Option<Presented<'_>> = None;
    let own = headers.get_all(KEYSTILE_KEY).map(|line| {
        let line = line.as_bytes().trim_ascii();
        (Cow::Borrowed(token_of(line).map_or(line, |(token, _)| token)), Place::KeystileKey)
    });
    let proxy = headers.get_all(PROXY_AUTHORIZATION).map(|line| (of_proxy(line.as_bytes()), Place::ProxyAuthorization));
    for (token, place) in own.chain(proxy) {
        match &found {
            Some(first) if *first.token() != *token => return Err(Denial::ConflictingCredentials),
            Some(_) => {}
            None => found = Some(Presented::at(token, place)),
        }
    }
    Ok(found)
}

/// Basic with the token for its password, or Bearer. Whatever else is there is a credential as well, and a wrong one.
fn of_proxy(line: &[u8]) -> Cow<'_, [u8]> {
    if let Some((token, _)) = token_of(line) {
        return Cow::Borrowed(token);
    }
    match basic_pair(line).and_then(|pair| Some(pair[pair.iter().position(|b| *b == b':')? + 1..].to_vec())) {
        Some(password) => Cow::Owned(password),
        None => Cow::Borrowed(line.trim_ascii()),
    }
}
