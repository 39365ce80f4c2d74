//! A caller that decides about every byte it sends.

use super::PATIENCE;
use super::wire::{self, Reader};
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A reply, whole.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Every byte.
    pub raw: Vec<u8>,
}

impl Reply {
    /// The only value of a field; `None` if there is none.
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is repeated: {all:?}");
        all.first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        wire::values(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Status and, where the gateway refused, its code: `200`, `401 missing_key`.
    pub fn verdict(&self) -> String {
        match self.header("x-keystile-error") {
            None => self.status.to_string(),
            Some(code) => format!("{} {code}", self.status),
        }
    }

    /// Every byte but what differs between any two replies: the request's id and the date.
    pub fn anonymous(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw).replace(self.request_id(), "<id>");
        text.split_inclusive("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect()
    }

    pub fn request_id(&self) -> &str {
        self.header("x-request-id").expect("every reply carries a request id")
    }
}

/// A connection that may carry several requests.
pub struct Connection {
    stream: TcpStream,
    reader: Reader,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        Connection::try_open(address).expect("the gateway accepts")
    }

    /// A connection that may be turned away at once.
    pub fn try_open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Connection { reader: Reader::new(stream.try_clone()?), stream })
    }

    /// A connection through a Unix socket.
    pub fn through(path: &Path) -> io::Result<Connection> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // To read and to write is the same for both kinds of socket.
        let stream = TcpStream::from(OwnedFd::from(stream));
        Ok(Connection { reader: Reader::new(stream.try_clone()?), stream })
    }

    /// Whether a connection on which `bytes` are sent is closed without an answer, now or as soon as it is accepted.
    pub fn is_turned_away(address: SocketAddr, bytes: &[u8]) -> bool {
        match Connection::try_open(address) {
            Ok(mut connection) => {
                connection.write(bytes);
                connection.is_closed()
            }
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Writes; a peer that has closed already is no mistake of the caller's.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Nothing more will be sent.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads one reply. `to_head`: it answers HEAD and has no body.
    pub fn read(&mut self, to_head: bool) -> io::Result<Reply> {
        self.reader.kept.clear();
        let mut head;
        let status: u16 = loop {
            head = self.reader.head()?;
            let status = std::str::from_utf8(head.get(9..12).unwrap_or_default()).ok().and_then(|s| s.parse().ok());
            match status {
                Some(101) => break 101,
                Some(100..200) => {}
                Some(status) => break status,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no reply")),
            }
        };
        let headers = wire::fields(&head);
        let chunked = wire::values(&headers, "transfer-encoding").contains(&"chunked");
        let length = wire::values(&headers, "content-length").first().map(|l| l.parse::<usize>().expect("a length"));
        let body = match length {
            _ if to_head || matches!(status, 101 | 204 | 304) => Vec::new(),
            _ if chunked => self.reader.chunked()?,
            Some(length) => self.reader.exactly(length)?,
            None => self.reader.read_on()?,
        };
        Ok(Reply { status, headers, body, raw: std::mem::take(&mut self.reader.kept) })
    }

    /// Sends a request and reads its reply.
    pub fn send(&mut self, request: &[u8]) -> Reply {
        self.write(request);
        let reply = self.read(request.starts_with(b"HEAD "));
        reply.unwrap_or_else(|e| panic!("{e} in answer to {:?}", String::from_utf8_lossy(request)))
    }

    /// The socket, once nothing of it is buffered here any more.
    pub fn stream(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// So many bytes, whatever they are.
    pub fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        self.reader.exactly(bytes).unwrap()
    }

    /// Whether the peer closes without another byte; waits until it does something.
    pub fn is_closed(&mut self) -> bool {
        match self.reader.read_on() {
            Ok(rest) => rest.is_empty(),
            Err(e) => e.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

/// Sends exactly these bytes on a connection of their own, and reads one reply.
pub fn raw(address: SocketAddr, request: impl AsRef<[u8]>) -> Reply {
    Connection::open(address).send(request.as_ref())
}

/// A request in the making.
#[derive(Clone)]
pub struct Ask {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Ask {
    pub fn new(address: SocketAddr, method: &str, target: &str) -> Ask {
        let (method, target) = (method.to_owned(), target.to_owned());
        Ask { address, method, target, headers: vec![("Host".to_owned(), "gateway.test".to_owned())], body: None }
    }

    /// Appends a field; `Host` replaces the one that is there.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Ask {
        if name == "Host" {
            self.headers.retain(|(n, _)| n != "Host");
        }
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// `Authorization: Key=<token>`
    pub fn key(self, token: &str) -> Ask {
        self.header("Authorization", format!("Key={token}"))
    }

    /// Appends to the query, as it is.
    pub fn query(mut self, query: &str) -> Ask {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(query);
        self
    }

    /// A body with its length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Ask {
        self.headers.push(("Content-Length".to_owned(), body.as_ref().len().to_string()));
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// A body in chunks, each an item.
    pub fn chunks(mut self, chunks: &[&[u8]]) -> Ask {
        self.headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
        let mut body = Vec::new();
        for chunk in chunks {
            body.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        self.body = Some(body);
        self
    }

    /// The bytes that are sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            out.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend(self.body.iter().flatten());
        out
    }

    pub fn send(&self) -> Reply {
        raw(self.address, self.bytes())
    }
}
