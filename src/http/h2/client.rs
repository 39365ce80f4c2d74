//! One connection to an upstream over HTTP/2, and one exchange on it. The `h2` crate speaks; what is decided here is how
//! many requests share a connection, what they look like, and what a failure means for them.

use super::upload::Sending;
pub use super::upload::Stopped;
use crate::http::body::{CutOff, RequestBody};
use crate::http::h1::framing;
use crate::model::{Fields, RequestHead};
use crate::net::stream::Stream;
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::header::{CONNECTION, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme, Uri};
use http::{Request, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Requests that share a connection, if the upstream allows as many: what it must allow at least (RFC 9113, section
/// 6.5.2). Beyond that another connection spreads the load.
const STREAMS: u32 = 100;
/// What an upstream may send of one reply before the caller has taken it: a quarter of a megabyte keeps a long line
/// busy at 20 Mbit/s.
const STREAM_WINDOW: u32 = 256 * 1024;
/// So much for each stream: a caller who does not read never holds up the others.
const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// Longest reply head, and longest trailers.
const MAX_HEAD: u32 = 64 * 1024;
/// Heads before the reply's own. Nobody has as much to say.
const MOST_INFORMATIONAL: u8 = 16;
/// Servers of gRPC count pings that come more often than every five minutes as abuse.
const PING_EVERY: Duration = Duration::from_secs(301);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// A connection that requests share.
pub struct Line {
    sender: SendRequest<Bytes>,
    streams: Cell<u32>,
    since: Cell<Instant>,
    /// It takes no new requests: closed, closing, or doubtful.
    closed: Rc<Cell<bool>>,
}

/// Why there is no reply.
pub enum Failure {
    /// The upstream says that it has not acted, and will not. With the body, if nothing was sent at all.
    Refused { cause: String, body: Option<RequestBody> },
    /// The connection or the stream was closed before the reply's head.
    Closed(String),
    /// What the upstream said is no HTTP/2, or not of this request.
    Protocol(String),
    /// The request's body did not come to its end.
    Upload(Stopped),
}

impl Line {
    /// Opens a connection and makes sure, before a request is risked, that the other side speaks HTTP/2: it must answer
    /// a ping, and so has told its limits.
    pub async fn open(stream: Stream) -> Result<Rc<Line>, Failure> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD)
            .initial_max_send_streams(STREAMS as usize);
        let (sender, connection) = builder.handshake(stream).await.map_err(failure)?;
        let mut connection = Box::pin(connection);
        let mut pings = connection.ping_pong().ok_or_else(|| Failure::Protocol("pings are taken".to_owned()))?;
        tokio::select! {
            biased;
            // It knows better than the ping what went wrong.
            ended = &mut connection => return Err(ended.map_or_else(failure, |()| Failure::Closed("at once".to_owned()))),
            pong = pings.ping(Ping::opaque()) => pong.map_err(failure)?,
        };
        let closed = Rc::new(Cell::new(false));
        tokio::task::spawn_local(drive(connection, pings, closed.clone()));
        let since = Cell::new(Instant::now());
        Ok(Rc::new(Line { sender, streams: Cell::new(0), since, closed }))
    }

    pub fn is_open(&self) -> bool {
        !self.closed.get()
    }

    /// Whether one more request may share it.
    pub fn has_room(&self) -> bool {
        self.is_open() && (self.streams.get() as usize) < self.sender.current_max_send_streams().min(STREAMS as usize)
    }

    /// Since when nothing is under way on it.
    pub fn unused_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.since.get())
    }

    /// It answered somebody too late: what is under way may go on, nothing new begins.
    pub fn doubt(&self) {
        self.closed.set(true);
    }

    /// Sends a request and waits for its reply's head. What comes before it goes to `early`.
    pub async fn exchange(
        self: &Rc<Self>,
        parts: &RequestHead,
        secure: bool,
        body: RequestBody,
        patience: Duration,
        early: &mut impl FnMut(StatusCode, Fields),
    ) -> Result<((StatusCode, Fields), Reply), Failure> {
        let stream = InUse::begin(self);
        let mut sender = match self.sender.clone().ready().await {
            Ok(sender) => sender,
            // Nothing of the request has left us.
            Err(error) => {
                self.closed.set(true);
                return Err(Failure::Refused { cause: cause(&error), body: Some(body) });
            }
        };
        let request = request(parts, secure).ok_or_else(|| Failure::Protocol("no valid authority".to_owned()))?;
        let ended = body.is_end_stream();
        let (mut reply, send) = match sender.send_request(request, ended) {
            Ok(begun) => begun,
            // It was ready, so this request is what it cannot take, or it has run out of numbers for streams.
            Err(error) => {
                self.closed.set(true);
                return Err(Failure::Refused { cause: cause(&error), body: None });
            }
        };
        let sending = (!ended).then(|| Sending::begin(body, send, patience));
        let mut before = 0;
        let reply = poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(said))) = reply.poll_informational(cx) {
                before += 1;
                if before > MOST_INFORMATIONAL {
                    return Poll::Ready(Err(Failure::Protocol("informational replies without end".to_owned())));
                }
                let (said, ()) = said.into_parts();
                // HTTP/2 has none (RFC 9113, section 8.6). Passed on, it would end HTTP for whoever stands before us.
                if said.status == StatusCode::SWITCHING_PROTOCOLS {
                    return Poll::Ready(Err(Failure::Protocol("a 101 over HTTP/2".to_owned())));
                }
                if said.status != StatusCode::CONTINUE {
                    early(said.status, said.headers.into());
                }
            }
            Pin::new(&mut reply).poll(cx).map_err(failure)
        });
        match reply.await {
            Ok(reply) => {
                let (head, from) = reply.into_parts();
                let (status, headers) = (head.status, Fields::from(head.headers));
                // The `h2` crate counts the body, but lets a length be said twice, which would go on as it came.
                framing::of_reply(&parts.method, status, Version::HTTP_11, &headers)
                    .map_err(|flaw| Failure::Protocol(flaw.to_owned()))?;
                Ok(((status, headers), Reply { from, _sending: sending, ended: false, _stream: stream }))
            }
            Err(error) => Err(match sending.as_ref().and_then(Sending::stopped) {
                Some(stopped) => Failure::Upload(stopped),
                None => error,
            }),
        }
    }
}

/// To its end, which comes when nobody uses the connection any more; or until the other side is seen to be gone, so that
/// one who takes not even our farewell holds nothing.
async fn drive(connection: Pin<Box<h2::client::Connection<Stream, Bytes>>>, pings: PingPong, closed: Rc<Cell<bool>>) {
    struct Closing(Rc<Cell<bool>>);
    impl Drop for Closing {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let _closing = Closing(closed);
    tokio::select! {
        biased;
        // How it ended is told to the requests on it.
        _ = connection => {}
        () = silence(pings) => {}
    }
}

/// Comes back when the other side is gone though nobody said so.
async fn silence(mut pings: PingPong) {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        if !matches!(timeout(PONG_WITHIN, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// One of the requests that share a line.
struct InUse(Rc<Line>);

impl InUse {
    fn begin(line: &Rc<Line>) -> InUse {
        line.streams.set(line.streams.get() + 1);
        InUse(line.clone())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.since.set(Instant::now());
    }
}

/// The head as HTTP/2 wants it (RFC 9113, section 8.2.2): the host as `:authority`, nothing that belongs to a connection.
fn request(parts: &RequestHead, secure: bool) -> Option<Request<()>> {
    let authority: Authority = parts.headers.get(HOST)?.as_bytes().try_into().ok()?;
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(authority);
    uri.path_and_query =
        parts.uri.path_and_query().cloned().or_else(|| Some(http::uri::PathAndQuery::from_static("/")));
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    request.method_mut().clone_from(&parts.method);
    *request.version_mut() = Version::HTTP_2;
    let fields = request.headers_mut();
    // A reader of HTTP/2 needs no announcement of trailers, and some dislike one that is not kept.
    const OURS: [HeaderName; 6] =
        [HOST, CONNECTION, TRANSFER_ENCODING, UPGRADE, TRAILER, HeaderName::from_static("keep-alive")];
    fields.reserve(parts.headers.len());
    for (name, value) in &parts.headers {
        if !OURS.contains(name) && !(*name == TE && value != "trailers") {
            fields.append(name, value.clone());
        }
    }
    Some(request)
}

/// What went wrong, in our words: the crate's own hold what the upstream wrote into its GOAWAY, which is its own text and
/// may be the secret that was injected (T3).
fn cause(error: &h2::Error) -> String {
    let by = if error.is_remote() { "the upstream" } else { "us" };
    match error.reason() {
        Some(reason) if error.is_go_away() => format!("the connection was ended by {by}: {reason}"),
        Some(reason) => format!("the request was ended by {by}: {reason}"),
        None => error.to_string(),
    }
}

fn failure(error: h2::Error) -> Failure {
    let cause = cause(&error);
    let remote = error.is_remote();
    match error.reason() {
        // What it had begun to process goes on after a GOAWAY and does not come here.
        _ if remote && error.is_go_away() => Failure::Refused { cause, body: None },
        Some(Reason::REFUSED_STREAM) if remote => Failure::Refused { cause, body: None },
        Some(Reason::HTTP_1_1_REQUIRED) if remote => Failure::Protocol("the upstream asks for HTTP/1.1".to_owned()),
        _ if error.is_io() || remote => Failure::Closed(cause),
        _ => Failure::Protocol(cause),
    }
}

/// A reply's body, with the upload that may still be under way.
pub struct Reply {
    from: RecvStream,
    _sending: Option<Sending>,
    ended: bool,
    _stream: InUse,
}

impl Reply {
    /// The next part of the body, or its trailers; `None` at its end.
    pub fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(data) = ready!(self.from.poll_data(cx)) {
            let Ok(data) = data else { return Poll::Ready(Some(Err(CutOff))) };
            // The caller's connection holds no more than a few of these back, and then asks for none.
            return match self.from.flow_control().release_capacity(data.len()) {
                Ok(()) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(_) => Poll::Ready(Some(Err(CutOff))),
            };
        }
        let Ok(trailers) = ready!(self.from.poll_trailers(cx)) else { return Poll::Ready(Some(Err(CutOff))) };
        self.ended = true;
        Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))))
    }

    /// Whether the reply was read to its end.
    pub fn is_whole(&self) -> bool {
        self.ended || self.from.is_end_stream()
    }

    /// What is known of the body's length.
    pub fn size_hint(&self) -> SizeHint {
        if self.is_whole() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
