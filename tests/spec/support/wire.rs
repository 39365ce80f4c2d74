//! HTTP/1.1 as bytes, for both sides. Deliberately naive and strict: what it does not know fails the test.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;

/// Reads what comes from a socket and keeps every byte of it.
pub struct Reader {
    from: BufReader<TcpStream>,
    pub kept: Vec<u8>,
}

impl Reader {
    pub fn new(stream: TcpStream) -> Reader {
        Reader { from: BufReader::new(stream), kept: Vec::new() }
    }

    /// The next line with its end. Empty at the end of the stream.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.from.read_until(b'\n', &mut line)?;
        self.kept.extend_from_slice(&line);
        Ok(line)
    }

    /// A head up to and with its empty line; empty if the stream ended before it began.
    pub fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        loop {
            let line = self.line()?;
            head.extend_from_slice(&line);
            match line.as_slice() {
                [] if head.is_empty() => return Ok(head),
                [] => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "in the middle of a head")),
                b"\r\n" => return Ok(head),
                _ => {}
            }
        }
    }

    pub fn exactly(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; bytes];
        self.from.read_exact(&mut body)?;
        self.kept.extend_from_slice(&body);
        Ok(body)
    }

    pub fn read_on(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        self.from.read_to_end(&mut body)?;
        self.kept.extend_from_slice(&body);
        Ok(body)
    }

    /// A chunked body, decoded, trailers read and dropped.
    pub fn chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(|b| matches!(b, b';' | b'\r')).next().unwrap_or_default();
            let size = std::str::from_utf8(digits).ok().and_then(|d| usize::from_str_radix(d, 16).ok());
            let Some(size) = size else { return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no chunk size")) };
            if size == 0 {
                while !matches!(self.line()?.as_slice(), b"" | b"\r\n") {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            self.exactly(2)?;
        }
    }
}

/// The fields of a head, in order, as they were written but for the blanks around values.
pub fn fields(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let lines = text.trim_end_matches("\r\n").split("\r\n").skip(1);
    let pair = |line: &str| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned()));
    lines.map(|line| pair(line).unwrap_or((line.to_owned(), String::new()))).collect()
}

/// All values of `name`, in any case.
pub fn values<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
}
