//! One request's way through an HTTP/2 connection, in a task of its own: answered, and the reply sent as the caller takes
//! it.

use super::Service;
use super::incoming::{Early, Incoming};
use super::requests::Opened;
use super::state::State;
use super::stream::Stream;
use crate::model::Reply;
use bytes::Bytes;
use h2::Reason;
use http::{Method, StatusCode};
use http_body::Body;
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

/// Answers a request, unless the caller gives it up.
pub async fn exchange<S: Service>((service, state, opened): (Rc<S>, Rc<RefCell<State>>, Opened)) {
    let Opened { stream, mut head, has_body } = opened;
    let place = Place { state: &state, stream };
    if place.with(|_| ()).is_none() {
        return service.given_up(&head);
    }
    let body = has_body.then(|| Incoming::new(state.clone(), stream));
    let early = Early::new(state.clone(), stream);
    let asked = head.method.clone();
    let reply = place.answered(pin!(service.call(&mut head, body, early))).await;
    if let Some(reply) = reply {
        place.send(reply, &asked).await;
    }
}

/// A request's stream. Whatever ends the task ends the stream: what was not said to its end is cut off.
struct Place<'a> {
    state: &'a RefCell<State>,
    stream: u32,
}

impl Place<'_> {
    /// `None`: nobody waits for the reply any more.
    async fn answered<R>(&self, mut call: Pin<&mut impl Future<Output = R>>) -> Option<R> {
        std::future::poll_fn(|cx| {
            if self.with(|stream| stream.task.runs()).is_none() {
                return Poll::Ready(None);
            }
            let reply = call.as_mut().poll(cx);
            if reply.is_pending() {
                self.with(|stream| stream.task.wait(cx));
            }
            reply.map(Some)
        })
        .await
    }

    /// Does something to the stream. `None`: nobody waits for this task any more.
    fn with<R>(&self, what: impl FnOnce(&mut Stream) -> R) -> Option<R> {
        self.state.borrow_mut().streams.get(self.stream).filter(|stream| stream.replied.is_none()).map(what)
    }

    /// Sends a reply, part by part: the next one is asked for when the one before has gone.
    async fn send<B: Body<Data = Bytes> + Unpin>(&self, reply: Reply<B>, asked: &Method) {
        let never = *asked == Method::HEAD || matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let ended = never || reply.body.is_end_stream();
        // What GET would have been told; of what has no body nothing is said.
        let exact = match reply.body.size_hint().exact() {
            _ if never && *asked != Method::HEAD => None,
            Some(0) if never => None,
            exact => exact,
        };
        if !self.state.borrow_mut().reply(self.stream, &reply, exact, ended) || ended {
            return;
        }
        let mut body = reply.body;
        std::future::poll_fn(|cx| {
            loop {
                if std::task::ready!(self.poll_room(cx)).is_none() {
                    return Poll::Ready(());
                }
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => self.put(frame, body.is_end_stream()),
                    Poll::Ready(Some(Err(_))) => self.state.borrow_mut().reset(self.stream, Reason::INTERNAL_ERROR),
                    Poll::Ready(None) => self.state.borrow_mut().part(self.stream, Bytes::new(), true),
                    Poll::Pending => {
                        self.with(|stream| stream.task.wait(cx));
                        return Poll::Pending;
                    }
                }
            }
        })
        .await;
    }

    /// Ready when the part before has gone; `None` when nothing more is wanted, or all was said.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let room = self.with(|stream| {
            if stream.part.is_empty() && !stream.last {
                stream.task.runs();
                return Poll::Ready(());
            }
            stream.task.wait(cx);
            Poll::Pending
        });
        room.map_or(Poll::Ready(None), |room| room.map(Some))
    }

    fn put(&self, frame: http_body::Frame<Bytes>, last: bool) {
        let state = &mut *self.state.borrow_mut();
        match frame.into_data() {
            Ok(part) if part.is_empty() && !last => {}
            Ok(part) => state.part(self.stream, part, last),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => state.trailers(self.stream, &trailers),
                Err(_) => state.reset(self.stream, Reason::INTERNAL_ERROR),
            },
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.with(|_| ()).is_some() {
            self.state.borrow_mut().reset(self.stream, Reason::INTERNAL_ERROR);
        }
    }
}
