//! What can't be stored now: kept in memory, shown as if it were stored, and stored when the file can be written again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::change::Change;
use super::entry::PendingAnswer;
use super::error::StoreError;
use super::{DayState, LedgerEntry, SourceState, TargetAnswer};
use crate::day::{Day, Days};
use crate::sample::Row;
use crate::source::{ListEntry, Table};

/// The most answers (of a target on a day) that are kept: some 400 bytes each. Beyond it the oldest days go.
const MOST_ANSWERS: usize = 400_000;

/// So many of the newest days of a source are never dropped: they are what its page shows.
const DAYS_TO_SHOW: usize = 2;

/// A source of an account.
pub(super) type SourceKey = (&'static str, String);

/// What waits of a source, by day and key of the target.
type AnswersByDay = BTreeMap<Day, HashMap<String, Arc<PendingAnswer>>>;

/// Answers with their days.
pub(super) type DayAnswers = Vec<(Day, Arc<PendingAnswer>)>;

/// Names by id, and the days that they are of.
pub(super) type NamesById = BTreeMap<String, (Day, ListEntry)>;

/// Why the file can't be written, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct PendingAnswers {
    /// Why; `None` while all is well.
    cause: Option<StoreError>,
    answers: HashMap<SourceKey, AnswersByDay>,
    count: usize,
    /// Whether days were dropped, as there were too many.
    dropped: bool,
    /// The newest of each list, name and status, and the day that it is of.
    lists: HashMap<[String; 3], Arc<Change>>,
    names: HashMap<(&'static str, String), NamesById>,
    statuses: HashMap<SourceKey, SourceState>,
}

impl PendingAnswers {
    /// Why the file can't be written.
    pub(super) fn cause(&self) -> Option<&StoreError> {
        self.cause.as_ref()
    }

    /// Whether what is to be stored has to wait.
    pub(super) fn waits(&self) -> bool {
        self.cause.is_some()
    }

    /// Notes why the file can't be written, and keeps what could not be; tells whether that is news.
    pub(super) fn begin(&mut self, cause: StoreError, first: Option<&Arc<Change>>) -> bool {
        if let Some(first) = first {
            self.keep(first);
        }
        let news =
            self.cause.as_ref().is_none_or(|before| std::mem::discriminant(before) != std::mem::discriminant(&cause));
        self.cause = Some(cause);
        news
    }

    /// Notes that the file can be written, where nothing waits any more; tells whether that is so.
    pub(super) fn end(&mut self) -> bool {
        let empty = self.is_empty();
        if empty {
            self.cause = None;
            self.dropped = false;
        }
        empty
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.lists.is_empty() && self.names.is_empty() && self.statuses.is_empty()
    }

    /// How many answers wait.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Keeps a change.
    pub(super) fn keep(&mut self, change: &Arc<Change>) {
        match &**change {
            Change::Answers { source, account, at, answers } => {
                for answer in answers {
                    self.keep_answer((source, account), *at, answer);
                }
                self.drop_oldest(MOST_ANSWERS);
            }
            Change::List { keys, day, .. } => {
                let kept = self.lists.entry(keys.clone()).or_insert_with(|| Arc::clone(change));
                if matches!(&**kept, Change::List { day: before, .. } if before <= day) {
                    *kept = Arc::clone(change);
                }
            }
            Change::Names { info, account, day, names } => {
                let kept = self.names.entry((info, account.clone())).or_default();
                for name in names {
                    if kept.get(&name.id).is_none_or(|(before, _)| before <= day) {
                        kept.insert(name.id.clone(), (*day, name.clone()));
                    }
                }
            }
            Change::Status { source, account, status } => {
                self.statuses.insert((source, account.clone()), status.clone());
            }
        }
    }

    fn keep_answer(&mut self, (source, account): (&'static str, &str), at: Timestamp, answered: &TargetAnswer) {
        let target = &answered.target;
        let key = target.key();
        let by_day = self.answers.entry((source, account.to_owned())).or_default();
        for DayState { day, state, code } in answered.states() {
            let of_this_day = |row: &Row| (answered.day_of(row) == day).then(|| Row { day, ..row.clone() });
            let rows = answered.rows.as_ref().ok().map(|rows| rows.iter().filter_map(of_this_day).collect());
            let of_day = by_day.entry(day).or_default();
            let before = of_day.get(&key);
            self.count += usize::from(before.is_none());
            let same = before.filter(|before| before.target.definition == target.definition);
            let answer = PendingAnswer {
                target: Arc::clone(target),
                state,
                code,
                first_at: same.map_or(at, |same| same.first_at),
                last_at: at,
                answers: same.map_or(1, |same| same.answers.saturating_add(1)),
                joins: before.is_none_or(|before| before.joins && same.is_some()),
                rows: rows.map(|rows| (at, rows)).or_else(|| before.and_then(|before| before.rows.clone())),
            };
            of_day.insert(key.clone(), Arc::new(answer));
        }
    }

    /// Drops the oldest days, where more than `most` answers are kept.
    pub(super) fn drop_oldest(&mut self, most: usize) {
        while self.count > most {
            let droppable = self.answers.iter_mut().filter(|(_, days)| days.len() > DAYS_TO_SHOW);
            let oldest = droppable.min_by_key(|(_, days)| days.keys().next().copied());
            let Some((_, answers)) = oldest.and_then(|(_, days)| days.pop_first()) else { return };
            self.count -= answers.len();
            if !std::mem::replace(&mut self.dropped, true) {
                tracing::warn!(
                    "more than {most} answers wait to be stored: the oldest days are dropped; backfill can fetch them"
                );
            }
        }
    }

    /// The ledger's entries `stored`, with those that wait in their place.
    pub(super) fn over_answers(&self, source: &str, account: &str, days: Days, stored: &mut Vec<LedgerEntry>) {
        let Some(by_day) = self.of_source(source, account) else { return };
        for (day, answers) in by_day.range(days.first..=days.last) {
            let mut waiting: HashMap<&str, _> = answers.iter().map(|(key, answer)| (key.as_str(), answer)).collect();
            for before in stored.iter_mut().filter(|before| before.day == *day) {
                let Some(answer) = waiting.remove(before.target.as_str()) else { continue };
                let mut now = answer.entry(*day);
                if answer.joins && before.definition == now.definition {
                    now.first_at = before.first_at;
                    now.answers = now.answers.saturating_add(before.answers);
                }
                *before = now;
            }
            stored.extend(waiting.into_values().map(|answer| answer.entry(*day)));
        }
        stored.sort_by_key(|answer| answer.day);
    }

    /// The rows `stored` of a day, with those that wait in the place of what their targets had.
    pub(super) fn over_rows(&self, table: &Table, account: &str, day: Day, stored: &mut Vec<Row>) {
        let all = self.answers.iter().filter(|((_, owner), _)| owner == account);
        let of_day = all.filter_map(|(_, by_day)| by_day.get(&day)).flatten();
        let with_rows = of_day.filter(|(_, answer)| answer.target.table.prefix == table.prefix);
        let waiting = with_rows
            .filter_map(|(_, answer)| Some((answer.target.labels.as_slice(), answer.rows.as_ref()?.1.as_slice())));
        rows_over(waiting.collect(), stored);
    }

    /// The list that waits under platform, account and key, unless the `stored` one is newer.
    pub(super) fn over_list(&self, keys: &[String; 3], stored: &mut Option<(Day, Arc<Vec<ListEntry>>)>) {
        if let Some(Change::List { day, list, .. }) = self.lists.get(keys).map(|change| &**change)
            && stored.as_ref().is_none_or(|(before, _)| before <= day)
        {
            *stored = Some((*day, Arc::clone(list)));
        }
    }

    /// The names `stored`, with those that wait and are not older, ordered by id.
    pub(super) fn over_names(&self, info: &str, account: &str, stored: Vec<(Day, ListEntry)>) -> Vec<ListEntry> {
        let mut all: BTreeMap<_, _> = stored.into_iter().map(|(day, name)| (name.id.clone(), (day, name))).collect();
        let waiting = self.names.iter().filter(|((of, owner), _)| *of == info && owner == account);
        for (id, (day, name)) in waiting.flat_map(|(_, names)| names) {
            if all.get(id).is_none_or(|(before, _)| before <= day) {
                all.insert(id.clone(), (*day, name.clone()));
            }
        }
        all.into_values().map(|(_, name)| name).collect()
    }

    /// The state of the source that waits.
    pub(super) fn status(&self, source: &str, account: &str) -> Option<SourceState> {
        let mut waiting = self.statuses.iter().filter(|((name, owner), _)| *name == source && owner == account);
        waiting.next().map(|(_, status)| status.clone())
    }

    fn of_source(&self, source: &str, account: &str) -> Option<&AnswersByDay> {
        self.answers.iter().find(|((name, owner), _)| *name == source && owner == account).map(|(_, days)| days)
    }

    /// What waits of one source, if anything does.
    pub(super) fn some_answers(&self) -> Option<(SourceKey, DayAnswers)> {
        let (key, days) = self.answers.iter().next()?;
        let answers = days.iter().flat_map(|(day, answers)| answers.values().map(|answer| (*day, Arc::clone(answer))));
        Some((key.clone(), answers.collect()))
    }

    /// Forgets what was stored of `some_answers`, unless it has changed since.
    pub(super) fn forget_answers(&mut self, key: &SourceKey, stored: &[(Day, Arc<PendingAnswer>)]) {
        let Some(days) = self.answers.get_mut(key) else { return };
        for (day, answer) in stored {
            let Some(of_day) = days.get_mut(day) else { continue };
            let target = answer.target.key();
            if of_day.get(&target).is_some_and(|now| Arc::ptr_eq(now, answer)) {
                of_day.remove(&target);
                self.count -= 1;
            }
        }
        days.retain(|_, answers| !answers.is_empty());
        if days.is_empty() {
            self.answers.remove(key);
        }
    }

    /// All that waits beside answers; it is little.
    pub(super) fn rest(&self) -> Vec<Arc<Change>> {
        let mut rest: Vec<_> = self.lists.values().map(Arc::clone).collect();
        for ((info, account), names) in &self.names {
            let mut by_day: BTreeMap<Day, Vec<ListEntry>> = BTreeMap::new();
            for (day, name) in names.values() {
                by_day.entry(*day).or_default().push(name.clone());
            }
            rest.extend(
                by_day
                    .into_iter()
                    .map(|(day, names)| Arc::new(Change::Names { info, account: account.clone(), day, names })),
            );
        }
        for ((source, account), status) in &self.statuses {
            rest.push(Arc::new(Change::Status { source, account: account.clone(), status: status.clone() }));
        }
        rest
    }

    /// Forgets what was stored of `rest`, unless it has changed since.
    pub(super) fn forget_rest(&mut self, stored: &[Arc<Change>]) {
        for change in stored {
            match &**change {
                Change::Answers { .. } => {}
                Change::List { keys, .. } => {
                    if self.lists.get(keys).is_some_and(|now| Arc::ptr_eq(now, change)) {
                        self.lists.remove(keys);
                    }
                }
                Change::Names { info, account, day, names } => {
                    let key = (*info, account.clone());
                    let Some(kept) = self.names.get_mut(&key) else { continue };
                    for name in names {
                        if kept.get(&name.id).is_some_and(|(of, now)| of == day && now == name) {
                            kept.remove(&name.id);
                        }
                    }
                    if kept.is_empty() {
                        self.names.remove(&key);
                    }
                }
                Change::Status { source, account, status } => {
                    let key = (*source, account.clone());
                    if self.statuses.get(&key) == Some(status) {
                        self.statuses.remove(&key);
                    }
                }
            }
        }
    }
}

/// Puts the rows of targets, by the labels that these name, in the place of what the targets had among `rows`.
pub(super) fn rows_over(newer: HashMap<&[String], &[Row]>, rows: &mut Vec<Row>) {
    if newer.is_empty() {
        return;
    }
    rows.retain(|row| !(0..=row.labels.len()).any(|count| newer.contains_key(&row.labels[..count])));
    rows.extend(newer.into_values().flatten().cloned());
    rows.sort_by(|one, other| one.labels.cmp(&other.labels));
}
