//! What is known of each target for one day, and so what to ask next and whether the day may be shown.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::day::Day;
use crate::source::{Table, Target};
use crate::store::{Answer, AnswerState};
use crate::telemetry::TargetCounts;

/// How long after a target's first answer it is asked again: early zeros are known to be corrected.
pub(crate) const FIRST_REFRESH: Duration = Duration::from_hours(1);

/// How often a day is asked again for which nobody has data yet.
const NOT_PRODUCED: Duration = Duration::from_mins(30);

/// An answer that came later than now by more than this came while the clock was ahead, maybe before there were figures.
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
    targets: Vec<Entry>,
    index: HashMap<String, usize>,
    /// What tells whether another ledger is of the same targets.
    pub(super) identity: u64,
}

#[derive(Debug)]
struct Entry {
    target: Arc<Target>,
    parent: Option<usize>,
    answer: Option<Answer>,
    /// Whether there are figures on any day of the span that is asked for.
    figures: bool,
    failed: bool,
}

impl Ledger {
    /// The ledger of `targets`, parents before their children, for `day`; a question covers `lookback` days.
    pub(super) fn new(day: Day, lookback: u32, targets: Vec<Target>) -> Self {
        let keys: Vec<_> = targets.iter().map(Target::key).collect();
        let mut hasher = DefaultHasher::new();
        targets.iter().zip(&keys).for_each(|(target, key)| (key, &target.definition).hash(&mut hasher));
        let index: HashMap<_, _> = keys.iter().enumerate().map(|(n, key)| (key.clone(), n)).collect();
        let entries = targets.into_iter().enumerate().map(|(n, target)| Entry {
            // Parents come first; what a broken list makes its own ancestor has no parent.
            parent: target.after.as_ref().and_then(|key| index.get(key).copied()).filter(|parent| *parent < n),
            target: Arc::new(target),
            answer: None,
            figures: false,
            failed: false,
        });
        Self { day, lookback, targets: entries.collect(), index, identity: hasher.finish() }
    }

    /// Takes up an answer, where it is of a target as it is now defined.
    pub(super) fn note(&mut self, answer: Answer) {
        let Some(entry) = self.index.get(&answer.target).map(|n| &mut self.targets[*n]) else { return };
        if entry.target.definition != answer.definition {
            return;
        }
        // A week's last day is among the days that are looked up, but says nothing about the children's day.
        let asked = entry.target.days(self.day, self.lookback).contains(answer.day);
        entry.figures |= asked && answer.state == AnswerState::Ok;
        if answer.day == entry.target.day(self.day) {
            entry.failed = false;
            entry.answer = Some(answer);
        }
    }

    /// Forgets that there are figures of the target, before the answers of a new request are noted.
    pub(super) fn renew(&mut self, key: &str) {
        if let Some(n) = self.index.get(key) {
            self.targets[*n].figures = false;
        }
    }

    /// Notes that no usable answer came for the target; an earlier answer stays.
    pub(super) fn fail(&mut self, key: &str) {
        if let Some(n) = self.index.get(key) {
            self.targets[*n].failed = true;
        }
    }

    /// The keys of the targets that failed when they were last asked.
    pub(super) fn failed(&self) -> impl Iterator<Item = &str> {
        self.index.iter().filter(|(_, n)| self.targets[**n].failed).map(|(key, _)| key.as_str())
    }

    /// What is known of each target.
    fn states(&self) -> Vec<State> {
        let mut states: Vec<State> = Vec::with_capacity(self.targets.len());
        for entry in &self.targets {
            let inherited = entry.parent.and_then(|parent| match states[parent] {
                // Its figures are part of the parent's, of which there are none.
                State::NoData if !self.targets[parent].figures => Some(State::NoData),
                State::Refused => Some(State::Refused),
                _ => None,
            });
            let own = match &entry.answer {
                Some(answer) => match answer.state {
                    AnswerState::Ok => State::Ok,
                    AnswerState::NoData => State::NoData,
                    AnswerState::Refused => State::Refused,
                },
                None if entry.failed => State::Failed,
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

    /// Whether there is nobody to ask about.
    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The targets to ask at `now`, without those `asked` already: the ones without an answer, then those due for a
    /// refresh.
    ///
    /// One below a target that is itself due, or that has no figures, is left for a later call.
    pub(super) fn due(
        &self,
        now: Timestamp,
        refresh: Duration,
        produced: bool,
        asked: &HashSet<String>,
    ) -> Vec<Arc<Target>> {
        let unproduced = !produced && nobody_has_data(&self.counts());
        let wait = |answer: &Answer| match answer.state {
            AnswerState::NoData if unproduced => NOT_PRODUCED,
            _ if answer.answers <= 1 => FIRST_REFRESH,
            _ => refresh,
        };
        let mut waits = Vec::with_capacity(self.targets.len());
        let (mut first, mut refreshes) = (Vec::new(), Vec::new());
        for entry in &self.targets {
            let parent = entry.parent.map(|n| &self.targets[n]);
            let blocked = entry.parent.is_some_and(|n| waits[n]) || parent.is_some_and(|parent| !parent.figures);
            let due = match &entry.answer {
                None => true,
                Some(answer) => {
                    let refresh = answer.last_at.checked_add(wait(answer)).is_ok_and(|due| due <= now);
                    refresh || answer.last_at.duration_since(now) > CLOCK_AHEAD
                }
            } && !asked.contains(&entry.target.key());
            waits.push(due || entry.parent.is_some_and(|n| waits[n]));
            if due && !blocked {
                if entry.answer.is_none() { &mut first } else { &mut refreshes }.push(Arc::clone(&entry.target));
            }
        }
        first.append(&mut refreshes);
        first
    }

    /// The days under which figures of these targets are kept, each once.
    pub(super) fn days(&self) -> Vec<Day> {
        kept_days(self.targets.iter().map(|entry| &*entry.target), self.day)
    }

    /// A test for rows of `table`, by labels and the day that they are kept under: whether their target is ok.
    pub(super) fn shown(&self, table: &'static Table) -> impl Fn(&[String], Day) -> bool {
        let states = self.states();
        move |labels, day| {
            // A target has all labels of its rows, or all but the one that rows bring.
            let whole = labels.len();
            [whole, whole.saturating_sub(1)].iter().any(|count| {
                let key = Target::key_of(table, &labels[..*count]);
                let ok = |n: &usize| states[*n] == State::Ok && self.targets[*n].target.day(self.day) == day;
                self.index.get(&key).is_some_and(ok)
            })
        }
    }

    /// All values of labels of all targets.
    pub(super) fn ids(&self) -> HashSet<&str> {
        self.targets.iter().flat_map(|entry| &entry.target.labels).map(String::as_str).collect()
    }
}

/// The days under which figures of `targets` are kept when `day` is the target day, each once.
pub(super) fn kept_days<'a>(targets: impl IntoIterator<Item = &'a Target>, day: Day) -> Vec<Day> {
    let days: BTreeSet<_> = targets.into_iter().map(|target| target.day(day)).collect();
    days.into_iter().collect()
}

/// Whether no target is known to have figures, though the platform answered for some.
pub(super) fn nobody_has_data(counts: &TargetCounts) -> bool {
    counts.ok == 0 && counts.no_data > 0
}

/// Whether the day of these targets may take the page's place, at a time when `late` tells that `flip_after` has passed.
pub(super) fn may_flip(counts: &TargetCounts, late: bool) -> bool {
    let settled = counts.failed == 0 && counts.pending == 0;
    if late { settled || counts.ok > 0 } else { settled && !nobody_has_data(counts) }
}

#[cfg(test)]
mod tests;
