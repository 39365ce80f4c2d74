//! What an administrator sends: whole calls of the API, and the documents in their bodies.

use super::steer;
use super::wires::finish;
use crate::admin::{api::Api, guard::Door, json};
use crate::assembly::{self, Document, Holdings};
use crate::control::body::{Body, merge_patch};
use crate::control::transfer::given::Given;
use crate::control::{Control, Estate, InForce, NotReloaded};
use crate::http::h1::framing::{Framing, of_request};
use crate::http::h1::head;
use crate::limit::Limits;
use crate::live::{KeyChange, Live};
use crate::model::{Keys, Resource, Uid, token};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::{Arc, OnceLock};

const TOKEN: &str = "a-token-of-an-administrator";
const RESOURCES: &str = "
environments: [{ name: Production, default: true }, { name: Test }]
connections: [{ name: crm, base_url: 'https://crm.example' }]
workflows: [{ name: get, template: 'GET /customers/{id}', upstream: { Production: crm } }]
listeners: { inbound: [{ address: '127.0.0.1:0' }] }
";

/// A gateway that has only a file, in force for good.
struct Plane(Arc<Live>);

impl InForce for Plane {
    fn live(&self) -> Arc<Live> {
        self.0.clone()
    }

    fn change_keys(&self, _: Vec<KeyChange>) {
        unreachable!("nothing is stored")
    }

    fn replace_frame(&self, _: assembly::Assembled) -> anyhow::Result<u64> {
        unreachable!("nothing is stored")
    }

    fn reload(
        &self,
        _: &mut dyn FnMut(&Keys) -> Result<assembly::Assembled, assembly::Rejected>,
    ) -> Result<u64, NotReloaded> {
        unreachable!("nobody reads the file again")
    }
}

/// The API of that gateway, which one token opens.
fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let digest = token::Digest::of(TOKEN.as_bytes());
        let key = format!("keys: [{{ name: root, primary: '{digest}', scopes: [admin:read, admin:write] }}]");
        let text = format!("{RESOURCES}{key}");
        let read = assembly::from_text(&text, "keystile.yaml", Path::new("/"), &Holdings::default(), &Keys::default());
        let (assembled, written) = read.unwrap_or_else(|rejected| panic!("{rejected}"));
        let live = Live {
            limits: Limits::build(&assembled.snapshot, None),
            snapshot: assembled.snapshot,
            trust: Arc::new(assembled.trust),
            certificates: Arc::new(assembled.certificates),
            generation: 1,
        };
        let estate = Estate { written: Arc::new(written), holdings: Holdings::default() };
        let control = Control::new(Arc::new(Plane(Arc::new(live))), None, estate, None);
        Api::new(Arc::new(control.explaining(crate::app::explain)))
    })
}

/// A request as the API takes it: a head, and the body that it announces.
fn call(bytes: &[u8]) -> Option<Request<Full<Bytes>>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let parts = head::request(&Bytes::copy_from_slice(&bytes[..end])).ok()?;
    let rest = &bytes[end..];
    let body = match of_request(parts.version, &parts.headers).ok()? {
        Framing::Length(length) => rest.get(..usize::try_from(length).ok()?)?,
        Framing::Chunked => rest,
        Framing::Empty | Framing::UntilClose => b"",
    };
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    (*request.method_mut(), *request.uri_mut(), *request.version_mut()) = (parts.method, parts.uri, parts.version);
    *request.headers_mut() = parts.headers.into();
    Some(request)
}

/// A whole call: one reply, which is what was asked for or a problem document that repeats no token; and nothing but the
/// API's own description without the one token that opens it.
pub fn admin(bytes: &[u8]) {
    let ([how], bytes) = steer(bytes);
    let Some(mut request) = call(bytes) else { return };
    let bearer = format!("Bearer {TOKEN}");
    if how & 1 == 0 {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(&bearer).expect("a value"));
    }
    let lines: Vec<HeaderValue> = request.headers().get_all(AUTHORIZATION).iter().cloned().collect();
    let known = matches!(lines.as_slice(), [line] if line.as_bytes().trim_ascii().ends_with(TOKEN.as_bytes()));
    let path = request.uri().path().to_owned();
    let door = Door { address: ([127, 0, 0, 1], 8082).into(), tls: how & 2 != 0 };
    let (reply, body) = finish(async {
        let (reply, body) = api().answer(request, [127, 0, 0, 1].into(), door).await.into_parts();
        (reply, body.collect().await.expect("it is whole").to_bytes())
    });
    let described = matches!(path.as_str(), "/api/v1/openapi.json" | "/api/v1/docs");
    assert!(known || described || !reply.status.is_success(), "{path} without its token: {}", reply.status);
    // Whatever is to be changed wants a store, which is not there.
    assert!(!reply.status.is_server_error() || reply.status == 503, "{path}: {}", reply.status);
    let text = std::str::from_utf8(&body).expect("text");
    assert!(!text.contains(TOKEN), "a token is repeated");
    if reply.status.is_client_error() {
        let problem: Value = serde_json::from_str(text).expect("a problem document");
        assert_eq!(problem["status"], reply.status.as_u16());
        assert!(problem["code"].is_string() && problem["detail"].is_string() && problem["hint"].is_string());
    }
}

/// JSON in which no field stands twice, with its depth; read without the code that is held to it.
struct Strict {
    value: Value,
    depth: usize,
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

fn scalar<E>(value: impl Into<Value>) -> Result<Strict, E> {
    Ok(Strict { value: value.into(), depth: 0 })
}

impl<'de> Visitor<'de> for Any {
    type Value = Strict;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        scalar(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        scalar(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        scalar(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        scalar(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        scalar(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        let (mut list, mut depth) = (Vec::new(), 0);
        while let Some(one) = seq.next_element::<Strict>()? {
            depth = depth.max(one.depth);
            list.push(one.value);
        }
        Ok(Strict { value: Value::Array(list), depth: depth + 1 })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let (mut fields, mut depth) = (Map::new(), 0);
        while let Some((name, one)) = map.next_entry::<String, Strict>()? {
            depth = depth.max(one.depth);
            if fields.insert(name, one.value).is_some() {
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(Strict { value: Value::Object(fields), depth: depth + 1 })
    }
}

/// The text of a body: it is taken if it is an object without a repeated field, not too deep, and read as what it is;
/// secrets and tokens are taken out of it; and a patch that was applied changes nothing when it is applied again.
pub fn documents(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let strict = serde_json::from_str::<Strict>(text).ok().filter(|read| read.value.is_object() && read.depth <= 32);
    let names = json::object(text);
    assert_eq!(names.is_ok(), strict.is_some(), "{names:?}");
    let (Ok(mut names), Some(Strict { value: Value::Object(fields), .. })) = (names, strict) else { return };
    let mut there: Vec<&String> = fields.keys().collect();
    names.sort();
    there.sort();
    assert!(names.iter().eq(there), "other names");
    if let Ok(body) = Body::read(text) {
        for taken in ["name", "id", "secret", "primary", "secondary"] {
            assert!(!body.fields.contains_key(taken), "{taken} is left in it");
        }
        if let Some(Value::Object(webhook)) = body.fields.get("webhook") {
            assert!(!webhook.contains_key("secrets"), "a signing secret is left in it");
            assert!(webhook.get("verify_token").is_none_or(Value::is_null), "a token is left in it");
        }
        let shown = Value::Object(body.fields.clone()).to_string();
        assert!(!token::held_in(shown.as_bytes()), "a token is left in it");
        for kind in Resource::ALL {
            match Document::read(kind, Uid([1; 16]), "name", &body.fields) {
                Ok(document) => assert!(document.view().text("name") == Some("name"), "another name"),
                Err(mistakes) => assert!(mistakes.has_errors()),
            }
        }
    }
    if let Ok(given) = Given::read(text) {
        assert!(given.strangers.iter().all(|list| fields.contains_key(list)));
    }
    patched(&fields);
}

/// RFC 7396, over itself.
fn patched(fields: &Map<String, Value>) {
    let patch = match fields.get("patch") {
        Some(Value::Object(patch)) => patch,
        _ => fields,
    };
    let mut once = fields.clone();
    merge_patch(&mut once, patch.clone());
    let mut twice = once.clone();
    merge_patch(&mut twice, patch.clone());
    assert_eq!(once, twice);
    for (name, value) in patch {
        let now = once.get(name);
        match value {
            Value::Null => assert_eq!(now, None),
            Value::Object(_) => assert!(now.is_some_and(Value::is_object)),
            value => assert_eq!(now, Some(value)),
        }
    }
}
