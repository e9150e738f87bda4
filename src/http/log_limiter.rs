//! How often a line is logged that a client can cause.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

const WINDOW: Duration = Duration::from_mins(1);

/// Lets so many lines a minute into the log, and counts the others.
#[derive(Debug)]
pub(super) struct LogLimiter {
    most: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The minute in which lines are counted.
    begun: Option<Instant>,
    told: u32,
    left_out: u64,
}

impl LogLimiter {
    /// Lets `most` lines in each minute.
    pub(super) fn new(most: u32) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// How many lines were left out since the last one, where one may be logged now.
    pub(super) fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.begun.is_none_or(|begun| now.saturating_duration_since(begun) >= WINDOW) {
            (state.begun, state.told) = (Some(now), 0);
        }
        if state.told >= self.most {
            state.left_out += 1;
            return None;
        }
        state.told += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_minute_are_logged_and_the_others_counted() {
        let limiter = LogLimiter::new(2);
        let begin = Instant::now();
        let at = |seconds| limiter.admit_at(begin + Duration::from_secs(seconds));
        let told: Vec<_> = [0, 1, 2, 59, 60, 61, 62].into_iter().map(at).collect();
        assert_eq!(told, [Some(0), Some(0), None, None, Some(2), Some(0), None]);
    }
}
