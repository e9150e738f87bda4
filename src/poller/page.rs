//! The page of one source: the figures of a day and the names of their subjects, shown and taken down.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Context;
use super::ledger::Ledger;
use super::page_end::{page_end, take_down};
use crate::config::SourceConfig;
use crate::day::Day;
use crate::discovery::DiscoveryError;
use crate::exposition::{NamePage, Page};
use crate::sample::Row;
use crate::source::{Directory, ListEntry, ListRequest, Table, person_key};
use crate::store::StoreError;

/// The rows of some tables.
type TableRows = Vec<(&'static Table, Vec<Row>)>;

/// The rows that a page is made of.
#[derive(Debug)]
pub(super) struct PageRows {
    tables: TableRows,
    /// Why they are of the memory, and not of the store: its disk hangs.
    hung: Option<StoreError>,
}

/// What is on show of one source.
#[derive(Debug)]
pub(super) struct SourcePage {
    context: Context,
    config: SourceConfig,
    /// The [`Ledger::identity`] of the targets that it was made for.
    targets: Option<u64>,
    series: usize,
    /// Whether it was made from memory, as the disk hung.
    from_memory: bool,
}

impl SourcePage {
    pub(super) fn new(context: Context, config: SourceConfig) -> Self {
        Self { context, config, targets: None, series: 0, from_memory: false }
    }

    /// How many series it has.
    pub(super) fn series(&self) -> usize {
        self.series
    }

    /// Whether it was made for other targets or for another day than those of `ledger`, or from memory while the disk
    /// hung, which answers again.
    pub(super) fn lags(&self, ledger: &Ledger) -> bool {
        let is_of_memory = self.from_memory && !self.context.store.hangs();
        self.day() != Some(ledger.day) || self.targets != Some(ledger.identity) || is_of_memory
    }

    /// Replaces the source's page by what the store has for the ledger's day.
    pub(super) async fn publish(&mut self, ledger: &Ledger, directory: &Directory) -> Result<(), StoreError> {
        let rows = self.stored_rows(&ledger.days()).await?;
        self.publish_rows(rows, ledger, directory).await
    }

    /// Gives the account's labels to all that is shown of the source.
    pub(super) async fn label(&self) -> Result<(), StoreError> {
        let (exposition, config) = (self.context.exposition.clone(), &self.config);
        let (api, account) = (config.source.api(), Arc::clone(&config.account));
        // It renders what a reload has changed.
        let labelled = tokio::task::spawn_blocking(move || exposition.label(api, &account.name, &account.labels));
        labelled.await.map_err(|_| StoreError::Interrupted)
    }

    /// The rows of each table that the store has for `days`; while its disk hangs, those that the memory has: of the
    /// page that is shown, and of the answers that came since.
    pub(super) async fn stored_rows(&self, days: &[Day]) -> Result<PageRows, StoreError> {
        let mut page = PageRows { tables: Vec::new(), hung: None };
        for table in self.config.source.api().tables {
            let mut rows = Vec::new();
            for day in days {
                match self.context.store.rows(table, &self.config.account.name, *day).await {
                    Ok(mut stored) => rows.append(&mut stored),
                    Err(hung @ StoreError::Hung { .. }) => {
                        rows.append(&mut self.remembered_rows(table, *day).await?);
                        page.hung = Some(hung);
                    }
                    Err(error) => return Err(error),
                }
            }
            page.tables.push((*table, rows));
        }
        Ok(page)
    }

    /// The rows of `table` on `day` that the memory has.
    async fn remembered_rows(&self, table: &'static Table, day: Day) -> Result<Vec<Row>, StoreError> {
        let (exposition, store) = (self.context.exposition.clone(), self.context.store.clone());
        let (api, account) = (self.config.source.api(), self.config.account.name.clone());
        let remembered = move || store.rows_over(exposition.rows(api, &account, table, day), table, &account, day);
        tokio::task::spawn_blocking(remembered).await.map_err(|_| StoreError::Interrupted)
    }

    /// Replaces the source's page by those of `rows` that belong to targets of the ledger with figures.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Hung`] where figures of targets are only on the disk: a page must not lack them.
    pub(super) async fn publish_rows(
        &mut self,
        rows: PageRows,
        ledger: &Ledger,
        directory: &Directory,
    ) -> Result<(), StoreError> {
        let PageRows { mut tables, hung } = rows;
        let from_memory = hung.is_some();
        if let Some(hung) = hung
            && ledger.lacking(&tables) > 0
        {
            return Err(hung);
        }
        let (api, account) = (self.config.source.api(), self.config.account.name.clone());
        for (table, rows) in &mut tables {
            let shown = ledger.shown(table);
            rows.retain(|row| shown(&row.labels, row.day));
        }
        let names = self.names(ledger, directory).await?;
        let page = Page { day: ledger.day, tables };
        let exposition = self.context.exposition.clone();
        let published = tokio::task::spawn_blocking(move || {
            exposition.publish_names(api, &account, names);
            exposition.publish(api, &account, Some(page))
        });
        // It ends early with the program, or where the machine has nothing left; the page is then as it was before.
        self.series = published.await.map_err(|_| StoreError::Interrupted)?;
        self.targets = Some(ledger.identity);
        self.from_memory = from_memory;
        // Its time may have ended while it was made.
        if self.is_over(ledger.day) {
            take_down(&self.context, &self.config, ledger.day).await;
        }
        Ok(())
    }

    /// The names of the ledger's subjects, as far as they are known and may be shown.
    async fn names(&self, ledger: &Ledger, directory: &Directory) -> Result<Vec<NamePage>, StoreError> {
        let mut pages = Vec::new();
        let api = self.config.source.api();
        // The list of names may spell an id otherwise than the figures do.
        let ids: HashMap<_, _> = ledger.ids().into_iter().map(|id| (person_key(id), id)).collect();
        for (info, list) in self.config.source.names() {
            if self.config.names || !info.people {
                let all = directory.get(&list).map_or(&[][..], |list| list.as_slice());
                let named = all.iter().filter(|found| found.name.is_some());
                let names = named.filter_map(|found| match info.people {
                    true => {
                        ids.get(&*person_key(&found.id)).map(|id| ListEntry { id: (*id).to_owned(), ..found.clone() })
                    }
                    false => Some(found.clone()),
                });
                pages.push(NamePage { info, names: names.collect() });
            }
        }
        if let Some(info) = api.row_names
            && (self.config.names || !info.people)
        {
            let names = self.context.store.names(info.name, &self.config.account.name).await?;
            pages.push(NamePage { info, names });
        }
        Ok(pages)
    }

    /// Stores the names that came with the figures of `day`, by id.
    pub(super) async fn store_names(&self, day: Day, names: &BTreeMap<String, String>) -> Result<(), StoreError> {
        let Some(info) = self.config.source.api().row_names else { return Ok(()) };
        if names.is_empty() || (info.people && !self.config.names) {
            return Ok(());
        }
        let entry =
            |(id, name): (&String, &String)| ListEntry { id: id.clone(), parent: None, name: Some(name.clone()) };
        let names = names.iter().map(entry).collect();
        self.context.store.put_names(info.name, &self.config.account.name, day, names).await
    }

    /// The day of the page that is served; it lags behind what is to be shown where the store or the machine failed.
    pub(super) fn day(&self) -> Option<Day> {
        self.context.exposition.day(self.config.source.api(), &self.config.account.name)
    }

    /// Whether the page of `day` may not be shown any more.
    pub(super) fn is_over(&self, day: Day) -> bool {
        page_end(&self.config, day) <= self.context.clock.now()
    }

    /// Takes the page down if its time is over.
    pub(super) async fn take_down_if_over(&self) {
        if let Some(day) = self.day().filter(|day| self.is_over(*day)) {
            take_down(&self.context, &self.config, day).await;
        }
    }

    /// Forgets what the page was made of, as it was taken down.
    pub(super) fn forget(&mut self) {
        self.series = 0;
        self.targets = None;
    }

    /// Fetches `lists` of names on `day`; gives whether they are others than those in `directory`, which gets them.
    ///
    /// # Errors
    /// [`StoreError`]. Names that the platform does not give are missing.
    pub(super) async fn fetch_names(
        &self,
        day: Day,
        directory: &mut Directory,
        lists: Vec<ListRequest>,
    ) -> Result<bool, StoreError> {
        let mut news = false;
        for listing in lists {
            match self.context.discovery.list(&self.config.account, &listing, day).await {
                Ok(listed) => {
                    if let Some(failure) = listed.stale {
                        tracing::debug!(list = listing.key, "no names from this list: {failure}");
                    }
                    news |= directory.get(&listing.key) != Some(&listed.list);
                    directory.insert(listing.key, listed.list);
                }
                Err(DiscoveryError::Store(error)) => return Err(error),
                Err(DiscoveryError::Platform { failure, .. }) => {
                    tracing::debug!(list = listing.key, "no names from this list: {failure}");
                }
            }
        }
        Ok(news)
    }

    /// Replaces the names on show by those of `directory`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn publish_names(&self, ledger: &Ledger, directory: &Directory) -> Result<(), StoreError> {
        let names = self.names(ledger, directory).await?;
        let (exposition, api) = (self.context.exposition.clone(), self.config.source.api());
        let account = self.config.account.name.clone();
        // It ends early only with the program.
        let _ = tokio::task::spawn_blocking(move || exposition.publish_names(api, &account, names)).await;
        Ok(())
    }
}
