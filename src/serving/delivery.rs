//! H2: a signed delivery is taken in whole before it is believed, and before anything happens to it.
//!
//! What came in one piece stays where it lies: a body that was streamed would be held just so. Only what has to be waited
//! for is gathered, in room that all deliveries share and that is charged as it is allocated, not as it is announced; so
//! thousands of slow senders hold what they have sent, twice at most.

use super::core::Core;
use super::exchange::Exchange;
use crate::http::body::{CallersBody, RequestBody, UploadEnd};
use crate::limit::Buffers;
use crate::limit::buffers::Room;
use crate::live::Live;
use crate::model::RequestHead;
use crate::model::denial::WEBHOOK_BUFFER;
use crate::model::{Denial, Listener};
use crate::policy::webhook::{Addressed, Claim, Verified};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout_at;

/// The least that is allocated for a body: most deliveries need no more.
const FIRST: usize = 4 * 1024;

/// The body, as it came, and the proof that its sender signed it. A signature that is wrong counts as a failed
/// authentication of its address (L3).
pub async fn received<'s>(
    claim: Claim<'s, '_>,
    parts: &RequestHead,
    body: CallersBody,
    (core, live, listener): (&Core, &Live, usize),
    peer: IpAddr,
    limit: u64,
    log: &mut Exchange,
) -> Result<(Bytes, Verified<'s>), Denial> {
    let door = &live.snapshot.listeners[listener];
    let whole = whole(body, (&core.buffers, live.snapshot.webhook_buffer), limit, door, log).await?;
    let verified = claim.verify(parts, &Addressed::of(parts, door, peer), &whole);
    if let Err(Denial::SignatureInvalid { .. }) = verified {
        // Counted, and never refused for it: one bad neighbour must not keep good deliveries out.
        let _ = live.limits.failed(listener).failed(log.address, Instant::now());
    }
    verified.map(|verified| (whole, verified))
}

/// The whole body, within the time that its listener gives a request.
async fn whole(
    body: CallersBody,
    shared: (&Arc<Buffers>, u64),
    limit: u64,
    door: &Listener,
    log: &mut Exchange,
) -> Result<Bytes, Denial> {
    let (body, upload) = RequestBody::new(body, limit, door.timeouts.body_idle, log.started().into());
    log.receiving(upload.clone());
    let until = log.started() + door.timeouts.request;
    let taken = timeout_at(until.into(), take_in(body, shared)).await.unwrap_or(Err(Stopped::Late));
    taken.map_err(|stopped| match (stopped, upload.end()) {
        (Stopped::Full, _) => Denial::Overloaded { what: WEBHOOK_BUFFER },
        (Stopped::Late, _) | (Stopped::Cut, Some(UploadEnd::TimedOut)) => Denial::RequestTimeout,
        (Stopped::Cut, Some(UploadEnd::TooLarge)) => Denial::BodyTooLarge { limit },
        (Stopped::Cut, _) => Denial::BadRequest("the body broke off"),
    })
}

/// Why a body is not waited for any longer.
enum Stopped {
    /// There is no room.
    Full,
    Late,
    /// It ended before its end.
    Cut,
}

/// What of a body has come. The room is taken until the last reference to the bytes is gone.
struct Gathered {
    room: Room,
    /// What all deliveries may hold together.
    most: u64,
    bytes: Vec<u8>,
}

/// Takes `body` in. `most`: what all deliveries may hold together.
async fn take_in(mut body: RequestBody, (buffers, most): (&Arc<Buffers>, u64)) -> Result<Bytes, Stopped> {
    let whole = body.size_hint().exact();
    let mut gathered: Option<Gathered> = None;
    while let Some(frame) = body.frame().await {
        // Trailers are not signed, so they go no further.
        let Ok(data) = frame.map_err(|_| Stopped::Cut)?.into_data() else { continue };
        if gathered.is_none() && body.is_end_stream() {
            return Ok(data);
        }
        gathered.get_or_insert_with(|| Gathered::new(buffers, most)).add(&data, whole)?;
    }
    Ok(gathered.map(Bytes::from_owner).unwrap_or_default())
}

impl Gathered {
    fn new(buffers: &Arc<Buffers>, most: u64) -> Gathered {
        Gathered { room: buffers.room(), most, bytes: Vec::new() }
    }

    /// `whole`: how much it says to be in the end.
    fn add(&mut self, data: &[u8], whole: Option<u64>) -> Result<(), Stopped> {
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() {
            let double = needed.max(2 * self.bytes.capacity()).max(FIRST);
            let whole = whole.and_then(|whole| usize::try_from(whole).ok()).unwrap_or(usize::MAX);
            let wanted = double.min(whole.max(needed));
            let Some(room) = [wanted, needed].into_iter().find(|room| self.room.grow(*room as u64, self.most)) else {
                return Err(Stopped::Full);
            };
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

impl AsRef<[u8]> for Gathered {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_what_is_allocated_is_charged_and_given_back_with_the_last_reference() {
        let buffers = Arc::<Buffers>::default();
        let mut body = Gathered::new(&buffers, 1 << 20);
        let mut charged = Vec::new();
        for _ in 0..10_000 {
            assert!(body.add(b"0123456789", None).is_ok());
            assert_eq!(body.bytes.capacity() as u64, buffers.held());
            if charged.last() != Some(&buffers.held()) {
                charged.push(buffers.held());
            }
        }
        assert_eq!(charged, [4096, 8192, 16384, 32768, 65536, 131_072]);
        let bytes = Bytes::from_owner(body);
        let copy = bytes.slice(1..);
        drop(bytes);
        assert_eq!(buffers.held(), 131_072);
        drop(copy);
        assert_eq!(buffers.held(), 0);
    }

    #[test]
    fn h2_no_more_is_allocated_than_a_body_says_to_be() {
        let buffers = Arc::<Buffers>::default();
        let mut body = Gathered::new(&buffers, 1 << 20);
        assert!(body.add(&[0; 10], Some(100)).is_ok());
        assert_eq!(buffers.held(), 100);
        let mut large = Gathered::new(&buffers, 1 << 20);
        assert!(large.add(&[0; 10], Some(1 << 40)).is_ok());
        assert_eq!(buffers.held(), 100 + 4096, "a promise takes no room");
    }

    #[test]
    fn h2_where_twice_as_much_does_not_fit_the_need_may() {
        let buffers = Arc::<Buffers>::default();
        let mut body = Gathered::new(&buffers, 5000);
        assert!(body.add(&[0; 4000], None).is_ok());
        assert!(body.add(&[0; 900], None).is_ok());
        assert_eq!(buffers.held(), 4900);
        assert!(matches!(body.add(&[0; 200], None), Err(Stopped::Full)));
    }
}
