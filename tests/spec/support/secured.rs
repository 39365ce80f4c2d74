//! A provider: the recording upstream behind TLS, under whatever names the test wants it to have.

use super::upstream::Upstream;
use crate::tls::{Authority, provider};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Takes TLS off and passes every byte on to its upstream.
pub struct Provider {
    pub address: SocketAddr,
    pub upstream: Upstream,
    bytes: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Provider {
    /// With a certificate of `ca` for all of `names`.
    pub fn start(ca: &Authority, names: &[&str], upstream: Upstream) -> Provider {
        let more = |params: &mut rcgen::CertificateParams| {
            let own = rcgen::CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
            params.subject_alt_names = own.subject_alt_names;
        };
        Provider::showing(ca.issue(names[0], more), upstream)
    }

    /// With this certificate and key, in PEM.
    pub fn showing((certificate, key): (String, String), upstream: Upstream) -> Provider {
        provider();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, behind) = (listener.local_addr().unwrap(), upstream.address);
        let bytes = Arc::new(AtomicUsize::new(0));
        let counted = bytes.clone();
        runtime.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), counted.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let Ok(plain) = TcpStream::connect(behind).await else { return };
                    let ((mut from, mut to), (mut back, mut on)) = (tokio::io::split(tls), plain.into_split());
                    let there = async move {
                        let mut buffer = [0; 4096];
                        while let Ok(read @ 1..) = from.read(&mut buffer).await {
                            counted.fetch_add(read, Ordering::SeqCst);
                            let _ = on.write_all(&buffer[..read]).await;
                        }
                    };
                    let here = async move {
                        let _ = tokio::io::copy(&mut back, &mut to).await;
                        let _ = to.shutdown().await;
                    };
                    tokio::join!(there, here);
                });
            }
        });
        Provider { address, upstream, bytes, _runtime: runtime }
    }

    /// Bytes of requests that arrived, TLS taken off.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}
