//! What a source is asked about: whom, for which days, and how the store knows it.

use super::pseudonyms::RealIds;
use super::table::Table;
use crate::day::{Cycle, Day, Days};

/// What succeeds or fails as a whole: one subject, or one list, of one table.
#[derive(Clone, Debug)]
pub struct Target {
    /// The table that its figures go to.
    pub table: &'static Table,
    /// The values of the first labels of the table; all of them, or all but the one that rows bring.
    pub labels: Vec<String>,
    /// The real ids at the platform, where people have pseudonyms.
    pub hidden: Option<RealIds>,
    /// The period that its figures cover.
    pub cycle: Cycle,
    /// Whom it is made of, where it is a union whose parts can be asked one by one and added up.
    pub members: Vec<String>,
    /// Whether the configuration names these: without one of them, it would be another union.
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
    /// The target of one subject, or of a list of them where a label is missing.
    #[must_use]
    pub fn of(table: &'static Table, labels: Vec<String>) -> Self {
        Self {
            table,
            labels,
            hidden: None,
            cycle: Cycle::Day,
            members: vec![],
            is_written: false,
            after: None,
            definition: String::new(),
        }
    }

    /// Whether it names the subject of its rows.
    #[must_use]
    pub fn subject(&self) -> Subject {
        if self.labels.len() < self.table.labels.len() { Subject::Listed } else { Subject::Named }
    }

    /// The values of [`Target::labels`] by which the platform knows it.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        self.hidden.as_ref().map_or(&self.labels, |hidden| &hidden.ids)
    }

    /// The labels of a row about `subject`, where rows bring the last one.
    #[must_use]
    pub fn labels_with(&self, subject: String) -> Vec<String> {
        let mut labels: Vec<_> = self.labels.iter().cloned().chain([subject]).collect();
        if let Some(hidden) = &self.hidden {
            hidden.hide(self.table, &mut labels);
        }
        labels
    }

    /// What tells it from all others of its source, also in the store.
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
