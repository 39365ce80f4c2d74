//! A caller's HTTP/2 connection: what is counted of it, and what is made of it.

use super::wires::finish;
use super::{cut, steer};
use crate::http::h2::server::{
    self,
    incoming::{Early, Incoming},
};
use crate::http::inspect::inspect;
use crate::model::flood::Flood;
use crate::model::{Reply, RequestHead};
use crate::net::flood::Floods;
use crate::net::frames::{self, Frame, PREFACE};
use crate::net::scripted::{Scripted, Then};
use crate::net::stop::Stop;
use crate::net::stream::Stream;
use crate::policy::fixture;
use bytes::Bytes;
use http::header::HOST;
use http_body_util::{BodyExt as _, Full};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;

const MAX_BLOCK: u64 = 16 << 10;

/// The frames behind the preface, found the simple way.
pub(super) fn found(bytes: &[u8]) -> Vec<Frame> {
    frames_from(bytes, PREFACE.len())
}

fn frames_from(bytes: &[u8], mut at: usize) -> Vec<Frame> {
    let mut all = Vec::new();
    while let Some(head) = bytes.get(at..at + 9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & !(1 << 31);
        all.push(Frame { length, kind: head[3], flags: head[4], stream });
        at += 9 + length as usize;
    }
    all
}

/// No kind of frames comes without end: whatever brings nobody anything is paid for out of budgets of a thousand in all, and
/// what requests earn.
fn counts(bytes: &[u8]) {
    let mut floods = Floods::new(MAX_BLOCK);
    let taken = found(bytes).into_iter().take_while(|frame| floods.received(*frame, Duration::ZERO).is_ok());
    let brings = |frame: &Frame| match frame.kind {
        frames::DATA => frame.length > 0 || frame.ends_stream(),
        frames::HEADERS | frames::CONTINUATION => true,
        _ => false,
    };
    let (useful, idle): (Vec<Frame>, Vec<Frame>) = taken.partition(brings);
    assert!(idle.len() <= 1_000 + 8 * useful.len(), "{} frames that bring nothing", idle.len());
}

/// Serves what a script sends, as a listener does: every request that passes inspection can be read in one way. What was
/// written, and how many requests there were.
fn served(script: Scripted, written: &RefCell<Vec<u8>>) {
    let requests = Rc::new(Cell::new(0));
    let service = Rc::new(Answering { requests: requests.clone() });
    let (list, timeouts) = (MAX_BLOCK, fixture::door().timeouts);
    let rules = server::Rules { list, block: 2 * MAX_BLOCK, timeouts };
    let stop = Stop::default();
    let local = LocalSet::new();
    // What is wrong with a connection ends it.
    finish(local.run_until(server::serve(Stream::Scripted(script), rules, service, stop.hearer())));
    assert!(requests.get() <= 1_000, "more requests than bytes could ask for");
    readable(&frames_from(&written.borrow(), 0));
}

/// What we say can be read in one way: frames of the sizes that may be, one reply a stream, nothing after its end.
fn readable(said: &[Frame]) {
    let mut over = HashSet::new();
    for frame in said {
        assert!(frame.length <= 16_384 && (frame.stream == 0 || frame.stream % 2 == 1), "{frame:?}");
        let speaks = matches!(frame.kind, frames::DATA | frames::HEADERS | frames::CONTINUATION);
        assert!(!speaks || !over.contains(&frame.stream), "{frame:?} after its stream's end");
        if frame.ends_stream() || frame.kind == frames::RST_STREAM {
            over.insert(frame.stream);
        }
    }
}

struct Answering {
    requests: Rc<Cell<usize>>,
}

impl server::Service for Answering {
    type Body = Full<Bytes>;

    async fn call(&self, head: &mut RequestHead, body: Option<Incoming>, _: Early) -> Reply<Full<Bytes>> {
        self.requests.set(self.requests.get() + 1);
        answered(head, body).await
    }

    fn given_up(&self, _: &RequestHead) {
        self.requests.set(self.requests.get() + 1);
    }

    fn spawn<J: 'static, F: Future<Output = ()> + 'static>(&self, job: J, work: impl Fn(J) -> F + 'static) {
        tokio::task::spawn_local(work(job));
    }

    fn flooded(&self, _: Flood) {}
}

async fn answered(parts: &RequestHead, body: Option<Incoming>) -> Reply<Full<Bytes>> {
    let mut reply = Reply::new(Full::new(Bytes::from_static(b"answer")));
    if let Err(denial) = inspect(parts, &fixture::door()) {
        reply.status = denial.status();
        return reply;
    }
    let hosts: Vec<_> = parts.headers.get_all(HOST).map(|host| host.as_bytes()).collect();
    match (parts.uri.authority(), hosts.as_slice()) {
        (None, [_]) => {}
        (Some(authority), []) => assert!(!authority.as_str().contains('@')),
        (Some(authority), [host]) => assert!(authority.as_str().as_bytes().eq_ignore_ascii_case(host)),
        _ => panic!("whom does it call? {:?} {hosts:?}", parts.uri),
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    assert!(target.starts_with('/') && target.bytes().all(|b| b > b' ' && b != 0x7f && b != b'#'), "{target:?}");
    for name in ["connection", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection"] {
        assert!(!parts.headers.contains_key(name), "{name} has no place here");
    }
    let said = parts.headers.get("content-length").map(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut read = 0;
    if let Some(mut body) = body {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return reply };
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    }
    assert!(said.is_none_or(|said| said == Some(read)), "{said:?} were said, {read} came");
    reply
}

/// Frames behind the preface. They are counted, and whatever is taken for a request that passes
/// inspection calls one host, for one path, with the body that it announces.
pub fn http2(bytes: &[u8]) {
    let ([kind, longest, seed], bytes) = steer(bytes);
    // Most of what comes has a preface; who lacks it is seen as well.
    let bytes = if kind & 1 == 0 { [PREFACE, bytes].concat() } else { bytes.to_vec() };
    counts(&bytes);
    let then = if kind & 2 == 0 { Then::Close } else { Then::Fail };
    let (script, written) = Scripted::new(cut(&bytes, longest, seed), then);
    served(if kind & 4 == 0 { script } else { script.slow(usize::from(seed) * 16) }, &written);
}
