//! A caller that decides about every byte of its HTTP/2: frames are written by hand, and fields as HPACK literals.

use super::PATIENCE;
use crate::tls::{Authority, provider};
use keystile::net::frames::{self, Frame, PREFACE};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;
pub const NAME: &str = "gateway.test";

trait Socket: Read + Write {}
impl<T: Read + Write> Socket for T {}

/// A connection, after its preface.
pub struct H2 {
    socket: Box<dyn Socket>,
}

/// How the gateway took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A reply on the stream, with its status as far as HPACK's static table tells it.
    Replied(u16),
    /// RST_STREAM with this reason.
    Reset(u32),
    /// GOAWAY with this reason, or the end without a word.
    Ended(Option<u32>),
    /// Nothing for a while.
    Silence,
}

impl H2 {
    /// Over TLS, by ALPN.
    pub fn tls(address: SocketAddr, ca: &Authority) -> H2 {
        H2::tls_saying(address, ca, &[PREFACE, &frame(frames::SETTINGS, 0, 0, &[])].concat())
    }

    /// The same with something else in the preface's place.
    pub fn tls_saying(address: SocketAddr, ca: &Authority, preface: &[u8]) -> H2 {
        provider();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let session = ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap()).unwrap();
        let mut h2 = H2 { socket: Box::new(StreamOwned::new(session, connect(address))) };
        h2.write(preface);
        h2
    }

    /// Without TLS, by prior knowledge.
    pub fn clear(address: SocketAddr) -> H2 {
        H2::begin(Box::new(connect(address)))
    }

    /// The same through a Unix socket.
    pub fn through(path: &Path) -> H2 {
        let socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        H2::begin(Box::new(socket))
    }

    fn begin(socket: Box<dyn Socket>) -> H2 {
        let mut h2 = H2 { socket };
        h2.write(PREFACE);
        h2.frame(frames::SETTINGS, 0, 0, &[]);
        h2
    }

    /// Writes; a peer that has closed already is no mistake of the caller's.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).and_then(|()| self.socket.flush()).is_ok()
    }

    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&frame(kind, flags, stream, payload))
    }

    /// `count` times the same bytes, many at a time; ends early if nobody takes them any more.
    pub fn flood(&mut self, count: usize, bytes: &[u8]) {
        let many = bytes.repeat(100);
        for _ in 0..count.div_ceil(100) {
            if !self.write(&many) {
                return;
            }
        }
    }

    /// What comes back for `stream`: the first of a reply, a reset, an end.
    pub fn outcome(&mut self, stream: u32) -> Outcome {
        loop {
            let (frame, payload) = match self.next() {
                Ok(Some(next)) => next,
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Outcome::Silence;
                }
                Ok(None) | Err(_) => return Outcome::Ended(None),
            };
            let last = |payload: &[u8]| payload.last_chunk().map(|b| u32::from_be_bytes(*b));
            match frame.kind {
                frames::GOAWAY => return Outcome::Ended(payload[4..].first_chunk().map(|b| u32::from_be_bytes(*b))),
                frames::RST_STREAM if frame.stream == stream => return Outcome::Reset(last(&payload).unwrap()),
                frames::HEADERS if frame.stream == stream => return Outcome::Replied(status(&payload)),
                _ => {}
            }
        }
    }

    /// The next frame; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<(Frame, Vec<u8>)>> {
        let mut head = [0; 9];
        match self.socket.read_exact(&mut head) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let frame = Frame::read(head);
        let mut payload = vec![0; frame.length as usize];
        self.socket.read_exact(&mut payload)?;
        Ok(Some((frame, payload)))
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect_timeout(&address, PATIENCE).expect("the gateway accepts");
    tcp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    tcp.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// A frame, to the byte.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// Fields as HPACK literals that no table remembers (RFC 7541, section 6.2.2).
pub fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            length(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// A literal that the dynamic table remembers as its first entry, number 62.
pub fn remembered(name: &str, value: &str) -> Vec<u8> {
    let mut out = literals(&[(name, value)]);
    out[0] = 0x40;
    out
}

/// An integer with a prefix of seven bits.
fn length(out: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return out.push(length as u8);
    }
    out.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    out.push(rest as u8);
}

/// The status that a reply begins with, where it is one that HPACK knows or spells; 0 if it is Huffman's.
fn status(block: &[u8]) -> u16 {
    let block = if block.first().is_some_and(|b| b & 0xe0 == 0x20) { &block[1..] } else { block };
    match block {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        [_, 3, digits @ ..] => digits.get(..3).and_then(|d| std::str::from_utf8(d).ok()?.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}
