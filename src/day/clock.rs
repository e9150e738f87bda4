//! The clock, which tests and simulations can set.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// Sleeps are cut into pieces of this length, so that a wall clock that jumps is noticed within it.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// Tells the time, and sleeps until a time comes; all waiting for days and quotas goes through one.
///
/// Cloning gives another handle to the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { origin: Instant },
    Manual { origin: Timestamp, now: watch::Sender<Timestamp> },
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System { origin: Instant::now() })
    }

    /// A clock that stands at `start` until [`Clock::set`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual { origin: start, now: watch::Sender::new(start) })
    }

    /// The wall-clock time, which may jump.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System { .. } => Timestamp::now(),
            Kind::Manual { now, .. } => *now.borrow(),
        }
    }

    /// The time since this clock was made; on the machine's clock it never goes back.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Kind::System { origin } => origin.elapsed(),
            Kind::Manual { origin, now } => {
                Duration::try_from(now.borrow().duration_since(*origin)).unwrap_or_default()
            }
        }
    }

    /// Moves a manual clock to `instant`; a system clock stays as it is.
    pub fn set(&self, instant: Timestamp) {
        if let Kind::Manual { now, .. } = &self.0 {
            now.send_replace(instant);
        }
    }

    /// Moves a manual clock on by `duration`; a system clock stays as it is.
    pub fn advance(&self, duration: Duration) {
        if let Ok(later) = self.now().checked_add(duration) {
            self.set(later);
        }
    }

    /// Sleeps until the wall clock shows `instant` or later.
    pub async fn sleep_until(&self, instant: Timestamp) {
        match &self.0 {
            Kind::System { .. } => loop {
                let left = instant.duration_since(Timestamp::now());
                match Duration::try_from(left) {
                    Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(LONGEST_NAP)).await,
                    _ => return,
                }
            },
            Kind::Manual { now, .. } => {
                let mut seen = now.subscribe();
                // It cannot fail: `self` keeps the sender.
                let _ = seen.wait_for(|now| *now >= instant).await;
            }
        }
    }

    /// Sleeps for `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Kind::System { .. } => tokio::time::sleep(duration).await,
            Kind::Manual { .. } => {
                self.sleep_until(self.now().checked_add(duration).unwrap_or(Timestamp::MAX)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_it_is_set() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(3600)).await }
        });
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(3600));
        sleeper.await.unwrap();
        assert_eq!(clock.elapsed(), Duration::from_secs(3600));
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        Clock::system().sleep_until(Timestamp::UNIX_EPOCH).await;
        Clock::manual(Timestamp::now()).sleep_until(Timestamp::UNIX_EPOCH).await;
    }
}
