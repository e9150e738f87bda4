//! What a source asks about: which subjects, for which days, and by which key the store knows it.

use std::sync::Arc;

use super::filter::Filter;
use super::pseudonyms::Pseudonyms;
use super::table::Table;
use crate::day::{Cycle, Day, Days};

/// What succeeds or fails as a whole: one subject, or one list, of one table.
#[derive(Clone, Debug)]
pub struct Target {
    /// The table that its figures go to.
    pub table: &'static Table,
    /// Whether it names the one subject of its rows.
    pub subject: Subject,
    /// The values of the first labels of the table, as they are shown: all of them, or all but the one that rows bring.
    pub labels: Vec<String>,
    /// Whom the platform is asked about.
    pub filter: Filter,
    /// The pseudonyms that people have in its labels and rows; its filter has their ids.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
    /// The period that its figures cover.
    pub cycle: Cycle,
    /// Whether the configuration names the members of a union: without one of them, it would be another one.
    pub is_written: bool,
    /// The [`Target::key`] of the target that must have figures before this one is asked for.
    pub after: Option<String>,
    /// What the configuration says it is made of: an answer for another definition is no answer.
    pub definition: String,
}

/// Whether a target says itself what its rows are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// It names the one subject of its rows.
    Named,
    /// Its rows bring their subjects: it is a list of them.
    Listed,
}

impl Target {
    /// The target of the one subject with these labels, for which the platform is asked with `filter`.
    #[must_use]
    pub fn named(table: &'static Table, labels: Vec<String>, filter: Filter) -> Self {
        Self::new(table, Subject::Named, labels, filter)
    }

    /// The target of all subjects that the platform lists, whose rows bring the last label.
    #[must_use]
    pub fn listed(table: &'static Table, labels: Vec<String>, filter: Filter) -> Self {
        Self::new(table, Subject::Listed, labels, filter)
    }

    fn new(table: &'static Table, subject: Subject, labels: Vec<String>, filter: Filter) -> Self {
        debug_assert_eq!(labels.len() == table.labels.len(), subject == Subject::Named, "{}: {labels:?}", table.prefix);
        Self {
            table,
            subject,
            labels,
            filter,
            pseudonyms: None,
            cycle: Cycle::Day,
            is_written: false,
            after: None,
            definition: String::new(),
        }
    }

    /// The labels of a row about `subject`, where rows bring the last one.
    #[must_use]
    pub fn labels_with(&self, subject: String) -> Vec<String> {
        let mut labels: Vec<_> = self.labels.iter().cloned().chain([subject]).collect();
        if let Some(pseudonyms) = &self.pseudonyms {
            pseudonyms.hide(self.table, &mut labels);
        }
        labels
    }

    /// Its key, which no other target of its source has; the store knows it by this.
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(self.table, &self.labels)
    }

    /// The [`Target::key`] of the target of `table` with these labels.
    #[must_use]
    pub fn key_of(table: &Table, labels: &[String]) -> String {
        let mut key = String::with_capacity(table.prefix.len() + 16 * (labels.len() + 1));
        key.push_str(table.prefix);
        if labels.is_empty() {
            key.push('/');
        }
        for label in labels {
            key.push('/');
            for part in label.split_inclusive(['\\', '/']) {
                match part.strip_suffix(['\\', '/']) {
                    Some(before) => key.extend([before, "\\", &part[before.len()..]]),
                    None => key.push_str(part),
                }
            }
        }
        key
    }

    /// The days that are asked for when `target_day` is the source's target day, `lookback` days of it in one call.
    #[must_use]
    pub fn days(&self, target_day: Day, lookback: u32) -> Days {
        match self.cycle {
            Cycle::Day => Days::ending(target_day, lookback),
            longer => longer.newest_complete(target_day),
        }
    }

    /// The day under which its figures are kept when `target_day` is the source's target day.
    #[must_use]
    pub fn day(&self, target_day: Day) -> Day {
        self.cycle.newest_complete(target_day).last
    }
}
