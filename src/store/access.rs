//! The connections to the file, the order of their use, and how an exporter goes on without the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::timeout;

use super::change::Change;
use super::error::StoreError;
use super::lane::Lane;
use super::pending::PendingAnswers;
use super::{CompanyClaim, company, damage, ledger, open};
use crate::source::Table;

/// How long the disk may take: more than another process is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longer than any program runs: nothing but the memory is waited for.
const WITHOUT_END: Duration = Duration::from_hours(1_000_000);

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To serve: what can't be stored is kept in memory until it can.
    Serve,
    /// To write beside an exporter: what can't be stored is an error.
    Write,
    /// To read only, which works on a file system that can't be written, too.
    Read,
}

#[derive(Debug)]
pub(super) struct Inner {
    purpose: Purpose,
    /// The connection that writes.
    writer: Lane,
    /// The one for small reads of a file; scans open their own.
    reader: Option<Lane>,
    /// Where the file is; `None` where all is in memory.
    pub(super) place: Option<Place>,
    /// What waits until the file can be written.
    pub(super) pending: Mutex<PendingAnswers>,
    /// Told when that begins and when it ends.
    pub(super) turned: Notify,
    /// Whose figures are stored: to be noted in each file that takes the place of another.
    pub(super) claims: Mutex<Vec<CompanyClaim>>,
    /// The tables for people.
    pub(super) tables: Vec<&'static Table>,
}

/// Where the file is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) file: PathBuf,
    /// The device that the folder is on.
    device: Option<u64>,
    /// The device and number by which the system knows the file.
    identity: Mutex<Option<(u64, u64)>>,
    /// Whether the file can't be written here, and is read only.
    frozen: bool,
}

impl Inner {
    /// A store in memory.
    pub(super) fn memory(connection: Connection, tables: Vec<&'static Table>) -> Self {
        Self {
            purpose: Purpose::Write,
            writer: Lane::new(connection),
            reader: None,
            place: None,
            pending: Mutex::default(),
            turned: Notify::new(),
            claims: Mutex::default(),
            tables,
        }
    }

    /// The file in `dir`, and where a damaged one was moved to.
    ///
    /// # Errors
    /// Those of [`super::Store::open`].
    pub(super) fn file(
        dir: &Path,
        tables: Vec<&'static Table>,
        purpose: Purpose,
    ) -> Result<(Self, Option<PathBuf>), StoreError> {
        let (path, existed) = (open::path(dir), open::path(dir).exists());
        let opened = open::file(dir, &tables, purpose == Purpose::Serve).and_then(|(connection, _, aside)| {
            let reader = open::reader(&path).map_err(|error| StoreError::of(&path, &error))?;
            Ok((connection, reader, aside))
        });
        let (writer, reader, aside, cause) = match opened {
            Ok((writer, reader, aside)) => (writer, reader, aside, None),
            Err(cause) => {
                let Some((writer, reader)) = stand_in(&path, existed, &tables, purpose, &cause)? else {
                    return Err(cause);
                };
                (writer, reader, None, Some(cause))
            }
        };
        let frozen = cause.is_some();
        let inner = Self {
            purpose,
            reader: Some(Lane::new(reader)),
            place: Some(Place {
                device: open::device(dir),
                identity: Mutex::new(open::identity(&path)),
                dir: dir.to_owned(),
                file: path,
                frozen,
            }),
            ..Self::memory(writer, tables)
        };
        if let Some(cause) = cause.filter(|_| purpose == Purpose::Serve) {
            inner.begin_to_keep(cause, None);
        }
        Ok((inner, aside))
    }

    /// The connection for small reads.
    pub(super) fn reading(&self) -> &Lane {
        self.reader.as_ref().unwrap_or(&self.writer)
    }

    /// The connection that writes.
    #[cfg(test)]
    pub(super) fn lock(&self) -> parking_lot::MutexGuard<'_, Connection> {
        self.writer.lock()
    }

    /// The file, where it may be opened once more for a long read.
    pub(super) fn own_file(&self) -> Option<&Path> {
        let place = self.place.as_ref().filter(|place| !place.frozen)?;
        (self.pending.lock().cause().is_none() && self.check_there().is_ok()).then_some(&place.file)
    }

    /// Makes sure that the file is still where it was: SQLite goes on with one that was deleted, and all would be lost.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub(super) fn check_there(&self) -> Result<(), StoreError> {
        match &self.place {
            Some(place) if open::identity(&place.file) != *place.identity.lock() => {
                Err(StoreError::Gone { path: place.file.clone() })
            }
            _ => Ok(()),
        }
    }

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

    /// How long work may take.
    fn patience(&self) -> Duration {
        if self.place.is_some() { PATIENCE } else { WITHOUT_END }
    }

    /// Does `work` with the connection that writes.
    ///
    /// # Errors
    /// As SQLite says, [`StoreError::Gone`] and [`StoreError::Hung`].
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.writer.turn(self.patience()).await.ok_or_else(|| self.hung())?;
        let inner = Arc::clone(self);
        self.block(Some(turn), move || {
            inner.check_there()?;
            work(&mut inner.writer.lock()).map_err(|error| inner.explain(&error))
        })
        .await
    }

    /// Does `work` with the connection for small reads.
    ///
    /// # Errors
    /// As SQLite says, [`StoreError::Hung`]; [`StoreError::Gone`] where the store is not kept in memory meanwhile.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let lane = self.reading();
        // A disk that is known to hang must not hold up each reader once more.
        let turn = if self.hangs() { lane.free_turn() } else { lane.turn(self.patience()).await };
        let inner = Arc::clone(self);
        let read = async {
            let turn = turn.ok_or_else(|| self.hung())?;
            let work = move || {
                if !inner.keeps() {
                    inner.check_there()?;
                }
                work(&inner.reading().lock()).map_err(|error| inner.explain(&error))
            };
            self.block(Some(turn), work).await
        };
        let read = read.await;
        if self.keeps() && matches!(read, Err(StoreError::Hung { .. })) {
            self.begin_to_keep(self.hung(), None);
        }
        read
    }

    fn hangs(&self) -> bool {
        matches!(self.pending.lock().cause(), Some(StoreError::Hung { .. }))
    }

    /// Does `work` on a thread that may block. Where it takes too long, it goes on, and keeps its turn.
    pub(super) async fn block<T: Send + 'static>(
        &self,
        turn: Option<OwnedMutexGuard<()>>,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match timeout(self.patience(), done).await {
            Ok(done) => done.unwrap_or(Err(StoreError::Interrupted)),
            Err(_) => Err(self.hung()),
        }
    }

    fn hung(&self) -> StoreError {
        let path = self.place.as_ref().map(|place| place.file.clone()).unwrap_or_default();
        StoreError::Hung { path, seconds: PATIENCE.as_secs() }
    }

    pub(super) fn explain(&self, error: &rusqlite::Error) -> StoreError {
        let Some(place) = &self.place else { return StoreError::of(Path::new(":memory:"), error) };
        let error = StoreError::of(&place.file, error);
        if matches!(error, StoreError::Damaged { .. }) {
            damage::suspect(&place.file);
        }
        error
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
        if open::identity(&place.file).is_none() && open::device(&place.dir) != place.device {
            return Err(StoreError::Unmounted { path: place.file.clone() });
        }
        let (connection, _, _) = open::file(&place.dir, &self.tables, false)?;
        let reading = open::reader(&place.file).map_err(|error| self.explain(&error))?;
        *place.identity.lock() = open::identity(&place.file);
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
            self.pending.lock().forget_answers(&source, &answers);
        }
        let rest = self.pending.lock().rest();
        for change in &rest {
            change.store(&mut connection).map_err(explain)?;
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
fn stand_in(
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
