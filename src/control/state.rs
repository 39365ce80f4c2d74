//! What the use cases work on: what is in force, what is stored, and what the file says.

use super::refusal::{Done, Refusal};
use super::resources::Verifier;
use crate::assembly::{self, Assembled, Holdings, Rejected, Written};
use crate::live::{KeyChange, Live};
use crate::model::Keys;
use crate::store::{Apply, Change, Committed, Store, StoreError};
use crate::vault::Vault;
use arc_swap::ArcSwap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, MutexGuard};

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
pub type Outlet = Arc<OnceLock<Arc<dyn InForce>>>;

/// What the store hands effects to: keys that changed together are put in force together.
pub fn apply(outlet: Outlet) -> Apply<Effect> {
    Box::new(move |effects| {
        let Some(in_force) = outlet.get() else { return };
        let mut keys = Vec::new();
        for effect in effects {
            match effect {
                Effect::Key(change) => keys.push(change),
                Effect::Frame(Frame(assembled)) => {
                    if !keys.is_empty() {
                        in_force.change_keys(std::mem::take(&mut keys));
                    }
                    if let Err(error) = in_force.replace_frame(*assembled) {
                        tracing::error!(error = format!("{error:#}"), "a stored change is not in force");
                    }
                }
            }
        }
        if !keys.is_empty() {
            in_force.change_keys(keys);
        }
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

/// The use cases of one gateway.
pub struct Control {
    pub(super) in_force: Arc<dyn InForce>,
    pub(super) stored: Option<Stored>,
    pub(super) verifier: Option<Verifier>,
    estate: Mutex<Estate>,
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
        let stored = stored.map(|(stored, outlet)| {
            // Once: there is one gateway a process.
            let _ = outlet.set(in_force.clone());
            stored
        });
        let written = ArcSwap::new(estate.written.clone());
        Control { in_force, stored, verifier, estate: Mutex::new(estate), written }
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
    pub(super) async fn estate(&self) -> MutexGuard<'_, Estate> {
        self.estate.lock().await
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
