//! What is known of each target for one day, and so what to ask next and whether the day may be shown.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::targets::TargetTree;
use super::trouble::{Memory, Trouble};
use crate::client::Failure;
use crate::day::Day;
use crate::platform::{ErrorCode, Refusal};
use crate::sample::Row;
use crate::source::{Table, Target};
use crate::store::{AnswerState, LedgerEntry};
use crate::telemetry::TargetCounts;

/// How long after a target's first answer it is asked again: early zeros are known to be corrected.
pub(crate) const FIRST_REFRESH: Duration = Duration::from_hours(1);

/// How often a day is asked again while no target has data for it.
const NOT_PRODUCED: Duration = Duration::from_mins(30);

/// An answer that came later than now by more than this came while the clock was ahead, maybe before there were
/// figures.
const CLOCK_AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// What is known of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has figures.
    Ok,
    /// The platform has none for it.
    NoData,
    /// The platform refuses it.
    Refused,
    /// It was asked, and no usable answer came.
    Failed,
    /// It was not asked.
    Pending,
}

/// The targets of one target day, and what is known of them.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The target day.
    pub(super) day: Day,
    /// How many days a question covers.
    lookback: u32,
    tree: TargetTree,
    /// What is known of each target, by its place in the tree.
    entries: Vec<Entry>,
    /// What tells whether another ledger is of the same targets.
    pub(super) identity: u64,
}

/// What is known of a target.
#[derive(Debug, Default)]
struct Entry {
    answer: Option<LedgerEntry>,
    /// Whether there are figures on any day of the span that is asked for.
    figures: bool,
    /// How it failed, where no usable answer came when it was last asked.
    trouble: Option<Trouble>,
    /// How many of its figures are left out as invalid.
    invalid: usize,
    /// The code that it was refused with for the day before.
    refused_before: Option<ErrorCode>,
}

/// How a target is asked together with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// In batches.
    Any,
    /// Alone, as it was refused last time: a batch with it would be refused again.
    Alone,
    /// In batches of those that failed last time, which are halved until what spoils them is found.
    Failed,
}

impl Ledger {
    /// The ledger of `targets`, parents before their children, for `day`; a question covers `lookback` days.
    pub(super) fn new(day: Day, lookback: u32, targets: Vec<Target>) -> Self {
        let mut hasher = DefaultHasher::new();
        targets.iter().for_each(|target| (target.key(), &target.definition).hash(&mut hasher));
        let entries = targets.iter().map(|_| Entry::default()).collect();
        Self { day, lookback, tree: TargetTree::new(targets), entries, identity: hasher.finish() }
    }

    /// The target with this key, and what is known of it.
    fn find(&mut self, key: &str) -> Option<(&Target, &mut Entry)> {
        let place = self.tree.place(key)?;
        Some((self.tree.target(place), &mut self.entries[place]))
    }

    /// Whether the target at `place` is below another that has no figures.
    fn lacks_parent_figures(&self, place: usize) -> bool {
        self.tree.parent(place).is_some_and(|parent| !self.entries[parent].figures)
    }

    /// Takes up an answer, where it is of a target as it is now defined.
    pub(super) fn note(&mut self, answer: LedgerEntry) {
        let (day, lookback) = (self.day, self.lookback);
        let Some((target, entry)) = self.find(&answer.target) else { return };
        if target.definition != answer.definition {
            return;
        }
        // A week's last day is among the days that are looked up, but says nothing about the children's day.
        let asked = target.days(day, lookback).contains(answer.day);
        entry.figures |= asked && answer.state == AnswerState::Ok;
        if answer.day == target.day(day) {
            entry.trouble = None;
            entry.answer = Some(answer);
        }
    }

    /// Takes up an answer of the day before.
    pub(super) fn note_day_before(&mut self, answer: &LedgerEntry) {
        let Some((target, entry)) = self.find(&answer.target) else { return };
        if target.definition == answer.definition && answer.state == AnswerState::Refused {
            entry.refused_before = answer.code.clone();
        }
    }

    /// Forgets what is known of the target's figures, before the answers of a new request are noted: it has so many
    /// `invalid` ones.
    pub(super) fn renew(&mut self, key: &str, invalid: usize) {
        if let Some((_, entry)) = self.find(key) {
            entry.figures = false;
            entry.invalid = invalid;
        }
    }

    /// Notes that no usable answer came for the target; an earlier answer stays.
    pub(super) fn fail(&mut self, key: &str, failure: &Failure, now: Timestamp) {
        if let Some((_, entry)) = self.find(key) {
            entry.trouble = Some(entry.trouble.take().unwrap_or_default().after(failure, now));
        }
    }

    /// The targets whose unknown code is their refusal, as others were answered: one id must not withhold a day.
    ///
    /// One that has figures of the day keeps them.
    pub(super) fn settled(&self) -> Vec<(Arc<Target>, Refusal)> {
        if !self.entries.iter().any(|entry| entry.answer.is_some() && entry.trouble.is_none()) {
            return Vec::new();
        }
        let refusal = |(target, entry): (&Arc<Target>, &Entry)| {
            let known = match &entry.answer {
                None => entry.refused_before.as_ref(),
                Some(answer) if answer.state == AnswerState::Refused => answer.code.as_ref(),
                Some(_) => return None,
            };
            let refusal = entry.trouble.as_ref()?.settled(known)?;
            Some((Arc::clone(target), refusal.clone()))
        };
        self.tree.targets().iter().zip(&self.entries).filter_map(refusal).collect()
    }

    /// Takes up what is remembered of the targets.
    pub(super) fn recall(&mut self, memory: &Memory) {
        if memory.day != Some(self.day) {
            return;
        }
        for (key, trouble) in &memory.troubles {
            if let Some((_, entry)) = self.find(key) {
                entry.trouble = Some(trouble.clone());
            }
        }
        for (key, invalid) in &memory.invalid {
            if let Some((_, entry)) = self.find(key) {
                entry.invalid = *invalid;
            }
        }
    }

    /// What is to be remembered of the targets.
    pub(super) fn memory(&self) -> Memory {
        let mut memory = Memory { day: Some(self.day), ..Memory::default() };
        for (target, entry) in self.tree.targets().iter().zip(&self.entries) {
            if let Some(trouble) = &entry.trouble {
                memory.troubles.insert(target.key(), trouble.clone());
            }
            if entry.invalid > 0 {
                memory.invalid.insert(target.key(), entry.invalid);
            }
        }
        memory
    }

    /// Whether some targets have no answer.
    pub(super) fn lacks_answers(&self) -> bool {
        self.entries.iter().any(|entry| entry.answer.is_none())
    }

    /// What is known of each target.
    fn states(&self) -> Vec<State> {
        let mut states: Vec<State> = Vec::with_capacity(self.entries.len());
        for (place, entry) in self.entries.iter().enumerate() {
            let inherited = self.tree.parent(place).and_then(|parent| match states[parent] {
                // Its figures are part of the parent's, of which there are none.
                State::NoData if !self.entries[parent].figures => Some(State::NoData),
                State::Refused => Some(State::Refused),
                _ => None,
            });
            let own = match &entry.answer {
                Some(answer) => match answer.state {
                    AnswerState::Ok => State::Ok,
                    AnswerState::NoData => State::NoData,
                    AnswerState::Refused => State::Refused,
                },
                None if entry.trouble.is_some() => State::Failed,
                None => State::Pending,
            };
            states.push(inherited.unwrap_or(own));
        }
        states
    }

    /// How many targets are in which state.
    pub(super) fn counts(&self) -> TargetCounts {
        let mut counts = TargetCounts::default();
        for state in self.states() {
            match state {
                State::Ok => counts.ok += 1,
                State::NoData => counts.no_data += 1,
                State::Refused => counts.refused += 1,
                State::Failed => counts.failed += 1,
                State::Pending => counts.pending += 1,
            }
        }
        counts
    }

    /// Whether every target was asked once; one below a target that failed can't be.
    pub(super) fn is_asked(&self) -> bool {
        let states = self.states();
        let mut unasked = vec![false; states.len()];
        (0..states.len()).all(|n| {
            unasked[n] = self.tree.parent(n).is_some_and(|parent| states[parent] == State::Failed || unasked[parent]);
            states[n] != State::Pending || unasked[n]
        })
    }

    /// Whether there are no targets.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The targets to ask at `now`, without those `asked` already: the ones never asked, then those due for a refresh,
    /// then those that failed last time, so that what the platform can't answer keeps nothing else waiting.
    ///
    /// Skip children while their parent is due or has no figures.
    pub(super) fn due(
        &self,
        now: Timestamp,
        refresh: Duration,
        produced: bool,
        asked: &HashSet<String>,
    ) -> Vec<(Arc<Target>, Grouping)> {
        let when = self.when(now, refresh, produced);
        let mut waits = Vec::with_capacity(self.entries.len());
        let (mut first, mut refreshes, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (target, entry)) in self.tree.targets().iter().zip(&self.entries).enumerate() {
            let parent_waits = self.tree.parent(place).is_some_and(|parent| waits[parent]);
            let due = when(entry) <= now && !asked.contains(&target.key());
            waits.push(due || parent_waits);
            if !due || parent_waits || self.lacks_parent_figures(place) {
                continue;
            }
            let (queue, grouping) = match (&entry.trouble, &entry.answer) {
                (Some(_), _) => (&mut failed, Grouping::Failed),
                (None, Some(answer)) if answer.state == AnswerState::Refused => (&mut refreshes, Grouping::Alone),
                (None, Some(_)) => (&mut refreshes, Grouping::Any),
                (None, None) if entry.refused_before.is_some() => (&mut first, Grouping::Alone),
                (None, None) => (&mut first, Grouping::Any),
            };
            queue.push((Arc::clone(target), grouping));
        }
        if self.entries.iter().any(|entry| entry.trouble.is_some()) {
            // Lists are ordered by department, and a part of the platform that is ill by neighbours: asked in their
            // order, they would end each round at the same place.
            first.sort_by_cached_key(|(target, _)| scattered(target));
            refreshes.sort_by_cached_key(|(target, _)| scattered(target));
        }
        first.append(&mut refreshes);
        first.append(&mut failed);
        first
    }

    /// When some target is due next, at `now` or later; `None` where there are none.
    pub(super) fn next_due(&self, now: Timestamp, refresh: Duration, produced: bool) -> Option<Timestamp> {
        let when = self.when(now, refresh, produced);
        // One below another without figures waits for that.
        let open = (0..self.entries.len()).filter(|place| !self.lacks_parent_figures(*place));
        open.map(|place| when(&self.entries[place])).min()
    }

    /// When a target is due.
    fn when(&self, now: Timestamp, refresh: Duration, produced: bool) -> impl Fn(&Entry) -> Timestamp {
        let unproduced = !produced && no_target_has_data(&self.counts());
        move |entry| {
            let answered = entry.answer.as_ref().map_or(Timestamp::MIN, |answer| {
                let wait = match answer.state {
                    AnswerState::NoData if unproduced => NOT_PRODUCED,
                    _ if answer.answers <= 1 => FIRST_REFRESH,
                    _ => refresh,
                };
                let ahead = answer.last_at.duration_since(now) > CLOCK_AHEAD;
                if ahead { Timestamp::MIN } else { answer.last_at.checked_add(wait).unwrap_or(Timestamp::MAX) }
            });
            let until = entry.trouble.as_ref().and_then(|trouble| trouble.until(now));
            until.map_or(answered, |until| until.max(answered))
        }
    }

    /// The days under which figures of these targets are kept, each once.
    pub(super) fn days(&self) -> Vec<Day> {
        self.days_at(self.day)
    }

    /// The same if `day` were the target day.
    pub(super) fn days_at(&self, day: Day) -> Vec<Day> {
        kept_days(self.tree.targets().iter().map(|target| &**target), day)
    }

    /// A test for rows of `table`, by labels and the day that they are kept under: whether their target is ok.
    pub(super) fn shown(&self, table: &'static Table) -> impl Fn(&[String], Day) -> bool {
        let states = self.states();
        move |labels, day| {
            // A target has all labels of its rows, or all but the one that rows bring.
            let whole = labels.len();
            [whole, whole.saturating_sub(1)].iter().any(|count| {
                let key = Target::key_of(table, &labels[..*count]);
                let ok = |place: usize| states[place] == State::Ok && self.tree.target(place).day(self.day) == day;
                self.tree.place(&key).is_some_and(ok)
            })
        }
    }

    /// How many targets that are ok have no row among those of `tables`.
    pub(super) fn lacking(&self, tables: &[(&'static Table, Vec<Row>)]) -> usize {
        let mut there = HashSet::new();
        for (table, rows) in tables {
            for row in rows {
                let whole = row.labels.len();
                for count in [whole, whole.saturating_sub(1)] {
                    let place = self.tree.place(&Target::key_of(table, &row.labels[..count]));
                    there.extend(place.filter(|place| self.tree.target(*place).day(self.day) == row.day));
                }
            }
        }
        let states = self.states();
        states.iter().enumerate().filter(|(place, state)| **state == State::Ok && !there.contains(place)).count()
    }

    /// All values of labels of all targets.
    pub(super) fn ids(&self) -> HashSet<&str> {
        self.tree.targets().iter().flat_map(|target| &target.labels).map(String::as_str).collect()
    }
}

/// The days under which figures of `targets` are kept when `day` is the target day, each once.
pub(super) fn kept_days<'a>(targets: impl IntoIterator<Item = &'a Target>, day: Day) -> Vec<Day> {
    let days: BTreeSet<_> = targets.into_iter().map(|target| target.day(day)).collect();
    days.into_iter().collect()
}

/// A place for the target that has nothing to do with those of its neighbours in the list.
pub(crate) fn scattered(target: &Target) -> u64 {
    let mut hasher = DefaultHasher::new();
    target.key().hash(&mut hasher);
    hasher.finish()
}

/// Whether no target is known to have figures, though the platform answered for some.
pub(super) fn no_target_has_data(counts: &TargetCounts) -> bool {
    counts.ok == 0 && counts.no_data > 0
}

/// Whether the day of these targets may be shown. `late`: `flip_after` has passed. `unprotected`: there is no page
/// whose place it would take, and every target was asked.
pub(super) fn may_flip(counts: &TargetCounts, late: bool, unprotected: bool) -> bool {
    let settled = counts.failed == 0 && counts.pending == 0;
    let enough = (late || unprotected) && counts.ok > 0;
    enough || settled && (late || !no_target_has_data(counts))
}

#[cfg(test)]
mod tests;
