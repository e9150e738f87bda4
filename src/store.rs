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
mod retention;
mod rows;
mod schema;
mod upgrade;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::day::{Day, Days};
use crate::sample::Row;
use crate::source::{Api, ListEntry, Table};

use access::{Inner, Purpose};
use change::Change;

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
}

impl Store {
    /// Opens `imstats.db` in `dir`, or an empty store in memory, with a table for each table of `apis`.
    ///
    /// Creates the directory and the file for their owner only. Adds the columns that an older file lacks. Sets a
    /// damaged file aside as `imstats.db.damaged-<seconds since the epoch>` and begins a new one. Blocks.
    ///
    /// While a disk is full, read-only, gone or hung, changes are kept in memory, and read as if they were stored;
    /// [`Store::tend`] stores them. A file that is on a full or read-only disk from the start is read as far as it can
    /// be.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] and [`StoreError::ReadOnly`] where there is no file and none can be made,
    /// [`StoreError::Newer`] and [`StoreError::Foreign`] where the file is of another program (it is then left as it
    /// is), else as SQLite says.
    pub fn open(dir: Option<&Path>, apis: &[&'static Api]) -> Result<StoreFile, StoreError> {
        let (store, set_aside) = Self::open_for(dir, apis, Purpose::Serve)?;
        Ok(StoreFile { store, set_aside })
    }

    /// The same for a command that writes beside an exporter: a damaged file stays where it is, as the exporter has it
    /// open, and what can't be stored is an error.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], and those of [`Store::open`].
    pub fn open_as_it_is(dir: Option<&Path>, apis: &[&'static Api]) -> Result<Self, StoreError> {
        Ok(Self::open_for(dir, apis, Purpose::Write)?.0)
    }

    /// The same for a command that only reads: also a file on a read-only file system, as in a snapshot.
    ///
    /// # Errors
    /// [`StoreError::LogLeft`] where such a file is not whole, and those of [`Store::open_as_it_is`].
    pub fn open_to_read(dir: Option<&Path>, apis: &[&'static Api]) -> Result<Self, StoreError> {
        Ok(Self::open_for(dir, apis, Purpose::Read)?.0)
    }

    fn open_for(
        dir: Option<&Path>,
        apis: &[&'static Api],
        purpose: Purpose,
    ) -> Result<(Self, Option<PathBuf>), StoreError> {
        let tables = schema::tables(apis);
        let (inner, set_aside) = match dir {
            None => (Inner::memory(open::memory(&tables)?, tables), None),
            Some(dir) => Inner::file(dir, tables, purpose)?,
        };
        Ok((Self { inner: Arc::new(inner) }, set_aside))
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
            self.inner.write(move |connection| company::claim(connection, &claims)).await
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

    /// The ledger of `source` of `account` on `days`, by day.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn answers(&self, source: &str, account: &str, days: Days) -> Result<Vec<LedgerEntry>, StoreError> {
        let (name, owner) = (source.to_owned(), account.to_owned());
        let mut answers = self.inner.read(move |connection| ledger::answers(connection, &name, &owner, days)).await?;
        self.inner.pending.lock().over_answers(source, account, days, &mut answers);
        Ok(answers)
    }

    /// The rows of `account` on `day`, ordered by their labels.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn rows(&self, table: &'static Table, account: &str, day: Day) -> Result<Vec<Row>, StoreError> {
        let (inner, owner) = (Arc::clone(&self.inner), account.to_owned());
        let mut rows = match inner.own_file().map(Path::to_owned) {
            None => inner.read(move |connection| rows::of_day(connection, table, &owner, day)).await?,
            // Its own connection: a hundred thousand rows must not hold up other reads.
            Some(file) => {
                let read = move || {
                    let rows = open::reader(&file).and_then(|reader| rows::of_day(&reader, table, &owner, day));
                    rows.map_err(|error| inner.explain(&error))
                };
                self.inner.block(None, read).await?
            }
        };
        self.inner.pending.lock().over_rows(table, account, day, &mut rows);
        Ok(rows)
    }

    /// Shows `each` the stored rows of `days` with their account and when they were fetched (to the second), in `order`,
    /// until it breaks.
    ///
    /// Blocks, and holds one row at a time. Others may write meanwhile, unseen by the scan. A store in memory is
    /// locked during the scan: `each` must not use it.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn scan(
        &self,
        table: &'static Table,
        days: Days,
        order: Order,
        each: &mut dyn FnMut(String, Row, Timestamp) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let scanned = match self.inner.own_file() {
            None => rows::scan(&self.inner.reading().lock(), table, days, order, each),
            // Its own connection: a scan may last for minutes, and readers of a WAL do not hold up the writer.
            Some(file) => open::reader(file).and_then(|reader| rows::scan(&reader, table, days, order, each)),
        };
        scanned.map_err(|error| self.inner.explain(&error))
    }

    /// The stored days of `days` for which `source` of `account` has any answer, in their order. Blocks.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn answered_days(&self, source: &str, account: &str, days: Days) -> Result<Vec<Day>, StoreError> {
        let read = ledger::answered_days(&self.inner.reading().lock(), source, account, days);
        read.map_err(|error| self.inner.explain(&error))
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
        list: &[ListEntry],
    ) -> Result<(), StoreError> {
        let keys = [platform, account, key].map(str::to_owned);
        self.change(Change::List { keys, day, list: list.to_vec() }).await
    }

    /// What the list `key` of `account` held when it was last kept, and on which day that was.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn list(
        &self,
        platform: &str,
        account: &str,
        key: &str,
    ) -> Result<Option<(Day, Vec<ListEntry>)>, StoreError> {
        let keys = [platform, account, key].map(str::to_owned);
        let of = keys.clone();
        let read = self.inner.read(move |connection| known::list(connection, of.each_ref().map(String::as_str)));
        let mut list = read.await?;
        self.inner.pending.lock().over_list(&keys, &mut list);
        Ok(list)
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

    /// The names that are known for the info metric `info`, ordered by id.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn names(&self, info: &str, account: &str) -> Result<Vec<ListEntry>, StoreError> {
        let (of, owner) = (info.to_owned(), account.to_owned());
        let names = self.inner.read(move |connection| known::names(connection, &of, &owner)).await?;
        Ok(self.inner.pending.lock().over_names(info, account, names))
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

    /// The state of `source` of `account`, where one was kept.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn status(&self, source: &str, account: &str) -> Result<Option<SourceState>, StoreError> {
        if let Some(status) = self.inner.pending.lock().status(source, account) {
            return Ok(Some(status));
        }
        let (source, account) = (source.to_owned(), account.to_owned());
        self.inner.read(move |connection| known::status(connection, &source, &account)).await
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
            Ok(()) => Ok(()),
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
