//! The end of a page: it goes when its time is over, whatever its worker is busy with.

use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};

use super::Context;
use crate::config::SourceConfig;
use crate::day::Day;

/// How often it is looked which day is shown, and so when its page ends.
const LOOK: SignedDuration = SignedDuration::from_secs(30);

/// When the page of `day` goes, whether that of the next day is there or not: `flip_after` has passed since then.
pub(super) fn page_end(config: &SourceConfig, day: Day) -> Timestamp {
    config.schedule.ready(day.plus(1)).saturating_add(config.flip_after).unwrap_or(Timestamp::MAX)
}

/// Takes down the page of the source whenever its time is over.
///
/// A worker does so when it wakes. This is for one that waits then: for a platform that is slow, or a disk that hangs.
pub(super) async fn take_down_in_time(context: Context, config: SourceConfig) -> Infallible {
    loop {
        let now = context.clock.now();
        let shown = context.exposition.day(config.source.api(), &config.account.name);
        let mut next = now.saturating_add(LOOK).unwrap_or(now);
        if let Some(day) = shown {
            let end = page_end(&config, day);
            if end <= now {
                take_down(&context, &config, day).await;
            } else {
                next = next.min(end);
            }
        }
        context.clock.sleep_until(next).await;
    }
}

/// Takes down the page of the source if it is that of `day`.
pub(super) async fn take_down(context: &Context, config: &SourceConfig, day: Day) {
    let (api, account) = (config.source.api(), config.account.name.clone());
    let exposition = context.exposition.clone();
    let rendered = tokio::task::spawn_blocking(move || exposition.take_down(api, &account, day));
    // It ends early with the program, or where the machine has nothing left; it is then tried again.
    if rendered.await.unwrap_or(false) {
        context.telemetry.page_gone(api.name, &config.account.name);
    }
}
