//! The other side: what a sender of any scheme sends. For trying a route out, and for the tests of what verifies.

use super::claim::Addressed;
use super::form::{self, Unsigned};
use super::message::{Made, Signable};
use super::timestamp;
use crate::model::webhook::{Algorithm, Form, Part, Scheme, SecretEncoding, SigningKey, TimestampPlace};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use http::{HeaderName, HeaderValue, Method, Uri};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use zeroize::Zeroizing;

/// What a sender signs with.
pub enum Signer {
    /// The secret that both sides have.
    Hmac(SigningKey),
    /// The private key, whose public one the receiver has.
    Ed25519(Box<Ed25519KeyPair>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// Standard Webhooks' private keys.
const PRIVATE_KEY: &[u8] = b"whsk_";
const PEM: &[u8] = b"-----BEGIN ";
const SEED: usize = 32;

impl Signer {
    /// Of a secret as its provider writes it; of an Ed25519 private key as PKCS#8 in PEM, as a seed of 32 bytes, or as
    /// Standard Webhooks writes it. Errors say what is wrong, and nothing of the secret.
    pub fn of(scheme: &Scheme, written: &[u8], encoding: SecretEncoding) -> Result<Signer, &'static str> {
        if written.starts_with(PEM) {
            return Signer::pem(written);
        }
        match (&scheme.form, written.strip_prefix(PRIVATE_KEY)) {
            (Form::Versions, Some(private)) => Signer::seed(&SecretEncoding::Base64.decode(private)?),
            (Form::Versions, None) if written.starts_with(b"whpk_") => {
                Err("it is a public key, which signs nothing; give the private one, which begins with whsk_")
            }
            _ if scheme.algorithm == Algorithm::Ed25519 => Signer::seed(&encoding.decode(written)?),
            _ => SigningKey::of(scheme, written, encoding).map(Signer::Hmac),
        }
    }

    fn pem(written: &[u8]) -> Result<Signer, &'static str> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(written).map_err(|_| "it is no private key in PEM (PKCS#8)")?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(|pair| Signer::Ed25519(Box::new(pair))).map_err(|_| "it is no Ed25519 private key")
    }

    /// The seed, which the public key may follow.
    fn seed(bytes: &Zeroizing<Vec<u8>>) -> Result<Signer, &'static str> {
        const WRONG: &str = "it is no Ed25519 private key, which has 32 bytes in hex or base64, or is PKCS#8 in PEM";
        let (seed, public) = bytes.split_at_checked(SEED).ok_or(WRONG)?;
        let pair = match public {
            [] => Ed25519KeyPair::from_seed_unchecked(seed),
            public => Ed25519KeyPair::from_seed_and_public_key(seed, public),
        };
        pair.map(|pair| Signer::Ed25519(Box::new(pair))).map_err(|_| WRONG)
    }

    /// What the receiver needs of an Ed25519 key.
    pub fn public_key(&self) -> Option<&[u8]> {
        match self {
            Signer::Hmac(_) => None,
            Signer::Ed25519(pair) => Some(pair.public_key().as_ref()),
        }
    }

    fn sign(&self, pieces: &[&[u8]]) -> Vec<u8> {
        match self {
            Signer::Hmac(key) => key.judge(pieces).made().unwrap_or_default().to_vec(),
            Signer::Ed25519(pair) => pair.sign(&pieces.concat()).as_ref().to_vec(),
        }
    }
}

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Unsent<'a> {
    /// Unix milliseconds: when it is signed.
    pub at: i64,
    /// Of the delivery, where the scheme has one.
    pub id: &'a str,
    pub method: &'a Method,
    /// Absolute: as the receiver is called.
    pub url: &'a Uri,
    pub content_type: Option<&'a HeaderValue>,
    pub body: &'a [u8],
}

/// What is sent beside the body.
#[derive(Debug)]
pub struct Signed {
    /// The URL, with what the scheme says in it.
    pub url: Uri,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Signs as a sender of this scheme does. Errors say why nobody could.
pub fn sign(scheme: &Scheme, signer: &Signer, unsent: &Unsent<'_>) -> Result<Signed, &'static str> {
    let url = naming_body(scheme, unsent)?;
    let at = scheme.timestamp.as_ref().map(|(_, clock)| timestamp::written(*clock, unsent.at));
    let signature = scheme.encoding.encode(&made(scheme, signer, &Unsent { url: &url, ..*unsent }, at.as_deref())?);
    let headers = headers(scheme, signer, unsent, &signature, at.as_deref())?;
    Ok(Signed { url, headers })
}

/// The bare signature.
fn made(scheme: &Scheme, signer: &Signer, unsent: &Unsent<'_>, at: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let addressed = Addressed {
        method: unsent.method,
        uri: unsent.url,
        host: unsent.url.authority().map(|authority| authority.as_str()),
        https: unsent.url.scheme_str() == Some("https"),
    };
    let signable = Signable {
        addressed: &addressed,
        public_url: None,
        timestamp: at.map(str::as_bytes),
        id: scheme.id.as_ref().map(|_| unsent.id.as_bytes()),
        content_type: unsent.content_type,
        body: unsent.body,
    };
    let made = Made::of(scheme, &signable).map_err(|unsigned| match unsigned {
        Unsigned::TooManyFields => "the form has more fields than any sender sends",
        Unsigned::Unnamed | Unsigned::Other => "the URL names another body in bodySHA256",
    })?;
    let pieces = made.messages(scheme, &signable).next();
    let pieces = pieces.ok_or("the scheme signs a timestamp or an id, and has no place for it")?;
    Ok(signer.sign(&pieces))
}

fn headers(
    scheme: &Scheme,
    signer: &Signer,
    unsent: &Unsent<'_>,
    signature: &str,
    at: Option<&str>,
) -> Result<Vec<(HeaderName, HeaderValue)>, &'static str> {
    let version = if matches!(signer, Signer::Hmac(_)) { "v1" } else { "v1a" };
    let written = match &scheme.form {
        Form::Prefixed(prefix) => format!("{prefix}{signature}"),
        Form::Versions => format!("{version},{signature}"),
        Form::Pairs { timestamp, signature: name } => {
            format!("{timestamp}={},{name}={signature}", at.unwrap_or_default())
        }
    };
    let id = scheme.id.iter().map(|header| (header, unsent.id));
    let stamp = match &scheme.timestamp {
        Some((TimestampPlace::Header(header), _)) => Some((header, at.unwrap_or_default())),
        _ => None,
    };
    let all = id.chain(stamp).chain([(&scheme.header, &*written)]);
    let valued = |(name, value): (&HeaderName, &str)| Some((name.clone(), HeaderValue::from_str(value).ok()?));
    all.map(valued).collect::<Option<_>>().ok_or("the id or the prefix holds what no header may")
}

/// Twilio: a body that is no form is named in the URL.
fn naming_body(scheme: &Scheme, unsent: &Unsent<'_>) -> Result<Uri, &'static str> {
    let is_named =
        unsent.url.query().is_some_and(|query| crate::policy::query::pairs(query).any(|p| p.is(form::BODY_DIGEST)));
    let whole =
        !scheme.signed.contains(&Part::SortedForm) || unsent.body.is_empty() || form::is_form(unsent.content_type);
    if whole || is_named {
        return Ok(unsent.url.clone());
    }
    let separator = if unsent.url.query().is_some() { '&' } else { '?' };
    let digest = form::body_digest(unsent.body);
    let named = format!("{}{separator}{}={digest}", unsent.url, form::BODY_DIGEST);
    named.parse().map_err(|_| "the URL is too long to name the body in it")
}
