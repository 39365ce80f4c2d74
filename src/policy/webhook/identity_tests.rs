//! H4: which delivery it is, whatever is changed of it that is not signed.

use super::Signer;
use super::fixture::{Arrived, SECRET, key, workflow};
use super::tests::{GITHUB, custom, github, malformed, not_ours, scheme, wants};
use crate::model::webhook::{Algorithm, Clock, Encoding, Form, Part, Scheme, SecretEncoding};

#[test]
fn h4_a_delivery_is_the_same_one_however_its_signature_is_written() {
    let workflow = wants("github", &["It's a Secret to Everybody"]);
    let id = |arrived: Arrived| arrived.verified(&workflow).unwrap().id();
    let upper = GITHUB.to_uppercase().replace("SHA", "sha");
    assert_eq!(id(github(GITHUB)), id(github(&upper)));
    let mut announced = github(GITHUB);
    announced.headers.insert("x-github-delivery", "other".parse().unwrap());
    assert_eq!(id(github(GITHUB)), id(announced), "nothing unsigned is in it");
}

#[test]
fn h4_a_delivery_is_by_its_signed_id_whenever_it_is_sent() {
    let workflow = wants("standard", &[SECRET]);
    let signer = Signer::of(&scheme("standard"), SECRET.as_bytes(), SecretEncoding::Text).unwrap();
    let sent = |id, body: &[u8]| Arrived::signed(&scheme("standard"), &signer, id, "application/json", body);
    let id = |arrived: &Arrived| arrived.verified(&workflow).unwrap().id();
    assert_eq!(id(&sent("msg_1", b"{}")), id(&sent("msg_1", b"{ }")));
    assert_ne!(id(&sent("msg_1", b"{}")), id(&sent("msg_2", b"{}")));
    let mut other = wants("standard", &[SECRET]);
    other.uid = crate::model::Uid::declared("workflow", "other");
    let first = sent("msg_1", b"{}");
    assert_ne!(id(&first), first.verified(&other).unwrap().id(), "of another workflow");
}

#[test]
fn h4_leaving_out_a_signature_makes_no_other_delivery() {
    let workflow = wants("stripe", &["whsec_one", "whsec_two"]);
    let signed = |secret: &str| {
        let signer = Signer::of(&scheme("stripe"), secret.as_bytes(), SecretEncoding::Text).unwrap();
        let arrived = Arrived::signed(&scheme("stripe"), &signer, "", "application/json", b"{}");
        arrived.headers["stripe-signature"].to_str().unwrap().to_owned()
    };
    let (one, two) = (signed("whsec_one"), signed("whsec_two"));
    let both = format!("{one},{}", two.split_once(',').unwrap().1);
    let arrived = |signature: &str| Arrived::with(&[("stripe-signature", signature)], "{}");
    let id = |signature: &str| arrived(signature).verified(&workflow).unwrap().id();
    assert_eq!(id(&both), id(&one));
    assert_eq!(id(&both), id(&two));
    for rotated in [&["whsec_two"][..], &["whsec_three", "whsec_one", "whsec_two"], &["whsec_two", "whsec_one"]] {
        let rotated = wants("stripe", rotated);
        assert_eq!(arrived(&both).verified(&rotated).unwrap().id(), id(&both), "a rotation makes none either");
    }
    let later = Arrived::with(&[("stripe-signature", &both)], "{ }");
    assert!(not_ours(later.verified(&workflow)));
}

/// What is signed is the same text; where its parts end is said by fields alone.
#[test]
fn h4_moving_the_ends_of_what_is_signed_makes_no_other_delivery() {
    let arrived = |template: &str, id: &str, at: &str, body: &str| {
        let scheme = Scheme {
            form: Form::Prefixed("".into()),
            signed: Part::template(template).0,
            ..custom(Algorithm::HmacSha256, Encoding::Hex, Clock::Seconds)
        };
        let signed = template.replace("{id}", id).replace("{timestamp}", at).replace("{body}", body);
        let made = key(&scheme, "hunter2").judge(&[signed.as_bytes()]).made().unwrap().to_vec();
        let signature = Encoding::Hex.encode(&made);
        let fields = [("x-acme-signature", &*signature), ("x-acme-id", id), ("x-acme-timestamp", at)];
        let workflow = workflow(scheme.clone(), vec![key(&scheme, "hunter2")]);
        Arrived::with(&fields, body).verified(&workflow).map(|verified| verified.id())
    };
    let (now, next) = ("1614265330", "1614265331");
    // As it was sent; and the same text with other ends.
    for (template, sent, moved) in [
        ("{id}{timestamp}{body}", ("a0", now, "{}"), ("a", "01614265330", "{}")),
        ("{id}{timestamp}{body}", ("a", now, "{\"at\":1614265331}"), ("a1614265330{\"at\":", next, "}")),
        ("{timestamp}{body}{id}", ("a", now, "{}"), ("}a", now, "{")),
        ("{timestamp}{id}{body}", ("a", now, "{}"), ("a{", now, "}")),
        ("{timestamp}.{body}.{id}", ("a", now, "{\"b\":.1}"), ("1}.a", now, "{\"b\":")),
        ("{timestamp}.{id}::{body}", ("a", now, ":{}"), ("a:", now, "{}")),
    ] {
        let first = arrived(template, sent.0, sent.1, sent.2).unwrap();
        match arrived(template, moved.0, moved.1, moved.2) {
            Ok(second) => assert_eq!(first, second, "{template}"),
            refused => assert!(malformed(refused), "{template}"),
        }
    }
    assert!(arrived("id:{id}.{timestamp}.{body}", "id:1", now, "{}").is_ok(), "what all begin with sets nothing apart");
}
