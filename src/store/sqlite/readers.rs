//! Connections to read with, beside the writer: it never waits for them, nor they for it.

use super::connect;
use super::errors::{closed, fault};
use super::place::Place;
use crate::store::StoreError;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// So many read at once.
const READERS: u32 = 4;

pub(super) struct Readers {
    place: Arc<Place>,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub fn new(place: Arc<Place>) -> Arc<Readers> {
        let turns = Arc::new(Semaphore::new(READERS as usize));
        Arc::new(Readers { place, idle: Mutex::new(Vec::new()), turns })
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
        let connection = idle.map_or_else(|| self.another(), Ok)?;
        let done = work(&connection).map_err(fault);
        if done.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        done
    }

    /// One more, to the file that the writer has.
    fn another(&self) -> Result<Connection, StoreError> {
        self.place.check()?;
        connect::reading(&self.place.path).map_err(fault)
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
