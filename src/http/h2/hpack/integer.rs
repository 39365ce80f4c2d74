//! Numbers (RFC 7541 5.1): the low bits of a first byte, and seven bits in each that follows.

use super::Broken;

/// The next byte of a block.
pub fn next(rest: &mut &[u8]) -> Result<u8, Broken> {
    let (first, after) = rest.split_first().ok_or(Broken::Truncated)?;
    *rest = after;
    Ok(*first)
}

/// The number that begins in the low `bits` of `first`. What does not fit 32 bits is none.
pub fn read(first: u8, bits: u32, rest: &mut &[u8]) -> Result<usize, Broken> {
    let most = (1 << bits) - 1;
    let low = u32::from(first) & most;
    if low < most { Ok(low as usize) } else { longer(low, rest) }
}

fn longer(low: u32, rest: &mut &[u8]) -> Result<usize, Broken> {
    let mut number = u64::from(low);
    for shift in [0, 7, 14, 21, 28] {
        let byte = next(rest)?;
        number += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(number).map(|number| number as usize).map_err(|_| Broken::Number);
        }
    }
    Err(Broken::Number)
}

/// Writes `number` into the low `bits` of a byte that begins with `pattern`, and as many more as it takes.
pub fn write(out: &mut Vec<u8>, pattern: u8, bits: u32, number: usize) {
    let most = (1 << bits) - 1;
    if number < most {
        return out.push(pattern | number as u8);
    }
    out.push(pattern | most as u8);
    let mut left = number - most;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}
