//! The Huffman code of strings (RFC 7541 5.2, appendix B). It is canonical: the lengths of its codes say all of it, and
//! the tables are made of them when this is compiled.

use super::Broken;

/// How long each byte's code is. That of the end of a string, which has 30 bits, is after them all.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26,
];

/// The longest code.
const LONGEST: usize = 30;

/// Codes of so many bits are found at once: those of letters, digits and most of the punctuation among them.
const SHORT: usize = 8;

/// The code by its lengths.
struct Canonical {
    /// The code of each byte, in the low bits.
    codes: [u32; 256],
    /// The bytes by their codes: the shorter first, the smaller first.
    bytes: [u8; 256],
    /// By length: beyond the last code, in the high bits.
    ends: [u64; LONGEST + 1],
    /// By length: what the place in `bytes` is more than the code.
    places: [i64; LONGEST + 1],
}

const CODE: Canonical = {
    let mut made = Canonical { codes: [0; 256], bytes: [0; 256], ends: [0; LONGEST + 1], places: [0; LONGEST + 1] };
    let (mut code, mut place, mut length) = (0_u64, 0, 1);
    while length <= LONGEST {
        code <<= 1;
        made.places[length] = place as i64 - code as i64;
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                made.codes[byte] = code as u32;
                made.bytes[place] = byte as u8;
                (code, place) = (code + 1, place + 1);
            }
            byte += 1;
        }
        made.ends[length] = code << (64 - length);
        length += 1;
    }
    // One code is left, of ones only: the end of a string.
    assert!(place == 256 && code == (1 << LONGEST) - 1);
    made
};

/// By the next bits: the byte that they begin with, and above it how long its code is; nothing if it is longer.
static SHORTS: [u16; 1 << SHORT] = {
    let mut shorts = [0; 1 << SHORT];
    let mut byte = 0;
    while byte < 256 {
        let length = LENGTHS[byte] as usize;
        if length <= SHORT {
            let first = (CODE.codes[byte] as usize) << (SHORT - length);
            let mut more = 0;
            while more < 1 << (SHORT - length) {
                shorts[first + more] = (length << 8 | byte) as u16;
                more += 1;
            }
        }
        byte += 1;
    }
    shorts
};

static ENDS: [u64; LONGEST + 1] = CODE.ends;
static PLACES: [i64; LONGEST + 1] = CODE.places;
static BYTES: [u8; 256] = CODE.bytes;
static CODES: [u32; 256] = CODE.codes;

/// The longest that a string of `length` bytes becomes.
pub const fn longest(length: usize) -> usize {
    length * 8 / 5
}

/// How many bytes are found between one look at what is left and the next.
const GROUP: usize = 56 / SHORT;

/// Room that reading takes beyond [`longest`].
pub const SLACK: usize = GROUP;

/// The first eight bytes, or what there is and ones behind it, as in a string's padding.
fn eight(rest: &[u8]) -> u64 {
    if let Some(eight) = rest.first_chunk() {
        return u64::from_be_bytes(*eight);
    }
    let bits = 8 * rest.len() as u32;
    let last = rest.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    last.wrapping_shl(64 - bits) | u64::MAX >> bits
}

/// The byte whose code `word` begins with, where that is longer than [`SHORT`], and how long it is. The end of a string,
/// within it, is none.
#[cold]
fn long(word: u64) -> Option<(usize, u8)> {
    let length = (SHORT + 1..=LONGEST).find(|length| word < ENDS[*length])?;
    let place = (word >> (64 - length)) as i64 + PLACES[length];
    Some((length, *BYTES.get(place as usize)?))
}

/// Reads `text` to `out`, which has room for the longest that it may be and [`SLACK`], and says how long it is.
pub fn decode(text: &[u8], out: &mut [u8]) -> Result<usize, Broken> {
    // In bits, and in bytes.
    let (mut at, mut length) = (0, 0);
    loop {
        // The next bits, at least 57. Behind the last there are ones, which no short code is: nothing is read of them.
        let rest = text.get(at / 8..).ok_or(Broken::Huffman)?;
        let mut word = eight(rest) << (at % 8);
        let group = out.get_mut(length..length + GROUP).ok_or(Broken::Huffman)?;
        let mut read = 0;
        for byte in &mut *group {
            let short = usize::from(SHORTS[(word >> (64 - SHORT)) as usize]);
            if short == 0 {
                break;
            }
            *byte = short as u8;
            word <<= short >> 8;
            at += short >> 8;
            read += 1;
        }
        if read == 0 {
            let padding = at <= 8 * text.len() && 8 * text.len() - at < 8;
            if padding && word | 0x7f == u64::MAX {
                return Ok(length);
            }
            // Beyond the last bit, where a code was cut off, there is none.
            let (bits, byte) = long(word).ok_or(Broken::Huffman)?;
            (at, group[0], read) = (at + bits, byte, 1);
        }
        length += read;
    }
}

/// How many bytes `text` becomes.
pub fn encoded(text: &[u8]) -> usize {
    text.iter().map(|byte| usize::from(LENGTHS_OF[usize::from(*byte)])).sum::<usize>().div_ceil(8)
}

static LENGTHS_OF: [u8; 256] = LENGTHS;

/// Writes `text`.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut word, mut count) = (0_u64, 0);
    for byte in text {
        let at = usize::from(*byte);
        word = word << LENGTHS_OF[at] | u64::from(CODES[at]);
        count += u32::from(LENGTHS_OF[at]);
        if count >= 32 {
            count -= 32;
            out.extend_from_slice(&((word >> count) as u32).to_be_bytes());
        }
    }
    while count >= 8 {
        count -= 8;
        out.push((word >> count) as u8);
    }
    if count > 0 {
        out.push((word << (8 - count)) as u8 | 0xff >> count);
    }
}
