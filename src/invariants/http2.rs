//! A caller's HTTP/2 connection: what is counted of it, and what hyper makes of it for us.

use super::wires::finish;
use super::{cut, steer};
use crate::http::inspect::inspect;
use crate::model::RequestHead;
use crate::model::flood::Flood;
use crate::net::flood::Floods;
use crate::net::frame_guard::FrameGuard;
use crate::net::frames::{self, Frame, Frames, PREFACE};
use crate::net::guard::{Activity, Guarded};
use crate::net::scripted::{Scripted, Then};
use crate::policy::fixture;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::task::LocalSet;

const MAX_BLOCK: u64 = 16 << 10;

/// The frames behind the preface, found the simple way.
pub(super) fn found(bytes: &[u8]) -> Vec<Frame> {
    let (mut at, mut all) = (PREFACE.len(), Vec::new());
    while let Some(head) = bytes.get(at..at + 9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & !(1 << 31);
        all.push(Frame { length, kind: head[3], flags: head[4], stream });
        at += 9 + length as usize;
    }
    all
}

/// What is counted of pieces that all come at once: the frames up to a flood, and which it was.
fn counted(pieces: &[Bytes]) -> (Vec<Frame>, Option<Flood>) {
    let (mut frames, mut floods, mut seen) = (Frames::from_caller(), Floods::new(MAX_BLOCK), Vec::new());
    for piece in pieces {
        let mut rest = &piece[..];
        while let Some(frame) = frames.next(&mut rest) {
            seen.push(frame);
            if let Err(flood) = floods.received(frame, Duration::ZERO) {
                return (seen, Some(flood));
            }
        }
    }
    (seen, None)
}

/// Frames are counted where they begin, however they arrive, and no kind of them comes without end.
fn counts(bytes: &[u8], longest: u8, seed: u8) {
    let (seen, flood) = counted(&[Bytes::copy_from_slice(bytes)]);
    assert_eq!(counted(&cut(bytes, longest, seed)), (seen.clone(), flood), "in pieces");
    assert_eq!(counted(&cut(bytes, 0, 0)), (seen.clone(), flood), "byte by byte");
    let there = found(bytes);
    assert!(there.starts_with(&seen) && (flood.is_some() || there.len() == seen.len()), "other frames");
    // Whatever brings nobody anything is paid for out of budgets of a thousand in all, and what requests earn.
    let brings = |frame: &&Frame| match frame.kind {
        frames::DATA => frame.length > 0 || frame.ends_stream(),
        frames::HEADERS | frames::CONTINUATION => true,
        _ => false,
    };
    let (useful, idle): (Vec<&Frame>, Vec<&Frame>) = seen.iter().partition(brings);
    assert!(idle.len() <= 1_001 + 8 * useful.len(), "{} frames that bring nothing", idle.len());
}

/// Serves what a script sends, as a listener does: every request that passes inspection can be read in one way.
fn served(script: Scripted) {
    let metrics = Metrics::new(SystemTime::UNIX_EPOCH).core();
    let guarded = FrameGuard::new(script, 2 * MAX_BLOCK, [127, 0, 0, 1].into(), metrics);
    let requests = Rc::new(Cell::new(0));
    let counter = requests.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        counter.set(counter.get() + 1);
        async move { Ok::<_, Infallible>(answered(request).await) }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(Local);
    builder.max_concurrent_streams(128).max_header_list_size(MAX_BLOCK as u32);
    let local = LocalSet::new();
    finish(local.run_until(async {
        let activity = Activity::new(fixture::door().timeouts);
        // What is wrong with a connection ends it, and nobody is told.
        let _ = builder.serve_connection(Guarded::new(guarded, activity), service).await;
    }));
    assert!(requests.get() <= 1_000, "more requests than bytes could ask for");
}

async fn answered(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, mut body) = request.into_parts();
    let parts = RequestHead::from(parts);
    let mut reply = Response::new(Full::new(Bytes::from_static(b"answer")));
    if let Err(denial) = inspect(&parts, &fixture::door()) {
        *reply.status_mut() = denial.status();
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
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return reply };
        read += frame.data_ref().map_or(0, Bytes::len);
    }
    if parts.method != http::Method::HEAD {
        assert!(said.is_none_or(|said| said == Some(read)), "{said:?} were said, {read} came");
    }
    *reply.status_mut() = StatusCode::OK;
    reply
}

/// Streams are tasks beside the connection's.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Frames behind the preface. They are counted where they begin, and whatever hyper takes for a request that passes
/// inspection calls one host, for one path, with the body that it announces.
pub fn http2(bytes: &[u8]) {
    let ([kind, longest, seed], bytes) = steer(bytes);
    // Most of what comes has a preface; who lacks it is seen as well.
    let bytes = if kind & 1 == 0 { [PREFACE, bytes].concat() } else { bytes.to_vec() };
    counts(&bytes, longest, seed);
    let then = if kind & 2 == 0 { Then::Close } else { Then::Fail };
    let script = Scripted::new(cut(&bytes, longest, seed), then).0;
    served(if kind & 4 == 0 { script } else { script.slow(usize::from(seed) * 16) });
}
