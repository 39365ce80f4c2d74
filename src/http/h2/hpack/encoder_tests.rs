//! What the encoder writes, and that others read the same.

use super::tests::{field, hex, lines};
use super::*;
use http::StatusCode;
use http::header::HeaderName;

fn block(encoder: &mut Encoder, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        encoder.field(&mut out, &name, &HeaderValue::from_str(value).unwrap());
    }
    out
}

#[test]
fn rfc_7541_6_1_a_field_that_repeats_becomes_an_index() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let fields = [("content-type", "application/json"), ("x-custom", "a")];
    let blocks = [(); 4].map(|()| block(&mut encoder, &fields));
    assert_eq!(blocks[0][..2], hex("0f10"), "once it is nothing to remember");
    assert_eq!(blocks[1][0], 0x5f, "twice it is");
    assert_eq!(blocks[2..], [hex("bfbe"), hex("bfbe")]);
    for block in blocks {
        let wanted = fields.map(|(name, value)| field(name, value));
        assert_eq!(lines(&mut decoder, &block).unwrap(), wanted);
    }
    assert_eq!(decoder.counted(), encoder.counted());
}

#[test]
fn rfc_7541_7_1_3_secrets_are_never_indexed() {
    let mut encoder = Encoder::new();
    for _ in 0..3 {
        for name in ["set-cookie", "authorization", "proxy-authorization", "cookie"] {
            let out = block(&mut encoder, &[(name, "a=b")]);
            assert_eq!(out[0] & 0xf0, 0x10, "{name}");
            let out = block(&mut encoder, &[(name, &"long".repeat(50))]);
            assert_eq!(out[0] & 0xf0, 0x10, "{name}");
        }
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        let mut out = Vec::new();
        encoder.field(&mut out, &HeaderName::from_static("x-secret"), &secret);
        assert_eq!(out, [&[0x10, 8][..], b"x-secret", &[6], b"secret"].concat());
        assert_eq!(encoder.counted(), 0);
    }
}

#[test]
fn rfc_7541_appendix_a_what_the_static_table_has() {
    let mut encoder = Encoder::new();
    for (status, bytes) in [
        (200, "88"),
        (204, "89"),
        (206, "8a"),
        (304, "8b"),
        (400, "8c"),
        (404, "8d"),
        (500, "8e"),
        (302, "0803 333032"),
        (429, "0803 343239"),
    ] {
        let mut out = Vec::new();
        encoder.status(&mut out, StatusCode::from_u16(status).unwrap());
        assert_eq!(out, hex(bytes), "{status}");
    }
    for index in 15..=61 {
        let Line::Field(name, value) = &statics::get(index).unwrap().1.line else {
            assert_eq!(index, 57, "transfer-encoding is in no request");
            continue;
        };
        assert_eq!(statics::named(name.as_str().as_bytes()), Some(index));
        let mut out = Vec::new();
        encoder.field(&mut out, name, value);
        let is_bare = value.is_empty();
        assert_eq!(out[0] == 0x80 | index as u8, is_bare, "{name}");
    }
    for name in ["", "a", "ag", "agf", "x-age", "content-typf", ":path"] {
        assert_eq!(statics::named(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn rfc_7541_4_2_a_smaller_table_is_said_first() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let fields = [("x-a", "1"), ("x-b", "2"), ("x-c", "3")];
    let said = |encoder: &mut Encoder, decoder: &mut Decoder| {
        let out = block(encoder, &fields);
        assert_eq!(lines(decoder, &out).unwrap(), fields.map(|(name, value)| field(name, value)));
        assert_eq!(encoder.counted(), decoder.counted());
        out
    };
    encoder.set_table(8192);
    encoder.set_table(4096);
    for _ in 0..3 {
        said(&mut encoder, &mut decoder);
    }
    assert_eq!(said(&mut encoder, &mut decoder), hex("c0bfbe"), "no word of what remains as it was");
    encoder.set_table(80);
    assert_eq!(said(&mut encoder, &mut decoder)[..2], hex("3f31"));
    assert!(encoder.counted() <= 80);
    encoder.set_table(0);
    encoder.set_table(4096);
    assert_eq!(said(&mut encoder, &mut decoder)[..4], hex("203fe11f"), "the smallest, and the last");
    encoder.set_table(0);
    assert_eq!(said(&mut encoder, &mut decoder)[0], 0x20);
    assert_eq!(said(&mut encoder, &mut decoder)[0], 0, "once is enough");
    assert_eq!(encoder.counted(), 0);
}

#[test]
fn what_varies_costs_no_place_in_the_table() {
    let mut encoder = Encoder::new();
    for number in 0..1000 {
        let number = number.to_string();
        block(&mut encoder, &[("content-length", &number), ("etag", &number), ("x-trace", &number), ("server", "a")]);
    }
    assert!(encoder.counted() <= OVERHEAD + "server".len() + 1, "only what repeats");
    let long = "x".repeat(200);
    for _ in 0..3 {
        block(&mut encoder, &[("link", &long)]);
    }
    assert!(encoder.counted() <= OVERHEAD + "server".len() + 1);
}
