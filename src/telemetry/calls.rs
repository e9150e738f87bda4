//! The calls to platforms: how many there were, how they ended, how long they took, and which APIs are paused.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;

use super::{Outcome, Telemetry};
use crate::day::{Day, Zone};

/// Upper bounds in seconds: platforms answer within a second, and the default timeout is 30 s.
const DURATION_BUCKETS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The calls of one account to one API.
pub(super) struct Calls {
    pub(super) outcomes: [u64; Outcome::ALL.len()],
    pub(super) took: Histogram,
}

impl Telemetry {
    /// Counts a call to `api` for `account`; all outcomes of the pair are shown from then on.
    pub fn request(&self, account: &str, api: &'static str, outcome: Outcome, took: Duration) {
        let mut state = self.change();
        let calls = state
            .calls
            .entry((account.to_owned(), api))
            .or_insert_with(|| Calls { outcomes: [0; Outcome::ALL.len()], took: Histogram::new(DURATION_BUCKETS) });
        // The order of `Outcome::ALL` is that of the declaration.
        calls.outcomes[outcome as usize] += 1;
        calls.took.observe(took.as_secs_f64());
        let today = self.today();
        let (day, outcomes) = state.today.entry(account.to_owned()).or_insert_with(|| (today, Default::default()));
        if *day != today {
            (*day, *outcomes) = (today, Default::default());
        }
        outcomes[outcome as usize] += 1;
    }

    /// Shows that `account` does not call `api` before `until`, or that it does again.
    pub fn paused(&self, account: &str, api: &'static str, until: Option<Timestamp>) {
        let key = (account.to_owned(), api);
        let mut state = self.change();
        match until {
            Some(until) => state.paused.insert(key, until),
            None => state.paused.remove(&key),
        };
    }

    /// How many calls were made for `account` since the start, by their outcomes.
    #[must_use]
    pub fn requests(&self, account: &str) -> BTreeMap<Outcome, u64> {
        let mut totals: BTreeMap<_, _> = Outcome::ALL.map(|outcome| (outcome, 0)).into();
        for ((owner, _), calls) in &self.0.state.lock().calls {
            if owner == account {
                for (total, count) in totals.values_mut().zip(calls.outcomes) {
                    *total += count;
                }
            }
        }
        totals
    }

    /// How many of these calls were made since midnight in China, where most quotas are counted.
    #[must_use]
    pub fn requests_today(&self, account: &str) -> BTreeMap<Outcome, u64> {
        let today = self.today();
        let state = self.0.state.lock();
        let counted = state.today.get(account).filter(|(day, _)| *day == today);
        Outcome::ALL.into_iter().zip(counted.map_or_else(Default::default, |(_, outcomes)| *outcomes)).collect()
    }

    fn today(&self) -> Day {
        Day::containing(self.0.clock.now(), &Zone::china())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines, telemetry};
    use super::*;
    use crate::day::Clock;

    #[test]
    fn every_outcome_of_a_called_api_is_shown_from_zero() {
        let (telemetry, _) = telemetry();
        assert_eq!(lines(&telemetry, "imstats_api"), [""; 0]);
        telemetry.request("acme", "gettoken", Outcome::Denied, Duration::from_millis(200));
        let shown = lines(&telemetry, "imstats_api_requests");
        assert_eq!(shown.len(), 8);
        assert_eq!(shown[0], r#"imstats_api_requests_total{account="acme",api="gettoken",outcome="ok"} 0"#);
        assert_eq!(shown[5], r#"imstats_api_requests_total{account="acme",api="gettoken",outcome="denied"} 1"#);
        let took = lines(&telemetry, "imstats_api_request_duration_seconds_bucket");
        assert_eq!(took[1], r#"imstats_api_request_duration_seconds_bucket{le="0.1",account="acme",api="gettoken"} 0"#);
        assert_eq!(
            took[2],
            r#"imstats_api_request_duration_seconds_bucket{le="0.25",account="acme",api="gettoken"} 1"#
        );
        let bounds = took.iter().map(|line| line.split('"').nth(1).unwrap());
        let expected = ["0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "+Inf"];
        assert_eq!(bounds.collect::<Vec<_>>(), expected, "queries and dashboards of others name them");
        assert_eq!(telemetry.requests("acme")[&Outcome::Denied], 1);
        assert_eq!(telemetry.requests("other")[&Outcome::Denied], 0);
    }

    #[test]
    fn the_calls_of_a_day_end_at_midnight_in_china() {
        // Five minutes before it.
        let clock = Clock::manual("2026-11-20T15:55:00Z".parse().unwrap());
        let telemetry = Telemetry::with_clock("1.2.3", "abc", clock.clone());
        let counted = |outcome| (telemetry.requests_today("acme")[&outcome], telemetry.requests("acme")[&outcome]);
        assert_eq!(counted(Outcome::Ok), (0, 0));
        telemetry.request("acme", "gettoken", Outcome::Ok, Duration::ZERO);
        telemetry.request("acme", "kf/x", Outcome::Ok, Duration::ZERO);
        assert_eq!(counted(Outcome::Ok), (2, 2));
        clock.advance(Duration::from_secs(600));
        assert_eq!(counted(Outcome::Ok), (0, 2));
        telemetry.request("acme", "kf/x", Outcome::Denied, Duration::ZERO);
        assert_eq!((counted(Outcome::Ok), counted(Outcome::Denied)), ((0, 2), (1, 1)));
    }

    #[test]
    fn outcomes_stand_in_the_order_of_their_declaration() {
        for (n, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, n);
        }
    }

    #[test]
    fn a_pause_vanishes_when_it_has_passed() {
        let (telemetry, clock) = telemetry();
        telemetry.paused("acme", "kf/x", Timestamp::from_second(1_060).ok());
        let shown = r#"imstats_api_paused_until_timestamp_seconds{account="acme",api="kf/x"} 1060.0"#;
        assert_eq!(lines(&telemetry, "paused"), [shown]);
        clock.advance(Duration::from_secs(60));
        assert_eq!(lines(&telemetry, "paused"), [""; 0]);
    }
}
