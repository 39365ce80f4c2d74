//! What a request asks of the allocator: a handful of times, whatever comes on one connection after the other.
//!
//! The gateway runs in this process, whose allocator counts. Caller and upstream are this file's, and do not count.

use keystile::model::{Digest, token};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Allocations for a request that is forwarded, with its reply: its record, its upload, the reply's fields and body, the
/// caller's name and id. What is more was measured, and is spare.
const MOST: f64 = 9.5;
/// And for one that is refused: its fields, its record, the reply's fields and body.
const MOST_REFUSED: f64 = 4.5;
const REQUESTS: u64 = 2000;

struct Counting;

static COUNTED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This thread is no part of the gateway.
    static APART: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if !APART.try_with(Cell::get).unwrap_or(true) {
        COUNTED.fetch_add(1, Relaxed);
    }
}

// SAFETY: everything is the system's own doing; counting touches no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_request_allocates_a_handful_of_times() {
    APART.set(true);
    let folder = std::env::temp_dir().join(format!("keystile-allocations-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let upstream = TcpListener::bind("127.0.0.1:0").expect("an upstream");
    let door = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let config = folder.join("keystile.yaml");
    let token = token::generate(|bytes: &mut [u8]| {
        bytes.fill(7);
        Ok::<_, std::convert::Infallible>(())
    });
    let token = token.expect("a token");
    let address = upstream.local_addr().expect("its address").to_string();
    std::fs::write(&config, configuration(&door.to_string(), &address, &token)).expect("a configuration");
    std::fs::write(folder.join("secret"), "a-secret-of-the-test").expect("a secret");
    std::thread::spawn(move || answers(&upstream));
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    std::thread::spawn(move || keystile::app::runtime::serve(&config, false).expect("the gateway runs"));
    let mut caller = connected(&door.to_string());
    let request = format!(
        "GET /orders/7?a=b HTTP/1.1\r\nHost: {door}\r\nAuthorization: Key={}\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n",
        *token
    );
    let each = allocations(&mut caller, request.as_bytes(), b"HTTP/1.1 200 OK\r\n", b"hello");
    assert!(each > 1.0, "the gateway's are counted");
    assert!(each <= MOST, "{each} allocations a request");
    let unknown = request.replace(&*token, "nobody-has-this-token");
    let each = allocations(&mut caller, unknown.as_bytes(), b"HTTP/1.1 401 Unauthorized\r\n", b"\"}\n");
    assert!(each <= MOST_REFUSED, "{each} allocations a refused request");
    let _ = std::fs::remove_dir_all(folder);
}

/// How often each of many equal requests allocates, once everything is warm.
fn allocations(caller: &mut TcpStream, request: &[u8], begin: &[u8], end: &[u8]) -> f64 {
    for _ in 0..100 {
        exchange(caller, request, begin, end);
    }
    let before = COUNTED.load(Relaxed);
    for _ in 0..REQUESTS {
        exchange(caller, request, begin, end);
    }
    let each = (COUNTED.load(Relaxed) - before) as f64 / REQUESTS as f64;
    println!("{each} allocations a request");
    each
}

fn configuration(door: &str, upstream: &str, token: &str) -> String {
    format!(
        "workers: 1
log: {{ access: \"off\" }}
listeners:
  inbound:
    - address: {door}
      failed_auth_limit: 1000000/s
environments:
  - {{ name: Production, default: true }}
connections:
  - name: engine
    environment: Production
    base_url: http://{upstream}
    allow_networks: [127.0.0.0/8]
    inject: {{ header: X-Engine-Key }}
    secret: file:secret
workflows:
  - {{ name: order, template: \"GET /orders/{{id}}\", upstream: {{ Production: engine }} }}
keys:
  - {{ name: caller, primary: \"{}\", workflows: [order], rate_limit: 100000/s }}
",
        Digest::of(token.as_bytes())
    )
}

/// Answers every request with the same reply, on connections that stay.
fn answers(upstream: &TcpListener) {
    APART.set(true);
    for connection in upstream.incoming() {
        std::thread::spawn(move || {
            APART.set(true);
            let Ok(mut connection) = connection else { return };
            let reply =
                b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
            let mut read = [0; 4096];
            while matches!(connection.read(&mut read), Ok(1..)) {
                if connection.write_all(reply).is_err() {
                    return;
                }
            }
        });
    }
}

fn connected(door: &str) -> TcpStream {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match TcpStream::connect(door) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < until, "the gateway does not listen: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One request, and its reply to the last byte.
fn exchange(caller: &mut TcpStream, request: &[u8], begin: &[u8], end: &[u8]) {
    caller.write_all(request).expect("the gateway reads");
    let (mut reply, mut got) = ([0; 4096], 0);
    while !reply[..got].ends_with(end) {
        let read = caller.read(&mut reply[got..]).expect("the gateway answers");
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&reply[..got]));
        got += read;
    }
    assert!(reply.starts_with(begin), "{:?}", String::from_utf8_lossy(&reply[..got]));
}
