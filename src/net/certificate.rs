//! What certificates say: whose a caller's is, and when one of ours ends.

use crate::model::ClientCertificate;
use rustls::ServerConnection;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::CertificateDer;
use std::path::{Path, PathBuf};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// A certificate of the configuration, by what it calls itself, and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    pub file: PathBuf,
    pub name: String,
    /// Unix milliseconds.
    pub not_after: i64,
}

/// A certificate that was shown to us and cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the client certificate cannot be read")]
    Unreadable,
    /// A handshake verifies the dates; a session that is resumed repeats what was verified then.
    #[error("the client certificate has expired since the session that is resumed began")]
    Expired,
}

/// The certificate that the caller of `session` showed, which the handshake has verified.
pub fn presented(session: &ServerConnection, now: i64) -> Result<Option<ClientCertificate>, Unusable> {
    let Some(leaf) = session.peer_certificates().and_then(<[_]>::first) else { return Ok(None) };
    let certificate = read(leaf).ok_or(Unusable::Unreadable)?;
    if certificate.is_current(now) { Ok(Some(certificate)) } else { Err(Unusable::Expired) }
}

/// What a caller's certificate says; `None` if it is no certificate.
pub fn read(der: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let (dns_names, mut names) = alternative_names(&certificate)?;
    names.extend(common_names(&certificate));
    Some(ClientCertificate { fingerprint: sha256(der)?, dns_names, names, not_after: not_after(&certificate) })
}

/// When each certificate of `file` ends. What we cannot read has no end that we could tell.
pub fn dated(file: &Path, certificates: &[CertificateDer<'_>]) -> Vec<Dated> {
    let one = |der: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let (dns_names, names) = alternative_names(&certificate).unwrap_or_default();
        let name = dns_names.into_iter().chain(names).chain(common_names(&certificate)).next();
        let name = name.unwrap_or_else(|| certificate.subject().to_string());
        Some(Dated { file: file.to_owned(), name, not_after: not_after(&certificate) })
    };
    certificates.iter().filter_map(one).collect()
}

/// DNS names; URIs and addresses of mail.
fn alternative_names(certificate: &X509Certificate<'_>) -> Option<(Vec<String>, Vec<String>)> {
    let (mut dns, mut others) = (Vec::new(), Vec::new());
    let extension = certificate.subject_alternative_name().ok()?;
    for name in extension.iter().flat_map(|e| &e.value.general_names) {
        match name {
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::URI(name) | GeneralName::RFC822Name(name) => others.push((*name).to_owned()),
            _ => {}
        }
    }
    Some((dns, others))
}

fn common_names(certificate: &X509Certificate<'_>) -> impl Iterator<Item = String> {
    certificate.subject().iter_common_name().filter_map(|name| Some(name.as_str().ok()?.to_owned()))
}

fn not_after(certificate: &X509Certificate<'_>) -> i64 {
    certificate.validity().not_after.timestamp().saturating_mul(1000)
}

/// SHA-256, which certificates and browsers go by.
pub fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    let sha256 = TLS13_AES_128_GCM_SHA256.tls13()?.common.hash_provider.hash(bytes);
    sha256.as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    fn certificate(common: &str, names: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = names;
        params.not_after = date_time_ymd(2031, 2, 3);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn every_name_is_found_and_addresses_are_none() {
        let read = read(&certificate(
            "Worker 7",
            vec![
                SanType::DnsName("worker.example".try_into().unwrap()),
                SanType::URI("spiffe://td/worker".try_into().unwrap()),
                SanType::Rfc822Name("ops@worker.example".try_into().unwrap()),
                SanType::IpAddress("192.0.2.1".parse().unwrap()),
            ],
        ))
        .unwrap();
        assert_eq!(read.dns_names, ["worker.example"]);
        assert_eq!(read.names, ["spiffe://td/worker", "ops@worker.example", "Worker 7"]);
        assert_eq!(read.not_after, 1_927_843_200_000);
    }

    #[test]
    fn the_fingerprint_is_the_sha_256_that_openssl_prints() {
        let hex: String = sha256(b"abc").unwrap().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_certificate_of_the_configuration_is_called_by_its_first_name() {
        let file = Path::new("cert.pem");
        let both = [
            certificate("CN", vec![SanType::DnsName("gateway.test".try_into().unwrap())]),
            certificate("Authority", vec![]),
            CertificateDer::from(vec![1, 2, 3]),
        ];
        let names: Vec<_> = dated(file, &both).into_iter().map(|d| d.name).collect();
        assert_eq!(names, ["gateway.test", "Authority"]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400, flip: u8) {
            let _ = read(&CertificateDer::from(bytes));
            let mut spoilt = certificate("x", vec![SanType::DnsName("a.b".try_into().unwrap())]).to_vec();
            let at = at % spoilt.len();
            spoilt[at] ^= flip;
            let _ = read(&CertificateDer::from(spoilt));
        }
    }
}
