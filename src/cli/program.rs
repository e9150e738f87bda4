//! Puts the parts together that every command needs.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::{REVISION, VERSION};
use crate::day::Clock;
use crate::poller::Context;
use crate::source::apis;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// A platform that could not answer is asked again after about this long, then twice that.
const REPEAT_DELAY: Duration = Duration::from_secs(1);

/// Workers wake up to this long after a day is ready, so that not all companies' exporters ask at once.
const JITTER: Duration = Duration::from_secs(60);

const EXPLAIN: &str = "cannot open the store (--storage.path)";

/// The parts of an exporter that keeps its store under `storage_path`, or in memory where that is empty. A damaged store
/// is set aside.
///
/// # Errors
/// Where the store can't be opened.
pub(super) fn assemble(storage_path: &str) -> anyhow::Result<Context> {
    let opened = Store::open(folder(storage_path), &apis()).context(EXPLAIN)?;
    if let Some(path) = &opened.set_aside {
        tracing::error!(path = %path.display(), "the store was damaged: it is set aside, and a new one is begun");
    }
    Ok(context(opened.store))
}

/// The parts of a command that may run beside an exporter with the same store: a damaged one is left where it is.
///
/// # Errors
/// Where the store can't be opened, or is damaged.
pub(super) fn assemble_beside(storage_path: &str) -> anyhow::Result<Context> {
    Ok(context(Store::open_as_it_is(folder(storage_path), &apis()).context(EXPLAIN)?))
}

fn folder(storage_path: &str) -> Option<&Path> {
    Some(Path::new(storage_path)).filter(|path| !path.as_os_str().is_empty())
}

fn context(store: Store) -> Context {
    let clock = Clock::system();
    let telemetry = Telemetry::with_clock(VERSION, REVISION, clock.clone());
    Context { jitter: JITTER, ..Context::new(store, telemetry, clock, REPEAT_DELAY) }
}
