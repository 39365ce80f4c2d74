//! What can be wrong with a key in Vault, in our words: of what Vault says nothing is repeated.

use super::Reference;

/// A failure of the transit engine, or on the way to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the master key vault:{at}: {fault}")]
pub struct TransitError {
    /// The key's address.
    pub at: String,
    pub fault: Fault,
}

/// Which one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("there is no token: neither VAULT_TOKEN nor VAULT_TOKEN_FILE is set")]
    NoToken,
    #[error("both VAULT_TOKEN and VAULT_TOKEN_FILE are set")]
    TwoTokens,
    #[error("no token can be had from {0}")]
    TokenUnreadable(String),
    #[error("{0} holds what no header can")]
    NotAHeader(&'static str),
    #[error("VAULT_CACERT {0}")]
    Authorities(String),
    #[error("Vault cannot be reached: {0}")]
    Unreachable(String),
    #[error("plain HTTP, and the name leads to another machine")]
    NotLoopback,
    #[error("TLS does not come about: {0}")]
    Tls(String),
    #[error("Vault did not answer within {0} s")]
    TimedOut(u64),
    #[error("Vault is sealed")]
    Sealed,
    #[error("Vault is not ready (status {0})")]
    NotReady(u16),
    #[error("Vault does not know the token: it is wrong, has expired or was revoked")]
    TokenRejected,
    #[error("the token may not write to {0}")]
    Forbidden(String),
    #[error("nothing is mounted at {0}/")]
    NoMount(String),
    #[error("the transit engine has no key {0}")]
    NoKey(String),
    #[error("the key {0} is of a type that does not bind what it seals to its place")]
    WrongType(String),
    #[error("Vault sends us elsewhere (status {0})")]
    Redirected(u16),
    #[error("the answer is not what the transit engine says (status {0})")]
    Garbled(u16),
}

impl TransitError {
    pub(super) fn new(at: &Reference, fault: Fault) -> TransitError {
        TransitError { at: at.to_string(), fault }
    }

    /// Whether waiting may help: Vault is starting, or busy, or the network is not there yet.
    pub fn may_pass(&self) -> bool {
        matches!(self.fault, Fault::Unreachable(_) | Fault::TimedOut(_) | Fault::Sealed | Fault::NotReady(_))
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match &self.fault {
            Fault::NoToken => "let VAULT_TOKEN_FILE name a file with a token (an agent's sink), or set VAULT_TOKEN".into(),
            Fault::TwoTokens => "unset one of them, so that it is certain which token is used".into(),
            Fault::TokenUnreadable(_) => {
                "see that the agent has written it and that the gateway's user may read it".into()
            }
            Fault::NotAHeader(_) => "write it in one line, in ASCII".into(),
            Fault::Authorities(_) => {
                "let VAULT_CACERT name a PEM file with the certificates of the authorities that vouch for Vault".into()
            }
            Fault::Unreachable(_) | Fault::TimedOut(_) => {
                "see that Vault runs, that the address is right and that this machine may connect to it".into()
            }
            Fault::NotLoopback => "use https".into(),
            Fault::Tls(_) => {
                "let VAULT_CACERT name the authorities that vouch for Vault's certificate, and use a name that is in it"
                    .into()
            }
            Fault::Sealed => "unseal it: vault operator unseal".into(),
            Fault::NotReady(_) => "look at vault status and at Vault's log".into(),
            Fault::TokenRejected => {
                "issue a new one, and let an agent renew it; a file that VAULT_TOKEN_FILE names is read for every request"
                    .into()
            }
            Fault::Forbidden(path) => format!(
                "add to a policy of the token: path \"{path}\" {{ capabilities = [\"update\"] }}; if it has that, the \
                 key does not exist yet"
            ),
            Fault::NoMount(mount) => {
                format!("vault secrets enable -path={mount} transit, or correct the address; see also VAULT_NAMESPACE")
            }
            Fault::NoKey(key) => format!(
                "if nothing was sealed with it yet: vault write -f {key}; else the address is wrong, or the key is lost"
            ),
            Fault::WrongType(_) => "use a key of type aes256-gcm96 or chacha20-poly1305, without derivation".into(),
            Fault::Redirected(_) => "name the address that leads to the active node".into(),
            Fault::Garbled(_) => "see that the address is Vault's or OpenBao's, and not that of a portal before it".into(),
        }
    }
}
