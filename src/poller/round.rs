//! A round: asks what is due, parents before children, and stores each answer as it comes.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Context;
use super::ask::{Answers, ask};
use super::ledger::{Grouping, Ledger};
use super::queue::{Question, Queue, questions};
use super::report::Report;
use super::runner::Runner;
use crate::config::SourceConfig;
use crate::store::{StoreError, TargetAnswer};

/// Storing takes at most one part of this many of a round's time, so that on a slow disk more answers share a
/// transaction. A program that is killed asks again for those that came since the last one: a few, at a platform's
/// pace.
const PART_FOR_STORING: u32 = 5;

/// The most answers that are taken up before others have their turn.
const AT_ONCE: usize = 64;

/// A round under way; [`Round::step`] moves it on.
///
/// Dropping it ends the questions that are under way; [`Round::finish_early`] also stores what has come.
#[derive(Debug)]
pub(super) struct Round {
    context: Context,
    config: SourceConfig,
    /// Whether a day on which no target has data counts as produced.
    produced: bool,
    /// How it has gone so far.
    report: Report,
    asked: HashSet<String>,
    queue: Queue,
    /// The questions under way, by how their targets are grouped.
    runner: Runner<Grouping>,
    /// Answers that wait until those before them are stored.
    unstored: Vec<TargetAnswer>,
    storing: Option<JoinHandle<(Result<(), StoreError>, Duration)>>,
    /// When answers are stored next.
    next_store: Instant,
}

impl Round {
    /// A round of `config`; `produced`: a day on which no target has data counts as produced.
    pub(super) fn new(context: Context, config: SourceConfig, produced: bool) -> Self {
        Self {
            runner: Runner::new(config.concurrency),
            context,
            config,
            produced,
            report: Report::default(),
            asked: HashSet::new(),
            queue: Queue::default(),
            unstored: Vec::new(),
            storing: None,
            next_store: Instant::now(),
        }
    }

    /// How it has gone so far.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// How it went.
    pub(super) fn into_report(self) -> Report {
        self.report
    }

    /// Waits for the next answers and notes them in `ledger`; tells whether there is more to come.
    ///
    /// # Errors
    /// [`StoreError`] where an answer can't be stored: the round is over then.
    pub(super) async fn step(&mut self, ledger: &mut Ledger) -> Result<bool, StoreError> {
        if self.runner.is_idle() && self.queue.questions.is_empty() {
            // What was asked last may have made more due, such as what is below it; that reads the store.
            self.store_rest().await?;
            self.report.ended = self.queue.ended.clone();
            let now = self.context.clock.now();
            let due = ledger.due(now, self.config.refresh_interval, self.produced, &self.asked);
            if due.is_empty() || self.report.ended.is_some() {
                self.settle(ledger);
                self.store_rest().await?;
                return Ok(false);
            }
            self.report.fresh |= due.iter().any(|(_, grouping)| *grouping != Grouping::Failed);
            self.asked.extend(due.iter().map(|(target, _)| target.key()));
            self.queue.questions = questions(&self.config, due, ledger);
        }
        self.start_questions();
        let mut next = tokio::select! {
            next = self.runner.next() => next,
            // Answers that wait to be stored don't wait for a slow call.
            () = tokio::time::sleep_until(self.next_store), if !self.unstored.is_empty() => None,
        };
        let mut taken = 0;
        while let Some((grouping, answers)) = next {
            if let Some(answers) = answers {
                self.queue.note(&answers, grouping, self.runner.unavailable_in_a_row());
                self.take(answers, ledger);
            }
            self.start_questions();
            taken += 1;
            next = if taken < AT_ONCE { self.runner.try_next() } else { None };
        }
        if Instant::now() >= self.next_store {
            self.store_some().await?;
        }
        Ok(true)
    }

    /// Begins to ask as many questions as may be asked at once.
    fn start_questions(&mut self) {
        while self.runner.has_room()
            && let Some(Question { targets, days, grouping }) = self.queue.questions.pop_front()
        {
            let (client, config) = (self.context.client.clone(), self.config.clone());
            let halving = self.queue.halving(grouping);
            self.runner.start(grouping, async move { ask(&client, &config, targets, days, halving).await });
        }
    }

    /// Notes what came of a question.
    fn take(&mut self, answers: Answers, ledger: &mut Ledger) {
        let now = self.context.clock.now();
        let source = self.config.source.api().name;
        self.report.asked += answers.answered.len() + answers.failed.len();
        self.report.unmapped.extend(answers.unmapped);
        self.report.names.extend(answers.names);
        self.report.first_invalid = self.report.first_invalid.take().or(answers.first_invalid);
        let mut left_out = answers.left_out;
        for answer in answers.answered {
            let key = answer.target.key();
            if let Err(refusal) = &answer.rows {
                tracing::debug!(source, target = key, quoted = refusal.quoted.as_deref(), "refused: {refusal}");
            }
            if self.config.source.api().union > 0 {
                self.report.left_out.insert(key.clone(), left_out.remove(&key));
            }
            let invalid = answers.invalid.get(&key).copied().unwrap_or(0);
            self.note(answer, &key, invalid, now, ledger);
        }
        for (target, failure) in answers.failed {
            let key = target.key();
            tracing::debug!(source, target = key, "failed: {failure}");
            ledger.fail(&key, &failure, now);
            self.report.failures += 1;
            self.report.failure = Some(failure);
        }
    }

    /// Notes an answer with so many invalid figures, and has it stored.
    fn note(&mut self, answer: TargetAnswer, key: &str, invalid: usize, now: Timestamp, ledger: &mut Ledger) {
        self.report.usable = true;
        if let Err(refusal) = &answer.rows {
            self.report.refusal = Some(refusal.clone());
        }
        ledger.renew(key, invalid);
        for entry in answer.entries(now) {
            ledger.note(entry);
        }
        self.unstored.push(answer);
    }

    /// Takes unknown codes that came often enough for refusals of their targets.
    fn settle(&mut self, ledger: &mut Ledger) {
        let now = self.context.clock.now();
        let settled = ledger.settled();
        if let Some((_, refusal)) = settled.last() {
            let (source, account) = (self.config.source.api().name, self.config.account.name.as_str());
            let targets = settled.len();
            tracing::info!(
                source,
                account,
                targets,
                "an unknown code that comes again and again is taken for a refusal of its target: {refusal}"
            );
        }
        for (target, refusal) in settled {
            let (key, days) = (target.key(), target.days(ledger.day, self.config.lookback_days));
            if self.asked.contains(&key) {
                self.report.failures = self.report.failures.saturating_sub(1);
            }
            self.note(TargetAnswer { target, days, rows: Err(refusal) }, &key, 0, now, ledger);
        }
        if self.report.failures == 0 {
            self.report.failure = None;
        }
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

    /// Waits until what is being stored is. Where this is cancelled, it can be called again.
    async fn stored(&mut self) -> Result<(), StoreError> {
        let Some(storing) = &mut self.storing else { return Ok(()) };
        // It ends early only with the program.
        let (stored, took) = storing.await.unwrap_or((Ok(()), Duration::ZERO));
        self.storing = None;
        self.next_store = Instant::now() + took * (PART_FOR_STORING - 1);
        stored
    }

    /// Drops the questions that are under way, and stores the answers that have come: the platform has counted them.
    /// Where this is cancelled, it can be called again.
    pub(super) async fn finish_early(&mut self) {
        while let Some((_, answers)) = self.runner.try_next() {
            self.unstored.extend(answers.unwrap_or_default().answered);
        }
        self.runner = Runner::new(self.config.concurrency);
        self.queue.questions.clear();
        // What could not be stored before is asked for again.
        let _ = self.stored().await;
        self.store();
        if let Err(error) = self.stored().await {
            let (source, account) = (self.config.source.api().name, self.config.account.name.as_str());
            tracing::error!(source, account, "the last answers can't be stored: {error}");
        }
    }
}
