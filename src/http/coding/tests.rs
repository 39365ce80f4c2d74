use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use std::io::Write as _;

fn written<W>(mut encoder: W, text: &[u8], finish: impl Fn(W) -> std::io::Result<Vec<u8>>) -> Vec<u8>
where
    W: std::io::Write,
{
    encoder.write_all(text).unwrap();
    finish(encoder).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    written(GzEncoder::new(Vec::new(), Compression::default()), text, GzEncoder::finish)
}

fn zlib(text: &[u8]) -> Vec<u8> {
    written(ZlibEncoder::new(Vec::new(), Compression::default()), text, ZlibEncoder::finish)
}

fn raw(text: &[u8]) -> Vec<u8> {
    written(DeflateEncoder::new(Vec::new(), Compression::default()), text, DeflateEncoder::finish)
}

fn zstandard(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(text.len())];
    let length = zstd_safe::compress(&mut out[..], text, 3).unwrap();
    out.truncate(length);
    out
}

/// Meta-blocks of RFC 7932, section 9.2, that hold their bytes as they are; then an empty last one.
fn stored_brotli(text: &[u8]) -> Vec<u8> {
    // A window of 16 bits is the bit 0; each block is then byte-aligned but the first, whose header begins one bit later.
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 1);
    for block in text.chunks(1 << 16) {
        // ISLAST 0, MNIBBLES 0 (four of them), MLEN - 1, ISUNCOMPRESSED 1.
        bits |= (((block.len() - 1) as u32) << 3 | 1 << 19) << count;
        out.extend_from_slice(&bits.to_le_bytes()[..(count + 20usize).div_ceil(8)]);
        out.extend_from_slice(block);
        (bits, count) = (0, 0);
    }
    // ISLAST, ISLASTEMPTY.
    out.push((bits | 3 << count) as u8);
    out
}

fn decoded(codings: &[Coding], encoded: &[u8], piece: usize) -> Result<Vec<u8>, Broken> {
    let (mut decoding, mut out) = (Decoding::of(codings), Vec::new());
    for piece in encoded.chunks(piece.max(1)) {
        decoding.push(Bytes::copy_from_slice(piece));
        while let Some(piece) = decoding.pull()? {
            assert!(!piece.is_empty() && piece.len() <= PIECE);
            out.extend_from_slice(&piece);
        }
        assert_eq!(decoding.pull(), Ok(None), "asking again changes nothing");
    }
    decoding.finish().map(|()| out)
}

/// Each coding, with an encoder.
type Encode = fn(&[u8]) -> Vec<u8>;
const ALL: [(Coding, Encode); 5] = [
    (Coding::Gzip, gzip),
    (Coding::Deflate, zlib),
    (Coding::Deflate, raw),
    (Coding::Brotli, stored_brotli),
    (Coding::Zstd, zstandard),
];

/// What no coding makes much shorter, after something that every coding does.
fn text(length: usize) -> Vec<u8> {
    let mut state = 7u32;
    let noise = (0..length).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    vec![b'a'; length].into_iter().chain(noise).collect()
}

#[test]
fn every_coding_is_undone_however_it_is_cut() {
    for (coding, encode) in ALL {
        for length in [0, 1, 100, 40_000] {
            let text = text(length);
            for piece in [1, 7, 1000, usize::MAX] {
                assert_eq!(
                    decoded(&[coding], &encode(&text), piece).as_ref(),
                    Ok(&text),
                    "{coding:?} {length} {piece}"
                );
            }
        }
        for (outer, encode_again) in ALL {
            let twice = encode_again(&encode(&text(5000)));
            assert_eq!(decoded(&[coding, outer], &twice, 333), Ok(text(5000)), "{coding:?}, {outer:?}");
        }
    }
}

#[test]
fn what_is_cut_off_or_followed_by_more_is_broken() {
    for (coding, encode) in ALL {
        let encoded = encode(&text(300));
        for end in 1..encoded.len() {
            assert_eq!(decoded(&[coding], &encoded[..end], 50), Err(Broken), "{coding:?} cut after {end}");
        }
        assert_eq!(decoded(&[coding], &[&encoded[..], b"secret"].concat(), 50), Err(Broken), "{coding:?}");
        assert_eq!(decoded(&[coding], b"this is nothing of the kind", 50), Err(Broken), "{coding:?}");
        assert_eq!(decoded(&[coding], b"", 1), Ok(Vec::new()), "an empty body is not encoded at all");
    }
}

#[test]
fn what_came_so_far_goes_on_before_the_end() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"data: one\n\n").unwrap();
    encoder.flush().unwrap();
    let mut decoding = Decoding::of(&[Coding::Gzip]);
    decoding.push(encoder.get_ref().clone().into());
    assert_eq!(decoding.pull(), Ok(Some("data: one\n\n".into())));
    assert_eq!(decoding.pull(), Ok(None));
    assert_eq!(decoding.finish(), Err(Broken));

    let mut context = zstd_safe::CCtx::create();
    let mut encoded = [0; 100];
    let mut out = zstd_safe::OutBuffer::around(&mut encoded[..]);
    context.compress_stream(&mut out, &mut zstd_safe::InBuffer::around(b"data: one\n\n")).unwrap();
    context.flush_stream(&mut out).unwrap();
    let mut decoding = Decoding::of(&[Coding::Zstd]);
    decoding.push(Bytes::copy_from_slice(out.as_slice()));
    assert_eq!(decoding.pull(), Ok(Some("data: one\n\n".into())));
}

#[test]
fn gzip_heads_and_members() {
    let head = [&[0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 3, 2, 0][..], b"xx", b"name\0", b"comment\0", b"hc"].concat();
    let full = [&head[..], &gzip(b"one")[10..], &gzip(b""), &gzip(b" two")].concat();
    for piece in [1, 5, 1000] {
        assert_eq!(decoded(&[Coding::Gzip], &full, piece), Ok(b"one two".to_vec()));
    }
    let mut wrong = gzip(b"one");
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(decoded(&[Coding::Gzip], &wrong, 100), Err(Broken), "its length");
    let endless = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], &[b'n'; 40_000]].concat();
    assert_eq!(decoded(&[Coding::Gzip], &endless, 1000), Err(Broken), "a name without end");
}

#[test]
fn bombs_come_out_in_pieces() {
    // A mebibyte of `abcdefghij`, in 22 bytes.
    let brotli = b"\x5b\xff\xff\x8f\x5f\x54\x38\x06\xc4\xcb\x47\x1c\x18\x0a\x00\x7b\xff\x00\xca\xe9\xec\x3d";
    assert_eq!(decoded(&[Coding::Brotli], brotli, 100).map(|text| text.len()), Ok(1 << 20));
    let bomb = gzip(&gzip(&vec![0; 20 << 20]));
    assert!(bomb.len() < 1000);
    assert_eq!(decoded(&[Coding::Gzip, Coding::Gzip], &bomb, 100).map(|text| text.len()), Ok(20 << 20));
}

#[test]
fn windows_that_http_does_not_allow_are_refused() {
    // A frame whose header asks for a window of 16 MiB, and a raw block of one byte.
    let large = [0x28, 0xb5, 0x2f, 0xfd, 0, 14 << 3, 9, 0, 0, b'a'];
    assert_eq!(decoded(&[Coding::Zstd], &large, 100), Err(Broken));
    let allowed = [0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3, 9, 0, 0, b'a'];
    assert_eq!(decoded(&[Coding::Zstd], &allowed, 100), Ok(b"a".to_vec()));
    // Brotli's "large window" extension.
    assert_eq!(decoded(&[Coding::Brotli], &[0x11, 0x1e, 0x03], 100), Err(Broken));
}

proptest! {
    #[test]
    fn what_is_damaged_ends_the_same_however_it_is_cut(
        which in 0..ALL.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        piece in 1usize..80,
    ) {
        let (coding, encode) = ALL[which];
        let mut encoded = encode(&text(60));
        for (at, byte) in edits {
            *at.get_mut(&mut encoded) = byte;
        }
        // No panic, no endless loop, and the same however it is cut.
        prop_assert_eq!(decoded(&[coding], &encoded, piece), decoded(&[coding], &encoded, 1000));
    }
}
