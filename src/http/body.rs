//! Bodies on their way: streamed, counted, capped and timed.

use super::h1::incoming::Incoming;
use super::h2;
use crate::policy::trailers;
use bytes::Bytes;
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// How far the caller's body has come: shared with the journey, which must say why an upload failed.
pub struct Upload {
    pub bytes: Cell<u64>,
    /// Most bytes it may hold.
    pub limit: u64,
    /// Whether the caller is waited for, rather than the upstream.
    awaited: Cell<bool>,
    end: Cell<Option<UploadEnd>>,
    finished_at: Cell<Option<Instant>>,
}

/// How a caller's body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadEnd {
    Whole,
    TooLarge,
    TimedOut,
    /// The caller went away, or sent broken framing.
    Broken,
}

impl Upload {
    pub fn end(&self) -> Option<UploadEnd> {
        self.end.get()
    }

    /// Whether more was asked for and has not come: then it is the caller who is slow.
    pub fn is_awaited(&self) -> bool {
        self.awaited.get()
    }

    /// When the last byte was passed on; `None` while the upload goes on.
    pub fn finished_at(&self) -> Option<Instant> {
        self.finished_at.get()
    }

    fn finish(&self, end: UploadEnd) {
        self.end.set(Some(end));
        self.finished_at.set(Some(Instant::now()));
    }
}

/// Why a body stopped before its end. It becomes an aborted message, never a clean end.
#[derive(Debug, thiserror::Error)]
#[error("the body was cut off")]
pub struct CutOff;

/// A caller's body, by the protocol it came over.
#[derive(Default)]
pub enum CallersBody {
    #[default]
    None,
    H1(Incoming),
    H2(h2::server::incoming::Incoming),
    /// Nobody's but our own, of a call that we make ourselves.
    Own(Full<Bytes>),
}

impl CallersBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self {
            CallersBody::None => Poll::Ready(None),
            CallersBody::H1(body) => Pin::new(body).poll_frame(cx),
            CallersBody::H2(body) => Pin::new(body).poll_frame(cx),
            CallersBody::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    /// Whether nothing (more) of it comes, as far as that is known already.
    pub fn is_end_stream(&self) -> bool {
        match self {
            CallersBody::None => true,
            CallersBody::H1(body) => body.is_end_stream(),
            CallersBody::H2(body) => body.is_end_stream(),
            CallersBody::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            CallersBody::None => SizeHint::with_exact(0),
            CallersBody::H1(body) => body.size_hint(),
            CallersBody::H2(body) => body.size_hint(),
            CallersBody::Own(body) => body.size_hint(),
        }
    }
}

/// The caller's body towards the upstream.
pub struct RequestBody {
    from: CallersBody,
    upload: Rc<Upload>,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Trailers that pass beyond the usual ones.
    trailers: Option<Arc<[HeaderName]>>,
}

impl RequestBody {
    /// At most `limit` bytes, none more than `idle` after the one before. `now`: where there is none, it ends at once.
    pub fn new(from: CallersBody, limit: u64, idle: Duration, now: Instant) -> (RequestBody, Rc<Upload>) {
        let ended = from.is_end_stream();
        let upload = Rc::new(Upload {
            bytes: Cell::new(0),
            limit,
            awaited: Cell::new(false),
            end: Cell::new(ended.then_some(UploadEnd::Whole)),
            finished_at: Cell::new(ended.then_some(now)),
        });
        (RequestBody { from, upload: upload.clone(), idle, timer: None, trailers: None }, upload)
    }

    /// How far it has come.
    pub fn upload(&self) -> &Rc<Upload> {
        &self.upload
    }

    /// Of a request that had none, to be sent once more.
    pub fn none(upload: Rc<Upload>) -> RequestBody {
        RequestBody { from: CallersBody::None, upload, idle: Duration::ZERO, timer: None, trailers: None }
    }

    /// Lets these trailers pass as well.
    pub fn allow_trailers(&mut self, names: Arc<[HeaderName]>) {
        self.trailers = Some(names);
    }

    fn cut(&mut self, end: UploadEnd) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        self.upload.finish(end);
        self.from = CallersBody::None;
        Poll::Ready(Some(Err(CutOff)))
    }
}

impl RequestBody {
    /// What of the trailers goes on. Nothing follows them.
    fn trailers(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let mut fields = frame.into_trailers().ok()?;
        trailers::strip(&mut fields, self.trailers.as_deref().unwrap_or_default());
        if fields.is_empty() {
            return None;
        }
        self.upload.finish(UploadEnd::Whole);
        Some(Frame::trailers(fields))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        if let CallersBody::None = this.from {
            return Poll::Ready(None);
        }
        loop {
            let frame = this.from.poll_frame(cx);
            this.upload.awaited.set(frame.is_pending());
            let frame = match frame {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    return if waited(&mut this.timer, this.idle, cx) {
                        this.cut(UploadEnd::TimedOut)
                    } else {
                        Poll::Pending
                    };
                }
            };
            this.timer = None;
            match frame {
                Some(Ok(frame)) => {
                    let data = match frame.into_data() {
                        Ok(data) => data,
                        Err(frame) => match this.trailers(frame) {
                            Some(trailers) => return Poll::Ready(Some(Ok(trailers))),
                            None => continue,
                        },
                    };
                    let bytes = this.upload.bytes.get() + data.len() as u64;
                    this.upload.bytes.set(bytes);
                    if bytes > this.upload.limit {
                        return this.cut(UploadEnd::TooLarge);
                    }
                    if this.from.is_end_stream() {
                        this.upload.finish(UploadEnd::Whole);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(_)) => return this.cut(UploadEnd::Broken),
                None => {
                    this.upload.finish(UploadEnd::Whole);
                    this.from = CallersBody::None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.from.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.from.size_hint()
    }
}

/// Arms `timer` on the first call; true once it has run out.
pub fn waited(timer: &mut Option<Pin<Box<Sleep>>>, limit: Duration, cx: &mut Context<'_>) -> bool {
    timer.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx).is_ready()
}
