//! What RFC 7541 says, section by section.

use super::*;
use http::header::HeaderName;

pub(super) const PLENTY: usize = 1 << 20;

/// Bytes, as the RFC prints them.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

pub(super) fn lines(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Line>, Broken> {
    let mut lines = Vec::new();
    assert_eq!(decoder.decode(block, PLENTY, &mut |line| lines.push(line))?, Fits::Yes);
    Ok(lines)
}

fn first(block: &[u8]) -> Result<Line, Broken> {
    lines(&mut Decoder::new(), block).map(|mut lines| lines.remove(0))
}

fn broken(block: &[u8]) -> Broken {
    lines(&mut Decoder::new(), block).unwrap_err()
}

pub(super) fn field(name: &str, value: &str) -> Line {
    Line::Field(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
}

/// A line that is spelt out, for the table.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    assert!(name.len() < 127 && value.len() < 127);
    [&[0x40, name.len() as u8], name, &[value.len() as u8], value].concat()
}

fn get(authority: &str) -> Vec<Line> {
    vec![
        Line::Method(Method::GET),
        Line::Scheme(Scheme::HTTP),
        Line::Path(PathAndQuery::from_static("/")),
        Line::Authority(authority.parse().unwrap()),
    ]
}

#[test]
fn rfc_7541_c_1_numbers() {
    for (number, bits, bytes) in [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a")] {
        let mut out = Vec::new();
        integer::write(&mut out, 0, bits, number);
        assert_eq!(out, hex(bytes));
        assert_eq!(integer::read(out[0], bits, &mut &out[1..]), Ok(number));
    }
}

#[test]
fn rfc_7541_5_1_numbers_are_bounded() {
    let read = |bytes: &str| {
        let bytes = hex(bytes);
        integer::read(bytes[0], 7, &mut &bytes[1..])
    };
    assert_eq!(read("ff80ffffff0f"), Ok(u32::MAX as usize), "the largest");
    assert_eq!(read("ff81ffffff0f"), Err(Broken::Number), "one more");
    assert_eq!(read("ff8080808000"), Ok(127), "as long as it may be");
    assert_eq!(read("ff808080808000"), Err(Broken::Number), "longer");
    assert_eq!(read("ffffffffffff"), Err(Broken::Number));
    assert_eq!(read("ff8080"), Err(Broken::Truncated));
}

#[test]
fn rfc_7541_c_2_each_kind_of_line() {
    let read = |bytes: &str| first(&hex(bytes));
    let indexed = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    assert_eq!(read(indexed), Ok(field("custom-key", "custom-header")));
    assert_eq!(read("040c 2f73 616d 706c 652f 7061 7468"), Ok(Line::Path(PathAndQuery::from_static("/sample/path"))));
    let Ok(Line::Field(name, value)) = read("1008 7061 7373 776f 7264 0673 6563 7265 74") else { panic!() };
    assert_eq!((name.as_str(), value.as_bytes(), value.is_sensitive()), ("password", &b"secret"[..], true));
    assert_eq!(read("82"), Ok(Line::Method(Method::GET)));
}

/// Three requests on a connection, without Huffman code and with it.
#[test]
fn rfc_7541_c_3_c_4_requests() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        let mut wanted = get("www.example.com");
        assert_eq!(lines(&mut decoder, &hex(blocks[0])).unwrap(), wanted);
        assert_eq!(decoder.counted(), 57);
        wanted.push(field("cache-control", "no-cache"));
        assert_eq!(lines(&mut decoder, &hex(blocks[1])).unwrap(), wanted);
        assert_eq!(decoder.counted(), 110);
        wanted[1] = Line::Scheme(Scheme::HTTPS);
        wanted[2] = Line::Path(PathAndQuery::from_static("/index.html"));
        wanted[4] = field("custom-key", "custom-value");
        assert_eq!(lines(&mut decoder, &hex(blocks[2])).unwrap(), wanted);
        assert_eq!(decoder.counted(), 164);
    }
}

/// Three replies on a connection whose table holds 256 bytes: entries go. Their statuses are wrong in a request.
#[test]
fn rfc_7541_c_5_c_6_replies() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 \
         3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f \
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b \
         2076 6572 7369 6f6e 3d31",
    ];
    let huffman = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d \
         29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 \
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        let status = || Line::Wrong(line::NO_PSEUDO);
        let (private, date) = (field("cache-control", "private"), field("date", "Mon, 21 Oct 2013 20:13:21 GMT"));
        let location = field("location", "https://www.example.com");
        let first = [hex("3fe101"), hex(blocks[0])].concat();
        let wanted = vec![status(), private.clone(), date.clone(), location.clone()];
        assert_eq!(lines(&mut decoder, &first).unwrap(), wanted);
        assert_eq!(decoder.counted(), 222);
        assert_eq!(lines(&mut decoder, &hex(blocks[1])).unwrap(), wanted);
        assert_eq!(decoder.counted(), 222);
        let cookie = field("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
        let later = field("date", "Mon, 21 Oct 2013 20:13:22 GMT");
        let wanted = vec![status(), private, later, location, field("content-encoding", "gzip"), cookie];
        assert_eq!(lines(&mut decoder, &hex(blocks[2])).unwrap(), wanted);
        assert_eq!(decoder.counted(), 215);
    }
}

#[test]
fn rfc_7541_6_1_an_index_that_nothing_has() {
    assert_eq!(broken(&hex("80")), Broken::Index, "nought");
    assert_eq!(broken(&hex("be")), Broken::Index, "beyond the static table");
    assert_eq!(broken(&[&literal("a", "b")[..], &hex("bf")].concat()), Broken::Index, "beyond both");
    assert_eq!(broken(&hex("ff80ffffff0f")), Broken::Index);
    for name in ["7e 0161", "0f2f 0161", "1f2f 0161"] {
        assert_eq!(broken(&hex(name)), Broken::Index, "{name}");
    }
}

#[test]
fn rfc_7541_5_2_strings_that_are_none() {
    assert_eq!(broken(&hex("0085 ffff ffff ff 00")), Broken::Huffman, "the end of a string within it");
    assert_eq!(broken(&hex("0081 ff 00")), Broken::Huffman, "eight bits of padding");
    assert_eq!(broken(&hex("0082 1fff 00")), Broken::Huffman, "eleven");
    assert_eq!(broken(&hex("0081 18 00")), Broken::Huffman, "padding of noughts");
    assert_eq!(broken(&hex("0084 ffff fffc 00")), Broken::Huffman, "a code that is cut off");
    assert_eq!(first(&hex("0081 1f 00")), Ok(field("a", "")));
    assert_eq!(first(&hex("0081 1f 80")), Ok(field("a", "")), "an empty string in Huffman code");
}

#[test]
fn rfc_7541_6_lines_that_end_too_early() {
    let block =
        hex("3f e11f 82 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf 1008 7061 7373 776f 7264 0673 6563 7265 74");
    let ends = [0, 3, 4, 24, block.len()];
    for end in 0..=block.len() {
        let read = lines(&mut Decoder::new(), &block[..end]);
        let wanted =
            ends.iter().position(|at| *at == end).map(|lines| lines.saturating_sub(1)).ok_or(Broken::Truncated);
        assert_eq!(read.map(|lines| lines.len()), wanted, "{end} bytes");
    }
    assert_eq!(broken(&hex("00 ff8080")), Broken::Truncated, "a length");
}

#[test]
fn rfc_7541_4_2_6_3_sizes_of_the_table() {
    let mut decoder = Decoder::new();
    lines(&mut decoder, &[literal("a", "1"), literal("b", "2"), literal("c", "3")].concat()).unwrap();
    assert_eq!(decoder.counted(), 3 * 34);
    assert_eq!(lines(&mut decoder, &hex("3f26 be bf")).unwrap(), [field("c", "3"), field("b", "2")], "69 bytes");
    assert_eq!(decoder.counted(), 2 * 34);
    assert_eq!(lines(&mut decoder, &hex("20 3fe11f")), Ok(vec![]), "to nought, and back");
    assert_eq!(decoder.counted(), 0);
    assert_eq!(broken(&hex("3fe21f")), Broken::TableSize, "4097");
    assert_eq!(broken(&hex("202020")), Broken::TableSize, "three");
    assert_eq!(broken(&hex("8220")), Broken::TableSize, "behind a line");
}

#[test]
fn rfc_7541_4_4_what_is_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new();
    let large = "x".repeat(64);
    let block = [hex("3f3f"), literal("a", "1"), literal("b", &large)].concat();
    assert_eq!(lines(&mut decoder, &block).unwrap(), [field("a", "1"), field("b", &large)], "94 bytes");
    assert_eq!(decoder.counted(), 0);
    assert_eq!(lines(&mut decoder, &hex("be")), Err(Broken::Index));
    // Also if its name is that of an entry which goes for it.
    let long = "y".repeat(100);
    let again = [&hex("7e")[..], &[100], long.as_bytes()].concat();
    let mut decoder = Decoder::new();
    lines(&mut decoder, &literal("name", &"1".repeat(90))).unwrap();
    assert_eq!(lines(&mut decoder, &[hex("3f6d"), again].concat()).unwrap(), [field("name", &long)]);
    assert_eq!(decoder.counted(), 136);
}

#[test]
fn rfc_7541_7_1_3_what_is_never_indexed_is_a_secret() {
    for (pattern, secret) in [(0x00, false), (0x10, true), (0x40, false)] {
        let mut block = literal("a", "b");
        block[0] = pattern;
        let Ok(Line::Field(_, value)) = first(&block) else { panic!() };
        assert_eq!(value.is_sensitive(), secret, "{pattern:x}");
    }
}

fn is_wrong(name: &str, value: &str) -> bool {
    let block = literal(name, value);
    let twice = lines(&mut Decoder::new(), &[&block[..], &hex("be")].concat()).unwrap();
    let mut unkept = block;
    unkept[0] = 0;
    assert_eq!(first(&unkept).unwrap(), twice[0], "in the table or not");
    assert_eq!(twice[0], twice[1], "repeated");
    matches!(twice[0], Line::Wrong(_))
}

#[test]
fn rfc_9113_8_2_names_and_values() {
    for byte in 0..=255_u8 {
        let block = [&[0x40, 3, b'a', byte, b'z', 1, b'v'][..]].concat();
        let token = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let wrong = matches!(first(&block).unwrap(), Line::Wrong(_));
        assert_eq!(wrong, !token, "{byte} in a name");
        let block = [&[0x40, 1, b'a', 3, b'v', byte, b'v'][..]].concat();
        let wrong = matches!(first(&block).unwrap(), Line::Wrong(_));
        assert_eq!(wrong, byte < b' ' && byte != b'\t' || byte == 0x7f, "{byte} in a value");
    }
    for name in ["", "A", "content-Type", ":", "a:b", &"A".repeat(100), &"\"".repeat(100)] {
        assert!(is_wrong(name, "v"), "{name:?}");
    }
    for value in [" ", "\t", " v", "v ", "\tv", "v\t"] {
        assert!(is_wrong("a", value), "{value:?}");
    }
    assert!(!is_wrong("a", "") && !is_wrong("a", "v v") && !is_wrong(&"a".repeat(100), "v"));
}

#[test]
fn rfc_9113_8_2_2_fields_of_http_1_connections() {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert!(is_wrong(name, "close"), "{name}");
    }
    assert_eq!(first(&hex("b9")), Ok(Line::Wrong(line::OF_CONNECTIONS)), "of the static table");
    assert!(matches!(first(&hex("0f2a 0763 6875 6e6b 6564")), Ok(Line::Wrong(_))));
    assert!(is_wrong("te", "gzip") && is_wrong("te", "trailers, gzip") && is_wrong("te", ""));
    assert!(!is_wrong("te", "trailers"));
}

#[test]
fn rfc_9113_8_3_pseudo_headers() {
    for (name, wrong, right) in [
        (":method", &["", "G T", "GET\r", "a/b"][..], &["GET", "PATCH", "PURGE", "an-extension-of-some-length"][..]),
        (":scheme", &["", "a b", "1a", "ht~tp", "http:", "+"], &["http", "https", "ws"]),
        (":authority", &["", "a b", "a/b", "[::1", "u@", "a:b:c"], &["a", "a.example:443", "[::1]:8443", "u@h"]),
        (
            ":path",
            &["", "a", "?a", "#", "http://a/", "/#a", "/a b", "/\u{1}", "/\x7f", "/ä", "*a"],
            &["/", "*", "/a?b"],
        ),
        (":status", &["200"], &[]),
        (":protocol", &["websocket"], &[]),
        (":Method", &["GET"], &[]),
    ] {
        for value in wrong {
            assert!(is_wrong(name, value), "{name}: {value:?}");
        }
        for value in right {
            assert!(!is_wrong(name, value), "{name}: {value:?}");
        }
    }
    for index in 8..=14 {
        assert!(matches!(first(&[0x80 | index]), Ok(Line::Wrong(_))));
    }
    assert!(matches!(first(&hex("81")), Ok(Line::Wrong(_))), "an empty authority");
}

#[test]
fn rfc_7541_2_3_wrong_lines_have_their_place_in_the_table() {
    let mut decoder = Decoder::new();
    let kept = ["A", "path", ":path", "te", ":status", "x", ":method"];
    let values = ["v", "v", "no", "gzip", "200", " ", "G T"];
    let block: Vec<u8> = kept.iter().zip(values).flat_map(|(name, value)| literal(name, value)).collect();
    lines(&mut decoder, &block).unwrap();
    let size: usize = kept.iter().zip(values).map(|(name, value)| name.len() + value.len() + OVERHEAD).sum();
    assert_eq!(decoder.counted(), size);
    // Their names, with values that are right; the newest is the last.
    let mut again = |newer: u8, value: &str| {
        let block = [&[0x0f, 62 + newer - 15, value.len() as u8], value.as_bytes()].concat();
        lines(&mut decoder, &block).unwrap().remove(0)
    };
    assert_eq!(again(0, "PUT"), Line::Method(Method::PUT));
    assert_eq!(again(1, "v"), field("x", "v"));
    assert!(matches!(again(2, "200"), Line::Wrong(_)));
    assert_eq!(again(3, "trailers"), field("te", "trailers"));
    assert_eq!(again(4, "/a"), Line::Path(PathAndQuery::from_static("/a")));
    assert_eq!(again(5, "w"), field("path", "w"));
    assert!(matches!(again(6, "v"), Line::Wrong(_)));
}

#[test]
fn rfc_9113_6_5_2_beyond_the_limit_nothing_is_handed_out() {
    let (mut decoder, mut seen) = (Decoder::new(), Vec::new());
    let large = "x".repeat(120);
    let block = [literal("a", "1"), literal("b", &large), literal("c", "3")].concat();
    let fits = decoder.decode(&block, 34 + 153, &mut |line| seen.push(line)).unwrap();
    assert_eq!((fits, seen.len()), (Fits::No, 2), "exactly two are within it");
    assert_eq!(lines(&mut decoder, &hex("bebfc0")).unwrap(), [field("c", "3"), field("b", &large), field("a", "1")]);
    // A small block that says a large line thousands of times.
    let bomb = vec![0xbf; 10_000];
    let mut handed_out = 0;
    assert_eq!(decoder.decode(&bomb, 16 << 10, &mut |_| handed_out += 1), Ok(Fits::No));
    assert_eq!(handed_out, (16 << 10) / 153);
    assert_eq!(decoder.decode(&[], 0, &mut |_| panic!()), Ok(Fits::Yes));
}
