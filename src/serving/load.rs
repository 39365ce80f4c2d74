//! How far this core is behind, measured, and which requests it refuses for that. What follows from the delay,
//! [`Overload`] decides.
//!
//! A probe is a task that does nothing: it stands in line with every connection of this core that has something to do, and
//! the time until its turn is what a request that is readable now has to wait. Requests send it, a few in the time that is
//! bearable, by the clock that they read anyway; where none come, nothing is measured and nobody wakes.

use super::core::Core;
use super::front::Front;
use crate::limit::overload::{Change, Overload};
use crate::model::Denial;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// At most one line in the log in so long, of each core.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// A core's load.
pub struct Load {
    overload: RefCell<Option<Overload>>,
    /// Until then a request has nothing to look at here.
    calm_until: Cell<Instant>,
    /// Since when the probe that is under way has been waiting.
    probing: Cell<Option<Instant>>,
    told: Cell<Option<Instant>>,
    /// Since the log was told.
    refused: Cell<u64>,
}

impl Default for Load {
    fn default() -> Load {
        Load {
            overload: RefCell::default(),
            calm_until: Cell::new(Instant::now()),
            probing: Cell::default(),
            told: Cell::default(),
            refused: Cell::default(),
        }
    }
}

impl Core {
    /// Refuses a request that this core cannot get to in time, before anything is done for it. `delay`: how long it may be
    /// behind; none, and it takes whatever comes.
    pub fn has_room(self: &Rc<Core>, delay: Option<Duration>, front: &Front, now: Instant) -> Result<(), Denial> {
        let dear = front.is_dear();
        match delay {
            Some(delay) if now >= self.load.calm_until.get() => self.look(delay, dear, now),
            _ => Ok(()),
        }
    }

    /// Measures, and while this core is behind refuses a part.
    #[cold]
    fn look(self: &Rc<Core>, delay: Duration, dear: bool, now: Instant) -> Result<(), Denial> {
        let load = &self.load;
        let (change, refused, calm) = {
            let mut overload = load.overload.borrow_mut();
            // A reload may have brought another.
            if overload.as_ref().is_some_and(|known| known.bearable() != delay) {
                *overload = None;
            }
            let overload = overload.get_or_insert_with(|| Overload::new(delay, now));
            let change = match load.probing.get() {
                Some(since) => {
                    let change = overload.waiting(now.saturating_duration_since(since), now);
                    self.hurry(overload);
                    change
                }
                None => {
                    load.probing.set(Some(now));
                    tokio::task::spawn_local(probe(self.clone(), now));
                    None
                }
            };
            // A handshake costs more than a request: whoever has just made one, and would make another, is cheaper to serve.
            let refused = !dear && overload.refuses(now);
            (change, refused, if overload.is_refusing() { Duration::ZERO } else { overload.pause() })
        };
        load.calm_until.set(now + calm);
        self.tell(change, now);
        if !refused {
            return Ok(());
        }
        load.refused.set(load.refused.get() + 1);
        self.metrics.refused_behind();
        Err(Denial::Behind)
    }

    /// Says what does not fit while this core is behind; the next probe may be as late as it is.
    fn hurry(&self, overload: &Overload) {
        if overload.is_behind() {
            self.upstreams.are_behind(2 * overload.bearable());
        }
    }

    fn tell(&self, change: Option<Change>, now: Instant) {
        let Load { told, refused, .. } = &self.load;
        let due = told.get().is_none_or(|last| now.saturating_duration_since(last) >= TOLD_EVERY);
        if change == Some(Change::Begun) && due {
            told.set(Some(now));
            let before = refused.take();
            tracing::warn!(
                before,
                "more requests come than a core can carry: it refuses a part of them (503 overloaded)"
            );
        }
    }
}

/// Waits for its turn, once.
async fn probe(core: Rc<Core>, since: Instant) {
    let now = Instant::now();
    let load = &core.load;
    load.probing.set(None);
    let change = load.overload.borrow_mut().as_mut().and_then(|overload| {
        // Where connections are waited for because of the delay, that is where the queue stands.
        let delay = overload.delay(now.saturating_duration_since(since), core.upstreams.waited());
        core.metrics.delayed(delay);
        let change = overload.measured(delay, now);
        core.hurry(overload);
        change
    });
    if change == Some(Change::Begun) {
        load.calm_until.set(now);
    }
    core.tell(change, now);
}
