//! One attempt of a request at an upstream, on a connection that is there: the request leaves, and the reply's head is waited
//! for no longer than it may take.

use super::body::RequestBody;
use super::failure::Failure;
use super::h1::client::Exchange;
use super::h1::head::ReplyHead;
use super::h2::client::{self as h2, Line};
use super::pool::{Lease, Leased, Way};
use super::upstream::{Journey, Patience};
use super::upstream_body::{From, UpstreamBody};
use crate::model::connection::Connection;
use crate::model::{Denial, Fields, Reply};
use crate::net::clock::Clock;
use crate::policy::trailers::announced;
use crate::policy::upgrade;
use http::StatusCode;
use http::header::{TRAILER, UPGRADE};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

impl Journey<'_> {
    /// Sends it on `leased` and waits for the reply's head.
    pub(super) async fn attempt(
        &self,
        leased: Leased,
        body: RequestBody,
        early: &mut impl FnMut(StatusCode, Fields),
    ) -> Result<Reply<Box<UpstreamBody>>, Failure> {
        let idle = self.connection.timeouts.idle;
        match leased.way {
            Way::H1(kept) => {
                let mut exchange = Exchange::begin(kept, self.parts, body, idle);
                let head = self.head_over_h1(&mut exchange, early).await?;
                self.reply_over_h1(head, exchange, leased.lease)
            }
            Way::H2(line) => {
                let ((status, headers), from) = self.over_h2(&line, body, idle, early).await?;
                self.reply(Reply { status, headers, reason: None, body: From::H2(Box::new(from)) }, leased.lease)
            }
        }
    }

    /// Waits for the head of a reply to what is on its way.
    pub(super) fn head_over_h1(
        &self,
        exchange: &mut Exchange<RequestBody>,
        early: &mut impl FnMut(StatusCode, Fields),
    ) -> impl Future<Output = Result<ReplyHead, Failure>> {
        poll_fn(|cx| self.poll_head(exchange, early, cx))
    }

    /// The reply whose head that is.
    pub(super) fn reply_over_h1(
        &self,
        head: ReplyHead,
        exchange: Exchange<RequestBody>,
        lease: Lease,
    ) -> Result<Reply<Box<UpstreamBody>>, Failure> {
        let ReplyHead { status, fields: headers, reason, .. } = head;
        self.reply(Reply { status, headers, reason, body: From::H1(exchange) }, lease)
    }

    /// A reply whose head has come.
    fn reply(&self, mut reply: Reply<From>, lease: Lease) -> Result<Reply<Box<UpstreamBody>>, Failure> {
        // What follows would be no HTTP.
        if reply.status == StatusCode::SWITCHING_PROTOCOLS && !self.was_asked_for(&reply.headers) {
            return Err(Failure::Protocol("an upgrade that nobody asked for".to_owned()));
        }
        announce(&mut reply.headers, self.connection);
        let Connection { timeouts, trailers, .. } = self.connection;
        Ok(reply.map(|from| Box::new(UpstreamBody::new(from, lease, timeouts.idle, trailers))))
    }

    /// The reply's head, if it comes in time.
    fn poll_head(
        &self,
        exchange: &mut Exchange<RequestBody>,
        early: &mut impl FnMut(StatusCode, Fields),
        cx: &mut Context<'_>,
    ) -> Poll<Result<ReplyHead, Failure>> {
        if let Poll::Ready(head) = exchange.poll_head(early, cx) {
            return Poll::Ready(head.map_err(Failure::from));
        }
        match exchange.is_past(self.deadline(), cx) {
            true => Poll::Ready(Err(Failure::Late(self.overdue()))),
            false => Poll::Pending,
        }
    }

    /// The whole request's time, and after the upload no longer than the head's.
    fn deadline(&self) -> Instant {
        let Patience { until, head, .. } = self.patience;
        self.upload.finished_at().map_or(until, |at| until.min(at + head))
    }

    /// Who was waited for.
    fn overdue(&self) -> Denial {
        match self.upload.finished_at() {
            None if self.upload.is_awaited() => Denial::RequestTimeout,
            None => Denial::UpstreamTimeout { phase: "taking the request's body" },
            Some(_) => Denial::UpstreamTimeout { phase: "waiting for the upstream's answer" },
        }
    }

    async fn over_h2(
        &self,
        line: &Rc<Line>,
        body: RequestBody,
        idle: Duration,
        early: &mut impl FnMut(StatusCode, Fields),
    ) -> Result<((StatusCode, Fields), h2::Reply), Failure> {
        let secure = self.connection.destination.tls.is_some();
        let exchange = line.exchange(self.parts, secure, body, idle, early);
        let (head, reply) = match self.in_time(pin!(exchange)).await {
            Ok(outcome) => outcome.inspect_err(|failure| {
                // Others would wait behind what is not taken.
                if let h2::Failure::Upload(h2::Stopped::NotTaken) = failure {
                    line.doubt();
                }
            })?,
            Err(denial) => {
                if let Denial::UpstreamTimeout { .. } = denial {
                    line.doubt();
                }
                return Err(Failure::Late(denial));
            }
        };
        Ok((head, reply))
    }

    fn was_asked_for(&self, reply: &Fields) -> bool {
        self.parts.headers.get(UPGRADE).is_some_and(|protocol| upgrade::granted(reply, protocol))
    }

    /// Waits for what `sent` brings, no longer than [`Journey::deadline`], which moves once the upload has ended.
    async fn in_time<T>(&self, mut sent: Pin<&mut impl Future<Output = T>>) -> Result<T, Denial> {
        let mut clock = Clock::new(self.patience.head);
        poll_fn(|cx| {
            if let Poll::Ready(done) = sent.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if clock.is_past(self.deadline(), cx) { Poll::Ready(Err(self.overdue())) } else { Poll::Pending }
        })
        .await
    }
}

/// Leaves in `Trailer` the names that may come.
fn announce(fields: &mut Fields, connection: &Connection) {
    if !fields.contains_key(TRAILER) {
        return;
    }
    match announced(fields, &connection.trailers) {
        Some(names) => fields.insert(TRAILER, names),
        None => drop(fields.remove(TRAILER)),
    }
}
