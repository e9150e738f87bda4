//! Tries a source without keeping anything: each of its lists, and each of its tables.

use std::collections::HashSet;
use std::sync::Arc;

use super::Context;
use super::ask::{Halving, ask};
use super::targets::batches;
use crate::client::Failure;
use crate::config::SourceConfig;
use crate::day::{Day, Days};
use crate::discovery::DiscoveryError;
use crate::platform::{Class, Refusal};
use crate::printable::count;
use crate::source::{Directory, Need, Table, Target};
use crate::store::StoreError;

/// At most this many calls try the ids of one table that the configuration names: an operator waits at a terminal.
const MOST_CALLS: usize = 20;

/// What one step of a trial came to.
#[derive(Debug)]
pub struct Step {
    /// What was tried: a token from outside, a list, or the figures of a table.
    pub what: String,
    /// What it gave, in words; or what is wrong, and what to do.
    pub result: Result<String, String>,
}

/// Tries the token of `config` where it comes from outside, each of its lists, then each of its tables: all ids that
/// the configuration names, in up to 20 calls, or the first that a list gave.
///
/// # Errors
/// [`StoreError`]; what the platform refuses is in the steps.
pub async fn probe(context: &Context, config: &SourceConfig) -> Result<Vec<Step>, StoreError> {
    let day = config.schedule.target_day(context.clock.now());
    let mut steps = Vec::new();
    if let Some(token) = context.client.outside(&config.account).await {
        let failed = token.is_err();
        steps.push(Step { what: "token".to_owned(), result: token.map_err(|failure| failure.to_string()) });
        if failed {
            return Ok(steps);
        }
    }
    let directory = lists(context, config, day, &mut steps).await?;
    let targets = config.targets(&directory);
    let all_listed = steps.iter().all(|step| step.result.is_ok());
    if targets.is_empty() && all_listed {
        let empty = "there are no subjects: the lists are empty".to_owned();
        steps.push(Step { what: config.source.api().path.to_owned(), result: Err(empty) });
    }
    for table in config.source.api().tables {
        let tried = Trial::of(config, &targets, table);
        // What is said of the whole account is said once.
        if !tried.batches.is_empty() && !is_shut(context, config) {
            steps.extend(tried.run(context, config, day).await);
        }
    }
    Ok(steps)
}

/// Whether the platform refuses all that the account asks, which a step has told.
fn is_shut(context: &Context, config: &SourceConfig) -> bool {
    context.client.denial(&config.account, "").is_some()
}

/// The lists that the platform gives; each that it does not give is empty, and told.
async fn lists(
    context: &Context,
    config: &SourceConfig,
    day: Day,
    steps: &mut Vec<Step>,
) -> Result<Directory, StoreError> {
    let mut directory = Directory::new();
    loop {
        let listings = config.source.listings(&directory, config.names);
        if listings.is_empty() || is_shut(context, config) {
            return Ok(directory);
        }
        for listing in listings {
            let (list, result) = match context.discovery.list(&config.account, &listing, day).await {
                Ok(listed) => {
                    let result = match listed.stale {
                        Some(failure) if listing.need == Need::NamesOnly => {
                            Err(format!("names will be missing: {}", words(&failure)))
                        }
                        Some(failure) => Err(words(&failure)),
                        None => match (listed.lacks, listed.odd) {
                            (Some(lacks), _) => Err(lacks),
                            (None, Some(odd)) => Ok(format!("{}; {odd}", count(listed.list.len(), "entry", "entries"))),
                            (None, None) => Ok(count(listed.list.len(), "entry", "entries")),
                        },
                    };
                    (listed.list, result)
                }
                Err(DiscoveryError::Store(error)) => return Err(error),
                Err(DiscoveryError::Platform { failure, .. }) => (Arc::default(), Err(words(&failure))),
            };
            // Of a kind of list that there are many of, only those that fail are shown.
            if listing.need != Need::Optional || result.is_err() {
                steps.push(Step { what: format!("list {}", listing.key), result });
            }
            directory.insert(listing.key, list);
            if is_shut(context, config) {
                break;
            }
        }
    }
}

/// What is tried of one table.
struct Trial {
    table: &'static Table,
    /// The targets, a call each.
    batches: Vec<Vec<Arc<Target>>>,
    /// Whether the configuration names them.
    named: bool,
    /// How many more it names.
    left: usize,
    /// Whether it is enough that the platform accepts one of them: a servicer is asked about at each account, and
    /// serves at some.
    one_suffices: bool,
}

impl Trial {
    fn of(config: &SourceConfig, targets: &[Target], table: &'static Table) -> Self {
        let written: HashSet<_> = config.targets(&Directory::new()).iter().map(Target::key).collect();
        let of_table = || targets.iter().filter(|target| target.table.prefix == table.prefix);
        // Of several cycles the first tells all.
        let cycle = of_table().next().map(|target| target.cycle);
        let is_named = |target: &&Target| Some(target.cycle) == cycle && written.contains(&target.key());
        let mut tried: Vec<_> = of_table().filter(is_named).collect();
        let named = !tried.is_empty();
        let one_suffices = table.person.is_some() && of_table().any(|target| target.after.is_some());
        if !named {
            tried.extend(of_table().take(if one_suffices { MOST_CALLS } else { 1 }));
        }
        let batch = if one_suffices { 1 } else { config.source.api().batch };
        let targets = tried.iter().map(|target| Arc::new((*target).clone()));
        let mut batches = batches(targets, batch, |target| target, |_| ());
        batches.truncate(MOST_CALLS);
        let left = tried.len() - batches.iter().map(Vec::len).sum::<usize>();
        Self { table, batches, named, left, one_suffices }
    }

    /// Asks, and says what came of it: a step for what works, and one for each target that does not.
    async fn run(self, context: &Context, config: &SourceConfig, day: Day) -> Vec<Step> {
        let days = self.batches[0][0].days(day, 1);
        let (mut works, mut figures, mut wrong) = (0, 0, Vec::new());
        'calls: for batch in &self.batches {
            let answers = ask(&context.client, config, batch.clone(), days, Halving::Refused).await;
            for answer in answers.answered {
                match answer.rows {
                    Ok(rows) => {
                        works += 1;
                        figures += usize::from(!rows.is_empty());
                    }
                    Err(refusal) => wrong.push(self.about(&answer.target, &refused(&refusal))),
                }
            }
            for (target, failure) in answers.failed {
                // What concerns all of them need not be tried with each.
                if matches!(failure, Failure::Denied(_) | Failure::Throttled(_) | Failure::Unavailable(_)) {
                    wrong.push(failure.to_string());
                    break 'calls;
                }
                wrong.push(self.about(&target, &words(&failure)));
            }
            if self.one_suffices && works > 0 {
                wrong.clear();
                break;
            }
            if self.one_suffices {
                // The last of them is as good as all.
                wrong.drain(..wrong.len().saturating_sub(1));
            }
        }
        let step = |result| Step { what: format!("figures {}", self.table.prefix), result };
        let mut steps = Vec::new();
        if works > 0 {
            steps.push(step(Ok(self.success(works, figures, wrong.len(), days))));
        }
        steps.extend(wrong.into_iter().map(|words| step(Err(words))));
        steps
    }

    /// `words` about `target`, by name where the configuration has the name.
    fn about(&self, target: &Target, words: &str) -> String {
        if !self.named {
            return words.to_owned();
        }
        // The innermost first: a department of an app, a servicer of an account.
        let labels = target.table.labels.iter().zip(&target.labels).filter(|(name, _)| **name != "cycle");
        let ids: Vec<_> = labels.map(|(_, id)| format!("`{id}`")).rev().collect();
        format!("{}: {words}", ids.join(" of "))
    }

    fn success(&self, works: usize, figures: usize, wrong: usize, days: Days) -> String {
        let first = if self.named { "it" } else { "the first target" };
        let mut words = match (works + wrong, figures) {
            (1, 0) => format!("works; {first} has no figures for {days}"),
            (1, _) => format!("works; there are figures for {days}"),
            (all, _) => format!("works for {works} of {all}, {figures} with figures for {days}"),
        };
        if self.left > 0 && !self.one_suffices {
            words.push_str(&format!("; {} not tried", count(self.left, "more was", "more were")));
        }
        words
    }
}

/// A failure in words, with those of the platform where they are all that is known.
fn words(failure: &Failure) -> String {
    match failure {
        Failure::Unknown(refusal) => refused(refusal),
        failure => failure.to_string(),
    }
}

/// A refusal in words, with the id that the platform quotes as the culprit, such as a member of a team.
fn refused(refusal: &Refusal) -> String {
    match &refusal.quoted {
        Some(words) if refusal.class == Class::Unknown => format!("{refusal} (the platform says: {words})"),
        Some(quoted) => format!("{refusal} (the platform names `{quoted}`)"),
        None => refusal.to_string(),
    }
}
