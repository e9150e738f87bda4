//! What one API's fields are called, what they mean, and how they may be combined.
//!
//! A [`Table`] is the whole definition of a metric prefix: exposition, HELP, store columns, documents and tests
//! follow from it.

use std::borrow::Cow;

use super::id::person_key;

/// The metric families with one prefix, and the store's table of that name.
#[derive(Debug)]
pub struct Table {
    /// The metric prefix and the store table's name.
    pub prefix: &'static str,
    /// The labels after `account`.
    pub labels: &'static [&'static str],
    /// The one of them that is a person's id.
    pub person: Option<&'static str>,
    /// Whose figures these are, for HELP: `one member`.
    pub of: &'static str,
    /// Why figures of several subjects do not add up, where none of the table's do.
    pub overlap: Option<&'static str>,
    /// The fields, in the order of their columns.
    pub fields: &'static [Field],
}

/// One field of the platform's answer, and the gauge that it becomes.
#[derive(Debug)]
pub struct Field {
    /// The platform's name of it.
    pub name: &'static str,
    /// What follows the prefix in the metric's name, and the store's column; empty for the prefix alone.
    pub suffix: &'static str,
    /// What it counts, for HELP: no full stop.
    pub help: &'static str,
    /// What the platform's number is.
    pub unit: Unit,
    /// The time that it covers.
    pub span: Span,
    /// How figures of several subjects combine.
    pub combine: Combine,
}

/// What a platform's number is, and so how it becomes a base unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
    /// Minutes, shown as seconds.
    Minutes,
    /// 0 to 1.
    Ratio,
    /// 0 to 100, shown as 0 to 1.
    Percent,
    /// Seconds since the epoch; 0 means that there is none.
    Timestamp,
}

impl Unit {
    /// The value in base units; `None` where the platform's number means that there is none.
    ///
    /// # Errors
    /// What the number should have been.
    pub fn convert(self, number: f64) -> Result<Option<f64>, &'static str> {
        /// From here on, another number may have been rounded to this one.
        const INEXACT: f64 = 9_007_199_254_740_992.0;
        /// Seconds until the year 5138; a platform that counted in milliseconds would be beyond.
        const LATEST: f64 = 1e11;
        if !(0.0..INEXACT).contains(&number) {
            return Err("a number from 0 to below 2^53");
        }
        match self {
            Self::Count | Self::Seconds => Ok(Some(number)),
            Self::Minutes => Ok(Some(number * 60.0)),
            Self::Ratio if number > 1.0 => Err("a share from 0 to 1"),
            Self::Ratio => Ok(Some(number)),
            Self::Percent if number > 100.0 => Err("a percentage from 0 to 100"),
            // A division rounds once; times 0.01 would round twice and show 0.6025000000000001.
            Self::Percent => Ok(Some(number / 100.0)),
            Self::Timestamp if number > LATEST => Err("a time in seconds since 1970"),
            Self::Timestamp => Ok((number > 0.0).then_some(number)),
        }
    }
}

/// The time that a figure covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The statistics day.
    Day,
    /// Everything up to the end of the statistics day.
    EndOfDay,
    /// The day, or the last complete week or month, by the label `cycle`.
    Cycle,
}

impl Span {
    fn words(self) -> &'static str {
        match self {
            Self::Day => "of the statistics day",
            Self::EndOfDay => "as of the end of the statistics day",
            Self::Cycle => "of the statistics day, or of the last complete week / month, by cycle",
        }
    }
}

/// How the figures of several subjects make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// They are added.
    Sum,
    /// They are added, which counts these several times.
    Repeats(&'static str),
    /// They are averaged, each with the product of these columns as its weight.
    Weighted(&'static [&'static str]),
    /// The platform does not give what would be needed.
    Never(&'static str),
}

impl Table {
    /// Whether both are spellings of one id of the table's last label: ids of people have no ASCII case.
    ///
    /// WeCom says so of a `userid` (<https://developer.work.weixin.qq.com/document/path/90195>), and agents of Desk are
    /// e-mail addresses.
    #[must_use]
    pub fn same_subject(&self, one: &str, other: &str) -> bool {
        if self.names_people() { one.eq_ignore_ascii_case(other) } else { one == other }
    }

    /// What all spellings of an id of the table's last label have in common.
    #[must_use]
    pub fn subject_key<'i>(&self, id: &'i str) -> Cow<'i, str> {
        if self.names_people() { person_key(id) } else { Cow::Borrowed(id) }
    }

    /// Whether the last label is a person's id.
    pub(super) fn names_people(&self) -> bool {
        self.person.is_some() && self.person == self.labels.last().copied()
    }

    /// The name of the field's metric.
    #[must_use]
    pub fn metric(&self, field: &Field) -> String {
        if field.suffix.is_empty() { self.prefix.to_owned() } else { format!("{}_{}", self.prefix, field.suffix) }
    }

    /// The HELP text of the field's metric, of an API that people call `title`.
    #[must_use]
    pub fn help(&self, field: &Field, title: &str) -> String {
        let mut help = format!("{title}, {}: {} ({}), {}", self.of, field.help, field.name, field.span.words());
        let caution = match (field.combine, self.overlap) {
            (Combine::Sum, None) => None,
            (Combine::Repeats(whom), None) => Some(format!("a sum counts {whom} several times")),
            (Combine::Sum | Combine::Repeats(_), Some(overlap)) => Some(format!("do not sum: {overlap}")),
            (Combine::Never(reason), _) => Some(format!("do not sum: {reason}")),
            (Combine::Weighted(by), _) => Some(format!("do not sum: average by {}", by.join(" x "))),
        };
        if let Some(caution) = caution {
            help.push_str("; ");
            help.push_str(&caution);
        }
        help
    }
}

impl Field {
    /// The store's column: the suffix, or `value` where the metric has none.
    #[must_use]
    pub fn column(&self) -> &'static str {
        if self.suffix.is_empty() { "value" } else { self.suffix }
    }
}
