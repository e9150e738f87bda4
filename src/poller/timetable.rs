//! When a worker wakes, when its day is late, and when it asks again.

use jiff::{SignedDuration, Timestamp};

use super::page_end::page_end;
use crate::config::SourceConfig;
use crate::day::Day;

/// The times of one worker.
#[derive(Debug)]
pub(super) struct Timetable {
    config: SourceConfig,
    /// From when on `flip_after` counts, where the target day was ready before.
    started: Timestamp,
    /// How long after a day is ready it wakes.
    jitter: SignedDuration,
}

/// What keeps a worker from asking.
#[derive(Debug)]
pub(super) struct Obstacles {
    /// When some target is due. Without a ledger there were no lists, which are asked for at every waking.
    pub(super) due: Option<Timestamp>,
    /// Until when the account or the API is refused.
    pub(super) denied: Option<Timestamp>,
    /// Until when the platform wants no calls.
    pub(super) paused: Timestamp,
}

impl Timetable {
    /// The times of a worker in a program that started at `started`; wakes up to `jitter` after a day is ready.
    pub(super) fn new(config: SourceConfig, started: Timestamp, jitter: std::time::Duration) -> Self {
        let most = i64::try_from(jitter.as_millis()).unwrap_or(0);
        Self { config, started, jitter: SignedDuration::from_millis(fastrand::i64(0..=most)) }
    }

    /// A poll interval after `instant`.
    pub(super) fn poll_after(&self, instant: Timestamp) -> Timestamp {
        instant.saturating_add(self.config.poll_interval).unwrap_or(Timestamp::MAX)
    }

    /// Whether `flip_after` has passed for `day`.
    pub(super) fn is_late(&self, day: Day, now: Timestamp) -> bool {
        now >= self.flip_deadline(day)
    }

    fn flip_deadline(&self, day: Day) -> Timestamp {
        let ready = self.config.schedule.ready(day).max(self.started);
        ready.saturating_add(self.config.flip_after).unwrap_or(Timestamp::MAX)
    }

    /// When it wakes as the day after `day` is ready.
    fn day_after(&self, day: Day) -> Timestamp {
        self.config.schedule.ready(day.plus(1)).checked_add(self.jitter).unwrap_or(Timestamp::MAX)
    }

    /// When to wake after `now`, where the page shows the day `shown`: after the poll interval, when the next day is ready,
    /// when this one is late, or when the time of the page is over.
    pub(super) fn next_waking(&self, day: Day, now: Timestamp, shown: Option<Day>) -> Timestamp {
        let late = Some(self.flip_deadline(day)).filter(|late| shown != Some(day) && *late > now);
        let over = shown.map(|shown| page_end(&self.config, shown)).filter(|over| *over > now);
        let others = [late, over].into_iter().flatten();
        others.fold(self.poll_after(now).min(self.day_after(day)), Timestamp::min)
    }

    /// `next`, or the end of a refusal of the account shortly after it: a waking just before that end would ask nothing, and
    /// the account would stay refused for one more poll interval.
    pub(super) fn past_denial(&self, next: Timestamp, denied: Option<Timestamp>) -> Timestamp {
        let shortly = next.saturating_add(self.config.poll_interval / 10).unwrap_or(Timestamp::MAX);
        denied.filter(|until| (next..=shortly).contains(until)).unwrap_or(next)
    }

    /// When something is asked again, if the worker wakes at `next` and then every poll interval.
    pub(super) fn next_asking(&self, day: Day, now: Timestamp, next: Timestamp, obstacles: &Obstacles) -> Timestamp {
        let Obstacles { due, denied, paused } = *obstacles;
        let due = due.unwrap_or(now).max(denied.unwrap_or(now)).max(paused);
        let late = due.duration_since(next).as_nanos();
        let poll = SignedDuration::try_from(self.config.poll_interval).unwrap_or(SignedDuration::MAX);
        let wakings = if late <= 0 { 0 } else { (late - 1) / poll.as_nanos().max(1) + 1 };
        let wait = i32::try_from(wakings).ok().and_then(|wakings| poll.checked_mul(wakings));
        let asking = wait.and_then(|wait| next.checked_add(wait).ok()).unwrap_or(Timestamp::MAX);
        let next_day = self.day_after(day);
        asking.min(next_day.max(denied.unwrap_or(next_day))).max(next)
    }
}
