//! How one byte, or one character, is written where it may not stand as it is.

/// Calls `each` with every escape of `byte`. Letters and digits need none in HTML, so they have none there.
pub fn of_byte(byte: u8, mut each: impl FnMut(&[u8])) {
    for high in digits(byte >> 4) {
        for low in digits(byte & 15) {
            each(&[b'%', high, low]);
            each(&[b'\\', b'u', b'0', b'0', high, low]);
            if !byte.is_ascii_alphanumeric() {
                each(&[b'&', b'#', b'x', high, low, b';']);
            }
        }
    }
    if matches!(byte, b'/' | b'"' | b'\\') {
        each(&[b'\\', byte]);
    }
    if !byte.is_ascii_alphanumeric() {
        each(format!("&#{byte};").as_bytes());
    }
    match byte {
        b'&' => each(b"&amp;"),
        b'<' => each(b"&lt;"),
        b'>' => each(b"&gt;"),
        b'"' => each(b"&quot;"),
        b'\'' => each(b"&apos;"),
        _ => {}
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

/// Whether an escape may begin with `byte`.
pub fn begin_with(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&')
}

/// A hex digit, in its two cases where it is a letter.
pub fn digits(nibble: u8) -> impl Iterator<Item = u8> + Clone {
    let lower = char::from_digit(u32::from(nibble & 15), 16).map_or(b'0', |digit| digit as u8);
    let upper = lower.to_ascii_uppercase();
    std::iter::once(lower).chain((upper != lower).then_some(upper))
}
