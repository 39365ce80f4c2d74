//! H2: a signed delivery is taken in whole before it is believed, and before anything happens to it.

use super::exchange::Exchange;
use crate::http::body::{CallersBody, RequestBody, UploadEnd};
use crate::live::Live;
use crate::model::{Denial, Listener};
use crate::policy::webhook::{Addressed, Claim, Verified};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http_body_util::BodyExt as _;
use std::time::Instant;

/// The body, as it came, and the proof that its sender signed it. A signature that is wrong counts as a failed
/// authentication of its address (L3).
pub async fn received<'s>(
    claim: Claim<'s, '_>,
    parts: &Parts,
    body: CallersBody,
    (live, listener, door): (&Live, usize, &Listener),
    limit: u64,
    log: &mut Exchange,
) -> Result<(Bytes, Verified<'s>), Denial> {
    let whole = whole(body, limit, door, log).await?;
    let host = parts.uri.authority().map(|authority| authority.as_str());
    let host = host.or_else(|| parts.headers.get(http::header::HOST)?.to_str().ok());
    let addressed = Addressed { method: &parts.method, uri: &parts.uri, host, https: door.tls };
    let verified = claim.verify(parts, &addressed, &whole);
    if let Err(Denial::SignatureInvalid { .. }) = verified {
        // Counted, and never refused for it: one bad neighbour must not keep good deliveries out.
        let _ = live.limits.failed(listener).failed(log.address, Instant::now());
    }
    verified.map(|verified| (whole, verified))
}

async fn whole(body: CallersBody, limit: u64, door: &Listener, log: &mut Exchange) -> Result<Bytes, Denial> {
    let (mut body, upload) = RequestBody::new(body, limit, door.timeouts.body_idle);
    log.sending(upload.clone());
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => whole.extend_from_slice(&data),
            // Trailers are not signed.
            Ok(Err(_)) => {}
            Err(_) => {
                return Err(match upload.end() {
                    Some(UploadEnd::TooLarge) => Denial::BodyTooLarge { limit },
                    Some(UploadEnd::TimedOut) => Denial::RequestTimeout,
                    _ => Denial::BadRequest("the body broke off"),
                });
            }
        }
    }
    Ok(whole.freeze())
}
