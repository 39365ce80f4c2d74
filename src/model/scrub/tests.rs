use super::{Needle, Scrubber};
use crate::model::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use proptest::prelude::*;
use zeroize::Zeroizing;

fn needle(secret: impl AsRef<[u8]>) -> Needle {
    Needle::of([&Secret::new(Zeroizing::new(secret.as_ref().to_vec()))]).unwrap()
}

fn scrubbed(secret: &str, text: &str) -> String {
    let clean = needle(secret).scrub(text.as_bytes());
    clean.map_or(text.to_owned(), |(clean, _)| String::from_utf8(clean).unwrap())
}

fn is_hidden(secret: &str, form: &str) {
    let clean = scrubbed(secret, &format!("before \"{form}\" after"));
    assert_eq!(clean, format!("before \"{}\" after", "*".repeat(form.len())), "{form}");
}

fn streamed(needle: &Needle, pieces: &[&[u8]]) -> (Vec<u8>, u64) {
    let (mut scrubber, mut out) = (Scrubber::default(), Vec::new());
    for piece in pieces {
        out.extend_from_slice(&scrubber.push(needle, Bytes::copy_from_slice(piece)));
    }
    out.extend_from_slice(&scrubber.finish(needle));
    assert_eq!(scrubber.holds(), 0);
    (out, scrubber.replaced())
}

#[test]
fn hazard_18_every_form_is_replaced_by_as_many_stars() {
    const SECRET: &str = "sk/live+Key=0042";
    let hidden = |form: &str| is_hidden(SECRET, form);
    hidden(SECRET);
    hidden("sk%2Flive%2bKey%3D0042");
    hidden("%73%6B%2f%6C%69%76%65%2B%4b%65%79%3d%30%30%34%32");
    hidden(r"sk\/live+Key=0042");
    hidden(r"sk\u002flive\u002BKey\u003d0042");
    hidden(r"\u0073k%2Flive+K\u0065y=004\u0032");
    hidden("sk&#x2f;live&#43;Key&#x3D;0042");
    hidden("736b2f6c6976652b4b65793d30303432");
    hidden("736B2F6C6976652B4B65793D30303432");
    let quoted = r#"p"\ss'w&rd-1234"#;
    is_hidden(quoted, r#"p\"\\ss'w&rd-1234"#);
    is_hidden(quoted, r"p&quot;\ss&apos;w&amp;rd-1234");
}

#[test]
fn hazard_18_base64_at_all_alignments_and_in_both_alphabets() {
    // Holds `+` and `/` in every alignment.
    let secret = "\u{fb}\u{ff}>~?\u{fe}ob?~>\u{fb}";
    for before in 0..3 {
        for after in 0..3 {
            let text = [&b"xyz"[..before], secret.as_bytes(), &b"!!!"[..after]].concat();
            let (standard, url) = (STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text));
            let percent = standard.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
            for (form, longest) in [(&standard, 1), (&standard.replace('/', r"\/"), 1), (&url, 1), (&percent, 3)] {
                let (clean, count) = needle(secret).scrub(form.as_bytes()).unwrap();
                let left = clean.iter().filter(|b| **b != b'*').count();
                // Neighbours' characters, what mixes with them, and padding.
                assert!(count == 1 && left <= before + after + 2 + 3 * longest, "{form}: {left} left");
                assert_eq!(clean.len(), form.len());
            }
        }
    }
}

#[test]
fn characters_beyond_ascii_as_json_writes_them() {
    for form in [r"p\u00e4ssw\u00F6rd-\ud834\udd1e-1234", "p%C3%A4ssw%c3%b6rd-𝄞-1234", r"p\u00c3\u00a4sswörd-𝄞-1234"]
    {
        is_hidden("pässwörd-𝄞-1234", form);
    }
}

#[test]
fn a_secret_that_holds_escapes_itself_is_read_in_both_ways() {
    for secret in ["%25%25%25%25z", r"\\\\\\\\\\\\z", "a%41/bcdefghi", "&amp;&amp;&amp;z"] {
        is_hidden(secret, secret);
        is_hidden(secret, &secret.bytes().map(|b| format!("%{b:02x}")).collect::<String>());
    }
    is_hidden("a%41/bcdefghi", r"a%41\/bcdefghi");
}

#[test]
fn what_is_no_secret_stays() {
    for text in ["", "sk_live_0123", "sk_live_012345", "sk_live_0123456", "Sk_live_01234567", "sk_live_%2501234567"] {
        assert_eq!(scrubbed("sk_live_01234567", text), text);
    }
    assert!(Needle::of([&Secret::new(Zeroizing::new(b"elevenbytes".to_vec()))]).is_none());
    assert_eq!(format!("{:?}", needle("twelve bytes")), "Needle(…)");
}

#[test]
fn several_secrets_and_their_overlaps() {
    let secrets = ["first-secret-1", "secret-1-and-2"].map(|s| Secret::new(Zeroizing::new(s.into())));
    let both = Needle::of(&secrets).unwrap();
    let (clean, count) = both.scrub(b"<first-secret-1-and-2>").unwrap();
    assert_eq!((&clean[..], count), (&b"<********************>"[..], 1));
    let many: Vec<Secret> =
        (0..40).map(|n| Secret::new(Zeroizing::new(format!("{n:02}-number-of-many").into()))).collect();
    assert_eq!(Needle::of(&many).unwrap().scrub(b"a 39-number-of-many").unwrap().1, 1);
}

#[test]
fn names_of_fields_are_lower_case_by_now() {
    let needle = needle("Sk_Live_0123-XYZ");
    assert!(needle.is_in_name("x-sk_live_0123-xyz-id"));
    assert!(needle.is_in_name("sk_live%5f0123-xyz") && needle.is_in_name("a-536b5f4c6976655f303132332d58595a"));
    assert!(!needle.is_in_name("x-sk_live_0123-xy") && !needle.is_in_name(""));
}

#[test]
fn what_cannot_matter_flows_at_once() {
    let needle = needle("sk_live_0123456789");
    let mut scrubber = Scrubber::default();
    let piece = Bytes::from_static(b"data: {\"delta\": \"a \\\"risk\\\" of 100%\"}\n\n");
    let passed = scrubber.push(&needle, piece.clone());
    assert_eq!((passed.as_ptr(), passed.len(), scrubber.holds()), (piece.as_ptr(), piece.len(), 0), "not copied");
    // Only the beginning of a secret is held, and only until it is none.
    assert_eq!(scrubber.push(&needle, Bytes::from_static(b"data: sk_li")), "data: ");
    assert_eq!(scrubber.push(&needle, Bytes::from_static(b"ve_012")), "");
    assert_eq!(scrubber.push(&needle, Bytes::from_static(b"\n\n")), "sk_live_012\n\n");
    assert_eq!(scrubber.push(&needle, Bytes::from_static(b"100%")), "100");
    assert_eq!(scrubber.finish(&needle), "%");
    assert_eq!(scrubber.replaced(), 0);
}

#[derive(Debug, Clone)]
enum Part {
    Filler(String),
    /// The secret, by form, with what chooses the spelling of each byte.
    Whole(u8, Vec<u8>),
    /// Its beginning only.
    Broken(Vec<u8>, prop::sample::Index),
}

/// Letters that neither the secret nor any of its forms hold.
const FILLER: &str = r#"[GHIJK {}:"\\%&\n]{0,9}"#;

fn part() -> impl Strategy<Value = Part> {
    let spelling = || proptest::collection::vec(0u8..12, 40);
    prop_oneof![
        FILLER.prop_map(Part::Filler),
        (0u8..3, spelling()).prop_map(|(form, spelling)| Part::Whole(form, spelling)),
        (spelling(), any::<prop::sample::Index>()).prop_map(|(spelling, end)| Part::Broken(spelling, end)),
    ]
}

fn spelt(secret: &str, spelling: &[u8]) -> String {
    let mut out = String::new();
    for (byte, how) in secret.bytes().zip(spelling.iter().cycle()) {
        match how {
            0 => out += &format!("%{byte:02x}"),
            1 => out += &format!("%{byte:02X}"),
            2 => out += &format!("\\u{byte:04x}"),
            3 => out += &format!("\\u{byte:04X}"),
            4 if byte == b'/' => out += "\\/",
            5 if !byte.is_ascii_alphanumeric() => out += &format!("&#{byte};"),
            6 if !byte.is_ascii_alphanumeric() => out += &format!("&#x{byte:02X};"),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nothing_but_secrets_is_replaced_however_the_text_is_cut(
        secret in "[a-f/+_=.0-9-]{12,40}",
        parts in proptest::collection::vec(part(), 1..8),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (mut text, mut expected, mut longest) = (String::new(), String::new(), 0);
        for part in &parts {
            let (written, hidden) = match part {
                Part::Filler(filler) => (filler.clone(), filler.clone()),
                Part::Whole(form, spelling) => {
                    let form = match form {
                        0 => spelt(&secret, spelling),
                        1 => secret.bytes().map(|b| format!("{b:02x}")).collect(),
                        _ => secret.bytes().map(|b| format!("{b:02X}")).collect(),
                    };
                    let stars = "*".repeat(form.len());
                    (form, stars)
                }
                Part::Broken(spelling, end) => {
                    let broken = secret[..end.index(secret.len())].to_owned();
                    let form = spelt(&broken, spelling) + "G";
                    (form.clone(), form)
                }
            };
            text += &written;
            expected += &hidden;
            // What would join two parts into something else.
            text.push('J');
            expected.push('J');
            longest = longest.max(secret.len() * 6);
        }
        let needle = needle(&secret);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|c| &text.as_bytes()[c[0]..c[1]]).collect();
        let (clean, count) = streamed(&needle, &pieces);
        prop_assert_eq!(String::from_utf8_lossy(&clean), expected);
        prop_assert_eq!(needle.scrub(text.as_bytes()).map_or(0, |(_, count)| count), count);
        let each: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(streamed(&needle, &each), (clean, count));
        let mut scrubber = Scrubber::default();
        for piece in pieces {
            scrubber.push(&needle, Bytes::copy_from_slice(piece));
            prop_assert!(scrubber.holds() < longest);
        }
    }
}
