//! Chance without chance: numbers that look random and are pure functions of a key and a day.

use crate::day::Day;

/// How busy the days of a week are, from Monday to Sunday.
const RHYTHM: [f64; 7] = [1.0, 1.08, 1.04, 1.0, 0.96, 0.42, 0.3];

/// A Monday, 2019-12-30, on which all cumulative totals start.
const ORIGIN: i64 = 18_260;

/// The number of `day` since 1970-01-01.
pub(super) fn number(day: Day) -> i64 {
    Day::new(1970, 1, 1).map_or(0, |epoch| day.days_since(epoch))
}

/// 0 for Monday to 6 for Sunday.
pub(super) fn weekday(day: i64) -> usize {
    (day - ORIGIN).rem_euclid(7).unsigned_abs() as usize
}

/// How busy a day is, 1 on an ordinary working day.
pub(super) fn rhythm(day: i64) -> f64 {
    RHYTHM[weekday(day)]
}

/// The key of a subject: what tells its figures from another's.
pub(super) fn key(seed: u64, words: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ mix(seed);
    for word in words {
        for byte in word.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    mix(hash)
}

/// The finisher of splitmix64: every bit of the result depends on every bit of `z`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A sequence of numbers (splitmix64).
pub(super) struct Draw(u64);

impl Draw {
    /// The sequence of a subject as such: what it is like on all days.
    pub(super) fn of(key: u64) -> Self {
        Self(key)
    }

    /// The sequence of a subject on one day.
    pub(super) fn on(key: u64, day: i64) -> Self {
        Self(mix(key ^ day.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A count that is `mean` on average.
    pub(super) fn count(&mut self, mean: f64) -> u64 {
        let spread = self.between(0.5, 1.5);
        (mean * spread + self.unit()) as u64
    }

    /// A part of `whole`, between the shares `low` and `high` of it.
    pub(super) fn part(&mut self, whole: u64, low: f64, high: f64) -> u64 {
        let share = self.between(low, high);
        ((whole as f64 * share + self.unit()) as u64).min(whole)
    }
}

/// A total that only grows, by `rate` on an ordinary day, as of the end of `day`.
///
/// The day's own share of its growth is random, but the next day starts where the day could at most have ended, so
/// the difference of two days is never negative and nothing has to be summed up.
pub(super) fn growth(key: u64, rate: f64, day: i64) -> u64 {
    let week: f64 = RHYTHM.iter().sum();
    let weeks = (day - ORIGIN).div_euclid(7) as f64;
    let before: f64 = RHYTHM.iter().take(weekday(day)).sum();
    let today = rhythm(day) * Draw::on(key, day).unit();
    (rate * (weeks * week + before + today)).max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_agree_with_the_calendar() {
        let day: Day = "2026-11-20".parse().unwrap();
        assert_eq!(weekday(number(day)), usize::from(day.weekday()));
    }

    #[test]
    fn a_total_never_shrinks() {
        let totals: Vec<u64> = (20_000..20_400).map(|day| growth(7, 1.7, day)).collect();
        assert!(totals.windows(2).all(|pair| pair[0] <= pair[1]), "{totals:?}");
        assert!(totals[399] > totals[0] + 400);
    }

    #[test]
    fn keys_tell_words_apart() {
        assert_ne!(key(1, &["ab", "c"]), key(1, &["a", "bc"]));
        assert_ne!(key(1, &["a"]), key(2, &["a"]));
    }
}
