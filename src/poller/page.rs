//! What a worker shows: the page of a day, and the names of its subjects.

use std::collections::HashMap;

use std::sync::Arc;

use super::ledger::Ledger;
use super::page_end::{page_end, take_down};
use super::report::Report;
use super::worker::Worker;
use crate::day::Day;
use crate::discovery::DiscoveryError;
use crate::exposition::{NamePage, Page};
use crate::sample::Row;
use crate::source::{Directory, ListEntry, ListRequest, Table, person_key};
use crate::store::StoreError;

/// The rows of some tables.
pub(super) type TableRows = Vec<(&'static Table, Vec<Row>)>;

impl Worker {
    /// Replaces the source's page by what the store has for the ledger's day.
    pub(super) async fn publish(&mut self, ledger: &Ledger, directory: &Directory) -> Result<(), StoreError> {
        let rows = self.stored_rows(&ledger.days()).await?;
        self.publish_rows(rows, ledger, directory).await
    }

    /// Gives the account's labels to all that is shown of the source.
    pub(super) async fn show_labels(&self) -> Result<(), StoreError> {
        let (exposition, config) = (self.context.exposition.clone(), &self.config);
        let (api, account) = (config.source.api(), Arc::clone(&config.account));
        // It renders what a reload has changed.
        let labelled = tokio::task::spawn_blocking(move || exposition.label(api, &account.name, &account.labels));
        labelled.await.map_err(|_| StoreError::Interrupted)
    }

    /// The rows of each table that the store has for `days`.
    pub(super) async fn stored_rows(&self, days: &[Day]) -> Result<TableRows, StoreError> {
        let mut tables = Vec::new();
        for table in self.config.source.api().tables {
            let mut rows = Vec::new();
            for day in days {
                rows.append(&mut self.context.store.rows(table, &self.config.account.name, *day).await?);
            }
            tables.push((*table, rows));
        }
        Ok(tables)
    }

    /// Replaces the source's page by those of `tables` that belong to targets of the ledger with figures.
    pub(super) async fn publish_rows(
        &mut self,
        mut tables: TableRows,
        ledger: &Ledger,
        directory: &Directory,
    ) -> Result<(), StoreError> {
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
        self.served_targets = Some(ledger.identity);
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

    /// Stores the names that came with the figures.
    pub(super) async fn keep_names(&self, day: Day, report: &Report) -> Result<(), StoreError> {
        let Some(info) = self.config.source.api().row_names else { return Ok(()) };
        if report.names.is_empty() || (info.people && !self.config.names) {
            return Ok(());
        }
        let names = report.names.iter();
        let names =
            names.map(|(id, name)| ListEntry { id: id.clone(), parent: None, name: Some(name.clone()) }).collect();
        self.context.store.put_names(info.name, &self.config.account.name, day, names).await
    }

    /// The day of the page that is served; it lags behind what is to be shown where the store or the machine failed.
    pub(super) fn served(&self) -> Option<Day> {
        self.context.exposition.day(self.config.source.api(), &self.config.account.name)
    }

    /// Whether the page of `day` may not be shown any more.
    pub(super) fn is_over(&self, day: Day) -> bool {
        page_end(&self.config, day) <= self.context.clock.now()
    }

    /// Takes down a page whose time is over.
    pub(super) async fn drop_old_page(&mut self) -> Result<(), StoreError> {
        if let Some(day) = self.served().filter(|day| self.is_over(*day)) {
            take_down(&self.context, &self.config, day).await;
        }
        let Some(shown) = self.kept.shown.filter(|day| self.is_over(*day)) else { return Ok(()) };
        let (source, account) = (self.config.source.api().name, self.config.account.name.as_str());
        tracing::warn!(source, account, day = %shown, "the next day is late, and flip_after has passed: this page is taken down");
        self.series = 0;
        self.kept.shown = None;
        self.served_targets = None;
        self.keep().await
    }

    /// Fetches lists of names, and shows them where they say anything new.
    pub(super) async fn bring_names(
        &self,
        day: Day,
        ledger: &Ledger,
        mut directory: Directory,
        lists: Vec<ListRequest>,
    ) -> Result<(), StoreError> {
        let mut news = false;
        for listing in lists {
            match self.context.discovery.list(&self.config.account, &listing, day).await {
                Ok(listed) => {
                    if let Some(failure) = listed.stale {
                        tracing::debug!(list = listing.key, "names can't be had: {failure}");
                    }
                    news |= directory.get(&listing.key) != Some(&listed.list);
                    directory.insert(listing.key, listed.list);
                }
                Err(DiscoveryError::Store(error)) => return Err(error),
                Err(DiscoveryError::Platform { failure, .. }) => {
                    tracing::debug!(list = listing.key, "names can't be had: {failure}");
                }
            }
        }
        if news && self.kept.shown.is_some() {
            let names = self.names(ledger, &directory).await?;
            let (exposition, api) = (self.context.exposition.clone(), self.config.source.api());
            let account = self.config.account.name.clone();
            // It ends early only with the program.
            let _ = tokio::task::spawn_blocking(move || exposition.publish_names(api, &account, names)).await;
        }
        Ok(())
    }
}
