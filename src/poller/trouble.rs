//! What the store does not keep of a day's targets: which of them failed when they were last asked, how often in a row,
//! and how many of their figures were invalid.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::client::Failure;
use crate::day::Day;
use crate::platform::{ErrorCode, Refusal};

/// An unknown code that a target gets at so many wakings in a row is a refusal of that target.
pub(super) const UNKNOWN_IN_A_ROW: u32 = 3;

/// A target whose answer can't be used is asked again at the next waking, twice. Then it waits this long ...
const FIRST_WAIT: Duration = Duration::from_mins(10);
/// ... and twice as long each time, up to this: asking more often does not end a fault of an hour.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How a target failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// How many times in a row the platform answered and the answer could not be used.
    unusable: u32,
    /// How many of these, up to the last one, were codes that no table knows.
    unknown: u32,
    /// The last of these codes, where it came last.
    refusal: Option<Refusal>,
    /// It is not asked before.
    until: Option<Timestamp>,
}

impl Trouble {
    /// What becomes of it after `failure` at `now`.
    pub(super) fn after(self, failure: &Failure, now: Timestamp) -> Self {
        let (unknown, refusal) = match failure {
            Failure::Unknown(refusal) => (self.unknown + 1, Some(refusal.clone())),
            Failure::Malformed(_) => (0, None),
            // The platform did not say anything of this target.
            _ => return Self { until: None, ..self },
        };
        let unusable = self.unusable + 1;
        let until = unusable.checked_sub(UNKNOWN_IN_A_ROW).map(|times| {
            let wait = FIRST_WAIT.saturating_mul(1 << times.min(8)).min(LONGEST_WAIT);
            now.checked_add(wait).unwrap_or(Timestamp::MAX)
        });
        Self { unusable, unknown, refusal, until }
    }

    /// Until when it is not asked. A time further away than any wait is of a clock that was ahead.
    pub(super) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let longest = SignedDuration::try_from(LONGEST_WAIT).unwrap_or(SignedDuration::MAX);
        self.until.filter(|until| until.duration_since(now) <= longest)
    }

    /// The unknown code that it gets, where that came often enough in a row to be a refusal, or where the same code was
    /// `known` as one.
    pub(super) fn settled(&self, known: Option<&ErrorCode>) -> Option<&Refusal> {
        let refusal = self.refusal.as_ref()?;
        (self.unknown >= UNKNOWN_IN_A_ROW || known == Some(&refusal.code)).then_some(refusal)
    }
}

/// What a worker remembers of a day's targets from one waking to the next, by their keys.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The target day.
    pub(super) day: Option<Day>,
    /// Those that got no usable answer when they were last asked.
    pub(super) troubles: HashMap<String, Trouble>,
    /// How many figures of a target were left out as invalid; none for most.
    pub(super) invalid: HashMap<String, usize>,
}

impl Memory {
    /// How many figures of the day are left out as invalid.
    pub(super) fn invalid_values(&self) -> usize {
        self.invalid.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn unknown(code: i64) -> Failure {
        Failure::Unknown(Refusal::unknown(code, "no"))
    }

    #[test]
    fn an_answer_that_cannot_be_used_is_waited_for_longer_and_longer() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut trouble = Trouble::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            trouble = trouble.after(&Failure::Malformed("no".into()), now);
            let until = trouble.until(now).unwrap_or(now);
            waits.push(until.duration_since(now).as_mins());
            now = until;
        }
        assert_eq!(waits, [0, 0, 10, 20, 40, 60, 60]);
        assert!(trouble.until(now - SignedDuration::from_hours(2)).is_none(), "the clock was ahead");
        // A platform that does not answer at all may answer at any time.
        assert!(trouble.after(&Failure::Unavailable("no".into()), now).until(now).is_none());
    }

    #[test]
    fn an_unknown_code_is_a_refusal_at_the_third_time_in_a_row_or_where_it_was_one_before() {
        let now = Timestamp::UNIX_EPOCH;
        let twice = Trouble::default().after(&unknown(7), now).after(&unknown(7), now);
        assert!(twice.settled(None).is_none() && twice.settled(Some(&8.into())).is_none());
        assert_eq!(twice.settled(Some(&7.into())).unwrap().code, 7.into());
        assert_eq!(twice.clone().after(&unknown(9), now).settled(None).unwrap().code, 9.into());
        // Silence in between is no answer.
        let silent = twice.clone().after(&Failure::Unavailable("no".into()), now);
        assert!(silent.settled(None).is_none() && silent.after(&unknown(7), now).settled(None).is_some());
        // Another answer is.
        let other = twice.after(&Failure::Malformed("no".into()), now);
        assert!(other.settled(Some(&7.into())).is_none() && other.after(&unknown(7), now).settled(None).is_none());
    }
}
