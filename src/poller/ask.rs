//! One question to a platform: the calls for some targets, their pages, and what came of each target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::parts::ask_parts;
use crate::client::{Client, Failure, Reply};
use crate::config::SourceConfig;
use crate::day::Days;
use crate::platform::{Call, Refusal};
use crate::sample::Row;
use crate::source::{DecodedAnswer, Decoder, InvalidFigures, Malformed, Paging, Query, Shape, Target};

/// No answer has more pages; one that goes on beyond is broken.
const MOST_PAGES: usize = 1_000;

/// What came of a question.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Each target with its rows, the platform's code that refuses it, or why there is no usable answer.
    pub(crate) targets: Vec<(Arc<Target>, Result<Given, Failure>)>,
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
    /// Who is left out of a union, in words, by the key of its target.
    pub(crate) left_out: BTreeMap<String, String>,
}

/// What a platform gave for a target.
#[derive(Debug)]
pub(crate) enum Given {
    /// Its rows; none where there are no figures.
    Rows(Vec<Row>),
    /// A refusal of this target.
    Refusal(Refusal),
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
                let rows = decoded.targets.into_iter().map(|rows| rows.map(Given::Rows).map_err(Failure::from));
                answers.targets.extend(targets.into_iter().zip(rows));
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
        let given = || match &failure {
            Failure::NoData => Ok(Given::Rows(Vec::new())),
            Failure::Refused(refusal) => Ok(Given::Refusal(refusal.clone())),
            failure => Err(failure.clone()),
        };
        answers.targets.extend(targets.into_iter().map(|target| (target, given())));
    }
    for (target, given) in &mut answers.targets {
        if let (true, Ok(Given::Refusal(refusal))) = (target.hidden.is_some(), given) {
            // The platform quotes the id of somebody who has a pseudonym.
            refusal.quoted = None;
        }
    }
    answers
}

/// Tells whether one request may be for both targets, as far as its size allows.
pub(crate) fn may_share(one: &Target, other: &Target) -> bool {
    // A target that takes every row cannot be batched: its rows can't be told from others'.
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
) -> Result<DecodedAnswer, Failure> {
    let targets: Vec<_> = targets.iter().map(Arc::as_ref).collect();
    let asked = Query { targets: &targets, days, zone: &config.schedule.zone };
    let api = config.source.api();
    if let [target] = targets.as_slice()
        && !target.members.is_empty()
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

/// Makes one call, and those for its further pages.
pub(super) async fn ask_call(
    client: &Client,
    config: &SourceConfig,
    call: &Call,
    asked: Query<'_>,
) -> Result<DecodedAnswer, Failure> {
    let answer = match ask_pages(client, config, call, asked, false).await? {
        Some(answer) => Some(answer),
        // The list changed while it was read: once more.
        None => ask_pages(client, config, call, asked, true).await?,
    };
    answer.ok_or_else(changes)
}

/// The sums over the parts of a union that was asked in several calls.
///
/// A part that lists nothing at all has nothing to add; a day that only some of the others have has no sum.
pub(super) fn union(mut parts: Vec<DecodedAnswer>) -> DecodedAnswer {
    if parts.iter().any(|part| !part.is_empty) {
        parts.retain(|part| !part.is_empty);
    }
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    for part in parts {
        let targets = sum.targets.into_iter().zip(part.targets);
        sum.targets = targets.map(|(sum, more)| Ok(add(sum?, &more?))).collect();
        sum.unmapped.extend(part.unmapped);
        sum.names.extend(part.names);
        sum.invalid.add(part.invalid);
    }
    sum
}

/// The rows of `sum` with those of `more` added, where there are such.
fn add(mut sum: Vec<Row>, more: &[Row]) -> Vec<Row> {
    sum.retain_mut(|row| {
        let more = more.iter().find(|more| more.day == row.day && more.labels == row.labels);
        more.inspect(|more| row.add(more)).is_some()
    });
    sum
}

/// Why a list that changed twice while it was read can't be used.
fn changes() -> Failure {
    Failure::Malformed("the total or the rows change from page to page".to_owned())
}

/// What all pages of one call's answer say; `None` where its total or its rows changed on the way, unless this is the
/// `last` attempt.
async fn ask_pages(
    client: &Client,
    config: &SourceConfig,
    call: &Call,
    asked: Query<'_>,
    last: bool,
) -> Result<Option<DecodedAnswer>, Failure> {
    let shape = &config.source.api().shape;
    let decoder = Decoder::new(config.source.api(), asked);
    let Paging::Offset { offset: field, next, .. } = shape.paging else {
        let mut page = client.ask(&config.account, call).await?;
        let decoded = page.read(|body| {
            let mut decoder = decoder;
            decoder.page(body)?;
            decoder.finish()
        })?;
        return Ok(Some(blame(page, decoded)));
    };
    let mut pages = Pages { decoder, shape, next, named: asked.named(), offset: 0, rows: 0, first_total: None };
    let mut call = call.clone();
    for _ in 0..MOST_PAGES {
        if let Some(body) = &mut call.body {
            body[field] = json!(pages.offset);
        }
        let mut page = client.ask(&config.account, &call).await?;
        match page.read(|body| pages.take(body))? {
            Turn::Next => {}
            Turn::End { counts_others } => {
                let all = pages.first_total.unwrap_or_default();
                let decoded = page.read(|_| pages.decoder.finish())?;
                if counts_others || pages.rows - decoded.again as u64 >= all {
                    return Ok(Some(blame(page, decoded)));
                }
                return if last { page.read(|_| Err(changes())) } else { Ok(None) };
            }
            Turn::Changed => return if last { page.read(|_| Err(changes())) } else { Ok(None) },
        }
    }
    Err(Failure::Malformed(format!("the answer has more than {MOST_PAGES} pages")))
}

/// Counts the call of `page` as malformed where its answer can't be used for some target.
fn blame(mut page: Reply, decoded: DecodedAnswer) -> DecodedAnswer {
    if decoded.targets.iter().any(Result::is_err) {
        page.mark_malformed();
    }
    decoded
}

/// The pages of one answer that were read, and where the next one begins.
struct Pages<'a> {
    decoder: Decoder<'a>,
    shape: &'static Shape,
    /// Where a page says where the next one begins.
    next: Option<&'static str>,
    /// How many subjects were asked for by name, where all were.
    named: Option<u64>,
    offset: u64,
    rows: u64,
    first_total: Option<u64>,
}

/// What a page says of the next one.
enum Turn {
    Next,
    /// There is none; the total may count others than those asked for.
    End {
        counts_others: bool,
    },
    /// The total is another than before.
    Changed,
}

impl Pages<'_> {
    /// Reads the next page.
    fn take(&mut self, page: &Value) -> Result<Turn, Malformed> {
        let all = self.shape.total_of(page)?.unwrap_or_default();
        if *self.first_total.get_or_insert(all) != all {
            return Ok(Turn::Changed);
        }
        let count = self.shape.rows_of(page)?.len() as u64;
        self.rows += count;
        let reached = self.shape.next_of(page, self.offset, count, all)?;
        self.decoder.page(page)?;
        // A total above the number of those asked for counts others too: then an empty page is the end.
        let counts_others = self.named.is_some_and(|named| all > named) && self.next.is_none();
        if reached >= all || (counts_others && count == 0) {
            return Ok(Turn::End { counts_others });
        }
        if reached <= self.offset || count == 0 {
            return Err(Malformed::new(self.next.unwrap_or(self.shape.rows), "a page that gets on"));
        }
        self.offset = reached;
        Ok(Turn::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::Day;
    use crate::source::apis;

    /// What a part says of one team: the count of each of these days; no days where it lists nothing.
    fn part(days: &[(i64, f64)]) -> DecodedAnswer {
        let day = |n| Day::new(2026, 11, 1).unwrap().plus(n);
        let rows = days.iter().map(|(n, count)| Row { day: day(*n), labels: vec![], values: vec![Some(*count)] });
        DecodedAnswer { targets: vec![Ok(rows.collect())], is_empty: days.is_empty(), ..DecodedAnswer::default() }
    }

    fn sums(parts: Vec<DecodedAnswer>) -> Vec<f64> {
        union(parts).targets.remove(0).unwrap().iter().map(|row| row.values[0].unwrap()).collect()
    }

    #[test]
    fn only_targets_of_one_table_that_name_one_subject_share_a_request() {
        let tables = |name: &str| apis().into_iter().find(|api| api.name == name).unwrap().tables;
        let target =
            |table, labels: &[&str]| Target::of(table, labels.iter().map(|label| (*label).to_owned()).collect());
        let kf = tables("wecom_kf");
        let (owner, agent) = (tables("wecom_groupchat_owner")[0], tables("tencent_desk_agent")[0]);
        assert!(may_share(&target(owner, &["a"]), &target(owner, &["b"])));
        assert!(!may_share(&target(owner, &["a"]), &target(agent, &["a"])));
        assert!(
            !may_share(&target(agent, &[]), &target(agent, &["a"]))
                && !may_share(&target(agent, &[]), &target(agent, &[]))
        );
        assert!(!may_share(&target(kf[0], &["wk"]), &target(kf[1], &["wk", "a"])));
    }

    #[test]
    fn only_days_that_all_parts_have_are_added_up() {
        assert_eq!(sums(vec![part(&[(1, 1.0), (2, 2.0)]), part(&[(2, 3.0), (1, 4.0)])]), [5.0, 5.0]);
        assert_eq!(sums(vec![part(&[(1, 1.0), (2, 2.0)]), part(&[(2, 3.0)]), part(&[(1, 4.0), (2, 1.0)])]), [6.0]);
        // Two parts without a common day: a third one cannot be the sum of all.
        assert!(sums(vec![part(&[(1, 1.0)]), part(&[(2, 3.0)]), part(&[(1, 4.0), (2, 1.0)])]).is_empty());
        // A part without rows adds nothing; a part with a row but without a figure leaves the sum unknown.
        assert_eq!(sums(vec![part(&[]), part(&[(1, 1.0)]), part(&[]), part(&[(1, 2.0)])]), [3.0]);
        assert!(sums(vec![DecodedAnswer { is_empty: false, ..part(&[]) }, part(&[(1, 1.0)])]).is_empty());
        assert!(sums(vec![part(&[]), part(&[])]).is_empty());
        let failed =
            || DecodedAnswer { targets: vec![Err(Malformed::new("/items", "a list"))], ..DecodedAnswer::default() };
        assert!(union(vec![part(&[(1, 1.0)]), failed(), part(&[(1, 1.0)])]).targets[0].is_err());
    }
}
