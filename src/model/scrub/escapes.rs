//! How one byte, or one character, is written where it may not stand as it is.

/// What every escape begins with.
pub const INTRODUCTIONS: [u8; 3] = *b"%\\&";

/// Calls `each` with every escape of `byte` that begins with `introduction`. Letters and digits need none in HTML, so they
/// have none there.
pub fn of_byte(byte: u8, introduction: u8, mut each: impl FnMut(&[u8])) {
    let plain = byte.is_ascii_alphanumeric();
    for &high in digits(byte >> 4) {
        for &low in digits(byte) {
            match introduction {
                b'%' => each(&[b'%', high, low]),
                b'\\' => each(&[b'\\', b'u', b'0', b'0', high, low]),
                b'&' if !plain => each(&[b'&', b'#', b'x', high, low, b';']),
                _ => {}
            }
        }
    }
    match (introduction, byte) {
        (b'\\', b'/' | b'"' | b'\\') => each(&[b'\\', byte]),
        (b'&', _) if !plain => {
            let [hundreds, tens, ones] = [byte / 100, byte / 10 % 10, byte % 10].map(|digit| b'0' + digit);
            match byte {
                0..10 => each(&[b'&', b'#', ones, b';']),
                10..100 => each(&[b'&', b'#', tens, ones, b';']),
                _ => each(&[b'&', b'#', hundreds, tens, ones, b';']),
            }
            if let Some(name) = named(byte) {
                each(name);
            }
        }
        _ => {}
    }
}

fn named(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'"' => Some(b"&quot;"),
        b'\'' => Some(b"&apos;"),
        _ => None,
    }
}

/// Calls `each` with JSON's escape of a character beyond ASCII, in both cases.
pub fn of_char(character: char, mut each: impl FnMut(&[u8])) {
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units);
    let written = |unit: &u16| format!("\\u{unit:04x}");
    let lower: String = units.iter().map(written).collect();
    each(lower.as_bytes());
    let upper = lower.to_ascii_uppercase().replace('U', "u");
    if upper != lower {
        each(upper.as_bytes());
    }
}

/// A hex digit, in its two cases where it is a letter.
pub fn digits(nibble: u8) -> &'static [u8] {
    const DIGITS: [&[u8]; 16] =
        [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"aA", b"bB", b"cC", b"dD", b"eE", b"fF"];
    DIGITS[usize::from(nibble & 15)]
}
