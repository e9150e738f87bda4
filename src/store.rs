//! What outlives a restart, in one SQLite file that people can open as well.
//!
//! For people there is one table per metric prefix, with a row per day, account and subject. For the program there is
//! the ledger of what was answered, the discovered lists, names, and which day each source shows. Only this module
//! names SQL.

mod checksum;
mod column;
mod company;
mod damage;
mod entry;
mod error;
mod known;
mod ledger;
mod open;
mod retention;
mod rows;
mod schema;

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::day::{Day, Days};
use crate::sample::Row;
use crate::source::{Api, ListEntry, Table};

pub use entry::{Answer, AnswerState, CompanyClaim, Outcome, SourceState, TargetAnswer};
pub use error::StoreError;

/// The store: a handle that is cheap to clone, all clones being the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

/// A store that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Where a damaged file was moved to; then the store begins empty, and the operator wants to know.
    pub set_aside: Option<PathBuf>,
}

#[derive(Debug)]
struct Inner {
    /// The only connection that writes; scans of a file open their own.
    connection: Mutex<Connection>,
    /// Held by whoever is about to use the connection.
    turn: tokio::sync::Mutex<()>,
    /// The file; `None` where all is in memory.
    file: Option<PathBuf>,
    /// The device and number by which the system knows it.
    identity: Option<(u64, u64)>,
    /// The tables for people.
    tables: Vec<&'static Table>,
}

impl Store {
    /// Opens `imstats.db` in `dir`, or an empty store in memory, with a table for each table of `apis`.
    ///
    /// Creates the directory and the file for their owner only. Adds the columns that an older file lacks. Sets a
    /// damaged file aside as `imstats.db.damaged-<seconds since the epoch>` and begins a new one. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where the directory or file cannot be used, [`StoreError::Newer`] and
    /// [`StoreError::Foreign`] where the file is of another program (it is then left as it is), else as SQLite says.
    pub fn open(dir: Option<&Path>, apis: &[&'static Api]) -> Result<Opened, StoreError> {
        Self::open_file(dir, apis, true)
    }

    /// The same for whoever runs beside an exporter: a damaged file stays where it is, as that has it open.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], and those of [`Store::open`].
    pub fn open_as_it_is(dir: Option<&Path>, apis: &[&'static Api]) -> Result<Self, StoreError> {
        Ok(Self::open_file(dir, apis, false)?.store)
    }

    fn open_file(dir: Option<&Path>, apis: &[&'static Api], may_be_replaced: bool) -> Result<Opened, StoreError> {
        let tables = schema::tables(apis);
        let (connection, file, set_aside) = match dir {
            None => (open::memory(&tables)?, None, None),
            Some(dir) => {
                let (connection, file, set_aside) = open::file(dir, &tables, may_be_replaced)?;
                (connection, Some(file), set_aside)
            }
        };
        let identity = file.as_deref().and_then(identity);
        let inner =
            Inner { connection: Mutex::new(connection), turn: tokio::sync::Mutex::default(), file, identity, tables };
        Ok(Opened { store: Self { inner: Arc::new(inner) }, set_aside })
    }

    /// Makes sure that the store has figures of no other company under the names of these accounts.
    ///
    /// # Errors
    /// [`StoreError::OtherCompany`] where it has, else as SQLite says.
    pub async fn claim(&self, claims: Vec<CompanyClaim>) -> Result<(), StoreError> {
        let others = self.work(move |inner| company::claim(&mut inner.lock(), &claims)).await?;
        match others.into_iter().next() {
            None => Ok(()),
            Some((CompanyClaim { source, account, company, .. }, stored)) => {
                Err(StoreError::OtherCompany { source_name: source, account, stored, company })
            }
        }
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
        let account = account.to_owned();
        self.work(move |inner| ledger::record(&mut inner.lock(), source.name, &account, at, &answers)).await
    }

    /// The ledger of `source` of `account` on `days`, by day.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn answers(&self, source: &str, account: &str, days: Days) -> Result<Vec<Answer>, StoreError> {
        let (source, account) = (source.to_owned(), account.to_owned());
        self.work(move |inner| ledger::answers(&inner.lock(), &source, &account, days)).await
    }

    /// The rows of `account` on `day`, ordered by their labels.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn rows(&self, table: &'static Table, account: &str, day: Day) -> Result<Vec<Row>, StoreError> {
        let account = account.to_owned();
        match self.inner.file.clone() {
            None => self.work(move |inner| rows::of_day(&inner.lock(), table, &account, day)).await,
            // Its own connection: a hundred thousand rows must not hold up who writes.
            Some(file) => self.block(move |_| rows::of_day(&open::reader(&file)?, table, &account, day)).await,
        }
    }

    /// Shows `each` the rows of `days` with their account and when they were fetched (to the second), ordered by day,
    /// account and labels, until it breaks.
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
        each: &mut dyn FnMut(String, Row, Timestamp) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.scan_by(table, days, rows::Order::Days, each)
    }

    /// Does as [`Store::scan`], but ordered by account, labels and day: the rows of one subject follow each other.
    ///
    /// SQLite sorts them in files of its temporary directory (`SQLITE_TMPDIR`, `TMPDIR`, else `/var/tmp`).
    ///
    /// # Errors
    /// As SQLite says.
    pub fn scan_series(
        &self,
        table: &'static Table,
        days: Days,
        each: &mut dyn FnMut(String, Row, Timestamp) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.scan_by(table, days, rows::Order::Subjects, each)
    }

    /// The days of `days` for which `source` of `account` has any answer, in their order. Blocks.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn answered_days(&self, source: &str, account: &str, days: Days) -> Result<Vec<Day>, StoreError> {
        let read = ledger::answered_days(&self.inner.lock(), source, account, days);
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
        let (platform, account, key, list) = (platform.to_owned(), account.to_owned(), key.to_owned(), list.to_vec());
        self.work(move |inner| known::put_list(&inner.lock(), [&platform, &account, &key], day, &list)).await
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
        let (platform, account, key) = (platform.to_owned(), account.to_owned(), key.to_owned());
        self.work(move |inner| known::list(&inner.lock(), [&platform, &account, &key])).await
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
        let account = account.to_owned();
        self.work(move |inner| known::put_names(&mut inner.lock(), info, &account, day, &names)).await
    }

    /// The names that are known for the info metric `info`, ordered by id.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn names(&self, info: &str, account: &str) -> Result<Vec<ListEntry>, StoreError> {
        let (info, account) = (info.to_owned(), account.to_owned());
        self.work(move |inner| known::names(&inner.lock(), &info, &account)).await
    }

    /// Keeps the state of `source` of `account`.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn put_status(&self, source: &str, account: &str, status: &SourceState) -> Result<(), StoreError> {
        let (source, account, status) = (source.to_owned(), account.to_owned(), status.clone());
        self.work(move |inner| known::put_status(&mut inner.lock(), &source, &account, &status)).await
    }

    /// The state of `source` of `account`, where one was kept.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn status(&self, source: &str, account: &str) -> Result<Option<SourceState>, StoreError> {
        let (source, account) = (source.to_owned(), account.to_owned());
        self.work(move |inner| known::status(&inner.lock(), &source, &account)).await
    }

    /// Forgets all figures, answers, lists and names that are older than `days` days `today`, a day of a table at a time
    /// so that others need not wait, and tells how many rows of figures these were. Where the newest figures are older
    /// than a week, it reckons from them: the clock may be ahead. The file does not shrink, but is filled again.
    ///
    /// # Errors
    /// As SQLite says; what is forgotten by then stays so.
    pub async fn forget(&self, today: Day, days: u32) -> Result<u64, StoreError> {
        self.work(move |inner| retention::forget(inner, today, days)).await
    }

    /// How many bytes the file and its write-ahead log take; 0 where all is in memory.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let Some(file) = &self.inner.file else { return 0 };
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        size(file) + size(&damage::beside(file, "-wal"))
    }

    fn scan_by(
        &self,
        table: &'static Table,
        days: Days,
        order: rows::Order,
        each: &mut dyn FnMut(String, Row, Timestamp) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let scanned = match &self.inner.file {
            None => rows::scan(&self.inner.lock(), table, days, order, each),
            // Its own connection: a scan may last for minutes, and readers of a WAL do not hold up the writer.
            Some(file) => open::reader(file).and_then(|reader| rows::scan(&reader, table, days, order, each)),
        };
        scanned.map_err(|error| self.inner.explain(&error))
    }

    /// Does `work`, which uses the connection, on a thread that may block.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Who waits for the connection waits here, and not on one of the few threads that may block.
        let _turn = self.inner.turn.lock().await;
        self.block(work).await
    }

    /// Does `work` on a thread that may block.
    async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || {
            inner.check_there()?;
            work(&inner).map_err(|error| inner.explain(&error))
        });
        done.await.unwrap_or(Err(StoreError::Interrupted))
    }
}

impl Inner {
    /// The connection, also after a panic under the lock: the transaction of then was rolled back when it was dropped.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that the file is still where it was: SQLite goes on with one that was deleted, and all would be lost.
    fn check_there(&self) -> Result<(), StoreError> {
        match &self.file {
            Some(file) if identity(file) != self.identity => Err(StoreError::Gone { path: file.clone() }),
            _ => Ok(()),
        }
    }

    fn explain(&self, error: &rusqlite::Error) -> StoreError {
        let Some(file) = &self.file else { return StoreError::of(Path::new(":memory:"), error) };
        let error = StoreError::of(file, error);
        if matches!(error, StoreError::Damaged { .. }) {
            damage::suspect(file);
        }
        error
    }
}

/// The device and number of the file.
fn identity(file: &Path) -> Option<(u64, u64)> {
    fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests;
