//! TLS towards upstreams: whom to believe, what to show, and which protocols to offer.

use super::tls::TlsError;
use crate::model::connection::{HttpVersion, UpstreamTls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// How an upstream is verified, and a digest of the files that say so: made from the same bytes, so that a file that is
/// replaced in between cannot leave an old trust under a new destination's id.
pub struct Trust {
    pub config: Arc<ClientConfig>,
    pub digest: [u8; 32],
}

/// The upstream's own authorities if the connection names them, else the public ones.
pub fn client(tls: &UpstreamTls, http: HttpVersion) -> Result<Trust, TlsError> {
    let mut hasher = blake3::Hasher::new();
    let mut read = |file: &Path| {
        let bytes = std::fs::read(file).map(Zeroizing::new).map_err(|e| TlsError::new(file, e))?;
        hasher.update(&bytes.len().to_le_bytes()).update(&bytes);
        Ok(bytes)
    };
    let roots = match &tls.ca {
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file, &read(file)?)? {
                roots.add(certificate).map_err(|e| TlsError::new(file, e))?;
            }
            Arc::new(roots)
        }
        None => public_roots(),
    };
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match &tls.identity {
        Some((chain, key)) => {
            let shown = certificates(chain, &read(chain)?)?;
            let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|e| TlsError::new(key, e))?;
            builder.with_client_auth_cert(shown, private).map_err(|e| TlsError::new(chain, e))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = match http {
        HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Trust { config: Arc::new(config), digest: *hasher.finalize().as_bytes() })
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let list = list.map_err(|e| TlsError::new(file, e))?;
    if list.is_empty() { Err(TlsError::new(file, "holds no certificate")) } else { Ok(list) }
}

/// The system's authorities (or what SSL_CERT_FILE names), else the ones that were built in.
fn public_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(roots)
    };
    ROOTS.get_or_init(load).clone()
}

/// The name an upstream's certificate must hold.
pub fn server_name(tls: &UpstreamTls, host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(tls.server_name.clone().unwrap_or_else(|| host.to_owned())).ok()
}
