use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits { head: 4096, uri: 1024 };

fn read(text: &str) -> Result<RequestHead, Denial> {
    request(&Bytes::copy_from_slice(text.as_bytes()))
}

fn refused(bytes: &[u8]) -> bool {
    let mut scanner = Scanner::default();
    match scanner.scan(bytes, LIMITS, &mut Feeds::default()) {
        Err(_) => true,
        Ok(None) => panic!("not whole: {bytes:?}"),
        Ok(Some(end)) => request(&Bytes::copy_from_slice(&bytes[..end])).is_err(),
    }
}

#[test]
fn usual_names_are_what_they_spell() {
    const USUAL: &str = "Accept Accept-Encoding Accept-Language Accept-Ranges Authorization Cache-Control Connection \
        Content-Encoding Content-Length Content-Type Cookie Date ETag Host Last-Modified Server Set-Cookie \
        Transfer-Encoding User-Agent Vary";
    for name in USUAL.split_ascii_whitespace() {
        for spelled in [name.to_owned(), name.to_ascii_lowercase()] {
            assert_eq!(usual(spelled.as_bytes()).unwrap(), HeaderName::from_bytes(spelled.as_bytes()).unwrap());
        }
    }
    assert!(["HOST", "hosT", "", "x", "host "].iter().all(|other| usual(other.as_bytes()).is_none()));
}

#[test]
fn a_head_is_read_to_the_byte() {
    let parts = read("GET /a%20b?c=d&e HTTP/1.1\r\nHost: h\r\nX-Some:\t a b \r\nx-some: \r\n\r\n").unwrap();
    assert_eq!(
        (parts.method, parts.uri.to_string(), parts.version),
        (Method::GET, "/a%20b?c=d&e".to_owned(), Version::HTTP_11)
    );
    let all: Vec<_> = parts.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    assert_eq!(all, [("host", &b"h"[..]), ("x-some", b"a b"), ("x-some", b"")]);
    let opaque = request(&Bytes::from_static(b"GET / HTTP/1.0\r\nX: \xff\xe4\r\n\r\n")).unwrap();
    assert_eq!((opaque.version, opaque.headers["x"].as_bytes()), (Version::HTTP_10, &b"\xff\xe4"[..]));
}

#[test]
fn hazard_10_every_line_that_can_be_read_in_two_ways_is_refused() {
    for head in [
        &b"GET / HTTP/1.1\nHost: h\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: h\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\n",
        b"\nGET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
        b"GET / HTTP/1.1\rHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n",
        b"GET / HTTP/1.1\r\n X: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX\"y: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX\t: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX\0: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x01b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x7fb\r\n\r\n",
        b"GET / HTTP/1.1\r\nX\xe4: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX(y): a\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b" GET / HTTP/1.1\r\n\r\n",
        b"GET\t/ HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET /a\tb HTTP/1.1\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\n\r\n",
        b"GET /\xe4 HTTP/1.1\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\n\r\n",
        b"GET a HTTP/1.1\r\n\r\n",
        b"GET h:80 HTTP/1.1\r\n\r\n",
        b"GET ?a HTTP/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET\r\n\r\n",
        b"G(T / HTTP/1.1\r\n\r\n",
        b" / HTTP/1.1\r\n\r\n",
        b"GET / http/1.1\r\n\r\n",
        b"GET / HTTP/1.10\r\n\r\n",
        b"GET / HTTP/1\r\n\r\n",
        b"GET / HTTP/01.1\r\n\r\n",
        b"GET / HTTP/1.1x\r\n\r\n",
        b"GET / ICY/1.1\r\n\r\n",
    ] {
        assert!(refused(head), "{:?}", String::from_utf8_lossy(head));
    }
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"] {
        assert_eq!(read(&format!("GET / {version}\r\n\r\n")).unwrap_err(), Denial::VersionNotSupported);
    }
}

#[test]
fn what_could_be_read_of_a_broken_head_is_there_for_the_record() {
    let mut broken = RequestHead::default();
    let head = Bytes::from_static(b"POST /orders HTTP/1.1\r\nX : a\r\n\r\n");
    super::read(&head, &Feeds::of(&head), &mut broken).unwrap_err();
    assert_eq!((broken.method.as_str(), broken.uri.path()), ("POST", "/orders"));
    let head = Bytes::from_static(b"\x16\x03\x01\r\n\r\n");
    super::read(&head, &Feeds::of(&head), &mut broken).unwrap_err();
    assert_eq!((broken.method.as_str(), broken.uri.path()), ("-", "/"), "nothing is left of the one before");
}

#[test]
fn a_reply_is_read_as_strictly() {
    let read = |text: &'static [u8]| reply(&Bytes::from_static(text), &Feeds::of(text));
    let plain = read(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n").unwrap();
    assert_eq!((plain.status.as_u16(), plain.version, plain.reason), (200, Version::HTTP_11, None));
    let odd = read(b"HTTP/1.0 404 Nobody Home\r\n\r\n").unwrap();
    assert_eq!(odd.reason.as_ref().map(Reason::as_bytes), Some(&b"Nobody Home"[..]));
    assert_eq!(read(b"HTTP/1.1 204\r\n\r\n").unwrap().status, 204);
    assert_eq!(read(b"HTTP/1.1 204 \r\n\r\n").unwrap().status, 204);
    for head in [
        &b"HTTP/2 200 OK\r\n\r\n"[..],
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 200 O\0K\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"",
    ] {
        assert!(read(head).is_err(), "{:?}", String::from_utf8_lossy(head));
    }
}

#[test]
fn hazard_13_heads_and_lines_without_end() {
    let long = vec![b'a'; 10_000];
    assert_eq!(Scanner::default().scan(&long, LIMITS, &mut Feeds::default()), Err(Flaw::LineTooLong));
    let many = [b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(2000)].concat();
    assert_eq!(Scanner::default().scan(&many, LIMITS, &mut Feeds::default()), Err(Flaw::TooLong));
}

proptest! {
    #[test]
    fn every_split_has_the_same_end(bytes in "(GET / HTTP/1.1\r\n)?(A: b\r\n|C:\r\n|\n|\r|x){0,6}(\r\n)?(rest)?", at in 0usize..60) {
        let bytes = bytes.as_bytes();
        let whole = Scanner::default().scan(bytes, LIMITS, &mut Feeds::default());
        let (mut scanner, mut seen) = (Scanner::default(), Feeds::default());
        let first = scanner.scan(&bytes[..at.min(bytes.len())], LIMITS, &mut seen);
        let split = match first { Ok(None) => scanner.scan(bytes, LIMITS, &mut seen), done => done };
        prop_assert_eq!(whole, split);
        if let Ok(Some(end)) = split {
            prop_assert_eq!(seen, Feeds::of(&bytes[..end]));
        }
    }

    #[test]
    fn no_bytes_upset_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = request(&bytes);
        let _ = reply(&bytes, &Feeds::of(&bytes));
    }

    #[test]
    fn what_is_read_holds_no_byte_that_could_end_a_line(lines in proptest::collection::vec("[ -~\r\n\t\u{80}-\u{ff}]{0,12}", 0..6)) {
        let text = format!("GET / HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"));
        if let Ok(parts) = read(&text) {
            for value in parts.headers.values() {
                prop_assert!(!value.as_bytes().iter().any(|b| matches!(b, b'\r' | b'\n' | 0)));
            }
        }
    }
}
