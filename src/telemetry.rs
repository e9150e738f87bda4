//! The exporter's own counters, and the states of its sources.
//!
//! One [`Telemetry`] is shared by all that does something worth counting. It renders its families when it is
//! scraped; the status page reads the same numbers.

mod calls;
mod encode;
mod family;
#[cfg(target_os = "linux")]
mod process;
mod status;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::day::{Clock, Day};

use calls::Calls;

pub use encode::STAT_TIMESTAMP;
pub use status::{Outcome, SourceStatus, TargetCounts};

/// Counts what the exporter does and holds the states of its sources.
///
/// Cloning gives another handle to the same counters.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    version: &'static str,
    revision: &'static str,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sources: BTreeMap<(&'static str, String), SourceStatus>,
    calls: BTreeMap<(String, &'static str), Calls>,
    /// By account: the day of its last call, and that day's calls by outcome.
    today: BTreeMap<String, (Day, [u64; Outcome::ALL.len()])>,
    paused: BTreeMap<(String, &'static str), Timestamp>,
    http: BTreeMap<(&'static str, u16), u64>,
    reload_ok: Option<bool>,
    reloaded: Option<Timestamp>,
    store_size: Option<u64>,
    /// Whether the store's file can be written, and why not; unknown where there is none.
    store_fault: Option<Option<String>>,
    dropped_log_lines: Arc<AtomicU64>,
    /// Whether the metrics of the process are left out.
    no_process: bool,
    /// Counts the changes.
    version: u64,
}

impl Telemetry {
    /// Starts with nothing counted, in the program of that version and source revision.
    #[must_use]
    pub fn new(version: &'static str, revision: &'static str) -> Self {
        Self::with_clock(version, revision, Clock::system())
    }

    /// Does as [`Telemetry::new`], and tells by `clock` whether a pause has passed.
    #[must_use]
    pub fn with_clock(version: &'static str, revision: &'static str, clock: Clock) -> Self {
        Self(Arc::new(Inner { version, revision, clock, state: Mutex::default() }))
    }

    /// Leaves `process_*` out: a page that another exporter shows as part of its own must not have them twice.
    pub fn leave_process_out(&self) {
        self.change().no_process = true;
    }

    /// Replaces what is known of a source.
    pub fn set_source(&self, source: &'static str, account: &str, status: SourceStatus) {
        self.change().sources.insert((source, account.to_owned()), status);
    }

    /// Notes that no day of a source is shown any more.
    pub fn page_gone(&self, source: &'static str, account: &str) {
        if let Some(status) = self.change().sources.get_mut(&(source, account.to_owned())) {
            status.shown = None;
            status.series = 0;
        }
    }

    /// Forgets a source, which a reload has removed, and with an account's last one what was counted for that.
    pub fn remove_source(&self, source: &str, account: &str) {
        let mut state = self.change();
        state.sources.retain(|(name, owner), _| *name != source || owner != account);
        // The last one takes what was counted for the account along.
        if !state.sources.keys().any(|(_, owner)| owner == account) {
            state.calls.retain(|(owner, _), _| owner != account);
            state.paused.retain(|(owner, _), _| owner != account);
            state.today.remove(account);
        }
    }

    /// The states of all sources, ordered by source and account.
    #[must_use]
    pub fn sources(&self) -> Vec<(&'static str, String, SourceStatus)> {
        let state = self.0.state.lock();
        state.sources.iter().map(|((source, account), status)| (*source, account.clone(), status.clone())).collect()
    }

    /// Notes that the configuration was loaded at `at`, or that it was refused.
    pub fn reload(&self, ok: bool, at: Timestamp) {
        let mut state = self.change();
        state.reload_ok = Some(ok);
        if ok {
            state.reloaded = Some(at);
        }
    }

    /// Counts a request that `handler` answered with `code`.
    pub fn http_request(&self, handler: &'static str, code: u16) {
        *self.0.state.lock().http.entry((handler, code)).or_default() += 1;
    }

    /// Shows the size of the store.
    pub fn set_store_size(&self, bytes: u64) {
        // What did not change is not rendered anew.
        if self.0.state.lock().store_size != Some(bytes) {
            self.change().store_size = Some(bytes);
        }
    }

    /// Shows why the store's file can't be written, or that it can.
    pub fn set_store_fault(&self, fault: Option<String>) {
        let mut state = self.0.state.lock();
        if state.store_fault.as_ref() != Some(&fault) {
            state.store_fault = Some(fault);
            state.version += 1;
        }
    }

    /// Why the store's file can't be written; `None` where it can, or there is none.
    #[must_use]
    pub fn store_fault(&self) -> Option<String> {
        self.0.state.lock().store_fault.clone().flatten()
    }

    /// Shows from now on how many lines of the log `dropped` counts.
    pub fn count_dropped_log_lines(&self, dropped: Arc<AtomicU64>) {
        self.change().dropped_log_lines = dropped;
    }

    /// The version and the source revision of the program.
    #[must_use]
    pub fn build(&self) -> (&'static str, &'static str) {
        (self.0.version, self.0.revision)
    }

    /// All families in the OpenMetrics text format, without the line that ends an exposition.
    #[must_use]
    pub fn render(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = text::encode_registry(&mut page, &registry);
        page
    }

    /// A number that changes with everything that is shown, but for HTTP requests and what only time changes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.state.lock().version
    }

    /// The state, to be changed.
    fn change(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock();
        state.version += 1;
        state
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("version", &self.0.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::day::Zone;

    pub(super) fn telemetry() -> (Telemetry, Clock) {
        let clock = Clock::manual(Timestamp::from_second(1_000).unwrap());
        (Telemetry::with_clock("1.2.3", "abc", clock.clone()), clock)
    }

    /// The lines that hold `part`, without comments.
    pub(super) fn lines(telemetry: &Telemetry, part: &str) -> Vec<String> {
        let page = telemetry.render();
        page.lines().filter(|line| line.contains(part) && !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_removed_source_leaves_nothing_behind() {
        let (telemetry, _) = telemetry();
        let day = Day::new(2026, 11, 19).unwrap();
        let status = SourceStatus {
            up: true,
            shown: Some((day, day.midnight(&Zone::china()))),
            targets: TargetCounts { ok: 2, failed: 1, ..TargetCounts::default() },
            series: 14,
            ..SourceStatus::default()
        };
        telemetry.set_source("wecom_contact", "acme", status);
        telemetry.set_source("wecom_kf", "acme", SourceStatus::default());
        for account in ["acme", "acme2"] {
            telemetry.request(account, "gettoken", Outcome::Ok, Duration::ZERO);
            telemetry.paused(account, "gettoken", Timestamp::from_second(2_000).ok());
        }
        telemetry.remove_source("wecom_kf", "acme");
        assert_eq!(
            lines(&telemetry, "imstats_source"),
            [
                r#"imstats_source_up{source="wecom_contact",account="acme"} 1.0"#,
                r#"imstats_source_stat_timestamp_seconds{source="wecom_contact",account="acme"} 1795017600.0"#,
                r#"imstats_source_series{source="wecom_contact",account="acme"} 14.0"#,
                r#"imstats_source_unmapped_fields{source="wecom_contact",account="acme"} 0.0"#,
                r#"imstats_source_invalid_values{source="wecom_contact",account="acme"} 0.0"#,
                r#"imstats_source_targets{source="wecom_contact",account="acme",state="ok"} 2"#,
                r#"imstats_source_targets{source="wecom_contact",account="acme",state="no_data"} 0"#,
                r#"imstats_source_targets{source="wecom_contact",account="acme",state="refused"} 0"#,
                r#"imstats_source_targets{source="wecom_contact",account="acme",state="failed"} 1"#,
                r#"imstats_source_targets{source="wecom_contact",account="acme",state="pending"} 0"#,
            ]
        );
        telemetry.remove_source("wecom_contact", "acme");
        assert_eq!(lines(&telemetry, "imstats_source"), [""; 0]);
        assert!(telemetry.sources().is_empty());
        let of = |account: &str| lines(&telemetry, &format!("account=\"{account}\"")).len();
        assert_eq!((of("acme"), telemetry.requests_today("acme")[&Outcome::Ok]), (0, 0));
        assert!(of("acme2") > Outcome::ALL.len(), "others keep theirs");
    }

    #[test]
    fn a_removed_source_stays_with_the_other_accounts() {
        let (telemetry, _) = telemetry();
        for (source, account) in [("wecom_contact", "acme"), ("wecom_kf", "acme"), ("wecom_kf", "acme2")] {
            telemetry.set_source(source, account, SourceStatus::default());
        }
        telemetry.remove_source("wecom_kf", "acme");
        let left: Vec<_> = telemetry.sources().into_iter().map(|(source, account, _)| (source, account)).collect();
        assert_eq!(left, [("wecom_contact", "acme".to_owned()), ("wecom_kf", "acme2".to_owned())]);
    }

    #[test]
    fn a_refused_configuration_keeps_the_time_of_the_last_good_one() {
        let (telemetry, _) = telemetry();
        telemetry.reload(true, Timestamp::from_second(10).unwrap());
        telemetry.reload(false, Timestamp::from_second(20).unwrap());
        telemetry.http_request("metrics", 200);
        telemetry.set_store_size(4096);
        telemetry.count_dropped_log_lines(Arc::new(AtomicU64::new(3)));
        let page = telemetry.render();
        for line in [
            "imstats_config_last_reload_successful 0\n",
            "imstats_config_last_reload_success_timestamp_seconds 10.0\n",
            "imstats_http_requests_total{handler=\"metrics\",code=\"200\"} 1\n",
            "imstats_store_size_bytes 4096\n",
            "imstats_log_lines_dropped_total 3\n",
            "imstats_build_info{version=\"1.2.3\",revision=\"abc\"} 1\n",
            "# TYPE imstats_http_requests counter\n",
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_measured() {
        let (telemetry, _) = telemetry();
        let mut names: Vec<_> = lines(&telemetry, "process_")
            .iter()
            .map(|line| {
                let (name, value) = line.split_once(' ').unwrap();
                assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
                name.to_owned()
            })
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "process_cpu_seconds_total",
                "process_max_fds",
                "process_open_fds",
                "process_resident_memory_bytes",
                "process_start_time_seconds",
                "process_threads",
                "process_virtual_memory_bytes",
            ]
        );
    }
}
