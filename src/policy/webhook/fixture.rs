//! A workflow that wants signatures, for the tests of this floor and of those above.

use super::{Addressed, Claim, Signed, Signer, Unsent, Verified, sign};
use crate::model::webhook::{LastUsed, Require, Scheme, SecretEncoding, Signature, SigningKey, SigningSecret, Webhook};
use crate::model::{Denial, EnvironmentId, Uid, Workflow};
use crate::model::{Fields, RequestHead};
use crate::policy::fixture;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Uri};
use std::sync::Arc;
use std::time::Duration;

/// When everything here happens, in Unix milliseconds.
pub const NOW: i64 = 1_614_265_330_000;

/// A secret that any scheme takes.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One of the workflow's secrets.
pub fn secret(key: SigningKey, label: &str) -> SigningSecret {
    SigningSecret { uid: Uid::declared("secret", label), label: label.into(), key, used: Arc::new(LastUsed::default()) }
}

/// The key of a secret as it is written.
pub fn key(scheme: &Scheme, written: &str) -> SigningKey {
    SigningKey::of(scheme, written.as_bytes(), SecretEncoding::Text).expect("a secret of the fixture")
}

/// `post` of the small world, which wants signatures of `scheme` by any of these keys.
pub fn workflow(scheme: Scheme, keys: Vec<SigningKey>) -> Workflow {
    let secrets = keys.into_iter().enumerate().map(|(at, key)| secret(key, &format!("secret {at}"))).collect();
    let tolerance = scheme.timestamp.is_some().then_some(Duration::from_secs(300));
    let mut workflow = fixture::workflow(1, "post", "POST /orders/{rest...}", Vec::new());
    workflow.webhook = Some(Box::new(Webhook {
        require: Require::Signature,
        username: HeaderValue::from_str(&format!("Webhook: post/{}", scheme.name)).expect("a name"),
        signature: Some(Signature { scheme, secrets, tolerance, public_url: None }),
        environment: EnvironmentId(0),
        handshake: None,
        replays: None,
    }));
    workflow
}

/// A delivery, as it arrives.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub method: Method,
    pub url: Uri,
    pub headers: Fields,
    pub body: Vec<u8>,
}

impl Arrived {
    /// A delivery with these fields, to `https://hooks.example.com/orders/1`.
    pub fn with(fields: &[(&'static str, &str)], body: &str) -> Arrived {
        let mut headers = Fields::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value of the fixture"));
        }
        Arrived {
            method: Method::POST,
            url: Uri::from_static("https://hooks.example.com/orders/1"),
            headers,
            body: body.into(),
        }
    }

    /// What a sender of `scheme` sends, signed at [`NOW`].
    pub fn signed(scheme: &Scheme, signer: &Signer, id: &str, content_type: &'static str, body: &[u8]) -> Arrived {
        let mut arrived = Arrived::with(&[("content-type", content_type)], "");
        arrived.body = body.to_vec();
        let unsent = Unsent {
            at: NOW,
            id,
            method: &arrived.method,
            url: &arrived.url,
            content_type: arrived.headers.get(CONTENT_TYPE),
            body,
        };
        let Signed { url, headers } = sign(scheme, signer, &unsent).expect("a signature");
        arrived.url = url;
        arrived.headers.extend(headers);
        arrived
    }

    /// What is found of it, at [`NOW`].
    pub fn verified<'s>(&self, workflow: &'s Workflow) -> Result<Verified<'s>, Denial> {
        self.verified_at(workflow, NOW)
    }

    pub fn verified_at<'s>(&self, workflow: &'s Workflow, now: i64) -> Result<Verified<'s>, Denial> {
        let claim = Claim::read(workflow, &self.headers, false, now)?.expect("the workflow wants a signature");
        let host = self.url.authority().map(|authority| authority.as_str());
        let https = self.url.scheme_str() != Some("http");
        let addressed = Addressed { method: &self.method, uri: &self.url, host, https };
        claim.verify(&self.parts(), &addressed, &self.body)
    }

    fn parts(&self) -> RequestHead {
        RequestHead { headers: self.headers.clone(), ..RequestHead::default() }
    }
}
