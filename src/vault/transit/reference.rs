//! Where a key in Vault is, as configuration writes it: `https://vault.example:8200/transit/keys/keystile`.

use crate::config::scalar::Wrong;
use std::fmt;
use std::net::IpAddr;

/// An address, a mount and a key's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(super) tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) mount: String,
    pub(super) key: String,
}

const REMEDY: &str = "vault:https://HOST:8200/transit/keys/NAME, with the mount in place of transit if it is another";

impl Reference {
    /// Reads what follows `vault:`. The `/v1` of an API address may stand before the mount. Plain HTTP leads to this
    /// machine only, where an agent or a proxy of Vault's may listen.
    pub(in crate::vault) fn parse(text: &str) -> Result<Reference, Wrong> {
        let wrong = |reason: &str| Wrong::new(reason, REMEDY);
        let uri: http::Uri = text.parse().map_err(|_| wrong("not the address of a key in Vault"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("not the address of a key in Vault: it begins with neither https:// nor http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(wrong("with a user, a query or a fragment in it; the token comes from VAULT_TOKEN_FILE"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("no host"));
        }
        if !tls && !is_loopback(&host) {
            return Err(wrong("plain HTTP to another machine: data keys and the token would travel in the clear"));
        }
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, digits)) if !digits.ends_with(']') => digits.parse().ok().filter(|port| *port != 0),
            _ => Some(if tls { 443 } else { 80 }),
        };
        let port = port.ok_or_else(|| wrong("not a port"))?;
        let path = uri.path().trim_matches('/');
        let path = path.strip_prefix("v1/").unwrap_or(path);
        let (mount, key) = path.rsplit_once("/keys/").ok_or_else(|| wrong("no /keys/NAME at the end"))?;
        if key.contains('/') || !path.split('/').all(is_segment) {
            return Err(wrong("not the path of a key: letters, digits, _, - and . between slashes"));
        }
        Ok(Reference { tls, host, port, mount: mount.to_owned(), key: key.to_owned() })
    }

    /// The path that a policy must permit for `action`.
    pub(super) fn path(&self, action: &str) -> String {
        format!("{}/{action}/{}", self.mount, self.key)
    }

    /// `host:port`, with an IPv6 address in brackets.
    pub(super) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The address without the key.
    pub(super) fn server(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server(), self.path("keys"))
    }
}

/// `localhost` is looked up, and dialled only if it leads to this machine.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_segment(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_users_of_vault_write_them() {
        for (text, shown) in [
            ("https://vault.example:8200/transit/keys/keystile", "https://vault.example:8200/transit/keys/keystile"),
            ("https://vault.example/v1/transit/keys/keystile", "https://vault.example:443/transit/keys/keystile"),
            ("https://[2001:db8::1]:8200/team/a/transit/keys/k", "https://[2001:db8::1]:8200/team/a/transit/keys/k"),
            ("https://[2001:db8::1]/keys/keys/k", "https://[2001:db8::1]:443/keys/keys/k"),
            ("http://127.0.0.1:8200/transit/keys/k", "http://127.0.0.1:8200/transit/keys/k"),
            ("http://localhost:8200/transit/keys/k", "http://localhost:8200/transit/keys/k"),
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_key_in_vault_or_would_travel_in_the_clear_is_refused_and_not_repeated() {
        for text in [
            "",
            "transit/keys/k",
            "vault.example:8200",
            "ftp://vault.example/transit/keys/k",
            "http://vault.example:8200/transit/keys/k",
            "http://localhost.example/transit/keys/k",
            "https://hvs.S3CR3T@vault.example/transit/keys/k",
            "https://vault.example/transit/keys/k?token=S3CR3T",
            "https://vault.example/transit/keys/",
            "https://vault.example/keys/k",
            "https://vault.example/transit/k",
            "https://vault.example/transit/keys/a/b",
            "https://vault.example/transit/../keys/k",
            "https://vault.example/trans%69t/keys/k",
            "https://vault.example:0/transit/keys/k",
            "https://vault.example:99999/transit/keys/k",
        ] {
            let wrong = Reference::parse(text).expect_err(text);
            assert!(!wrong.reason.contains("S3CR3T") && !wrong.remedy.is_empty(), "{text}");
        }
    }
}
