//! `once`: one round of everything, and the page.

use std::process::ExitCode;

use tokio::task::JoinSet;

use super::output::answer_with;
use super::{Flags, program};
use crate::client::Proxies;
use crate::exposition::Format;
use crate::poller::Worker;
use crate::store::PATIENCE;

/// Polls each source once and prints the page.
pub(super) async fn once(flags: &Flags) -> anyhow::Result<ExitCode> {
    let config = flags.config()?;
    let context = program::assemble("", PATIENCE)?;
    context.client.go_through(Proxies::from_env()?);
    // The page may go to node_exporter's textfile collector, which has metrics of its own process.
    context.telemetry.leave_process_out();
    let now = context.clock.now();
    let mut rounds = JoinSet::new();
    for mut source in config.sources {
        // There will be no second round to wait for.
        source.flip_after = std::time::Duration::ZERO;
        let mut worker = Worker::new(context.clone(), source, now);
        rounds.spawn(async move { worker.wake().await.map(|_| ()) });
    }
    while let Some(round) = rounds.join_next().await {
        round??;
    }
    let page = context.exposition.scrape(Format::Text, false, None);
    for frame in &page.frames {
        answer_with(frame)?;
    }
    let down = context.telemetry.sources().iter().any(|(_, _, status)| !status.up);
    Ok(if down { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
