//! What RFC 7541 says, section by section.

use super::*;
use http::header::{self, HeaderName};

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
