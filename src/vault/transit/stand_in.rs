//! Speaks the HTTP API of Vault's transit engine on a real socket, and really encrypts: AES-256-GCM under versioned keys.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// What it does, changed by tests while it runs.
pub struct State {
    pub token: String,
    pub namespace: Option<String>,
    /// `None`: there is no key `keystile`.
    pub keys: Option<Vec<[u8; 32]>>,
    pub min_decryption_version: usize,
    pub sealed: bool,
    /// The paths that the token's policy permits.
    pub permitted: Vec<&'static str>,
    pub delay: Duration,
    /// So many requests from now on are answered with this status.
    pub failing: (usize, u16),
    /// Requests that came, by their path, with the size of their batch.
    pub seen: Vec<(String, usize)>,
}

#[derive(Clone)]
pub struct StandIn {
    pub address: SocketAddr,
    pub state: Arc<Mutex<State>>,
}

impl StandIn {
    pub async fn start() -> StandIn {
        StandIn::start_with(None).await
    }

    pub async fn start_with(tls: Option<Arc<rustls::ServerConfig>>) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State {
            token: "hvs.S3CR3T-token".into(),
            namespace: None,
            keys: Some(vec![[1; 32]]),
            min_decryption_version: 1,
            sealed: false,
            permitted: vec!["transit/encrypt/keystile", "transit/decrypt/keystile"],
            delay: Duration::ZERO,
            failing: (0, 0),
            seen: Vec::new(),
        };
        let stand_in = StandIn { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let serving = stand_in.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serving.serve(stream).await,
                        Some(tls) => {
                            let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await else { return };
                            serving.serve(stream).await;
                        }
                    }
                });
            }
        });
        stand_in
    }

    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request: Request<Incoming>| async {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let delay = self.state.lock().unwrap().delay;
            tokio::time::sleep(delay).await;
            let (status, answer) = self.answer(&head, &body);
            let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok::<_, Infallible>(response)
        });
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    fn answer(&self, head: &http::request::Parts, body: &[u8]) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        let errors = |status: u16, text: &str| (status, json!({ "errors": [text] }));
        let path = head.uri.path().strip_prefix("/v1/").unwrap().to_owned();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let batch = body["batch_input"].as_array().map_or(0, Vec::len);
        state.seen.push((path.clone(), batch));
        let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        if header("x-vault-request").as_deref() != Some("true") {
            return errors(412, "required 'X-Vault-Request' header is missing");
        }
        if state.failing.0 > 0 {
            state.failing.0 -= 1;
            return errors(state.failing.1, "S3CR3T words of Vault");
        }
        if state.sealed {
            return errors(503, "Vault is sealed");
        }
        if header("x-vault-token").as_ref() != Some(&state.token) {
            return errors(403, "permission denied");
        }
        if path == "auth/token/lookup-self" {
            return (200, json!({ "data": {} }));
        }
        if header("x-vault-namespace") != state.namespace || !path.starts_with("transit/") {
            return errors(404, &format!("no handler for route \"{path}\". route entry not found."));
        }
        if !state.permitted.contains(&path.as_str()) {
            return errors(403, "1 error occurred:\n\t* permission denied\n\n");
        }
        let Some(keys) = &state.keys else { return errors(400, "encryption key not found") };
        match path.split('/').nth(1) {
            Some("encrypt") => {
                (200, json!({ "data": { "ciphertext": encrypt(keys, &body), "key_version": keys.len() } }))
            }
            _ => {
                let open = |one: &Value| match decrypt(keys, state.min_decryption_version, one) {
                    Ok(plaintext) => json!({ "plaintext": plaintext, "reference": "" }),
                    Err(error) => json!({ "error": error, "reference": "" }),
                };
                let results: Vec<Value> = body["batch_input"].as_array().unwrap().iter().map(open).collect();
                let failed = results.iter().any(|result| result["error"].is_string());
                (if failed { 400 } else { 200 }, json!({ "data": { "batch_results": results } }))
            }
        }
    }
}

fn aead(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())
}

fn encrypt(keys: &[[u8; 32]], input: &Value) -> String {
    let mut bytes = STANDARD.decode(input["plaintext"].as_str().unwrap()).unwrap();
    let context = STANDARD.decode(input["associated_data"].as_str().unwrap()).unwrap();
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).unwrap();
    let key = aead(keys.last().unwrap());
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut bytes);
    let sealed = [&nonce[..], &bytes, tag.unwrap().as_ref()].concat();
    format!("vault:v{}:{}", keys.len(), STANDARD.encode(sealed))
}

fn decrypt(keys: &[[u8; 32]], least: usize, input: &Value) -> Result<String, &'static str> {
    const INVALID: &str = "invalid ciphertext: unable to decrypt";
    let (version, sealed) =
        input["ciphertext"].as_str().unwrap().strip_prefix("vault:v").and_then(|t| t.split_once(':')).ok_or(INVALID)?;
    let version: usize = version.parse().map_err(|_| INVALID)?;
    let key = keys.get(version.wrapping_sub(1)).ok_or("invalid ciphertext: version is too new")?;
    if version < least {
        return Err("ciphertext or signature version is disallowed by policy (too old)");
    }
    let sealed = STANDARD.decode(sealed).map_err(|_| INVALID)?;
    let (nonce, bytes) = sealed.split_first_chunk::<12>().ok_or(INVALID)?;
    let mut bytes = bytes.to_vec();
    let context = STANDARD.decode(input["associated_data"].as_str().unwrap()).unwrap();
    let opened = aead(key).open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut bytes);
    opened.map(|plaintext| STANDARD.encode(plaintext)).map_err(|_| "cipher: message authentication failed")
}
