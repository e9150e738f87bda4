//! How long a restart and an export take when the store holds half a year, and how much memory.
//!
//! `cargo bench --bench history [-- restart | export]`. Each is measured in one run with a short history and a long one:
//! a restart must not depend on its length, and the memory of an export must not.

#![expect(clippy::print_stdout, reason = "the figures are the answer")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Clock, Days};
use imstats_exporter::exposition::Format;
use imstats_exporter::history::{ExportHistory, export_openmetrics};
use imstats_exporter::poller::{Context, Worker};
use imstats_exporter::sample::Row;
use imstats_exporter::source::{Filter, ListEntry, Target, apis};
use imstats_exporter::store::{SourceState, Store, TargetAnswer};
use imstats_exporter::telemetry::Telemetry;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wants = |word: &str| words.is_empty() || words[0] == word;
    for days in [2, 180] {
        if wants("restart") {
            restart(100_000, days).await?;
        }
    }
    for days in [30, 180] {
        if wants("export") {
            export(10_000, days).await?;
        }
    }
    Ok(())
}

fn config() -> Result<SourceConfig, Failure> {
    let text =
        "wecom: [{account: acme, corp_id: ww1, secret: s, base_url: \"http://127.0.0.1:9\", contact: {users: all}}]";
    Config::parse(text, "bench")?.sources.into_iter().next().ok_or_else(|| "no source".into())
}

/// Fills a store below `folder` with `subjects` for the `days` that end with the target day; tells its bytes.
async fn fill(folder: &Path, config: &SourceConfig, subjects: usize, days: u32) -> Result<u64, Failure> {
    let api = config.source.api();
    let store = Store::open(Some(folder), &apis())?.store;
    let now = Clock::system().now();
    let last = config.schedule.target_day(now);
    let ids: Vec<_> = (0..subjects).map(|n| format!("user{n:06}")).collect();
    let found = ids.iter().map(|id| ListEntry { id: id.clone(), parent: None, name: None }).collect();
    store.put_list("wecom", "acme", "follow_user", last, Arc::new(found)).await?;
    let mut first = last.plus(1 - i64::from(days));
    while first <= last {
        let span = Days { first, last: first.plus(29).min(last) };
        for ids in ids.chunks(10_000) {
            let row = |day, id: &String| Row { day, labels: vec![id.clone()], values: vec![Some(3.0); 7] };
            let answered = |id: &String| TargetAnswer {
                target: Arc::new(Target::named(api.tables[0], vec![id.clone()], Filter::default())),
                days: span,
                rows: Ok(span.iter().map(|day| row(day, id)).collect()),
            };
            store.record(api, "acme", now, ids.iter().map(answered).collect()).await?;
        }
        first = span.last.plus(1);
    }
    store.put_status(api.name, "acme", &SourceState { shown: Some(last), up: true, ..SourceState::default() }).await?;
    Ok(store.size_bytes())
}

async fn restart(subjects: usize, days: u32) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let config = config()?;
    let bytes = fill(folder.path(), &config, subjects, days).await?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let clock = Clock::system();
        let telemetry = Telemetry::with_clock("bench", "bench", clock.clone());
        let store = Store::open(Some(folder.path()), &apis())?.store;
        let now = clock.now();
        let context = Context::new(store, telemetry, clock, Duration::from_secs(1));
        let exposition = context.exposition.clone();
        Worker::new(context, config.clone(), now).restore().await?;
        let page = exposition.scrape(Format::Text, false, None);
        times.push(started.elapsed());
        if page.length < subjects * 7 * 40 {
            return Err(format!("the page is not whole: {} bytes", page.length).into());
        }
    }
    times.sort();
    println!(
        "restart, {subjects} subjects x {days} days ({} MB): page of {} series whole after {:.2} s",
        bytes / 1_000_000,
        subjects * 7,
        times[2].as_secs_f64()
    );
    Ok(())
}

async fn export(subjects: usize, days: u32) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let config = config()?;
    fill(folder.path(), &config, subjects, days).await?;
    let store = Store::open(Some(folder.path()), &apis())?.store;
    let now = Clock::system().now();
    let span = Days::ending(config.schedule.target_day(now), days);
    let before = resident()?;
    let started = Instant::now();
    let export = move || {
        let history = ExportHistory::new(store, span, &[config], Duration::from_hours(1), now, Vec::new())?;
        export_openmetrics(&history, &mut io::sink())
    };
    let mut exporting = tokio::task::spawn_blocking(export);
    let mut most = before;
    let tally = loop {
        tokio::select! {
            tally = &mut exporting => break tally??,
            () = tokio::time::sleep(Duration::from_millis(50)) => most = most.max(resident()?),
        }
    };
    println!(
        "export, {subjects} subjects x {days} days: {} samples in {:.1} s, {:.1} MB more memory at most",
        tally.samples,
        started.elapsed().as_secs_f64(),
        (most - before) as f64 / 1e6
    );
    Ok(())
}

/// The bytes of memory that the process holds.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
