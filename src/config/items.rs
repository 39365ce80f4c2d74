//! A file with very many keys, none of which stays: the tree of all else, and the keys one by one.
//!
//! The tree of a million keys takes more than a gigabyte, and the parser most of the time of a start. So where `keys:` is a
//! block list at the left margin, its items are told apart by their indentation and each is read alone whenever it is
//! asked for: by `plain` if it is written plainly, else by the parser as a document of its own. What cannot be told
//! apart beyond doubt is [`Irregular`]: then the file is read whole, as a short one is.

use std::{
    cell::RefCell,
    io::{self, BufRead, Read, Seek, SeekFrom},
};

use super::{
    mistake::Mistakes,
    names::Shared,
    parse::parse,
    plain::{blanks, plain},
    tree::{Node, Value},
};

/// The field whose items are read one by one, as the line says that opens it.
const OPENS: &[u8] = b"keys:\n";
/// What stands in its place in the text of all else: as many lines follow, so that everything keeps its place.
const STANDS_IN: &str = "keys: []\n";

/// Where a file is read from, and read again.
pub trait Source: BufRead + Seek {}

impl<S: BufRead + Seek> Source for S {}

/// The items of a list, in the file.
pub struct Items {
    source: RefCell<Box<dyn Source>>,
    from: u64,
    length: u64,
    /// Of the list's first line.
    line: u32,
}

/// These items cannot be read one by one.
#[derive(Debug)]
pub struct Irregular;

impl From<io::Error> for Irregular {
    fn from(_: io::Error) -> Irregular {
        Irregular
    }
}

impl Items {
    /// Cuts the keys out of a file; the text is that of all else. None, if there are none to cut out.
    pub fn cut(mut source: Box<dyn Source>) -> io::Result<Option<(String, Items)>> {
        let (mut rest, mut line) = (Vec::new(), Vec::new());
        let (mut at, mut number, mut found) = (0, 1, None);
        let mut inside = false;
        while source.read_until(b'\n', &mut line)? > 0 {
            if inside && !belongs(&line) {
                // What the parser takes for blank would still belong to the last item.
                if !line.first().is_some_and(u8::is_ascii_graphic) {
                    return Ok(None);
                }
                inside = false;
            }
            if let (true, Some((from, _, length))) = (inside, &mut found) {
                *length = at + line.len() as u64 - *from;
                rest.push(b'\n');
            } else if line == OPENS && found.is_none() {
                inside = true;
                found = Some((at + line.len() as u64, number + 1, 0));
                rest.extend_from_slice(STANDS_IN.as_bytes());
            } else {
                rest.extend_from_slice(&line);
            }
            (at, number) = (at + line.len() as u64, number + 1);
            line.clear();
        }
        let Some(((from, line, length), rest)) = found.zip(String::from_utf8(rest).ok()) else { return Ok(None) };
        Ok(Some((rest, Items { source: RefCell::new(source), from, length, line })))
    }

    /// Whether the parser found them where they were cut out, and not within a text of several lines.
    pub fn belong_to(&self, root: &Node) -> bool {
        let entry = root.entry("keys");
        entry.is_some_and(|e| e.key_line + 1 == self.line && matches!(&e.node.value, Value::List(l) if l.is_empty()))
    }

    /// Hands over each of them with its number. Those before one that is irregular were handed over.
    pub fn each(&self, mut take: impl FnMut(usize, Node)) -> Result<(), Irregular> {
        let mut source = self.source.borrow_mut();
        source.seek(SeekFrom::Start(self.from))?;
        let mut lines = source.by_ref().take(self.length);
        let mut reading =
            Reading { item: String::new(), indent: None, line: self.line, names: Shared::default(), count: 0 };
        let (mut bytes, mut number) = (Vec::new(), self.line);
        while lines.read_until(b'\n', &mut bytes)? > 0 {
            let text = std::str::from_utf8(&bytes).map_err(|_| Irregular)?;
            reading.line(text, number, &mut take)?;
            number += 1;
            bytes.clear();
        }
        reading.end(&mut take)
    }
}

/// Whether a line continues the list that was opened at the left margin.
fn belongs(line: &[u8]) -> bool {
    matches!(line, [b' ' | b'\n' | b'#', ..] | [b'-', b' ' | b'\n', ..])
}

/// Whether a line holds nothing at which the parser ends a line, in a comment as well (what follows may be a field), and
/// nothing that it refuses wherever it stands.
fn is_regular(text: &str) -> bool {
    let other = |b: u8| (b < b' ' && b != b'\n' && b != b'\t') | (b >= 0x7f);
    // Without an early end, so that many bytes are judged at a time.
    if !text.bytes().fold(false, |found, b| found | other(b)) {
        return true;
    }
    text.chars().all(|c| match c {
        '\n' | '\t' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        c => c >= '\u{a0}',
    })
}

struct Reading {
    /// The lines of the item that is being read.
    item: String,
    /// Of every item's hyphen.
    indent: Option<usize>,
    /// Where the item began.
    line: u32,
    names: Shared,
    count: usize,
}

impl Reading {
    fn line(&mut self, text: &str, number: u32, take: &mut impl FnMut(usize, Node)) -> Result<(), Irregular> {
        if !is_regular(text) {
            return Err(Irregular);
        }
        let depth = blanks(text);
        let behind = &text[depth..];
        let is_void = matches!(behind.as_bytes(), [] | [b'\n' | b'#', ..]);
        if !is_void && behind.starts_with("- ") && self.indent.is_none_or(|indent| indent == depth) {
            self.end(take)?;
            (self.indent, self.line) = (Some(depth), number);
        } else if !is_void && self.indent.is_none_or(|indent| depth <= indent) {
            return Err(Irregular);
        }
        if self.indent.is_some() {
            self.item.push_str(text);
        }
        Ok(())
    }

    fn end(&mut self, take: &mut impl FnMut(usize, Node)) -> Result<(), Irregular> {
        let Some(indent) = self.indent else { return Ok(()) };
        if self.item.is_empty() {
            return Ok(());
        }
        let node = match plain(&self.item, self.line, indent, &mut self.names) {
            Some(node) => node,
            None => alone(&self.item, self.line)?,
        };
        take(self.count, node);
        self.count += 1;
        self.item.clear();
        Ok(())
    }
}

/// An item that the parser reads as a document of its own. Anchors and what they stand for may be elsewhere.
fn alone(item: &str, line: u32) -> Result<Node, Irregular> {
    if item.contains(['&', '*', '\t']) {
        return Err(Irregular);
    }
    let mut mistakes = Mistakes::new("");
    let node = parse(item, &mut mistakes).filter(|_| mistakes.is_empty()).ok_or(Irregular)?;
    let Value::List(items) = node.value else { return Err(Irregular) };
    let Ok([mut only]) = <[Node; 1]>::try_from(items) else { return Err(Irregular) };
    lower(&mut only, line - 1, item.lines().count())?;
    Ok(only)
}

/// To the line where it stands in the file, from one of the item's own `lines`. The value that `? key` does not have, and a
/// block of empty lines, stand where what follows begins, which may be behind the item.
fn lower(node: &mut Node, by: u32, lines: usize) -> Result<(), Irregular> {
    if node.line as usize > lines {
        return Err(Irregular);
    }
    node.line += by;
    match &mut node.value {
        Value::List(items) => items.iter_mut().try_for_each(|item| lower(item, by, lines)),
        Value::Map(entries) => entries.iter_mut().try_for_each(|entry| {
            entry.key_line += by;
            lower(&mut entry.node, by, lines)
        }),
        // What the parser says of it alone is another place, though in the item.
        Value::Scalar { text, quoted: true } if text.bytes().all(|byte| byte == b'\n') => Err(Irregular),
        Value::Null | Value::Scalar { .. } => Ok(()),
    }
}

#[cfg(test)]
#[path = "items_tests.rs"]
mod tests;
