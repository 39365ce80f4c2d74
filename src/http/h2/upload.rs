//! A request's body on its way out, as fast as the upstream opens its window.

use crate::http::body::RequestBody;
use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Why an upload stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The caller's body broke off.
    Upload,
    /// The upstream took nothing for too long.
    NotTaken,
}

/// A body under way in a task of its own, so that it goes on after the reply has begun. Dropping this ends it.
pub struct Sending {
    task: AbortHandle,
    stopped: Rc<Cell<Option<Stopped>>>,
}

impl Sending {
    /// `patience`: for so long the upstream may take nothing.
    pub fn begin(body: RequestBody, stream: SendStream<Bytes>, patience: Duration) -> Sending {
        let stopped = Rc::new(Cell::new(None));
        let told = stopped.clone();
        let task = tokio::task::spawn_local(async move {
            let mut stream = stream;
            if let Err(reason) = send(body, &mut stream, patience).await {
                told.set(Some(reason));
                stream.send_reset(Reason::CANCEL);
            }
        });
        Sending { task: task.abort_handle(), stopped }
    }

    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped.get()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Until the body's end, or until the upstream wants no more of it, which is its right.
async fn send(mut body: RequestBody, stream: &mut SendStream<Bytes>, patience: Duration) -> Result<(), Stopped> {
    while !body.is_end_stream() {
        let next = poll_fn(|cx| match stream.poll_reset(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => Pin::new(&mut body).poll_frame(cx).map(Some),
        });
        match next.await {
            None => return Ok(()),
            Some(None) => break,
            Some(Some(Err(_))) => return Err(Stopped::Upload),
            Some(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    if !part(data, stream, patience).await? {
                        return Ok(());
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let _ = stream.send_trailers(trailers);
                    }
                    return Ok(());
                }
            },
        }
    }
    let _ = stream.send_data(Bytes::new(), true);
    Ok(())
}

/// False: the upstream wants no more.
async fn part(mut data: Bytes, stream: &mut SendStream<Bytes>, patience: Duration) -> Result<bool, Stopped> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = timeout(patience, poll_fn(|cx| stream.poll_capacity(cx))).await.map_err(|_| Stopped::NotTaken)?;
        let Some(Ok(room)) = room else { return Ok(false) };
        if stream.send_data(data.split_to(room.min(data.len())), false).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
