//! What a round asks, in which groups, and the tasks that ask it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Context;
use super::ask::{Answers, Halving, ask};
use super::ledger::{Grouping, Ledger};
use super::targets::batches;
use crate::client::Failure;
use crate::config::SourceConfig;
use crate::day::Days;
use crate::source::Target;

/// After this many calls in a row that the platform could not answer, the round ends.
pub(crate) const UNAVAILABLE_IN_A_ROW: usize = 5;

/// Targets of one table that are asked together.
#[derive(Debug)]
pub(super) struct Question {
    targets: Vec<Arc<Target>>,
    days: Days,
    grouping: Grouping,
}

/// What is still to be asked, and whether it is worth asking.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) questions: VecDeque<Question>,
    /// How many calls in a row the platform could not answer.
    unavailable: usize,
    /// Why nothing more is asked.
    pub(super) ended: Option<Failure>,
    /// Whether what failed before failed again for all of a question: what is wrong is no target of it.
    hopeless: bool,
}

impl Queue {
    /// Ends the round where `answers` tell that there is no hope for the rest: all of the source goes to the same
    /// account and API.
    fn hear(&mut self, answers: &Answers, grouping: Grouping) {
        let all_failed = answers.failed.len() > 1 && answers.answered.is_empty();
        self.hopeless |= grouping == Grouping::Failed && all_failed;
        let failed = answers.failed.last().map(|(_, failure)| failure);
        self.unavailable = if matches!(failed, Some(Failure::Unavailable(_))) { self.unavailable + 1 } else { 0 };
        let Some(failure) = failed else { return };
        let hopeless = matches!(failure, Failure::Denied(_) | Failure::Throttled(_));
        if hopeless || self.unavailable >= UNAVAILABLE_IN_A_ROW {
            self.ended.get_or_insert_with(|| failure.clone());
            self.questions.clear();
        }
    }
}

/// The tasks that ask the questions of a queue, which don't wait for each other's answers.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) answers: mpsc::Receiver<Answers>,
    /// Each asks one question after the other until there are none.
    askers: JoinSet<()>,
}

impl InFlight {
    pub(super) fn start(context: &Context, config: &SourceConfig, queue: &Arc<Mutex<Queue>>) -> Self {
        let count = config.concurrency.min(queue.lock().questions.len()).max(1);
        let (sender, answers) = mpsc::channel(count);
        let mut askers = JoinSet::new();
        for _ in 0..count {
            let (client, config, sender) = (context.client.clone(), config.clone(), sender.clone());
            let queue = Arc::clone(queue);
            askers.spawn(async move {
                while let Some(Question { targets, days, grouping }) = next_question(&queue) {
                    let seeks = grouping == Grouping::Failed && !queue.lock().hopeless;
                    let halving = if seeks { Halving::Failed } else { Halving::Refused };
                    let answers = ask(&client, &config, targets, days, halving).await;
                    queue.lock().hear(&answers, grouping);
                    if sender.send(answers).await.is_err() {
                        return;
                    }
                }
            });
        }
        Self { answers, askers }
    }

    /// Waits for the asking tasks to end, once all answers are taken.
    pub(super) async fn end(mut self) {
        while let Some(ended) = self.askers.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a question ended early: {error}");
            }
        }
    }
}

fn next_question(queue: &Mutex<Queue>) -> Option<Question> {
    queue.lock().questions.pop_front()
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
