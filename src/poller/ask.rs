//! One question to a vendor: the calls for some targets, their pages, and what came of each target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::client::{Client, Failure};
use crate::config::SourceConfig;
use crate::day::Days;
use crate::sample::Row;
use crate::source::{Asked, Decoded, Decoder, Malformed, Paging, Target};
use crate::vendor::{Call, Refusal};

/// No answer has more pages; one that goes on beyond is broken.
const MOST_PAGES: usize = 1_000;

/// What came of a question.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Each target with its rows, the vendor's code that refuses it, or why there is no usable answer.
    pub(crate) targets: Vec<(Arc<Target>, Result<Given, Failure>)>,
    /// Vendor fields that no gauge maps.
    pub(crate) unmapped: BTreeSet<String>,
    /// Names of subjects.
    pub(crate) names: BTreeMap<String, String>,
}

/// What a vendor gave for a target.
#[derive(Debug)]
pub(crate) enum Given {
    /// Its rows; none where there are no figures.
    Rows(Vec<Row>),
    /// A refusal of this target.
    Refusal(Refusal),
}

/// Asks about `targets`, which are of one table and for the same `days`.
///
/// Where the vendor refuses a batch, its halves are asked, until the refused ones stand alone.
pub(crate) async fn ask(client: &Client, config: &SourceConfig, targets: Vec<Arc<Target>>, days: Days) -> Answers {
    let mut answers = Answers::default();
    let mut batches = vec![targets];
    while let Some(mut targets) = batches.pop() {
        match ask_batch(client, config, &targets, days).await {
            Ok(decoded) => {
                answers.unmapped.extend(decoded.unmapped);
                answers.names.extend(decoded.names);
                let rows = decoded.targets.into_iter().map(|rows| rows.map(Given::Rows).map_err(Failure::from));
                answers.targets.extend(targets.into_iter().zip(rows));
            }
            Err(Failure::Refused(_)) if targets.len() > 1 => {
                let second = targets.split_off(targets.len() / 2);
                batches.push(second);
                batches.push(targets);
            }
            Err(failure) => {
                let given = || match &failure {
                    Failure::NoData => Ok(Given::Rows(Vec::new())),
                    Failure::Refused(refusal) => Ok(Given::Refusal(refusal.clone())),
                    failure => Err(failure.clone()),
                };
                answers.targets.extend(targets.into_iter().map(|target| (target, given())));
            }
        }
    }
    answers
}

/// Tells whether one request may be for both targets, as far as its size allows.
pub(crate) fn may_share(one: &Target, other: &Target) -> bool {
    // One that takes all rows can't share an answer.
    one.table.prefix == other.table.prefix
        && one.labels.len() == other.labels.len()
        && other.labels.len() == other.table.labels.len()
}

/// Makes the calls for one batch and adds up their answers.
async fn ask_batch(
    client: &Client,
    config: &SourceConfig,
    targets: &[Arc<Target>],
    days: Days,
) -> Result<Decoded, Failure> {
    let targets: Vec<_> = targets.iter().map(Arc::as_ref).collect();
    let asked = Asked { targets: &targets, days, zone: &config.schedule.zone };
    let api = config.source.api();
    let mut sum: Option<Decoded> = None;
    for call in config.source.calls(&targets, days, &config.schedule.zone) {
        let part = match ask_pages(client, config, &call, Decoder::new(api, asked)).await? {
            Some(part) => part,
            // The list changed while it was read: once more.
            None => ask_pages(client, config, &call, Decoder::new(api, asked))
                .await?
                .ok_or_else(|| Failure::Malformed("the total or the rows change from page to page".to_owned()))?,
        };
        sum = Some(match sum {
            None => part,
            Some(sum) => add(sum, part),
        });
    }
    // Nobody to ask about is an answer without figures.
    sum.map_or_else(|| Decoder::new(api, asked).finish().map_err(Failure::from), Ok)
}

/// Adds the parts of a union that was asked in several calls.
///
/// A part without any row has nothing to add; a day that only some of the others have has no sum.
fn add(sum: Decoded, part: Decoded) -> Decoded {
    let merge = |a: Result<Vec<Row>, Malformed>, b: Result<Vec<Row>, Malformed>| {
        let (mut a, b) = (a?, b?);
        if a.is_empty() || b.is_empty() {
            a.extend(b);
            return Ok(a);
        }
        a.retain_mut(|row| {
            let other = b.iter().find(|other| other.day == row.day && other.labels == row.labels);
            other.inspect(|other| row.add(other)).is_some()
        });
        Ok(a)
    };
    let targets = sum.targets.into_iter().zip(part.targets).map(|(a, b)| merge(a, b)).collect();
    let mut unmapped = sum.unmapped;
    unmapped.extend(part.unmapped);
    let mut names = sum.names;
    names.extend(part.names);
    Decoded { targets, unmapped, names }
}

/// What all pages of one call's answer say; `None` where its total or its rows changed on the way.
async fn ask_pages(
    client: &Client,
    config: &SourceConfig,
    call: &Call,
    mut decoder: Decoder<'_>,
) -> Result<Option<Decoded>, Failure> {
    let shape = &config.source.api().shape;
    let Paging::Offset { offset: field, total, next } = shape.paging else {
        decoder.page(&client.ask(&config.account, call).await?)?;
        return Ok(Some(decoder.finish()?));
    };
    let mut call = call.clone();
    let (mut offset, mut rows, mut first_total) = (0, 0, None);
    for _ in 0..MOST_PAGES {
        if let Some(body) = &mut call.body {
            body[field] = json!(offset);
        }
        let page = client.ask(&config.account, &call).await?;
        let number = |pointer: &str| {
            let number = page.pointer(pointer).and_then(Value::as_u64);
            number.ok_or_else(|| Failure::from(Malformed::new(pointer, "a number of rows")))
        };
        let all = number(total)?;
        if *first_total.get_or_insert(all) != all {
            return Ok(None);
        }
        let list = page.pointer(shape.rows).and_then(Value::as_array);
        let count = list.ok_or_else(|| Failure::from(Malformed::new(shape.rows, "a list")))?.len() as u64;
        rows += count;
        let reached = match next {
            Some(next) => number(next)?,
            None => offset + count,
        };
        decoder.page(&page)?;
        if reached >= all {
            return if rows >= all { Ok(Some(decoder.finish()?)) } else { Ok(None) };
        }
        if reached <= offset || count == 0 {
            return Err(Failure::from(Malformed::new(next.unwrap_or(shape.rows), "a page that gets on")));
        }
        offset = reached;
    }
    Err(Failure::Malformed(format!("the answer has more than {MOST_PAGES} pages")))
}
