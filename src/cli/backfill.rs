//! `backfill`: past days into the store.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::estimate::words;
use super::output::{answer, remark};
use super::progress::{Display, State, TICK};
use super::selection::Selection;
use super::signals::EndSignals;
use super::{Flags, program};
use crate::client::Proxies;
use crate::config::SourceConfig;
use crate::day::{Cycle, Day, Days, Zone};
use crate::discovery::Lists;
use crate::history::{self, Bounds, OutOfBounds, Plan, Progress, Summary};
use crate::poller::Context;
use crate::printable::count;

#[derive(Debug, Args)]
pub(super) struct BackfillArgs {
    /// The first day, such as 2026-06-01.
    #[arg(long, value_name = "DAY")]
    from: Day,
    /// The last day; those that are not ready yet are left out.
    #[arg(long, value_name = "DAY")]
    to: Day,
    #[command(flatten)]
    selection: Selection,
    /// Only says how many calls it would make and how long they would take; asks for nothing but lists.
    #[arg(long)]
    dry_run: bool,
}

/// Fetches what the store lacks.
pub(super) async fn backfill(flags: &Flags, args: BackfillArgs) -> anyhow::Result<ExitCode> {
    ensure!(!flags.storage_path.is_empty(), "past days are kept in the store: give it a folder with --storage.path");
    ensure!(args.from <= args.to, "--from {} is after --to {}", args.from, args.to);
    let sources = args.selection.of(flags.config()?.sources)?;
    let sources = within_bounds(sources, Days { first: args.from, last: args.to })?;
    ensure_kept(&sources, flags.retention_days)?;
    let mut ending = EndSignals::listen()?;
    let proxies = Proxies::from_env()?;
    let context = program::assemble_beside(&flags.storage_path)?;
    context.client.go_through(proxies);
    let configs: Vec<_> = sources.iter().map(|(config, ..)| config.clone()).collect();
    context.claim(&configs).await?;
    let (plans, complete) = tokio::select! {
        planned = plan(&context, sources) => planned?,
        code = ending.wait() => return Ok(ExitCode::from(code)),
    };
    announce(&plans)?;
    if args.dry_run {
        return Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let whole = carry_out(&context, plans, &mut ending).await?;
    Ok(if complete && whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes sure that the exporter, started with the same retention, does not delete what is to be fetched.
fn ensure_kept(sources: &[(SourceConfig, Days, Day)], retention_days: u32) -> anyhow::Result<()> {
    let oldest = Day::containing(jiff::Timestamp::now(), &Zone::china()).plus(-i64::from(retention_days));
    let first = sources.iter().map(|(_, days, _)| days.first).min();
    ensure!(
        first.is_none_or(|first| first >= oldest),
        "nothing was asked: with --storage.retention {retention_days}d the store keeps no days before {oldest}; give a \
         later --from, or a longer retention here and to serve"
    );
    Ok(())
}

/// Each source with the days that can be asked for; says which are left out.
fn within_bounds(sources: Vec<SourceConfig>, days: Days) -> anyhow::Result<Vec<(SourceConfig, Days, Day)>> {
    let now = jiff::Timestamp::now();
    let mut too_old = Vec::new();
    let mut within = Vec::new();
    for config in sources {
        let bounds = Bounds::of(&config, now);
        let name = format!("{} of {}", config.source.api().name, config.account.name);
        match bounds.clip(days) {
            Ok(clipped) => {
                if clipped.last < days.last {
                    remark(format_args!(
                        "{name}: {} is the newest day that is ready: later days are left out",
                        clipped.last
                    ));
                }
                within.push((config, clipped, bounds.newest));
            }
            Err(error @ OutOfBounds::TooOld { .. }) => too_old.push(format!("{name}: {error}")),
            Err(error @ OutOfBounds::NotReady { .. }) => remark(format_args!("{name}: {error}: nothing to fetch")),
        }
    }
    ensure!(
        too_old.is_empty(),
        "nothing was asked, as --from {} is too long ago (--source picks the sources without such an end):\n  {}",
        days.first,
        too_old.join("\n  ")
    );
    ensure!(!within.is_empty(), "none of these days is ready");
    Ok(within)
}

/// What the store lacks of each source; tells whether all of their lists could be had.
async fn plan(context: &Context, sources: Vec<(SourceConfig, Days, Day)>) -> anyhow::Result<(Vec<Plan>, bool)> {
    let mut plans = Vec::new();
    let mut complete = true;
    for (config, days, newest) in sources {
        let name = format!("{} of {}", config.source.api().name, config.account.name);
        // Past days are asked for the subjects that are listed today.
        match context.discovery.directory(&config, false, newest).await {
            Ok(Lists { directory, stale, notes, .. }) => {
                if let Some(stale) = stale {
                    remark(format_args!("{name}: the lists of an earlier day are in use: {stale}"));
                }
                for note in notes {
                    remark(format_args!("{name}: {note}"));
                }
                let targets = config.targets(&directory);
                plans.push(Plan::new(&context.store, config, targets, days, newest).await?);
            }
            Err(error) => {
                complete = false;
                remark(format_args!("{name}: {error}"));
            }
        }
    }
    Ok((plans, complete))
}

/// Says how many calls there will be, and how long they take at the limits.
fn announce(plans: &[Plan]) -> anyhow::Result<()> {
    // Sources of one company and API wait for each other, all others run side by side.
    let mut gates: BTreeMap<(&str, &str, &str), Duration> = BTreeMap::new();
    let (mut all, mut below) = (0, 0);
    for plan in plans {
        let calls = plan.calls();
        let config = plan.config();
        let (api, credential) = (config.source.api(), &config.account.credential);
        let (targets, refused) = plan.targets();
        let mut line = format!(
            "{} of {}, {}: {}, {}",
            api.name,
            config.account.name,
            plan.days(),
            count(targets, "target", "targets"),
            count(calls.sure, "call", "calls")
        );
        if calls.below > 0 {
            let more = calls.below;
            line.push_str(&format!(", and up to {more} below those that have figures on the days in question"));
        }
        if calls.paged && calls.sure > 0 {
            line.push_str("; more where a list has more than one page");
        }
        if refused > 0 {
            let targets = count(refused, "target is", "targets are");
            line.push_str(&format!("; {targets} refused by the platform and not asked"));
        }
        answer(format_args!("{line}"))?;
        all += calls.most();
        below += calls.below;
        let most = u32::try_from(calls.most()).unwrap_or(u32::MAX);
        let time = config.account.rate(api.path).interval().saturating_mul(most);
        let gate = gates.entry((credential.platform.name(), &credential.id, api.path)).or_default();
        *gate = gate.saturating_add(time);
    }
    let longest = gates.values().max().copied().unwrap_or_default();
    let up_to = if below > 0 { "up to " } else { "" };
    let all = count(all, "call", "calls");
    answer(format_args!("{up_to}{all} in all; at the configured limits they take {}", words(longest)))
}

/// Makes the calls; tells whether nothing is missing.
async fn carry_out(context: &Context, plans: Vec<Plan>, ending: &mut EndSignals) -> anyhow::Result<bool> {
    let stop = CancellationToken::new();
    let names: Vec<_> = plans.iter().map(|plan| format!("{} of {}", plan.name().0, plan.name().1)).collect();
    let configs: Vec<_> = plans.iter().map(|plan| plan.config().clone()).collect();
    let progress: Vec<Arc<Progress>> = plans.iter().map(|_| Arc::default()).collect();
    let mut running = JoinSet::new();
    for (n, plan) in plans.into_iter().enumerate() {
        let (context, progress, stop) = (context.clone(), Arc::clone(&progress[n]), stop.clone());
        running.spawn(async move { (n, history::backfill(&context, plan, &progress, &stop).await) });
    }
    let states = || -> Vec<State> {
        let each = progress.iter().zip(&configs).map(|(progress, config)| {
            let pause = context.client.pause_left(&config.account, config.source.api().path);
            let held_up = (!pause.is_zero()).then(|| format!("the platform wants a pause of {}", words(pause)));
            State { done: progress.done(), most: Some(progress.most()), held_up }
        });
        each.collect()
    };
    let mut display = Display::new(names.clone(), "calls");
    let mut tick = tokio::time::interval(TICK);
    let mut summaries: Vec<Option<Summary>> = configs.iter().map(|_| None).collect();
    loop {
        tokio::select! {
            joined = running.join_next() => match joined {
                Some(joined) => {
                    let (n, summary) = joined.context("a source ended early")?;
                    summaries[n] = Some(summary?);
                }
                None => break,
            },
            _ = ending.wait() => {
                ensure!(!stop.is_cancelled(), "ended by a second signal; what was stored stays so");
                stop.cancel();
            }
            _ = tick.tick() => display.show(&states()),
        }
    }
    display.end(&states());
    let summaries: Vec<_> = summaries.into_iter().flatten().collect();
    report(&names, &summaries)
}

/// Says how it went; tells whether nothing is missing.
fn report(names: &[String], summaries: &[Summary]) -> anyhow::Result<bool> {
    let calls: u64 = summaries.iter().map(|summary| summary.calls).sum();
    answer(format_args!("{} made", count(calls, "call", "calls")))?;
    let mut whole = true;
    for (name, summary) in names.iter().zip(summaries) {
        for edge in &summary.edges {
            let what = if edge.cycle == Cycle::Day { "days" } else { "weeks or months that end" };
            answer(format_args!("{name}: the platform has no {what} on {} and before (code {})", edge.day, edge.code))?;
        }
        if let Some(first) = &summary.invalid.first {
            let figures = count(summary.invalid.figures, "figure is", "figures are");
            answer(format_args!("{name}: {figures} left out as invalid: {first}"))?;
        }
        if summary.refused > 0 {
            let targets = count(summary.refused, "target was", "targets were");
            answer(format_args!("{name}: {targets} refused by the platform"))?;
        }
    }
    for (name, summary) in names.iter().zip(summaries) {
        for trouble in &summary.troubles {
            if std::mem::take(&mut whole) {
                answer(format_args!("\nMissing still; the same command asks for it again:"))?;
                answer(format_args!("{:<36} {:>8}  {:<24} why", "source", "requests", "days"))?;
            }
            let days = trouble.days.to_string();
            answer(format_args!(
                "{name:<36} {:>8}  {days:<24} {} ({})",
                trouble.ranges, trouble.failure, trouble.example
            ))?;
        }
    }
    Ok(whole)
}
