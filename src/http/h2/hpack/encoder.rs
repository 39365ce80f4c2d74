//! Writes the header blocks of a connection's replies.

use super::seen::{self, Seen};
use super::table::Table;
use super::{OVERHEAD, TABLE, huffman, integer, statics};
use http::{HeaderName, HeaderValue, StatusCode};

/// Longer values are not worth a place in the table.
const LONGEST: usize = 128;

/// How a field is spelt out (RFC 7541 6.2): the pattern of its first byte, and the bits that are left for an index.
type Spelling = (u8, u32);
const INTO_THE_TABLE: Spelling = (0x40, 6);
const AS_IT_IS: Spelling = (0, 4);
/// Nobody on the way may put it into a table, either.
const NEVER_INDEXED: Spelling = (0x10, 4);

/// What a connection's peer keeps of what was written.
#[derive(Debug)]
pub struct Encoder {
    table: Table<Entry>,
    /// How many entries there were: the number of the newest.
    entries: u32,
    seen: Seen,
    /// The smallest size since the last block, and the present one, if they have not been said.
    sizes: Option<(usize, usize)>,
}

#[derive(Debug)]
struct Entry {
    name: HeaderName,
    value: Box<[u8]>,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder::new()
    }
}

impl Encoder {
    pub fn new() -> Encoder {
        Encoder { table: Table::new(TABLE), entries: 0, seen: Seen::new(), sizes: None }
    }

    /// The peer's table may hold so much (SETTINGS_HEADER_TABLE_SIZE). Ours uses what it always had, or less.
    pub fn set_table(&mut self, most: u32) {
        let most = TABLE.min(most as usize);
        let (smallest, last) = self.sizes.unwrap_or((self.table.most(), self.table.most()));
        if most != last {
            self.sizes = Some((smallest.min(most), most));
        }
    }

    /// Begins a block without a status: trailers.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some((smallest, last)) = self.sizes.take() else { return };
        for size in [smallest, last] {
            if size != self.table.most() {
                integer::write(out, 0x20, 5, size);
                self.table.resize(size);
            }
        }
    }

    /// Begins a block with its status.
    pub fn status(&mut self, out: &mut Vec<u8>, status: StatusCode) {
        self.begin(out);
        match statics::of_status(status) {
            Ok(index) => integer::write(out, 0x80, 7, index),
            Err(index) => {
                integer::write(out, AS_IT_IS.0, AS_IT_IS.1, index);
                plain(out, status.as_str().as_bytes());
            }
        }
    }

    /// Writes a field: its index where the table has it, and its text otherwise. It goes into the table when it comes
    /// for the second time. The text of what does not go there is not compressed: it would cost more than the bytes.
    pub fn field(&mut self, out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
        let text = value.as_bytes();
        if value.is_sensitive() || text.len() > LONGEST {
            return spelt_out(out, name, statics::named(name.as_str().as_bytes()), value);
        }
        let digest = seen::digest(name.as_str(), text);
        let before = self.seen.find(digest);
        if let Some(entry) = before
            && let newer = self.entries.wrapping_sub(entry) as usize
            && let Some((_, entry)) = self.table.get(newer)
            && entry.name == *name
            && *entry.value == *text
        {
            return integer::write(out, 0x80, 7, statics::LENGTH + 1 + newer);
        }
        let index = statics::named(name.as_str().as_bytes());
        let size = name.as_str().len() + text.len() + OVERHEAD;
        match index {
            Some(index) if text.is_empty() && statics::is_bare(index) => integer::write(out, 0x80, 7, index),
            Some(index) if statics::is_secret(index) => spelt_out(out, name, Some(index), value),
            _ if before.is_some() && size <= self.table.most() => {
                let value = enter(out, name, index, text);
                self.table.insert(size, Entry { name: name.clone(), value });
                self.entries = self.entries.wrapping_add(1);
                self.seen.put(digest, self.entries);
            }
            _ => {
                self.seen.put(digest, 0);
                spelt_out(out, name, index, value);
            }
        }
    }

    /// What the table costs, counted again.
    #[cfg(test)]
    pub fn counted(&self) -> usize {
        self.table.counted()
    }
}

/// Writes a field that the peer puts into its table, as we do into ours.
fn enter(out: &mut Vec<u8>, name: &HeaderName, index: Option<usize>, value: &[u8]) -> Box<[u8]> {
    let (pattern, bits) = INTO_THE_TABLE;
    integer::write(out, pattern, bits, index.unwrap_or(0));
    if index.is_none() {
        compressed(out, name.as_str().as_bytes());
    }
    compressed(out, value);
    value.into()
}

/// Writes a field that goes into no table.
fn spelt_out(out: &mut Vec<u8>, name: &HeaderName, index: Option<usize>, value: &HeaderValue) {
    let secret = value.is_sensitive() || index.is_some_and(statics::is_secret);
    let (pattern, bits) = if secret { NEVER_INDEXED } else { AS_IT_IS };
    integer::write(out, pattern, bits, index.unwrap_or(0));
    if index.is_none() {
        plain(out, name.as_str().as_bytes());
    }
    plain(out, value.as_bytes());
}

fn plain(out: &mut Vec<u8>, text: &[u8]) {
    integer::write(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

/// In the Huffman code, where that is shorter.
fn compressed(out: &mut Vec<u8>, text: &[u8]) {
    let length = huffman::encoded(text);
    if length >= text.len() {
        return plain(out, text);
    }
    integer::write(out, 0x80, 7, length);
    huffman::encode(text, out);
}
