//! What must be true of a vault with a local master key.

use super::key_file::KeyError;
use super::*;
use crate::model::uid::Uid;
use proptest::prelude::*;
use std::fs::{self, Permissions};
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A local master key is never waited for.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn from_env(text: &str) -> Result<MasterKey, VaultError> {
    let source = MasterKeySource::parse("env:MASTER", Path::new("/")).unwrap();
    MasterKey::load_with(&source, &|_| Some(text.into()))
}

fn some_key() -> MasterKey {
    from_env(&MasterKey::generate().unwrap()).unwrap()
}

fn vault() -> Vault {
    now(Vault::create(some_key())).unwrap().0
}

fn any_binding() -> impl Strategy<Value = Binding> {
    let parts = (any::<[u8; 16]>(), any::<u32>(), any::<[u8; 32]>());
    parts.prop_map(|(record, version, destination)| Binding { record: Uid(record), version, destination })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn t1_what_is_sealed_opens_and_says_nothing_of_itself(value: Vec<u8>, binding in any_binding()) {
        let vault = vault();
        let (one, two) = (now(vault.seal(&value, &binding)).unwrap(), now(vault.seal(&value, &binding)).unwrap());
        prop_assert_eq!(&now(vault.open(&one, &binding)).unwrap()[..], &value[..]);
        prop_assert_eq!(&now(vault.open(&two, &binding)).unwrap()[..], &value[..]);
        // Head and data key share nothing but the head.
        prop_assert_eq!(&one[..9], &two[..9]);
        prop_assert!(one[9..].windows(12).all(|w| !two.windows(12).any(|other| other == w)));
        prop_assert!(value.len() < 8 || !one.windows(value.len()).any(|w| w == value));
    }

    #[test]
    fn t1_any_other_binding_opens_nothing(value: Vec<u8>, binding in any_binding(), other in any_binding(), part in 0..4) {
        let vault = vault();
        let sealed = now(vault.seal(&value, &binding)).unwrap();
        let mut wrong = binding;
        match part {
            0 => wrong.record = other.record,
            1 => wrong.version = other.version,
            2 => wrong.destination = other.destination,
            _ => wrong = other,
        }
        prop_assume!(wrong != binding);
        let opened = now(vault.open(&sealed, &wrong));
        prop_assert!(matches!(opened, Err(VaultError::DoesNotOpen { .. })), "{:?}", opened);
    }

    #[test]
    fn t1_any_changed_missing_or_additional_byte_opens_nothing(
        value in prop::collection::vec(any::<u8>(), 0..40), binding in any_binding(), bit in 0..8,
    ) {
        let vault = vault();
        let sealed = now(vault.seal(&value, &binding)).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1u8 << bit;
            prop_assert!(now(vault.open(&changed, &binding)).is_err(), "byte {}", at);
            prop_assert!(now(vault.open(&sealed[..at], &binding)).is_err(), "cut at {}", at);
        }
        prop_assert!(now(vault.open(&[&sealed[..], &[0]].concat(), &binding)).is_err());
    }

    #[test]
    fn anything_may_be_offered(bytes: Vec<u8>, binding in any_binding()) {
        prop_assert!(now(vault().open(&bytes, &binding)).is_err());
        prop_assert!(now(Vault::unlock(some_key(), &bytes)).is_err());
        let head = [b"K\x01\x01\0\0\0\0", &bytes[..]].concat();
        prop_assert!(now(vault().open(&head, &binding)).is_err());
    }

    #[test]
    fn a_source_that_is_refused_is_not_repeated(text in "\\PC{0,40}") {
        if let Err(wrong) = MasterKeySource::parse(&format!("S3CR3T{text}"), Path::new("/")) {
            prop_assert!(!wrong.reason.contains("S3CR3T") && !wrong.remedy.contains("S3CR3T"));
        }
    }
}

#[test]
fn t1_another_master_key_opens_nothing_and_both_are_told_by_their_fingerprints() {
    let (text, other) = (MasterKey::generate().unwrap(), some_key());
    let key = from_env(&text).unwrap();
    let (right, wrong) = (key.fingerprint().to_string(), other.fingerprint().to_string());
    let (vault, record) = now(Vault::create(key)).unwrap();
    let binding = Binding { record: Uid([1; 16]), version: 1, destination: [2; 32] };
    let sealed = now(vault.seal(b"value", &binding)).unwrap();
    let error = now(Vault::unlock(other, &record)).unwrap_err();
    assert!(matches!(error, VaultError::WrongMasterKey { .. }), "{error:?}");
    let said = format!("{error}: {}", error.remedy());
    assert!(said.contains("env:MASTER") && said.contains(&right) && said.contains(&wrong), "{said}");
    let stranger = now(self::vault().open(&sealed, &binding));
    assert!(matches!(stranger, Err(VaultError::DoesNotOpen { .. })));
    let again = now(Vault::unlock(from_env(&text).unwrap(), &record)).unwrap();
    assert_eq!(&now(again.open(&sealed, &binding)).unwrap()[..], b"value");
}

#[test]
fn values_of_one_kind_are_not_taken_for_anothers() {
    let (vault, record) = now(Vault::create(some_key())).unwrap();
    assert!(now(vault.open(&record, &Binding::ROOT)).is_err());
    let text = MasterKey::generate().unwrap();
    let (vault, _) = now(Vault::create(from_env(&text).unwrap())).unwrap();
    let forged = now(vault.seal(&[0; 32], &Binding::ROOT)).unwrap();
    assert!(now(Vault::unlock(from_env(&text).unwrap(), &forged)).is_err());
}

#[test]
fn a_data_key_by_itself_is_bound_as_well() {
    let master = some_key();
    let key = envelope::random_key().unwrap();
    let wrapped = now(master.wrap(&key, b"here")).unwrap();
    let unwrap = |context: &[u8]| now(master.unwrap_all(&[(&wrapped, context)])).unwrap().remove(0);
    assert_eq!(unwrap(b"here").unwrap(), key);
    assert_eq!(unwrap(b"there"), Err(Shut::Refused));
}

#[test]
fn derived_keys_differ_by_purpose_and_root_and_stay() {
    let text = MasterKey::generate().unwrap();
    let (vault, record) = now(Vault::create(from_env(&text).unwrap())).unwrap();
    let again = now(Vault::unlock(from_env(&text).unwrap(), &record)).unwrap();
    assert_eq!(*vault.derive("audit chain"), *again.derive("audit chain"));
    assert_ne!(*vault.derive("audit chain"), *vault.derive("signed urls"));
    let (another, _) = now(Vault::create(from_env(&text).unwrap())).unwrap();
    assert_ne!(*vault.derive("audit chain"), *another.derive("audit chain"), "each vault has a root of its own");
}

#[test]
fn damage_to_the_root_is_damage_and_not_another_key() {
    let text = MasterKey::generate().unwrap();
    let (_, record) = now(Vault::create(from_env(&text).unwrap())).unwrap();
    let unlock = |record: &[u8]| now(Vault::unlock(from_env(&text).unwrap(), record)).unwrap_err();
    let mut changed = record.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(unlock(&changed), VaultError::RootDoesNotOpen { .. }));
    assert_eq!(unlock(&record[..20]), VaultError::NoRoot);
    assert_eq!(unlock(b""), VaultError::NoRoot);
    changed[1] = 2;
    assert_eq!(unlock(&changed), VaultError::UnknownFormat(2));
}

/// A directory of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("keystile-vault-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    /// A file `master.key` of this content and mode, loaded.
    fn load(&self, content: &[u8], mode: u32) -> Result<MasterKey, VaultError> {
        fs::write(self.0.join("master.key"), content).unwrap();
        fs::set_permissions(self.0.join("master.key"), Permissions::from_mode(mode)).unwrap();
        self.find("file:master.key")
    }

    fn find(&self, source: &str) -> Result<MasterKey, VaultError> {
        MasterKey::load(&MasterKeySource::parse(source, &self.0).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Why, after looking that what is said names the place, gives the next step, and nothing of what was found.
fn reason(loaded: Result<MasterKey, VaultError>, canary: &str) -> KeyError {
    let error = loaded.unwrap_err();
    let said = format!("{error} {error:?} {}", error.remedy());
    assert!(canary.is_empty() || !said.contains(canary), "{said}");
    assert!(!error.remedy().is_empty());
    let VaultError::NoMasterKey { place, reason } = error else { panic!("{error}") };
    assert!(place.starts_with("file:/") || place == "env:MASTER", "{place}");
    reason
}

#[test]
fn hazard_31_a_master_key_that_is_missing_or_no_key_is_refused_with_its_reason() {
    let folder = Folder::new("refused");
    let key = MasterKey::generate().unwrap();
    assert_eq!(reason(folder.find("file:master.key"), ""), KeyError::Missing);
    assert_eq!(reason(folder.find("file:."), ""), KeyError::NotAFile);
    assert_eq!(reason(folder.load(b"", 0o600), ""), KeyError::Empty);
    assert_eq!(reason(folder.load(b" \n\n", 0o600), ""), KeyError::Empty);
    assert_eq!(reason(folder.load(&key.as_bytes()[..40], 0o600), &key[4..40]), KeyError::Length(40));
    assert_eq!(reason(folder.load(&[b'a'; 20_000], 0o600), "aaaa"), KeyError::Length(16_385));
    assert_eq!(reason(folder.load(&key.as_bytes()[4..], 0o600), &key[4..]), KeyError::Prefix);
    let twice = format!("{}\n{}", *key, *key);
    assert_eq!(reason(folder.load(twice.as_bytes(), 0o600), &key[4..]), KeyError::Length(107));
    let mut damaged = key.as_bytes().to_vec();
    damaged[20] = if damaged[20] == b'x' { b'y' } else { b'x' };
    assert_eq!(reason(folder.load(&damaged, 0o600), &key[30..]), KeyError::Checksum);
    std::os::unix::fs::symlink("loop", folder.0.join("loop")).unwrap();
    assert!(matches!(reason(folder.find("file:loop"), ""), KeyError::Unreadable(_)));
    assert_eq!(reason(from_env(""), ""), KeyError::Empty);
    assert_eq!(reason(from_env(&key[..40]), &key[4..40]), KeyError::Length(40));
    let unset = MasterKeySource::parse("env:MASTER", Path::new("/")).unwrap();
    assert_eq!(reason(MasterKey::load_with(&unset, &|_| None), ""), KeyError::NotSet);
}

#[test]
fn a_master_key_that_everybody_can_read_is_refused_and_a_groups_is_pointed_out() {
    let folder = Folder::new("rights");
    let key = MasterKey::generate().unwrap();
    for mode in [0o644, 0o604, 0o602, 0o601] {
        assert_eq!(reason(folder.load(key.as_bytes(), mode), &key[4..]), KeyError::OpenToAll(mode));
    }
    assert_eq!(folder.load(key.as_bytes(), 0o400).unwrap().notice(), None);
    let shared = folder.load(key.as_bytes(), 0o440).unwrap();
    assert!(shared.notice().unwrap().contains("mode 0440"));
}

#[test]
fn a_new_master_key_is_ours_alone_and_never_replaces_another() {
    let folder = Folder::new("new");
    let path = folder.0.join("master.key");
    MasterKey::create_file(&path).unwrap();
    let made = folder.find("file:master.key").unwrap();
    assert_eq!((made.notice(), fs::metadata(&path).unwrap().permissions().mode() & 0o777), (None, 0o600));
    assert_eq!(MasterKey::create_file(&path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(folder.find("file:master.key").unwrap().fingerprint(), made.fingerprint());
}

#[test]
fn a_master_key_beside_what_it_protects_is_noticed_behind_links_too() {
    let folder = Folder::new("beside");
    fs::create_dir(folder.0.join("data")).unwrap();
    fs::create_dir(folder.0.join("keys")).unwrap();
    fs::write(folder.0.join("data/master.key"), "").unwrap();
    std::os::unix::fs::symlink("../data/master.key", folder.0.join("keys/link")).unwrap();
    let lies = |source: &str| MasterKeySource::parse(source, &folder.0).unwrap().lies_in(&folder.0.join("data"));
    assert!(lies("file:data/master.key") && lies("file:keys/link") && lies("file:keys/../data/master.key"));
    assert!(!lies("file:keys/master.key") && !lies("env:MASTER"));
}

#[test]
fn a_master_key_is_the_same_wherever_it_is_kept() {
    let folder = Folder::new("same");
    let key = MasterKey::generate().unwrap();
    let fingerprint = from_env(&key).unwrap().fingerprint();
    for text in [format!("{}\n", *key), format!("{}\r\n", *key), format!("  {}  ", *key)] {
        assert_eq!(folder.load(text.as_bytes(), 0o600).unwrap().fingerprint(), fingerprint);
    }
    let absolute = format!("file:{}", folder.0.join("master.key").display());
    let source = MasterKeySource::parse(&absolute, Path::new("/elsewhere")).unwrap();
    assert_eq!((source.to_string(), source.path()), (absolute, Some(&*folder.0.join("master.key"))));
    assert_eq!(MasterKey::load(&source).unwrap().fingerprint(), fingerprint);
    assert_eq!(fingerprint.to_string().len(), 8);
}

#[test]
fn sources_are_read_and_what_is_none_is_refused() {
    let parse = |text: &str| MasterKeySource::parse(text, Path::new("/etc/keystile"));
    for (text, shown) in [
        ("env:KEYSTILE_MASTER_KEY", "env:KEYSTILE_MASTER_KEY"),
        ("file:master.key", "file:/etc/keystile/master.key"),
        (
            "vault:https://vault.example:8200/transit/keys/keystile",
            "vault:https://vault.example:8200/transit/keys/keystile",
        ),
    ] {
        assert_eq!(parse(text).unwrap().to_string(), shown);
    }
    let key = MasterKey::generate().unwrap();
    for bad in ["", "env:", "env:A B", "file:", "master.key", "vault:", "vault:transit/keys/k", "kms:a", &key] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert!(parse(&key).unwrap_err().reason.contains("the master key itself"));
}

#[test]
fn a_vault_and_its_key_say_nothing_about_themselves() {
    let text = MasterKey::generate().unwrap();
    let key = from_env(&text).unwrap();
    let said = format!("{key:?}");
    assert!(said.starts_with("MasterKey(env:MASTER, ") && said.len() == "MasterKey(env:MASTER, 01234567)".len());
    let (vault, _) = now(Vault::create(key)).unwrap();
    assert_eq!(format!("{vault:?}").len(), "Vault(01234567)".len());
}
