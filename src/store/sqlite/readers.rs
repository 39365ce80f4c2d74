//! Connections to read with, beside the writer: it never waits for them, nor they for it.

use super::connect;
use super::errors::{closed, fault};
use crate::store::StoreError;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// So many read at once.
const READERS: u32 = 4;

pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub fn new(path: PathBuf) -> Arc<Readers> {
        let turns = Arc::new(Semaphore::new(READERS as usize));
        Arc::new(Readers { path, idle: Mutex::new(Vec::new()), turns })
    }

    /// Reads off the runtime's threads.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| closed())?;
        let readers = self.clone();
        let read = move || {
            let _turn = turn;
            readers.read_here(work)
        };
        spawn_blocking(read).await.unwrap_or_else(|_| Err(closed()))
    }

    /// Reads on this thread, for as long as it takes.
    pub fn read_here<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        if self.turns.is_closed() {
            return Err(closed());
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| connect::reading(&self.path), Ok).map_err(fault)?;
        let done = work(&connection).map_err(fault);
        if done.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        done
    }

    /// Waits for those who read, and lets go of the file.
    pub async fn close(&self) {
        if let Ok(all) = self.turns.acquire_many(READERS).await {
            self.turns.close();
            drop(all);
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
