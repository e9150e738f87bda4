//! The rate limit of the web configuration.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Two buckets that fill with a token per interval; each request takes one.
///
/// Clients whose password was found right before have a bucket of their own: requests without a password must not be
/// able to keep them out.
#[derive(Debug)]
pub(in crate::http) struct Limiter {
    interval: Duration,
    burst: f64,
    known: Bucket,
    others: Bucket,
}

/// The tokens that there were at that moment.
type Bucket = Mutex<(f64, Instant)>;

impl Limiter {
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        let burst = f64::from(burst);
        let full = || Mutex::new((burst, Instant::now()));
        Self { interval, burst, known: full(), others: full() }
    }

    /// Takes a token, if there is one at `now`.
    pub(in crate::http) fn take(&self, is_known: bool, now: Instant) -> bool {
        let bucket = if is_known { &self.known } else { &self.others };
        let mut tokens = bucket.lock();
        let (left, at) = *tokens;
        let filled = now.saturating_duration_since(at).as_secs_f64() / self.interval.as_secs_f64();
        let left = (left + filled).min(self.burst);
        let taken = left >= 1.0;
        *tokens = (if taken { left - 1.0 } else { left }, now.max(at));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_with_time_up_to_the_burst() {
        let begin = Instant::now();
        let limiter = Limiter::new(Duration::from_secs(1), 2);
        let taken = |seconds: f64| limiter.take(false, begin + Duration::from_secs_f64(seconds));
        let asked: Vec<_> = [0.1, 0.1, 0.1, 0.6, 1.1, 1.2, 60.0, 60.0, 60.0].into_iter().map(taken).collect();
        assert_eq!(asked, [true, true, false, false, true, false, true, true, false]);
        assert!(limiter.take(true, begin), "known clients have tokens of their own");
    }
}
