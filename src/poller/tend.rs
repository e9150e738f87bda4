//! Looks after the store's file, and tells how it is.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Context;

/// The file is looked after once in this part of the time that its disk may take to answer: every 5 s.
const PART_OF_PATIENCE: u32 = 4;

/// How long storing what waits may take at the end of the program.
const LAST_TRY: Duration = Duration::from_secs(5);

/// Notices that the store's file is gone, stores what was kept in memory when it can be written again, and tells, until
/// `shutdown`. Does nothing for a store in memory.
pub async fn tend_store(context: Context, shutdown: CancellationToken) {
    if !context.store.has_file() {
        return;
    }
    let interval = context.store.patience() / PART_OF_PATIENCE;
    loop {
        context.telemetry.set_store_fault(context.store.fault());
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = context.store.turned() => {}
            // Of the machine: a wall clock that a test sets says nothing about a disk.
            () = tokio::time::sleep(interval) => context.store.tend().await,
        }
    }
}

/// Tries once more to store what waits, and says what will be lost with the memory.
pub async fn settle_store(context: &Context) {
    if context.store.fault().is_none() {
        return;
    }
    // A disk that hangs does not keep the program from ending.
    let _ = timeout(LAST_TRY, context.store.tend()).await;
    if let Some(fault) = context.store.fault() {
        let answers = context.store.waiting();
        tracing::error!(answers, "the store still can't be written: answers are lost, and asked for again: {fault}");
    }
}
