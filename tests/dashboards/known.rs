//! What there is to query: every metric with its labels, from the tables and from a page of the exporter's own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use imstats_exporter::day::{Clock, Day, Zone};
use imstats_exporter::source::{Field, Table, apis};
use imstats_exporter::telemetry::{Outcome, SourceStatus, Telemetry};
use jiff::Timestamp;

/// What Prometheus adds to every scrape.
const OF_PROMETHEUS: &[&str] = &["up", "scrape_duration_seconds"];

/// The alerts that it has, with labels of its own beside those of their rules.
pub(crate) const ALERTS: &str = "ALERTS";

/// Every metric that a query may name.
pub(crate) struct Known {
    labels: BTreeMap<String, BTreeSet<String>>,
    figures: BTreeMap<String, (&'static Table, &'static Field)>,
    infos: BTreeMap<&'static str, &'static str>,
}

impl Known {
    pub(crate) fn all() -> Self {
        let mut known = Self { labels: BTreeMap::new(), figures: BTreeMap::new(), infos: BTreeMap::new() };
        for api in apis() {
            for table in api.tables {
                for field in table.fields {
                    known.add(table.metric(field), table.labels.iter().copied().chain(["account"]));
                    known.figures.insert(table.metric(field), (table, field));
                }
            }
            for info in api.infos {
                known.add(info.name.to_owned(), ["account", "name", info.id].into_iter().chain(info.parent));
                known.infos.insert(info.name, info.id);
            }
        }
        for line in own_page().lines().filter(|line| !line.starts_with('#')) {
            let (name, rest) = line.split_once(['{', ' ']).unwrap();
            let labels = rest.split('"').step_by(2).filter_map(|part| part.strip_suffix('='));
            known.add(name.to_owned(), labels.map(|label| label.trim_start_matches(',')));
        }
        for name in OF_PROMETHEUS {
            known.add((*name).to_owned(), []);
        }
        known.add(ALERTS.to_owned(), ["alertname", "alertstate", "account", "source"]);
        known
    }

    fn add<'a>(&mut self, metric: String, labels: impl IntoIterator<Item = &'a str>) {
        let of = self.labels.entry(metric).or_default();
        of.extend(labels.into_iter().chain(["job", "instance"]).map(str::to_owned));
    }

    /// The labels of a metric, with those that a scrape adds.
    pub(crate) fn labels(&self, metric: &str) -> Option<&BTreeSet<String>> {
        self.labels.get(metric)
    }

    /// Whether any metric has that label.
    pub(crate) fn has_label(&self, label: &str) -> bool {
        self.labels.values().any(|labels| labels.contains(label))
    }

    /// The table and field behind a platform's figure.
    pub(crate) fn figure(&self, metric: &str) -> Option<(&'static Table, &'static Field)> {
        self.figures.get(metric).copied()
    }

    /// The label of the id that an info metric names.
    pub(crate) fn named_id(&self, metric: &str) -> Option<&'static str> {
        self.infos.get(metric).copied()
    }
}

/// The exporter's own metrics, with everything that can be shown.
pub(crate) fn own_page() -> String {
    let clock = Clock::manual(Timestamp::from_second(1_000).unwrap());
    let telemetry = Telemetry::with_clock("1.2.3", "abc", clock);
    let day = Day::new(2026, 11, 19).unwrap();
    let midnight = Some((day, day.midnight(&Zone::china())));
    let now = Timestamp::from_second(2_000).ok();
    let status = SourceStatus {
        up: true,
        shown: midnight,
        target: midnight,
        last_round: now,
        last_success: now,
        next_round: now,
        round_duration: Some(Duration::from_secs(1)),
        token_expiry: now,
        ..SourceStatus::default()
    };
    telemetry.set_source("wecom_contact", "acme", status);
    telemetry.request("acme", "gettoken", Outcome::Ok, Duration::from_secs(1));
    telemetry.paused("acme", "gettoken", now);
    telemetry.reload(true, now.unwrap());
    telemetry.http_request("metrics", 200);
    telemetry.set_store_size(1);
    telemetry.set_store_fault(None);
    telemetry.render()
}
