//! How an exporter goes on without its file: what can't be stored is kept in memory, and stored when it can be.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::access::{Inner, Purpose};
use super::change::Change;
use super::error::StoreError;
use super::{company, ledger, open};
use crate::source::Table;

impl Inner {
    /// Whether what can't be stored is kept in memory.
    pub(super) fn keeps(&self) -> bool {
        self.purpose == Purpose::Serve && self.place.is_some()
    }

    /// Notes that the file can't be written, and says so once.
    pub(super) fn begin_to_keep(&self, cause: StoreError, first: Option<&Arc<Change>>) {
        let words = cause.to_string();
        if self.pending.lock().begin(cause, first) {
            tracing::error!(
                "the store cannot be written: {words}; figures are kept in memory only, and stored when it can be written"
            );
        }
        self.turned.notify_one();
    }

    /// Looks whether the file is there, and tries to store what waits. Says how that went where it is news.
    pub(super) async fn tend(self: &Arc<Self>) {
        if !self.keeps() {
            return;
        }
        // Where work hangs, it has the turn.
        let (Some(writing), Some(reading)) = (self.writer.free_turn(), self.reading().free_turn()) else { return };
        let inner = Arc::clone(self);
        let tended = self.block(Some(writing), move || {
            let _reading = reading;
            if inner.pending.lock().cause().is_none() {
                return inner.check_there();
            }
            if matches!(inner.pending.lock().cause(), Some(StoreError::Damaged { .. })) {
                // Other processes may have it open: only a start sets it aside.
                return Ok(());
            }
            inner.reopen()?;
            inner.store_unwritten()
        });
        match tended.await {
            Ok(()) | Err(StoreError::Interrupted) => {}
            Err(cause) => self.begin_to_keep(cause, None),
        }
    }

    /// Opens the file anew: it may be another one, on another disk.
    fn reopen(&self) -> Result<(), StoreError> {
        let (Some(place), Some(reader)) = (&self.place, &self.reader) else { return Ok(()) };
        let is_elsewhere = |device| open::device(&place.dir) != Some(device);
        if open::identity(&place.file).is_none() && place.device.is_some_and(is_elsewhere) {
            return Err(StoreError::Unmounted { path: place.file.clone() });
        }
        let (connection, _) = open::file(&place.dir, &self.tables, false, self.lock_patience())?;
        let reading = open::reader(&place.file, self.lock_patience()).map_err(|error| self.explain(&error))?;
        *place.identity.lock() = open::identity(&place.file);
        place.frozen.store(false, Ordering::Relaxed);
        *self.writer.lock() = connection;
        *reader.lock() = reading;
        Ok(())
    }

    /// Stores what waits.
    fn store_unwritten(&self) -> Result<(), StoreError> {
        let explain = |error: rusqlite::Error| self.explain(&error);
        let mut connection = self.writer.lock();
        let claims = self.claims.lock().clone();
        let others = company::claim(&mut connection, &claims).map_err(explain)?;
        if let Some((claim, stored)) = others.into_iter().next() {
            return Err(claim.refused(stored));
        }
        let count = self.pending.lock().count();
        loop {
            // Not in the heads of the loops, which would keep the lock.
            let some = self.pending.lock().some_answers();
            let Some((source, answers)) = some else { break };
            ledger::settle(&mut connection, source.0, &source.1, &answers).map_err(explain)?;
            self.recollection.lock().waiting_were_stored(&source, &answers);
            self.pending.lock().forget_answers(&source, &answers);
        }
        let rest = self.pending.lock().rest();
        for change in &rest {
            change.store(&mut connection).map_err(explain)?;
            self.recollection.lock().change_was_stored(change);
        }
        let mut pending = self.pending.lock();
        pending.forget_rest(&rest);
        // What came meanwhile is stored the next time.
        if pending.end() {
            drop(pending);
            tracing::info!(answers = count, "the store can be written again: what was kept in memory is stored");
            self.turned.notify_one();
        }
        Ok(())
    }
}

/// The substitute for a file that can't be written: the file, read-only, or an exporter's empty memory. `None`
/// where the operator has to do something first.
pub(super) fn stand_in(
    path: &Path,
    existed: bool,
    tables: &[&'static Table],
    purpose: Purpose,
    cause: &StoreError,
) -> Result<Option<(Connection, Connection)>, StoreError> {
    let passes = match cause {
        StoreError::ReadOnly { .. } => existed,
        StoreError::Unusable { .. } => existed && purpose == Purpose::Read,
        StoreError::Full { .. } | StoreError::Disk { .. } => existed || purpose == Purpose::Serve,
        StoreError::Hung { .. } => purpose == Purpose::Serve,
        _ => false,
    };
    if !passes || purpose == Purpose::Write {
        return Ok(None);
    }
    let frozen = || Ok((open::frozen(path, tables)?, open::frozen(path, tables)?));
    match if existed { frozen() } else { Err(StoreError::Interrupted) } {
        Err(_) if purpose == Purpose::Serve => Ok(Some((open::memory(tables)?, open::memory(tables)?))),
        Ok(frozen) => Ok(Some(frozen)),
        Err(error) => Err(error),
    }
}
