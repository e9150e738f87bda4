//! One source's worker: wakes, asks what is due, and decides which day is shown.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::ledger::{Ledger, kept_days, may_flip};
use super::page_end::{page_end, take_down_in_time};
use super::report::Report;
use super::round::Round;
use super::trouble::Memory;
use crate::config::SourceConfig;
use crate::day::{Day, Days};
use crate::discovery::{DiscoveryError, EMPTY_AGAIN, Lists};
use crate::source::{Directory, Target};
use crate::store::{SourceState, StoreError};
use crate::telemetry::TargetCounts;

/// How often the state of a long round is shown, and its page brought up to date.
const LOOK: SignedDuration = SignedDuration::from_secs(30);

/// A page of a day that is ready in more than this was shown while the clock was ahead.
const CLOCK_AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// Polls one source. A program lets it [`Worker::run`]; a test calls [`Worker::wake`] and sets the clock between.
#[derive(Debug)]
pub struct Worker {
    pub(super) context: Context,
    pub(super) config: SourceConfig,
    /// From when on `flip_after` counts, where the target day was ready before.
    started: Timestamp,
    jitter: SignedDuration,
    /// Whether the store was read.
    restored: bool,
    pub(super) kept: SourceState,
    /// The targets of the page that is served.
    pub(super) served_targets: Option<u64>,
    /// What is known of the target day's targets beside what the store has.
    pub(super) memory: Memory,
    /// When some target is due next, by the last look at the ledger.
    next_due: Option<Timestamp>,
    /// Why a target was refused, the last time that one was.
    pub(super) refusal: Option<String>,
    /// What the operator should know of the lists of the last waking.
    pub(super) list_notes: Vec<String>,
    /// What was wrong with a figure, the last time that one was invalid.
    pub(super) first_invalid: Option<String>,
    /// Who is left out of a union, in words, by its key.
    pub(super) left_out: BTreeMap<String, String>,
    pub(super) counts: TargetCounts,
    pub(super) series: usize,
    pub(super) unmapped: BTreeSet<String>,
    pub(super) next: Option<Timestamp>,
}

impl Worker {
    /// A worker for `config` in a program that started at `started`.
    #[must_use]
    pub fn new(context: Context, config: SourceConfig, started: Timestamp) -> Self {
        let most = i64::try_from(context.jitter.as_millis()).unwrap_or(0);
        let jitter = SignedDuration::from_millis(fastrand::i64(0..=most));
        Self {
            context,
            config,
            started,
            jitter,
            restored: false,
            kept: SourceState::default(),
            served_targets: None,
            memory: Memory::default(),
            next_due: None,
            refusal: None,
            list_notes: Vec::new(),
            first_invalid: None,
            left_out: BTreeMap::new(),
            counts: TargetCounts::default(),
            series: 0,
            unmapped: BTreeSet::new(),
            next: None,
        }
    }

    /// Shows what was shown before a restart, from the store alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn restore(&mut self) -> Result<(), StoreError> {
        let (source, account) = (self.config.source.api().name, self.config.account.name.clone());
        self.show_labels().await?;
        self.kept = self.context.store.status(source, &account).await?.unwrap_or_default();
        let target_day = self.config.schedule.target_day(self.context.clock.now());
        self.drop_old_page().await?;
        let directory = self.stored_directory().await?;
        let mut counts = None;
        if let Some(day) = self.kept.shown {
            let targets = self.config.targets(&directory);
            let days = kept_days(&targets, day);
            // Both at once: people wait for the page of a large company.
            let (rows, ledger) = tokio::try_join!(self.stored_rows(&days), self.ledger(day, targets))?;
            counts = (day == target_day).then(|| ledger.counts());
            self.publish_rows(rows, &ledger, &directory).await?;
        }
        self.counts = match counts {
            Some(counts) => counts,
            None => self.ledger(target_day, self.config.targets(&directory)).await?.counts(),
        };
        self.restored = true;
        self.tell(target_day);
        Ok(())
    }

    /// Wakes until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let page_end = take_down_in_time(self.context.clone(), self.config.clone());
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            never = self.wake_for_ever() => match never {},
            never = page_end => match never {},
        }
    }

    async fn wake_for_ever(mut self) -> Infallible {
        loop {
            let woken = self.wake_restored().await;
            let next = woken.unwrap_or_else(|error| {
                tracing::error!(source = self.config.source.api().name, account = self.config.account.name, "{error}");
                self.kept.error = Some(error.to_string());
                let now = self.context.clock.now();
                self.tell(self.config.schedule.target_day(now));
                now.saturating_add(self.config.poll_interval).unwrap_or(Timestamp::MAX)
            });
            // The clock may have been set back during the round.
            let now = self.context.clock.now();
            let next = next.min(now.saturating_add(self.config.poll_interval).unwrap_or(Timestamp::MAX));
            self.context.clock.sleep_until(next).await;
        }
    }

    /// Wakes, after the store was read: not to know what is shown would mean to show it beside another day.
    async fn wake_restored(&mut self) -> Result<Timestamp, StoreError> {
        if !self.restored {
            self.restore().await?;
        }
        self.wake().await
    }

    /// Asks what is due, and shows what may be shown; returns when to wake next.
    ///
    /// # Errors
    /// [`StoreError`]; the page stays as it is then.
    pub async fn wake(&mut self) -> Result<Timestamp, StoreError> {
        let now = self.context.clock.now();
        let day = self.config.schedule.target_day(now);
        if self.memory.day != Some(day) {
            self.memory = Memory { day: Some(day), ..Memory::default() };
        }
        self.next = Some(self.next_waking(day, now));
        self.end_page(day).await?;
        self.next_due = None;
        let denial = self.context.client.denial(&self.config.account, self.config.source.api().path);
        match denial {
            None => self.round(day).await?,
            Some(denial) => self.hold(day, denial.text).await?,
        }
        let next = self.next_waking(day, now);
        self.next = Some(self.next_asking(day, next));
        self.tell(day);
        Ok(next)
    }

    /// Where the time of the page is over, shows `day` in its place as far as it is there, or nothing.
    async fn end_page(&mut self, day: Day) -> Result<(), StoreError> {
        if ![self.kept.shown, self.served()].into_iter().flatten().any(|shown| self.is_over(shown)) {
            return Ok(());
        }
        let looked = self.look_at_answers(day).await;
        // Also where the store can't be read.
        self.drop_old_page().await?;
        looked
    }

    /// Shows what may be shown of `day` by the answers that are stored.
    async fn look_at_answers(&mut self, day: Day) -> Result<(), StoreError> {
        let directory = self.stored_directory().await?;
        let mut ledger = self.ledger(day, self.config.targets(&directory)).await?;
        // Without a list it is not known what would be missing from the page.
        if ledger.is_empty() { Ok(()) } else { self.look(&mut ledger, &directory, false).await }
    }

    /// Asks nothing, as the account is refused; a source that has something to ask says so, though it was another
    /// source that was told.
    async fn hold(&mut self, day: Day, refusal: String) -> Result<(), StoreError> {
        let now = self.context.clock.now();
        let directory = self.stored_directory().await?;
        let mut ledger = self.ledger(day, self.config.targets(&directory)).await?;
        let late = self.is_late(day, now);
        self.next_due = ledger.next_due(now, self.config.refresh_interval, late);
        let due = || !ledger.due(now, self.config.refresh_interval, late, &HashSet::new()).is_empty();
        if (ledger.is_empty() || due()) && (self.kept.up || self.kept.error.as_ref() != Some(&refusal)) {
            self.kept.up = false;
            self.kept.error = Some(refusal);
            self.keep().await?;
        }
        // Without a list it is unknown which targets the page would lack.
        if ledger.is_empty() { Ok(()) } else { self.look(&mut ledger, &directory, false).await }
    }

    /// Asks what is due for `day`, and what may be shown of it.
    async fn round(&mut self, day: Day) -> Result<(), StoreError> {
        let started = self.context.clock.now();
        let (config, names) = (&self.config, self.config.names);
        let lists = match self.context.discovery.directory(config, names, day).await {
            Ok(found) => found,
            Err(DiscoveryError::Store(error)) => return Err(error),
            Err(DiscoveryError::Platform { list, failure }) => {
                let error = format!("cannot list {list}: {failure}");
                let report = Report { failures: 1, ended: Some(failure), ..Report::default() };
                return self.finish(day, started, report, Some(error)).await;
            }
        };
        let Lists { directory, stale, names: name_lists, notes } = lists;
        self.list_notes = notes;
        let mut ledger = self.ledger(day, self.config.targets(&directory)).await?;
        self.counts = ledger.counts();
        self.tell(day);
        let (context, config) = (self.context.clone(), self.config.clone());
        let mut round = Round::new(&context, &config, self.is_late(day, started));
        let mut looked = started;
        while round.step(&mut ledger).await? {
            if self.context.clock.now().duration_since(looked) >= LOOK {
                looked = self.context.clock.now();
                // Advance next_round during a long round: ImstatsSourceStuck fires when it lies in the past.
                self.next = looked.checked_add(self.config.poll_interval).ok();
                if round.report.usable && self.kept.last_round.is_none() && !self.kept.up {
                    self.kept.up = true;
                    self.kept.error = None;
                    self.keep().await?;
                }
                self.look(&mut ledger, &directory, true).await?;
            }
        }
        let mut report = std::mem::take(&mut round.report);
        self.keep_names(day, &report).await?;
        for (key, words) in std::mem::take(&mut report.left_out) {
            match words {
                Some(words) => self.left_out.insert(key, words),
                None => self.left_out.remove(&key),
            };
        }
        self.memory = ledger.memory();
        let now = self.context.clock.now();
        self.next_due = ledger.next_due(now, self.config.refresh_interval, self.is_late(day, now));
        if ledger.is_empty() {
            self.next_due = now.checked_add(EMPTY_AGAIN).ok();
        }
        if stale.is_some() {
            self.next_due = Some(now);
        }
        self.look(&mut ledger, &directory, report.asked > 0).await?;
        let error = report.fault(stale.as_ref(), ledger.is_empty());
        if report.asked > 0 || stale.is_some() || self.is_news(error.as_deref()) {
            // Where nothing else was asked, the lists tell whether the platform answers.
            if report.asked == 0 {
                report.ended = stale;
            }
            self.finish(day, started, report, error).await?;
        }
        self.bring_names(day, &ledger, directory, name_lists).await
    }

    /// Publishes the ledger's day if it may be shown, and reports the states of its targets; `changed` since the last
    /// look.
    async fn look(&mut self, ledger: &mut Ledger, directory: &Directory, changed: bool) -> Result<(), StoreError> {
        let day = ledger.day;
        self.counts = ledger.counts();
        // A clock that is set right does not bring an older page back, unless it was ahead of what is shown.
        let now = self.context.clock.now();
        let ahead = |shown| self.config.schedule.ready(shown).duration_since(now) > CLOCK_AHEAD;
        let flips = self.kept.shown.is_none_or(|shown| shown < day || ahead(shown));
        let unprotected = self.kept.shown.is_none_or(|shown| self.is_over(shown)) && ledger.is_asked();
        let flips = flips && !ledger.is_empty() && may_flip(&self.counts, self.is_late(day, now), unprotected);
        // A list that the store did not have, as of a new configuration, left the page without its figures.
        let lags = changed || self.served() != Some(day) || self.served_targets != Some(ledger.identity);
        // In a long round the day may have had its time.
        if !self.is_over(day) && (flips || (lags && self.kept.shown == Some(day))) {
            if flips {
                self.kept.shown = Some(day);
                // Before the first round these are the answers of `backfill`, which the platform gave as well.
                self.kept.up |= self.kept.last_round.is_none() && self.kept.error.is_none();
                self.keep().await?;
            }
            self.publish(ledger, directory).await?;
        }
        self.tell(day);
        Ok(())
    }

    /// The lists as they are stored; those that are not are empty.
    async fn stored_directory(&self) -> Result<Directory, StoreError> {
        let mut directory = Directory::new();
        loop {
            let listings = self.config.source.listings(&directory, self.config.names);
            if listings.is_empty() {
                return Ok(directory);
            }
            for listing in listings {
                let list = self.context.discovery.stored(&self.config.account, &listing).await?;
                directory.insert(listing.key, list);
            }
        }
    }

    /// What is known of `targets` for `day`.
    async fn ledger(&self, day: Day, targets: Vec<Target>) -> Result<Ledger, StoreError> {
        let has_children = targets.iter().any(|target| target.after.is_some());
        let mut ledger = Ledger::new(day, self.config.lookback_days, targets);
        let mut days = ledger.days();
        if has_children {
            days.extend(Days::ending(day, self.config.lookback_days).iter());
            days.sort_unstable();
            days.dedup();
        }
        for day in days {
            let (source, account) = (self.config.source.api().name, &self.config.account.name);
            for answer in self.context.store.answers(source, account, Days::one(day)).await? {
                ledger.note(answer);
            }
        }
        if ledger.lacks_answers() {
            // Refusals of yesterday are mostly those of today.
            for day in ledger.days_at(day.plus(-1)) {
                let (source, account) = (self.config.source.api().name, &self.config.account.name);
                for answer in self.context.store.answers(source, account, Days::one(day)).await? {
                    ledger.note_day_before(&answer);
                }
            }
        }
        ledger.recall(&self.memory);
        Ok(ledger)
    }

    /// Whether `flip_after` has passed for `day`.
    fn is_late(&self, day: Day, now: Timestamp) -> bool {
        now >= self.flip_deadline(day)
    }

    fn flip_deadline(&self, day: Day) -> Timestamp {
        let ready = self.config.schedule.ready(day).max(self.started);
        ready.saturating_add(self.config.flip_after).unwrap_or(Timestamp::MAX)
    }

    /// When something will be asked again, if the worker wakes at `next` and then every poll interval.
    fn next_asking(&self, day: Day, next: Timestamp) -> Timestamp {
        let (account, path) = (&self.config.account, self.config.source.api().path);
        let now = self.context.clock.now();
        let denied = self.context.client.denial(account, path).map(|denial| denial.until);
        let paused = now.checked_add(self.context.client.pause_left(account, path)).unwrap_or(Timestamp::MAX);
        // Without a ledger there were no lists, which are asked for at every waking.
        let due = self.next_due.unwrap_or(now).max(denied.unwrap_or(now)).max(paused);
        let late = due.duration_since(next).as_nanos();
        let poll = SignedDuration::try_from(self.config.poll_interval).unwrap_or(SignedDuration::MAX);
        let wakings = if late <= 0 { 0 } else { (late - 1) / poll.as_nanos().max(1) + 1 };
        let wait = i32::try_from(wakings).ok().and_then(|wakings| poll.checked_mul(wakings));
        let asking = wait.and_then(|wait| next.checked_add(wait).ok()).unwrap_or(Timestamp::MAX);
        let next_day = self.config.schedule.ready(day.plus(1)).checked_add(self.jitter).unwrap_or(Timestamp::MAX);
        asking.min(next_day.max(denied.unwrap_or(next_day))).max(next)
    }

    /// When to wake after `now`: after the poll interval, when the next day is ready, when this one is late, or when
    /// the time of the page is over.
    fn next_waking(&self, day: Day, now: Timestamp) -> Timestamp {
        let after = |instant: Timestamp, wait: SignedDuration| instant.checked_add(wait).unwrap_or(Timestamp::MAX);
        let poll = now.saturating_add(self.config.poll_interval).unwrap_or(Timestamp::MAX);
        let next_day = after(self.config.schedule.ready(day.plus(1)), self.jitter);
        let late = Some(self.flip_deadline(day)).filter(|late| self.kept.shown != Some(day) && *late > now);
        let over = self.kept.shown.map(|shown| page_end(&self.config, shown)).filter(|over| *over > now);
        poll.min(next_day).min(late.unwrap_or(Timestamp::MAX)).min(over.unwrap_or(Timestamp::MAX))
    }
}
