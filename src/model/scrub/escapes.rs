//! How one byte, or one character, is written where it may not stand as it is.

/// What every escape begins with.
pub const INTRODUCTIONS: [u8; 3] = *b"%\\&";

/// Calls `each` with every escape of `byte` that begins with `introduction`. Letters and digits need none in HTML, so they
/// have none there.
pub fn of_byte(byte: u8, introduction: u8, mut each: impl FnMut(&[u8])) {
    let plain = byte.is_ascii_alphanumeric();
    let (highs, lows) = (digits(byte >> 4), digits(byte & 15));
    for (high, low) in highs.flat_map(|high| lows.clone().map(move |low| (high, low))) {
        match introduction {
            b'%' => each(&[b'%', high, low]),
            b'\\' => each(&[b'\\', b'u', b'0', b'0', high, low]),
            b'&' if !plain => each(&[b'&', b'#', b'x', high, low, b';']),
            _ => {}
        }
    }
    match (introduction, byte) {
        (b'\\', b'/' | b'"' | b'\\') => each(&[b'\\', byte]),
        (b'&', _) if !plain => {
            each(format!("&#{byte};").as_bytes());
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
pub fn digits(nibble: u8) -> impl Iterator<Item = u8> + Clone {
    let lower = char::from_digit(u32::from(nibble & 15), 16).map_or(b'0', |digit| digit as u8);
    let upper = lower.to_ascii_uppercase();
    std::iter::once(lower).chain((upper != lower).then_some(upper))
}
