//! An upstream that records every byte it is sent, and answers as it is told.

use super::wire::{self, Reader};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Request line and fields, to the byte, with the empty line.
    pub head: Vec<u8>,
    /// Decoded, if it was chunked.
    pub body: Vec<u8>,
    /// Every byte.
    pub raw: Vec<u8>,
}

impl Recorded {
    /// `GET /path?query HTTP/1.1`
    pub fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.head);
        text.split("\r\n").next().unwrap_or_default().to_owned()
    }

    pub fn method(&self) -> String {
        self.line().split(' ').next().unwrap_or_default().to_owned()
    }

    /// Path and query, to the byte.
    pub fn target(&self) -> String {
        self.line().split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// All fields, in order.
    pub fn headers(&self) -> Vec<(String, String)> {
        wire::fields(&self.head)
    }

    /// All values of `name`, in any case.
    pub fn all(&self, name: &str) -> Vec<String> {
        wire::values(&self.headers(), name).into_iter().map(str::to_owned).collect()
    }

    /// The one value of `name`; fails if there are more.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() < 2, "{name} arrived {} times: {all:?}", all.len());
        all.pop()
    }

    /// Everything, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// What an upstream does with a request.
pub enum Answer {
    /// These bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, and the connection is closed.
    Last(Vec<u8>),
    /// The first part, and once the gate is open the second.
    Halves(Vec<u8>, Gate, Vec<u8>),
    /// Each in a TCP segment of its own, and the connection stays open.
    Pieces(Vec<Vec<u8>>),
    /// Nothing, until the gateway closes.
    Silence,
}

impl Answer {
    /// A whole reply with `body` and its length.
    pub fn reply(status: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let mut head = format!("HTTP/1.1 {status}\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Answer::Bytes(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }
}

type Answering = Box<dyn Fn(&Recorded) -> Answer + Send + Sync>;

struct Shared {
    requests: Mutex<Vec<Recorded>>,
    arrived: Condvar,
    connections: AtomicUsize,
    stopping: AtomicBool,
    answering: Answering,
}

/// A listening upstream; stops when dropped.
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    /// Answers 200 with the body `ok`.
    pub fn start() -> Upstream {
        Upstream::answering(|_| Answer::reply("200 OK", &[("Content-Type", "text/plain")], "ok"))
    }

    pub fn answering(answer: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            arrived: Condvar::new(),
            connections: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            answering: Box::new(answer),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.stopping.load(Ordering::SeqCst) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                let serving = accepting.clone();
                // An exchange that breaks off is the gateway's or the test's doing, and seen there.
                std::thread::spawn(move || serving.serve(stream).ok());
            }
        });
        Upstream { address, shared }
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The request that came last.
    pub fn last(&self) -> Recorded {
        self.requests().pop().expect("the upstream was called")
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// How many connections were opened to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Waits until `count` requests have arrived whole.
    pub fn await_requests(&self, count: usize) {
        let deadline = Instant::now() + super::PATIENCE;
        let mut requests = self.shared.requests.lock().unwrap();
        while requests.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} requests arrived", requests.len());
            requests = self.shared.arrived.wait_timeout(requests, left).unwrap().0;
        }
    }

    /// Nobody has sent it anything, nor connected to it.
    #[track_caller]
    pub fn assert_untouched(&self) {
        let seen: Vec<String> = self.requests().iter().map(Recorded::text).collect();
        assert!(seen.is_empty(), "the upstream was called: {seen:#?}");
        assert_eq!(self.connections(), 0, "the upstream was connected to");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut first = [0];
        if stream.peek(&mut first)? == 1 && first == *b"\x16" {
            // TLS, to which servers in the clear say this.
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
        let mut reader = Reader::new(stream.try_clone()?);
        loop {
            reader.kept.clear();
            let head = reader.head()?;
            if head.is_empty() {
                return Ok(());
            }
            let fields = wire::fields(&head);
            let length = wire::values(&fields, "content-length").first().and_then(|l| l.parse().ok());
            let body = match length {
                Some(length) => reader.exactly(length)?,
                None if !wire::values(&fields, "transfer-encoding").is_empty() => reader.chunked()?,
                None => Vec::new(),
            };
            let recorded = Recorded { head, body, raw: reader.kept.clone() };
            self.requests.lock().unwrap().push(recorded.clone());
            self.arrived.notify_all();
            match (self.answering)(&recorded) {
                Answer::Bytes(bytes) => stream.write_all(&bytes)?,
                Answer::Halves(first, gate, second) => {
                    stream.write_all(&first)?;
                    gate.pass();
                    stream.write_all(&second)?;
                }
                Answer::Pieces(pieces) => {
                    for piece in pieces {
                        stream.write_all(&piece)?;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                Answer::Last(bytes) => return stream.write_all(&bytes),
                Answer::Silence => return stream.read(&mut [0]).map(drop),
            }
        }
    }
}

/// Keeps an upstream's answers back until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open.
    pub fn pass(&self) {
        let shut = self.0.0.lock().unwrap();
        let _open = self.0.1.wait_timeout_while(shut, super::PATIENCE, |open| !*open).unwrap();
    }
}
