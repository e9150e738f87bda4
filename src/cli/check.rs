//! `check`: the configuration, and what polling it costs.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::estimate::{Estimate, estimate, is_open, words};
use super::output::answer;
use super::{Flags, program};
use crate::client::{Proxies, Ways};
use crate::config::SourceConfig;
use crate::poller::{Context, probe};
use crate::printable::count;
use crate::source::Directory;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Also tries each credential, its permissions, the lists, and the figures of each table.
    #[arg(long)]
    online: bool,
}

/// How long `check` waits for a pause that a platform asks for: a longer one is reported at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks the configuration files and prints a line per source.
pub(super) async fn check(flags: &Flags, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = flags.config()?;
    let remarks = flags.web()?.remarks(&flags.listen, Timestamp::now());
    let sources = count(config.sources.len(), "source", "sources");
    answer(format_args!("{} is valid: {sources}", flags.config_file.display()))?;
    for warning in config.warnings.iter().chain(&remarks) {
        answer(format_args!("warning: {warning}"))?;
    }
    let proxies = Proxies::from_env()?;
    for line in ways(&config.sources, proxies.clone()) {
        answer(format_args!("{line}"))?;
    }
    // Lists of an earlier run tell how many `all` are; without one nothing is created.
    let has_store =
        !flags.storage_path.is_empty() && std::path::Path::new(&flags.storage_path).join("imstats.db").exists();
    // What is found online is known better than what was stored.
    let context = program::assemble_to_read(if has_store && !args.online { &flags.storage_path } else { "" })?;
    context.client.go_through(proxies);
    if has_store && !args.online {
        context.claim(&config.sources).await?;
        for remark in program::store_remarks(&context, &flags.storage_path, &config.sources).await? {
            answer(format_args!("warning: {remark}"))?;
        }
    }
    let context = context.with_patience(PATIENCE);
    let works = if args.online { try_all(&context, &config.sources).await? } else { vec![true; config.sources.len()] };
    let mut fits = works.iter().all(|works| *works);
    answer(format_args!(""))?;
    // What a source that does not work would cost is not known.
    for (source, _) in config.sources.iter().zip(works).filter(|(_, works)| *works) {
        let directory = directory(&context, source).await?;
        let day = source.schedule.target_day(context.clock.now());
        let estimate = estimate(source, &directory, day);
        let (line, too_much) = describe(source, &estimate, is_open(source, &directory));
        answer(format_args!("{line}"))?;
        if let Some(too_much) = too_much {
            fits = false;
            answer(format_args!("error: {too_much}"))?;
        }
    }
    if !args.online {
        answer(format_args!("credentials were not tried: check --online does"))?;
    }
    Ok(if fits { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How each account's platform is reached.
fn ways(sources: &[SourceConfig], proxies: Proxies) -> Vec<String> {
    let ways = Ways::new(proxies);
    let mut lines = Vec::new();
    for source in sources {
        let line = match ways.line(&source.account) {
            Ok(line) => line,
            Err(why) => format!("warning: {}: {why}", source.account.name),
        };
        // Blocks of one account are reached alike.
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Tries every source at its platform, and prints what works and what does not; tells of each whether all of it works.
async fn try_all(context: &Context, sources: &[SourceConfig]) -> anyhow::Result<Vec<bool>> {
    let mut all = Vec::new();
    for source in sources {
        answer(format_args!("\n{} of {}", source.source.api().name, source.account.name))?;
        let mut works = true;
        for step in probe(context, source).await? {
            let (mark, words) = match &step.result {
                Ok(words) => ("ok  ", words),
                Err(words) => ("FAIL", words),
            };
            works &= step.result.is_ok();
            answer(format_args!("  {mark}  {:<40} {words}", step.what))?;
        }
        all.push(works);
    }
    Ok(all)
}

/// The lists that the store has, as far as it has them.
async fn directory(context: &Context, source: &SourceConfig) -> anyhow::Result<Directory> {
    let mut directory = Directory::new();
    loop {
        let before = directory.len();
        for listing in source.source.listings(&directory, false) {
            let list = context.discovery.stored(&source.account, &listing).await?;
            if !list.is_empty() {
                directory.insert(listing.key, list);
            }
        }
        if directory.len() == before {
            return Ok(directory);
        }
    }
}

/// The line of one source, and why it can't work at its limits, if so.
fn describe(source: &SourceConfig, estimate: &Estimate, open: bool) -> (String, Option<String>) {
    let name = format!("{} of {}", source.source.api().name, source.account.name);
    let Estimate { targets, round, day, time } = *estimate;
    let rate = source.account.rate(source.source.api().path);
    let unit = match rate.per.as_secs() {
        1 => "s".to_owned(),
        60 => "m".to_owned(),
        3600 => "h".to_owned(),
        _ => words(rate.per),
    };
    let at = format!("at {}/{unit}", rate.calls);
    let line = if open && targets == 0 {
        format!("{name}: targets and calls are unknown until the platform lists them: run check --online")
    } else if open {
        let batch = source.source.api().batch;
        let share = if batch == 1 { "one call each".to_owned() } else { format!("one call for {batch}") };
        format!(
            "{name}: {} known, more once the platform was asked ({share}); so far {} a round, {} {at}",
            count(targets, "target", "targets"),
            count(round, "call", "calls"),
            words(time)
        )
    } else {
        format!(
            "{name}: {}, at most {} a round and {day} a day; a round takes {} {at}",
            count(targets, "target", "targets"),
            count(round, "call", "calls"),
            words(time)
        )
    };
    let too_much = (time > source.refresh_interval).then(|| {
        format!(
            "{name}: a round takes {}, which is longer than refresh_interval ({}): raise rate_limit or refresh_interval, \
             or ask for fewer subjects",
            words(time),
            words(source.refresh_interval)
        )
    });
    let too_long = (time > Duration::from_hours(24)).then(|| format!("{name}: a round takes longer than a day"));
    (line, too_long.or(too_much))
}
