//! The PROXY protocol, versions 1 and 2: a load balancer says before the first byte who the caller really is.
//!
//! The parser is strict and total. What it needs most is that `Incomplete` means "all of this belongs to the header":
//! so the reader may take what it saw, and never takes a byte of what comes after, which may be TLS.

use super::accepted::Accepted;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest line of version 1, its CRLF included.
const LONGEST_LINE: usize = 107;
/// Addresses and TLVs of version 2. Senders use a few hundred bytes; the protocol would allow 64 KiB.
const LONGEST_BLOCK: usize = 4096;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;

/// What the first bytes of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A header so far, every byte of it.
    Incomplete,
    /// A header of so many bytes. `None`: it names nobody (a health check of the balancer's own), so that the peer counts.
    Header { length: usize, source: Option<SocketAddr> },
    /// No header, or one we do not take.
    Malformed,
}

/// Judges the first bytes of a connection. More bytes never change a verdict that is not `Incomplete`.
pub fn parse(bytes: &[u8]) -> Verdict {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes.starts_with(b"P") {
        line(bytes)
    } else if bytes[..common] == SIGNATURE[..common] {
        block(bytes)
    } else {
        Verdict::Malformed
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`.
fn line(bytes: &[u8]) -> Verdict {
    const BEGIN: &[u8] = b"PROXY ";
    let common = bytes.len().min(BEGIN.len());
    if bytes[..common] != BEGIN[..common] {
        return Verdict::Malformed;
    }
    // The first byte that cannot stand in the line must be its end.
    let Some(end) = bytes.iter().position(|b| !matches!(b, b' '..=b'~')) else {
        return if bytes.len() > LONGEST_LINE - 2 { Verdict::Malformed } else { Verdict::Incomplete };
    };
    match &bytes[end..] {
        _ if end > LONGEST_LINE - 2 => Verdict::Malformed,
        [b'\r'] => Verdict::Incomplete,
        [b'\r', b'\n', ..] => match words(&bytes[BEGIN.len().min(end)..end]) {
            Some(source) => Verdict::Header { length: end + 2, source },
            None => Verdict::Malformed,
        },
        _ => Verdict::Malformed,
    }
}

/// What follows `PROXY `; the outer `None` is nonsense, the inner one nobody.
fn words(text: &[u8]) -> Option<Option<SocketAddr>> {
    let text = std::str::from_utf8(text).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    match *words.as_slice() {
        // Whatever else the line says is to be ignored.
        ["UNKNOWN", ..] => Some(None),
        ["TCP4", source, target, from, to] => {
            let (source, _) = (source.parse::<Ipv4Addr>().ok()?, target.parse::<Ipv4Addr>().ok()?);
            ports(from, to).map(|port| Some(SocketAddr::from((source, port))))
        }
        ["TCP6", source, target, from, to] => {
            let (source, _) = (source.parse::<Ipv6Addr>().ok()?, target.parse::<Ipv6Addr>().ok()?);
            ports(from, to).map(|port| Some(SocketAddr::from((source, port))))
        }
        _ => None,
    }
}

/// The caller's port, if both are ports as the protocol writes them: no sign, no leading zero.
fn ports(from: &str, to: &str) -> Option<u16> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|n| n.to_string() == text);
    port(to).and(port(from))
}

/// Version 2: a signature, twelve bytes at most of who, and extensions (TLVs) that we skip.
fn block(bytes: &[u8]) -> Verdict {
    // Judged byte by byte, so that a wrong one is refused as soon as it is there.
    let (command, family) = (bytes.get(12).copied(), bytes.get(13).copied());
    let local = match command {
        None => return Verdict::Incomplete,
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Verdict::Malformed,
    };
    let (v4, v6) = match family {
        None => return Verdict::Incomplete,
        // A local one is to be taken as it is, whatever family it names.
        Some(_) if local => (false, false),
        Some(0x00) => (false, false),
        Some(0x11) => (true, false),
        Some(0x21) => (false, true),
        // Datagrams and Unix sockets do not reach a TCP listener over the network.
        Some(_) => return Verdict::Malformed,
    };
    let (Some(high), Some(low)) = (bytes.get(14), bytes.get(15)) else { return Verdict::Incomplete };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let least = if v4 {
        12
    } else if v6 {
        36
    } else {
        0
    };
    if length > LONGEST_BLOCK || length < least {
        return Verdict::Malformed;
    }
    let Some(block) = bytes.get(FIXED..FIXED + length) else { return Verdict::Incomplete };
    let source = if v4 {
        block.first_chunk::<4>().zip(port_at(block, 8)).map(|(ip, port)| (IpAddr::from(*ip), port).into())
    } else if v6 {
        block.first_chunk::<16>().zip(port_at(block, 32)).map(|(ip, port)| (IpAddr::from(*ip), port).into())
    } else {
        None
    };
    Verdict::Header { length: FIXED + length, source }
}

fn port_at(block: &[u8], at: usize) -> Option<u16> {
    block.get(at..)?.first_chunk::<2>().map(|port| u16::from_be_bytes(*port))
}

/// Takes the header off a connection, and not one byte more; returns whom it names.
pub async fn read(stream: &mut Accepted) -> io::Result<Option<SocketAddr>> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "no PROXY protocol header");
    let mut bytes = vec![0; FIXED + LONGEST_BLOCK];
    let mut taken = 0;
    loop {
        let room = bytes.get_mut(taken..).filter(|room| !room.is_empty()).ok_or_else(malformed)?;
        let seen = stream.peek(room).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (until, source) = match parse(&bytes[..taken + seen]) {
            Verdict::Incomplete => (taken + seen, None),
            Verdict::Header { length, source } => (length, Some(source)),
            Verdict::Malformed => return Err(malformed()),
        };
        stream.read_exact(&mut bytes[taken..until]).await?;
        taken = until;
        if let Some(source) = source {
            return Ok(source);
        }
    }
}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
