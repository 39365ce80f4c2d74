//! What a key is, as it is kept: by the store in compact JSON, and on the way from a file. References are by id, so that
//! renaming touches no key.

use crate::config::scalar;
use crate::model::certificate::AcceptedCertificate;
use crate::model::key::{Grants, Key, KeyId, More, Origin, ScopeName, Scopes};
use crate::model::{Digest, Uid};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything of a key but its tokens and its states.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Granted::is_nothing")]
    pub workflows: Granted,
    #[serde(default, skip_serializing_if = "Granted::is_nothing")]
    pub connections: Granted,
    /// C15: by the connector's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bindings: BTreeMap<String, Uid>,
    pub scopes: Vec<ScopeName>,
    /// As it is written: `600/min burst 50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_addresses: Option<Vec<IpNet>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_client_cert: Option<Vec<Certificate>>,
    /// K6: Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_key_sunset: Option<i64>,
}

/// What is granted, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Granted {
    All(All),
    These(Vec<Uid>),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum All {
    All,
}

impl Default for Granted {
    fn default() -> Granted {
        Granted::These(Vec::new())
    }
}

impl Granted {
    pub const ALL: Granted = Granted::All(All::All);

    fn is_nothing(&self) -> bool {
        matches!(self, Granted::These(list) if list.is_empty())
    }

    /// As decisions read it.
    pub fn grants(&self) -> Grants {
        match self {
            Granted::All(_) => Grants::All,
            Granted::These(list) => Grants::some(list.clone()),
        }
    }
}

/// K13: a certificate that the key's callers may show, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certificate {
    Name(String),
    Fingerprint(String),
}

impl Certificate {
    fn accepted(&self) -> Option<AcceptedCertificate> {
        match self {
            Certificate::Name(name) => Some(AcceptedCertificate::Name(name.clone())),
            Certificate::Fingerprint(text) => scalar::fingerprint(text).ok().map(AcceptedCertificate::Fingerprint),
        }
    }
}

/// How a key stands, beside what it is.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub enabled: bool,
    pub revoked: bool,
    /// Unix milliseconds.
    pub expires_at: Option<i64>,
    pub environment: Option<Uid>,
    /// K10: tokens that were replaced, and until when they are accepted.
    pub graced: Vec<(Digest, i64)>,
}

impl Spec {
    /// What the file says of a key, as far as requests know it.
    pub fn of(key: &Key) -> Spec {
        let more = key.more();
        let granted = |grants: &Grants| match grants {
            Grants::All => Granted::ALL,
            Grants::Some(list) => Granted::These(list.to_vec()),
        };
        let certificate = |accepted: &AcceptedCertificate| match accepted {
            AcceptedCertificate::Name(name) => Certificate::Name(name.clone()),
            AcceptedCertificate::Fingerprint(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Certificate::Fingerprint(format!("sha256:{digits}"))
            }
        };
        Spec {
            title: None,
            description: None,
            workflows: granted(&key.workflows),
            connections: granted(&key.connections),
            bindings: more.bindings.iter().map(|(name, uid)| (name.to_string(), *uid)).collect(),
            scopes: key.scopes.iter().collect(),
            rate_limit: more.quota.map(|quota| quota.to_string()),
            allow_addresses: more.allow_addresses.clone(),
            require_client_cert: more.client_certificates.as_ref().map(|list| list.iter().map(certificate).collect()),
            query_key_sunset: more.query_key_sunset,
        }
    }

    /// The key, as requests meet it. A rate or a certificate that cannot be read is no rate and no certificate: so the
    /// key would permit too much, and whoever keeps specs has them checked before.
    pub fn key(&self, index: KeyId, uid: Uid, name: &str, origin: Origin, state: State) -> Key {
        let certificates = self.require_client_cert.as_ref();
        let more = More {
            bindings: self.bindings.iter().map(|(connector, uid)| (connector.as_str().into(), *uid)).collect(),
            allow_addresses: self.allow_addresses.clone(),
            client_certificates: certificates.map(|list| list.iter().filter_map(Certificate::accepted).collect()),
            quota: self.rate_limit.as_deref().and_then(|text| scalar::rate(text).ok()).map(super::super::quota),
            query_key_sunset: self.query_key_sunset,
            graced: state.graced,
        };
        let mut key = Key::new(index, uid, name, origin).with(more);
        key.enabled = state.enabled;
        key.revoked = state.revoked;
        key.expires_at = state.expires_at;
        key.environment = state.environment;
        key.workflows = self.workflows.grants();
        key.connections = self.connections.grants();
        key.scopes = self.scopes.iter().copied().fold(Scopes::NONE, Scopes::with);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_compact_and_is_read_as_it_was_written() {
        let spec = Spec { scopes: vec![ScopeName::WorkflowsInvoke], ..Spec::default() };
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(json, r#"{"scopes":["workflows:invoke"]}"#);
        assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), spec);
        let all = Spec { workflows: Granted::ALL, connections: Granted::These(vec![Uid([7; 16])]), ..spec };
        let json = serde_json::to_string(&all).unwrap();
        assert!(json.contains(r#""workflows":"all""#) && json.contains("07070707-0707"), "{json}");
        assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), all);
    }

    #[test]
    fn w2_what_is_not_said_permits_nothing() {
        let spec: Spec = serde_json::from_str(r#"{"scopes":[]}"#).unwrap();
        let key = spec.key(KeyId(0), Uid([1; 16]), "k", Origin::Store, State::default());
        assert_eq!((key.workflows, key.connections), (Grants::nothing(), Grants::nothing()));
        assert!(!key.enabled);
    }
}
