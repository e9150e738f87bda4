//! A union of members that is asked in parts and added up, such as a team of owners of group chats.
//!
//! Where the platform refuses a part, its halves are asked. Either both pass, as it takes fewer ids at once than its
//! page says, and they are added up. Or a member is left alone in the end that the platform does not know any more:
//! one that a list gave has left since, and is left out; one that the configuration names refuses the union, whose
//! figures would otherwise be those of another one.

use super::call::ask_call;
use crate::client::{Client, Failure};
use crate::config::SourceConfig;
use crate::day::Days;
use crate::platform::Refusal;
use crate::sample::Row;
use crate::source::{DecodedAnswer, Decoder, Query, Target};

/// What asks about a union.
struct Asker<'a> {
    client: &'a Client,
    config: &'a SourceConfig,
    target: &'a Target,
    days: Days,
}

/// What came of the halves of a part that is refused.
#[derive(Default)]
struct Halves {
    answers: Vec<DecodedAnswer>,
    /// The places in the part of the members that are refused alone.
    refused: Vec<usize>,
    refusal: Option<Refusal>,
}

/// Asks about the union `target` in as many parts as its size and the platform need.
///
/// # Errors
/// [`Failure::Refused`] where the platform refuses a member that the configuration names, or all of the first part;
/// else what kept any part from being answered.
pub(super) async fn ask_parts(
    client: &Client,
    config: &SourceConfig,
    target: &Target,
    days: Days,
) -> Result<DecodedAnswer, Failure> {
    let asker = Asker { client, config, target, days };
    let (mut answers, mut left_out, mut last) = (Vec::new(), 0, None);
    let members = target.filter.members();
    let size = config.source.api().union.max(1);
    for (part, start) in members.chunks(size).zip((0..).step_by(size)) {
        let refusal = match asker.ask(part).await {
            Ok(answer) => {
                answers.push(answer);
                continue;
            }
            Err(Failure::Refused(refusal)) => refusal,
            Err(failure) => return Err(failure),
        };
        // Halves don't have other days than the whole.
        if config.source.api().date_codes.contains(&refusal.code.as_str()) {
            return Err(Failure::Refused(refusal));
        }
        let halves = asker.halve(part, start, refusal).await?;
        left_out += halves.refused.len();
        last = halves.refusal.or(last);
        match (halves.refused.is_empty(), halves.answers.is_empty(), last.take()) {
            // It is not about one of them.
            (false, true, Some(refusal)) if answers.is_empty() && (part.len() > 1 || members.len() == 1) => {
                return Err(Failure::Refused(refusal));
            }
            (false, false, refusal) => {
                last = refusal;
                // Without them, WeCom adds up the rest itself, and counts those in groups of two of them once.
                let stay = |place: &usize| !halves.refused.contains(place);
                let rest: Vec<_> = (0..part.len()).filter(stay).map(|place| part[place].clone()).collect();
                match asker.ask(&rest).await {
                    Ok(answer) => answers.push(answer),
                    Err(Failure::Refused(_)) => answers.extend(halves.answers),
                    Err(failure) => return Err(failure),
                }
            }
            (_, _, refusal) => {
                last = refusal;
                answers.extend(halves.answers);
            }
        }
    }
    let Some(refusal) = last else { return asker.sum(answers) };
    if answers.is_empty() {
        return Err(Failure::Refused(refusal));
    }
    let words = format!("{left_out} of {} of {} are left out: {refusal}", members.len(), target.key());
    Ok(DecodedAnswer { left_out: Some(words), ..asker.sum(answers)? })
}

impl Asker<'_> {
    async fn ask(&self, members: &[String]) -> Result<DecodedAnswer, Failure> {
        let part = Target { filter: self.target.filter.part(members), ..self.target.clone() };
        let zone = &self.config.schedule.zone;
        let asked = Query { targets: &[&part], days: self.days, zone };
        let mut answers = Vec::new();
        for call in self.config.source.calls(&[&part], self.days, zone) {
            answers.push(ask_call(self.client, self.config, &call, asked).await?);
        }
        self.sum(answers)
    }

    /// The sum of the answers; a union of no members is an answer without figures.
    fn sum(&self, answers: Vec<DecodedAnswer>) -> Result<DecodedAnswer, Failure> {
        if answers.is_empty() {
            let asked = Query { targets: &[self.target], days: self.days, zone: &self.config.schedule.zone };
            return Ok(Decoder::new(self.config.source.api(), asked).finish()?);
        }
        Ok(union(answers))
    }

    /// Asks about the halves of `part`, which `refusal` refuses and which starts at `start` of the union, until those
    /// that are refused are left alone.
    async fn halve(&self, part: &[String], start: usize, refusal: Refusal) -> Result<Halves, Failure> {
        let mut halves = Halves::default();
        let mut ranges = vec![(0..part.len(), refusal)];
        while let Some((range, refusal)) = ranges.pop() {
            if range.len() == 1 {
                let refusal = self.about(refusal, start + range.start);
                if self.target.is_written {
                    return Err(Failure::Refused(refusal));
                }
                halves.refused.push(range.start);
                halves.refusal = Some(Refusal { quoted: None, ..refusal });
                continue;
            }
            let middle = range.start + range.len() / 2;
            for half in [middle..range.end, range.start..middle] {
                match self.ask(&part[half.clone()]).await {
                    Ok(answer) => halves.answers.push(answer),
                    Err(Failure::Refused(refusal)) => ranges.push((half, refusal)),
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(halves)
    }

    /// The refusal of the member at `place`, which is named only where it may be.
    fn about(&self, refusal: Refusal, place: usize) -> Refusal {
        let member = self.target.filter.members().get(place);
        tracing::debug!(
            target = self.target.key(),
            place,
            member = member.filter(|_| self.target.pseudonyms.is_none()),
            "refused: {refusal}"
        );
        if !self.target.is_written {
            return refusal;
        }
        let of = self.target.filter.members().len();
        let text = format!("{} (number {} of the {of} that the configuration lists for it)", refusal.text, place + 1);
        Refusal { text, quoted: member.cloned(), ..refusal }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::Day;
    use crate::source::Malformed;

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
