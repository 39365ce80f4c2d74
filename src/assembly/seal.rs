//! C16: what a stored secret is sealed to: where it goes, in which place, and who vouches for that. Written out field by
//! field, because a digest that changed with a release would withhold every secret there is.

use crate::model::connection::{Destination, InjectRule};

/// What secrets are sealed to that senders sign with: those go nowhere. No digest of a destination is a text.
pub const SIGNING: [u8; 32] = *b"what senders of webhooks sign by";

/// The digest of a destination. It holds the paths of trust files and not their content: who may change that may do more.
pub fn of(destination: &Destination, rules: &[InjectRule], connector: Option<&str>) -> [u8; 32] {
    let mut sealed = Parts(blake3::Hasher::new_derive_key("keystile 2026 what a secret is sealed to"));
    sealed.part(&destination.origin());
    sealed.part(connector.unwrap_or_default());
    sealed.count(destination.addresses.len());
    for site in destination.addresses.iter() {
        sealed.part(&site.to_string());
    }
    let tls = destination.tls.as_ref();
    sealed.part(tls.and_then(|tls| tls.server_name.as_deref()).unwrap_or_default());
    let ca = tls.and_then(|tls| tls.ca.as_ref()).map(|path| path.display().to_string());
    sealed.part(&ca.unwrap_or_default());
    sealed.count(rules.len());
    for rule in rules {
        sealed.rule(rule);
    }
    *sealed.0.finalize().as_bytes()
}

/// Lengths before texts, so that nothing can move from one to its neighbour.
struct Parts(blake3::Hasher);

impl Parts {
    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_le_bytes());
    }

    fn part(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    fn rule(&mut self, rule: &InjectRule) {
        let parts: [&str; 3] = match rule {
            InjectRule::Header { name, value } => ["header", name.as_str(), value],
            InjectRule::Query { name, value } => ["query", name, value],
            InjectRule::Basic { username, password } => ["basic", username, password],
            InjectRule::Path { prefix } => ["path", prefix, ""],
            InjectRule::WholePath => ["whole path", "", ""],
        };
        parts.iter().for_each(|part| self.part(part));
    }
}
