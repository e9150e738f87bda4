//! The names of ids: fetched with past days, and read from the store for exports.

use std::collections::BTreeMap;

use crate::config::SourceConfig;
use crate::day::Day;
use crate::discovery::{DiscoveryError, stored_key};
use crate::poller::Context;
use crate::source::ListEntry;
use crate::store::{Store, StoreError};

/// The name of one id, as an info metric would show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredName {
    /// The info metric, such as `wecom_user_info`.
    pub info: &'static str,
    /// The account.
    pub account: String,
    /// The id, the id of what it is below, and its name.
    pub entry: ListEntry,
}

/// The names that the store has for the subjects of `sources`, each once, ordered by metric, account and id; those of
/// people only where the configuration shows them.
///
/// # Errors
/// [`StoreError`]
pub async fn stored_names(store: &Store, sources: &[SourceConfig]) -> Result<Vec<StoredName>, StoreError> {
    let mut names = Vec::new();
    for config in sources {
        let (api, account) = (config.source.api(), &config.account);
        let mut add = |info: &'static str, entries: Vec<ListEntry>| {
            let named = entries.into_iter().filter(|entry| entry.name.is_some());
            names.extend(named.map(|entry| StoredName { info, account: account.name.clone(), entry }));
        };
        for (info, list) in config.source.names() {
            if config.names || !info.people {
                let key = stored_key(account, &list, info.people);
                let stored = store.list(account.credential.platform.name(), &account.name, &key).await?;
                add(info.name, stored.iter().flat_map(|(_, entries)| entries.iter().cloned()).collect());
            }
        }
        if let Some(info) = api.row_names
            && (config.names || !info.people)
        {
            add(info.name, store.names(info.name, &account.name).await?);
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Fetches and stores the lists of names that `config` may show, as of `day`; names that the platform does not give
/// are left out.
///
/// # Errors
/// [`StoreError`]
pub(super) async fn fetch_names(context: &Context, config: &SourceConfig, day: Day) -> Result<(), StoreError> {
    let Ok(lists) = context.discovery.directory(config, config.names, day).await else { return Ok(()) };
    for list in lists.names {
        match context.discovery.list(&config.account, &list, day).await {
            Err(DiscoveryError::Store(error)) => return Err(error),
            Err(DiscoveryError::Platform { failure, .. }) => {
                tracing::debug!(list = list.key, "no names from this list: {failure}");
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Stores names that came with the figures, by id, where `config` shows them.
///
/// # Errors
/// [`StoreError`]
pub(super) async fn keep_row_names(
    context: &Context,
    config: &SourceConfig,
    day: Day,
    names: BTreeMap<String, String>,
) -> Result<(), StoreError> {
    let Some(info) = config.source.api().row_names else { return Ok(()) };
    if names.is_empty() || (info.people && !config.names) {
        return Ok(());
    }
    let entries = names.into_iter().map(|(id, name)| ListEntry { id, parent: None, name: Some(name) }).collect();
    context.store.put_names(info.name, &config.account.name, day, entries).await
}
