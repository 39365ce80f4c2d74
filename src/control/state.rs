//! What the use cases work on: what is in force, what is stored, and what the file says.

use super::refusal::{Done, Refusal};
use crate::assembly::{self, Assembled, Holdings, Rejected, Written};
use crate::connector::Verdict;
use crate::live::{KeyChange, Live};
use crate::model::Keys;
use crate::model::connection::ConnectionId;
use crate::serving::explanation::Explainer;
use crate::store::{Apply, Change, Committed, Store, StoreError};
use crate::telemetry::timestamp::now_ms;
use crate::vault::Vault;
use arc_swap::ArcSwap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// What carries traffic, as far as the use cases see it.
pub trait InForce: Send + Sync {
    fn live(&self) -> Arc<Live>;

    /// Puts other keys in force.
    fn change_keys(&self, changes: Vec<KeyChange>);

    /// Puts everything but the keys in force.
    fn replace_frame(&self, assembled: Assembled) -> anyhow::Result<u64>;

    /// Reads the file anew and puts everything in force; nobody else puts anything in force meanwhile.
    fn reload(&self, read: &mut dyn FnMut(&Keys) -> Result<Assembled, Rejected>) -> Result<u64, NotReloaded>;
}

/// C8: whoever asks a provider. It may block.
pub type Verifier = fn(Box<Assembled>, ConnectionId, Duration) -> std::io::Result<Verdict>;

/// Why the file was not put in force. What was in force still is.
pub enum NotReloaded {
    Rejected(Rejected),
    Failed(anyhow::Error),
}

/// What a commit means to the data plane.
#[derive(Debug)]
pub enum Effect {
    Key(KeyChange),
    Frame(Frame),
}

/// Everything but the keys, assembled and checked.
pub struct Frame(pub Box<Assembled>);

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Frame(…)")
    }
}

/// Where the effects of commits go, once there is a gateway.
pub type Outlet = Arc<Exit>;

/// The data plane, seen from the store, and how far it has followed.
#[derive(Default)]
pub struct Exit {
    in_force: OnceLock<Arc<dyn InForce>>,
    /// When a stored change was last put in force; Unix milliseconds, 0: none was since the start.
    followed_at: AtomicI64,
    /// What was stored last could not be put in force.
    behind: AtomicBool,
}

impl Exit {
    /// When a stored change was last put in force, since the start.
    pub fn followed_at(&self) -> Option<i64> {
        Some(self.followed_at.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Whether something is stored that is not in force.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }
}

/// What the store hands effects to: keys that changed together are put in force together.
pub fn apply(outlet: Outlet) -> Apply<Effect> {
    Box::new(move |effects| {
        let Some(in_force) = outlet.in_force.get() else { return };
        let mut keys = Vec::new();
        for effect in effects {
            match effect {
                Effect::Key(change) => keys.push(change),
                Effect::Frame(Frame(assembled)) => {
                    if !keys.is_empty() {
                        in_force.change_keys(std::mem::take(&mut keys));
                    }
                    // A later one has all of it.
                    let replaced = in_force.replace_frame(*assembled);
                    outlet.behind.store(replaced.is_err(), Ordering::Relaxed);
                    if let Err(error) = replaced {
                        tracing::error!(error = format!("{error:#}"), "a stored change is not in force");
                    }
                }
            }
        }
        if !keys.is_empty() {
            in_force.change_keys(keys);
        }
        outlet.followed_at.store(now_ms(), Ordering::Relaxed);
    })
}

/// The store, and what opens its secrets.
pub struct Stored {
    pub store: Store<Effect>,
    pub vault: Vault,
    pub settings: assembly::Store,
}

/// What is beside the data plane, and changes as a whole: whoever changes it holds it.
pub struct Estate {
    pub written: Arc<Written>,
    pub holdings: Holdings,
}

/// The estate in one pair of hands.
pub type Hands = OwnedMutexGuard<Estate>;

/// The use cases of one gateway.
pub struct Control {
    pub(super) in_force: Arc<dyn InForce>,
    pub(super) stored: Option<Stored>,
    pub(super) verifier: Option<Verifier>,
    pub(super) explainer: Option<Explainer>,
    /// How far the data plane has followed the store.
    pub(super) outlet: Option<Outlet>,
    /// Unix milliseconds.
    pub(super) started_at: i64,
    estate: Arc<Mutex<Estate>>,
    /// The estate's, for those who only look.
    written: ArcSwap<Written>,
}

impl Control {
    /// `outlet` is where the store's effects wait for somebody who puts them in force.
    pub fn new(
        in_force: Arc<dyn InForce>,
        stored: Option<(Stored, Outlet)>,
        estate: Estate,
        verifier: Option<Verifier>,
    ) -> Control {
        let (stored, outlet) = stored.unzip();
        if let Some(outlet) = &outlet {
            // Once: there is one gateway a process.
            let _ = outlet.in_force.set(in_force.clone());
        }
        let written = ArcSwap::new(estate.written.clone());
        let (started_at, estate) = (now_ms(), Arc::new(Mutex::new(estate)));
        Control { in_force, stored, verifier, explainer: None, outlet, started_at, estate, written }
    }

    /// With somebody who explains requests, which takes both doors.
    #[must_use]
    pub fn explaining(self, explainer: Explainer) -> Control {
        Control { explainer: Some(explainer), ..self }
    }

    pub(super) fn live(&self) -> Arc<Live> {
        self.in_force.live()
    }

    /// The store; without one nothing is changed here.
    pub(super) fn stored(&self) -> Done<&Stored> {
        self.stored.as_ref().ok_or_else(Refusal::no_store)
    }

    /// What the file says.
    pub(super) fn written(&self) -> Arc<Written> {
        self.written.load_full()
    }

    /// What the file says, and what the store holds: nobody else changes it while it is held.
    pub(super) async fn estate(&self) -> Hands {
        self.estate.clone().lock_owned().await
    }

    /// Commits a change of the estate, which then holds `holdings`. Goes on to its end if nobody waits for it any more: a
    /// caller who hangs up in between would leave what the next change is assembled from behind what is stored.
    pub(super) async fn settle(
        &self,
        mut estate: Hands,
        holdings: Holdings,
        change: Change<Effect>,
    ) -> Result<Committed, StoreError> {
        let none = || StoreError::Unavailable("there is none".to_owned());
        let store = self.stored.as_ref().ok_or_else(none)?.store.clone();
        let settling = tokio::spawn(async move {
            let committed = store.commit(change).await?;
            estate.holdings = holdings;
            Ok(committed)
        });
        settling.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it was interrupted".to_owned())))
    }

    pub(super) async fn commit(&self, change: Change<Effect>) -> Result<Committed, StoreError> {
        match &self.stored {
            Some(stored) => stored.store.commit(change).await,
            None => Err(StoreError::Unavailable("there is none".to_owned())),
        }
    }

    /// Reads the file anew. For the thread that watches files, not for the runtime. `found` hears of warnings and of the files
    /// to watch.
    pub fn reload(&self, path: &Path, mut found: impl FnMut(&Assembled)) -> Result<u64, NotReloaded> {
        let mut estate = self.estate.blocking_lock();
        let holdings = estate.holdings.clone();
        let mut written = None;
        let generation = self.in_force.reload(&mut |keys| {
            let (assembled, accepted) = assembly::read(path, &holdings, keys)?;
            found(&assembled);
            written = Some(accepted);
            Ok(assembled)
        })?;
        if let Some(written) = written {
            estate.written = Arc::new(written);
            self.written.store(estate.written.clone());
        }
        Ok(generation)
    }

    /// Writes what is still to be written, and lets go of the database.
    pub async fn close(&self) {
        if let Some(stored) = &self.stored {
            stored.store.close().await;
        }
    }
}
