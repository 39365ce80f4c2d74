use super::*;
use crate::http::body::{CallersBody, RequestBody};
use crate::net::scripted::{Scripted, Then};

/// An exchange with an upstream that says `reply` and closes.
fn exchange(reply: &'static [u8]) -> Exchange<RequestBody> {
    let (script, _) = Scripted::new([Bytes::from_static(reply)], Then::Close);
    let parts = RequestHead::default();
    let (body, _) = RequestBody::new(CallersBody::None, 0, Duration::ZERO, Instant::now());
    Exchange::begin(Idle::new(Stream::Scripted(script)), &parts, body, Duration::from_secs(1))
}

async fn head(exchange: &mut Exchange<RequestBody>) -> Result<ReplyHead, Failure> {
    std::future::poll_fn(|cx| exchange.poll_head(&mut |_, _| {}, cx)).await
}

#[tokio::test]
async fn who_said_anything_at_all_was_not_silent() {
    for (reply, was_silent) in [(&b""[..], true), (b"HTTP", false), (b"HTTP/1.1 103 Early Hints\r\n\r\n", false)] {
        match head(&mut exchange(reply)).await {
            Err(Failure::Closed { silent, .. }) => assert_eq!(silent, was_silent, "{reply:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_ended_with_its_connection_leaves_none_to_keep() {
    for (reply, is_kept) in
        [(&b"HTTP/1.1 200 OK\r\n\r\nall"[..], false), (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall", true)]
    {
        let mut exchange = exchange(reply);
        head(&mut exchange).await.unwrap();
        while let Some(part) = std::future::poll_fn(|cx| exchange.poll_part(cx)).await {
            part.unwrap();
        }
        assert_eq!(exchange.into_idle().is_some(), is_kept, "{reply:?}");
    }
}
