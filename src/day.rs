//! Calendar days, the zones that they are counted in, and spans of them.
//!
//! Every figure belongs to one [`Day`]. A day becomes an instant only together with a [`Zone`].

mod clock;
mod schedule;

pub use clock::Clock;
pub use schedule::{Cycle, Schedule};

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};

/// A calendar day, with no zone of its own. Prints and parses as `2026-11-20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

impl Day {
    /// The day `year-month-day`, if the calendar has it.
    #[must_use]
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        Date::new(year, month, day).ok().map(Self)
    }

    /// The day on which `instant` falls in `zone`.
    #[must_use]
    pub fn containing(instant: Timestamp, zone: &Zone) -> Self {
        Self(zone.0.to_datetime(instant).date())
    }

    /// The day whose midnight in `zone` is `seconds` since the epoch; `None` where that is no midnight.
    #[must_use]
    pub fn from_midnight(seconds: i64, zone: &Zone) -> Option<Self> {
        let instant = Timestamp::from_second(seconds).ok()?;
        let day = Self::containing(instant, zone);
        (day.midnight(zone) == instant).then_some(day)
    }

    /// The first instant of this day in `zone`.
    #[must_use]
    pub fn midnight(self, zone: &Zone) -> Timestamp {
        zone.instant(self, jiff::civil::Time::midnight())
    }

    /// The last full second of this day in `zone`, as seconds since the epoch.
    #[must_use]
    pub fn last_second(self, zone: &Zone) -> i64 {
        self.plus(1).midnight(zone).as_second() - 1
    }

    /// The day `days` later, or earlier where negative; stays at the calendar's ends.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        let span = Span::new().try_days(days);
        match span.and_then(|span| self.0.checked_add(span)) {
            Ok(date) => Self(date),
            Err(_) if days > 0 => Self(Date::MAX),
            Err(_) => Self(Date::MIN),
        }
    }

    /// How many days lie from `earlier` to this day; negative where `earlier` is later.
    #[must_use]
    pub fn days_since(self, earlier: Self) -> i64 {
        self.0.duration_since(earlier.0).as_secs() / 86_400
    }

    /// The Monday of this day's week.
    #[must_use]
    pub fn monday(self) -> Self {
        self.plus(-i64::from(self.0.weekday().to_monday_zero_offset()))
    }

    /// The first day of this day's month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        Self(self.0.first_of_month())
    }

    /// The last day of this day's month.
    #[must_use]
    pub fn last_of_month(self) -> Self {
        Self(self.0.last_of_month())
    }

    /// 0 for Monday to 6 for Sunday.
    #[must_use]
    pub fn weekday(self) -> u8 {
        self.0.weekday().to_monday_zero_offset().unsigned_abs()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not a day of the form `2026-11-20`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a day like 2026-11-20")]
pub struct ParseDayError(String);

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, ParseDayError> {
        let iso = text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
        match text.parse() {
            Ok(date) if iso => Ok(Self(date)),
            _ => Err(ParseDayError(text.chars().take(32).collect())),
        }
    }
}

/// The days from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Days {
    /// The first day.
    pub first: Day,
    /// The last day; a span whose last day lies before its first is empty.
    pub last: Day,
}

impl Days {
    /// The span of this one day.
    #[must_use]
    pub fn one(day: Day) -> Self {
        Self { first: day, last: day }
    }

    /// The `count` days that end with `last`.
    #[must_use]
    pub fn ending(last: Day, count: u32) -> Self {
        Self { first: last.plus(1 - i64::from(count)), last }
    }

    /// Tells whether `day` is one of these.
    #[must_use]
    pub fn contains(&self, day: Day) -> bool {
        self.first <= day && day <= self.last
    }

    /// How many days these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.last.days_since(self.first) + 1).unwrap_or(0)
    }

    /// The days, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Day> + use<> {
        let first = self.first;
        (0..i64::from(self.count())).map(move |n| first.plus(n))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{} to {}", self.first, self.last) }
    }
}

/// A zone in which days are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A name that the time zone database does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a time zone of the IANA database, such as Asia/Shanghai")]
pub struct UnknownZoneError(String);

impl Zone {
    /// UTC+8 without daylight saving, in which WeCom counts its days.
    #[must_use]
    pub fn china() -> Self {
        Self(TimeZone::fixed(Offset::constant(8)))
    }

    /// The zone of that IANA name; from the system's database, else the bundled one.
    ///
    /// # Errors
    /// [`UnknownZoneError`] where neither has it.
    pub fn named(name: &str) -> Result<Self, UnknownZoneError> {
        TimeZone::get(name).map(Self).map_err(|_| UnknownZoneError(name.chars().take(64).collect()))
    }

    /// Its IANA name; `None` of a fixed distance from UTC.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.iana_name()
    }

    /// The instant of `time` on `day`; where clocks skip that time, the first one after the gap.
    #[must_use]
    pub fn instant(&self, day: Day, time: jiff::civil::Time) -> Timestamp {
        match self.0.to_ambiguous_timestamp(day.0.to_datetime(time)).compatible() {
            Ok(instant) => instant,
            Err(_) if day.0.year() < 0 => Timestamp::MIN,
            Err(_) => Timestamp::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_of_china_starts_at_sixteen_hours_utc() {
        assert_eq!(day("2018-09-10").midnight(&Zone::china()).as_second(), 1_536_508_800);
        assert_eq!(Day::from_midnight(1_536_508_800, &Zone::china()), Some(day("2018-09-10")));
        assert_eq!(Day::from_midnight(1_536_508_801, &Zone::china()), None);
        assert_eq!(Day::from_midnight(i64::MAX, &Zone::china()), None);
    }

    #[test]
    fn a_day_with_daylight_saving_is_23_hours_long() {
        let zone = Zone::named("America/New_York").unwrap();
        let spring = day("2026-03-08");
        assert_eq!(spring.last_second(&zone) + 1 - spring.midnight(&zone).as_second(), 23 * 3600);
    }

    #[test]
    fn weeks_and_months_cross_the_year() {
        assert_eq!(day("2027-01-01").monday(), day("2026-12-28"));
        assert_eq!(day("2024-02-10").last_of_month(), day("2024-02-29"));
        assert_eq!(day("2027-01-01").days_since(day("2026-12-28")), 4);
        assert_eq!(Days::ending(day("2027-01-01"), 3).first, day("2026-12-30"));
        assert_eq!(Days::ending(day("2027-01-01"), 3).iter().count(), 3);
    }

    #[test]
    fn only_iso_days_parse() {
        for bad in ["", "20261120", "2026-1-2", "2026-02-30", "2026-11-20T00:00", "+002026-01-01"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_calendar_has_ends() {
        assert_eq!(Day(Date::MAX).plus(1), Day(Date::MAX));
        assert_eq!(day("2026-01-01").plus(i64::MIN), Day(Date::MIN));
        assert!(Day(Date::MAX).midnight(&Zone::china()) > Timestamp::UNIX_EPOCH);
        // In China the first day begins before the first instant; in New York the last one ends after the last.
        let new_york = Zone::named("America/New_York").unwrap();
        assert_eq!(Zone::china().instant(Day(Date::MIN), jiff::civil::Time::MIN), Timestamp::MIN);
        assert_eq!(new_york.instant(Day(Date::MAX), jiff::civil::Time::MAX), Timestamp::MAX);
    }
}
