//! The queries of documents and dashboards, asked of a real Prometheus that scraped while platforms were late.

pub(crate) mod database;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use imstats_exporter::day::{Day, Zone};
use imstats_exporter::simulator::Effect;
use jiff::Timestamp;
use serde_json::Value;

use crate::dashboards::query;
use crate::harness::*;
use crate::tools;
use database::{Prometheus, Scrapes};

/// The queries of the documents, each with its file.
pub(crate) fn of_documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["docs", "docs/zh"].map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let docs = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = ["README.md", "README.zh-CN.md"].map(|file| root.join(file)).into_iter().chain(docs);
    let mut queries = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().display().to_string();
        for block in text.split("```promql\n").skip(1) {
            let block = block.split("```").next().unwrap();
            queries.extend(block.split("\n\n").map(|query| (name.clone(), query.trim().to_owned())));
        }
    }
    assert!(queries.len() > 12, "{queries:?}");
    queries
}

/// Figures of one day: by metric and labels.
type Figures = BTreeMap<String, f64>;

/// A Prometheus that scraped an exporter from the 10th to the 18th of November, and the true figures of the days that
/// were shown, by source. From 05:00 on the 13th to 08:00 on the 16th no platform answered.
async fn three_late_days() -> (Prometheus, BTreeMap<(&'static str, Day), Figures>) {
    let yaml = "poll_interval: 30m
wecom: [{$wecom,
  contact: {users: [Zhang.San, WangWu], departments: [1, 1001], teams: {north: {departments: [1001]}}, $fast},
  groupchat: {owners: all, teams: {north: {owners: all}}, $fast},
  kf: {$kf_secret, servicers: all, $fast}}]
tencent_desk: [{$desk, agent_statistics: {$fast}}]
feishu: [{$feishu, message_push: {departments: top, cycles: [day, week, month], $fast}}]";
    let mut stage = Stage::of(10, "2026-11-10T05:00:00", yaml).await;
    let (mut scrapes, mut truth) = (Scrapes::default(), BTreeMap::<_, Figures>::new());
    for date in 10..=18 {
        for hour in 5..29 {
            let (date, hour) = (date + hour / 24, hour % 24);
            if (date, hour) == (13, 5) {
                for api in [CONTACT, OWNERS, TEAMS, KF, DESK, PUSH] {
                    stage.every(api, Effect::Html(502));
                }
            }
            if (date, hour) == (16, 8) {
                stage.mend();
            }
            for minute in [19, 49] {
                stage.run_until(&format!("2026-11-{date}T{hour:02}:{minute}:00")).await;
                scrapes.scrape(&stage);
                let page = stage.page();
                for (source, _, status) in stage.context.telemetry.sources() {
                    if let Some((day, _)) = status.shown {
                        let of = page.figures().into_iter().filter(|(name, _)| name.starts_with(source));
                        truth.entry((source, day)).or_default().extend(of);
                    }
                }
            }
        }
    }
    (Prometheus::start(scrapes).await, truth)
}

/// Whether a trend of Feishu's figures or others', at `time` on the days' own axis, is on a day that was late.
fn is_late(feishu: bool, time: Timestamp) -> bool {
    let late = if feishu { ["2026-11-11", "2026-11-13"] } else { ["2026-11-12", "2026-11-14"] };
    let on = Day::containing(time, &Zone::china());
    day(late[0]) <= on && on <= day(late[1])
}

/// The first day that is asked for, and the last, which is on show on the 18th.
const SPAN: [&str; 2] = ["2026-11-10T00:00:00", "2026-11-16T16:00:00"];

/// The panels of the dashboards about figures: file, query and, of a trend, its step in hours.
fn of_dashboards() -> Vec<(String, String, Option<u32>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for board in ["wecom-contact", "wecom-groupchat", "wecom-kf", "tencent-desk", "feishu-push"] {
        let text = std::fs::read_to_string(root.join(format!("grafana/{board}.json"))).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        let top = json["panels"].as_array().unwrap();
        let all = top.iter().chain(top.iter().flat_map(|panel| panel["panels"].as_array().into_iter().flatten()));
        for target in all.flat_map(|panel| panel["targets"].as_array().into_iter().flatten()) {
            let expr = target["expr"].as_str().unwrap();
            let filled = with_all(expr);
            let step = match target["interval"].as_str() {
                Some("1d") => Some(24),
                Some("8h") => Some(8),
                _ => None,
            };
            found.push((board.to_owned(), filled, step));
        }
    }
    found
}

/// `expr` with every variable of the dashboard set to all, and a number for each that a reader may set.
fn with_all(expr: &str) -> String {
    let expr = query::filled(expr);
    let mut parts = expr.split('$');
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        filled.push_str(".+");
        filled.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    }
    filled
}

/// Whether a trend is of the days at which it stands: not of the week before, of seven days, or a goal.
fn is_of_its_days(query: &str) -> bool {
    let earlier = query.split(" offset ").skip(1).all(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    !earlier && !query.contains("[7d:1d]")
}

/// The metric of a sum over the last seven days, where the query is that and nothing else.
fn metric_of_week(query: &str) -> Option<&str> {
    let inside = query.strip_prefix("sum_over_time((")?.strip_suffix(")[7d:1d])")?;
    let selectors: Vec<_> = inside.split("(last_over_time(").skip(1).collect();
    let metrics: BTreeSet<_> = selectors.iter().filter_map(|selector| selector.split('{').next()).collect();
    let plain = !inside.contains(['*', '/']) && !inside.contains("sum by");
    (plain && metrics.len() == 1).then(|| *metrics.first().unwrap())
}

#[tokio::test]
async fn a_platform_that_is_late_by_three_days_makes_no_false_day_in_any_trend_or_sum() {
    if !tools::has("prometheus") || !tools::has("promtool") {
        return;
    }
    choose_tls();
    let (prometheus, truth) = three_late_days().await;
    let [first, last] = SPAN.map(at);
    let of = |source: &'static str, date: &str| truth.get(&(source, day(date)));
    assert!(["2026-11-12", "2026-11-13", "2026-11-14"].iter().all(|date| of("wecom_contact", date).is_none()));
    // Bars and lines of all dashboards.
    let (mut trends, mut weeks) = (0, 0);
    for (board, query, step) in of_dashboards() {
        let feishu = board == "feishu-push";
        if let Some(hours) = step {
            if !is_of_its_days(&query) {
                continue;
            }
            let series = prometheus.range(&query, first, last, hours).await;
            let points: Vec<_> = series.iter().flat_map(|(_, points)| points).collect();
            let false_days: BTreeSet<String> =
                points.iter().filter(|(at, _)| is_late(feishu, *at)).map(|(at, _)| at.to_string()).collect();
            assert!(false_days.is_empty(), "{board}: {false_days:?}\n{query}");
            assert!(points.iter().any(|(at, _)| !is_late(feishu, *at)), "{board} shows nothing at all:\n{query}");
            trends += 1;
        } else if let Some(metric) = metric_of_week(&query) {
            let noon = at("2026-11-18T12:00:00");
            let found = prometheus.at(&query, noon).await;
            let days = ["2026-11-11", "2026-11-15", "2026-11-16", "2026-11-17"];
            let source = truth.keys().map(|(source, _)| *source).find(|source| metric.starts_with(source)).unwrap();
            let sum: f64 = days
                .iter()
                .flat_map(|date| of(source, date).unwrap())
                .filter(|(series, _)| series.starts_with(&format!("{metric}{{")))
                .map(|(_, value)| value)
                .sum();
            let shown: f64 = found.iter().map(|(_, value)| value).sum();
            assert_eq!(shown, sum, "{metric}, 7 days, of four days that had figures");
            weeks += 1;
        }
    }
    assert!(trends > 50 && weeks >= 3, "{trends} trends, {weeks} sums");
    // The documents: each shown day once with its own sum, and nothing for the others.
    for (file, query) in of_documents() {
        let feishu = query.contains("feishu_");
        let hours = if query.contains("offset -36h") { 24 } else { 8 };
        if !query.contains("offset -3") && !query.contains("offset -6") {
            continue;
        }
        let series = prometheus.range(&query, first, last, hours).await;
        let metric = query.split("(last_over_time(").nth(1).unwrap().split(['[', '{']).next().unwrap();
        let source = if feishu { "feishu_message_push" } else { "wecom_contact" };
        for (labels, points) in &series {
            let mut seen = BTreeSet::new();
            for (time, value) in points {
                let on = Day::containing(*time, &Zone::china());
                assert!(!is_late(feishu, *time), "{file}: {on} was late\n{query}");
                let figures = of(source, &on.to_string()).unwrap();
                let name = labels["metric_name"].as_str().map(|name| format!("metric_name=\"{name}\""));
                let of_day = figures.iter().filter(|(series, _)| {
                    series.starts_with(&format!("{metric}{{"))
                        && (!feishu || series.contains("cycle=\"day\"") && series.contains(name.as_deref().unwrap()))
                });
                assert_eq!(*value, of_day.map(|(_, value)| value).sum::<f64>(), "{file}: {on} {labels}\n{query}");
                seen.insert(on.to_string());
            }
            let shown = if feishu {
                ["2026-11-10", "2026-11-14", "2026-11-15", "2026-11-16"]
            } else {
                ["2026-11-10", "2026-11-11", "2026-11-15", "2026-11-16"]
            };
            assert!(shown.iter().all(|day| seen.contains(*day)), "{file}: {seen:?}\n{query}");
        }
        assert_eq!(series.len(), if feishu { 4 } else { 1 }, "{file}: one of each figure\n{query}");
    }
}

#[tokio::test]
async fn every_query_of_the_documents_gives_every_figure_that_it_is_about() {
    if !tools::has("prometheus") || !tools::has("promtool") {
        return;
    }
    choose_tls();
    let mut stage = Stage::with(40, "2026-11-20T12:00:00", everything).await;
    let mut scrapes = Scrapes::default();
    stage.wake().await;
    scrapes.scrape(&stage);
    let prometheus = Prometheus::start(scrapes).await;
    let now = stage.clock.now();
    for (file, query) in of_documents() {
        // On the day's own axis, the figures lie behind; each of the last seven days looks at eight in the morning.
        let hours = query.split("offset -").nth(1).and_then(|rest| rest.split('h').next()?.parse().ok()).unwrap_or(0);
        let time = now.checked_sub(jiff::SignedDuration::from_hours(hours)).unwrap();
        let asked = if query.contains("[7d:1d]") { query.replace("[7d:1d]", "[1h:1m]") } else { query.clone() };
        let found = prometheus.at(&asked, time.checked_add(jiff::SignedDuration::from_mins(1)).unwrap()).await;
        assert!(!found.is_empty(), "{file}: nothing\n{query}");
        assert!(found.iter().all(|(_, value)| value.is_finite()), "{file}: {found:?}\n{query}");
        if query.contains("feishu_message_push{cycle=\"day\"}") {
            let page = stage.page().figures();
            let of_days =
                page.keys().filter(|name| name.starts_with("feishu_message_push{") && name.contains("\"day\""));
            assert_eq!(found.len(), of_days.count(), "{file}: no two figures are made one\n{query}");
        }
    }
}
