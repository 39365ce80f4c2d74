//! What must be true of every scheme: what its senders sign verifies, and whatever was changed on the way does not.

use super::Signer;
use super::fixture::{Arrived, SECRET, key, workflow};
use crate::model::Workflow;
use crate::model::webhook::{Scheme, SecretEncoding, SigningKey};
use http::HeaderValue;
use proptest::prelude::*;

const FORM: &str = "application/x-www-form-urlencoded";

/// A sender of this scheme, and a workflow that wants its signatures and another's.
fn both_sides(name: &str, ed25519: bool) -> (Scheme, Signer, Workflow) {
    let scheme = Scheme::known(name).unwrap();
    let private = format!("whsk_{}=", "A".repeat(43));
    let written = if ed25519 { private.as_str() } else { SECRET };
    let signer = Signer::of(&scheme, written.as_bytes(), SecretEncoding::Text).unwrap();
    let own = match signer.public_key() {
        Some(public) => SigningKey::Ed25519(public.try_into().unwrap()),
        None => key(&scheme, SECRET),
    };
    let other = key(&scheme, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    let workflow = workflow(scheme.clone(), vec![other, own]);
    (scheme, signer, workflow)
}

fn any_scheme() -> impl Strategy<Value = (&'static str, bool)> {
    prop::sample::select(vec![
        ("standard", false),
        ("svix", false),
        ("standard", true),
        ("github", false),
        ("stripe", false),
        ("slack", false),
        ("shopify", false),
        ("twilio", false),
    ])
}

proptest! {
    #[test]
    fn what_is_signed_verifies(
        (name, ed25519) in any_scheme(),
        id in "[a-zA-Z0-9_-]{1,40}",
        body in proptest::collection::vec(any::<u8>(), 0..300),
        form: bool,
    ) {
        let (scheme, signer, workflow) = both_sides(name, ed25519);
        let content_type = if form { FORM } else { "application/json" };
        let arrived = Arrived::signed(&scheme, &signer, &id, content_type, &body);
        let verified = arrived.verified(&workflow);
        prop_assert_eq!(&*verified.unwrap().secret().label, "secret 1");
    }

    #[test]
    fn what_was_changed_on_the_way_does_not(
        (name, ed25519) in any_scheme(),
        id in "[a-zA-Z0-9_-]{1,40}",
        body in proptest::collection::vec(any::<u8>(), 1..300),
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bits in 1u8..=255,
    ) {
        let (scheme, signer, workflow) = both_sides(name, ed25519);
        let mut arrived = Arrived::signed(&scheme, &signer, &id, "application/json", &body);
        let mut places: Vec<_> = arrived.headers.keys().filter(|name| *name != "content-type").cloned().map(Some).collect();
        places.push(None);
        match &places[which.index(places.len())] {
            None => {
                let at = at.index(body.len());
                arrived.body[at] ^= bits;
            }
            Some(name) => {
                let mut value = arrived.headers[name].as_bytes().to_vec();
                let at = at.index(value.len());
                value[at] ^= bits;
                // Of a digit in hex, either case is the same.
                prop_assume!(!(value[at].is_ascii_hexdigit() && bits == 0x20 && name == scheme.header));
                let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
                prop_assume!(value.as_bytes().trim_ascii() != arrived.headers[name].as_bytes());
                arrived.headers.insert(name, value);
            }
        }
        prop_assert!(arrived.verified(&workflow).is_err());
    }

    #[test]
    fn what_was_cut_or_added_does_not(
        (name, ed25519) in any_scheme(),
        body in "[ -~]{1,100}",
        cut in any::<prop::sample::Index>(),
        added in "[ -~]{1,3}",
    ) {
        let (scheme, signer, workflow) = both_sides(name, ed25519);
        let sent = Arrived::signed(&scheme, &signer, "msg_1", "application/json", body.as_bytes());
        let mut short = sent.clone();
        short.body.truncate(cut.index(body.len()));
        prop_assert!(short.verified(&workflow).is_err());
        let mut long = sent;
        long.body.extend_from_slice(added.as_bytes());
        prop_assert!(long.verified(&workflow).is_err());
    }
}
