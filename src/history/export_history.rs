//! Reads the store for the exports: the rows of which accounts, at which times, under which labels.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;

use super::show_times::{ShowTimes, cycle};
use crate::config::SourceConfig;
use crate::day::{Cycle, Day, Days};
use crate::sample::Row;
use crate::source::{Api, Table};
use crate::store::{Order, Store, StoreError};

/// Why the export broke off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output can't be written.
    #[error("cannot write the output")]
    Write(#[from] io::Error),
    /// A label is not one that may be added.
    #[error("the label {label}: {reason}")]
    Label {
        /// The label.
        label: String,
        /// Why not.
        reason: &'static str,
    },
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The series.
    pub series: u64,
    /// Their samples.
    pub samples: u64,
    /// Accounts with rows in the store and no source in the configuration: without one, it is unknown when their days were
    /// ready.
    pub unconfigured: BTreeSet<String>,
    /// Whether samples were left out because they are too new.
    pub cut: bool,
}

/// The history in a store, as a live exporter of some sources would have shown it.
#[derive(Debug)]
pub struct ExportHistory {
    store: Store,
    days: Days,
    labels: Vec<(String, String)>,
    apis: Vec<&'static Api>,
    /// By source and account.
    sources: BTreeMap<(&'static str, String), ExportSource>,
    /// The accounts that are written; `None` for all that the store has.
    accounts: Option<BTreeSet<String>>,
}

/// What the configuration says of a source.
#[derive(Debug)]
struct ExportSource {
    show_times: ShowTimes,
    /// The labels of the account, then those that are added to all series.
    labels: Vec<(String, String)>,
}

/// The row of one subject on one day, and the times at which it is on show.
pub(super) struct HistoryRow<'a> {
    pub(super) account: &'a str,
    pub(super) row: &'a Row,
    pub(super) show_times: &'a ShowTimes,
    /// The labels of its series beside those of its table.
    pub(super) labels: &'a [(String, String)],
    pub(super) cycle: Cycle,
}

/// The days that a source has shown: those with any answer in the store.
pub(super) struct SourceDays<'a> {
    pub(super) source: &'static str,
    pub(super) account: &'a str,
    pub(super) show_times: &'a ShowTimes,
    pub(super) days: Vec<Day>,
}

impl ExportHistory {
    /// The history on `days` of `sources`, a sample every `step`, none after `until`, with `labels` added to all;
    /// figures also have those of their account.
    ///
    /// # Errors
    /// [`ExportError::Label`] where a label has no valid name or is one of ours.
    pub fn new(
        store: Store,
        days: Days,
        sources: &[SourceConfig],
        step: Duration,
        until: Timestamp,
        labels: Vec<(String, String)>,
    ) -> Result<Self, ExportError> {
        let step = i64::try_from(step.as_secs()).unwrap_or(i64::MAX);
        let mut apis: Vec<&'static Api> = Vec::new();
        let mut by_name = BTreeMap::new();
        for config in sources {
            let api = config.source.api();
            if !apis.iter().any(|known| known.name == api.name) {
                apis.push(api);
            }
            let show_times = ShowTimes::new(config.schedule.clone(), days, step, until);
            let of_account = &config.account.labels;
            check_labels(&labels, &apis, of_account)?;
            let labels = of_account.iter().chain(&labels).cloned().collect();
            by_name.insert((api.name, config.account.name.clone()), ExportSource { show_times, labels });
        }
        check_labels(&labels, &apis, &[])?;
        Ok(Self { store, days, labels, apis, sources: by_name, accounts: None })
    }

    /// Writes these accounts only.
    #[must_use]
    pub fn only(mut self, accounts: &[String]) -> Self {
        self.accounts = Some(accounts.iter().cloned().collect());
        self
    }

    /// Whether `account` is to be written.
    pub(super) fn has(&self, account: &str) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
    }

    /// The labels that are added to all series, those of accounts not among them.
    pub(super) fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// The tables, with the APIs that they belong to, in the order of the page.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&'static Api, &'static Table)> {
        self.apis.iter().flat_map(|api| api.tables.iter().map(|table| (*api, *table)))
    }

    /// Shows `each` the rows of a table of an API in `order`, until it fails.
    ///
    /// # Errors
    /// What `each` says, and [`ExportError::Store`].
    pub(super) fn rows<E: From<ExportError>>(
        &self,
        (api, table): (&'static Api, &'static Table),
        order: Order,
        tally: &mut Tally,
        each: &mut dyn FnMut(&mut Tally, HistoryRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failed = Ok(());
        let mut source: Option<(String, Option<&ExportSource>)> = None;
        let scanned = self.store.scan(table, self.days, order, &mut |account, row, _| {
            if !self.has(&account) {
                return ControlFlow::Continue(());
            }
            if source.as_ref().is_none_or(|(of, _)| *of != account) {
                let found = self.sources.get(&(api.name, account.clone()));
                if found.is_none() {
                    tally.unconfigured.insert(account.clone());
                }
                source = Some((account.clone(), found));
            }
            let Some((_, Some(ExportSource { show_times, labels }))) = &source else {
                return ControlFlow::Continue(());
            };
            let cycle = cycle(table, &row.labels);
            tally.cut |= show_times.is_cut(row.day);
            match each(tally, HistoryRow { account: &account, row: &row, show_times, labels, cycle }) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Err(error);
                    ControlFlow::Break(())
                }
            }
        });
        scanned.map_err(|error| E::from(error.into()))?;
        failed
    }

    /// The days that each source has shown, by source and account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn shown_days(&self) -> Result<Vec<SourceDays<'_>>, StoreError> {
        let chosen = self.sources.iter().filter(|((_, account), _)| self.has(account));
        let each = chosen.map(|((source, account), ExportSource { show_times, .. })| {
            let days = self.store.answered_days(source, account, self.days)?;
            Ok(SourceDays { source, account, show_times, days })
        });
        each.collect()
    }

    /// The store, and the days that are written.
    pub(super) fn raw(&self) -> (&Store, Days) {
        (&self.store, self.days)
    }
}

fn check_labels(
    labels: &[(String, String)],
    apis: &[&'static Api],
    of_account: &[(String, String)],
) -> Result<(), ExportError> {
    let ours: BTreeSet<&str> = apis.iter().flat_map(|api| api.tables).flat_map(|table| table.labels).copied().collect();
    let mut seen = BTreeSet::new();
    for (name, _) in labels {
        let valid = |n: usize, c: char| c == '_' || c.is_ascii_alphabetic() || (n > 0 && c.is_ascii_digit());
        let reason = if name.is_empty() || !name.chars().enumerate().all(|(n, c)| valid(n, c)) {
            "a name has letters, digits and underscores only, and begins with no digit"
        } else if name.starts_with("__") {
            "names that begin with two underscores are Prometheus' own"
        } else if name == "account" || name == "source" || ours.contains(name.as_str()) {
            "the series have a label of that name"
        } else if of_account.iter().any(|(other, _)| other == name) {
            "an account of the configuration has a label of that name"
        } else if !seen.insert(name) {
            "it is given twice"
        } else {
            continue;
        };
        return Err(ExportError::Label { label: name.clone(), reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::apis;

    #[test]
    fn labels_of_ours_are_not_overwritten() {
        let check = |name: &str| check_labels(&[(name.to_owned(), "x".to_owned())], &apis(), &[]);
        for good in ["job", "instance", "team_1", "_x"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "a-b", "account", "userid", "cycle", "__name__", "名"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_label_is_given_once() {
        let labels = [("team", "a"), ("job", "x"), ("team", "b")].map(|(name, value)| (name.into(), value.into()));
        let error = check_labels(&labels, &apis(), &[]).unwrap_err().to_string();
        assert_eq!(error, "the label team: it is given twice");
        assert!(check_labels(&labels[..2], &apis(), &[]).is_ok());
    }
}
