//! Whole connections: from a caller who sends anything in any pieces, and to an upstream that answers anything.

use super::messages::read_by_others;
use super::{cut, steer};
use crate::http::body::CutOff;
use crate::http::h1::client::{Exchange, Idle};
use crate::http::h1::feeds::Feeds;
use crate::http::h1::framing::{Framing, of_reply, of_request};
use crate::http::h1::head::{self as heads, Limits};
use crate::http::h1::incoming::{Early, Incoming};
use crate::http::h1::server::{ReplyBody, Rules, Service, serve};
use crate::http::inspect::inspect;
use crate::model::listener::FrontTimeouts;
use crate::model::{Reply, RequestHead};
use crate::net::scripted::{Scripted, Then};
use crate::net::stop::Stop;
use crate::net::stream::Stream;
use crate::policy::fixture;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);

/// Runs `future` to its end. One that waits for something that nobody will tell it of hangs; one that never has enough
/// spins: both are failures. Timers never fire: a script's peer is never slow.
pub(super) fn finish<T>(future: impl Future<Output = T>) -> T {
    #[derive(Default)]
    struct Told(AtomicBool);
    impl Wake for Told {
        fn wake(self: Arc<Told>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| {
        let _inside = runtime.enter();
        let told = Arc::new(Told::default());
        let waker = Waker::from(told.clone());
        let mut future = pin!(future);
        for _ in 0..200_000 {
            if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return done;
            }
            assert!(told.0.swap(false, Ordering::Relaxed), "it waits, and nothing will wake it");
        }
        panic!("it never has enough");
    })
}

/// A body of some parts.
struct Parts(VecDeque<Bytes>);

impl Body for Parts {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// What came of an exchange: status and body, and whether the connection can be used again.
#[derive(Debug, PartialEq)]
enum Outcome {
    Nothing,
    Broken(u16),
    Whole(u16, Vec<u8>, bool),
}

/// What is made of `pieces` that an upstream says to a request with a body of `parts` parts.
fn exchange(method: &Method, script: Scripted, parts: usize) -> Outcome {
    let head = RequestHead { method: method.clone(), uri: Uri::from_static("/a"), ..RequestHead::default() };
    let body = Parts((0..parts).map(|n| Bytes::from(vec![b'u'; 1 + n * 1000])).collect());
    finish(async {
        let mut exchange = Exchange::begin(Idle::new(Stream::Scripted(script)), &head, body, HOUR);
        let mut informational = |status: StatusCode, _| assert!(status.is_informational());
        let Ok(head) = std::future::poll_fn(|cx| exchange.poll_head(&mut informational, cx)).await else {
            return Outcome::Nothing;
        };
        if exchange.has_switched() {
            return Outcome::Nothing;
        }
        let (status, mut body) = (head.status.as_u16(), Vec::new());
        loop {
            match std::future::poll_fn(|cx| exchange.poll_part(cx)).await {
                Some(Ok(frame)) => body.extend(frame.into_data().unwrap_or_default()),
                Some(Err(CutOff)) => return Outcome::Broken(status),
                None => break,
            }
        }
        assert!(exchange.is_whole());
        Outcome::Whole(status, body, exchange.into_idle().is_some())
    })
}

/// The reply in `bytes` as a forgiving client reads it, and what is left of them.
fn understood(method: &Method, mut bytes: &[u8], then: Then) -> Option<(u16, Vec<u8>, Vec<u8>)> {
    loop {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = heads::reply(&Bytes::copy_from_slice(&bytes[..end]), &Feeds::of(&bytes[..end])).ok()?;
        bytes = &bytes[end..];
        if head.status.is_informational() {
            continue;
        }
        let (body, rest) = match of_reply(method, head.status, head.version, &head.fields).ok()? {
            Framing::Empty => (Vec::new(), bytes.to_vec()),
            Framing::Length(length) => {
                let (body, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
                (body.to_vec(), rest.to_vec())
            }
            Framing::Chunked => read_by_others(bytes)?,
            Framing::UntilClose if then == Then::Fail => return None,
            Framing::UntilClose => (bytes.to_vec(), Vec::new()),
        };
        return Some((head.status.as_u16(), body, rest));
    }
}

/// An upstream that says anything: its reply is the same in whatever pieces it arrives, one that is not whole is never
/// taken for whole, and nothing is left over for the next one.
pub fn upstream(bytes: &[u8]) {
    let ([kind, longest, seed], bytes) = steer(bytes);
    let method = if kind & 1 == 0 { Method::GET } else { Method::HEAD };
    let then = if kind & 2 == 0 { Then::Close } else { Then::Fail };
    let parts = usize::from(kind >> 2 & 3);
    let at_once = Scripted::new([Bytes::copy_from_slice(bytes)], then).0;
    let whole = exchange(&method, at_once, parts);
    let slowly = Scripted::new(cut(bytes, longest, seed), then).0.slow(usize::from(seed) * 8);
    match (&whole, exchange(&method, slowly, parts)) {
        (Outcome::Whole(status, body, _), Outcome::Whole(s, b, _)) => assert_eq!((*status, body), (s, &b)),
        (one, other) => assert_eq!(*one, other),
    }
    if let Outcome::Whole(status, body, reusable) = whole {
        let (s, b, rest) = understood(&method, bytes, then).expect("others take it for whole, too");
        assert_eq!((status, body), (s, b));
        assert!(!reusable || rest.is_empty() || bytes.len() > 8 * 1024, "left over for the next: {rest:?}");
    }
}

/// What a service is asked: the head as it was read, or why it could not be; and the body, where it was read.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    method: Method,
    head: String,
    body: Option<Result<Vec<u8>, ()>>,
}

/// How a service answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// At once, whatever is still to come.
    Hasty,
    /// When the body is there.
    Patient,
    /// With the body, as it comes.
    Echo,
}

struct Answering {
    manner: Manner,
    /// The caller's body broke off while it was echoed.
    broken: Rc<Cell<bool>>,
    calls: RefCell<Vec<Call>>,
}

impl Service for Answering {
    type Body = Answer;

    async fn call(&self, parts: &mut RequestHead, mut body: Option<Incoming>, early: Early) -> Reply<Answer> {
        let verdict = inspect(parts, &fixture::door());
        assert!(verdict.is_err() || parts.flaw.is_none(), "what has a flaw is refused");
        let fields: Vec<_> = parts.headers.iter().collect();
        let head = match &verdict {
            Ok(()) => format!("{} {:?} {fields:?}", parts.uri, parts.version),
            Err(denial) => format!("{denial:?}"),
        };
        let at = self.calls.borrow().len();
        self.calls.borrow_mut().push(Call { method: parts.method.clone(), head, body: None });
        if self.manner == Manner::Patient
            && let Some(mut incoming) = body.take()
        {
            early.say(StatusCode::EARLY_HINTS, &parts.headers);
            let mut read = Ok(Vec::new());
            while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
                match (frame, &mut read) {
                    (Ok(frame), Ok(read)) => read.extend(frame.into_data().unwrap_or_default()),
                    (Err(CutOff), _) => read = Err(()),
                    (Ok(_), Err(())) => unreachable!("more of what broke off"),
                }
                if read.is_err() {
                    break;
                }
            }
            self.calls.borrow_mut()[at].body = Some(read);
        }
        let echo = body.filter(|_| self.manner == Manner::Echo && verdict.is_ok());
        let text = if echo.is_some() { None } else { Some(Bytes::from_static(b"answer")) };
        let status = verdict.map_or_else(|denial| denial.status(), |()| StatusCode::OK);
        Reply { status, ..Reply::new(Answer { echo, text, broken: self.broken.clone() }) }
    }
}

struct Answer {
    echo: Option<Incoming>,
    text: Option<Bytes>,
    broken: Rc<Cell<bool>>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match &mut self.echo {
            Some(incoming) => {
                let polled = Pin::new(incoming).poll_frame(cx);
                if let Poll::Ready(Some(Err(CutOff))) = polled {
                    self.broken.set(true);
                }
                polled
            }
            None => Poll::Ready(self.text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.echo.is_none() && self.text.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let text = self.text.as_ref().map_or(0, Bytes::len) as u64;
        if self.echo.is_some() { SizeHint::default() } else { SizeHint::with_exact(text) }
    }
}

impl ReplyBody for Answer {
    fn gone(self) -> Instant {
        Instant::now()
    }

    fn take_over(self, _: Stream, _: BytesMut) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        None
    }
}

/// Serves what `script` sends: what was called for, and the statuses of the replies, all of which are whole but the last
/// one if its body could not be.
fn served(script: (Scripted, Rc<RefCell<Vec<u8>>>), manner: Manner) -> (Vec<Call>, Vec<u16>) {
    let rules = Rules {
        limits: Limits { head: 2048, uri: 512 },
        timeouts: FrontTimeouts { head: HOUR, body_idle: HOUR, request: HOUR, idle: HOUR },
    };
    let service = Answering { manner, broken: Rc::default(), calls: RefCell::default() };
    let stop = Stop::default();
    finish(serve(Stream::Scripted(script.0), rules, &service, stop.hearer()));
    let (calls, mut rest, mut statuses) = (service.calls.take(), script.1.take(), Vec::new());
    while !rest.is_empty() {
        let method = &calls.get(statuses.len()).expect("no more replies than requests").method;
        let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) else {
            assert!(service.broken.get() && statuses.len() + 1 == calls.len(), "a head that is not whole");
            break;
        };
        let head = heads::reply(&Bytes::copy_from_slice(&rest[..end]), &Feeds::of(&rest[..end])).expect("a head");
        if head.status.is_informational() {
            rest.drain(..end);
            continue;
        }
        statuses.push(head.status.as_u16());
        rest = match understood(method, &rest, Then::Close) {
            Some((_, body, rest)) => {
                assert!(manner == Manner::Echo || body.is_empty() == (*method == Method::HEAD));
                rest
            }
            None => {
                assert!(service.broken.get() && statuses.len() == calls.len(), "a reply that is not whole");
                Vec::new()
            }
        };
    }
    // An echo may have broken off before anything of it was taken.
    let unanswered = calls.len() - statuses.len();
    assert!(unanswered <= usize::from(service.broken.get()), "each request has its reply");
    (calls, statuses)
}

/// The requests in `bytes` up to one that cannot be read, as anybody would find them.
fn sent(mut bytes: &[u8]) -> Vec<(Method, Vec<u8>)> {
    let mut all = Vec::new();
    loop {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) else { return all };
        let Ok(parts) = heads::request(&Bytes::copy_from_slice(&bytes[..end])) else { return all };
        bytes = &bytes[end..];
        let Ok(framing) = of_request(parts.version, &parts.headers) else { return all };
        let (body, rest) = match framing {
            Framing::Chunked => read_by_others(bytes).unwrap_or_default(),
            Framing::Length(length) => {
                let (body, rest) = bytes.split_at(usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len()));
                (body.to_vec(), rest.to_vec())
            }
            Framing::Empty | Framing::UntilClose => (Vec::new(), bytes.to_vec()),
        };
        all.push((parts.method, body));
        bytes = &bytes[bytes.len() - rest.len()..];
    }
}

/// A caller who sends anything: requests begin and end where they do in whatever pieces they arrive, and each has one
/// reply, which can be read.
pub fn server(bytes: &[u8]) {
    let ([kind, longest, seed], bytes) = steer(bytes);
    let manner = [Manner::Hasty, Manner::Patient, Manner::Echo][usize::from(kind) % 3];
    let (calls, statuses) = served(Scripted::new([Bytes::copy_from_slice(bytes)], Then::Close), manner);
    let (script, written) = Scripted::new(cut(bytes, longest, seed), Then::Close);
    let (others, answers) = served((script.slow(usize::from(seed) * 4), written), manner);
    assert_eq!(others, calls, "in pieces");
    let sent = sent(bytes);
    assert!(calls.len() <= sent.len() + 1, "a request that nobody sent: {calls:?}");
    for (call, (method, body)) in calls.iter().zip(&sent) {
        assert!(call.method == *method || call.head.starts_with("HeadTooLarge") || call.head.starts_with("UriTooLong"));
        assert!(call.body.as_ref().is_none_or(|read| read.as_ref().is_ok_and(|read| read == body) || read.is_err()));
    }
    assert!(statuses.iter().zip(&answers).all(|(one, other)| one == other), "{statuses:?} {answers:?}");
}
