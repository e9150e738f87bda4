//! A round: asks what is due, parents before children, and stores each answer as it comes.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::Context;
use super::ask::{Answers, Given, ask, may_share};
use super::ledger::Ledger;
use crate::client::Failure;
use crate::config::SourceConfig;
use crate::day::Days;
use crate::platform::Refusal;
use crate::source::Target;
use crate::store::{Answer, AnswerState, Outcome, StoreError, TargetAnswer};

/// After this many calls in a row that the platform could not answer, the round ends.
pub(crate) const UNAVAILABLE_IN_A_ROW: usize = 5;

/// Storing takes at most one part of this many of a round's time, so that on a slow disk more answers share a
/// transaction. A program that is killed asks again for those that came since the last one: a few, at a platform's pace.
const PART_FOR_STORING: u32 = 5;

/// The most answers that are taken up before others have their turn.
const AT_ONCE: usize = 64;

/// How a round went.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Whether the platform answered at all.
    pub(super) answered: bool,
    /// What ended the round before its time.
    pub(super) ended: Option<Failure>,
    /// The last failure of a target, and how many there were.
    pub(super) failure: Option<Failure>,
    /// How many targets got no usable answer.
    pub(super) failures: usize,
    /// The last refusal of a target.
    pub(super) refusal: Option<Refusal>,
    /// How many targets were asked.
    pub(super) asked: usize,
    /// Platform fields that no gauge maps.
    pub(super) unmapped: BTreeSet<String>,
    /// Names of subjects.
    pub(super) names: BTreeMap<String, String>,
}

/// A round under way; [`Round::step`] moves it on.
///
/// Dropping it ends the questions that are under way, and stores what has come.
pub(super) struct Round<'a> {
    context: &'a Context,
    config: &'a SourceConfig,
    /// Whether a day without data for anybody counts as one.
    produced: bool,
    /// How it has gone so far.
    pub(super) report: Report,
    asked: HashSet<String>,
    queue: Arc<Mutex<Queue>>,
    /// What is under way.
    in_flight: Option<InFlight>,
    /// Answers that wait until those before them are stored.
    unstored: Vec<TargetAnswer>,
    storing: Option<JoinHandle<(Result<(), StoreError>, Duration)>>,
    /// When answers are stored next.
    next_store: Instant,
}

/// Targets of one table that are asked together, and the days.
type Question = (Vec<Arc<Target>>, Days);

/// What is still to be asked, and whether it is worth asking.
#[derive(Debug, Default)]
struct Queue {
    questions: VecDeque<Question>,
    /// How many calls in a row the platform could not answer.
    unavailable: usize,
    /// Why nothing more is asked.
    ended: Option<Failure>,
}

impl Queue {
    /// Ends the round where `answers` tell that there is no hope for the rest: all of the source goes to the same
    /// account and API.
    fn hear(&mut self, answers: &Answers) {
        let failed = answers.targets.iter().rev().find_map(|(_, given)| given.as_ref().err());
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
struct InFlight {
    answers: mpsc::Receiver<(Answers, Days)>,
    /// Each asks one question after the other until there are none.
    askers: JoinSet<()>,
}

impl InFlight {
    fn start(context: &Context, config: &SourceConfig, queue: &Arc<Mutex<Queue>>) -> Self {
        let count = config.concurrency.min(lock(queue).questions.len()).max(1);
        let (sender, answers) = mpsc::channel(count);
        let mut askers = JoinSet::new();
        for _ in 0..count {
            let (client, config, sender) = (context.client.clone(), config.clone(), sender.clone());
            let queue = Arc::clone(queue);
            askers.spawn(async move {
                while let Some((targets, days)) = next_question(&queue) {
                    let answers = ask(&client, &config, targets, days).await;
                    lock(&queue).hear(&answers);
                    if sender.send((answers, days)).await.is_err() {
                        return;
                    }
                }
            });
        }
        Self { answers, askers }
    }

    /// Waits for those who asked, when there are no more answers.
    async fn end(mut self) {
        while let Some(ended) = self.askers.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a question ended early: {error}");
            }
        }
    }
}

fn next_question(queue: &Mutex<Queue>) -> Option<Question> {
    lock(queue).questions.pop_front()
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Round<'a> {
    pub(super) fn new(context: &'a Context, config: &'a SourceConfig, produced: bool) -> Self {
        Self {
            context,
            config,
            produced,
            report: Report::default(),
            asked: HashSet::new(),
            queue: Arc::default(),
            in_flight: None,
            unstored: Vec::new(),
            storing: None,
            next_store: Instant::now(),
        }
    }

    /// Waits for the next answers and notes them in `ledger`; tells whether there is more to come.
    ///
    /// # Errors
    /// [`StoreError`] where an answer can't be stored: the round is over then.
    pub(super) async fn step(&mut self, ledger: &mut Ledger) -> Result<bool, StoreError> {
        let Some(in_flight) = &mut self.in_flight else {
            let now = self.context.clock.now();
            let due = ledger.due(now, self.config.refresh_interval, self.produced, &self.asked);
            if due.is_empty() || self.report.ended.is_some() {
                return Ok(false);
            }
            self.asked.extend(due.iter().map(|target| target.key()));
            lock(&self.queue).questions = questions(self.config, due, ledger);
            self.in_flight = Some(InFlight::start(self.context, self.config, &self.queue));
            return Ok(true);
        };
        let mut answered = Vec::new();
        tokio::select! {
            _ = in_flight.answers.recv_many(&mut answered, AT_ONCE) => {}
            // Answers that wait to be stored don't wait for a slow call.
            () = tokio::time::sleep_until(self.next_store), if !self.unstored.is_empty() => {
                self.store_some().await?;
                return Ok(true);
            }
        }
        if answered.is_empty() {
            if let Some(in_flight) = self.in_flight.take() {
                in_flight.end().await;
            }
            self.report.ended = lock(&self.queue).ended.clone();
            // Whoever reads the store at the end of a in_flight finds all of it.
            self.store_rest().await?;
            return Ok(true);
        }
        for (answers, days) in answered {
            self.take(answers, days, ledger);
        }
        if Instant::now() >= self.next_store {
            self.store_some().await?;
        }
        Ok(true)
    }

    /// Notes what came of a question.
    fn take(&mut self, answers: Answers, days: Days, ledger: &mut Ledger) {
        let now = self.context.clock.now();
        self.report.unmapped.extend(answers.unmapped);
        self.report.names.extend(answers.names);
        let mut failed = None;
        for (target, given) in answers.targets {
            self.report.asked += 1;
            let key = target.key();
            let outcome = match given {
                Ok(Given::Rows(rows)) => Outcome::Rows(rows),
                Ok(Given::Refusal(refusal)) => {
                    let (source, quoted) = (self.config.source.api().name, refusal.quoted.as_deref());
                    tracing::debug!(source, target = key, quoted, "refused: {refusal}");
                    let code = refusal.code;
                    self.report.refusal = Some(refusal);
                    Outcome::Refused { code }
                }
                Err(failure) => {
                    tracing::debug!(source = self.config.source.api().name, target = key, "failed: {failure}");
                    ledger.fail(&key);
                    self.report.failures += 1;
                    failed = Some(failure);
                    continue;
                }
            };
            let answered = TargetAnswer { target, days, outcome };
            ledger.renew(&key);
            for answer in as_answers(&answered, &key, now) {
                ledger.note(answer);
            }
            self.unstored.push(answered);
        }
        self.report.answered |= !matches!(&failed, Some(Failure::Unavailable(_) | Failure::Denied(_)));
        self.report.failure = failed.or(self.report.failure.take());
    }

    /// Stores what has come, unless the answers before are still being stored: questions go on meanwhile.
    async fn store_some(&mut self) -> Result<(), StoreError> {
        if self.storing.as_ref().is_some_and(|storing| !storing.is_finished()) {
            self.next_store = Instant::now() + Duration::from_millis(1);
            return Ok(());
        }
        self.stored().await?;
        if Instant::now() >= self.next_store {
            self.store();
        }
        Ok(())
    }

    /// Begins to store what has come, if anything has.
    fn store(&mut self) {
        if self.unstored.is_empty() {
            return;
        }
        let answers = std::mem::take(&mut self.unstored);
        let (store, api, at) = (self.context.store.clone(), self.config.source.api(), self.context.clock.now());
        let account = self.config.account.name.clone();
        self.storing = Some(tokio::spawn(async move {
            let started = Instant::now();
            let stored = store.record(api, &account, at, answers).await;
            (stored, started.elapsed())
        }));
    }

    /// Stores all that has come, and waits until it is.
    async fn store_rest(&mut self) -> Result<(), StoreError> {
        self.stored().await?;
        self.store();
        self.stored().await
    }

    /// Waits until what is being stored is.
    async fn stored(&mut self) -> Result<(), StoreError> {
        match self.storing.take() {
            Some(storing) => {
                // It ends early only with the program.
                let (stored, took) = storing.await.unwrap_or((Ok(()), Duration::ZERO));
                self.next_store = Instant::now() + took * (PART_FOR_STORING - 1);
                stored
            }
            None => Ok(()),
        }
    }
}

impl Drop for Round<'_> {
    /// Stores what has come by then, which the platform has counted; whoever stops the workers waits for it.
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.unstored);
        while let Some((answers, days)) =
            self.in_flight.as_mut().and_then(|in_flight| in_flight.answers.try_recv().ok())
        {
            rest.extend(answers.targets.into_iter().filter_map(|(target, given)| {
                let outcome = match given.ok()? {
                    Given::Rows(rows) => Outcome::Rows(rows),
                    Given::Refusal(refusal) => Outcome::Refused { code: refusal.code },
                };
                Some(TargetAnswer { target, days, outcome })
            }));
        }
        let storing = self.storing.take();
        if storing.is_none() && rest.is_empty() {
            return;
        }
        let (store, api, at) = (self.context.store.clone(), self.config.source.api(), self.context.clock.now());
        let account = self.config.account.name.clone();
        self.context.storing.spawn(async move {
            if let Some(storing) = storing {
                // It tells its errors nobody any more; the answers are asked for again.
                let _ = storing.await;
            }
            if let Err(error) = store.record(api, &account, at, rest).await {
                tracing::error!(source = api.name, account, "the last answers can't be stored: {error}");
            }
        });
    }
}

/// The targets in the groups in which they are asked together.
fn questions(config: &SourceConfig, due: Vec<Arc<Target>>, ledger: &Ledger) -> VecDeque<Question> {
    let batch = config.source.api().batch;
    let mut questions: VecDeque<Question> = VecDeque::new();
    for target in due {
        let days = target.days(ledger.day, config.lookback_days);
        let joins = |others: &Vec<Arc<Target>>| others.len() < batch && may_share(&others[0], &target);
        match questions.back_mut() {
            Some((others, same)) if *same == days && joins(others) => others.push(target),
            _ => questions.push_back((vec![target], days)),
        }
    }
    questions
}

/// What the ledger of the days asked for becomes by this answer, as the store will have it.
fn as_answers(answered: &TargetAnswer, key: &str, now: Timestamp) -> Vec<Answer> {
    let answer = |day, state, code| Answer {
        day,
        target: key.to_owned(),
        definition: answered.target.definition.clone(),
        state,
        first_at: now,
        last_at: now,
        answers: 1,
        code,
    };
    match &answered.outcome {
        Outcome::Refused { code } => vec![answer(answered.days.last, AnswerState::Refused, *code)],
        Outcome::Rows(rows) => {
            let state = |day| {
                if rows.iter().any(|row| row.day == day) { AnswerState::Ok } else { AnswerState::NoData }
            };
            let days = if answered.target.cycle == crate::day::Cycle::Day {
                answered.days
            } else {
                Days::one(answered.days.last)
            };
            days.iter().map(|day| answer(day, state(day), 0)).collect()
        }
    }
}
