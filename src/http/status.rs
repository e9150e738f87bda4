//! The states of the sources, for people and as JSON.
//!
//! Both show counts, codes and words that are meant for operators; no person's id.

use std::fmt::{self, Write};

use jiff::{SignedDuration, Timestamp};
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
    let mut page = String::with_capacity(8 * 1024);
    // Writing to a string does not fail.
    let _ = write_page(&mut page, app);
    page
}

fn write_page(page: &mut String, app: &App) -> fmt::Result {
    let (version, revision) = app.telemetry.build();
    let revision = if revision == "unknown" { String::new() } else { format!(", revision {revision}") };
    let mut sources = app.telemetry.sources();
    // The reader of a large company's page looks for what does not work.
    sources.sort_by_key(|(.., status)| status.up);
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>imstats_exporter</title>\n<link rel=\"stylesheet\" href=\"status.css\">\n</head>\n<body>\n\
         <header><h1>imstats_exporter</h1><span class=\"soft\">version {}{}</span></header>\n",
        Html(version),
        Html(&revision),
    )?;
    let metrics = app.telemetry_path.trim_start_matches('/');
    write!(
        page,
        "<nav class=\"links\"><a href=\"{}\">Metrics</a><a href=\"api/v1/status\">Status as JSON</a>",
        Html(metrics)
    )?;
    let answering = sources.iter().filter(|(.., status)| status.up).count();
    let class = if answering == sources.len() { "good" } else { "bad" };
    write!(page, "</nav>\n<main>\n")?;
    if let Some(fault) = app.telemetry.store_fault() {
        writeln!(
            page,
            "<p><span class=\"bad\">The store can't be written: {}. Figures are kept in memory only, and stored when it \
             can be written again.</span></p>",
            Html(&fault)
        )?;
    }
    page.push_str("<h2>Sources</h2>\n");
    if sources.is_empty() {
        page.push_str("<p>The configuration names no sources.</p>\n");
        write_dashboards(page, app)?;
        page.push_str("</main>\n</body>\n</html>\n");
        return Ok(());
    }
    let now = app.clock.now();
    writeln!(
        page,
        "<p><span class=\"{class}\">{answering} of {} up</span> <span class=\"soft\">as of {}</span></p>",
        sources.len(),
        now.strftime(TIME)
    )?;
    page.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Source, account</th><th scope=\"col\">Platform</th><th scope=\"col\">Day shown</th>\
         <th scope=\"col\">Targets</th><th scope=\"col\" class=\"number\">Series</th><th scope=\"col\">Last round</th>\
         <th scope=\"col\">Next round</th></tr></thead>\n<tbody>\n",
    );
    for (source, account, status) in &sources {
        write_source(page, metrics, (source, account), status, now)?;
    }
    page.push_str("</tbody>\n</table>\n");
    write_calls(page, app, sources.iter().map(|(_, account, _)| account.as_str()).collect())?;
    write_dashboards(page, app)?;
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn write_source(
    page: &mut String,
    metrics: &str,
    (source, account): (&str, &str),
    status: &SourceStatus,
    now: Timestamp,
) -> fmt::Result {
    let (class, word) = match (status.up, status.last_round) {
        (true, _) => ("good", "up"),
        (false, Some(_)) => ("bad", "down"),
        (false, None) => ("warn", "not asked yet"),
    };
    let shown = status.shown.map(|(day, _)| day);
    let target = status.target.map(|(day, _)| day);
    write!(
        page,
        "<tr><th scope=\"row\">{}<small>{}</small></th><td data-of=\"Platform\"><span class=\"{class}\">{word}</span></td>",
        Html(source),
        Html(account)
    )?;
    page.push_str("<td data-of=\"Day shown\"><div>");
    match shown {
        Some(day) => write!(page, "{day}")?,
        None => page.push_str("<span class=\"warn\">none</span>"),
    }
    match target {
        Some(day) if Some(day) == shown => page.push_str("<small>the target day</small>"),
        Some(day) => write!(page, "<small class=\"warn\">target day {day}</small>")?,
        None => {}
    }
    page.push_str("</div></td><td data-of=\"Targets\"><div>");
    let mut states = status.targets.states().into_iter().filter(|(_, count)| *count > 0).peekable();
    if states.peek().is_none() {
        page.push_str("none listed yet");
    }
    for (n, (state, count)) in states.enumerate() {
        let class = match state {
            "failed" => " class=\"bad\"",
            "refused" => " class=\"warn\"",
            _ => "",
        };
        let comma = if n > 0 { ", " } else { "" };
        write!(page, "{comma}<span{class}>{count} {}</span>", state.replace('_', " "))?;
    }
    write!(
        page,
        "</div></td><td data-of=\"Series\" class=\"number\"><a href=\"{}?collect%5B%5D={}\">{}</a></td>",
        Html(metrics),
        Html(source),
        status.series
    )?;
    write_time(page, "Last round", status.last_round, now)?;
    write_time(page, "Next round", status.next_round, now)?;
    page.push_str("</tr>\n");
    if let Some(error) = &status.error {
        // A source that is up has it for some of its targets only.
        let class = if status.up { "warn" } else { "bad" };
        writeln!(page, "<tr class=\"error {class}\"><td colspan=\"7\">{}</td></tr>", Html(error))?;
    }
    Ok(())
}

fn write_time(page: &mut String, of: &str, time: Option<Timestamp>, now: Timestamp) -> fmt::Result {
    match time {
        Some(time) => write!(
            page,
            "<td data-of=\"{of}\"><div>{}<small><time datetime=\"{}\">{}</time></small></div></td>",
            distance(time.duration_since(now)),
            whole(time),
            time.strftime(TIME)
        ),
        None => write!(page, "<td data-of=\"{of}\">none</td>"),
    }
}

/// The calls of each account, today and since the start.
fn write_calls(page: &mut String, app: &App, mut accounts: Vec<&str>) -> fmt::Result {
    accounts.sort_unstable();
    accounts.dedup();
    page.push_str(
        "<h2>Calls to platforms today</h2>\n<p class=\"soft\">Since midnight in China (UTC+8), or since this program \
         started.</p>\n<table class=\"calls\">\n<thead><tr><th scope=\"col\">Account</th>",
    );
    for outcome in Outcome::ALL {
        write!(page, "<th scope=\"col\" class=\"number\">{}</th>", outcome.name().replace('_', " "))?;
    }
    page.push_str("<th scope=\"col\" class=\"number\">all since the start</th></tr></thead>\n<tbody>\n");
    for account in accounts {
        write!(page, "<tr><th scope=\"row\">{}</th>", Html(account))?;
        for (outcome, count) in app.telemetry.requests_today(account) {
            write!(page, "<td data-of=\"{}\" class=\"number\">{count}</td>", outcome.name().replace('_', " "))?;
        }
        let all: u64 = app.telemetry.requests(account).values().sum();
        writeln!(page, "<td data-of=\"since the start\" class=\"number\">{all}</td></tr>")?;
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

/// The dashboards to download, those of one language in a line.
fn write_dashboards(page: &mut String, app: &App) -> fmt::Result {
    if app.dashboards.is_empty() {
        return Ok(());
    }
    page.push_str("<h2>Dashboards for Grafana</h2>\n");
    let language = |name: &'static str| name.split_once('/').map_or("", |(folder, _)| folder);
    for line in app.dashboards.chunk_by(|(one, _), (other, _)| language(one) == language(other)) {
        page.push_str("<p class=\"links\">");
        for (name, _) in line {
            write!(page, "<a href=\"dashboards/{0}.json\">{0}</a>", Html(name))?;
        }
        page.push_str("</p>\n");
    }
    Ok(())
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

/// A text that means itself in HTML, in attributes too.
struct Html<'a>(&'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if !is_printable(c) => f.write_char(' ')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
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
            "{\"version\":\"1.2.3\",\"sources\":[{\"source\":\"wecom_contact\",\"account\":\"acme\",\"up\":false,\
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
