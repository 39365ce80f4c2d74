use super::*;
use crate::http::wire::LINGER;
use crate::net::scripted::{self, Scripted};
use crate::net::stop::Stop;
use std::pin::Pin;

/// Answers nobody.
struct Silent;

impl Service for Silent {
    type Body = Nothing;

    async fn call(&self, _: &mut RequestHead, _: Option<Incoming>, _: Early) -> Reply<Nothing> {
        std::future::pending().await
    }
}

struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, CutOff>>> {
        Poll::Ready(None)
    }
}

impl ReplyBody for Nothing {
    fn gone(self) -> Instant {
        Instant::now()
    }

    fn take_over(self, _: Stream, _: BytesMut) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        None
    }
}

/// TLS says that it ends, for which a caller who takes nothing leaves no room.
#[tokio::test]
async fn hazard_13_a_caller_without_room_for_a_last_word_is_not_waited_for() {
    let (script, _) = Scripted::new([], scripted::Then::Close);
    let patience = Duration::from_secs(30);
    let timeouts = FrontTimeouts { head: patience, body_idle: patience, request: patience, idle: patience };
    let rules = Rules { limits: Limits { head: 1024, uri: 1024 }, timeouts };
    let stop = Stop::default();
    let served = serve(Stream::Scripted(script.full()), rules, &Silent, stop.hearer());
    tokio::time::timeout(LINGER * 3, served).await.expect("it waits for ever");
}
