//! Tries a source without keeping anything: its lists, and one statistics call.

use std::sync::Arc;

use super::Context;
use super::ask::{Given, ask};
use crate::client::Failure;
use crate::config::SourceConfig;
use crate::day::Day;
use crate::discovery::DiscoveryError;
use crate::source::{Directory, Need};
use crate::store::StoreError;

/// What one step of a trial came to.
#[derive(Debug)]
pub struct Step {
    /// What was tried: a list, or the statistics API.
    pub what: String,
    /// What it gave, in words; or what is wrong, and what to do.
    pub result: Result<String, String>,
}

/// Tries the lists of `config`, then one call for the first of its targets.
///
/// # Errors
/// [`StoreError`]; what the platform refuses is in the steps.
pub async fn probe(context: &Context, config: &SourceConfig) -> Result<Vec<Step>, StoreError> {
    let day = config.schedule.target_day(context.clock.now());
    let mut steps = Vec::new();
    let mut directory = Directory::new();
    loop {
        let listings = config.source.listings(&directory, config.names);
        if listings.is_empty() {
            break;
        }
        for listing in listings {
            let listed = match context.discovery.list(&config.account, &listing, day).await {
                Ok(listed) => listed,
                Err(DiscoveryError::Store(error)) => return Err(error),
                Err(DiscoveryError::Platform { failure, .. }) => {
                    steps.push(Step { what: format!("list {}", listing.key), result: Err(failure.to_string()) });
                    return Ok(steps);
                }
            };
            let result = match listed.stale {
                Some(failure) if listing.need == Need::NamesOnly => Err(format!("names will be missing: {failure}")),
                Some(failure) => Err(failure.to_string()),
                None => Ok(format!("{} entries", listed.list.len())),
            };
            // Lists of which there are many are told where they fail.
            if listing.need != Need::Optional || result.is_err() {
                steps.push(Step { what: format!("list {}", listing.key), result });
            }
            directory.insert(listing.key, listed.list);
        }
    }
    steps.push(one_call(context, config, &directory, day).await);
    Ok(steps)
}

async fn one_call(context: &Context, config: &SourceConfig, directory: &Directory, day: Day) -> Step {
    let what = config.source.api().path.to_owned();
    let Some(target) = config.targets(directory).into_iter().next() else {
        return Step { what, result: Err("there is nobody to ask about: the lists are empty".to_owned()) };
    };
    let days = target.days(day, 1);
    let answers = ask(&context.client, config, vec![Arc::new(target)], days).await;
    let result = match answers.targets.into_iter().next().map(|(_, given)| given) {
        Some(Ok(Given::Rows(rows))) if rows.is_empty() => {
            Ok(format!("works; the first target has no figures for {days}"))
        }
        Some(Ok(Given::Rows(_))) => Ok(format!("works; there are figures for {days}")),
        Some(Ok(Given::Refusal(refusal))) => Err(refusal.to_string()),
        Some(Err(Failure::NoData)) | None => Ok("works; there is no data".to_owned()),
        Some(Err(failure)) => Err(failure.to_string()),
    };
    Step { what, result }
}
