//! When a live exporter would have shown the figures of a day.

use jiff::Timestamp;

use crate::day::{Cycle, Day, Days, Schedule};
use crate::source::Table;

/// When the figures of one source's days are on show.
///
/// They are from the moment that they are ready until those of the following day (week, month) are, whether or not
/// there are any: an old figure never replaces a missing one.
#[derive(Clone, Debug)]
pub(super) struct ShowTimes {
    schedule: Schedule,
    /// The seconds between two samples.
    step: i64,
    /// No samples after this second.
    until: i64,
    first: Day,
    /// When each day from `first` is ready, the day behind the last one too.
    ready: Vec<i64>,
}

impl ShowTimes {
    /// The show_times of `days`, with a sample each `step` seconds, none of them after `until`.
    pub(super) fn new(schedule: Schedule, days: Days, step: i64, until: Timestamp) -> Self {
        let with_next = Days { first: days.first, last: days.last.plus(1) };
        let ready = with_next.iter().map(|day| schedule.ready(day).as_second()).collect();
        Self { schedule, step: step.max(1), until: until.as_second(), first: days.first, ready }
    }

    /// The midnight of `day` in the source's zone, in seconds.
    pub(super) fn midnight(&self, day: Day) -> i64 {
        day.midnight(&self.schedule.zone).as_second()
    }

    /// The seconds at which the figures that are kept under `day` have a sample.
    pub(super) fn instants(&self, day: Day, cycle: Cycle) -> impl ExactSizeIterator<Item = i64> + use<> {
        let from = self.ready(day);
        let successor = match cycle {
            Cycle::Day => day.plus(1),
            Cycle::Week => day.plus(7),
            Cycle::Month => day.plus(1).last_of_month(),
        };
        let end = self.ready(successor).min(self.until.saturating_add(1));
        let count = if end > from { (end - 1 - from) / self.step + 1 } else { 0 };
        let step = self.step;
        (0..usize::try_from(count).unwrap_or(0)).map(move |n| from + n as i64 * step)
    }

    /// Whether the figures of `day` lack samples only because of `until`.
    pub(super) fn is_cut(&self, day: Day) -> bool {
        self.ready(day.plus(1)) > self.until
    }

    fn ready(&self, day: Day) -> i64 {
        let known = usize::try_from(day.days_since(self.first)).ok().and_then(|n| self.ready.get(n));
        known.copied().unwrap_or_else(|| self.schedule.ready(day).as_second())
    }
}

/// The cycle of a row of `table` with those labels.
pub(super) fn cycle(table: &Table, labels: &[String]) -> Cycle {
    let label = table.labels.iter().position(|label| *label == "cycle").and_then(|place| labels.get(place));
    let of = |cycle: &Cycle| label.is_some_and(|label| cycle.name() == label);
    [Cycle::Week, Cycle::Month].into_iter().find(of).unwrap_or(Cycle::Day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::Zone;
    use jiff::civil::Time;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn show_times(until: &str) -> ShowTimes {
        let schedule = Schedule { zone: Zone::china(), ready_at: Time::new(6, 0, 0, 0).unwrap(), lag_days: 1 };
        ShowTimes::new(schedule, Days::ending(day("2026-11-19"), 30), 3600, until.parse().unwrap())
    }

    fn seconds(instant: &str) -> i64 {
        instant.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn a_day_is_on_show_from_when_it_is_ready_until_the_next_one_is() {
        let all: Vec<_> = show_times("2026-12-31T00:00:00Z").instants(day("2026-11-18"), Cycle::Day).collect();
        assert_eq!(all.len(), 24);
        assert_eq!(all[0], seconds("2026-11-19T06:00:00+08:00"));
        assert_eq!(all[23], seconds("2026-11-20T05:00:00+08:00"));
    }

    #[test]
    fn weeks_and_months_are_on_show_until_the_next_ones_are_ready() {
        let show_times = show_times("2026-12-31T00:00:00Z");
        assert_eq!(show_times.instants(day("2026-11-15"), Cycle::Week).len(), 7 * 24);
        let october: Vec<_> = show_times.instants(day("2026-10-31"), Cycle::Month).collect();
        assert_eq!(october.len(), 30 * 24);
        assert_eq!(october[0], seconds("2026-11-01T06:00:00+08:00"));
    }

    #[test]
    fn nothing_is_said_of_the_time_after_the_end() {
        let show_times = show_times("2026-11-20T08:00:00+08:00");
        let instants: Vec<_> = show_times.instants(day("2026-11-19"), Cycle::Day).collect();
        assert_eq!(instants.len(), 3, "6, 7 and 8 o'clock");
        assert!(show_times.is_cut(day("2026-11-19")) && !show_times.is_cut(day("2026-11-18")));
        assert_eq!(show_times.instants(day("2026-11-20"), Cycle::Day).len(), 0);
    }
}
