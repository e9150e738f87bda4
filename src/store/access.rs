//! The connections to the file, the order of their use, and how long the disk is waited for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::timeout;

use super::error::StoreError;
use super::lane::Lane;
use super::pending::PendingAnswers;
use super::recollection::Recollection;
use super::standby::stand_in;
use super::{CompanyClaim, damage, open};
use crate::source::Table;

/// How long the disk may take, where nothing else is set.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A process that writes is waited for by others for this part of the patience: a day of 100,000 subjects takes about a
/// second. It is less than the whole, so that a lock is not taken for a disk that hangs.
const PART_FOR_LOCKS: u32 = 2;

/// For a store in memory, whose work may take as long as it needs.
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
    pub(super) purpose: Purpose,
    /// How long work may take until the disk counts as hanging.
    pub(super) patience: Duration,
    /// The connection that writes.
    pub(super) writer: Lane,
    /// The one for small reads of a file; scans open their own.
    pub(super) reader: Option<Lane>,
    /// Where the file is; `None` where all is in memory.
    pub(super) place: Option<Place>,
    /// What waits until the file can be written.
    pub(super) pending: Mutex<PendingAnswers>,
    /// What is known of the file without reading it.
    pub(super) recollection: Mutex<Recollection>,
    /// Notified when the file can't be written any more, and when it can be again.
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
    /// The device that the folder is on; `None` where the disk hung at the start.
    pub(super) device: Option<u64>,
    /// The device and number by which the system knows the file.
    pub(super) identity: Mutex<Option<(u64, u64)>>,
    /// Whether the file could not be opened for writing so far.
    pub(super) frozen: AtomicBool,
}

/// What was found where the file is to be.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Where a damaged file was moved to.
    pub(super) set_aside: Option<PathBuf>,
    /// Whether the folder was made.
    pub(super) made: bool,
}

impl Inner {
    /// A store in memory.
    pub(super) fn memory(connection: Connection, tables: Vec<&'static Table>) -> Self {
        Self {
            purpose: Purpose::Write,
            patience: WITHOUT_END,
            writer: Lane::new(connection),
            reader: None,
            place: None,
            pending: Mutex::default(),
            recollection: Mutex::default(),
            turned: Notify::new(),
            claims: Mutex::default(),
            tables,
        }
    }

    /// The file in `dir`. A disk that hangs is waited for no longer than `patience`.
    ///
    /// # Errors
    /// Those of [`super::Store::open`].
    pub(super) fn file(
        dir: &Path,
        tables: Vec<&'static Table>,
        purpose: Purpose,
        patience: Duration,
    ) -> Result<(Self, Opening), StoreError> {
        let (path, lock) = (open::path(dir), patience / PART_FOR_LOCKS);
        let folder = dir.to_owned();
        let (site, created) = match within(patience, move || open::create(&folder)) {
            Some(created) => created,
            None => (open::Site::default(), Err(StoreError::hung(path.clone(), patience))),
        };
        let opened = created.and_then(|()| open::file(dir, &tables, purpose == Purpose::Serve, lock));
        let opened = opened.and_then(|(connection, aside)| {
            let reader = open::reader(&path, lock).map_err(|error| StoreError::of(&path, &error))?;
            Ok((connection, reader, aside))
        });
        let (writer, reader, set_aside, cause) = match opened {
            Ok((writer, reader, aside)) => (writer, reader, aside, None),
            Err(cause) => {
                let Some((writer, reader)) = stand_in(&path, site.file_existed, &tables, purpose, &cause)? else {
                    return Err(cause);
                };
                (writer, reader, None, Some(cause))
            }
        };
        let is_hung = matches!(cause, Some(StoreError::Hung { .. }));
        let inner = Self {
            purpose,
            patience,
            reader: Some(Lane::new(reader)),
            place: Some(Place {
                device: site.device,
                identity: Mutex::new(if is_hung { None } else { open::identity(&path) }),
                dir: dir.to_owned(),
                file: path,
                frozen: AtomicBool::new(cause.is_some()),
            }),
            ..Self::memory(writer, tables)
        };
        if let Some(cause) = cause.filter(|_| purpose == Purpose::Serve) {
            inner.begin_to_keep(cause, None);
        }
        Ok((inner, Opening { set_aside, made: site.folder_made }))
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

    /// The file, where it may be opened once more for a long read. It may take long to say so.
    pub(super) fn own_file(&self) -> Option<&Path> {
        let place = self.place.as_ref().filter(|place| !place.frozen.load(Ordering::Relaxed))?;
        // In a statement of its own: the lock must not be held while a disk that hangs is looked at.
        let is_well = self.pending.lock().cause().is_none();
        (is_well && self.check_there().is_ok()).then_some(&place.file)
    }

    /// How long the lock of another process is waited for.
    pub(super) fn lock_patience(&self) -> Duration {
        self.patience / PART_FOR_LOCKS
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

    /// Does `work` with the connection that writes.
    ///
    /// # Errors
    /// As SQLite says, [`StoreError::Gone`] and [`StoreError::Hung`].
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.check_answers()?;
        let turn = self.writer.turn(self.patience).await.ok_or_else(|| self.hung())?;
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
        self.check_answers()?;
        let read = async {
            let turn = self.reading().turn(self.patience).await.ok_or_else(|| self.hung())?;
            let inner = Arc::clone(self);
            let work = move || {
                if !inner.keeps() {
                    inner.check_there()?;
                }
                work(&inner.reading().lock()).map_err(|error| inner.explain(&error))
            };
            self.block(Some(turn), work).await
        };
        self.judge(read.await)
    }

    /// Begins to keep answers in memory, where `done` says that the disk hangs.
    pub(super) fn judge<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if self.keeps() && matches!(done, Err(StoreError::Hung { .. })) {
            self.begin_to_keep(self.hung(), None);
        }
        done
    }

    /// Makes sure that the disk is not known to hang: it must not hold up each reader and writer once more. Only
    /// [`Inner::tend`] tries whether it answers again.
    ///
    /// # Errors
    /// [`StoreError::Hung`].
    pub(super) fn check_answers(&self) -> Result<(), StoreError> {
        if self.hangs() { Err(self.hung()) } else { Ok(()) }
    }

    /// Whether the disk is known to hang.
    pub(super) fn hangs(&self) -> bool {
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
        match timeout(self.patience, done).await {
            Ok(done) => done.unwrap_or(Err(StoreError::Interrupted)),
            Err(_) => Err(self.hung()),
        }
    }

    fn hung(&self) -> StoreError {
        let path = self.place.as_ref().map(|place| place.file.clone()).unwrap_or_default();
        StoreError::hung(path, self.patience)
    }

    pub(super) fn explain(&self, error: &rusqlite::Error) -> StoreError {
        let Some(place) = &self.place else { return StoreError::of(Path::new(":memory:"), error) };
        let error = StoreError::of(&place.file, error);
        if matches!(error, StoreError::Damaged { .. }) {
            damage::suspect(&place.file);
        }
        error
    }
}

/// Does `work` on a thread of its own, for which it waits so long; `None` where that is not enough.
fn within<T: Send + 'static>(most: Duration, work: impl Fn() -> T + Clone + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let on_thread = work.clone();
    match thread::Builder::new().name("store".to_owned()).spawn(move || sender.send(on_thread())) {
        Ok(_) => receiver.recv_timeout(most).ok(),
        // The machine has no thread left.
        Err(_) => Some(work()),
    }
}
