//! Fetches what a plan lacks, newest days first, and stores each answer as it comes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::names::{fetch_names, keep_row_names};
use super::plan::{Plan, Question};
use crate::client::Failure;
use crate::day::{Cycle, Day, Days};
use crate::poller::{Answers, Context, Given, UNAVAILABLE_IN_A_ROW, ask};
use crate::source::Target;
use crate::store::{Outcome, StoreError, TargetAnswer};

/// How often a question is asked that the platform's limits stop.
const MOST_TRIES: u32 = 5;

/// How many calls are made and how many there are at most; others may read it while a plan is carried out.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    most: AtomicU64,
}

impl Progress {
    /// The calls that were made, without repeats and further pages.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The most calls that there will be in all, as far as is known by now.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

/// How a backfill of one source went.
#[derive(Debug, Default)]
pub struct Summary {
    /// The calls that were made, without repeats and further pages.
    pub calls: u64,
    /// How many targets the platform refused.
    pub refused: usize,
    /// What is missing still, and why.
    pub troubles: Vec<Trouble>,
    /// The days that the platform no longer has.
    pub edges: Vec<Edge>,
}

/// Something that could not be fetched; asked again by the next backfill.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// How many targets' ranges of days are concerned.
    pub ranges: usize,
    /// The key of one of the targets; empty where all of them are concerned.
    pub example: String,
    /// The first and the last of the days.
    pub days: Days,
    /// Why.
    pub failure: String,
}

/// Where the platform's memory ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The figures of which cycle.
    pub cycle: Cycle,
    /// The newest day (of a week or month: its last) that the platform does not have.
    pub day: Day,
    /// Its code.
    pub code: i64,
}

/// Carries out `plan`; where `stop` is cancelled, asks nothing more and stores what is under way.
///
/// # Errors
/// [`StoreError`] where an answer can't be stored.
pub async fn backfill(
    context: &Context,
    plan: Plan,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Summary, StoreError> {
    progress.most.store(plan.calls().most(), Ordering::Relaxed);
    let mut run = Run {
        context,
        plan,
        progress,
        queue: VecDeque::new(),
        running: JoinSet::new(),
        unavailable: 0,
        ended: None,
        edges: BTreeMap::new(),
        troubles: BTreeMap::new(),
        refused: 0,
        names: BTreeMap::new(),
    };
    for depth in 0..=run.plan.deepest() {
        if run.ended.is_none() && !stop.is_cancelled() {
            run.wave(depth, stop).await?;
        }
    }
    if run.ended.is_none() && !stop.is_cancelled() {
        let config = &run.plan.config;
        let newest = run.plan.days().last;
        fetch_names(context, config, newest).await?;
        keep_row_names(context, config, newest, std::mem::take(&mut run.names)).await?;
    }
    Ok(run.summary())
}

/// A question under way.
struct Asking {
    question: Question,
    /// How often it was asked before.
    tries: u32,
    /// The day before its first one, where the platform refused the dates of both together, and its code.
    without: Option<(Day, i64)>,
}

struct Run<'a> {
    context: &'a Context,
    plan: Plan,
    progress: &'a Progress,
    queue: VecDeque<Asking>,
    running: JoinSet<(Asking, Answers)>,
    /// How many questions in a row the platform could not answer.
    unavailable: usize,
    /// Why nothing more is asked.
    ended: Option<Failure>,
    edges: BTreeMap<Cycle, Edge>,
    /// By their failures.
    troubles: BTreeMap<String, Trouble>,
    refused: usize,
    /// Names that came with the figures, by id.
    names: BTreeMap<String, String>,
}

impl Run<'_> {
    /// Asks about the targets that stand `depth` deep, whose parents were asked.
    async fn wave(&mut self, depth: usize, stop: &CancellationToken) -> Result<(), StoreError> {
        let questions = self.plan.questions(depth, true);
        let calls: u64 = questions.iter().map(|question| self.plan.cost(question)).sum();
        let most = self.progress.done() + calls + self.plan.calls_below(depth);
        self.progress.most.store(most, Ordering::Relaxed);
        self.queue = questions.into_iter().map(|question| Asking { question, tries: 0, without: None }).collect();
        loop {
            if self.ended.is_some() || stop.is_cancelled() {
                self.give_up();
            }
            while self.running.len() < self.plan.config.concurrency
                && let Some(asking) = self.queue.pop_front()
            {
                self.start(asking);
            }
            // What is under way is waited for even when stopped: the platform has counted it.
            let Some(joined) = self.running.join_next().await else { return Ok(()) };
            let mut answered = Vec::new();
            let mut next = Some(joined);
            while let Some(joined) = next {
                match joined {
                    Ok((asking, answers)) => answered.extend(self.take(asking, answers)),
                    // A task ends like this only when the program does.
                    Err(error) => tracing::error!("a question ended early: {error}"),
                }
                next = self.running.try_join_next();
            }
            if !answered.is_empty() {
                let config = &self.plan.config;
                let now = self.context.clock.now();
                self.context.store.record(config.source.api(), &config.account.name, now, answered).await?;
            }
        }
    }

    /// Asks, unless its day is known to be gone or its targets to be refused.
    fn start(&mut self, mut asking: Asking) {
        let cycle = self.plan.cycle(&asking.question);
        if let Some(edge) = self.edges.get(&cycle)
            && cycle == Cycle::Day
            && asking.question.days.contains(edge.day)
            && edge.day < asking.question.days.last
        {
            asking.question.days.first = edge.day.plus(1);
        }
        let targets = self.plan.asked(&asking.question);
        let gone = self.edges.get(&cycle).is_some_and(|edge| asking.question.days.last <= edge.day);
        let cost = self.plan.cost(&asking.question);
        if gone || targets.is_empty() {
            self.progress.most.fetch_sub(cost, Ordering::Relaxed);
            return;
        }
        let (client, config, days) = (self.context.client.clone(), self.plan.config.clone(), asking.question.days);
        let clock = self.context.clock.clone();
        self.running.spawn(async move {
            // The platform may want a longer pause than a call waits for.
            clock.sleep(client.pause_left(&config.account, config.source.api().path)).await;
            let answers = ask(&client, &config, targets, days).await;
            (asking, answers)
        });
    }

    /// Notes what came of a question; gives what is to be stored of it.
    fn take(&mut self, asking: Asking, answers: Answers) -> Vec<TargetAnswer> {
        let Asking { question, tries, without } = asking;
        let mut answered = Vec::new();
        let mut throttled = Vec::new();
        let mut unavailable = None;
        self.names.extend(answers.names);
        for (target, given) in answers.targets {
            let Some(place) = self.plan.place(&target) else { continue };
            let days = question.days;
            if let Ok(Given::Refusal(refusal)) | Err(Failure::Unknown(refusal)) = &given {
                if without.is_none() && self.may_begin_too_early(&target, days, refusal.code) {
                    let question = Question { targets: vec![place], days: Days { first: days.first.plus(1), ..days } };
                    self.progress.most.fetch_add(self.plan.cost(&question), Ordering::Relaxed);
                    self.queue.push_front(Asking { question, tries, without: Some((days.first, refusal.code)) });
                    continue;
                }
                if self.is_gone(&target, days, refusal.code) {
                    continue;
                }
            }
            match given {
                Ok(Given::Rows(rows)) => {
                    let with_figures: Vec<Day> = if target.cycle == Cycle::Day {
                        rows.iter().map(|row| row.day).collect()
                    } else {
                        rows.first().map(|_| days.last).into_iter().collect()
                    };
                    self.plan.note(place, days, &with_figures);
                    if let Some((day, code)) = without {
                        self.note_edge(target.cycle, day, code);
                    }
                    answered.push(TargetAnswer { target, days, outcome: Outcome::Rows(rows) });
                }
                Ok(Given::Refusal(refusal)) => {
                    self.plan.refuse(place);
                    self.refused += 1;
                    let outcome = Outcome::Refused { code: refusal.code };
                    answered.push(TargetAnswer { target, days, outcome });
                }
                Err(Failure::Throttled(_)) if tries + 1 < MOST_TRIES => throttled.push(place),
                Err(failure) => {
                    if matches!(failure, Failure::Denied(_)) {
                        self.ended.get_or_insert(failure.clone());
                    }
                    self.trouble(&target.key(), 1, days, &failure.to_string());
                    if matches!(failure, Failure::Unavailable(_)) {
                        unavailable = Some(failure);
                    }
                }
            }
        }
        self.unavailable = if unavailable.is_some() { self.unavailable + 1 } else { 0 };
        if self.unavailable >= UNAVAILABLE_IN_A_ROW {
            self.ended = self.ended.take().or(unavailable);
        }
        if throttled.is_empty() {
            self.progress.done.fetch_add(self.plan.cost(&question), Ordering::Relaxed);
        } else {
            let question = Question { targets: throttled, days: question.days };
            self.queue.push_front(Asking { question, tries: tries + 1, without });
        }
        answered
    }

    /// Whether `code` may be about the first of `days` alone: the platform forgets a day while we ask for others, and may
    /// count its days a little otherwise.
    fn may_begin_too_early(&self, target: &Target, days: Days, code: i64) -> bool {
        let is_range = target.cycle == Cycle::Day && days.first < days.last;
        is_range && self.plan.config.source.api().date_codes.contains(&code)
    }

    /// Whether `code` says that the platform no longer has `days`; notes so.
    ///
    /// That takes an answer for a newer day: else the same code would hide that nothing can be asked at all.
    fn is_gone(&mut self, target: &Target, days: Days, code: i64) -> bool {
        let api = self.plan.config.source.api();
        if !api.date_codes.contains(&code) || !self.plan.has_newer(target.cycle, days.last) {
            return false;
        }
        self.note_edge(target.cycle, days.last, code);
        true
    }

    fn note_edge(&mut self, cycle: Cycle, day: Day, code: i64) {
        let edge = self.edges.entry(cycle).or_insert(Edge { cycle, day, code });
        edge.day = edge.day.max(day);
    }

    fn trouble(&mut self, example: &str, ranges: usize, days: Days, failure: &str) {
        let new = Trouble { ranges: 0, example: example.to_owned(), days, failure: failure.to_owned() };
        let trouble = self.troubles.entry(failure.to_owned()).or_insert(new);
        trouble.ranges += ranges;
        trouble.days.first = trouble.days.first.min(days.first);
        trouble.days.last = trouble.days.last.max(days.last);
    }

    /// Notes that nothing of what waits is asked.
    fn give_up(&mut self) {
        let why = match &self.ended {
            Some(failure) => format!("not asked, since: {failure}"),
            None => "not asked, since the program was told to stop".to_owned(),
        };
        for Asking { question, .. } in std::mem::take(&mut self.queue) {
            let example = self.plan.asked(&question).first().map(|target| target.key()).unwrap_or_default();
            self.trouble(&example, question.targets.len(), question.days, &why);
        }
    }

    fn summary(self) -> Summary {
        Summary {
            calls: self.progress.done(),
            refused: self.refused,
            troubles: self.troubles.into_values().collect(),
            edges: self.edges.into_values().collect(),
        }
    }
}
