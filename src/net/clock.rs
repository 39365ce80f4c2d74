//! A connection's one timer. It is armed late and moved rarely: a busy connection touches it once in a while, and
//! looks at the time only when something has to be waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Tells when a deadline has passed, whichever it is at the moment.
pub struct Clock {
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    /// `first`: about how long the first wait will be.
    pub fn new(first: Duration) -> Clock {
        Clock { sleep: Box::pin(sleep(first)) }
    }

    /// Whether `deadline` has passed; if not, the task is woken when it has.
    pub fn is_past(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
        // It may stand where an earlier deadline was, long since moved: then it is moved as well.
        while self.sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            self.sleep.as_mut().reset(deadline);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    #[tokio::test]
    async fn the_deadline_that_counts_is_the_one_that_was_asked_for_last() {
        let mut clock = Clock::new(Duration::from_secs(10));
        for milliseconds in [30, 90, 10] {
            let deadline = Instant::now() + Duration::from_millis(milliseconds);
            let past = |cx: &mut Context<'_>| if clock.is_past(deadline, cx) { Poll::Ready(()) } else { Poll::Pending };
            std::future::poll_fn(past).await;
            let late = Instant::now() - deadline;
            assert!(late < Duration::from_secs(5), "{late:?}");
        }
    }
}
