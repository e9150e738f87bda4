//! What is deleted on purpose: old days, one person, names.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::{ForgetCounts, Store, StoreError, damage, known, open, person, retention};
use crate::day::Day;

impl Store {
    /// Forgets all figures, answers, lists, names and damaged files that are older than `days` days `today`, a day of a
    /// table at a time so that other writers can go between; gives the number of rows of figures. What is forgotten
    /// is overwritten; the file does not shrink, but is filled again.
    ///
    /// Where the newest figures are older than a week, it reckons from them, until it was called on 14 days since: the
    /// clock may be ahead. Does nothing while the file can't be written.
    ///
    /// # Errors
    /// As SQLite says; what is forgotten by then stays so.
    pub async fn forget(&self, today: Day, days: u32) -> Result<u64, StoreError> {
        if self.inner.pending.lock().waits() {
            return Ok(0);
        }
        let tables = self.inner.tables.clone();
        let before = self.inner.write(move |connection| retention::begin(connection, &tables, today, days)).await?;
        let (mut forgotten, mut changed) = (0, false);
        loop {
            let tables = self.inner.tables.clone();
            let forget = self.inner.write(move |connection| retention::forget_a_day(connection, &tables, before));
            let Some(rows) = forget.await? else { break };
            (forgotten, changed) = (forgotten + rows, true);
        }
        changed |= self.inner.write(move |connection| retention::forget_unused(connection, before)).await? > 0;
        if changed {
            self.inner.write(open::empty_log).await?;
        }
        let aside = self.forget_aside(retention::end_of(before)).await?;
        if aside > 0 {
            tracing::info!(files = aside, "deleted damaged files that are older than the retention");
        }
        Ok(forgotten)
    }

    /// Forgets the person `id` of `account` in all tables, whatever the ASCII case, and every damaged file, since what
    /// these hold can't be told apart. The file is written anew, so that its bytes hold nothing of what is gone.
    ///
    /// # Errors
    /// As SQLite says; [`StoreError::Full`] also where there is no space for the new file: the tables are done then.
    pub async fn forget_person(&self, account: &str, id: &str) -> Result<ForgetCounts, StoreError> {
        let (tables, account, id) = (self.inner.tables.clone(), account.to_owned(), id.to_owned());
        let forget = self.inner.write(move |connection| person::forget(connection, &tables, &account, &id));
        let mut forgotten = forget.await?;
        self.inner.write(|connection| connection.execute_batch("VACUUM")).await?;
        forgotten.log_remains = !self.inner.write(open::empty_log).await?;
        forgotten.damaged_files = self.forget_aside(Timestamp::MAX).await?;
        Ok(forgotten)
    }

    /// Forgets the names of the people of `account`, as they are not to be shown: those of the info metrics `infos`,
    /// and those in lists. Tells how many there were. Does nothing while the file can't be written.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn forget_names(&self, account: &str, infos: Vec<&'static str>) -> Result<usize, StoreError> {
        if self.inner.pending.lock().waits() {
            return Ok(0);
        }
        self.inner.recollection.lock().forget_names(account, &infos);
        let account = account.to_owned();
        let forget = self.inner.write(move |connection| person::forget_names(connection, &account, &infos));
        let forgotten = forget.await?;
        if forgotten > 0 {
            self.inner.write(open::empty_log).await?;
        }
        Ok(forgotten)
    }

    /// Ids of people of `account`: some of the oldest figures, and all of its lists.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn oldest_ids(&self, account: &str) -> Result<Vec<String>, StoreError> {
        let (tables, account) = (self.inner.tables.clone(), account.to_owned());
        self.inner.read(move |connection| person::oldest_ids(connection, &tables, &account)).await
    }

    /// What is to be said of the rights of the folder `dir` and the file in it: who else may read or change figures.
    #[must_use]
    pub fn remarks(dir: &Path) -> Vec<String> {
        open::remarks(dir)
    }

    /// The names of all accounts of which anything was stored.
    ///
    /// # Errors
    /// As SQLite says.
    pub async fn accounts(&self) -> Result<Vec<String>, StoreError> {
        self.inner.read(known::accounts).await
    }

    /// Deletes the damaged files that were set aside before `end`; tells how many.
    async fn forget_aside(&self, end: Timestamp) -> Result<usize, StoreError> {
        let inner = Arc::clone(&self.inner);
        let forget = move || match &inner.place {
            Some(place) => {
                damage::forget_aside(&place.file, end).map_err(|error| StoreError::of_system(&place.dir, &error))
            }
            None => Ok(0),
        };
        self.inner.block(None, forget).await
    }
}
