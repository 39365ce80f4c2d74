//! What the whole server does that no caller can bring about at will.

use super::incoming::{Early, Incoming};
use super::{Rules, Service, serve};
use crate::model::flood::Flood;
use crate::model::listener::FrontTimeouts;
use crate::model::{Reply, RequestHead};
use crate::net::frames::{DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS};
use crate::net::scripted::{Scripted, Then};
use crate::net::stop::Stop;
use crate::net::stream::Stream;
use crate::policy::fixture;
use bytes::Bytes;
use std::cell::RefCell;
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::timeout;

/// Sends bodies back as they come; who has none waits for ever, and holds something.
struct Echo {
    held: Rc<()>,
}

impl Service for Echo {
    type Body = Incoming;

    async fn call(&self, _: &mut RequestHead, body: Option<Incoming>, _: Early) -> Reply<Incoming> {
        let held = self.held.clone();
        match body {
            Some(body) => Reply::new(body),
            None => {
                pending::<()>().await;
                drop(held);
                pending().await
            }
        }
    }

    fn given_up(&self, _: &RequestHead) {}

    fn spawn<J: 'static, F: Future<Output = ()> + 'static>(&self, job: J, work: impl Fn(J) -> F + 'static) {
        spawn_local(work(job));
    }

    fn flooded(&self, _: Flood) {}
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = Frame { length: payload.len() as u32, kind, flags, stream };
    [&head.bytes(), payload].concat()
}

/// What a caller begins with.
fn beginning(said: &[Vec<u8>]) -> Bytes {
    [PREFACE, &frame(SETTINGS, 0, 0, &[]), &said.concat()].concat().into()
}

/// Serves a script, for as long as `patience`.
async fn serve_for(patience: Duration, held: &Rc<()>, script: Scripted, timeouts: FrontTimeouts) {
    let service = Rc::new(Echo { held: held.clone() });
    let rules = Rules { list: 16 << 10, block: 32 << 10, timeouts };
    let stop = Stop::default();
    let _ = timeout(patience, serve(Stream::Scripted(script), rules, service, stop.hearer())).await;
}

/// Serves a caller who says this and then waits, for a moment. What was written.
async fn moment(held: &Rc<()>, said: &[Vec<u8>]) -> Rc<RefCell<Vec<u8>>> {
    let (script, written) = Scripted::new([beginning(said)], Then::Close);
    let script = script.until(|said, _| said == 0);
    serve_for(Duration::from_millis(50), held, script, fixture::door().timeouts).await;
    written
}

/// The kinds of the frames that were written.
fn kinds(mut written: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some(head) = written.first_chunk() {
        let frame = Frame::read(*head);
        kinds.push(frame.kind);
        written = &written[Frame::HEAD + frame.length as usize..];
    }
    kinds
}

/// `:method: GET`, `:scheme: https`, `:path: /`, by HPACK's static table.
const GET: [u8; 3] = [0x82, 0x87, 0x84];

#[tokio::test(flavor = "current_thread")]
async fn t3_requests_end_with_their_connections_task_however_that_ends() {
    let held = Rc::new(());
    let all = async {
        moment(&held, &[frame(HEADERS, END_HEADERS | END_STREAM, 1, &GET)]).await;
        for _ in 0..4 {
            yield_now().await;
        }
    };
    let local = LocalSet::new();
    local.run_until(all).await;
    assert_eq!(Rc::strong_count(&held), 1, "the request waits for a connection that is gone");
}

#[tokio::test(flavor = "current_thread")]
async fn rfc_9113_8_1_nobody_is_asked_to_continue_after_his_replys_head() {
    let held = Rc::new(());
    let expect = [&[0x83, 0x87, 0x84, 0x0f, 0x14, 12][..], b"100-continue"].concat();
    let written = LocalSet::new().run_until(moment(&held, &[frame(HEADERS, END_HEADERS, 1, &expect)])).await;
    assert_eq!(kinds(&written.borrow()).iter().filter(|kind| **kind == HEADERS).count(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn hazard_13_a_caller_who_never_pauses_is_held_to_the_time_outs() {
    let given_up = [frame(HEADERS, END_HEADERS, 1, &GET), frame(RST_STREAM, 0, 1, &[0; 4])];
    // There is always more of what nobody waits for: 1.6 GB in all.
    let more = Bytes::from(frame(DATA, 0, 1, &[0; 16_375]));
    let pieces = std::iter::once(beginning(&given_up)).chain(std::iter::repeat_n(more, 100_000));
    let (script, written) = Scripted::new(pieces, Then::Close);
    let timeouts = FrontTimeouts { idle: Duration::from_millis(20), ..fixture::door().timeouts };
    LocalSet::new().run_until(serve_for(Duration::from_secs(60), &Rc::new(()), script, timeouts)).await;
    assert!(kinds(&written.borrow()).contains(&GOAWAY), "the connection is idle");
}
