//! How long a caller is waited for, whatever he draws out (hazard 13). The connection has one timer, which is looked at
//! when there is nothing else to do.

use super::state::{Leaving, Over, State};
use super::stream::Stream;
use crate::http::wire::{LINGER, least_taken};
use crate::net::clock::Clock;
use h2::Reason;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// A caller of whom nothing was heard for so long while he waits for replies is asked whether he is there; and for so
/// long he may be silent then.
const SILENT: Duration = Duration::from_secs(30);
const ANSWERS: Duration = Duration::from_secs(20);
/// When stopping, a caller's next request may be on its way for so long.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What happens when a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The connection ends.
    End,
    /// So does that of a caller who has taken too little of what he was sent.
    Measure,
    /// Replies that wait for their caller's window are given up.
    CutStalled,
    /// Callers who still send what nobody waits for are told to stop.
    CutLingering,
    /// The caller is asked whether he is there.
    Ask,
    /// New requests are refused; without any under way, the connection ends.
    Refuse,
}

impl State {
    /// Ready when the caller was waited for long enough. `written`: he has taken all he was sent.
    pub(super) fn poll_patience(&mut self, written: bool, clock: &mut Clock, cx: &mut Context<'_>) -> Poll<Over> {
        let sent = self.wire.sent;
        match self.unwritten {
            // What he takes, he is there to take.
            Some(_) if written => (self.unwritten, self.heard_at, self.pinged) = (None, Instant::now(), None),
            _ if written => {}
            Some(_) => {}
            None => self.unwritten = Some((Instant::now(), sent)),
        }
        loop {
            let Some((deadline, then)) = self.next_deadline() else { return Poll::Pending };
            if !clock.is_past(deadline, cx) {
                return Poll::Pending;
            }
            match then {
                Then::End => return Poll::Ready(Over::Lost),
                Then::Measure => {
                    let before = self.unwritten.map_or(0, |(_, before)| before);
                    if sent - before < least_taken(self.rules.timeouts.body_idle) {
                        return Poll::Ready(Over::Lost);
                    }
                    self.unwritten = Some((Instant::now(), sent));
                    continue;
                }
                Then::CutStalled => self.cut_stalled(),
                Then::CutLingering => self.cut_lingering(),
                Then::Ask => self.ask(Instant::now()),
                Then::Refuse => self.leave_now(),
            }
            // There is something to write.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }

    /// What comes first of all that is waited for.
    fn next_deadline(&mut self) -> Option<(Instant, Then)> {
        let timeouts = self.rules.timeouts;
        let idle = if self.latest == 0 { timeouts.head } else { timeouts.idle };
        let silent = match self.pinged {
            Some(asked) => (asked + ANSWERS, Then::End),
            None => (self.heard_at + SILENT, Then::Ask),
        };
        let leaving = match self.leaving {
            Leaving::Soon(since) => Some((since + LAST_CALL, Then::Refuse)),
            Leaving::No | Leaving::Now => None,
        };
        let quiet = match self.streams.is_empty() {
            // It ends as soon as the caller has taken the last words.
            true if self.leaving == Leaving::Now => None,
            true => Some((self.idle_since + idle, Then::Refuse)),
            // Who has not taken what he was sent has not read the question either: he is measured by what he takes.
            false if self.unwritten.is_some() => None,
            false => Some(silent),
        };
        let all = [
            quiet,
            self.unwritten.map(|(since, _)| (since + timeouts.body_idle, Then::Measure)),
            self.head_since.map(|since| (since + timeouts.head, Then::End)),
            self.stalled_since().map(|since| (since + timeouts.body_idle, Then::CutStalled)),
            self.lingers_since().map(|since| (since + LINGER, Then::CutLingering)),
            leaving,
        ];
        all.into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }

    /// Since when the reply waits that has waited longest for its caller to open its window.
    fn stalled_since(&mut self) -> Option<Instant> {
        if !self.stalls {
            return None;
        }
        let since = self.streams.iter_mut().filter_map(|(_, stream)| stream.stalled).map(|(since, _)| since).min();
        self.stalls = since.is_some();
        since
    }

    /// Since when the caller still sends to whom nobody listens, of whom that is longest so.
    fn lingers_since(&mut self) -> Option<Instant> {
        if !self.lingers {
            return None;
        }
        let since = self.streams.iter_mut().filter_map(|(_, stream)| stream.replied).min();
        self.lingers = since.is_some();
        since
    }

    /// Gives up the replies of which too little was let through for long enough; the others are measured anew.
    fn cut_stalled(&mut self) {
        let (now, patience) = (Instant::now(), self.rules.timeouts.body_idle);
        self.cut(Reason::CANCEL, |stream| match &mut stream.stalled {
            Some((since, sent)) if *since + patience <= now => {
                let slow = *sent < least_taken(patience);
                (*since, *sent) = (now, 0);
                slow
            }
            _ => false,
        });
    }

    fn cut_lingering(&mut self) {
        let now = Instant::now();
        self.cut(Reason::NO_ERROR, |stream| stream.replied.is_some_and(|since| since + LINGER <= now));
    }

    /// Resets the streams that are `late`.
    fn cut(&mut self, reason: Reason, mut late: impl FnMut(&mut Stream) -> bool) {
        let all = self.streams.iter_mut().filter_map(|(number, stream)| late(stream).then_some(number));
        let all: Vec<u32> = all.collect();
        all.into_iter().for_each(|number| self.reset(number, reason));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::super::stream::Stream;
    use super::*;
    use crate::http::wire::Wire;
    use crate::model::listener::FrontTimeouts;
    use crate::net::scripted::{Scripted, Then as Afterwards};
    use crate::policy::fixture;

    #[tokio::test(flavor = "current_thread")]
    async fn hazard_13_who_has_not_taken_his_reply_is_measured_by_that_and_not_asked_whether_he_is_there() {
        let timeouts = FrontTimeouts { body_idle: Duration::from_secs(300), ..fixture::door().timeouts };
        let (script, _) = Scripted::new([], Afterwards::Close);
        let wire = Wire::new(crate::net::stream::Stream::Scripted(script));
        let mut state = State::new(wire, Rules { list: 16 << 10, block: 32 << 10, timeouts });
        state.streams.insert(1, Stream::new(0, 0, None));
        let since = state.heard_at;
        assert_eq!(state.next_deadline(), Some((since + SILENT, Then::Ask)));
        (state.pinged, state.unwritten) = (Some(since), Some((since, 0)));
        assert_eq!(state.next_deadline(), Some((since + timeouts.body_idle, Then::Measure)));

        // The question has gone out with all the rest: he has the whole time to answer.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let mut clock = Clock::new(Duration::from_secs(1));
        let waits = std::future::poll_fn(|cx| Poll::Ready(state.poll_patience(true, &mut clock, cx).is_pending()));
        assert!(waits.await);
        let (next, then) = state.next_deadline().expect("he is waited for");
        assert!(then == Then::Ask && next > since + SILENT, "{then:?}");
    }
}
