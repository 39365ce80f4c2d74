//! H6: what senders want to hear before they deliver. What is said back is text, short, and nothing that a reader could take
//! for more.

use crate::model::Denial;
use crate::model::token::Digest;
use crate::model::webhook::Handshake;
use crate::policy::query::{self, Pair};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::Method;
use serde::Deserialize;

/// The longest that is said back: challenges are tokens of a few dozen characters.
const LONGEST: usize = 4 * 1024;

/// A handshake, as far as its URL tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// Wants to hear this.
    Echo(String),
    /// Shows another token than the one that was agreed.
    WrongToken,
}

/// What a request without a body wants to hear back, if `handshake` is what it asks for. `bad_request` if it asks in a way
/// that has two answers, or for something that is not said.
pub fn greeting(handshake: &Handshake, method: &Method, query: Option<&str>) -> Result<Option<Greeting>, Denial> {
    let (by, name) = match handshake {
        Handshake::Slack => return Ok(None),
        Handshake::Meta { .. } => (Method::GET, "hub.challenge"),
        Handshake::Dropbox => (Method::GET, "challenge"),
        Handshake::Microsoft => (Method::POST, "validationToken"),
    };
    if *method != by {
        return Ok(None);
    }
    if let Handshake::Meta { verify_token } = handshake {
        if only(query, "hub.mode")?.is_none_or(|mode| mode != b"subscribe") {
            return Ok(None);
        }
        let token = only(query, "hub.verify_token")?.unwrap_or_default();
        if verify_slices_are_equal(&Digest::of(&token).0, &verify_token.0).is_err() {
            return Ok(Some(Greeting::WrongToken));
        }
    }
    match (only(query, name)?, handshake) {
        (Some(challenge), _) => Ok(Some(Greeting::Echo(sayable(challenge)?))),
        (None, Handshake::Meta { .. }) => Err(Denial::BadRequest("the handshake has no hub.challenge")),
        (None, _) => Ok(None),
    }
}

/// Slack's: what a delivery that is verified wants to hear back, if it is no event but the question.
pub fn challenge(body: &[u8]) -> Result<Option<String>, Denial> {
    #[derive(Deserialize)]
    struct Question {
        r#type: String,
        challenge: Option<String>,
    }
    /// What stands around the challenge: a token that is no longer used.
    const AROUND: usize = 4 * 1024;
    if body.len() > LONGEST + AROUND {
        return Ok(None);
    }
    match serde_json::from_slice(body) {
        Ok(Question { r#type, challenge }) if r#type == "url_verification" => {
            sayable(challenge.unwrap_or_default().into_bytes()).map(Some)
        }
        _ => Ok(None),
    }
}

/// The value of a parameter that may stand once.
fn only(query: Option<&str>, name: &str) -> Result<Option<Vec<u8>>, Denial> {
    let mut values = query.into_iter().flat_map(query::pairs).filter(|pair: &Pair<'_>| pair.is(name));
    match (values.next(), values.next()) {
        (first, None) => Ok(first.map(|pair| pair.decoded_value().into_owned())),
        (_, Some(_)) => Err(Denial::BadRequest("a parameter of the handshake is repeated")),
    }
}

fn sayable(text: Vec<u8>) -> Result<String, Denial> {
    match String::from_utf8(text) {
        Ok(text) if text.len() > LONGEST => Err(Denial::BadRequest("the challenge is too long to repeat")),
        Ok(text) if !text.is_empty() && !text.contains(char::is_control) => Ok(text),
        _ => Err(Denial::BadRequest("the challenge is empty, or no text that could be repeated")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Handshake {
        Handshake::Meta { verify_token: Digest::of(b"to ken") }
    }

    /// What is said, `-` for no handshake, or what is wrong.
    fn heard(handshake: &Handshake, method: Method, query: &str) -> String {
        match greeting(handshake, &method, Some(query)) {
            Ok(Some(Greeting::Echo(text))) => format!("\"{text}\""),
            Ok(Some(Greeting::WrongToken)) => "wrong token".to_owned(),
            Ok(None) => "-".to_owned(),
            Err(denial) => denial.code().to_owned(),
        }
    }

    #[test]
    fn h6_meta_hears_its_challenge_if_it_knows_the_token() {
        let get = |query: &str| heard(&meta(), Method::GET, query);
        assert_eq!(get("hub.mode=subscribe&hub.verify_token=to+ken&hub.challenge=1158201444"), "\"1158201444\"");
        assert_eq!(get("hub%2Emode=subscribe&hub.verify_token=to%20ken&hub.challenge=a%26b"), "\"a&b\"");
        for other in ["to+kem", "", "to+ken+", "TO+KEN"] {
            let query = format!("hub.mode=subscribe&hub.verify_token={other}&hub.challenge=1");
            assert_eq!(get(&query), "wrong token", "{other}");
        }
        assert_eq!(get("hub.mode=subscribe&hub.challenge=1"), "wrong token");
        assert_eq!(get("hub.mode=subscribe&hub.verify_token=to+ken"), "bad_request");
        for none in [
            "",
            "hub.mode=unsubscribe&hub.verify_token=to+ken&hub.challenge=1",
            "hub.challenge=1",
            "Hub.Mode=subscribe",
        ] {
            assert_eq!(get(none), "-", "{none}");
        }
        assert_eq!(heard(&meta(), Method::POST, "hub.mode=subscribe&hub.verify_token=to+ken&hub.challenge=1"), "-");
    }

    #[test]
    fn h6_dropbox_and_microsoft_hear_theirs() {
        assert_eq!(heard(&Handshake::Dropbox, Method::GET, "challenge=a-B_1"), "\"a-B_1\"");
        assert_eq!(heard(&Handshake::Dropbox, Method::HEAD, "challenge=a"), "-");
        assert_eq!(heard(&Handshake::Dropbox, Method::POST, "challenge=a"), "-");
        assert_eq!(heard(&Handshake::Dropbox, Method::GET, "Challenge=a"), "-");
        let said = heard(&Handshake::Microsoft, Method::POST, "validationToken=Validation%3a+Testing+%c3%a9&x=1");
        assert_eq!(said, "\"Validation: Testing é\"");
        assert_eq!(heard(&Handshake::Microsoft, Method::GET, "validationToken=a"), "-");
        assert_eq!(heard(&Handshake::Slack, Method::POST, "challenge=a"), "-");
    }

    #[test]
    fn h6_what_could_be_read_in_two_ways_or_is_no_short_text_is_not_said() {
        let long = format!("challenge={}", "a".repeat(LONGEST + 1));
        let queries = [
            "challenge=a&challenge=a",
            "challenge=a&ch%61llenge=b",
            "challenge=",
            "challenge",
            "challenge=%0d%0aSet-Cookie:x",
            "challenge=%00",
            "challenge=%ff",
            "challenge=%c2%85",
            &long,
        ];
        for query in queries {
            assert_eq!(heard(&Handshake::Dropbox, Method::GET, query), "bad_request", "{query:.40}");
        }
        let twice = "hub.mode=subscribe&hub.mode=subscribe&hub.verify_token=to+ken&hub.challenge=1";
        assert_eq!(heard(&meta(), Method::GET, twice), "bad_request");
        let longest = format!("challenge={}", "a".repeat(LONGEST));
        assert!(heard(&Handshake::Dropbox, Method::GET, &longest).starts_with('"'));
    }

    #[test]
    fn h6_slack_hears_its_challenge_and_nothing_else_is_taken_for_one() {
        let said = challenge(br#"{"token":"x","challenge":"3eZb","type":"url_verification"}"#);
        assert_eq!(said, Ok(Some("3eZb".to_owned())));
        let large = format!(r#"{{"type":"url_verification","challenge":"a","more":"{}"}}"#, "a".repeat(9000));
        for event in [
            "",
            "{}",
            "null",
            r#"{"type":"event_callback","challenge":"a"}"#,
            r#"{"challenge":"a"}"#,
            r#"[{"type":"url_verification","challenge":"a"}]"#,
            r#"{"type":"url_verification","type":"url_verification","challenge":"a"}"#,
            r#"{"event":{"type":"url_verification","challenge":"a"}}"#,
            "payload=%7B%22type%22%3A%22url_verification%22%7D",
            &large,
        ] {
            assert_eq!(challenge(event.as_bytes()), Ok(None), "{event:.60}");
        }
        for unsayable in [r#"{"type":"url_verification"}"#, r#"{"type":"url_verification","challenge":"a\nb"}"#] {
            assert!(challenge(unsayable.as_bytes()).is_err(), "{unsayable}");
        }
    }
}
