//! Fetches what a plan lacks, newest days first, and stores each answer as it comes.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use super::names::{fetch_names, keep_row_names};
use super::plan::{Plan, Question};
use super::summary::{Edge, Invalid, Progress, Summary, Trouble};
use crate::client::Failure;
use crate::day::{Cycle, Day, Days};
use crate::platform::ErrorCode;
use crate::poller::{Answers, Context, Halving, Runner, UNAVAILABLE_IN_A_ROW, ask};
use crate::source::Target;
use crate::store::{StoreError, TargetAnswer};

/// How often a question is asked that the platform's limits stop.
const MOST_TRIES: u32 = 5;

/// After this many calls in a row that the platform could not answer, though the order in which it is asked has
/// changed, nothing more is asked.
const UNAVAILABLE_AFTER_ALL: usize = 12;

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
        runner: Runner::new(plan.config.concurrency),
        context,
        plan,
        progress,
        queue: VecDeque::new(),
        scattered: false,
        proven: HashSet::new(),
        ended: None,
        edges: BTreeMap::new(),
        troubles: BTreeMap::new(),
        refused: 0,
        names: BTreeMap::new(),
        invalid: Invalid::default(),
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
struct Attempt {
    question: Question,
    /// How often it was asked before.
    tries: u32,
    /// Whether the platform could not answer before: it comes after all else, once.
    again: bool,
    /// The day before its first one, where the platform refused the dates of both together, and its code.
    without: Option<(Day, ErrorCode)>,
}

struct Run<'a> {
    context: &'a Context,
    plan: Plan,
    progress: &'a Progress,
    queue: VecDeque<Attempt>,
    runner: Runner<Attempt>,
    /// Whether the questions that wait come in an order of their own, and not by the list.
    scattered: bool,
    /// The places of targets that were answered in this run.
    proven: HashSet<usize>,
    /// Why nothing more is asked.
    ended: Option<Failure>,
    edges: BTreeMap<Cycle, Edge>,
    /// By their failures.
    troubles: BTreeMap<String, Trouble>,
    refused: usize,
    /// Names that came with the figures, by id.
    names: BTreeMap<String, String>,
    invalid: Invalid,
}

impl Run<'_> {
    /// Asks about the targets at `depth`, after their parents were asked.
    async fn wave(&mut self, depth: usize, stop: &CancellationToken) -> Result<(), StoreError> {
        let questions = self.plan.questions(depth, true);
        let calls: u64 = questions.iter().map(|question| self.plan.cost(question)).sum();
        let most = self.progress.done() + calls + self.plan.calls_below(depth);
        self.progress.most.store(most, Ordering::Relaxed);
        let asking = |question| Attempt { question, tries: 0, again: false, without: None };
        self.queue = questions.into_iter().map(asking).collect();
        loop {
            if self.ended.is_some() || stop.is_cancelled() {
                self.give_up();
            }
            while self.runner.has_room()
                && let Some(asking) = self.next()
            {
                self.start(asking);
            }
            // What is under way is waited for even when stopped: the platform has counted it.
            let Some(first) = self.runner.next().await else { return Ok(()) };
            let mut answered = Vec::new();
            let mut next = Some(first);
            while let Some((asking, answers)) = next {
                match answers {
                    Some(answers) => answered.extend(self.take(asking, answers)),
                    None => self.give_up_one(&asking, "it broke off, as the log tells"),
                }
                next = self.runner.try_next();
            }
            if !answered.is_empty() {
                let config = &self.plan.config;
                let now = self.context.clock.now();
                self.context.store.record(config.source.api(), &config.account.name, now, answered).await?;
            }
        }
    }

    /// The next question to ask.
    ///
    /// A batch of which nothing was answered yet waits while the same one is under way for other days: the targets that
    /// the platform refuses are looked for once.
    fn next(&mut self) -> Option<Attempt> {
        let under_way: Vec<_> = self.runner.under_way().filter_map(|asking| asking.question.targets.first()).collect();
        let waits = |asking: &Attempt| {
            let places = &asking.question.targets;
            let unproven = places.len() > 1 && !places.iter().any(|place| self.proven.contains(place));
            unproven && under_way.iter().any(|first| places.contains(first))
        };
        let place = self.queue.iter().position(|asking| !waits(asking))?;
        self.queue.remove(place)
    }

    /// Asks, unless its day is known to be gone or its targets to be refused.
    fn start(&mut self, mut asking: Attempt) {
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
        self.runner.start(asking, async move {
            // The platform may want a longer pause than a call waits for.
            clock.sleep(client.pause_left(&config.account, config.source.api().path)).await;
            ask(&client, &config, targets, days, Halving::Refused).await
        });
    }

    /// Notes what came of a question; gives what is to be stored of it.
    fn take(&mut self, asking: Attempt, answers: Answers) -> Vec<TargetAnswer> {
        let mut stored = Vec::new();
        self.count_invalid(&answers);
        self.names.extend(answers.names);
        for answer in answers.answered {
            let Some(place) = self.plan.place(&answer.target) else { continue };
            if let Err(refusal) = &answer.rows
                && self.is_about_days(&asking, place, &answer.target, &refusal.code)
            {
                continue;
            }
            self.plan.note(place, &answer);
            self.proven.insert(place);
            match (&answer.rows, &asking.without) {
                (Ok(_), Some((day, code))) => self.note_edge(answer.target.cycle, *day, code),
                (Ok(_), None) => {}
                (Err(_), _) => self.refused += 1,
            }
            stored.push(answer);
        }
        self.take_failed(asking, answers.failed);
        stored
    }

    /// Notes the targets of a question that have no usable answer, and asks again about those for which that may help.
    fn take_failed(&mut self, asking: Attempt, failed: Vec<(Arc<Target>, Failure)>) {
        let days = asking.question.days;
        let (mut throttled, mut deferred) = (Vec::new(), Vec::new());
        let mut unavailable = None;
        for (target, failure) in failed {
            let Some(place) = self.plan.place(&target) else { continue };
            if let Failure::Unknown(refusal) = &failure
                && self.is_about_days(&asking, place, &target, &refusal.code)
            {
                continue;
            }
            match failure {
                Failure::Throttled(_) if asking.tries + 1 < MOST_TRIES => throttled.push(place),
                Failure::Unavailable(_) if !asking.again && self.ended.is_none() => {
                    deferred.push(place);
                    unavailable = Some(failure);
                }
                failure => {
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
        let in_a_row = self.runner.unavailable_in_a_row();
        if in_a_row >= UNAVAILABLE_IN_A_ROW && !self.scattered {
            self.scatter();
        } else if in_a_row >= UNAVAILABLE_AFTER_ALL {
            self.ended = self.ended.take().or(unavailable);
        }
        let Attempt { question, tries, again, without } = asking;
        if !deferred.is_empty() {
            let question = Question { targets: deferred, days };
            self.queue.push_back(Attempt { question, tries, again: true, without: without.clone() });
        } else if throttled.is_empty() {
            self.progress.done.fetch_add(self.plan.cost(&question), Ordering::Relaxed);
        }
        if !throttled.is_empty() {
            let question = Question { targets: throttled, days };
            self.queue.push_front(Attempt { question, tries: tries + 1, again, without });
        }
    }

    /// Whether `code`, which the target at `place` got, is about the days of the question and not about the target: then
    /// those that the platform may still have are asked for.
    fn is_about_days(&mut self, asking: &Attempt, place: usize, target: &Target, code: &ErrorCode) -> bool {
        let Attempt { question: Question { days, .. }, tries, again, without } = asking;
        if without.is_none() && self.may_begin_too_early(target, *days, code) {
            let question = Question { targets: vec![place], days: Days { first: days.first.plus(1), ..*days } };
            self.progress.most.fetch_add(self.plan.cost(&question), Ordering::Relaxed);
            let without = Some((days.first, code.clone()));
            self.queue.push_front(Attempt { question, tries: *tries, again: *again, without });
            return true;
        }
        self.is_gone(target, *days, code)
    }

    /// Changes the order of the questions that wait, but for their days: targets that the platform can't answer are
    /// often neighbours in the list, and would keep all behind them waiting.
    fn scatter(&mut self) {
        self.scattered = true;
        let place = |asking: &Attempt| asking.question.targets.first().map_or(0, |place| self.plan.scattered(*place));
        self.queue.make_contiguous().sort_by_cached_key(|asking| {
            let days = asking.question.days;
            (asking.again, std::cmp::Reverse(days.last), days.first, place(asking))
        });
    }

    fn count_invalid(&mut self, answers: &Answers) {
        self.invalid.figures += answers.invalid_figures;
        if self.invalid.first.is_none() {
            self.invalid.first = answers.first_invalid.as_ref().map(ToString::to_string);
        }
    }

    /// Whether `code` may be about the first of `days` alone: the platform forgets a day while we ask for others, and
    /// may count its days a little otherwise.
    fn may_begin_too_early(&self, target: &Target, days: Days, code: &ErrorCode) -> bool {
        let is_range = target.cycle == Cycle::Day && days.first < days.last;
        is_range && self.plan.config.source.api().date_codes.contains(&code.as_str())
    }

    /// Whether `code` says that the platform no longer has `days`; notes so.
    ///
    /// That takes an answer for a newer day: else the same code would hide that nothing can be asked at all.
    fn is_gone(&mut self, target: &Target, days: Days, code: &ErrorCode) -> bool {
        let api = self.plan.config.source.api();
        if !api.date_codes.contains(&code.as_str()) || !self.plan.has_newer(target.cycle, days.last) {
            return false;
        }
        self.note_edge(target.cycle, days.last, code);
        true
    }

    fn note_edge(&mut self, cycle: Cycle, day: Day, code: &ErrorCode) {
        let edge = self.edges.entry(cycle).or_insert_with(|| Edge { cycle, day, code: code.clone() });
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
        for asking in std::mem::take(&mut self.queue) {
            self.give_up_one(&asking, &why);
        }
    }

    /// Notes that nothing came of a question.
    fn give_up_one(&mut self, Attempt { question, .. }: &Attempt, why: &str) {
        let example = self.plan.asked(question).first().map(|target| target.key()).unwrap_or_default();
        self.trouble(&example, question.targets.len(), question.days, why);
    }

    fn summary(self) -> Summary {
        Summary {
            calls: self.progress.done(),
            refused: self.refused,
            invalid: self.invalid,
            troubles: self.troubles.into_values().collect(),
            edges: self.edges.into_values().collect(),
        }
    }
}
