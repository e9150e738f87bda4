//! Puts the parts together that every command needs.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::{REVISION, VERSION};
use crate::config::SourceConfig;
use crate::day::Clock;
use crate::poller::Context;
use crate::source::apis;
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;

/// A platform that could not answer is asked again after about this long, then twice that.
const REPEAT_DELAY: Duration = Duration::from_secs(1);

/// Workers wake up to this long after a day is ready, so that not all companies' exporters ask at once.
const JITTER: Duration = Duration::from_secs(60);

const EXPLAIN: &str = "cannot open the store (--storage.path)";

/// The parts of an exporter that keeps its store under `storage_path`, or in memory where that is empty. A damaged
/// store is set aside. The disk hangs when it has not answered for `patience`.
///
/// # Errors
/// Where the store can't be opened.
pub(super) fn assemble(storage_path: &str, patience: Duration) -> anyhow::Result<Context> {
    let opened = Store::open_with_patience(folder(storage_path), &apis(), patience).context(EXPLAIN)?;
    tell_made(storage_path, opened.made);
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
    let opened = Store::open_as_it_is(folder(storage_path), &apis()).context(EXPLAIN)?;
    tell_made(storage_path, opened.made);
    Ok(context(opened.store))
}

/// Marks the store under `storage_path` as that of this exporter, for as long as what it gives lives; warns where it is
/// another one's, as both would ask the platforms. Commands that may run beside an exporter take no notice of it.
pub(super) fn hold(storage_path: &str) -> Option<File> {
    // The folder itself: a file in it might not be written, and the lock of this one ends with the process.
    let held = File::open(folder(storage_path)?).ok()?;
    if let Err(TryLockError::WouldBlock) = held.try_lock() {
        tracing::warn!(
            path = storage_path,
            "another exporter uses this store: both ask the platforms for the same figures, and all calls count against \
             the limits; end one, or give this one a --storage.path of its own"
        );
    }
    Some(held)
}

/// The parts of a command that only reads the store, which may be on a read-only disk.
///
/// # Errors
/// Where the store can't be read, or is damaged.
pub(super) fn assemble_to_read(storage_path: &str) -> anyhow::Result<Context> {
    Ok(context(Store::open_to_read(folder(storage_path), &apis()).context(EXPLAIN)?))
}

/// What an operator should know of the store: who else has rights on it, and whether it names people who have
/// pseudonyms since.
///
/// # Errors
/// Where the store can't be read.
pub(super) async fn store_remarks(
    context: &Context,
    storage_path: &str,
    sources: &[SourceConfig],
) -> Result<Vec<String>, StoreError> {
    let mut remarks = folder(storage_path).map(Store::remarks).unwrap_or_default();
    let accounts: BTreeMap<_, _> =
        sources.iter().map(|config| (&config.account.name, &config.account.pseudonyms)).collect();
    for (account, pseudonyms) in accounts {
        let Some(pseudonyms) = pseudonyms else { continue };
        if context.store.oldest_ids(account).await?.iter().any(|id| pseudonyms.of(id) != *id) {
            remarks.push(format!(
                "account {account} has pseudonyms, but the store still has ids of people from before, and export writes \
                 them: begin with an empty --storage.path, or delete them with `forget`"
            ));
        }
    }
    Ok(remarks)
}

/// Says where the folder of the store was not there and was made: a path may be mistyped, or a volume not mounted.
fn tell_made(storage_path: &str, made: bool) {
    if made {
        let path = std::path::absolute(storage_path).unwrap_or_else(|_| storage_path.into());
        tracing::info!(path = %path.display(), "the folder of the store (--storage.path) was not there, and was made");
    }
}

fn folder(storage_path: &str) -> Option<&Path> {
    Some(Path::new(storage_path)).filter(|path| !path.as_os_str().is_empty())
}

fn context(store: Store) -> Context {
    let clock = Clock::system();
    let telemetry = Telemetry::with_clock(VERSION, REVISION, clock.clone());
    Context { jitter: JITTER, ..Context::new(store, telemetry, clock, REPEAT_DELAY) }
}
