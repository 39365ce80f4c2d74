//! What an administrator sends: JSON with the configuration's field names. Tokens and secrets are taken out of it before
//! anything else looks at it.

mod webhook;

use self::webhook::{Webhook, digest_of};
use super::refusal::{Done, Refusal, Wrong};
use crate::model::token::{self, Shape};
use crate::model::{Digest, Resource, Slot, Uid};
use http::StatusCode;
use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use zeroize::Zeroizing;

/// A body, taken apart.
#[derive(Default)]
pub struct Body {
    pub name: Option<String>,
    pub id: Option<Uid>,
    pub secret: Option<Zeroizing<String>>,
    pub primary: Option<Zeroizing<String>>,
    pub secondary: Option<Zeroizing<String>>,
    /// `webhook.secrets`.
    pub signing: Option<Vec<Zeroizing<String>>>,
    /// `webhook.verify_token`, until [`Body::keep_digest`].
    verify_token: Option<Zeroizing<String>>,
    /// Everything else.
    pub fields: Map<String, Value>,
}

impl Body {
    pub fn read(text: &str) -> Done<Body> {
        let body: Body = serde_json::from_str(text).map_err(|error| {
            // The parser's words quote what it read, which may be a secret.
            let place = format!("line {}, column {}", error.line(), error.column());
            let detail = match error.classify() {
                serde_json::error::Category::Data => format!("the body does not have the right form ({place})"),
                _ => format!("the body is not JSON ({place})"),
            };
            let hint = "send a JSON object, each field once; /api/v1/openapi.json describes it";
            Refusal::new(StatusCode::BAD_REQUEST, "bad_body", detail, hint)
        })?;
        body.without_tokens("")?;
        Ok(body)
    }

    /// T3: what only describes something is kept, shown and audited as it is, so no token may stand in it.
    pub fn without_tokens(&self, place: &str) -> Done<()> {
        let holds = |(name, value): &(&String, &Value)| {
            token::held_in(name.as_bytes()) || token::held_in(value.to_string().as_bytes())
        };
        let Some((name, _)) = self.fields.iter().find(holds) else { return Ok(()) };
        let dot = if place.is_empty() { "" } else { "." };
        let wrong = Wrong::new(
            &format!("{place}{dot}{name}"),
            "a token stands in it, where it would be kept in the clear",
            "take it out, and regenerate the token: it was sent to a place that is not meant for it",
        );
        Err(Refusal::invalid(vec![wrong]))
    }

    /// Secrets and tokens have no place in what only describes something.
    pub fn without_secrets(&self, kind: Resource, name: &str) -> Done<()> {
        self.without_strangers(kind)?;
        let (field, hint) = match (&self.secret, &self.primary, &self.secondary) {
            (Some(_), ..) => ("secret", format!("PUT /api/v1/connections/{name}/secret")),
            (None, None, None) => return Ok(()),
            _ => ("primary or secondary", format!("POST /api/v1/keys/{name}/slots/primary/regenerate")),
        };
        Err(Refusal::invalid(vec![Wrong::new(field, format!("{field} is not changed this way"), hint)]))
    }

    /// What was taken out of the body is a field of connections or of keys, and of nothing else.
    pub fn without_strangers(&self, kind: Resource) -> Done<()> {
        let (connection, key) = (kind == Resource::Connection, kind == Resource::Key);
        let strange = [
            ("secret", self.secret.is_some() && !connection, "leave it out: connections alone have secrets"),
            ("primary", self.primary.is_some() && !key, "leave it out: keys alone have tokens"),
            ("secondary", self.secondary.is_some() && !key, "leave it out: keys alone have tokens"),
        ];
        let wrongs = strange.iter().filter(|(_, is_there, _)| *is_there);
        let wrongs: Vec<Wrong> = wrongs.map(|(field, _, remedy)| Wrong::new(field, "unknown field", *remedy)).collect();
        if wrongs.is_empty() { Ok(()) } else { Err(Refusal::invalid(wrongs)) }
    }

    /// K9: of a handshake's token only the digest is kept.
    pub fn keep_digest(&mut self) -> Done<()> {
        let (Some(token), Some(Value::Object(webhook))) = (self.verify_token.take(), self.fields.get_mut("webhook"))
        else {
            return Ok(());
        };
        webhook.insert("verify_token".to_owned(), digest_of(&token)?.to_string().into());
        Ok(())
    }

    /// What is shown may be sent back whole; another's id is a mistake.
    pub fn keeps_id(&self, own: Uid) -> Done<()> {
        match self.id {
            Some(id) if id != own => {
                let wrong =
                    Wrong::new("id", "an id never changes", "leave it out; name the one that is meant in the path");
                Err(Refusal::invalid(vec![wrong]))
            }
            _ => Ok(()),
        }
    }

    /// K9: the digest of a token that is taken over from elsewhere.
    pub fn imported(&self, slot: Slot) -> Done<Option<Digest>> {
        let given = match slot {
            Slot::Primary => &self.primary,
            Slot::Secondary => &self.secondary,
        };
        let Some(given) = given else { return Ok(None) };
        let wrong = |reason: &str| {
            let remedy = "blake3:DIGEST, a kst_ token, or 20 to 512 printable ASCII characters";
            Err(Refusal::invalid(vec![Wrong::new(slot.name(), reason, remedy)]))
        };
        if given.starts_with("blake3:") {
            return Digest::parse(given)
                .map_or_else(|| wrong("not a digest: blake3: and 64 hex digits"), |d| Ok(Some(d)));
        }
        if ["env:", "file:", "vault:"].iter().any(|place| given.starts_with(place)) {
            return wrong("references stand in the configuration file alone");
        }
        match token::shape(given.as_bytes()) {
            Shape::WellFormed | Shape::Foreign => Ok(Some(Digest::of(given.as_bytes()))),
            Shape::Malformed => wrong("not a token"),
        }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        let mut body = Body::default();
        while let Some(field) = map.next_key::<String>()? {
            let twice = match field.as_str() {
                "name" => body.name.replace(map.next_value()?).is_some(),
                "id" => body.id.replace(map.next_value()?).is_some(),
                "secret" => body.secret.replace(map.next_value::<Hidden>()?.0).is_some(),
                "primary" => body.primary.replace(map.next_value::<Hidden>()?.0).is_some(),
                "secondary" => body.secondary.replace(map.next_value::<Hidden>()?.0).is_some(),
                "webhook" => {
                    let Webhook { fields, secrets, verify_token } = map.next_value()?;
                    (body.signing, body.verify_token) = (secrets, verify_token);
                    body.fields.insert(field, fields).is_some()
                }
                _ => body.fields.insert(field, map.next_value()?).is_some(),
            };
            if twice {
                return Err(A::Error::custom("a field twice"));
            }
        }
        Ok(body)
    }
}

/// Text that is wiped.
struct Hidden(Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hidden, D::Error> {
        String::deserialize(deserializer).map(|text| Hidden(Zeroizing::new(text)))
    }
}

/// RFC 7396.
pub fn merge_patch(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(fields) => {
                let place = target.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                if let Value::Object(inner) = place {
                    merge_patch(inner, fields);
                }
            }
            value => {
                target.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_taken_out_and_fields_come_once() {
        let body = Body::read(r#"{"name":"a","secret":"s3cr3t","base_url":"https://a"}"#).ok().unwrap();
        assert_eq!(body.secret.as_deref().map(String::as_str), Some("s3cr3t"));
        assert_eq!(Value::Object(body.fields), json!({"base_url": "https://a"}));
        for bad in [r#"{"a":1,"a":2}"#, r#"{"secret":"a","secret":"b"}"#, "[]", "", "{", r#"{"secret":424242}"#] {
            let refusal = Body::read(bad).err().unwrap();
            assert_eq!(refusal.code, "bad_body", "{bad}");
            assert!(!refusal.detail.contains("424242"), "{}", refusal.detail);
        }
    }

    #[test]
    fn k9_tokens_are_taken_over_as_digests_or_values_and_never_as_references() {
        let slot = |text: &str| {
            let body = Body { primary: Some(Zeroizing::new(text.to_owned())), ..Body::default() };
            body.imported(Slot::Primary).map_err(|refusal| refusal.code)
        };
        let digest = Digest::of(b"legacy-token-0123456789");
        assert_eq!(slot("legacy-token-0123456789"), Ok(Some(digest)));
        assert_eq!(slot(&digest.to_string()), Ok(Some(digest)));
        for bad in ["env:TOKEN_OF_SOMEBODY_ELSE", "file:/etc/passwd-or-so-and-more", "short", "blake3:12", "kst_wrong"]
        {
            assert_eq!(slot(bad), Err("invalid"), "{bad}");
        }
    }

    #[test]
    fn rfc_7396() {
        let patched = |target: Value, patch: Value| {
            let (Value::Object(mut target), Value::Object(patch)) = (target, patch) else { panic!() };
            merge_patch(&mut target, patch);
            Value::Object(target)
        };
        assert_eq!(patched(json!({"a": "b"}), json!({"a": "c"})), json!({"a": "c"}));
        assert_eq!(patched(json!({"a": "b", "b": "c"}), json!({"a": null})), json!({"b": "c"}));
        assert_eq!(patched(json!({"a": ["b"]}), json!({"a": "c"})), json!({"a": "c"}));
        assert_eq!(patched(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}})), json!({"a": {"b": "d"}}));
        assert_eq!(patched(json!({"e": null}), json!({"a": 1})), json!({"e": null, "a": 1}));
        assert_eq!(patched(json!({}), json!({"a": {"bb": {"ccc": null}}})), json!({"a": {"bb": {}}}));
    }
}
