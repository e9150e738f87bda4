//! What is read: from the file, with what waits to be stored in its place; from memory while the disk hangs.

use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;

use super::{LedgerEntry, Order, SourceState, Store, StoreError, known, ledger, open, rows};
use crate::day::{Day, Days};
use crate::sample::Row;
use crate::source::{ListEntry, Table};

impl Store {
    /// Remembers the ledger of `source` of `account` on these days, and no others, for the time in which the disk
    /// hangs: as they are read from now on, and as they change.
    pub fn remember(&self, source: &'static str, account: &str, days: &[Day]) {
        if self.inner.keeps() {
            self.inner.recollection.lock().keep_days((source, account.to_owned()), days);
        }
    }

    /// The ledger of `source` of `account` on `days`, by day; while the disk hangs, that of the days that are
    /// remembered.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn answers(
        &self,
        source: &'static str,
        account: &str,
        days: Days,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let (key, owner) = ((source, account.to_owned()), account.to_owned());
        let before = self.inner.recollection.lock().changes();
        let read = self.inner.read(move |connection| ledger::answers(connection, source, &owner, days)).await;
        let mut answers = match self.unless_it_hangs(read)? {
            Some(answers) => {
                if days.first == days.last {
                    self.inner.recollection.lock().ledger_was_read(&key, days.first, before, &answers);
                }
                answers
            }
            None => self.inner.recollection.lock().ledger(&key, days),
        };
        self.inner.pending.lock().over_answers(source, account, days, &mut answers);
        Ok(answers)
    }

    /// The rows of `account` on `day`, ordered by their labels.
    ///
    /// # Errors
    /// As SQLite says; [`StoreError::Hung`] while the disk hangs: [`Store::rows_over`] makes them of a page then.
    pub async fn rows(&self, table: &'static Table, account: &str, day: Day) -> Result<Vec<Row>, StoreError> {
        let before = self.inner.recollection.lock().changes();
        let mut rows = self.stored_rows(table, account, day).await?;
        self.inner.recollection.lock().rows_were_read(table, account, day, before);
        self.inner.pending.lock().over_rows(table, account, day, &mut rows);
        Ok(rows)
    }

    /// The rows of `account` on `day` as far as the memory has them: `shown` are those of a page of that day, to which
    /// comes what was stored since the page was read, and what waits to be stored.
    #[must_use]
    pub fn rows_over(&self, shown: Vec<Row>, table: &'static Table, account: &str, day: Day) -> Vec<Row> {
        let mut rows = shown;
        self.inner.recollection.lock().over_rows(table, account, day, &mut rows);
        self.inner.pending.lock().over_rows(table, account, day, &mut rows);
        rows
    }

    async fn stored_rows(&self, table: &'static Table, account: &str, day: Day) -> Result<Vec<Row>, StoreError> {
        self.inner.check_answers()?;
        let (inner, owner) = (Arc::clone(&self.inner), account.to_owned());
        // Its own connection: a hundred thousand rows must not hold up other reads.
        let read = move || {
            let Some(file) = inner.own_file() else { return Ok(None) };
            let reader = open::reader(file, inner.lock_patience());
            let rows = reader.and_then(|reader| rows::of_day(&reader, table, &owner, day));
            rows.map(Some).map_err(|error| inner.explain(&error))
        };
        if let Some(rows) = self.inner.judge(self.inner.block(None, read).await)? {
            return Ok(rows);
        }
        let owner = account.to_owned();
        self.inner.read(move |connection| rows::of_day(connection, table, &owner, day)).await
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
        self.inner.check_answers()?;
        let lock = self.inner.lock_patience();
        let scanned = match self.inner.own_file() {
            None => rows::scan(&self.inner.reading().lock(), table, days, order, each),
            // Its own connection: a scan may last for minutes, and readers of a WAL do not hold up the writer.
            Some(file) => open::reader(file, lock).and_then(|reader| rows::scan(&reader, table, days, order, each)),
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

    /// What the list `key` of `account` held when it was last kept, and on which day that was.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn list(
        &self,
        platform: &str,
        account: &str,
        key: &str,
    ) -> Result<Option<(Day, Arc<Vec<ListEntry>>)>, StoreError> {
        let keys = [platform, account, key].map(str::to_owned);
        let of = keys.clone();
        let read = self.inner.read(move |connection| known::list(connection, of.each_ref().map(String::as_str)));
        let mut list = match self.unless_it_hangs(read.await)? {
            Some(list) => {
                if self.inner.keeps() {
                    self.inner.recollection.lock().list_was_read(keys.clone(), list.clone());
                }
                list
            }
            None => self.inner.recollection.lock().list(&keys),
        };
        self.inner.pending.lock().over_list(&keys, &mut list);
        Ok(list)
    }

    /// The names that are known for the info metric `info`, ordered by id.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn names(&self, info: &str, account: &str) -> Result<Vec<ListEntry>, StoreError> {
        let (of, owner) = (info.to_owned(), account.to_owned());
        let read = self.inner.read(move |connection| known::names(connection, &of, &owner)).await;
        let names = match self.unless_it_hangs(read)? {
            Some(names) => {
                if self.inner.keeps() {
                    self.inner.recollection.lock().names_were_read(info, account, &names);
                }
                names
            }
            None => self.inner.recollection.lock().names(info, account),
        };
        Ok(self.inner.pending.lock().over_names(info, account, names))
    }

    /// The state of `source` of `account`, where one was kept.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn status(&self, source: &'static str, account: &str) -> Result<Option<SourceState>, StoreError> {
        if let Some(status) = self.inner.pending.lock().status(source, account) {
            return Ok(Some(status));
        }
        let (key, owner) = ((source, account.to_owned()), account.to_owned());
        let read = self.inner.read(move |connection| known::status(connection, source, &owner)).await;
        match self.unless_it_hangs(read)? {
            Some(status) => {
                if self.inner.keeps() {
                    self.inner.recollection.lock().status_was_read(key, status.as_ref());
                }
                Ok(status)
            }
            None => Ok(self.inner.recollection.lock().status(&key)),
        }
    }

    /// What was read; `None` where the disk hangs, and what is remembered serves.
    fn unless_it_hangs<T>(&self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Err(StoreError::Hung { .. }) if self.inner.keeps() => Ok(None),
            read => read.map(Some),
        }
    }
}
