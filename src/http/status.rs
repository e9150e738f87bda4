//! The states of the sources, for people and as JSON.
//!
//! Both show counts, codes and words that are meant for operators; no person's id.

use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, Render, html};
use serde::Serialize;

use super::App;
use crate::printable::is_printable;
use crate::telemetry::{Outcome, SourceStatus, TargetCounts};

/// How the page writes an instant.
const TIME: &str = "%Y-%m-%d %H:%M:%S UTC";

/// The page's style; not in the page, since its security policy allows no inline style.
pub(super) const STYLE: &str = include_str!("status.css");

#[derive(Serialize)]
struct Report {
    version: &'static str,
    /// Why the store can't be written.
    store_error: Option<String>,
    sources: Vec<SourceReport>,
}

#[derive(Serialize)]
struct SourceReport {
    source: &'static str,
    account: String,
    up: bool,
    day: Option<String>,
    target_day: Option<String>,
    targets: TargetCounts,
    series: usize,
    last_error: Option<String>,
    last_round: Option<Timestamp>,
    next_round: Option<Timestamp>,
}

/// The body of `/api/v1/status`.
pub(super) fn json(app: &App) -> serde_json::Result<String> {
    let sources = app.telemetry.sources().into_iter().map(|(source, account, status)| SourceReport {
        source,
        account,
        up: status.up,
        day: status.shown.map(|(day, _)| day.to_string()),
        target_day: status.target.map(|(day, _)| day.to_string()),
        targets: status.targets,
        series: status.series,
        last_error: status.error,
        last_round: status.last_round.map(whole),
        next_round: status.next_round.map(whole),
    });
    let (version, store_error) = (app.telemetry.build().0, app.telemetry.store_fault());
    serde_json::to_string(&Report { version, store_error, sources: sources.collect() })
}

/// The page at `/`.
pub(super) fn html(app: &App) -> String {
    let (version, revision) = app.telemetry.build();
    let mut sources = app.telemetry.sources();
    // The reader of a large company's page looks for what does not work.
    sources.sort_by_key(|(.., status)| status.up);
    let metrics = app.telemetry_path.trim_start_matches('/');
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "imstats_exporter" }
                link rel="stylesheet" href="status.css";
            }
            body {
                header {
                    h1 { "imstats_exporter" }
                    span.soft {
                        "version " (Line(version))
                        @if revision != "unknown" { ", revision " (Line(revision)) }
                    }
                }
                nav.links {
                    a href=(Line(metrics)) { "Metrics" }
                    a href="api/v1/status" { "Status as JSON" }
                }
                main {
                    @if let Some(fault) = app.telemetry.store_fault() {
                        p {
                            span.bad {
                                "The store can't be written: " (Line(&fault)) ". Figures are kept in memory only, and \
                                stored when it can be written again."
                            }
                        }
                    }
                    h2 { "Sources" }
                    @if sources.is_empty() {
                        p { "The configuration names no sources." }
                    } @else {
                        (sources_table(&sources, metrics, app.clock.now()))
                        (calls_table(app, sources.iter().map(|(_, account, _)| account.as_str()).collect()))
                    }
                    (dashboards(app))
                }
            }
        }
    };
    page.into_string()
}

/// All sources, a row each, with how many of them are up.
fn sources_table(sources: &[(&str, String, SourceStatus)], metrics: &str, now: Timestamp) -> Markup {
    let up = sources.iter().filter(|(.., status)| status.up).count();
    let class = if up == sources.len() { "good" } else { "bad" };
    html! {
        p {
            span class=(class) { (up) " of " (sources.len()) " up" }
            " "
            span.soft { "as of " (now.strftime(TIME)) }
        }
        table {
            thead {
                tr {
                    th scope="col" { "Source, account" }
                    th scope="col" { "Platform" }
                    th scope="col" { "Day shown" }
                    th scope="col" { "Targets" }
                    th scope="col" class="number" { "Series" }
                    th scope="col" { "Last round" }
                    th scope="col" { "Next round" }
                }
            }
            tbody {
                @for (source, account, status) in sources { (source_row((source, account), status, metrics, now)) }
            }
        }
    }
}

fn source_row((source, account): (&str, &str), status: &SourceStatus, metrics: &str, now: Timestamp) -> Markup {
    let (class, word) = match (status.up, status.last_round) {
        (true, _) => ("good", "up"),
        (false, Some(_)) => ("bad", "down"),
        (false, None) => ("warn", "not asked yet"),
    };
    let shown = status.shown.map(|(day, _)| day);
    let states: Vec<_> = status.targets.states().into_iter().filter(|(_, count)| *count > 0).collect();
    html! {
        tr {
            th scope="row" { (Line(source)) small { (Line(account)) } }
            td data-of="Platform" { span class=(class) { (word) } }
            td data-of="Day shown" {
                div {
                    @match shown {
                        Some(day) => (day),
                        None => span.warn { "none" },
                    }
                    @match status.target.map(|(day, _)| day) {
                        Some(day) if Some(day) == shown => small { "the target day" },
                        Some(day) => small.warn { "target day " (day) },
                        None => "",
                    }
                }
            }
            td data-of="Targets" {
                div {
                    @if states.is_empty() { "none listed yet" }
                    @for (n, (state, count)) in states.iter().enumerate() {
                        @if n > 0 { ", " }
                        span class=[class_of(state)] { (count) " " (state.replace('_', " ")) }
                    }
                }
            }
            td data-of="Series" class="number" {
                a href={ (Line(metrics)) "?collect%5B%5D=" (Line(source)) } { (status.series) }
            }
            (time_cell("Last round", status.last_round, now))
            (time_cell("Next round", status.next_round, now))
        }
        @if let Some(error) = &status.error {
            // A source that is up has it for some of its targets only.
            tr class={ "error " (if status.up { "warn" } else { "bad" }) } { td colspan="7" { (Line(error)) } }
        }
    }
}

/// How targets in `state` are drawn.
fn class_of(state: &str) -> Option<&'static str> {
    match state {
        "failed" => Some("bad"),
        "refused" => Some("warn"),
        _ => None,
    }
}

fn time_cell(of: &str, time: Option<Timestamp>, now: Timestamp) -> Markup {
    html! {
        td data-of=(of) {
            @match time {
                Some(at) => div {
                    (distance(at.duration_since(now)))
                    small { time datetime=(whole(at)) { (at.strftime(TIME)) } }
                },
                None => "none",
            }
        }
    }
}

/// The calls of each account, today and since the start.
fn calls_table(app: &App, mut accounts: Vec<&str>) -> Markup {
    accounts.sort_unstable();
    accounts.dedup();
    let name = |outcome: Outcome| outcome.name().replace('_', " ");
    html! {
        h2 { "Calls to platforms today" }
        p.soft { "Since midnight in China (UTC+8), or since this program started." }
        table.calls {
            thead {
                tr {
                    th scope="col" { "Account" }
                    @for outcome in Outcome::ALL { th scope="col" class="number" { (name(outcome)) } }
                    th scope="col" class="number" { "all since the start" }
                }
            }
            tbody {
                @for account in accounts {
                    tr {
                        th scope="row" { (Line(account)) }
                        @for (outcome, count) in app.telemetry.requests_today(account) {
                            td data-of=(name(outcome)) class="number" { (count) }
                        }
                        td data-of="since the start" class="number" {
                            (app.telemetry.requests(account).values().sum::<u64>())
                        }
                    }
                }
            }
        }
    }
}

/// The dashboards to download, those of one language in a line.
fn dashboards(app: &App) -> Markup {
    let language = |name: &'static str| name.split_once('/').map_or("", |(folder, _)| folder);
    html! {
        @if !app.dashboards.is_empty() {
            h2 { "Dashboards for Grafana" }
            @for line in app.dashboards.chunk_by(|(one, _), (other, _)| language(one) == language(other)) {
                p.links {
                    @for (name, _) in line { a href={ "dashboards/" (name) ".json" } { (name) } }
                }
            }
        }
    }
}

/// `time` without fractions of a second.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// How far away an instant is, in words.
fn distance(from_now: SignedDuration) -> String {
    let seconds = from_now.as_secs().unsigned_abs();
    let (count, unit) = match seconds {
        0..100 => (seconds, "s"),
        100..6_000 => (seconds / 60, "min"),
        6_000..172_800 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    if from_now.is_positive() { format!("in {count} {unit}") } else { format!("{count} {unit} ago") }
}

/// A text in one line: what is not printable becomes blanks.
struct Line<'a>(&'a str);

impl Render for Line<'_> {
    fn render_to(&self, page: &mut String) {
        self.0.replace(|c: char| !is_printable(c), " ").render_to(page);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::day::{Clock, Day, Zone};
    use crate::http::tests::app;

    fn standing() -> App {
        let now: Timestamp = "2026-11-20T06:10:00Z".parse().unwrap();
        let app = App { clock: Clock::manual(now), ..app() };
        let day = |text: &str| -> Option<(Day, Timestamp)> {
            let day: Day = text.parse().unwrap();
            Some((day, day.midnight(&Zone::china())))
        };
        let status = SourceStatus {
            shown: day("2026-11-18"),
            target: day("2026-11-19"),
            targets: TargetCounts { ok: 40, failed: 2, no_data: 1, ..TargetCounts::default() },
            last_round: "2026-11-20T06:08:00.4Z".parse().ok(),
            next_round: "2026-11-20T08:00:00Z".parse().ok(),
            series: 280,
            error: Some("code 60020: <b>add</b> \"203.0.113.7\"\nto the trusted IPs".into()),
            ..SourceStatus::default()
        };
        app.telemetry.set_source("wecom_contact", "acme", status);
        app.telemetry.set_source("wecom_groupchat_owner", "acme", SourceStatus { up: true, ..SourceStatus::default() });
        app.telemetry.request("acme", "gettoken", Outcome::Denied, Duration::from_millis(5));
        app
    }

    #[test]
    fn the_report_has_the_documented_form() {
        assert_eq!(
            json(&standing()).unwrap(),
            "{\"version\":\"1.2.3\",\"store_error\":null,\"sources\":[{\"source\":\"wecom_contact\",\"account\":\"acme\",\"up\":false,\
             \"day\":\"2026-11-18\",\"target_day\":\"2026-11-19\",\
             \"targets\":{\"ok\":40,\"no_data\":1,\"refused\":0,\"failed\":2,\"pending\":0},\"series\":280,\
             \"last_error\":\"code 60020: <b>add</b> \\\"203.0.113.7\\\"\\nto the trusted IPs\",\
             \"last_round\":\"2026-11-20T06:08:00Z\",\"next_round\":\"2026-11-20T08:00:00Z\"},\
             {\"source\":\"wecom_groupchat_owner\",\"account\":\"acme\",\"up\":true,\"day\":null,\"target_day\":null,\
             \"targets\":{\"ok\":0,\"no_data\":0,\"refused\":0,\"failed\":0,\"pending\":0},\"series\":0,\
             \"last_error\":null,\"last_round\":null,\"next_round\":null}]}"
        );
    }

    #[test]
    fn the_page_says_what_is_wrong_and_escapes_it() {
        let page = html(&standing());
        for part in [
            "<span class=\"bad\">1 of 2 up</span> <span class=\"soft\">as of 2026-11-20 06:10:00 UTC</span>",
            "wecom_contact<small>acme</small>",
            "<span class=\"bad\">down</span>",
            "2026-11-18<small class=\"warn\">target day 2026-11-19</small>",
            "<span>40 ok</span>, <span>1 no data</span>, <span class=\"bad\">2 failed</span>",
            "1 min ago<small><time datetime=\"2026-11-20T06:08:00Z\">2026-11-20 06:08:00 UTC</time>",
            "in 1 h<small>",
            "code 60020: &lt;b&gt;add&lt;/b&gt; &quot;203.0.113.7&quot; to the trusted IPs</td>",
            "<tr class=\"error bad\">",
            "<td data-of=\"denied\" class=\"number\">1</td>",
            "<a href=\"metrics\">",
            "<a href=\"metrics?collect%5B%5D=wecom_contact\">280</a>",
            "version 1.2.3, revision",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        for never in ["<script", "style=", "<b>"] {
            assert!(!page.contains(never), "{never}");
        }
    }

    #[test]
    fn without_sources_the_page_says_so() {
        assert!(html(&app()).contains("names no sources"));
    }

    #[test]
    fn distances_are_short() {
        for (seconds, expected) in
            [(0, "0 s ago"), (-99, "99 s ago"), (150, "in 2 min"), (7_200, "in 2 h"), (-200_000, "2 d ago")]
        {
            assert_eq!(distance(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
