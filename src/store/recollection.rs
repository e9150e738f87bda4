//! What is remembered of the file while its disk is well, so that pages can be made while it hangs: what was read last,
//! and what was stored since.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::change::Change;
use super::pending::{DayAnswers, NamesById, SourceKey, rows_over};
use super::{LedgerEntry, SourceState, TargetAnswer};
use crate::day::{Day, Days};
use crate::sample::Row;
use crate::source::{ListEntry, Table, lists_people};

/// Counts the changes that were stored, and so tells which of them a read can't have seen.
pub(super) type ChangeCount = u64;

/// What is remembered of the file.
#[derive(Debug, Default)]
pub(super) struct Recollection {
    changes: ChangeCount,
    sources: HashMap<SourceKey, SourceRecollection>,
    lists: HashMap<[String; 3], (Day, Arc<Vec<ListEntry>>)>,
    names: HashMap<(String, String), NamesById>,
    statuses: HashMap<SourceKey, SourceState>,
}

/// What is remembered of a source of an account.
#[derive(Debug, Default)]
struct SourceRecollection {
    /// The days that its pages need.
    ledgers: BTreeMap<Day, DayLedger>,
    /// Rows that were stored since their page was read, by the prefix of their table and their day.
    rows: HashMap<(&'static str, Day), TargetRows>,
}

/// The ledger of a day.
#[derive(Debug, Default)]
struct DayLedger {
    read: Vec<LedgerEntry>,
    /// By target, what was stored since.
    since: HashMap<String, LaterEntry>,
}

/// An entry of the ledger that was stored after the ledger was read.
#[derive(Debug)]
struct LaterEntry {
    change: ChangeCount,
    /// Whether what was read of the same definition counts with it: another definition did not come between.
    joins: bool,
    entry: LedgerEntry,
}

/// The rows of targets by the labels that these name, each with the change that stored them.
type TargetRows = HashMap<Vec<String>, (ChangeCount, Vec<Row>)>;

impl Recollection {
    /// How many changes were stored so far.
    pub(super) fn changes(&self) -> ChangeCount {
        self.changes
    }

    /// Remembers these days of a source from now on, and forgets all others.
    pub(super) fn keep_days(&mut self, key: SourceKey, days: &[Day]) {
        let source = self.sources.entry(key).or_default();
        source.ledgers.retain(|day, _| days.contains(day));
        source.rows.retain(|(_, day), _| days.contains(day));
        for day in days {
            source.ledgers.entry(*day).or_default();
        }
    }

    /// Remembers what the ledger of `day` was when `before` changes had been stored.
    pub(super) fn ledger_was_read(&mut self, key: &SourceKey, day: Day, before: ChangeCount, read: &[LedgerEntry]) {
        let source = self.sources.get_mut(key);
        let Some(ledger) = source.and_then(|source| source.ledgers.get_mut(&day)) else { return };
        ledger.read = read.to_vec();
        ledger.since.retain(|_, later| later.change > before);
    }

    /// The ledger of a source on `days`, as far as it is remembered.
    pub(super) fn ledger(&self, key: &SourceKey, days: Days) -> Vec<LedgerEntry> {
        let Some(source) = self.sources.get(key) else { return Vec::new() };
        source.ledgers.range(days.first..=days.last).flat_map(|(_, ledger)| ledger.entries()).collect()
    }

    /// Notes that a page with the rows of `table` on `day` was read when `before` changes had been stored.
    pub(super) fn rows_were_read(&mut self, table: &Table, account: &str, day: Day, before: ChangeCount) {
        let sources = self.sources.iter_mut().filter(|((_, owner), _)| owner == account);
        for (_, source) in sources {
            let key = (table.prefix, day);
            let Some(rows) = source.rows.get_mut(&key) else { continue };
            rows.retain(|_, (change, _)| *change > before);
            if rows.is_empty() {
                source.rows.remove(&key);
            }
        }
    }

    /// The rows of a page of `day`, with those that were stored since in the place of what their targets had.
    pub(super) fn over_rows(&self, table: &Table, account: &str, day: Day, rows: &mut Vec<Row>) {
        let sources = self.sources.iter().filter(|((_, owner), _)| owner == account);
        let stored = sources.filter_map(|(_, source)| source.rows.get(&(table.prefix, day))).flatten();
        rows_over(stored.map(|(labels, (_, rows))| (labels.as_slice(), rows.as_slice())).collect(), rows);
    }

    /// Remembers what a list held when it was read.
    pub(super) fn list_was_read(&mut self, keys: [String; 3], list: Option<(Day, Arc<Vec<ListEntry>>)>) {
        match list {
            Some(list) => self.lists.insert(keys, list),
            None => self.lists.remove(&keys),
        };
    }

    /// A list, where it is remembered.
    pub(super) fn list(&self, keys: &[String; 3]) -> Option<(Day, Arc<Vec<ListEntry>>)> {
        self.lists.get(keys).cloned()
    }

    /// Remembers the names that an info metric had when they were read.
    pub(super) fn names_were_read(&mut self, info: &str, account: &str, names: &[(Day, ListEntry)]) {
        let names = names.iter().map(|(day, name)| (name.id.clone(), (*day, name.clone()))).collect();
        self.names.insert((info.to_owned(), account.to_owned()), names);
    }

    /// The names of an info metric, as far as they are remembered.
    pub(super) fn names(&self, info: &str, account: &str) -> Vec<(Day, ListEntry)> {
        let names = self.names.get(&(info.to_owned(), account.to_owned()));
        names.map(|names| names.values().cloned().collect()).unwrap_or_default()
    }

    /// Forgets the names of the account's people: those of `infos`, and those in lists.
    pub(super) fn forget_names(&mut self, account: &str, infos: &[&str]) {
        self.names.retain(|(info, owner), _| owner != account || !infos.contains(&info.as_str()));
        self.lists.retain(|[_, owner, key], _| owner != account || !lists_people(key));
    }

    /// Forgets all lists and names.
    pub(super) fn forget_lists(&mut self) {
        self.lists.clear();
        self.names.clear();
    }

    /// Remembers the state that a source had when it was read.
    pub(super) fn status_was_read(&mut self, key: SourceKey, status: Option<&SourceState>) {
        match status {
            Some(status) => self.statuses.insert(key, status.clone()),
            None => self.statuses.remove(&key),
        };
    }

    /// The state of a source, where it is remembered.
    pub(super) fn status(&self, key: &SourceKey) -> Option<SourceState> {
        self.statuses.get(key).cloned()
    }

    /// Remembers a change that was stored.
    pub(super) fn change_was_stored(&mut self, change: &Change) {
        self.changes += 1;
        match change {
            Change::Answers { source, account, at, answers } => {
                let Some(source) = self.sources.get_mut(&(*source, account.clone())) else { return };
                for answer in answers {
                    source.answer_was_stored(answer, *at, self.changes);
                }
            }
            Change::List { keys, day, list } => {
                if self.lists.get(keys).is_none_or(|(before, _)| before <= day) {
                    self.lists.insert(keys.clone(), (*day, Arc::clone(list)));
                }
            }
            Change::Names { info, account, day, names } => {
                let known = self.names.entry(((*info).to_owned(), account.clone())).or_default();
                for name in names {
                    if known.get(&name.id).is_none_or(|(before, _)| before <= day) {
                        known.insert(name.id.clone(), (*day, name.clone()));
                    }
                }
            }
            Change::Status { source, account, status } => {
                self.statuses.insert((source, account.clone()), status.clone());
            }
        }
    }

    /// Remembers answers that had waited, and were stored.
    pub(super) fn waiting_were_stored(&mut self, key: &SourceKey, answers: &DayAnswers) {
        self.changes += 1;
        let Some(source) = self.sources.get_mut(key) else { return };
        for (day, answer) in answers {
            source.note(answer.entry(*day), answer.joins, self.changes);
        }
    }
}

impl SourceRecollection {
    fn answer_was_stored(&mut self, answer: &TargetAnswer, at: Timestamp, change: ChangeCount) {
        for entry in answer.entries(at) {
            self.note(entry, true, change);
        }
        // No page is made of the days before, which the platform restates.
        let (Ok(rows), day) = (&answer.rows, answer.days.last) else { return };
        if self.ledgers.contains_key(&day) {
            let rows = rows.iter().filter(|row| answer.day_of(row) == day).map(|row| Row { day, ..row.clone() });
            let of_table = self.rows.entry((answer.target.table.prefix, day)).or_default();
            of_table.insert(answer.target.labels.clone(), (change, rows.collect()));
        }
    }

    fn note(&mut self, mut entry: LedgerEntry, mut joins: bool, change: ChangeCount) {
        let Some(ledger) = self.ledgers.get_mut(&entry.day) else { return };
        if let Some(before) = ledger.since.get(&entry.target) {
            let same = before.entry.definition == entry.definition;
            if same && joins {
                entry.first_at = before.entry.first_at;
                entry.answers = entry.answers.saturating_add(before.entry.answers);
            }
            joins &= before.joins && same;
        }
        ledger.since.insert(entry.target.clone(), LaterEntry { change, joins, entry });
    }
}

impl DayLedger {
    /// What was read, with what was stored since in its place.
    fn entries(&self) -> Vec<LedgerEntry> {
        let mut entries = self.read.clone();
        let mut since: HashMap<_, _> = self.since.iter().collect();
        for before in &mut entries {
            let Some(later) = since.remove(&before.target) else { continue };
            let mut now = later.entry.clone();
            if later.joins && before.definition == now.definition {
                now.first_at = before.first_at;
                now.answers = now.answers.saturating_add(before.answers);
            }
            *before = now;
        }
        entries.extend(since.into_values().map(|later| later.entry.clone()));
        entries
    }
}
