//! What outlives a restart, in one SQLite file that people can open as well.
//!
//! For people there is one table per metric prefix, with a row per day, account and subject. For the program there is
//! the ledger of what was answered, the discovered lists, names, and which day each source shows. Only this module
//! names SQL.

mod access;
mod change;
mod checksum;
mod column;
mod company;
mod damage;
mod deletion;
mod entry;
mod error;
mod known;
mod lane;
mod ledger;
mod open;
mod pending;
mod person;
mod reading;
mod recollection;
mod retention;
mod rows;
mod schema;
mod standby;
mod upgrade;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::day::Day;
use crate::source::{Api, ListEntry};

use access::{Inner, Opening, Purpose};
use change::Change;

pub use access::PATIENCE;
pub use entry::{AnswerState, CompanyClaim, DayState, ErrorKind, LedgerEntry, SourceError, SourceState, TargetAnswer};
pub use error::StoreError;
pub use person::ForgetCounts;
pub use rows::Order;

/// The store: a handle that is cheap to clone, all clones being the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

/// A store that was opened.
#[derive(Debug)]
pub struct StoreFile {
    /// The store.
    pub store: Store,
    /// Where a damaged file was moved to; then the store begins empty, and the operator wants to know.
    pub set_aside: Option<PathBuf>,
    /// Whether its folder was not there, and was made: the path may be mistyped, or a volume not mounted.
    pub made: bool,
}

impl Store {
    /// Opens `imstats.db` in `dir`, or an empty store in memory, with a table for each table of `apis`.
    ///
    /// Creates the directory and the file for their owner only. Adds the columns that an older file lacks. Sets a
    /// damaged file aside as `imstats.db.damaged-<seconds since the epoch>` and begins a new one. Blocks.
    ///
    /// While a disk is full, read-only, gone or hangs, changes are kept in memory, and read as if they were stored;
    /// [`Store::tend`] stores them. A file that is on a full or read-only disk from the start is read as far as it can
    /// be. One on a disk that hangs from the start is not: the store begins empty, until the disk answers.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] and [`StoreError::ReadOnly`] where there is no file and none can be made,
    /// [`StoreError::Newer`] and [`StoreError::Foreign`] where the file is of another program (it is then left as it
    /// is), else as SQLite says.
    pub fn open(dir: Option<&Path>, apis: &[&'static Api]) -> Result<StoreFile, StoreError> {
        Self::open_with_patience(dir, apis, PATIENCE)
    }

    /// The same, where the disk hangs when it has not answered for `patience`, and half of that is what the lock of
    /// another process is waited for.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_with_patience(
        dir: Option<&Path>,
        apis: &[&'static Api],
        patience: Duration,
    ) -> Result<StoreFile, StoreError> {
        Self::open_for(dir, apis, Purpose::Serve, patience)
    }

    /// The same for a command that writes beside an exporter: a damaged file stays where it is, as the exporter has it
    /// open, and what can't be stored is an error.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Hung`], and those of [`Store::open`].
    pub fn open_as_it_is(dir: Option<&Path>, apis: &[&'static Api]) -> Result<StoreFile, StoreError> {
        Self::open_for(dir, apis, Purpose::Write, PATIENCE)
    }

    /// The same for a command that only reads: also a file on a read-only file system, as in a snapshot.
    ///
    /// # Errors
    /// [`StoreError::LogLeft`] where such a file is not whole, and those of [`Store::open_as_it_is`].
    pub fn open_to_read(dir: Option<&Path>, apis: &[&'static Api]) -> Result<Self, StoreError> {
        Ok(Self::open_for(dir, apis, Purpose::Read, PATIENCE)?.store)
    }

    fn open_for(
        dir: Option<&Path>,
        apis: &[&'static Api],
        purpose: Purpose,
        patience: Duration,
    ) -> Result<StoreFile, StoreError> {
        let tables = schema::tables(apis);
        let (inner, Opening { set_aside, made }) = match dir {
            None => (Inner::memory(open::memory(&tables)?, tables), Opening::default()),
            Some(dir) => Inner::file(dir, tables, purpose, patience)?,
        };
        Ok(StoreFile { store: Self { inner: Arc::new(inner) }, set_aside, made })
    }

    /// Makes sure that the store has figures of no other company under the names of these accounts.
    ///
    /// # Errors
    /// [`StoreError::OtherCompany`] where it has, else as SQLite says.
    pub async fn claim(&self, claims: Vec<CompanyClaim>) -> Result<(), StoreError> {
        let others = if self.inner.pending.lock().waits() {
            let claims = claims.clone();
            self.inner.read(move |connection| company::others(connection, &claims)).await
        } else {
            let claims = claims.clone();
            let others = self.inner.write(move |connection| company::claim(connection, &claims)).await;
            // That may have deleted lists and names of another company.
            self.inner.recollection.lock().forget_lists();
            others
        };
        match others {
            Ok(others) => {
                if let Some((claim, stored)) = others.into_iter().next() {
                    return Err(claim.refused(stored));
                }
            }
            Err(error) => self.keep_or(error, None)?,
        }
        *self.inner.claims.lock() = claims;
        Ok(())
    }

    /// Records what was answered for `source` of `account` at `at`, all of it or nothing.
    ///
    /// On every day that was asked for, the rows given replace the stored rows of the target. A refusal leaves the
    /// rows as they are and is noted for the last day only. A week or a month is kept under its last day only.
    ///
    /// # Errors
    /// [`StoreError::Misfit`] where a row is not one of its target on a day asked for, else as SQLite says.
    pub async fn record(
        &self,
        source: &'static Api,
        account: &str,
        at: Timestamp,
        answers: Vec<TargetAnswer>,
    ) -> Result<(), StoreError> {
        ledger::check(&answers)?;
        self.change(Change::Answers { source: source.name, account: account.to_owned(), at, answers }).await
    }

    /// Keeps what the list `key` of `account` held on `day`, in place of what it held before; an older day is ignored.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn put_list(
        &self,
        platform: &str,
        account: &str,
        key: &str,
        day: Day,
        list: Arc<Vec<ListEntry>>,
    ) -> Result<(), StoreError> {
        let keys = [platform, account, key].map(str::to_owned);
        self.change(Change::List { keys, day, list }).await
    }

    /// Keeps the names that were seen on `day` for the info metric `info`, beside those of other ids.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn put_names(
        &self,
        info: &'static str,
        account: &str,
        day: Day,
        names: Vec<ListEntry>,
    ) -> Result<(), StoreError> {
        self.change(Change::Names { info, account: account.to_owned(), day, names }).await
    }

    /// Keeps the state of `source` of `account`.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn put_status(
        &self,
        source: &'static str,
        account: &str,
        status: &SourceState,
    ) -> Result<(), StoreError> {
        self.change(Change::Status { source, account: account.to_owned(), status: status.clone() }).await
    }

    /// Looks after the file: notices that it is gone, and stores what was kept in memory if it can be written again.
    pub async fn tend(&self) {
        self.inner.tend().await;
    }

    /// Waits until the file can't be written any more, or can be again.
    pub async fn turned(&self) {
        self.inner.turned.notified().await;
    }

    /// Whether there is a file, or all is in memory.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.inner.place.is_some()
    }

    /// Whether the disk does not answer: nothing is read from it then, nor written, and pages are made from memory.
    #[must_use]
    pub fn hangs(&self) -> bool {
        self.inner.hangs()
    }

    /// How long the disk is waited for until it counts as hanging.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.inner.patience
    }

    /// Why the file can't be written now, in words; what comes is kept in memory then.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.inner.pending.lock().cause().map(ToString::to_string)
    }

    /// How many answers wait in memory to be stored.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.pending.lock().count()
    }

    /// How many bytes the file, its write-ahead log and damaged files beside it take; 0 where all is in memory.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let Some(place) = &self.inner.place else { return 0 };
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let aside = damage::aside(&place.file).unwrap_or_default();
        let aside: u64 = aside.iter().map(|(path, _)| size(path)).sum();
        size(&place.file) + size(&damage::beside(&place.file, "-wal")) + aside
    }

    /// Stores `change`, or keeps it in memory while the file can't be written.
    async fn change(&self, change: Change) -> Result<(), StoreError> {
        let change = Arc::new(change);
        {
            let mut pending = self.inner.pending.lock();
            if pending.waits() {
                pending.keep(&change);
                return Ok(());
            }
        }
        let stored = Arc::clone(&change);
        match self.inner.write(move |connection| stored.store(connection)).await {
            Ok(()) => {
                if self.inner.keeps() {
                    self.inner.recollection.lock().change_was_stored(&change);
                }
                Ok(())
            }
            Err(error) => self.keep_or(error, Some(&change)),
        }
    }

    /// Begins to keep answers in memory, `first` the one that could not be stored, where `error` may be temporary.
    fn keep_or(&self, error: StoreError, first: Option<&Arc<Change>>) -> Result<(), StoreError> {
        if !self.inner.keeps() || !error.is_of_the_disk() {
            return Err(error);
        }
        self.inner.begin_to_keep(error, first);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
