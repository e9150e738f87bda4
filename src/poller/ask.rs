//! One question to a platform: the calls for some targets, their pages, and what came of each target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::call::ask_call;
use super::parts::{ask_parts, union};
use crate::client::{Client, Failure};
use crate::config::SourceConfig;
use crate::day::Days;
use crate::platform::Refusal;
use crate::source::{DecodedAnswer, Decoder, InvalidFigures, Malformed, Query, Target};
use crate::store::TargetAnswer;

/// What came of a question.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// What the platform said of targets.
    pub(crate) answered: Vec<TargetAnswer>,
    /// The targets for which there is no usable answer, and why.
    pub(crate) failed: Vec<(Arc<Target>, Failure)>,
    /// Platform fields that no gauge maps.
    pub(crate) unmapped: BTreeSet<String>,
    /// Names of subjects.
    pub(crate) names: BTreeMap<String, String>,
    /// The figures of the last day that are left out as invalid, by the key of their target.
    pub(crate) invalid: BTreeMap<String, usize>,
    /// How many there are of any day.
    pub(crate) invalid_figures: usize,
    /// What is wrong with the first of them.
    pub(crate) first_invalid: Option<Malformed>,
    /// Which members are left out of a union, in words, by the key of its target.
    pub(crate) left_out: BTreeMap<String, String>,
}

/// Which batches are halved until what spoils them stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halving {
    /// Those that the platform refuses.
    Refused,
    /// These, and those that failed before by an unknown code or an answer of another form. Where it turns out that
    /// this is the same for all of them, the rest is given up.
    Failed,
}

/// Where this many targets fail alone and none is answered, what spoils a batch is none of its targets.
const HOPELESS: usize = 3;

/// Asks about `targets`, which are of one table and for the same `days`.
///
/// A batch that the platform refuses is halved until each refused target is alone.
pub(crate) async fn ask(
    client: &Client,
    config: &SourceConfig,
    targets: Vec<Arc<Target>>,
    days: Days,
    halving: Halving,
) -> Answers {
    let mut answers = Answers::default();
    let mut batches = vec![targets];
    let (mut failed_alone, mut any_answered) = (0, false);
    while let Some(mut targets) = batches.pop() {
        let failure = match ask_batch(client, config, &targets, days).await {
            Ok(decoded) => {
                any_answered = true;
                answers.unmapped.extend(decoded.unmapped);
                answers.names.extend(decoded.names);
                let InvalidFigures { counts, all, first } = decoded.invalid;
                answers.invalid_figures += all;
                answers.invalid.extend(counts.into_iter().map(|(place, count)| (targets[place].key(), count)));
                answers.first_invalid = answers.first_invalid.take().or(first);
                answers.left_out.extend(decoded.left_out.map(|words| (targets[0].key(), words)));
                for (target, rows) in targets.into_iter().zip(decoded.targets) {
                    match rows {
                        Ok(rows) => answers.answered.push(TargetAnswer { target, days, rows: Ok(rows) }),
                        Err(malformed) => answers.failed.push((target, malformed.into())),
                    }
                }
                continue;
            }
            Err(failure) => failure,
        };
        let unusable = matches!(failure, Failure::Unknown(_) | Failure::Malformed(_));
        let halved = match failure {
            Failure::Refused(_) => true,
            _ => unusable && halving == Halving::Failed && (any_answered || failed_alone < HOPELESS),
        };
        if halved && targets.len() > 1 {
            let second = targets.split_off(targets.len() / 2);
            batches.push(second);
            batches.push(targets);
            continue;
        }
        failed_alone += usize::from(unusable);
        any_answered |= matches!(failure, Failure::NoData | Failure::Refused(_));
        if unusable && !any_answered && failed_alone >= HOPELESS {
            targets.extend(batches.drain(..).flatten());
        }
        for target in targets {
            let rows = match &failure {
                Failure::NoData => Ok(Vec::new()),
                // The platform quotes the id of a person who has a pseudonym.
                Failure::Refused(refusal) if target.pseudonyms.is_some() => {
                    Err(Refusal { quoted: None, ..refusal.clone() })
                }
                Failure::Refused(refusal) => Err(refusal.clone()),
                failure => {
                    answers.failed.push((target, failure.clone()));
                    continue;
                }
            };
            answers.answered.push(TargetAnswer { target, days, rows });
        }
    }
    answers
}

/// Makes the calls for one batch and adds up their answers.
async fn ask_batch(
    client: &Client,
    config: &SourceConfig,
    targets: &[Arc<Target>],
    days: Days,
) -> Result<DecodedAnswer, Failure> {
    let targets: Vec<_> = targets.iter().map(Arc::as_ref).collect();
    let asked = Query { targets: &targets, days, zone: &config.schedule.zone };
    let api = config.source.api();
    if let [target] = targets.as_slice()
        && api.union > 0
    {
        return ask_parts(client, config, target, days).await;
    }
    let mut parts = Vec::new();
    for call in config.source.calls(&targets, days, &config.schedule.zone) {
        parts.push(ask_call(client, config, &call, asked).await?);
    }
    // A union of no members is an answer without figures.
    if parts.is_empty() { Ok(Decoder::new(api, asked).finish()?) } else { Ok(union(parts)) }
}
