//! What scrubbing replies costs where nothing is found: `cargo bench --bench scrub`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use keystile::model::Secret;
use keystile::model::scrub::{Needle, Scrubber};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const SECRETS: [&str; 2] =
    ["sk_live_51HqLyjWDarjtT1zdp7dcXvM", "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc"];

const TEXTS: [(&str, &str); 4] = [
    (
        "JSON",
        r#"{"id":"chatcmpl-9xK2","object":"chat.completion.chunk","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"The quick \"brown\" fox"}}],"key":"sk_test_51H"},"#,
    ),
    (
        "JSON in JSON",
        r#"{\"id\":\"evt_1Nk\",\"object\":\"event\",\"data\":{\"amount\":2000,\"url\":\"https:\/\/api.stripe.com\/v1\",\"html\":\"\u003cb\u003e\"}},"#,
    ),
    (
        "percent-encoded",
        "grant%5Ftype=authorization%20code&scope=%2Fread%3Aall%20write&to=https%3A%2F%2Fexample.com%2Fsite%3Fa&",
    ),
    // The worst that an upstream can do: the first three bytes of both secrets, in many spellings.
    ("only beginnings", r"sk_%73%6B%5F-s%6b_ sk\u005f&sk&#95; SG.%53%47%2E-S%47. SG\u002e&SG&#46;"),
];

fn texts() -> Vec<(&'static str, Bytes)> {
    let mut state = 42u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..64 << 10).map(|_| random()).collect();
    let repeated = |text: &str| text.bytes().cycle().take(64 << 10).collect();
    let mut all: Vec<_> = TEXTS.map(|(name, text)| (name, repeated(text))).into();
    all.push(("base64", STANDARD.encode(&noise).into()));
    all.push(("hex", noise.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()));
    all.push(("binary", noise.into()));
    all
}

/// In 10⁹ bytes a second.
fn rate(needle: &Needle, text: &Bytes, piece: usize) -> f64 {
    let (mut scrubber, mut bytes) = (Scrubber::default(), 0);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        let mut rest = text.clone();
        while !rest.is_empty() {
            bytes += scrubber.push(needle, rest.split_to(piece.min(rest.len()))).len();
        }
    }
    assert_eq!(scrubber.replaced(), 0, "nothing is to be found");
    bytes as f64 / began.elapsed().as_secs_f64() / 1e9
}

fn main() {
    println!("GB/s on one core, in pieces of  64 KiB  16 KiB   1400 B");
    for secret in SECRETS {
        let needle = Needle::of([&Secret::new(Zeroizing::new(secret.into()))]).expect("it is long enough");
        for (name, text) in texts() {
            let rates = [64 << 10, 16 << 10, 1400].map(|piece| format!("{:7.2}", rate(&needle, &text, piece)));
            println!("{:8}… {name:20}  {}", &secret[..8], rates.join("  "));
        }
    }
}
