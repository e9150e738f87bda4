//! What the store lacks of one source's days, and the fewest calls that fetch it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::SourceConfig;
use crate::day::{Cycle, Day, Days};
use crate::poller::{FIRST_REFRESH, TargetTree, batches, scattered};
use crate::source::{Paging, Subject, Target};
use crate::store::{AnswerState, DayState, Store, StoreError, TargetAnswer};

/// The days of a source that can be asked for at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest day that the platform keeps, where it says so.
    pub oldest: Option<Day>,
    /// How many days that are, to yesterday.
    pub keeps: u32,
    /// The newest day that is ready.
    pub newest: Day,
}

/// Why days can't be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    /// The platform has dropped some of them.
    #[error("the platform keeps {keeps} days, so that its oldest day today is {oldest}")]
    TooOld {
        /// How many days it keeps.
        keeps: u32,
        /// The oldest that it has.
        oldest: Day,
    },
    /// None of them is ready.
    #[error("its newest day that is ready is {newest}")]
    NotReady {
        /// That day.
        newest: Day,
    },
}

impl Bounds {
    /// The bounds of `config` at `now`.
    #[must_use]
    pub fn of(config: &SourceConfig, now: Timestamp) -> Self {
        let today = Day::containing(now, &config.schedule.zone);
        let keeps = config.source.api().keeps_days;
        let oldest = keeps.map(|keeps| today.plus(-i64::from(keeps)));
        Self { oldest, keeps: keeps.unwrap_or(0), newest: config.schedule.target_day(now) }
    }

    /// Those of `days` that are ready.
    ///
    /// # Errors
    /// [`OutOfBounds`] where the first is older than the platform keeps, or none is ready.
    pub fn clip(&self, days: Days) -> Result<Days, OutOfBounds> {
        if let Some(oldest) = self.oldest
            && days.first < oldest
        {
            return Err(OutOfBounds::TooOld { keeps: self.keeps, oldest });
        }
        if days.first > self.newest {
            return Err(OutOfBounds::NotReady { newest: self.newest });
        }
        Ok(Days { first: days.first, last: days.last.min(self.newest) })
    }
}

/// How many calls a plan takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallEstimate {
    /// The calls that are made in any case.
    pub sure: u64,
    /// The most that are made for subjects below others, which are asked only on days on which those have figures.
    pub below: u64,
    /// Whether an answer may come in several pages, which are calls of their own.
    pub paged: bool,
}

impl CallEstimate {
    /// The most calls.
    #[must_use]
    pub fn most(self) -> u64 {
        self.sure + self.below
    }
}

/// What the store lacks of one source on some days.
#[derive(Debug)]
pub struct Plan {
    pub(super) config: SourceConfig,
    /// The days, all of them ready.
    pub(super) days: Days,
    tree: TargetTree,
    /// What is known of each target, by its place in the tree.
    entries: Vec<PlanEntry>,
}

/// What is known of a target on each of the plan's days.
#[derive(Clone, Debug)]
struct PlanEntry {
    /// Whether the platform refuses it, by its newest answer.
    refused: bool,
    answered: Vec<bool>,
    figures: Vec<bool>,
}

/// Some targets, by their places in the plan, and the days to ask about them in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) targets: Vec<usize>,
    pub(super) days: Days,
}

impl Plan {
    /// Reads the ledger in `store` for `targets` (parents before their children) on `days`, all of them ready.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn new(
        store: &Store,
        config: SourceConfig,
        targets: Vec<Target>,
        days: Days,
        newest: Day,
    ) -> Result<Self, StoreError> {
        let mut plan = Self::empty(config, targets, days);
        let (api, account) = (plan.config.source.api(), plan.config.account.name.clone());
        // A day at a time, newest last: the ledger of half a year of a large company does not go into memory.
        for day in (Days { first: days.first, last: newest }).iter() {
            // Answers from before this may hold zeros that the platform has corrected since, or days that it had not
            // computed yet.
            let early = plan.config.schedule.ready(day).checked_add(FIRST_REFRESH).unwrap_or(Timestamp::MAX);
            for answer in store.answers(api.name, &account, Days::one(day)).await? {
                let Some(place) = plan.tree.place(&answer.target) else { continue };
                if plan.tree.target(place).definition == answer.definition {
                    let planned = &mut plan.entries[place];
                    planned.refused = answer.state == AnswerState::Refused;
                    if let (Some(n), false) = (offset(days, day), planned.refused) {
                        planned.answered[n] = answer.last_at >= early;
                        planned.figures[n] = answer.state == AnswerState::Ok;
                    }
                }
            }
        }
        Ok(plan)
    }

    fn empty(config: SourceConfig, targets: Vec<Target>, days: Days) -> Self {
        let none = vec![false; days.count() as usize];
        let entries = vec![PlanEntry { refused: false, answered: none.clone(), figures: none }; targets.len()];
        Self { config, days, tree: TargetTree::new(targets), entries }
    }

    /// The source's name and its account.
    #[must_use]
    pub fn name(&self) -> (&'static str, &str) {
        (self.config.source.api().name, &self.config.account.name)
    }

    /// The configuration of the source.
    #[must_use]
    pub fn config(&self) -> &SourceConfig {
        &self.config
    }

    /// The days.
    #[must_use]
    pub fn days(&self) -> Days {
        self.days
    }

    /// How many targets there are, and how many of them the platform refuses, which are not asked.
    #[must_use]
    pub fn targets(&self) -> (usize, usize) {
        (self.entries.len(), self.entries.iter().filter(|planned| planned.refused).count())
    }

    /// How many calls the plan takes.
    #[must_use]
    pub fn calls(&self) -> CallEstimate {
        let api = self.config.source.api();
        let sum = |depth| self.questions(depth, false).iter().map(|question| self.cost(question)).sum::<u64>();
        let lists = |target: &Arc<Target>| target.subject == Subject::Listed;
        CallEstimate {
            sure: sum(0),
            below: (1..=self.deepest()).map(sum).sum(),
            paged: api.shape.paging != Paging::Single && self.tree.targets().iter().any(lists),
        }
    }

    /// The most calls for targets deeper than `depth`.
    pub(super) fn calls_below(&self, depth: usize) -> u64 {
        let sum = |depth| self.questions(depth, false).iter().map(|question| self.cost(question)).sum::<u64>();
        (depth + 1..=self.deepest()).map(sum).sum()
    }

    /// The depth of the deepest target.
    pub(super) fn deepest(&self) -> usize {
        self.tree.deepest()
    }

    /// How many calls `question` takes, without further pages.
    pub(super) fn cost(&self, question: &Question) -> u64 {
        let targets: Vec<_> = question.targets.iter().map(|place| &**self.tree.target(*place)).collect();
        self.config.source.calls(&targets, question.days, &self.config.schedule.zone).len() as u64
    }

    /// The targets of `question`, without those that are refused by now.
    pub(super) fn asked(&self, question: &Question) -> Vec<Arc<Target>> {
        let open = question.targets.iter().filter(|place| !self.entries[**place].refused);
        open.map(|place| Arc::clone(self.tree.target(*place))).collect()
    }

    /// A place for the target at `place` that has nothing to do with those of its neighbours.
    pub(super) fn scattered(&self, place: usize) -> u64 {
        scattered(self.tree.target(place))
    }

    /// The place of `target`.
    pub(super) fn place(&self, target: &Target) -> Option<usize> {
        self.tree.place(&target.key())
    }

    /// The questions for the targets at `depth`, newest days first.
    ///
    /// Below others, only days on which these have figures (`certain`), or may have as far as is known.
    pub(super) fn questions(&self, depth: usize, certain: bool) -> Vec<Question> {
        let days_per_call = self.config.source.api().days_per_call;
        let mut possible: Vec<Vec<bool>> = Vec::new();
        let mut asked: Vec<(Days, usize)> = Vec::new();
        for (place, planned) in self.entries.iter().enumerate() {
            let wanted: Vec<bool> = (0..self.days.count() as usize)
                .map(|n| {
                    let above = match self.tree.parent(place) {
                        None => true,
                        Some(parent) if certain => self.entries[parent].figures[n],
                        Some(parent) => possible[parent][n],
                    };
                    above && !planned.answered[n] && !planned.refused
                })
                .collect();
            if self.tree.depth(place) == depth {
                let ranges = ranges(self.days, self.tree.target(place).cycle, &wanted, days_per_call);
                asked.extend(ranges.into_iter().map(|days| (days, place)));
            }
            let may_have = wanted.iter().zip(&planned.figures).map(|(wanted, figures)| *wanted || *figures);
            possible.push(may_have.collect());
        }
        asked.sort_by_key(|(days, place)| (std::cmp::Reverse(days.last), days.first, *place));
        let most = self.config.source.api().batch;
        let asked = asked.into_iter().map(|(days, place)| (days, place, &**self.tree.target(place)));
        let question = |batch: Vec<(Days, usize, &Target)>| Question {
            days: batch[0].0,
            targets: batch.into_iter().map(|(_, place, _)| place).collect(),
        };
        let batches = batches(asked, most, |(.., target)| target, |(days, ..)| *days);
        batches.into_iter().map(question).collect()
    }

    /// Notes an answer for the target at `place`. One that the platform refuses need not be asked about other days.
    pub(super) fn note(&mut self, place: usize, answer: &TargetAnswer) {
        let planned = &mut self.entries[place];
        if answer.rows.is_err() {
            planned.refused = true;
            return;
        }
        for DayState { day, state, .. } in answer.states() {
            if let Some(n) = offset(self.days, day) {
                planned.answered[n] = true;
                planned.figures[n] = state == AnswerState::Ok;
            }
        }
    }

    /// The cycle of the targets of `question`.
    pub(super) fn cycle(&self, question: &Question) -> Cycle {
        question.targets.first().map_or(Cycle::Day, |place| self.tree.target(*place).cycle)
    }

    /// Whether anything of `cycle` was answered for a day after `day`.
    pub(super) fn has_newer(&self, cycle: Cycle, day: Day) -> bool {
        let newer = offset(self.days, day).map_or(0, |n| n + 1);
        let targets = self.tree.targets().iter().zip(&self.entries);
        let of_cycle = targets.filter(|(target, _)| target.cycle == cycle);
        of_cycle.flat_map(|(_, planned)| planned.answered.iter().skip(newer)).any(|answered| *answered)
    }
}

/// The place of `day` among `days`.
fn offset(days: Days, day: Day) -> Option<usize> {
    if days.contains(day) { usize::try_from(day.days_since(days.first)).ok() } else { None }
}

/// The fewest ranges that cover the `wanted` ones of `days`, newest first; a week or month is a range of its own.
fn ranges(days: Days, cycle: Cycle, wanted: &[bool], days_per_call: u32) -> Vec<Days> {
    let count = i64::from(days.count());
    let wanted = (0..count).zip(wanted).filter(|(_, wanted)| **wanted).map(|(n, _)| days.first.plus(n));
    let mut newest_first = wanted.collect::<Vec<_>>().into_iter().rev().peekable();
    if cycle != Cycle::Day {
        let whole = newest_first.map(|day| (day, cycle.newest_complete(day)));
        return whole.filter(|(day, period)| period.last == *day).map(|(_, period)| period).collect();
    }
    let mut ranges = Vec::new();
    while let Some(last) = newest_first.next() {
        let mut first = last;
        while let Some(day) = newest_first.next_if(|day| last.days_since(*day) < i64::from(days_per_call)) {
            first = day;
        }
        ranges.push(Days { first, last });
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(first: &str, last: &str) -> Days {
        Days { first: first.parse().unwrap(), last: last.parse().unwrap() }
    }

    #[test]
    fn half_a_year_takes_six_ranges_of_thirty_days() {
        let half = Days::ending("2026-11-19".parse().unwrap(), 180);
        let ranges = ranges(half, Cycle::Day, &[true; 180], 30);
        assert_eq!(ranges.len(), 6);
        assert_eq!(ranges[0], days("2026-10-21", "2026-11-19"));
        assert!(ranges.iter().all(|range| range.count() == 30));
    }

    #[test]
    fn answered_days_at_the_ends_of_a_range_are_left_out() {
        let span = days("2026-11-01", "2026-11-10");
        let mut wanted = [true; 10];
        for answered in [0, 4, 9] {
            wanted[answered] = false;
        }
        assert_eq!(ranges(span, Cycle::Day, &wanted, 30), [days("2026-11-02", "2026-11-09")]);
        let fours = [days("2026-11-06", "2026-11-09"), days("2026-11-02", "2026-11-04")];
        assert_eq!(ranges(span, Cycle::Day, &wanted, 4), fours);
        assert!(ranges(span, Cycle::Day, &[false; 10], 30).is_empty());
    }

    #[test]
    fn only_whole_weeks_and_months_are_asked_and_one_by_one() {
        let span = days("2026-10-25", "2026-11-15");
        let weeks = ranges(span, Cycle::Week, &[true; 22], 1);
        assert_eq!(weeks.len(), 4, "the Sundays of 25 October to 15 November: {weeks:?}");
        assert_eq!(weeks[3], days("2026-10-19", "2026-10-25"));
        assert_eq!(ranges(span, Cycle::Month, &[true; 22], 1), [days("2026-10-01", "2026-10-31")]);
    }

    #[test]
    fn days_that_are_too_old_are_refused_and_those_to_come_left_out() {
        let bounds = Bounds { oldest: "2026-05-24".parse().ok(), keeps: 180, newest: "2026-11-19".parse().unwrap() };
        assert_eq!(bounds.clip(days("2026-05-24", "2026-12-31")), Ok(days("2026-05-24", "2026-11-19")));
        assert!(matches!(bounds.clip(days("2026-05-23", "2026-11-19")), Err(OutOfBounds::TooOld { keeps: 180, .. })));
        assert!(matches!(bounds.clip(days("2026-11-20", "2026-11-20")), Err(OutOfBounds::NotReady { .. })));
    }
}
