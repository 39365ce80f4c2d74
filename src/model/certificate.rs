//! What is known of certificates: who a caller's is, what a key asks of it, and when one of ours ends. Data alone; they
//! are parsed and verified elsewhere.

use super::urgency::Urgency;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A caller's certificate, verified against the listener's `client_ca` when his connection began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
    /// The DNS names among its alternative names; in any case.
    pub dns_names: Vec<String>,
    /// Its URIs, addresses of mail and common names; compared exactly.
    pub names: Vec<String>,
    /// Unix milliseconds.
    pub not_after: i64,
}

impl ClientCertificate {
    /// Whether it still counts: connections and resumed sessions outlive the moment at which it was verified.
    pub fn is_current(&self, now: i64) -> bool {
        now < self.not_after
    }
}

/// K13: a certificate that a key accepts beside its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptedCertificate {
    /// This very one.
    Fingerprint([u8; 32]),
    /// Every one of this name that the listener's authorities vouch for. Wildcards match nothing but themselves.
    Name(String),
}

impl AcceptedCertificate {
    pub fn accepts(&self, certificate: &ClientCertificate) -> bool {
        match self {
            AcceptedCertificate::Fingerprint(wanted) => *wanted == certificate.fingerprint,
            AcceptedCertificate::Name(wanted) => {
                certificate.dns_names.iter().any(|name| name.eq_ignore_ascii_case(wanted))
                    || certificate.names.iter().any(|name| name == wanted)
            }
        }
    }
}

/// What a certificate of the configuration is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Shown to callers or operators, the chain included.
    Listener,
    /// An authority for callers' certificates.
    ClientCa,
    /// Shown to an upstream, the chain included.
    Connection,
}

impl Use {
    pub fn name(self) -> &'static str {
        match self {
            Use::Listener => "listener",
            Use::ClientCa => "client_ca",
            Use::Connection => "connection",
        }
    }
}

/// When a certificate of the configuration ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    pub used: Use,
    /// The listener's address, `admin`, or the connection's name.
    pub owner: Arc<str>,
    /// What the certificate calls itself.
    pub name: String,
    pub file: PathBuf,
    /// Unix milliseconds.
    pub not_after: i64,
}

impl Expiry {
    /// `None` as long as there are more than 30 days left.
    pub fn urgency(&self, now: i64) -> Option<Urgency> {
        Urgency::of(self.not_after, now)
    }

    /// The same in words, with the certificate and its file.
    pub fn told(&self, now: i64) -> Option<String> {
        Some(format!("{self} {}", Urgency::told(self.not_after, now)?))
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate {:?} in {}", self.name, self.file.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::urgency::DAY_MS;
    use proptest::prelude::*;

    fn certificate(dns: &[&str], names: &[&str]) -> ClientCertificate {
        let owned = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect();
        ClientCertificate { fingerprint: [7; 32], dns_names: owned(dns), names: owned(names), not_after: 1_000 }
    }

    fn ends(not_after: i64) -> Expiry {
        let file = PathBuf::from("tls/cert.pem");
        Expiry { used: Use::Listener, owner: "0.0.0.0:8443".into(), name: "gateway.test".into(), file, not_after }
    }

    #[test]
    fn a_name_is_one_of_the_certificates_own_and_a_fingerprint_the_whole() {
        let worker = certificate(&["worker.example", "*.wild.example"], &["spiffe://td/Worker", "Worker"]);
        let named = |name: &str| AcceptedCertificate::Name(name.to_owned()).accepts(&worker);
        assert!(named("worker.example") && named("WORKER.example") && named("Worker") && named("spiffe://td/Worker"));
        assert!(named("*.wild.example"));
        for other in ["a.wild.example", "orker.example", "worker.example.", "worker", "spiffe://td/worker", ""] {
            assert!(!named(other), "{other}");
        }
        assert!(AcceptedCertificate::Fingerprint([7; 32]).accepts(&worker));
        assert!(!AcceptedCertificate::Fingerprint([8; 32]).accepts(&worker));
    }

    #[test]
    fn it_counts_until_it_ends() {
        let certificate = certificate(&[], &[]);
        assert!(certificate.is_current(999) && !certificate.is_current(1_000));
    }

    #[test]
    fn the_end_is_told_30_7_and_1_days_ahead_and_afterwards() {
        let end = 1_000 * DAY_MS;
        for (days_left, told) in [
            (31, None),
            (30, Some(("30d", "expires in 30 days"))),
            (8, Some(("30d", "expires in 8 days"))),
            (7, Some(("7d", "expires in 7 days"))),
            (2, Some(("7d", "expires in 2 days"))),
            (1, Some(("1d", "expires within a day"))),
            (0, Some(("past", "has expired within the last day"))),
            (-3, Some(("past", "has expired 3 days ago"))),
        ] {
            let (expiry, now) = (ends(end), end - days_left * DAY_MS);
            let wanted = told.map(|(_, t)| format!("the certificate \"gateway.test\" in tls/cert.pem {t}"));
            assert_eq!(expiry.told(now), wanted, "{days_left} days left");
            assert_eq!(expiry.urgency(now).map(Urgency::name), told.map(|(urgency, _)| urgency));
        }
    }

    proptest! {
        #[test]
        fn time_only_makes_it_more_urgent(end: i64, now: i64, later in 0i64..i64::MAX) {
            let expiry = ends(end);
            prop_assert!(expiry.urgency(now) <= expiry.urgency(now.saturating_add(later)));
            prop_assert_eq!(expiry.told(now).is_some(), expiry.urgency(now).is_some());
        }
    }
}
