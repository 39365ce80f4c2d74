//! K13: who may administer: the holder of a living key with a scope of administration, from where it may be used.

use super::authenticate::by_digest;
use super::authorise::{Origin, may_come_from};
use crate::model::denial::BadToken;
use crate::model::key::ScopeName;
use crate::model::token::{self, Digest, Shape};
use crate::model::{Denial, Key, Snapshot};
use std::net::IpAddr;

/// The key that `token` belongs to, if it is good for `wanted`. In the order of W1: credential, state, address, scope.
pub fn administrator<'s>(snapshot: &'s Snapshot, token: &[u8], address: IpAddr, now: i64) -> Result<&'s Key, Denial> {
    match token::shape(token) {
        Shape::WellFormed | Shape::Foreign => {}
        Shape::Malformed if token.starts_with(token::PREFIX.as_bytes()) => {
            return Err(Denial::InvalidKey(BadToken::Checksum));
        }
        Shape::Malformed => return Err(Denial::InvalidKey(BadToken::Malformed)),
    }
    let caller = by_digest(snapshot, &Digest::of(token), false, now).map_err(|rejected| rejected.denial)?;
    let key = caller.key();
    // The admin listener asks for no certificates, so a key that is bound to one is of no use there.
    may_come_from(key, &Origin { address, certificate: None }, now)?;
    if [ScopeName::AdminRead, ScopeName::AdminWrite].iter().any(|scope| key.scopes.has(*scope)) {
        Ok(key)
    } else {
        Err(Denial::ScopeMissing(ScopeName::AdminRead))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::model::Slot;
    use crate::model::key::Scopes;

    fn verdict(change: impl FnOnce(&mut Snapshot)) -> Result<String, &'static str> {
        let mut snapshot = fixture::snapshot();
        snapshot.keys[0].scopes = Scopes::NONE.with(ScopeName::AdminRead);
        change(&mut snapshot);
        let token = fixture::token("crm", Slot::Primary);
        let found = administrator(&snapshot, token.as_bytes(), [192, 0, 2, 7].into(), 1000);
        found.map(|key| key.name.to_string()).map_err(|denial| denial.code())
    }

    #[test]
    fn k13_administration_takes_a_living_key_with_its_scope_from_where_it_may_be_used() {
        assert_eq!(verdict(|_| {}), Ok("crm".to_owned()));
        assert_eq!(verdict(|s| s.keys[0].scopes = Scopes::UNNAMED), Err("scope_missing"));
        assert_eq!(verdict(|s| s.keys[0].enabled = false), Err("key_disabled"));
        assert_eq!(verdict(|s| s.keys[0].revoked = true), Err("key_revoked"));
        assert_eq!(verdict(|s| s.keys[0].expires_at = Some(1000)), Err("key_expired"));
        assert_eq!(verdict(|s| s.keys[0].more_mut().allow_addresses = Some(vec![])), Err("address_not_allowed"));
        assert_eq!(
            verdict(|s| s.keys[0].more_mut().client_certificates = Some(vec![])),
            Err("client_certificate_required")
        );
        assert_eq!(verdict(|s| s.keys.forget_tokens()), Err("invalid_key"));
    }
}
