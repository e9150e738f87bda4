//! What polling a source costs: calls per round and per day, and the time they take at the limits.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::SourceConfig;
use crate::day::Day;
use crate::source::{Directory, Paging, Subject};

/// The calls of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Estimate {
    /// How many targets there are.
    pub(super) targets: u64,
    /// The statistics calls of a round that asks everything.
    pub(super) round: u64,
    /// The statistics calls of a day: the first round, its refresh after an hour, and every refresh after that.
    pub(super) day: u64,
    /// How long a round takes at the rate limit.
    pub(super) time: Duration,
}

/// The most calls that `config` makes for the subjects in `directory` when `day` is the target day.
pub(super) fn estimate(config: &SourceConfig, directory: &Directory, day: Day) -> Estimate {
    let api = config.source.api();
    let targets = config.targets(directory);
    let mut groups: BTreeMap<(&str, Subject), Vec<_>> = BTreeMap::new();
    for target in &targets {
        groups.entry((target.table.prefix, target.subject)).or_default().push(target);
    }
    let calls =
        |batch: &[&_]| config.source.calls(batch, crate::day::Days::one(day), &config.schedule.zone).len() as u64;
    let round: u64 = groups.values().map(|group| group.chunks(api.batch).map(calls).sum::<u64>()).sum();
    let refreshes = 1 + Duration::from_hours(23).as_secs() / config.refresh_interval.as_secs().max(1);
    let rate = config.account.rate(api.path);
    Estimate {
        targets: targets.len() as u64,
        round,
        day: round * (1 + refreshes),
        time: rate.interval().saturating_mul(u32::try_from(round).unwrap_or(u32::MAX)),
    }
}

/// Whether the number of targets or of calls is only known once the platform was asked.
pub(super) fn is_open(config: &SourceConfig, directory: &Directory) -> bool {
    let api = config.source.api();
    !config.source.listings(directory, false).is_empty()
        || (api.shape.paging != Paging::Single
            && config.targets(directory).iter().any(|target| target.subject == Subject::Listed))
}

/// The time in words: `3 min 20 s`.
pub(super) fn words(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
