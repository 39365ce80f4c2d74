//! Reads the header blocks of a connection's requests.

use super::line::Name;
use super::table::Table;
use super::{Broken, Fits, Line, OVERHEAD, TABLE, huffman, integer, statics};
use bytes::{Bytes, BytesMut};

/// A line of a table, as it is handed out whenever it is named.
#[derive(Debug)]
pub struct Entry {
    /// What another value may follow, also where the line is wrong.
    pub name: Name,
    pub name_length: usize,
    pub line: Line,
}

/// What a connection's peer has written, so far as it may refer to it.
#[derive(Debug)]
pub struct Decoder {
    table: Table<Entry>,
    /// What strings are read to. The lines that are in no table take their texts from here, and the room is used again
    /// if none of them is left when the next block comes.
    text: BytesMut,
}

/// From blocks longer than this, no room is kept.
const KEEP: usize = 1024;

/// What is left of a limit; nothing once something was beyond it.
struct Room(Option<usize>);

impl Room {
    fn takes(&mut self, size: usize) -> bool {
        self.0 = self.0.and_then(|left| left.checked_sub(size));
        self.0.is_some()
    }
}

/// A line that is spelt out; its value stands in `text`.
struct Literal {
    name: Name,
    name_length: usize,
    size: usize,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder { table: Table::new(TABLE), text: BytesMut::new() }
    }

    /// Reads a whole block and hands out its lines, as long as their list (RFC 9113 6.5.2) is within `limit`.
    pub fn decode(&mut self, block: &[u8], limit: usize, each: &mut impl FnMut(Line)) -> Result<Fits, Broken> {
        let mut rest = block;
        let mut room = Room(Some(limit));
        self.text.clear();
        self.sizes(&mut rest)?;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match *first {
                0x80.. => {
                    let (size, entry) = self.entry(integer::read(*first, 7, &mut rest)?)?;
                    if room.takes(*size) {
                        each(entry.line.clone());
                    }
                }
                0x40.. => {
                    let literal = self.literal(*first, 6, &mut rest)?;
                    let line = self.keep(literal, &mut room);
                    line.into_iter().for_each(&mut *each);
                }
                // Only a block's beginning says this.
                0x20.. => return Err(Broken::TableSize),
                _ => {
                    let literal = self.literal(*first, 4, &mut rest)?;
                    if room.takes(literal.size) {
                        let value = self.text.split().freeze();
                        each(literal.name.line(value, *first >= 0x10));
                    }
                    self.text.clear();
                }
            }
        }
        if block.len() > KEEP {
            self.text = BytesMut::new();
        }
        Ok(if room.0.is_some() { Fits::Yes } else { Fits::No })
    }

    /// The sizes that the table takes before a block: the smallest since the last one, and the present one
    /// (RFC 7541 4.2).
    fn sizes(&mut self, rest: &mut &[u8]) -> Result<(), Broken> {
        let mut said = 0;
        while let Some((first @ 0x20..0x40, after)) = rest.split_first() {
            *rest = after;
            let size = integer::read(*first, 5, rest)?;
            said += 1;
            if said > 2 || size > TABLE {
                return Err(Broken::TableSize);
            }
            self.table.resize(size);
        }
        Ok(())
    }

    /// What stands at `index` of both tables.
    fn entry(&self, index: usize) -> Result<&(usize, Entry), Broken> {
        let found = match index.checked_sub(statics::LENGTH + 1) {
            Some(newer) => self.table.get(newer),
            None => statics::get(index),
        };
        found.ok_or(Broken::Index)
    }

    /// Reads a name, or the index of one, and a value, which is then all there is in `text`.
    fn literal(&mut self, first: u8, bits: u32, rest: &mut &[u8]) -> Result<Literal, Broken> {
        let index = integer::read(first, bits, rest)?;
        // Once for the block: what is left of it becomes no more than this.
        self.text.reserve(huffman::longest(rest.len()) + huffman::SLACK);
        let (name, name_length) = if index == 0 {
            self.string(rest)?;
            let read = (Name::read(&self.text), self.text.len());
            self.text.clear();
            read
        } else {
            let (_, entry) = self.entry(index)?;
            (entry.name.clone(), entry.name_length)
        };
        self.string(rest)?;
        Ok(Literal { name, name_length, size: name_length + self.text.len() + OVERHEAD })
    }

    /// Reads a string to `text`.
    fn string(&mut self, rest: &mut &[u8]) -> Result<(), Broken> {
        let first = integer::next(rest)?;
        let length = integer::read(first, 7, rest)?;
        let (text, after) = rest.split_at_checked(length).ok_or(Broken::Truncated)?;
        *rest = after;
        if first & 0x80 == 0 {
            self.text.extend_from_slice(text);
            return Ok(());
        }
        let start = self.text.len();
        self.text.resize(start + huffman::longest(length) + huffman::SLACK, 0);
        let read = huffman::decode(text, &mut self.text[start..])?;
        self.text.truncate(start + read);
        Ok(())
    }

    /// Puts a line into the table, with memory of its own: it outlives its block.
    fn keep(&mut self, literal: Literal, room: &mut Room) -> Option<Line> {
        let value = Bytes::copy_from_slice(&self.text);
        self.text.clear();
        let Literal { name, name_length, size } = literal;
        let line = name.clone().line(value, false);
        let handed_out = room.takes(size).then(|| line.clone());
        self.table.insert(size, Entry { name, name_length, line });
        handed_out
    }

    /// What the table costs, counted again.
    #[cfg(test)]
    pub fn counted(&self) -> usize {
        self.table.counted()
    }
}
