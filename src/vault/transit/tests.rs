//! A master key in Vault, against a stand-in that speaks its API on a real socket.

use super::stand_in::StandIn;
use super::*;
use crate::model::uid::Uid;
use crate::vault::{Binding, MasterKey, MasterKeySource, Vault, VaultError};
use std::collections::HashMap;
use std::path::Path;

const CANARY: &str = "S3CR3T";
const QUICK: Patience =
    Patience { request: Duration::from_millis(500), pauses: &[Duration::from_millis(1), Duration::from_millis(1)] };

type Variables = HashMap<&'static str, String>;

fn variables(pairs: &[(&'static str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

fn load(stand_in: &StandIn, variables: &Variables) -> Result<MasterKey, VaultError> {
    let text = format!("vault:http://{}/transit/keys/keystile", stand_in.address);
    let source = MasterKeySource::parse(&text, Path::new("/")).unwrap();
    MasterKey::load_with(&source, &|name| variables.get(name).map(OsString::from))
}

fn key(stand_in: &StandIn) -> MasterKey {
    load(stand_in, &variables(&[("VAULT_TOKEN", "hvs.S3CR3T-token")])).unwrap()
}

/// A client that loses patience at once.
fn client(stand_in: &StandIn, variables: &Variables) -> Client {
    let at = Reference::parse(&format!("http://{}/transit/keys/keystile", stand_in.address)).unwrap();
    let client = Client::new(at, &|name| variables.get(name).map(OsString::from)).unwrap();
    Client { patience: QUICK, ..client }
}

fn known(stand_in: &StandIn) -> Client {
    client(stand_in, &variables(&[("VAULT_TOKEN", "hvs.S3CR3T-token")]))
}

/// The failure, after looking that it gives nothing away and says what to do.
async fn fault(client: &Client) -> Fault {
    let error = client.encrypt(&[7; 32], b"context").await.unwrap_err();
    let said = format!("{error} {error:?} {}", error.remedy());
    assert!(!said.contains(CANARY) && said.contains("transit/keys/keystile"), "{said}");
    assert!(!error.remedy().is_empty());
    error.fault
}

#[tokio::test]
async fn work_with_the_vault_may_move_between_threads() {
    fn movable<T: Send>(future: T) -> T {
        future
    }
    let stand_in = StandIn::start().await;
    let (vault, _) = movable(Vault::create(key(&stand_in))).await.unwrap();
    let sealed = movable(vault.seal(b"value", &binding(1))).await.unwrap();
    movable(vault.open_many(&[(&sealed, binding(1))])).await.unwrap().remove(0).unwrap();
}

fn binding(version: u32) -> Binding {
    Binding { record: Uid([3; 16]), version, destination: [4; 32] }
}

#[tokio::test]
async fn what_is_sealed_opens_after_a_restart_and_after_vault_rotated_its_key() {
    let stand_in = StandIn::start().await;
    let (vault, root) = Vault::create(key(&stand_in)).await.unwrap();
    let sealed = vault.seal(b"sk_live_S3CR3T", &binding(1)).await.unwrap();
    assert!(sealed.windows(9).any(|w| w == b"vault:v1:"), "kept as it is");
    stand_in.set(|state| state.keys.as_mut().unwrap().push([2; 32]));
    let again = Vault::unlock(key(&stand_in), &root).await.unwrap();
    assert_eq!(&again.open(&sealed, &binding(1)).await.unwrap()[..], b"sk_live_S3CR3T");
    assert_eq!(*again.derive("audit chain"), *vault.derive("audit chain"));
    let newer = again.seal(b"sk_live_2", &binding(2)).await.unwrap();
    assert!(newer.windows(9).any(|w| w == b"vault:v2:"));
    assert_eq!(&again.open(&newer, &binding(2)).await.unwrap()[..], b"sk_live_2");
}

#[tokio::test]
async fn any_other_binding_or_changed_byte_opens_nothing() {
    let stand_in = StandIn::start().await;
    let (vault, root) = Vault::create(key(&stand_in)).await.unwrap();
    let sealed = vault.seal(b"value", &binding(1)).await.unwrap();
    assert!(matches!(vault.open(&sealed, &binding(2)).await, Err(VaultError::DoesNotOpen { .. })));
    assert!(vault.open(&root, &Binding::ROOT).await.is_err(), "a root is no secret");
    let changed: Vec<Vec<u8>> = (0..sealed.len())
        .map(|at| {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            changed
        })
        .collect();
    let asked: Vec<_> = changed.iter().map(|bytes| (&bytes[..], binding(1))).collect();
    for (at, opened) in vault.open_many(&asked).await.unwrap().into_iter().enumerate() {
        assert!(opened.is_err(), "byte {at} was changed");
    }
}

#[tokio::test]
async fn vault_binds_the_data_key_by_itself_as_well() {
    let stand_in = StandIn::start().await;
    let client = known(&stand_in);
    let sealed = client.encrypt(&[7; 32], b"here").await.unwrap();
    let asked = [(sealed.as_bytes(), &b"here"[..]), (sealed.as_bytes(), b"there"), (b"no ciphertext", b"here")];
    let opened = client.decrypt(&asked).await.unwrap();
    assert_eq!(opened[0].as_ref().unwrap()[..], [7; 32]);
    assert_eq!(opened[1..], [Err(Shut::Refused), Err(Shut::Refused)]);
}

#[tokio::test]
async fn many_are_opened_with_few_requests_each_for_itself() {
    let stand_in = StandIn::start().await;
    let (vault, _) = Vault::create(key(&stand_in)).await.unwrap();
    let mut sealed = Vec::new();
    for version in 0..150 {
        sealed.push(vault.seal(format!("value {version}").as_bytes(), &binding(version)).await.unwrap());
    }
    stand_in.set(|state| state.seen.clear());
    let mut asked: Vec<_> = sealed.iter().zip(0..).map(|(bytes, version)| (&bytes[..], binding(version))).collect();
    asked[70].1 = binding(71);
    asked[3].0 = b"no sealed value";
    let opened = vault.open_many(&asked).await.unwrap();
    for (version, one) in opened.iter().enumerate() {
        match version {
            3 => assert_eq!(one, &Err(VaultError::Malformed)),
            70 => assert!(matches!(one, Err(VaultError::DoesNotOpen { .. }))),
            _ => assert_eq!(&one.as_ref().unwrap()[..], format!("value {version}").as_bytes()),
        }
    }
    let seen = stand_in.state.lock().unwrap().seen.clone();
    assert_eq!(seen.iter().map(|(_, batch)| *batch).collect::<Vec<_>>(), [64, 64, 21]);
}

#[tokio::test]
async fn hazard_31_another_key_of_the_same_name_opens_nothing() {
    let stand_in = StandIn::start().await;
    let (_, root) = Vault::create(key(&stand_in)).await.unwrap();
    stand_in.set(|state| state.keys = Some(vec![[9; 32]]));
    let error = Vault::unlock(key(&stand_in), &root).await.unwrap_err();
    assert!(matches!(error, VaultError::RootDoesNotOpen { .. }), "{error:?}");
    assert!(error.remedy().contains("not a new one of the same name"));
}

#[tokio::test]
async fn versions_that_vault_no_longer_opens_are_told_apart_from_damage() {
    let stand_in = StandIn::start().await;
    let (vault, _) = Vault::create(key(&stand_in)).await.unwrap();
    let sealed = vault.seal(b"value", &binding(1)).await.unwrap();
    stand_in.set(|state| {
        state.keys.as_mut().unwrap().push([2; 32]);
        state.min_decryption_version = 2;
    });
    let error = vault.open(&sealed, &binding(1)).await.unwrap_err();
    assert_eq!(error, VaultError::TooOld);
    assert!(error.remedy().contains("min_decryption_version"));
}

#[tokio::test]
async fn a_wrong_token_and_a_policy_that_lacks_something_are_told_apart() {
    let stand_in = StandIn::start().await;
    let wrong = client(&stand_in, &variables(&[("VAULT_TOKEN", "hvs.S3CR3T-other")]));
    assert_eq!(fault(&wrong).await, Fault::TokenRejected);
    stand_in.set(|state| state.permitted = vec!["transit/decrypt/keystile"]);
    assert_eq!(fault(&known(&stand_in)).await, Fault::Forbidden("transit/encrypt/keystile".into()));
    let error = known(&stand_in).encrypt(&[7; 32], b"").await.unwrap_err();
    assert!(error.remedy().contains("path \"transit/encrypt/keystile\" { capabilities = [\"update\"] }"), "{error}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let stand_in = StandIn::start().await;
    stand_in.set(|state| state.keys = None);
    assert_eq!(fault(&known(&stand_in)).await, Fault::NoKey("transit/keys/keystile".into()));
    stand_in.set(|state| state.namespace = Some("team".into()));
    assert_eq!(fault(&known(&stand_in)).await, Fault::NoMount("transit".into()));
    stand_in.set(|state| state.keys = Some(vec![[1; 32]]));
    let named = client(&stand_in, &variables(&[("VAULT_TOKEN", "hvs.S3CR3T-token"), ("VAULT_NAMESPACE", "team")]));
    named.encrypt(&[7; 32], b"context").await.unwrap();
}

#[tokio::test]
async fn a_vault_that_is_not_ready_yet_is_asked_again_and_one_that_stays_so_is_told() {
    let stand_in = StandIn::start().await;
    for status in [429, 500, 503] {
        stand_in.set(|state| state.failing = (2, status));
        known(&stand_in).encrypt(&[7; 32], b"context").await.unwrap();
        stand_in.set(|state| state.failing = (3, status));
        assert_eq!(fault(&known(&stand_in)).await, Fault::NotReady(status));
    }
    stand_in.set(|state| {
        state.sealed = true;
        state.seen.clear();
    });
    assert_eq!(fault(&known(&stand_in)).await, Fault::Sealed);
    assert_eq!(stand_in.state.lock().unwrap().seen.len(), 3);
}

#[tokio::test]
async fn a_refusal_is_not_asked_about_again() {
    let stand_in = StandIn::start().await;
    stand_in.set(|state| state.failing = (1, 418));
    assert_eq!(fault(&known(&stand_in)).await, Fault::Garbled(418));
    stand_in.set(|state| state.failing = (1, 307));
    assert_eq!(fault(&known(&stand_in)).await, Fault::Redirected(307));
    assert_eq!(stand_in.state.lock().unwrap().seen.len(), 2);
}

#[tokio::test]
async fn a_slow_vault_and_none_at_all() {
    let stand_in = StandIn::start().await;
    stand_in.set(|state| state.delay = Duration::from_secs(30));
    let impatient =
        Client { patience: Patience { request: Duration::from_millis(50), pauses: &[] }, ..known(&stand_in) };
    assert_eq!(fault(&impatient).await, Fault::TimedOut(1));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = StandIn { address: closed, ..stand_in };
    assert!(matches!(fault(&known(&nobody)).await, Fault::Unreachable(_)));
}

#[tokio::test]
async fn a_token_file_is_read_for_every_request() {
    let stand_in = StandIn::start().await;
    let file = std::env::temp_dir().join(format!("keystile-token-{}", std::process::id()));
    std::fs::write(&file, "hvs.S3CR3T-token\n").unwrap();
    let client = client(&stand_in, &variables(&[("VAULT_TOKEN_FILE", file.to_str().unwrap())]));
    client.encrypt(&[7; 32], b"context").await.unwrap();
    stand_in.set(|state| state.token = "hvs.S3CR3T-renewed".into());
    assert_eq!(fault(&client).await, Fault::TokenRejected);
    std::fs::write(&file, "hvs.S3CR3T-renewed").unwrap();
    client.encrypt(&[7; 32], b"context").await.unwrap();
    std::fs::write(&file, "").unwrap();
    assert!(matches!(fault(&client).await, Fault::TokenUnreadable(_)));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(fault(&client).await, Fault::TokenUnreadable(_)));
}

#[tokio::test]
async fn a_token_comes_from_one_place() {
    let stand_in = StandIn::start().await;
    let fault = |variables: &Variables| match load(&stand_in, variables).unwrap_err() {
        VaultError::Transit(error) => error.fault,
        other => panic!("{other}"),
    };
    assert_eq!(fault(&variables(&[])), Fault::NoToken);
    assert_eq!(fault(&variables(&[("VAULT_TOKEN", "a"), ("VAULT_TOKEN_FILE", "b")])), Fault::TwoTokens);
    assert_eq!(fault(&variables(&[("VAULT_TOKEN", "a\nb")])), Fault::NotAHeader("VAULT_TOKEN"));
}

#[tokio::test]
async fn https_is_verified_by_the_authorities_that_vault_cacert_names() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], private)
        .unwrap();
    let stand_in = StandIn::start_with(Some(Arc::new(config))).await;
    let file = std::env::temp_dir().join(format!("keystile-cacert-{}.pem", std::process::id()));
    std::fs::write(&file, certified.cert.pem()).unwrap();
    let at = |host: &str| {
        Reference::parse(&format!("https://{host}:{}/transit/keys/keystile", stand_in.address.port())).unwrap()
    };
    let with = |at: Reference, variables: &Variables| {
        Client::new(at, &|name| variables.get(name).map(OsString::from)).map(|c| Client { patience: QUICK, ..c })
    };
    let token = ("VAULT_TOKEN", "hvs.S3CR3T-token");
    let trusted = variables(&[token, ("VAULT_CACERT", file.to_str().unwrap())]);
    with(at("localhost"), &trusted).unwrap().encrypt(&[7; 32], b"context").await.unwrap();
    assert!(matches!(fault(&with(at("127.0.0.1"), &trusted).unwrap()).await, Fault::Tls(_)), "another name");
    assert!(matches!(fault(&with(at("localhost"), &variables(&[token])).unwrap()).await, Fault::Tls(_)));
    let missing = variables(&[token, ("VAULT_CACERT", "/nowhere/ca.pem")]);
    assert!(matches!(with(at("localhost"), &missing).err().unwrap().fault, Fault::Authorities(_)));
    std::fs::remove_file(&file).unwrap();
}
