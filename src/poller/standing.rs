//! The state of a source: the outcome of its last round, kept over restarts, logged, and shown on the status page.

use std::time::Duration;

use jiff::Timestamp;

use super::report::Report;
use super::worker::Worker;
use crate::day::Day;
use crate::store::StoreError;
use crate::telemetry::{SourceStatus, TargetCounts};

/// What is said of targets that are refused.
const REFUSED: &str = "targets are refused, the last";

/// What is said of figures that are left out.
const INVALID: &str = "figures of the day are left out, as they can't be right";

impl Worker {
    /// Whether `error`, after a waking at which nothing was to be asked, is another than was told before: that of lists
    /// or of the store has passed, or no target is listed any more.
    pub(super) fn is_news(&self, error: Option<&str>) -> bool {
        let TargetCounts { refused, failed, pending, .. } = self.counts;
        // Keep a failure message until the target is asked again, and a refusal message while any target is refused.
        let told = self.kept.error.as_deref();
        let stands = |told: &str| (refused > 0 && told.contains(REFUSED)) || told.contains(INVALID);
        failed + pending == 0 && told != error && !told.is_some_and(stands)
    }

    /// Notes how a round went, and says it in one line.
    pub(super) async fn finish(
        &mut self,
        day: Day,
        started: Timestamp,
        report: Report,
        error: Option<String>,
    ) -> Result<(), StoreError> {
        let now = self.context.clock.now();
        self.kept.up = report.is_up(self.kept.up);
        self.kept.last_round = Some(now);
        self.kept.round_seconds = Some(now.duration_since(started).as_secs_f64().max(0.0));
        if report.failures == 0 && error.is_none() {
            self.kept.last_success = Some(now);
        }
        // A hostile platform must not fill the memory.
        self.unmapped.extend(report.unmapped.into_iter().take(1000_usize.saturating_sub(self.unmapped.len())));
        let TargetCounts { ok, no_data, refused, failed, pending } = self.counts;
        let (source, account) = (self.config.source.api().name, self.config.account.name.as_str());
        let (asked, series, seconds) = (report.asked, self.series, self.kept.round_seconds);
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
        let total = ok + no_data + refused + failed + pending;
        // Only after what failed: a refused target is settled, but an operator may still want it.
        let refused = || {
            let words = self.refusal.as_ref().filter(|_| refused > 0)?;
            Some(format!("{refused} of {total} {REFUSED}: {words}"))
        };
        let invalid = self.memory.invalid_values();
        if let Some(first) = &report.first_invalid {
            tracing::warn!(source, account, figures = invalid, "figures are left out as invalid: {first}");
            self.first_invalid = Some(first.to_string());
        }
        let words = self.first_invalid.as_ref().filter(|_| invalid > 0);
        let invalid = words.map(|words| format!("{invalid} {INVALID}: {words}"));
        let error = error.or_else(refused);
        self.kept.error = match (error, invalid) {
            (Some(error), Some(invalid)) => Some(format!("{error}; {invalid}")),
            (error, invalid) => error.or(invalid),
        };
        self.keep().await
    }

    /// What is wrong, in words: with the last round, and with the lists.
    fn words(&self) -> Option<String> {
        let words: Vec<_> = self.kept.error.clone().into_iter().chain(self.notes()).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// What the operator should know of the lists, and of who is left out, in words.
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

    /// Stores the source's state.
    pub(super) async fn keep(&self) -> Result<(), StoreError> {
        self.context.store.put_status(self.config.source.api().name, &self.config.account.name, &self.kept).await
    }

    /// Reports the source's state to the telemetry.
    pub(super) fn tell(&self, target: Day) {
        let zone = &self.config.schedule.zone;
        let shown = self.served();
        let account = &self.config.account;
        let status = SourceStatus {
            up: self.kept.up,
            shown: shown.map(|day| (day, day.midnight(zone))),
            target: Some((target, target.midnight(zone))),
            targets: self.counts,
            last_round: self.kept.last_round,
            last_success: self.kept.last_success,
            next_round: self.next,
            round_duration: self.kept.round_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            series: shown.map_or(0, |_| self.series),
            unmapped: self.unmapped.clone(),
            invalid: self.memory.invalid_values(),
            token_expiry: self.context.client.token_expiry(account),
            error: self.words(),
        };
        self.context.telemetry.set_source(self.config.source.api().name, &account.name, status);
    }
}
