//! The state of a source: what its rounds came to, kept over restarts, logged, and shown on the status page.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Context;
use super::report::Report;
use crate::config::SourceConfig;
use crate::day::Day;
use crate::store::{ErrorKind, SourceError, SourceState, StoreError};
use crate::telemetry::{SourceStatus, TargetCounts};

/// The most unknown fields that are remembered: a hostile platform must not fill the memory.
const MOST_UNMAPPED: usize = 1000;

/// The health of one source.
#[derive(Debug)]
pub(super) struct Health {
    context: Context,
    config: SourceConfig,
    state: SourceState,
    counts: TargetCounts,
    /// When something is asked next.
    next_round: Option<Timestamp>,
    /// Why a target was refused, the last time that one was.
    refusal: Option<String>,
    /// What was wrong with a figure, the last time that one was invalid.
    first_invalid: Option<String>,
    /// What the operator should know of the lists of the last waking.
    list_notes: Vec<String>,
    /// Which members are left out of a union, in words, by its key.
    left_out: BTreeMap<String, String>,
    /// Platform fields that no gauge maps.
    unmapped: BTreeSet<String>,
}

/// A round that is over.
#[derive(Debug)]
pub(super) struct FinishedRound {
    pub(super) day: Day,
    pub(super) started: Timestamp,
    pub(super) report: Report,
    /// What went wrong, in words.
    pub(super) error: Option<String>,
    /// How many series the page has.
    pub(super) series: usize,
    /// How many figures of the day are left out as invalid.
    pub(super) invalid: usize,
}

/// What is on show, and for which day.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnShow {
    /// The source's target day.
    pub(super) target: Day,
    /// The day of the page that is served.
    pub(super) served: Option<Day>,
    /// How many series it has.
    pub(super) series: usize,
    /// How many figures of the target day are left out as invalid.
    pub(super) invalid: usize,
}

impl Health {
    pub(super) fn new(context: Context, config: SourceConfig) -> Self {
        Self {
            context,
            config,
            state: SourceState::default(),
            counts: TargetCounts::default(),
            next_round: None,
            refusal: None,
            first_invalid: None,
            list_notes: Vec::new(),
            left_out: BTreeMap::new(),
            unmapped: BTreeSet::new(),
        }
    }

    /// Reads the state that was stored before a restart.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn restore(&mut self) -> Result<(), StoreError> {
        let state = self.context.store.status(self.config.source.api().name, &self.config.account.name).await?;
        self.state = state.unwrap_or_default();
        Ok(())
    }

    async fn persist(&self) -> Result<(), StoreError> {
        self.context.store.put_status(self.config.source.api().name, &self.config.account.name, &self.state).await
    }

    /// The day that the page is to show.
    pub(super) fn shown(&self) -> Option<Day> {
        self.state.shown
    }

    /// Stores that the page is to show `day`, before it does.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn show(&mut self, day: Day) -> Result<(), StoreError> {
        self.state.shown = Some(day);
        // Before the first round these are the answers of `backfill`, which the platform gave as well.
        self.state.up |= self.state.last_round.is_none() && self.state.error.is_none();
        self.persist().await
    }

    /// Stores that there is nothing to show.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn show_nothing(&mut self) -> Result<(), StoreError> {
        self.state.shown = None;
        self.persist().await
    }

    pub(super) fn counts(&self) -> &TargetCounts {
        &self.counts
    }

    pub(super) fn set_counts(&mut self, counts: TargetCounts) {
        self.counts = counts;
    }

    /// Sets when something is asked next.
    pub(super) fn set_next_round(&mut self, next: Option<Timestamp>) {
        self.next_round = next;
    }

    /// Takes what the operator should know of the lists of this waking.
    pub(super) fn set_list_notes(&mut self, notes: Vec<String>) {
        self.list_notes = notes;
    }

    /// Notes which members are left out of unions, by the unions' keys; none where there are no words.
    pub(super) fn note_left_out(&mut self, unions: BTreeMap<String, Option<String>>) {
        for (key, words) in unions {
            match words {
                Some(words) => self.left_out.insert(key, words),
                None => self.left_out.remove(&key),
            };
        }
    }

    /// Notes that the worker could not go on; it is not stored, as the store is what failed.
    pub(super) fn fail(&mut self, error: &StoreError) {
        tracing::error!(source = self.config.source.api().name, account = self.config.account.name, "{error}");
        self.state.error = Some(SourceError::passing(error.to_string()));
    }

    /// Notes that the account is refused, with what the platform said; stores it where that is news.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn deny(&mut self, refusal: String) -> Result<(), StoreError> {
        if !self.state.up && self.state.error.as_ref().is_some_and(|error| error.text == refusal) {
            return Ok(());
        }
        self.state.up = false;
        self.state.error = Some(SourceError::passing(refusal));
        self.persist().await
    }

    /// Notes that the platform gives usable answers, where the first round goes on for long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn come_up(&mut self) -> Result<(), StoreError> {
        if self.state.last_round.is_some() || self.state.up {
            return Ok(());
        }
        self.state.up = true;
        self.state.error = None;
        self.persist().await
    }

    /// Whether `error`, after a waking at which nothing was to be asked, is another than was told before: that of lists
    /// or of the store has passed, or no target is listed any more.
    pub(super) fn is_news(&self, error: Option<&str>) -> bool {
        let TargetCounts { refused, failed, pending, .. } = self.counts;
        let told = self.state.error.as_ref();
        // Keep a failure message until the target is asked again, and a refusal message while any target is refused.
        let remains = told.is_some_and(|told| match told.kind {
            Some(ErrorKind::Passing) => false,
            // What an older version stored may be about refusals.
            Some(ErrorKind::Refusals) | None => refused > 0,
            Some(ErrorKind::InvalidFigures) => true,
        });
        failed + pending == 0 && told.map(|told| told.text.as_str()) != error && !remains
    }

    /// Notes and stores how a round went, and logs it in one line.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn finish(&mut self, round: FinishedRound) -> Result<(), StoreError> {
        let FinishedRound { day, started, report, error, series, invalid } = round;
        let now = self.context.clock.now();
        self.state.up = report.is_up(self.state.up);
        self.state.last_round = Some(now);
        self.state.round_seconds = Some(now.duration_since(started).as_secs_f64().max(0.0));
        if report.failures == 0 && error.is_none() {
            self.state.last_success = Some(now);
        }
        self.unmapped.extend(report.unmapped.into_iter().take(MOST_UNMAPPED.saturating_sub(self.unmapped.len())));
        let TargetCounts { ok, no_data, refused, failed, pending } = self.counts;
        let (source, account) = (self.config.source.api().name, self.config.account.name.as_str());
        let (asked, seconds) = (report.asked, self.state.round_seconds);
        tracing::info!(
            source,
            account,
            day = %day,
            asked,
            ok,
            no_data,
            refused,
            failed,
            pending,
            series,
            seconds,
            "round done"
        );
        if let Some(error) = &error {
            tracing::warn!(source, account, "round with failures: {error}");
        }
        if let Some(notes) = self.notes() {
            tracing::warn!(source, account, "{notes}");
        }
        if let Some(refusal) = report.refusal {
            self.refusal = Some(refusal.to_string());
        }
        if error.is_none() && refused > 0 && ok + no_data == 0 {
            let words = self.refusal.as_ref().map(|words| format!(", the last with {words}")).unwrap_or_default();
            tracing::warn!(source, account, refused, "the platform refuses all that is asked{words}");
        }
        if let Some(first) = &report.first_invalid {
            tracing::warn!(source, account, figures = invalid, "figures are left out as invalid: {first}");
            self.first_invalid = Some(first.to_string());
        }
        self.state.error = self.error_after(error, invalid);
        self.persist().await
    }

    /// What is wrong after a round that went wrong by `error`, with so many `invalid` figures left out.
    fn error_after(&self, error: Option<String>, invalid: usize) -> Option<SourceError> {
        let TargetCounts { ok, no_data, refused, failed, pending } = self.counts;
        let total = ok + no_data + refused + failed + pending;
        // Only after what failed: a refused target is settled, but an operator may still want it.
        let refusals = || {
            let words = self.refusal.as_ref().filter(|_| refused > 0)?;
            let text = format!("{refused} of {total} targets are refused, the last: {words}");
            Some(SourceError { text, kind: Some(ErrorKind::Refusals) })
        };
        let error = error.map(SourceError::passing).or_else(refusals);
        let Some(words) = self.first_invalid.as_ref().filter(|_| invalid > 0) else { return error };
        let invalid = format!("{invalid} figures of the day are left out, as they can't be right: {words}");
        let text = match error {
            Some(error) => format!("{}; {invalid}", error.text),
            None => invalid,
        };
        Some(SourceError { text, kind: Some(ErrorKind::InvalidFigures) })
    }

    /// What is wrong, in words: with the last round, and with the lists.
    fn words(&self) -> Option<String> {
        let error = self.state.error.as_ref().map(|error| error.text.clone());
        let words: Vec<_> = error.into_iter().chain(self.notes()).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// What the operator should know of the lists, and of members that are left out, in words.
    fn notes(&self) -> Option<String> {
        let some = |notes: &[&String], what: &str| match notes {
            [] => None,
            [only] => Some((*only).clone()),
            [first, others @ ..] => Some(format!("{first} (and {} more of the {what})", others.len())),
        };
        let lists = some(&self.list_notes.iter().collect::<Vec<_>>(), "lists");
        let unions = some(&self.left_out.values().collect::<Vec<_>>(), "teams");
        let notes: Vec<_> = lists.into_iter().chain(unions).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    /// Reports to telemetry, for the exporter's own metrics and the status page.
    pub(super) fn report(&self, on_show: OnShow) {
        let OnShow { target, served, series, invalid } = on_show;
        let zone = &self.config.schedule.zone;
        let account = &self.config.account;
        let status = SourceStatus {
            up: self.state.up,
            shown: served.map(|day| (day, day.midnight(zone))),
            target: Some((target, target.midnight(zone))),
            targets: self.counts,
            last_round: self.state.last_round,
            last_success: self.state.last_success,
            next_round: self.next_round,
            round_duration: self.state.round_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            series: served.map_or(0, |_| series),
            unmapped: self.unmapped.clone(),
            invalid,
            token_expiry: self.context.client.token_expiry(account),
            error: self.words(),
        };
        self.context.telemetry.set_source(self.config.source.api().name, &account.name, status);
    }
}
