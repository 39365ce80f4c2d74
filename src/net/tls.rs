//! TLS on both sides: certificates for callers, trust for upstreams.

use super::certificate::{Dated, dated};
use crate::model::connection::{HttpVersion, UpstreamTls};
use crate::model::listener::CallerAuthorities;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CipherSuite, ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, SupportedCipherSuite, WantsVerifier,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// What is wrong with a certificate, key or trust file: the file and the reason.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct TlsError {
    pub file: PathBuf,
    pub reason: String,
}

impl TlsError {
    fn new(file: &Path, reason: impl ToString) -> TlsError {
        TlsError { file: file.to_owned(), reason: reason.to_string() }
    }
}

/// A configuration of TLS, and a digest of everything it was made of: settings, and files by their content.
pub struct Tls<C> {
    pub config: Arc<C>,
    inputs: blake3::Hash,
}

impl<C> Clone for Tls<C> {
    fn clone(&self) -> Tls<C> {
        Tls { config: self.config.clone(), inputs: self.inputs }
    }
}

impl<C> Tls<C> {
    /// What it was made of.
    pub fn digest(&self) -> &[u8] {
        self.inputs.as_bytes()
    }

    /// The one in force if it was made of the same: its session tickets stay valid, so that a reload that changes nothing
    /// for a connection does not cost it a handshake. Of anything else nothing is kept: a session that was verified
    /// against other authorities cannot be resumed.
    pub fn or_same(self, in_force: Option<&Tls<C>>) -> Tls<C> {
        match in_force {
            Some(same) if same.inputs == self.inputs => Tls { config: same.config.clone(), inputs: same.inputs },
            _ => self,
        }
    }
}

/// Whose certificates callers may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCa {
    pub file: PathBuf,
    /// Whether callers must show one.
    pub required: bool,
}

/// A listener's TLS, ready, with the certificates that it was made of.
pub struct Listener {
    pub tls: Tls<ServerConfig>,
    pub callers: Option<CallerAuthorities>,
    pub shown: Vec<Dated>,
    pub authorities: Vec<Dated>,
}

/// What callers are shown: `(certificate chain, key)` pairs, chosen by the name they ask for; the first is the default.
/// HTTP/2 and HTTP/1.1 are offered by ALPN. With `client_ca`, callers are asked for a certificate.
pub fn server(pairs: &[(PathBuf, PathBuf)], client_ca: Option<&ClientCa>) -> Result<Listener, TlsError> {
    let mut inputs = blake3::Hasher::new();
    let (mut certificates, mut shown) = (Vec::new(), Vec::new());
    for (chain, key) in pairs {
        let (chain, key) = (Pem::read(chain, &mut inputs)?, Pem::read(key, &mut inputs)?);
        let list = chain.certificates()?;
        shown.extend(dated(&chain.file, &list));
        certificates.push(certified(list, &chain, &key)?);
    }
    let (builder, mut callers, mut authorities) = (preferring(), None, Vec::new());
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(client_ca) => {
            let file = Pem::read(&client_ca.file, &mut inputs)?;
            inputs.update(&[u8::from(client_ca.required)]);
            let list = file.certificates()?;
            authorities = dated(&file.file, &list);
            callers = Some(CallerAuthorities { digest: file.digest(), required: client_ca.required });
            builder.with_client_cert_verifier(verifier(&file, list, client_ca.required)?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName { certificates }));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_half_rtt_data = false;
    config.ignore_client_order = true;
    // Its keys change every six hours; without one there is no resumption, and nothing else is lost.
    if let Ok(ticketer) = rustls::crypto::aws_lc_rs::Ticketer::new() {
        config.ticketer = ticketer;
    }
    let tls = Tls { config: Arc::new(config), inputs: inputs.finalize() };
    Ok(Listener { tls, callers, shown, authorities })
}

/// AES-128 before AES-256, whatever callers put first, as Go, Cloudflare and Google have it: the keys of both are out of
/// reach, and the one's handshake hashes with SHA-256, which processors know, the other's with SHA-384, which they do not.
fn preferring() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let is_preferred = |suite: &SupportedCipherSuite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256;
    // Stable: the others stay in their order.
    provider.cipher_suites.sort_by_key(|suite| !is_preferred(suite));
    let builder = ServerConfig::builder_with_provider(Arc::new(provider));
    // There is a suite for each version.
    builder.with_safe_default_protocol_versions().unwrap_or_else(|_| ServerConfig::builder())
}

/// Believes the authorities of `file` and no other. Who shows nothing may still connect, unless one is `required`; who
/// shows something that they do not vouch for may not.
fn verifier(
    file: &Pem,
    authorities: Vec<CertificateDer<'static>>,
    required: bool,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let builder = WebPkiClientVerifier::builder(Arc::new(file.roots(authorities)?));
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|e| TlsError::new(&file.file, e))
}

fn certified(
    certificates: Vec<CertificateDer<'static>>,
    chain: &Pem,
    key: &Pem,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(certificates, key.private_key()?, &provider).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => {
            let chain = chain.file.display();
            TlsError::new(&key.file, format!("the key does not belong to the certificate {chain}"))
        }
        e => TlsError::new(&key.file, e),
    })?;
    Ok(Arc::new(certified))
}

/// A file, read once: what is digested is what is used. It may hold a private key.
struct Pem {
    file: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
}

impl Pem {
    fn read(file: &Path, inputs: &mut blake3::Hasher) -> Result<Pem, TlsError> {
        let bytes = Zeroizing::new(std::fs::read(file).map_err(|e| TlsError::new(file, e))?);
        let pem = Pem { file: file.to_owned(), bytes };
        inputs.update(&pem.digest());
        Ok(pem)
    }

    fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes).as_bytes()
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let list: Vec<_> = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|e| TlsError::new(&self.file, e))?;
        if list.is_empty() { Err(TlsError::new(&self.file, "holds no certificate")) } else { Ok(list) }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let no_key = |e| TlsError::new(&self.file, format!("no private key: {e}"));
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(no_key)
    }

    fn roots(&self, authorities: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in authorities {
            roots.add(certificate).map_err(|e| TlsError::new(&self.file, e))?;
        }
        Ok(roots)
    }
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

/// What rustls keeps for one server.
const TICKETS: usize = 8;

/// How an upstream is verified: its own authorities if the connection names them, else the public ones. With it, the
/// certificates that we show.
pub fn client(tls: &UpstreamTls, http: HttpVersion) -> Result<(Tls<ClientConfig>, Vec<Dated>), TlsError> {
    let mut inputs = blake3::Hasher::new();
    let roots = match &tls.ca {
        Some(file) => {
            let file = Pem::read(file, &mut inputs)?;
            Arc::new(file.roots(file.certificates()?)?)
        }
        None => public_roots(),
    };
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut shown = Vec::new();
    let mut config = match &tls.identity {
        Some((chain, key)) => {
            let (chain, key) = (Pem::read(chain, &mut inputs)?, Pem::read(key, &mut inputs)?);
            let list = chain.certificates()?;
            shown = dated(&chain.file, &list);
            builder.with_client_auth_cert(list, key.private_key()?).map_err(|e| TlsError::new(&chain.file, e))?
        }
        None => builder.with_no_client_auth(),
    };
    // Of the one server that it is for: room for more would cost each of a thousand connections 16 KiB.
    config.resumption = Resumption::in_memory_sessions(TICKETS);
    config.alpn_protocols = match http {
        HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    };
    inputs.update(&[http as u8]);
    inputs.update(&[u8::from(tls.ca.is_some()), u8::from(tls.identity.is_some())]);
    Ok((Tls { config: Arc::new(config), inputs: inputs.finalize() }, shown))
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
