//! Hazard 34: a panic in one request is that request's 500, and nobody else's business.

use crate::model::Denial;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs a journey and turns its panic into a denial. What it left behind is dropped with it; what other requests share
/// (pools, counters, limits) is touched in single steps that do not panic half-way.
///
/// Takes the journey by its place: moved in, its kilobytes of state would stand here twice.
pub async fn caught<T, E: From<Denial>>(mut journey: Pin<&mut impl Future<Output = Result<T, E>>>) -> Result<T, E> {
    std::future::poll_fn(move |cx| poll_caught(journey.as_mut(), cx)).await
}

fn poll_caught<T, E: From<Denial>>(
    journey: Pin<&mut impl Future<Output = Result<T, E>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, E>> {
    match catch_unwind(AssertUnwindSafe(|| journey.poll(cx))) {
        Ok(poll) => poll,
        Err(panic) => {
            let cause = format!("panic: {}", words(panic.as_ref()));
            Poll::Ready(Err(Denial::Internal { cause }.into()))
        }
    }
}

/// Only text that stands in the source: a formatted message may hold what a caller sent.
fn words(panic: &(dyn Any + Send)) -> &'static str {
    panic.downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    #[tokio::test]
    async fn hazard_34_a_panic_becomes_a_500_without_its_formatted_words() {
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let fixed = caught::<(), Denial>(pin!(async { panic!("fixed words") })).await;
        let secret = "kst_secret".to_owned();
        let formatted = caught::<(), Denial>(pin!(async move { panic!("{secret}") })).await;
        std::panic::set_hook(quiet);
        assert_eq!(fixed, Err(Denial::Internal { cause: "panic: fixed words".into() }));
        assert_eq!(formatted, Err(Denial::Internal { cause: "panic: (message withheld)".into() }));
    }
}
