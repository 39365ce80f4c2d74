//! C8: the catalogue's rules over the replies that providers document.

use super::connectors::Catalogue;
use crate::connector::{Choice, Connector, Reply, Verdict, Verify};
use crate::model::Fields;
use http::{HeaderName, HeaderValue, StatusCode};
use replies::CASES;

#[path = "../../tests/spec/support/replies.rs"]
mod replies;

fn verify(connector: &Connector) -> Verify {
    let fields: Vec<(&str, &str)> = connector.fields.iter().map(|f| (f.name.as_str(), f.example.as_str())).collect();
    let choice = Choice { region: None, fields: &fields, own_base_url: true, own_inject: false };
    connector.outfit(&choice).unwrap().verify.unwrap()
}

fn judged(verify: &Verify, status: u16, headers: &[(&'static str, &'static str)], body: &str, whole: bool) -> Verdict {
    let headers: Fields =
        headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
    let status = StatusCode::from_u16(status).unwrap();
    Verdict::of_reply(verify, &Reply { status, headers: &headers, body: body.as_bytes(), whole })
}

#[test]
fn c8_documented_replies_mean_what_they_should() {
    let catalogue = Catalogue::built_in();
    for case in CASES {
        let verify = verify(catalogue.named(case.connector).unwrap());
        let verdict = judged(&verify, case.status, case.headers, case.body, true);
        assert_eq!(verdict.meaning, case.meaning, "{} {} {}", case.connector, case.status, case.body);
    }
    for connector in catalogue.iter().filter(|c| c.verify.is_some()) {
        let verify = verify(connector);
        let cases = CASES.iter().filter(|c| *c.connector == *connector.name);
        let said: Vec<String> = cases.map(|c| judged(&verify, c.status, c.headers, c.body, true).says).collect();
        for rule in &verify.rules {
            assert!(said.contains(&rule.says), "{} never says: {}", connector.name, rule.says);
        }
    }
}

/// Half of a reply may leave the question open, and never turns one verdict into another.
#[test]
fn c8_a_reply_that_was_cut_off_says_the_same_or_nothing() {
    let catalogue = Catalogue::built_in();
    for case in CASES {
        let verify = verify(catalogue.named(case.connector).unwrap());
        for end in (0..=case.body.len()).filter(|end| case.body.is_char_boundary(*end)) {
            let verdict = judged(&verify, case.status, case.headers, &case.body[..end], false);
            let fine = verdict.meaning == case.meaning || verdict.meaning == "inconclusive";
            assert!(fine, "{} {} {}: {}", case.connector, case.status, &case.body[..end], verdict.meaning);
        }
    }
}

#[test]
fn c8_redirects_limits_and_failures_are_never_a_bad_key() {
    for connector in Catalogue::built_in().iter().filter(|c| c.verify.is_some()) {
        let verify = verify(connector);
        for (status, meaning) in [
            (301, "inconclusive"),
            (302, "inconclusive"),
            (307, "inconclusive"),
            (429, "inconclusive"),
            (418, "inconclusive"),
            (500, "provider_down"),
            (502, "provider_down"),
            (503, "provider_down"),
        ] {
            let words = "invalid_token API_KEY_INVALID account_invalid Unauthorized";
            assert_eq!(judged(&verify, status, &[], words, true).meaning, meaning, "{} {status}", connector.name);
        }
    }
}

/// Every verdict that is not good news says what to do about it.
#[test]
fn c8_a_no_comes_with_a_remedy() {
    let catalogue = Catalogue::built_in();
    for rule in catalogue.iter().filter_map(|c| c.verify.as_ref()).flat_map(|v| &v.rules) {
        let error = rule.meaning.state() == crate::connector::State::Error;
        assert!(!error || rule.remedy.is_some(), "{}", rule.says);
        assert!(rule.says.ends_with('.') && !rule.says.contains("{secret}"), "{}", rule.says);
    }
}
