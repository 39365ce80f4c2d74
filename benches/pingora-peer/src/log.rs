//! A buffered access log, as nginx has one: 64 KiB, written out at least once a second.

use std::{
    fs::File,
    io::{BufWriter, Write},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;
use pingora::prelude::Session;

pub struct AccessLog(Arc<Mutex<BufWriter<File>>>);

impl AccessLog {
    pub fn open(path: &str) -> AccessLog {
        let file = File::create(path).expect("the access log can be created");
        let writer = Arc::new(Mutex::new(BufWriter::with_capacity(64 * 1024, file)));
        let flushed = writer.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_secs(1));
                flushed.lock().expect("not poisoned").flush().expect("the access log can be written");
            }
        });
        AccessLog(writer)
    }

    pub fn write(&self, session: &Session, identity: Option<&HeaderValue>, started: Instant) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let head = session.req_header();
        let status = session.response_written().map_or(0, |reply| reply.status.as_u16());
        let address = session.client_addr().and_then(|address| address.as_inet());
        let address = address.map_or("-".to_owned(), |address| address.ip().to_string());
        let _ = writeln!(
            self.0.lock().expect("not poisoned"),
            "{now} {address} {} {} {} {status} {} {:?}",
            identity.and_then(|identity| identity.to_str().ok()).unwrap_or("-"),
            head.method,
            head.uri.path(),
            session.body_bytes_sent(),
            started.elapsed(),
        );
    }
}
