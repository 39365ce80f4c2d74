use super::*;
use proptest::prelude::*;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

fn header(length: usize, source: &str) -> Verdict {
    Verdict::Header { length, source: Some(source.parse().unwrap()) }
}

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend(block);
    bytes
}

fn v4_block(tail: &[u8]) -> Vec<u8> {
    [&[192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x01, 0xbb][..], tail].concat()
}

#[test]
fn version_1_names_the_caller() {
    let v4 = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
    assert_eq!(parse(v4), header(v4.len(), "192.0.2.1:56324"));
    let v6 = b"PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n";
    assert_eq!(parse(v6), header(v6.len(), "[2001:db8::1]:0"));
    for unknown in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:f...f ffff:f...f 65535 65535\r\n"] {
        assert_eq!(parse(unknown.as_bytes()), Verdict::Header { length: unknown.len(), source: None });
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE - 16));
    assert_eq!(parse(longest.as_bytes()), Verdict::Header { length: LONGEST_LINE, source: None });
}

#[test]
fn version_1_is_read_strictly() {
    for wrong in [
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 2001:db8::1%eth0 2001:db8::2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN\0\r\n",
        "PROXY UNKNOWN\t\r\n",
    ] {
        assert_eq!(parse(wrong.as_bytes()), Verdict::Malformed, "{wrong:?}");
    }
    let endless = "PROXY UNKNOWN ".to_owned() + &"x".repeat(LONGEST_LINE);
    assert_eq!(parse(endless.as_bytes()), Verdict::Malformed);
}

#[test]
fn version_2_names_the_caller_and_its_extensions_are_skipped() {
    let bytes = v2(0x21, 0x11, &v4_block(b"\x04\x00\x01x"));
    assert_eq!(parse(&bytes), header(32, "192.0.2.1:56324"));
    let mut block = [0; 36];
    block[..16].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
    block[32..34].copy_from_slice(&7_u16.to_be_bytes());
    assert_eq!(parse(&v2(0x21, 0x21, &block)), header(52, "[2001:db8::1]:7"));
    for nobody in [v2(0x20, 0x00, b""), v2(0x20, 0x11, &v4_block(b"")), v2(0x21, 0x00, b"ignored")] {
        assert_eq!(parse(&nobody), Verdict::Header { length: nobody.len(), source: None }, "{nobody:?}");
    }
    let largest = v2(0x21, 0x11, &v4_block(&[0; LONGEST_BLOCK - 12]));
    assert_eq!(parse(&largest), header(largest.len(), "192.0.2.1:56324"));
}

#[test]
fn version_2_is_read_strictly() {
    for wrong in [
        v2(0x11, 0x11, &v4_block(b"")),
        v2(0x22, 0x11, &v4_block(b"")),
        v2(0x21, 0x12, &v4_block(b"")),
        v2(0x21, 0x31, &[0; 216]),
        v2(0x21, 0x11, &v4_block(b"")[..11]),
        v2(0x21, 0x21, &v4_block(b"")),
        v2(0x21, 0x11, &[0; LONGEST_BLOCK + 1]),
    ] {
        assert_eq!(parse(&wrong), Verdict::Malformed, "{wrong:?}");
    }
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\r"), Verdict::Malformed);
    assert_eq!(parse(b"\x16\x03\x01"), Verdict::Malformed, "TLS without a header before it");
}

/// Bytes that are headers, nearly headers, or begin like ones.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let tail = || proptest::collection::vec(any::<u8>(), 0..64);
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        "PROXY (TCP4|TCP6|UNKNOWN)( [0-9a-f:.]{1,15}){0,4}( [0-9]{1,5}){0,2} ?\r?\n?.{0,90}"
            .prop_map(String::into_bytes),
        (any::<u8>(), any::<u8>(), tail()).prop_map(|(command, family, block)| v2(command, family, &block)),
        (0x20_u8..0x22, prop_oneof![Just(0), Just(0x11), Just(0x21)], tail(), tail())
            .prop_map(|(command, family, block, after)| [v2(command, family, &block), after].concat()),
    ]
}

proptest! {
    #[test]
    fn however_the_bytes_arrive_the_verdict_is_the_same(bytes in likely()) {
        let whole = parse(&bytes);
        let first = (0..=bytes.len()).map(|n| (n, parse(&bytes[..n]))).find(|(_, v)| *v != Verdict::Incomplete);
        match first {
            None => prop_assert_eq!(whole, Verdict::Incomplete),
            Some((at, verdict)) => {
                for n in at..=bytes.len() {
                    prop_assert_eq!(parse(&bytes[..n]), verdict);
                }
                if let Verdict::Header { length, .. } = verdict {
                    prop_assert_eq!(length, at, "a header is whole with its last byte, not before and not after");
                }
            }
        }
    }
}

#[test]
fn exactly_the_header_is_taken_however_it_is_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let headers =
            [b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".to_vec(), v2(0x21, 0x11, &v4_block(b"\x04\0\0"))];
        for header in headers {
            for split in 0..header.len() {
                let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                tcp.set_nodelay(true).unwrap();
                is_taken(tcp, Accepted::Tcp(listener.accept().await.unwrap().0), header.split_at(split)).await;
                let (unix, accepted) = UnixStream::pair().unwrap();
                is_taken(unix, Accepted::Unix(accepted), header.split_at(split)).await;
            }
        }
    });
}

/// Sends a header in two pieces, the second with what comes after it.
async fn is_taken(mut caller: impl AsyncWrite + Unpin, mut accepted: Accepted, (first, second): (&[u8], &[u8])) {
    let sending = async {
        caller.write_all(first).await.unwrap();
        tokio::task::yield_now().await;
        caller.write_all(&[second, b"\x16after"].concat()).await.unwrap();
    };
    let (source, ()) = tokio::join!(read(&mut accepted), sending);
    assert_eq!(source.unwrap(), Some("192.0.2.1:56324".parse().unwrap()));
    let mut rest = [0; 6];
    accepted.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"\x16after");
}
