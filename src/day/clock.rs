//! The clock, which tests and simulations can set.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Sleeps are cut into pieces of this length, so that a wall clock that jumps is noticed within it.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// A wall clock that is set back by less is merely being set right.
const SET_BACK: SignedDuration = SignedDuration::from_mins(1);

/// Tells the time, and sleeps until a time comes; all waiting for days and quotas goes through one.
///
/// Cloning gives another handle to the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { origin: Instant },
    Manual(Manual),
}

#[derive(Clone, Debug)]
struct Manual {
    hands: watch::Sender<Hands>,
    /// The end of each sleep for a duration, as elapsed time.
    ends: Arc<Mutex<Vec<Duration>>>,
}

/// What a manual clock shows.
#[derive(Clone, Copy, Debug)]
struct Hands {
    now: Timestamp,
    /// How far it went forward, however often it was set back.
    elapsed: Duration,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System { origin: Instant::now() })
    }

    /// A clock that shows `start` until [`Clock::set`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        let hands = watch::Sender::new(Hands { now: start, elapsed: Duration::ZERO });
        Self(Kind::Manual(Manual { hands, ends: Arc::default() }))
    }

    /// The wall-clock time, which may jump.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System { .. } => Timestamp::now(),
            Kind::Manual(manual) => manual.hands.borrow().now,
        }
    }

    /// The time since this clock was made, which never goes back.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Kind::System { origin } => origin.elapsed(),
            Kind::Manual(manual) => manual.hands.borrow().elapsed,
        }
    }

    /// Moves a manual clock to `instant`; a system clock stays as it is.
    pub fn set(&self, instant: Timestamp) {
        if let Kind::Manual(manual) = &self.0 {
            manual.hands.send_modify(|hands| {
                hands.elapsed += Duration::try_from(instant.duration_since(hands.now)).unwrap_or_default();
                hands.now = instant;
            });
        }
    }

    /// Moves a manual clock on by `duration`; a system clock stays as it is.
    pub fn advance(&self, duration: Duration) {
        if let Ok(later) = self.now().checked_add(duration) {
            self.set(later);
        }
    }

    /// Moves a manual clock on to where the first of the sleeps for a duration ends; not at all where nothing sleeps.
    pub fn advance_to_next_end(&self) {
        if let Kind::Manual(manual) = &self.0 {
            let next = manual.ends.lock().iter().min().copied();
            self.advance(next.map_or(Duration::ZERO, |end| end.saturating_sub(self.elapsed())));
        }
    }

    /// Sleeps until the wall clock shows `instant` or later, or until it is set back: `instant` may have been reckoned
    /// by a clock that was wrong, and be a day away.
    pub async fn sleep_until(&self, instant: Timestamp) {
        let began = self.now();
        match &self.0 {
            Kind::System { .. } => {
                let origin = Instant::now();
                loop {
                    let now = Timestamp::now();
                    let left = Duration::try_from(instant.duration_since(now)).unwrap_or_default();
                    let passed = SignedDuration::try_from(origin.elapsed()).unwrap_or(SignedDuration::MAX);
                    let set_back = now.duration_since(began) < passed.saturating_sub(SET_BACK);
                    if left.is_zero() || set_back {
                        return;
                    }
                    tokio::time::sleep(left.min(LONGEST_NAP)).await;
                }
            }
            Kind::Manual(manual) => {
                let set_back = |now: Timestamp| now.duration_since(began) < -SET_BACK;
                // It cannot fail: `self` keeps the sender.
                let _ = manual.hands.subscribe().wait_for(|hands| hands.now >= instant || set_back(hands.now)).await;
            }
        }
    }

    /// Sleeps for `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Kind::System { .. } => tokio::time::sleep(duration).await,
            Kind::Manual(manual) => {
                let end = self.elapsed().saturating_add(duration);
                let _entry = Entry::new(&manual.ends, end);
                // It cannot fail: `self` keeps the sender.
                let _ = manual.hands.subscribe().wait_for(|hands| hands.elapsed >= end).await;
            }
        }
    }
}

/// One sleep's entry in the list of ends, for as long as it lasts.
struct Entry<'a> {
    ends: &'a Mutex<Vec<Duration>>,
    end: Duration,
}

impl<'a> Entry<'a> {
    fn new(ends: &'a Mutex<Vec<Duration>>, end: Duration) -> Self {
        ends.lock().push(end);
        Self { ends, end }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut ends = self.ends.lock();
        if let Some(place) = ends.iter().position(|end| *end == self.end) {
            ends.swap_remove(place);
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

    /// Lets a sleeper go as far as it can; tells whether it woke.
    async fn woke(sleeper: &tokio::task::JoinHandle<()>) -> bool {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        sleeper.is_finished()
    }

    #[tokio::test]
    async fn who_sleeps_until_a_time_wakes_then_or_when_the_clock_is_set_back_by_more_than_a_minute() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let clock = Clock::manual(at(0));
        let sleeping = |until| {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep_until(at(until)).await })
        };
        let sleeper = sleeping(3600);
        for (now, wakes) in [(0, false), (3599, false), (-60, false), (3600, true)] {
            clock.set(at(now));
            assert_eq!(woke(&sleeper).await, wakes, "{now}");
        }
        let sleeper = sleeping(7200);
        assert!(!woke(&sleeper).await);
        clock.set(at(3600 - 61));
        assert!(woke(&sleeper).await);
    }

    #[tokio::test]
    async fn the_systems_clock_is_waited_for() {
        let began = Instant::now();
        let clock = Clock::system();
        clock.sleep_until(clock.now() + Duration::from_millis(60)).await;
        assert!(began.elapsed() >= Duration::from_millis(55), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_manual_clock_moves_on_to_the_end_of_the_first_sleep() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let elapsed_after_moving = || {
            clock.advance_to_next_end();
            clock.elapsed().as_secs()
        };
        assert_eq!(elapsed_after_moving(), 0, "nothing sleeps");
        let sleep = |seconds| {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep(Duration::from_secs(seconds)).await })
        };
        let (long, short, given_up) = (sleep(20), sleep(7), sleep(3));
        // All three have begun.
        tokio::task::yield_now().await;
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        assert_eq!(elapsed_after_moving(), 7, "a sleep that was given up does not count");
        short.await.unwrap();
        assert!(!long.is_finished());
        assert_eq!(elapsed_after_moving(), 20);
        long.await.unwrap();
        assert_eq!(elapsed_after_moving(), 20, "nothing sleeps any more");
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        Clock::system().sleep_until(Timestamp::UNIX_EPOCH).await;
        Clock::manual(Timestamp::now()).sleep_until(Timestamp::UNIX_EPOCH).await;
    }
}
