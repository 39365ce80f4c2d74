//! HPACK as it is read (RFC 7541). Deliberately naive and strict: what breaks a rule fails the test.

use std::collections::VecDeque;

pub type Fields = Vec<(String, String)>;

/// One direction's table.
pub struct Decoder {
    entries: VecDeque<(String, String)>,
    size: usize,
    /// What the writer has said that it uses, and what we permit at most.
    most: usize,
    permitted: usize,
    /// We permit less than it uses, so that the next block must begin by saying that it uses less.
    owed: bool,
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder { entries: VecDeque::new(), size: 0, most: 4096, permitted: 4096, owed: false }
    }

    /// The peer has acknowledged this SETTINGS_HEADER_TABLE_SIZE.
    pub fn permit(&mut self, permitted: usize) {
        self.permitted = permitted;
        self.owed |= permitted < self.most;
    }

    /// A whole header block.
    pub fn decode(&mut self, block: &[u8]) -> Fields {
        let (mut at, mut fields) = (block, Fields::new());
        while let Some(&first) = at.first() {
            if first & 0xe0 == 0x20 {
                assert!(fields.is_empty(), "a table's size is said first");
                self.resize(integer(&mut at, 5));
                continue;
            }
            assert!(!self.owed, "the table is smaller now, and the block does not say so");
            let (index, remembered) = match first {
                0x80.. => (integer(&mut at, 7), false),
                0x40.. => (integer(&mut at, 6), true),
                _ => (integer(&mut at, 4), false),
            };
            let field = match (first & 0x80, index) {
                (0x80, _) => self.entry(index),
                (_, 0) => (string(&mut at), string(&mut at)),
                _ => (self.entry(index).0, string(&mut at)),
            };
            if remembered {
                self.remember(field.clone());
            }
            fields.push(field);
        }
        fields
    }

    fn entry(&self, index: usize) -> (String, String) {
        assert!(index > 0, "index 0");
        match STATIC.get(index - 1) {
            Some((name, value)) => ((*name).to_owned(), (*value).to_owned()),
            None => self.entries.get(index - 1 - STATIC.len()).expect("an entry of the table").clone(),
        }
    }

    fn resize(&mut self, most: usize) {
        assert!(most <= self.permitted, "a table of {most} where {} is permitted", self.permitted);
        (self.most, self.owed) = (most, false);
        self.evict(0);
    }

    fn remember(&mut self, field: (String, String)) {
        let size = cost(&field);
        self.evict(size);
        if size <= self.most {
            self.size += size;
            self.entries.push_front(field);
        }
    }

    /// Makes room.
    fn evict(&mut self, wanted: usize) {
        while self.size + wanted > self.most {
            let Some(oldest) = self.entries.pop_back() else { return };
            self.size -= cost(&oldest);
        }
    }
}

fn cost((name, value): &(String, String)) -> usize {
    name.len() + value.len() + 32
}

fn byte(at: &mut &[u8]) -> u8 {
    let (first, rest) = at.split_first().expect("the block goes on");
    *at = rest;
    *first
}

fn integer(at: &mut &[u8], prefix: u32) -> usize {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(byte(at)) & most;
    if value < most {
        return value;
    }
    for shift in [0, 7, 14, 21] {
        let next = byte(at);
        value += usize::from(next & 0x7f) << shift;
        if next < 0x80 {
            return value;
        }
    }
    panic!("an integer without an end");
}

fn string(at: &mut &[u8]) -> String {
    let huffman = at[0] & 0x80 != 0;
    let length = integer(at, 7);
    let (text, rest) = at.split_at(length);
    *at = rest;
    let text = if huffman { unfold(text) } else { text.to_vec() };
    String::from_utf8(text).expect("text")
}

fn unfold(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut code, mut bits) = (Vec::new(), 0_u32, 0);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1)) {
        (code, bits) = (code << 1 | u32::from(bit), bits + 1);
        if let Some(symbol) = symbol(code, bits) {
            out.push(symbol);
            (code, bits) = (0, 0);
        }
        assert!(bits < 20, "a symbol that no field of ours holds");
    }
    assert!(bits < 8 && code == (1 << bits) - 1, "padding is less than a byte of ones");
    out
}

/// Huffman's code is canonical here: of codes with as many bits each is one more than the one before.
fn symbol(code: u32, bits: u32) -> Option<u8> {
    let (mut first, mut length) = (0, CODES[0].0);
    for (longer, symbols) in CODES {
        first <<= longer - length;
        length = *longer;
        if length == bits && code >= first {
            return symbols.get((code - first) as usize).copied();
        }
        first += symbols.len() as u32;
    }
    None
}

/// What is printable (RFC 7541, appendix B), by the bits of its codes, in order.
const CODES: &[(u32, &[u8])] = &[
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b"!\"()?"),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\\xc3\xd0"),
];

/// RFC 7541, appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];
