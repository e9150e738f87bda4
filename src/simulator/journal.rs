//! What was called: counts of all calls, and a log of the latest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::apis::APIS;
use crate::day::Day;

/// Calls that the log keeps.
const LOGGED: usize = 100_000;

/// The name under which requests to paths that no platform has are counted.
pub(super) const UNKNOWN: &str = "unknown";

/// One call, as it was asked and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCall {
    /// The API's path, as [`super::Simulator::calls`] names it.
    pub api: &'static str,
    /// The subjects of the call: ids joined by commas in the order asked; `open_kfid` or `open_kfid/userid` for KF,
    /// `app_id` or `app_id/department_id` for Feishu; empty where it named none.
    pub subject: String,
    /// The first day asked for.
    pub from: Option<Day>,
    /// The last day asked for.
    pub to: Option<Day>,
    /// The platform's code, or the HTTP status where the answer was no envelope; 0 where no whole answer was given.
    pub refused: Option<i64>,
    /// When it was answered, by the simulator's clock.
    pub at: Timestamp,
}

/// The counts and the log.
pub(super) struct Journal {
    counts: Vec<AtomicU64>,
    unknown: AtomicU64,
    log: Mutex<VecDeque<LoggedCall>>,
}

impl Journal {
    pub(super) fn new() -> Self {
        let counts = APIS.iter().map(|_| AtomicU64::new(0)).collect();
        Self { counts, unknown: AtomicU64::new(0), log: Mutex::default() }
    }

    /// Counts a call of the API at `place` in [`APIS`]; `None` for a path that no platform has.
    pub(super) fn count(&self, place: Option<usize>) {
        place.map_or(&self.unknown, |place| &self.counts[place]).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn write(&self, call: LoggedCall) {
        let mut log = self.log.lock();
        if log.len() == LOGGED {
            log.pop_front();
        }
        log.push_back(call);
    }

    /// The counts of the APIs that were called.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let paths = APIS.iter().map(|api| api.path).chain([UNKNOWN]);
        let counts = self.counts.iter().chain([&self.unknown]).map(|count| count.load(Ordering::Relaxed));
        paths.zip(counts).filter(|(_, count)| *count > 0).map(|(path, count)| (path.to_owned(), count)).collect()
    }

    /// The log, oldest call first.
    pub(super) fn log(&self) -> Vec<LoggedCall> {
        self.log.lock().iter().cloned().collect()
    }

    /// Starts again from zero.
    pub(super) fn reset(&self) {
        for count in self.counts.iter().chain([&self.unknown]) {
            count.store(0, Ordering::Relaxed);
        }
        self.log.lock().clear();
    }
}
