//! `webhook` of a workflow that somebody sends: what is secret in it, apart from the rest.

use super::Hidden;
use crate::control::refusal::{Done, Refusal, Wrong};
use crate::model::Digest;
use serde::Deserialize;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use zeroize::Zeroizing;

/// A `webhook`, taken apart.
#[derive(Default)]
pub struct Webhook {
    /// Everything that is not secret; null takes the whole of it away.
    pub fields: Value,
    pub secrets: Option<Vec<Zeroizing<String>>>,
    pub verify_token: Option<Zeroizing<String>>,
}

impl<'de> Deserialize<'de> for Webhook {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Webhook, D::Error> {
        deserializer.deserialize_any(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Webhook;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or null")
    }

    fn visit_unit<E>(self) -> Result<Webhook, E> {
        Ok(Webhook::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Webhook, A::Error> {
        let (mut webhook, mut fields) = (Webhook::default(), Map::new());
        while let Some(field) = map.next_key::<String>()? {
            let twice = match field.as_str() {
                "secrets" => webhook.secrets.replace(map.next_value::<Texts>()?.0).is_some(),
                "verify_token" => match map.next_value::<Option<Hidden>>()? {
                    Some(token) => webhook.verify_token.replace(token.0).is_some(),
                    None => fields.insert(field, Value::Null).is_some(),
                },
                _ => fields.insert(field, map.next_value()?).is_some(),
            };
            if twice {
                return Err(A::Error::custom("a field twice"));
            }
        }
        Ok(Webhook { fields: Value::Object(fields), ..webhook })
    }
}

/// A list of texts that are wiped.
struct Texts(Vec<Zeroizing<String>>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        deserializer.deserialize_seq(Items)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of secrets")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<Hidden>()? {
            texts.push(text.0);
        }
        Ok(Texts(texts))
    }
}

/// The digest that stands for a handshake's token, or that it is.
pub fn digest_of(token: &str) -> Done<Digest> {
    let wrong =
        |reason: &str, remedy: &str| Err(Refusal::invalid(vec![Wrong::new("webhook.verify_token", reason, remedy)]));
    if token.starts_with("blake3:") {
        let digest = Digest::parse(token);
        return digest.map_or_else(|| wrong("not a digest", "blake3: and 64 hex digits, or the token itself"), Ok);
    }
    if ["env:", "file:", "vault:"].iter().any(|place| token.starts_with(place)) {
        return wrong("references stand in the configuration file alone", "send the token, or its digest blake3:…");
    }
    if token.is_empty() || token.chars().any(char::is_control) {
        return wrong("not a token", "send it as it was entered at the sender");
    }
    Ok(Digest::of(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use crate::control::body::Body;
    use crate::model::Digest;
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<Body, &'static str> {
        let mut body = Body::read(&body.to_string()).map_err(|refusal| refusal.code)?;
        body.keep_digest().map_err(|refusal| refusal.code)?;
        Ok(body)
    }

    #[test]
    fn h1_what_is_secret_of_a_webhook_is_taken_out_of_it() {
        let webhook = json!({ "scheme": "stripe", "secrets": ["one", "two"], "verify_token": "sesame" });
        let body = read(&json!({ "name": "a", "webhook": webhook })).unwrap();
        assert_eq!(
            body.signing.map(|list| list.iter().map(|s| s.to_string()).collect()),
            Some(vec!["one".to_owned(), "two".to_owned()])
        );
        let digest = Digest::of(b"sesame").to_string();
        assert_eq!(Value::Object(body.fields), json!({ "webhook": { "scheme": "stripe", "verify_token": digest } }));
        let gone = read(&json!({ "webhook": null })).unwrap();
        assert_eq!((gone.fields["webhook"].clone(), gone.signing.is_none()), (Value::Null, true));
        let forgotten = read(&json!({ "webhook": { "verify_token": null } })).unwrap();
        assert_eq!(forgotten.fields["webhook"], json!({ "verify_token": null }));
    }

    #[test]
    fn t1a_a_handshakes_token_is_a_token_or_a_digest_and_never_a_reference() {
        let digest = Digest::of(b"sesame").to_string();
        let kept = read(&json!({ "webhook": { "verify_token": digest } })).unwrap();
        assert_eq!(kept.fields["webhook"]["verify_token"], digest);
        for bad in ["env:TOKEN", "file:/etc/passwd", "vault:x", "blake3:12", "", "a\nb"] {
            assert_eq!(read(&json!({ "webhook": { "verify_token": bad } })).err(), Some("invalid"), "{bad}");
        }
    }

    #[test]
    fn secrets_are_a_list_of_texts() {
        for bad in [json!("one"), json!(null), json!([1]), json!([{ "number": 1 }]), json!([null]), json!({})] {
            assert_eq!(read(&json!({ "webhook": { "secrets": bad } })).err(), Some("bad_body"), "{bad}");
        }
        for bad in [json!([]), json!("stripe"), json!(1), json!(true)] {
            assert_eq!(read(&json!({ "webhook": bad })).err(), Some("bad_body"), "{bad}");
        }
    }
}
