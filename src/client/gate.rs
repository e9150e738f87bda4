//! Pacing: how often one API of one company may be called, and until when a platform wants no calls at all.

use std::time::Duration;

use parking_lot::Mutex;

use crate::config::Rate;

/// Calls may come this much ahead of an even spread.
const BURST: Duration = Duration::from_secs(1);

/// What a throttled API pauses for where the platform does not say; WeCom's shortest window.
const SHORT_PAUSE: Duration = Duration::from_secs(60);

/// What it pauses for where the short pause was not enough; WeCom's next window.
const LONG_PAUSE: Duration = Duration::from_secs(3600);

/// No platform may stop an API for longer than this.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// Paces the calls of one API of one company; times are those of [`crate::day::Clock::elapsed`].
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the next call is due in an even spread.
    due: Duration,
    /// No calls before this.
    paused_until: Duration,
    /// What the platform said when it asked for that.
    why: String,
    /// How many pauses followed each other without an accepted call between.
    pauses: u32,
}

/// What the gate answers to a call that wants to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A place is taken: call after this time.
    After(Duration),
    /// The API is paused for this time.
    Paused(Duration),
}

impl Gate {
    /// Takes the next place at `rate`, unless the API is paused.
    pub(super) fn take(&self, rate: Rate, now: Duration) -> Turn {
        let mut state = self.0.lock();
        if state.paused_until > now {
            return Turn::Paused(state.paused_until - now);
        }
        let interval = rate.interval();
        let due = state.due.max(now);
        state.due = due + interval;
        Turn::After((due - now).saturating_sub(BURST.saturating_sub(interval)))
    }

    /// How long the API is paused yet.
    pub(super) fn pause_left(&self, now: Duration) -> Duration {
        self.0.lock().paused_until.saturating_sub(now)
    }

    /// What the platform said when it last asked for a pause.
    pub(super) fn why(&self) -> String {
        self.0.lock().why.clone()
    }

    /// Pauses the API, for `wait` where the platform says so, and keeps `why`; returns for how long.
    ///
    /// Calls that were under way when the platform first refused one are refused as well; they do not make the pause longer.
    pub(super) fn pause(&self, wait: Option<Duration>, why: String, now: Duration) -> Duration {
        let mut state = self.0.lock();
        state.why = why;
        let running = state.paused_until > now;
        let pause = match wait {
            Some(wait) => wait.min(LONGEST_PAUSE),
            None if running => Duration::ZERO,
            None if state.pauses == 0 => SHORT_PAUSE,
            None => LONG_PAUSE,
        };
        if !running {
            state.pauses += 1;
        }
        state.paused_until = state.paused_until.max(now + pause);
        state.paused_until - now
    }

    /// Notes that the platform accepted a call; tells whether it may be called again.
    ///
    /// A call that was under way when the platform asked for the pause does not end it.
    pub(super) fn accepted(&self, now: Duration) -> bool {
        let mut state = self.0.lock();
        let open = state.paused_until <= now;
        if open {
            state.pauses = 0;
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(calls: u32) -> Rate {
        Rate { calls, per: SECOND }
    }

    #[test]
    fn a_second_of_calls_may_come_at_once_and_the_rest_is_spread() {
        let gate = Gate::default();
        let waits: Vec<_> = (0..20).map(|_| gate.take(rate(10), SECOND)).collect();
        assert!(waits[..10].iter().all(|turn| *turn == Turn::After(Duration::ZERO)), "{waits:?}");
        assert_eq!(waits[10], Turn::After(SECOND / 10));
        assert_eq!(waits[19], Turn::After(SECOND));
    }

    #[test]
    fn slow_rates_have_no_burst() {
        let gate = Gate::default();
        let slow = Rate { calls: 30, per: Duration::from_mins(1) };
        assert_eq!(gate.take(slow, SECOND), Turn::After(Duration::ZERO));
        assert_eq!(gate.take(slow, SECOND), Turn::After(2 * SECOND));
    }

    #[test]
    fn the_first_pause_is_a_minute_and_the_next_an_hour() {
        let gate = Gate::default();
        assert_eq!(gate.pause(None, String::new(), SECOND), SHORT_PAUSE);
        assert_eq!(gate.pause(None, String::new(), 2 * SECOND), SHORT_PAUSE - SECOND, "one that was under way");
        assert_eq!(gate.take(rate(10), 2 * SECOND), Turn::Paused(SHORT_PAUSE - SECOND));
        assert_eq!(gate.pause(None, String::new(), 62 * SECOND), LONG_PAUSE);
        assert!(!gate.accepted(63 * SECOND), "one that was under way");
        assert_eq!(gate.pause(None, String::new(), 2 * LONG_PAUSE), LONG_PAUSE);
        assert!(gate.accepted(4 * LONG_PAUSE));
        assert_eq!(gate.pause(None, String::new(), 4 * LONG_PAUSE), SHORT_PAUSE);
    }

    #[test]
    fn the_platforms_own_wait_is_kept_within_a_day() {
        let gate = Gate::default();
        assert_eq!(gate.pause(Some(7 * SECOND), String::new(), SECOND), 7 * SECOND);
        assert_eq!(gate.pause(Some(Duration::MAX), String::new(), SECOND), LONGEST_PAUSE);
        assert_eq!(gate.pause_left(LONGEST_PAUSE), SECOND);
    }
}
