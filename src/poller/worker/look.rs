//! What a worker shows: a day when it may be shown, its page kept up to date, and taken down when its time is over.

use jiff::SignedDuration;

use super::Worker;
use crate::day::Day;
use crate::poller::health::OnShow;
use crate::poller::ledger::{Ledger, may_flip};
use crate::source::Directory;
use crate::store::StoreError;

/// A page of a day that is ready in more than this was shown while the clock was ahead.
const CLOCK_AHEAD: SignedDuration = SignedDuration::from_hours(1);

impl Worker {
    /// Where the time of the page is over, shows `day` in its place as far as it is there, or nothing.
    pub(super) async fn end_page(&mut self, day: Day) -> Result<(), StoreError> {
        if ![self.health.shown(), self.page.day()].into_iter().flatten().any(|shown| self.page.is_over(shown)) {
            return Ok(());
        }
        let looked = self.look_at_answers(day).await;
        // Also where the store can't be read.
        self.drop_old_page().await?;
        looked
    }

    /// Takes the page down if its time is over.
    pub(super) async fn drop_old_page(&mut self) -> Result<(), StoreError> {
        self.page.take_down_if_over().await;
        let Some(shown) = self.health.shown().filter(|day| self.page.is_over(*day)) else { return Ok(()) };
        let (source, account) = (self.config.source.api().name, self.config.account.name.as_str());
        tracing::warn!(source, account, day = %shown, "the next day is late, and flip_after has passed: this page is taken down");
        self.page.forget();
        self.health.show_nothing().await
    }

    /// Shows what may be shown of `day` by the answers that are stored.
    pub(super) async fn look_at_answers(&mut self, day: Day) -> Result<(), StoreError> {
        let directory = self.stored_directory().await?;
        let mut ledger = self.ledger(day, self.config.targets(&directory)).await?;
        // Without a list it is not known what would be missing from the page.
        if ledger.is_empty() { Ok(()) } else { self.look(&mut ledger, &directory, false).await }
    }

    /// Brings the state of a long round and its page up to date; `usable`: the platform gave usable answers.
    pub(super) async fn look_in_mid_round(
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

    /// Reports the source to telemetry.
    pub(super) fn report(&self, target: Day) {
        let (served, series) = (self.page.day(), self.page.series());
        self.health.report(OnShow { target, served, series, invalid: self.memory.invalid_values() });
    }

    /// Publishes the ledger's day if it may be shown, and reports the states of its targets; `changed` since the last
    /// look.
    pub(super) async fn look(
        &mut self,
        ledger: &mut Ledger,
        directory: &Directory,
        changed: bool,
    ) -> Result<(), StoreError> {
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
}
