//! TLS in front: certificates for callers. What upstreams are trusted with stands in `trust`.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is wrong with a certificate, key or trust file: the file and the reason.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct TlsError {
    pub file: PathBuf,
    pub reason: String,
}

impl TlsError {
    pub(super) fn new(file: &Path, reason: impl ToString) -> TlsError {
        TlsError { file: file.to_owned(), reason: reason.to_string() }
    }
}

/// What callers are shown: `(certificate chain, key)` pairs, chosen by the name they ask for; the first is the default.
/// HTTP/2 and HTTP/1.1 are offered by ALPN.
pub fn server(pairs: &[(PathBuf, PathBuf)]) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = pairs.iter().map(|(chain, key)| certified(chain, key)).collect::<Result<Vec<_>, _>>()?;
    let resolver = Arc::new(ByName { certificates });
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_half_rtt_data = false;
    if let Ok(ticketer) = rustls::crypto::aws_lc_rs::Ticketer::new() {
        config.ticketer = ticketer;
    }
    Ok(Arc::new(config))
}

fn certified(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let certificates = certificates(chain)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| TlsError::new(key, format!("no private key: {e}")))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(certificates, private, &provider).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::new(key, format!("the key does not belong to the certificate {}", chain.display()))
        }
        e => TlsError::new(key, e),
    })?;
    Ok(Arc::new(certified))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(|e| TlsError::new(file, e))?
        .collect::<Result<_, _>>()
        .map_err(|e| TlsError::new(file, e))?;
    if list.is_empty() { Err(TlsError::new(file, "holds no certificate")) } else { Ok(list) }
}

/// Chooses by SNI.
#[derive(Debug)]
struct ByName {
    certificates: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.certificates.first()?;
        if self.certificates.len() == 1 {
            return Some(first.clone());
        }
        let wanted = hello.server_name().and_then(|n| ServerName::try_from(n).ok());
        let fits = |c: &&Arc<CertifiedKey>| {
            let (Some(wanted), Some(leaf)) = (&wanted, c.cert.first()) else { return false };
            webpki::EndEntityCert::try_from(leaf).is_ok_and(|e| e.verify_is_valid_for_subject_name(wanted).is_ok())
        };
        Some(self.certificates.iter().find(fits).unwrap_or(first).clone())
    }
}
