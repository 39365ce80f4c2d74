//! K2, K6, K7, K11, H7: whose token is it, or whose URL, and is it alive?

use super::environment::Asked;
use super::identify::Presented;
use super::signed_url::{Reading, Target};
use crate::model::denial::{BadSignature, BadTime, BadToken};
use crate::model::key::KeyId;
use crate::model::routes::Found;
use crate::model::token::{self, Digest, Shape};
use crate::model::{Denial, Key, Slot, Snapshot, Uid};

/// A caller who has proved possession of a living key. Built by [`authenticate`] only.
#[derive(Debug, Clone, Copy)]
pub struct Authenticated<'s> {
    key: &'s Key,
    slot: Option<Slot>,
}

impl<'s> Authenticated<'s> {
    pub fn key(&self) -> &'s Key {
        self.key
    }

    /// Which of its tokens was presented; none where the listener stands for the key (C4).
    pub fn slot(&self) -> Option<Slot> {
        self.slot
    }
}

/// A token that is not accepted.
#[derive(Debug)]
pub struct Rejected<'s> {
    /// What its holder is told.
    pub denial: Denial,
    /// Whose it is, if it matched: the access log names a disabled key.
    pub whose: Option<(&'s Key, Option<Slot>)>,
}

/// Finds the key of a presented token, and sees whether it is alive.
pub fn authenticate<'s>(
    snapshot: &'s Snapshot,
    presented: &Presented<'_>,
    now: i64,
) -> Result<Authenticated<'s>, Rejected<'s>> {
    let refused = |bad| Rejected { denial: Denial::InvalidKey(bad), whose: None };
    match presented.shape() {
        Shape::WellFormed | Shape::Foreign => {}
        Shape::Malformed if presented.token().starts_with(token::PREFIX.as_bytes()) => {
            return Err(refused(BadToken::Checksum));
        }
        Shape::Malformed => return Err(refused(BadToken::Malformed)),
    }
    by_digest(snapshot, &Digest::of(presented.token()), presented.in_query, now)
}

/// The key that a token with this digest belongs to, if it is alive. For callers whose token is no longer there but was.
pub(super) fn by_digest<'s>(
    snapshot: &'s Snapshot,
    digest: &Digest,
    in_query: bool,
    now: i64,
) -> Result<Authenticated<'s>, Rejected<'s>> {
    match owner(snapshot, digest, now) {
        Some((key, slot)) => alive(key, slot, in_query, now),
        None => Err(Rejected { denial: Denial::InvalidKey(BadToken::Unknown), whose: None }),
    }
}

/// H7: the key of a signed URL, if that signed it for what is asked for, its time is not over, and it is alive. Whoever has
/// the wrong one is not told what is wrong, nor how much: unknown, and of another workflow, method or environment are the
/// same, and take as long.
pub fn by_url<'s>(
    snapshot: &'s Snapshot,
    url: Reading,
    route: &Found,
    asked: &Asked<'_>,
    now: i64,
) -> Result<Authenticated<'s>, Rejected<'s>> {
    let invalid = |bad| Rejected { denial: Denial::SignatureInvalid { header: None, bad }, whose: None };
    let url = url.map_err(|what| invalid(BadSignature::Malformed(what)))?;
    let url_key = snapshot.url_key.as_ref().ok_or_else(|| invalid(BadSignature::NoMasterKey))?;
    let token = url.token(url_key);
    let found = owner(snapshot, &token, now);
    let whose = found.map_or(Uid([0; 16]), |(key, _)| key.uid);
    let is_signed = url.is_signed(url_key, whose, &token, Target::of(snapshot, route, asked).as_ref());
    let (key, slot) = found.filter(|_| is_signed).ok_or_else(|| invalid(BadSignature::NotThisUrl))?;
    if url.expires_at() <= now {
        let denial = Denial::SignatureExpired(BadTime::UrlExpired);
        return Err(Rejected { denial, whose: Some((key, Some(slot))) });
    }
    alive(key, slot, false, now)
}

/// K10: a value that was replaced is nobody's after its grace.
fn owner<'s>(snapshot: &'s Snapshot, digest: &Digest, now: i64) -> Option<(&'s Key, Slot)> {
    let (key, slot) = snapshot.keys.find(digest)?;
    let is_over = key.more().graced.iter().any(|(graced, until)| graced == digest && *until <= now);
    (!is_over).then_some((key, slot))
}

fn alive(key: &Key, slot: Slot, in_query: bool, now: i64) -> Result<Authenticated<'_>, Rejected<'_>> {
    match state(key, in_query, now) {
        Ok(()) => Ok(Authenticated { key, slot: Some(slot) }),
        Err(denial) => Err(Rejected { denial, whose: Some((key, Some(slot))) }),
    }
}

/// What [`authenticate`] would say of a key whose primary token was presented in a header. For `explain`, which names
/// keys so that no token stands in its arguments, and which sends nothing; `tests/layers.rs` keeps it from the journey.
pub fn rehearse(key: &Key, now: i64) -> Result<Authenticated<'_>, Denial> {
    state(key, false, now).map(|()| Authenticated { key, slot: Some(Slot::Primary) })
}

/// C4: the key for which a listener on loopback stands, if it is alive.
pub fn stood_for<'s>(snapshot: &'s Snapshot, identity: KeyId, now: i64) -> Result<Authenticated<'s>, Rejected<'s>> {
    let gone = || Rejected { denial: Denial::InvalidKey(BadToken::Unknown), whose: None };
    let key = snapshot.key(identity).ok_or_else(gone)?;
    match state(key, false, now) {
        Ok(()) => Ok(Authenticated { key, slot: None }),
        Err(denial) => Err(Rejected { denial, whose: Some((key, None)) }),
    }
}

/// K11, K6: told only to a caller whose token matched.
fn state(key: &Key, in_query: bool, now: i64) -> Result<(), Denial> {
    if key.revoked {
        return Err(Denial::KeyRevoked);
    }
    if !key.enabled {
        return Err(Denial::KeyDisabled);
    }
    if key.expires_at.is_some_and(|at| at <= now) {
        return Err(Denial::KeyExpired);
    }
    if in_query && key.more().query_key_sunset.is_some_and(|at| at <= now) {
        return Err(Denial::QueryKeySunset);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::identify::identify;
    use super::*;
    use crate::model::listener::PlaceMask;

    fn verdict(change: impl FnOnce(&mut Snapshot), query: &str, now: i64) -> Result<(String, Slot), &'static str> {
        let mut snapshot = fixture::snapshot();
        change(&mut snapshot);
        let headers = crate::model::Fields::new();
        let presented = identify(&headers, Some(query), &fixture::places(), PlaceMask::ALL).unwrap().unwrap();
        authenticate(&snapshot, &presented, now)
            .map(|a| (a.key().name.to_string(), a.slot().unwrap()))
            .map_err(|rejected| rejected.denial.code())
    }

    fn query(token: &str) -> String {
        format!("auth-key={token}")
    }

    #[test]
    fn k10_both_slots_are_valid() {
        let primary = fixture::token("crm", Slot::Primary);
        let secondary = fixture::token("crm", Slot::Secondary);
        assert_eq!(verdict(|_| {}, &query(&primary), 0), Ok(("crm".into(), Slot::Primary)));
        assert_eq!(verdict(|_| {}, &query(&secondary), 0), Ok(("crm".into(), Slot::Secondary)));
    }

    #[test]
    fn k2_unknown_and_malformed_are_told_apart_by_nobody() {
        for token in ["", "x", "kst_x", &"a".repeat(40), &fixture::token("nobody", Slot::Primary)] {
            assert_eq!(verdict(|_| {}, &query(token), 0), Err("invalid_key"), "{token}");
        }
    }

    #[test]
    fn k6_k11_states_of_a_key_whose_token_matched() {
        let token = query(&fixture::token("crm", Slot::Primary));
        assert_eq!(verdict(|s| s.keys[0].enabled = false, &token, 0), Err("key_disabled"));
        assert_eq!(verdict(|s| s.keys[0].expires_at = Some(1000), &token, 1000), Err("key_expired"));
        assert!(verdict(|s| s.keys[0].expires_at = Some(1000), &token, 999).is_ok());
        assert_eq!(
            verdict(|s| s.keys[0].more_mut().query_key_sunset = Some(1000), &token, 1000),
            Err("query_key_sunset")
        );
        assert!(verdict(|s| s.keys[0].more_mut().query_key_sunset = Some(1000), &token, 999).is_ok());
    }
}
