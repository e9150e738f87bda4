//! A round: asks what is due, parents before children, and stores each answer as it comes.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::Context;
use super::ask::{Answers, Given, ask, may_share};
use super::ledger::Ledger;
use crate::client::Failure;
use crate::config::SourceConfig;
use crate::day::Days;
use crate::source::Target;
use crate::store::{Answer, AnswerState, Answered, Outcome, StoreError};
use crate::vendor::Refusal;

/// After this many calls in a row that the vendor could not answer, the round ends.
pub(crate) const UNAVAILABLE_IN_A_ROW: usize = 5;

/// Answers are stored this often: a transaction costs as much as some dozen answers, and a program that is killed asks
/// again for those that came since the last one.
const STORE_EVERY: Duration = Duration::from_millis(2);

/// How a round went.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Whether the vendor answered at all.
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
    /// Vendor fields that no gauge maps.
    pub(super) unmapped: BTreeSet<String>,
    /// Names of subjects.
    pub(super) names: BTreeMap<String, String>,
}

/// A round under way; [`Round::step`] moves it on.
///
/// Dropping it ends the questions that are under way.
pub(super) struct Round<'a> {
    context: &'a Context,
    config: &'a SourceConfig,
    /// Whether a day without data for anybody counts as one.
    produced: bool,
    /// How it has gone so far.
    pub(super) report: Report,
    asked: HashSet<String>,
    questions: VecDeque<(Vec<Target>, Days)>,
    running: JoinSet<(Answers, Days)>,
    unavailable: usize,
    /// Answers that wait until those before them are stored.
    unstored: Vec<Answered>,
    storing: Option<JoinHandle<Result<(), StoreError>>>,
    /// When answers are stored next.
    next_store: Instant,
}

impl<'a> Round<'a> {
    pub(super) fn new(context: &'a Context, config: &'a SourceConfig, produced: bool) -> Self {
        Self {
            context,
            config,
            produced,
            report: Report::default(),
            asked: HashSet::new(),
            questions: VecDeque::new(),
            running: JoinSet::new(),
            unavailable: 0,
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
        if self.questions.is_empty() && self.running.is_empty() {
            // Whoever reads the store at the end of a wave finds all of it.
            self.store_rest().await?;
            let now = self.context.clock.now();
            let due = ledger.due(now, self.config.refresh_interval, self.produced, &self.asked);
            if due.is_empty() || self.report.ended.is_some() {
                return Ok(false);
            }
            self.asked.extend(due.iter().map(Target::key));
            self.questions = questions(self.config, due, ledger);
        }
        if self.report.ended.is_some() {
            self.questions.clear();
        }
        while self.running.len() < self.config.concurrency
            && let Some((targets, days)) = self.questions.pop_front()
        {
            let (client, config) = (self.context.client.clone(), self.config.clone());
            self.running.spawn(async move { (ask(&client, &config, targets, days).await, days) });
        }
        // Answers that wait to be stored don't wait for a slow call.
        let answered = loop {
            if self.unstored.is_empty() {
                break self.running.join_next().await;
            }
            tokio::select! {
                answered = self.running.join_next() => break answered,
                () = tokio::time::sleep_until(self.next_store) => self.store_some().await?,
            }
        };
        match answered {
            Some(Ok((answers, days))) => self.take(answers, days, ledger),
            // A task ends like this only when the program does.
            Some(Err(error)) => tracing::error!("a question ended early: {error}"),
            None => {}
        }
        while let Some(Ok((answers, days))) = self.running.try_join_next() {
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
                    tracing::debug!(source = self.config.source.api().name, target = key, "refused: {refusal}");
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
            let answered = Answered { target, days, outcome };
            ledger.renew(&key);
            for answer in as_answers(&answered, &key, now) {
                ledger.note(answer);
            }
            self.unstored.push(answered);
        }
        match &failed {
            Some(Failure::Unavailable(_)) => self.unavailable += 1,
            _ => self.unavailable = 0,
        }
        self.report.answered |= !matches!(&failed, Some(Failure::Unavailable(_) | Failure::Denied(_)));
        if let Some(failure) = failed {
            // All else of the source goes to the same account and API.
            let hopeless = matches!(failure, Failure::Denied(_) | Failure::Throttled(_));
            if hopeless || self.unavailable >= UNAVAILABLE_IN_A_ROW {
                self.report.ended.get_or_insert(failure.clone());
            }
            self.report.failure = Some(failure);
        }
    }

    /// Stores what has come, unless the answers before are still being stored: questions go on meanwhile.
    async fn store_some(&mut self) -> Result<(), StoreError> {
        self.next_store = Instant::now() + STORE_EVERY;
        if self.storing.as_ref().is_some_and(|storing| !storing.is_finished()) {
            return Ok(());
        }
        self.stored().await?;
        if !self.unstored.is_empty() {
            let answers = std::mem::take(&mut self.unstored);
            let (store, api, at) = (self.context.store.clone(), self.config.source.api(), self.context.clock.now());
            let account = self.config.account.name.clone();
            self.storing = Some(tokio::spawn(async move { store.record(api, &account, at, answers).await }));
        }
        Ok(())
    }

    /// Stores all that has come, and waits until it is.
    async fn store_rest(&mut self) -> Result<(), StoreError> {
        self.stored().await?;
        self.store_some().await?;
        self.stored().await
    }

    async fn stored(&mut self) -> Result<(), StoreError> {
        match self.storing.take() {
            Some(storing) => storing.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }
}

/// The targets in the groups in which they are asked together.
fn questions(config: &SourceConfig, due: Vec<Target>, ledger: &Ledger) -> VecDeque<(Vec<Target>, Days)> {
    let batch = config.source.api().batch;
    let mut questions: VecDeque<(Vec<Target>, Days)> = VecDeque::new();
    for target in due {
        let days = target.days(ledger.day, config.lookback_days);
        let joins = |others: &Vec<Target>| others.len() < batch && may_share(&others[0], &target);
        match questions.back_mut() {
            Some((others, same)) if *same == days && joins(others) => others.push(target),
            _ => questions.push_back((vec![target], days)),
        }
    }
    questions
}

/// What the ledger of the days asked for becomes by this answer, as the store will have it.
fn as_answers(answered: &Answered, key: &str, now: Timestamp) -> Vec<Answer> {
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
