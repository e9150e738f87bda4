//! A connection and the queue for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

/// A connection that one uses at a time.
#[derive(Debug)]
pub(super) struct Lane {
    connection: Mutex<Connection>,
    /// Held by the task that is about to use the connection: waiting for it takes none of the few threads that may
    /// block.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Lane {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Mutex::new(connection), turn: Arc::default() }
    }

    /// The connection, also after a panic under the lock: the transaction of then was rolled back when it was dropped.
    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock()
    }

    /// Waits for a turn, for so long at most. The turn belongs to the work, which may outlive the task that waits for
    /// it.
    pub(super) async fn turn(&self, patience: Duration) -> Option<OwnedMutexGuard<()>> {
        timeout(patience, Arc::clone(&self.turn).lock_owned()).await.ok()
    }

    /// A turn, if it is free.
    pub(super) fn free_turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }
}
