//! What is stored, as the rest of the program knows it.

use std::sync::Arc;

use jiff::Timestamp;

use super::StoreError;
use crate::day::{Day, Days};
use crate::sample::Row;
use crate::source::Target;

/// What came of asking for one target.
#[derive(Clone, Debug)]
pub struct TargetAnswer {
    /// The target.
    pub target: Arc<Target>,
    /// The days that were asked for.
    pub days: Days,
    /// What the platform said.
    pub outcome: Outcome,
}

/// What a platform said of one target.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// These figures and no others; a day without any row has no data.
    Rows(Vec<Row>),
    /// It refused this target.
    Refused {
        /// The platform's code.
        code: i64,
    },
}

/// Whose figures a source of an account holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyClaim {
    /// The source's name.
    pub source: &'static str,
    /// The account.
    pub account: String,
    /// The platform's name.
    pub platform: &'static str,
    /// The id by which the platform knows the company: `corp_id`, `sdk_app_id` or `app_id`.
    pub company: String,
}

impl CompanyClaim {
    /// Why it is refused, where the store has figures of the company `stored`.
    pub(super) fn refused(self, stored: String) -> StoreError {
        let Self { source, account, company, .. } = self;
        StoreError::OtherCompany { source_name: source, account, stored, company }
    }
}

/// The ledger's entry of one target on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The day; of a week or month, its last day.
    pub day: Day,
    /// The [`Target::key`].
    pub target: String,
    /// The [`Target::definition`] that was asked for.
    pub definition: String,
    /// What the last answer was.
    pub state: AnswerState,
    /// When the first answer for this definition came, to the millisecond.
    pub first_at: Timestamp,
    /// When the last one came, to the millisecond.
    pub last_at: Timestamp,
    /// How many there were for this definition.
    pub answers: u32,
    /// The platform's code of a refusal, else 0.
    pub code: i64,
}

/// What the last answer for a target on a day was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerState {
    /// There are figures.
    Ok,
    /// The platform has none.
    NoData,
    /// The platform refused the target; figures of an earlier answer may still be stored.
    Refused,
}

impl AnswerState {
    /// That of an answer with these figures of a day.
    pub(super) fn of(rows: &[Row]) -> Self {
        if rows.is_empty() { Self::NoData } else { Self::Ok }
    }
}

/// What of a source's state outlives a restart; instants to the millisecond.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceState {
    /// The day that its page shows.
    pub shown: Option<Day>,
    /// Whether its last round succeeded.
    pub up: bool,
    /// When its last round ended.
    pub last_round: Option<Timestamp>,
    /// When its last successful round ended.
    pub last_success: Option<Timestamp>,
    /// How many seconds its last round took.
    pub round_seconds: Option<f64>,
    /// What was wrong in its last round.
    pub error: Option<String>,
}

/// What a target was answered for a day, while it could not be stored.
#[derive(Clone, Debug)]
pub(super) struct UnwrittenAnswer {
    pub(super) target: Arc<Target>,
    pub(super) state: AnswerState,
    pub(super) code: i64,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    pub(super) answers: u32,
    /// Whether what is stored of the same definition counts with it: another definition did not come between.
    pub(super) joins: bool,
    /// The last figures, and when they came; they stay when the target is refused then.
    pub(super) rows: Option<(Timestamp, Vec<Row>)>,
}

impl UnwrittenAnswer {
    /// The ledger's entry for it.
    pub(super) fn entry(&self, day: Day) -> Answer {
        Answer {
            day,
            target: self.target.key(),
            definition: self.target.definition.clone(),
            state: self.state,
            first_at: self.first_at,
            last_at: self.last_at,
            answers: self.answers,
            code: self.code,
        }
    }
}
