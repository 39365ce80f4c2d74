//! T7 through the API: why a request would be refused, decided by what is in force. Nothing is sent or charged.

use super::access::Actor;
use super::refusal::{Done, Refusal, Wrong, broken};
use super::state::Control;
use crate::serving::asked::{Asked, Unclear};
use crate::telemetry::timestamp::now_ms;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv4Addr};
use zeroize::Zeroizing;

impl Control {
    /// `body` says `method` and `url`, and may say `key`, `headers`, `address`, `listener` and `body` or
    /// `body_base64`.
    pub async fn explain(&self, actor: &Actor, body: Value) -> Done<Value> {
        actor.may_read()?;
        let explainer = self.explainer.ok_or_else(|| Refusal::internal("there is nobody who explains"))?;
        let asked = read(body).map_err(Refusal::invalid)?;
        let live = self.live();
        let put = asked.put(&live.snapshot, now_ms());
        let unclear = |Unclear { field, reason, remedy }| Refusal::invalid(vec![Wrong::new(field, reason, remedy)]);
        let (listener, question) = put.map_err(unclear)?;
        serde_json::to_value(explainer(&live.snapshot, listener, question)).map_err(broken)
    }
}

/// All mistakes at once.
fn read(body: Value) -> Result<Asked, Vec<Wrong>> {
    let Value::Object(mut body) = body else {
        return Err(vec![Wrong::new("", "it is no object", r#"write {"method": "GET", "url": "/customers/7"}"#)]);
    };
    let mut wrong = Vec::new();
    let method = text(&mut body, "method", &mut wrong);
    let url = text(&mut body, "url", &mut wrong);
    for (field, given) in [("method", &method), ("url", &url)] {
        if given.is_none() && !wrong.iter().any(|wrong| wrong.field == field) {
            wrong.push(Wrong::new(field, format!("the required field `{field}` is missing"), "say what is asked for"));
        }
    }
    let key = text(&mut body, "key", &mut wrong);
    let listener = text(&mut body, "listener", &mut wrong);
    let address: Option<IpAddr> = text(&mut body, "address", &mut wrong).and_then(|address| {
        let parsed = address.parse().ok();
        if parsed.is_none() {
            wrong.push(Wrong::new("address", "not an IP address", "write 192.0.2.7 or 2001:db8::7"));
        }
        parsed
    });
    let headers = headers(body.remove("headers"), &mut wrong);
    let sent = sent(&mut body, &mut wrong);
    for field in body.keys() {
        wrong.push(Wrong::new(
            field,
            "unknown field",
            "it takes method, url, key, headers, address, listener, body, body_base64",
        ));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Asked {
        method: method.unwrap_or_default(),
        url: Zeroizing::new(url.unwrap_or_default()),
        key,
        headers,
        peer: address.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        listener,
        certificate: None,
        body: sent,
    })
}

/// What the request sends, as it is written or in base64.
fn sent(body: &mut Map<String, Value>, wrong: &mut Vec<Wrong>) -> Option<Bytes> {
    let (plain, encoded) = (text(body, "body", wrong), text(body, "body_base64", wrong));
    match (plain, encoded) {
        (None, None) => None,
        (Some(plain), None) => Some(plain.into()),
        (None, Some(encoded)) => {
            let bytes = STANDARD.decode(encoded).ok();
            if bytes.is_none() {
                wrong.push(Wrong::new("body_base64", "not base64", "write it with the standard alphabet, padded"));
            }
            bytes.map(Bytes::from)
        }
        (Some(_), Some(_)) => {
            wrong.push(Wrong::new("body_base64", "there are two bodies", "write body or body_base64"));
            None
        }
    }
}

fn text(body: &mut Map<String, Value>, field: &str, wrong: &mut Vec<Wrong>) -> Option<String> {
    match body.remove(field) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => {
            wrong.push(Wrong::new(field, "not a text", "write it in quotation marks"));
            None
        }
    }
}

type Headers = Vec<(Zeroizing<String>, Zeroizing<String>)>;

fn headers(given: Option<Value>, wrong: &mut Vec<Wrong>) -> Headers {
    let remedy = r#"write {"X-Name": "value"}"#;
    let fields = match given {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Object(fields)) => fields,
        Some(_) => {
            wrong.push(Wrong::new("headers", "not an object", remedy));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (name, value) in fields {
        match value {
            Value::String(value) => found.push((Zeroizing::new(name), Zeroizing::new(value))),
            // The name is not repeated: people paste tokens into it.
            _ => wrong.push(Wrong::new("headers", "a value is not a text", remedy)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn t7_a_body_is_read_whole_or_all_its_mistakes_are_told() {
        let asked = read(json!({ "method": "GET", "url": "/a", "key": "acme", "headers": { "X-One": "1" },
            "address": "192.0.2.7", "listener": null }));
        let asked = asked.ok().unwrap();
        assert_eq!((asked.peer.to_string(), asked.headers.len()), ("192.0.2.7".to_owned(), 1));
        assert_eq!(asked.body, None);
        let sent = |more: Value| {
            let mut body = json!({ "method": "POST", "url": "/a" });
            body.as_object_mut()?.extend(more.as_object()?.clone());
            read(body).ok()?.body
        };
        assert_eq!(sent(json!({ "body": "{}\n" })).unwrap(), "{}\n");
        assert_eq!(sent(json!({ "body_base64": "/wA=" })).unwrap(), [0xff, 0][..]);
        assert_eq!(sent(json!({ "body_base64": "/wA" })), None);
        assert_eq!(sent(json!({ "body": "", "body_base64": "" })), None, "there are two");
        let wrong = read(json!({ "url": 7, "address": "here", "headers": { "X": 1 }, "hosts": "x" })).err().unwrap();
        let mut fields: Vec<&str> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["address", "headers", "hosts", "method", "url"]);
    }
}
