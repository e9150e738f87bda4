//! One source's worker: wakes, asks what is due, and decides which day is shown.

use std::collections::HashSet;
use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::health::{FinishedRound, Health, OnShow};
use super::ledger::{Ledger, kept_days, may_flip};
use super::page::SourcePage;
use super::page_end::take_down_in_time;
use super::report::Report;
use super::round::Round;
use super::timetable::{Obstacles, Timetable};
use super::trouble::Memory;
use crate::config::SourceConfig;
use crate::day::{Day, Days};
use crate::discovery::{DiscoveryError, EMPTY_AGAIN, Lists};
use crate::source::{Directory, Target};
use crate::store::StoreError;

/// How often the state of a long round is shown, and its page brought up to date.
const LOOK: SignedDuration = SignedDuration::from_secs(30);

/// A page of a day that is ready in more than this was shown while the clock was ahead.
const CLOCK_AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// Polls one source. A program lets it [`Worker::run`]; a test calls [`Worker::wake`] and sets the clock between.
#[derive(Debug)]
pub struct Worker {
    context: Context,
    config: SourceConfig,
    timetable: Timetable,
    /// Whether the store was read.
    restored: bool,
    health: Health,
    page: SourcePage,
    /// What is known of the target day's targets beside what the store has.
    memory: Memory,
    /// When some target is due next, by the last look at the ledger.
    next_due: Option<Timestamp>,
    /// The round under way.
    round: Option<Round>,
}

impl Worker {
    /// A worker for `config` in a program that started at `started`.
    #[must_use]
    pub fn new(context: Context, config: SourceConfig, started: Timestamp) -> Self {
        Self {
            health: Health::new(context.clone(), config.clone()),
            page: SourcePage::new(context.clone(), config.clone()),
            timetable: Timetable::new(config.clone(), started, context.jitter),
            context,
            config,
            restored: false,
            memory: Memory::default(),
            next_due: None,
            round: None,
        }
    }

    /// Shows what was shown before a restart, from the store alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn restore(&mut self) -> Result<(), StoreError> {
        self.page.label().await?;
        self.health.restore().await?;
        let target_day = self.config.schedule.target_day(self.context.clock.now());
        self.drop_old_page().await?;
        let directory = self.stored_directory().await?;
        let mut counts = None;
        if let Some(day) = self.health.shown() {
            let targets = self.config.targets(&directory);
            let days = kept_days(&targets, day);
            // Both at once: people wait for the page of a large company.
            let (rows, ledger) = tokio::try_join!(self.page.stored_rows(&days), self.ledger(day, targets))?;
            counts = (day == target_day).then(|| ledger.counts());
            self.page.publish_rows(rows, &ledger, &directory).await?;
        }
        let counts = match counts {
            Some(counts) => counts,
            None => self.ledger(target_day, self.config.targets(&directory)).await?.counts(),
        };
        self.health.set_counts(counts);
        self.restored = true;
        self.report(target_day);
        Ok(())
    }

    /// Wakes until `shutdown`; then drops the questions that are under way, and stores the answers that have come.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let page_end = take_down_in_time(self.context.clone(), self.config.clone());
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            never = self.wake_for_ever() => match never {},
            never = page_end => match never {},
        }
        self.end_round_early().await;
    }

    /// Ends a round that did not come to its end, if there is one.
    async fn end_round_early(&mut self) {
        if let Some(round) = &mut self.round {
            round.finish_early().await;
        }
        self.round = None;
    }

    async fn wake_for_ever(&mut self) -> Infallible {
        loop {
            let woken = self.wake_restored().await;
            let next = woken.unwrap_or_else(|error| {
                self.health.fail(&error);
                let now = self.context.clock.now();
                self.report(self.config.schedule.target_day(now));
                self.timetable.poll_after(now)
            });
            // The clock may have been set back during the round.
            let now = self.context.clock.now();
            let next = next.min(self.timetable.poll_after(now));
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
        // Of a waking that was cancelled.
        self.end_round_early().await;
        let now = self.context.clock.now();
        let day = self.config.schedule.target_day(now);
        if self.memory.day != Some(day) {
            self.memory = Memory { day: Some(day), ..Memory::default() };
        }
        self.health.set_next_round(Some(self.timetable.next_waking(day, now, self.health.shown())));
        self.end_page(day).await?;
        self.next_due = None;
        let denial = self.context.client.denial(&self.config.account, self.config.source.api().path);
        match denial {
            None => self.round(day).await?,
            Some(denial) => self.hold(day, denial.text).await?,
        }
        let next = self.timetable.next_waking(day, now, self.health.shown());
        let next = self.timetable.past_denial(next, self.denied());
        self.health.set_next_round(Some(self.next_asking(day, next)));
        self.report(day);
        Ok(next)
    }

    /// Where the time of the page is over, shows `day` in its place as far as it is there, or nothing.
    async fn end_page(&mut self, day: Day) -> Result<(), StoreError> {
        if ![self.health.shown(), self.page.day()].into_iter().flatten().any(|shown| self.page.is_over(shown)) {
            return Ok(());
        }
        let looked = self.look_at_answers(day).await;
        // Also where the store can't be read.
        self.drop_old_page().await?;
        looked
    }

    /// Takes the page down if its time is over.
    async fn drop_old_page(&mut self) -> Result<(), StoreError> {
        self.page.take_down_if_over().await;
        let Some(shown) = self.health.shown().filter(|day| self.page.is_over(*day)) else { return Ok(()) };
        let (source, account) = (self.config.source.api().name, self.config.account.name.as_str());
        tracing::warn!(source, account, day = %shown, "the next day is late, and flip_after has passed: this page is taken down");
        self.page.forget();
        self.health.show_nothing().await
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
        let late = self.timetable.is_late(day, now);
        self.next_due = ledger.next_due(now, self.config.refresh_interval, late);
        let due = || !ledger.due(now, self.config.refresh_interval, late, &HashSet::new()).is_empty();
        if ledger.is_empty() || due() {
            self.health.deny(refusal).await?;
        }
        // Without a list it is unknown which targets the page would lack.
        if ledger.is_empty() { Ok(()) } else { self.look(&mut ledger, &directory, false).await }
    }

    /// Asks what is due for `day`, and shows what may be shown of it.
    async fn round(&mut self, day: Day) -> Result<(), StoreError> {
        let started = self.context.clock.now();
        let lists = match self.context.discovery.directory(&self.config, self.config.names, day).await {
            Ok(lists) => lists,
            Err(DiscoveryError::Store(error)) => return Err(error),
            Err(DiscoveryError::Platform { list, failure }) => {
                let error = format!("cannot list {list}: {failure}");
                let report = Report { failures: 1, ended: Some(failure), ..Report::default() };
                return self.finish(day, started, report, Some(error)).await;
            }
        };
        let Lists { mut directory, stale, names: name_lists, notes } = lists;
        self.health.set_list_notes(notes);
        let mut ledger = self.ledger(day, self.config.targets(&directory)).await?;
        self.health.set_counts(ledger.counts());
        self.report(day);
        let asked = self.ask(&mut ledger, &directory, started).await;
        if asked.is_err() {
            self.end_round_early().await;
        }
        let mut report = asked?;
        self.page.store_names(day, &report.names).await?;
        self.health.note_left_out(std::mem::take(&mut report.left_out));
        self.memory = ledger.memory();
        let now = self.context.clock.now();
        self.next_due = ledger.next_due(now, self.config.refresh_interval, self.timetable.is_late(day, now));
        if ledger.is_empty() {
            self.next_due = now.checked_add(EMPTY_AGAIN).ok();
        }
        if stale.is_some() {
            self.next_due = Some(now);
        }
        self.look(&mut ledger, &directory, report.asked > 0).await?;
        let error = report.fault(stale.as_ref(), ledger.is_empty());
        if report.asked > 0 || stale.is_some() || self.health.is_news(error.as_deref()) {
            // Where nothing else was asked, the lists tell whether the platform answers.
            if report.asked == 0 {
                report.ended = stale;
            }
            self.finish(day, started, report, error).await?;
        }
        if self.page.fetch_names(day, &mut directory, name_lists).await? && self.health.shown().is_some() {
            self.page.publish_names(&ledger, &directory).await?;
        }
        Ok(())
    }

    /// Asks what is due by `ledger`, which notes the answers; looks now and then what may be shown of them.
    ///
    /// The round is the worker's own and not of this function, so that it can be ended early where this is cancelled.
    async fn ask(
        &mut self,
        ledger: &mut Ledger,
        directory: &Directory,
        started: Timestamp,
    ) -> Result<Report, StoreError> {
        let mut looked = started;
        let late = self.timetable.is_late(ledger.day, started);
        self.round = Some(Round::new(self.context.clone(), self.config.clone(), late));
        while let Some(round) = &mut self.round {
            if !round.step(ledger).await? {
                break;
            }
            let usable = round.report().usable;
            if self.context.clock.now().duration_since(looked) >= LOOK {
                looked = self.context.clock.now();
                self.look_in_mid_round(ledger, directory, usable).await?;
            }
        }
        Ok(self.round.take().map(Round::into_report).unwrap_or_default())
    }

    /// Brings the state of a long round and its page up to date; `usable`: the platform gave usable answers.
    async fn look_in_mid_round(
        &mut self,
        ledger: &mut Ledger,
        directory: &Directory,
        usable: bool,
    ) -> Result<(), StoreError> {
        // Advance next_round during a long round: ImstatsSourceStuck fires when it lies in the past.
        self.health.set_next_round(self.context.clock.now().checked_add(self.config.poll_interval).ok());
        if usable {
            self.health.come_up().await?;
        }
        self.look(ledger, directory, true).await
    }

    /// Notes how a round of `day` went.
    async fn finish(
        &mut self,
        day: Day,
        started: Timestamp,
        report: Report,
        error: Option<String>,
    ) -> Result<(), StoreError> {
        let (series, invalid) = (self.page.series(), self.memory.invalid_values());
        self.health.finish(FinishedRound { day, started, report, error, series, invalid }).await
    }

    /// Reports the source to telemetry.
    fn report(&self, target: Day) {
        let (served, series) = (self.page.day(), self.page.series());
        self.health.report(OnShow { target, served, series, invalid: self.memory.invalid_values() });
    }

    /// Publishes the ledger's day if it may be shown, and reports the states of its targets; `changed` since the last
    /// look.
    async fn look(&mut self, ledger: &mut Ledger, directory: &Directory, changed: bool) -> Result<(), StoreError> {
        let day = ledger.day;
        self.health.set_counts(ledger.counts());
        // A clock that is set right does not bring an older page back, unless it was ahead of what is shown.
        let now = self.context.clock.now();
        let shown = self.health.shown();
        let ahead = |shown| self.config.schedule.ready(shown).duration_since(now) > CLOCK_AHEAD;
        let flips = shown.is_none_or(|shown| shown < day || ahead(shown));
        let unprotected = shown.is_none_or(|shown| self.page.is_over(shown)) && ledger.is_asked();
        let flips = flips
            && !ledger.is_empty()
            && may_flip(self.health.counts(), self.timetable.is_late(day, now), unprotected);
        // A list that the store did not have, as of a new configuration, left the page without its figures.
        let lags = changed || self.page.lags(ledger);
        // In a long round the day may have had its time.
        if !self.page.is_over(day) && (flips || (lags && shown == Some(day))) {
            if flips {
                self.health.show(day).await?;
            }
            self.page.publish(ledger, directory).await?;
        }
        self.report(day);
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

    /// Until when the account or the API is refused.
    fn denied(&self) -> Option<Timestamp> {
        let denial = self.context.client.denial(&self.config.account, self.config.source.api().path);
        denial.map(|denial| denial.until)
    }

    /// When something is asked again, if the worker wakes at `next` and then every poll interval.
    fn next_asking(&self, day: Day, next: Timestamp) -> Timestamp {
        let (account, path) = (&self.config.account, self.config.source.api().path);
        let now = self.context.clock.now();
        let denied = self.denied();
        let paused = now.checked_add(self.context.client.pause_left(account, path)).unwrap_or(Timestamp::MAX);
        self.timetable.next_asking(day, now, next, &Obstacles { due: self.next_due, denied, paused })
    }
}
