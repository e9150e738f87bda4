//! When a day's figures are ready, and which day is the newest ready one.

use jiff::Timestamp;
use jiff::civil::Time;

use super::{Day, Days, Zone};

/// The period that one figure covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cycle {
    /// One calendar day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

impl Cycle {
    /// The name in configuration, labels and documents: `day`, `week` or `month`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The newest period that has ended by the end of `day`: `day` itself, or the last complete week or month.
    #[must_use]
    pub fn newest_complete(self, day: Day) -> Days {
        match self {
            Self::Day => Days::one(day),
            Self::Week => {
                let sunday = if day.weekday() == 6 { day } else { day.monday().plus(-1) };
                Days { first: sunday.monday(), last: sunday }
            }
            Self::Month => {
                let last = if day == day.last_of_month() { day } else { day.first_of_month().plus(-1) };
                Days { first: last.first_of_month(), last }
            }
        }
    }
}

/// When the platform's figures of a day are ready: at `ready_at`, `lag_days` after the day, in `zone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The zone in which the source counts its days.
    pub zone: Zone,
    /// The time of day at which figures are ready.
    pub ready_at: Time,
    /// How many days after the day itself.
    pub lag_days: u16,
}

impl Schedule {
    /// The instant from which the figures of `day` may be asked for.
    #[must_use]
    pub fn ready(&self, day: Day) -> Timestamp {
        self.zone.instant(day.plus(i64::from(self.lag_days)), self.ready_at)
    }

    /// The target day: the newest day that is ready at `now`.
    #[must_use]
    pub fn target_day(&self, now: Timestamp) -> Day {
        let newest = Day::containing(now, &self.zone).plus(-i64::from(self.lag_days));
        if self.ready(newest) <= now { newest } else { newest.plus(-1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(zone: Zone, hour: i8, lag_days: u16) -> Schedule {
        Schedule { zone, ready_at: Time::new(hour, 0, 0, 0).unwrap(), lag_days }
    }

    fn target(schedule: &Schedule, instant: &str) -> String {
        schedule.target_day(instant.parse().unwrap()).to_string()
    }

    #[test]
    fn yesterday_is_ready_at_six() {
        let wecom = schedule(Zone::china(), 6, 1);
        assert_eq!(target(&wecom, "2026-11-20T05:59:59+08:00"), "2026-11-18");
        assert_eq!(target(&wecom, "2026-11-20T06:00:00+08:00"), "2026-11-19");
        assert_eq!(target(&wecom, "2026-11-21T00:00:00+08:00"), "2026-11-19");
        assert_eq!(target(&wecom, "2027-01-01T06:00:00+08:00"), "2026-12-31");
        assert_eq!(target(&wecom, "2028-03-01T06:00:00+08:00"), "2028-02-29");
    }

    #[test]
    fn feishu_is_two_days_late() {
        let feishu = schedule(Zone::named("Asia/Shanghai").unwrap(), 10, 2);
        assert_eq!(target(&feishu, "2027-01-01T09:59:59+08:00"), "2026-12-29");
        assert_eq!(target(&feishu, "2027-01-01T10:00:00+08:00"), "2026-12-30");
    }

    #[test]
    fn a_ready_time_that_the_clocks_skip_comes_after_the_gap() {
        let mut berlin = schedule(Zone::named("Europe/Berlin").unwrap(), 2, 1);
        berlin.ready_at = Time::new(2, 30, 0, 0).unwrap();
        let spring: Day = "2026-03-28".parse().unwrap();
        assert_eq!(berlin.ready(spring).to_string(), "2026-03-29T01:30:00Z");
        assert_eq!(target(&berlin, "2026-03-29T01:29:59Z"), "2026-03-27");
        assert_eq!(target(&berlin, "2026-03-29T01:30:00Z"), "2026-03-28");
    }

    #[test]
    fn the_last_complete_week_and_month_cross_the_year() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let of = |cycle: Cycle, text: &str| cycle.newest_complete(day(text)).to_string();
        assert_eq!(of(Cycle::Week, "2027-01-02"), "2026-12-21 to 2026-12-27");
        assert_eq!(of(Cycle::Week, "2027-01-03"), "2026-12-28 to 2027-01-03");
        assert_eq!(of(Cycle::Month, "2027-01-30"), "2026-12-01 to 2026-12-31");
        assert_eq!(of(Cycle::Month, "2027-01-31"), "2027-01-01 to 2027-01-31");
    }
}
