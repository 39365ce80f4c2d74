//! The store, as those above see it.

use super::errors::closed;
use super::lock::Lock;
use super::readers::Readers;
use super::writer::{Job, Work, Writer};
use super::{audit, counts, keys, replays, resources, secret_uses, secrets, usage};
use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::store::chain::{Chain, Head};
use crate::store::{
    AuditFilter, AuditHead, AuditRow, AuditVerdict, Change, Committed, Counts, KeyRow, ListQuery, Replay, ResourceRow,
    Sealed, SecretUse, SecretVersion, StoreError, Tally, UsageRow,
};
use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// So many changes may wait; more are told that it is busy.
const WAITING: usize = 10_000;

/// Puts the effects of what was committed in force: called on the writer's thread, in the order of the commits, before those
/// who asked for the changes are told. It should be quick, and must not wait for the store.
pub type Apply<E> = Box<dyn FnMut(Vec<E>) + Send>;

/// A handle of an open store; all clones are the same one. When the last is gone, or on [`Store::close`], what was asked for
/// is still done, and the database let go of.
pub struct Store<E> {
    inner: Arc<Inner<E>>,
}

impl<E> Clone for Store<E> {
    fn clone(&self) -> Self {
        Store { inner: self.inner.clone() }
    }
}

struct Inner<E> {
    readers: Arc<Readers>,
    chain: Chain,
    /// Where the audit ended with the last commit.
    head: Arc<Mutex<Head>>,
    open: Mutex<Option<Open<E>>>,
}

/// What there is while the store is open.
struct Open<E> {
    jobs: SyncSender<Job<E>>,
    writer: JoinHandle<()>,
    lock: Lock,
}

impl<E> Open<E> {
    /// Waits until all that was asked for is done.
    fn close(self) {
        drop(self.jobs);
        // The last handle may have been an effect's own: then the writer is here, and ends by itself.
        if self.writer.thread().id() != thread::current().id() {
            let _ = self.writer.join();
        }
        drop(self.lock);
    }
}

impl<E> Drop for Inner<E> {
    fn drop(&mut self) {
        if let Some(open) = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            open.close();
        }
    }
}

impl<E: Send + 'static> Store<E> {
    pub(super) fn start(writer: Writer<E>, readers: Arc<Readers>, chain: Chain, lock: Lock) -> io::Result<Store<E>> {
        let (jobs, asked) = sync_channel(WAITING);
        let head = writer.head.clone();
        let writer = thread::Builder::new().name("store".into()).spawn(move || writer.run(&asked))?;
        let open = Mutex::new(Some(Open { jobs, writer, lock }));
        Ok(Store { inner: Arc::new(Inner { readers, chain, head, open }) })
    }

    /// Commits a change, whole or not at all. When this answers, its effects are in force. Who stops waiting does not stop the
    /// change.
    pub async fn commit(&self, change: Change<E>) -> Result<Committed, StoreError> {
        self.ask(Work::Change(Box::new(change))).await
    }

    /// T5: adds to what was counted.
    pub async fn count(&self, tallies: Vec<Tally>) -> Result<(), StoreError> {
        self.ask(Work::Count(tallies)).await.map(|_| ())
    }

    /// Notes when secrets that senders sign with were last used.
    pub async fn note_uses(&self, uses: Vec<SecretUse>) -> Result<(), StoreError> {
        self.ask(Work::Used(uses)).await.map(|_| ())
    }

    async fn ask(&self, work: Work<E>) -> Result<Committed, StoreError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|o| o.jobs.clone());
        match jobs.ok_or_else(closed)?.try_send(Job { work, reply }) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(closed())),
            Err(TrySendError::Full(_)) => Err(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(closed()),
        }
    }

    /// Does what was asked for, clears the log away and lets go of the database, so that a successor may have it.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(open) = open {
            let _ = spawn_blocking(move || open.close()).await;
        }
    }
}

/// Reading. Every answer is of what was committed at one moment.
impl<E: Send + 'static> Store<E> {
    /// Every key, in no order, for the start. Blocks this thread.
    pub fn load_keys(&self, each: impl FnMut(KeyRow)) -> Result<(), StoreError> {
        self.inner.readers.read_here(|connection| keys::each(connection, each))
    }

    pub async fn key(&self, name_or_uid: &str) -> Result<Option<KeyRow>, StoreError> {
        let wanted = name_or_uid.to_owned();
        self.inner.readers.read(move |connection| keys::find(connection, &wanted)).await
    }

    pub async fn keys(&self, query: &ListQuery) -> Result<Vec<KeyRow>, StoreError> {
        let query = query.clone();
        self.inner.readers.read(move |connection| keys::list(connection, &query)).await
    }

    pub async fn resource(&self, kind: Resource, name_or_uid: &str) -> Result<Option<ResourceRow>, StoreError> {
        let wanted = name_or_uid.to_owned();
        self.inner.readers.read(move |connection| resources::find(connection, kind, &wanted)).await
    }

    /// All of a kind, by name.
    pub async fn resources(&self, kind: Resource) -> Result<Vec<ResourceRow>, StoreError> {
        self.inner.readers.read(move |connection| resources::all(connection, kind)).await
    }

    pub async fn resources_page(&self, kind: Resource, query: &ListQuery) -> Result<Vec<ResourceRow>, StoreError> {
        let query = query.clone();
        self.inner.readers.read(move |connection| resources::list(connection, kind, &query)).await
    }

    pub async fn secret(&self, resource: Uid, version: u32) -> Result<Option<Sealed>, StoreError> {
        self.inner.readers.read(move |c| secrets::find(c, resource, version)).await
    }

    /// Every secret of every resource of this kind.
    pub async fn secrets_of(&self, kind: Resource) -> Result<Vec<Sealed>, StoreError> {
        self.inner.readers.read(move |c| secrets::of_kind(c, kind)).await
    }

    /// From the newest.
    pub async fn secret_versions(&self, resource: Uid) -> Result<Vec<SecretVersion>, StoreError> {
        self.inner.readers.read(move |c| secrets::versions(c, resource)).await
    }

    /// When secrets that senders sign with were last used.
    pub async fn secret_uses(&self) -> Result<Vec<SecretUse>, StoreError> {
        self.inner.readers.read(secret_uses::all).await
    }

    /// What was done with this idempotency key. After a day it is forgotten, when the next one is remembered.
    pub async fn replay(&self, actor: Uid, key: &str) -> Result<Option<Replay>, StoreError> {
        let key = key.to_owned();
        self.inner.readers.read(move |connection| replays::find(connection, actor, &key)).await
    }

    /// From the newest.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        let filter = filter.clone();
        self.inner.readers.read(move |connection| audit::list(connection, &filter)).await
    }

    /// Walks the whole audit.
    pub async fn audit_verify(&self) -> Result<AuditVerdict, StoreError> {
        let (chain, known) = (self.inner.chain.clone(), self.head());
        self.inner.readers.read(move |connection| audit::verify(connection, &chain, known)).await
    }

    /// How the audit ends.
    pub fn audit_head(&self) -> AuditHead {
        self.head().shown()
    }

    fn head(&self) -> Head {
        *self.inner.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted: of everything, of a kind, of one resource.
    pub async fn usage(&self, kind: Option<Resource>, uid: Option<Uid>) -> Result<Vec<UsageRow>, StoreError> {
        self.inner.readers.read(move |connection| usage::find(connection, kind, uid)).await
    }

    /// What was counted of these, for a page of a list.
    pub async fn usage_of(&self, kind: Resource, uids: &[Uid]) -> Result<Vec<UsageRow>, StoreError> {
        let uids = uids.to_vec();
        self.inner.readers.read(move |connection| usage::of(connection, kind, &uids)).await
    }

    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.inner.readers.read(counts::read).await
    }
}
