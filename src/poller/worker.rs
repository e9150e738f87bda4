//! One source's worker: wakes, asks what is due, and decides which day is shown.

mod look;
mod stored;

use std::collections::HashSet;
use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::health::{FinishedRound, Health};
use super::ledger::{Ledger, kept_days};
use super::page::SourcePage;
use super::page_end::take_down_in_time;
use super::report::Report;
use super::round::Round;
use super::timetable::{Obstacles, Timetable};
use super::trouble::Memory;
use crate::config::SourceConfig;
use crate::day::Day;
use crate::discovery::{DiscoveryError, EMPTY_AGAIN, Lists};
use crate::source::Directory;
use crate::store::StoreError;

/// How often the state of a long round is shown, and its page brought up to date.
const LOOK: SignedDuration = SignedDuration::from_secs(30);

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
            // Both at once, as the page of a large company takes long.
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

    /// Asks nothing, as the account is refused. A source that has something to ask reports the refusal, though the
    /// platform gave it to another source.
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
