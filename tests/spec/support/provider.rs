//! A provider over real TLS: records what arrives, and answers as it is told, one request a connection.

use super::upstream::Recorded;
use super::wire;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a provider does with a request.
pub enum Say {
    Bytes(Vec<u8>),
    /// These bytes, and then nothing more, for as long as the caller stays.
    AndThenNothing(Vec<u8>),
}

/// A whole reply.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let fields: String = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    let length = body.len();
    format!("HTTP/1.1 {status} It\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

pub struct Provider {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
    most: Arc<AtomicUsize>,
}

impl Provider {
    /// Shows `certificate`; the threads end with the test.
    pub fn start(
        (certificate, key): (String, String),
        answer: impl Fn(&Recorded) -> Say + Send + Sync + 'static,
    ) -> Provider {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, most) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let provider = Provider { address, requests: requests.clone(), most: most.clone() };
        let (answer, open) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (config, answer, requests) = (config.clone(), answer.clone(), requests.clone());
                let (open, most) = (open.clone(), most.clone());
                std::thread::spawn(move || {
                    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = serve(tcp, config, &requests, &*answer);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        provider
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap().clone()
    }

    /// Connections that were open at once.
    pub fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

fn serve(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    requests: &Mutex<Vec<Recorded>>,
    answer: &dyn Fn(&Recorded) -> Say,
) -> io::Result<()> {
    tcp.set_read_timeout(Some(super::PATIENCE))?;
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, tcp);
    let mut raw = Vec::new();
    let head = loop {
        if let Some(at) = raw.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        more(&mut stream, &mut raw)?;
    };
    let fields = wire::fields(&raw[..head]);
    let length = wire::values(&fields, "content-length").first().map_or(0, |l| l.parse().unwrap());
    while raw.len() < head + length {
        more(&mut stream, &mut raw)?;
    }
    let recorded = Recorded { head: raw[..head].to_vec(), body: raw[head..].to_vec(), raw };
    requests.lock().unwrap().push(recorded.clone());
    match answer(&recorded) {
        Say::Bytes(bytes) => stream.write_all(&bytes)?,
        Say::AndThenNothing(bytes) => {
            stream.write_all(&bytes)?;
            let _ = stream.read(&mut [0]);
        }
    }
    stream.conn.send_close_notify();
    stream.flush()?;
    // A reset would overtake what was said.
    stream.sock.set_read_timeout(Some(Duration::from_secs(1)))?;
    let _ = stream.read(&mut [0]);
    Ok(())
}

fn more(stream: &mut impl Read, raw: &mut Vec<u8>) -> io::Result<()> {
    let mut room = [0; 4096];
    match stream.read(&mut room)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n => {
            raw.extend_from_slice(&room[..n]);
            Ok(())
        }
    }
}
