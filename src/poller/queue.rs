//! What a round asks, in which groups, and when it is not worth asking more.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ask::{Answers, Halving};
use super::ledger::{Grouping, Ledger};
use super::runner::UNAVAILABLE_IN_A_ROW;
use super::targets::batches;
use crate::client::Failure;
use crate::config::SourceConfig;
use crate::day::Days;
use crate::source::Target;

/// Targets of one table that are asked together.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) targets: Vec<Arc<Target>>,
    pub(super) days: Days,
    pub(super) grouping: Grouping,
}

/// What is still to be asked, and whether it is worth asking.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) questions: VecDeque<Question>,
    /// Why nothing more is asked.
    pub(super) ended: Option<Failure>,
    /// Whether what failed before failed again for all of a question: what is wrong is no target of it.
    hopeless: bool,
}

impl Queue {
    /// Notes the `answers` to a question of `grouping`, after which so many in a row could not be answered: ends the round
    /// where there is no hope for the rest, as all of a source goes to the same account and API.
    pub(super) fn note(&mut self, answers: &Answers, grouping: Grouping, unavailable: usize) {
        let all_failed = answers.failed.len() > 1 && answers.answered.is_empty();
        self.hopeless |= grouping == Grouping::Failed && all_failed;
        let Some((_, failure)) = answers.failed.last() else { return };
        let hopeless = matches!(failure, Failure::Denied(_) | Failure::Throttled(_));
        if hopeless || unavailable >= UNAVAILABLE_IN_A_ROW {
            self.ended.get_or_insert_with(|| failure.clone());
            self.questions.clear();
        }
    }

    /// Which batches of a question of `grouping` are halved.
    pub(super) fn halving(&self, grouping: Grouping) -> Halving {
        if grouping == Grouping::Failed && !self.hopeless { Halving::Failed } else { Halving::Refused }
    }
}

/// The targets in the groups in which they are asked together.
pub(super) fn questions(
    config: &SourceConfig,
    due: Vec<(Arc<Target>, Grouping)>,
    ledger: &Ledger,
) -> VecDeque<Question> {
    let with_days = |(target, grouping): (Arc<Target>, Grouping)| {
        let days = target.days(ledger.day, config.lookback_days);
        (target, days, grouping)
    };
    // Those that are asked alone don't part the others.
    let (alone, together): (Vec<_>, Vec<_>) =
        due.into_iter().map(with_days).partition(|(_, _, grouping)| *grouping == Grouping::Alone);
    let most = config.source.api().batch;
    let batches = batches(together, most, |(target, ..)| target, |(_, days, grouping)| (*days, *grouping));
    let question = |batch: Vec<(Arc<Target>, Days, Grouping)>| {
        let (_, days, grouping) = batch[0];
        Question { targets: batch.into_iter().map(|(target, ..)| target).collect(), days, grouping }
    };
    let mut questions: VecDeque<Question> = batches.into_iter().map(question).collect();
    let first_failed = questions.iter().position(|question| question.grouping == Grouping::Failed);
    let place = first_failed.unwrap_or(questions.len());
    for (n, one) in alone.into_iter().enumerate() {
        questions.insert(place + n, question(vec![one]));
    }
    questions
}
