//! What is stored, as the rest of the program knows it.

use std::sync::Arc;

use jiff::Timestamp;

use super::StoreError;
use crate::day::{Cycle, Day, Days};
use crate::platform::{ErrorCode, Refusal};
use crate::sample::Row;
use crate::source::Target;

/// What a platform said of one target: the same from the question to the store.
#[derive(Clone, Debug)]
pub struct TargetAnswer {
    /// The target.
    pub target: Arc<Target>,
    /// The days that were asked for.
    pub days: Days,
    /// These rows and no others (a day without any row has no data), or why the platform refuses the target.
    pub rows: Result<Vec<Row>, Refusal>,
}

/// What the ledger has for a target on a day by one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayState {
    /// The day.
    pub day: Day,
    /// Whether there are figures.
    pub state: AnswerState,
    /// The platform's code of a refusal.
    pub code: Option<ErrorCode>,
}

impl TargetAnswer {
    /// What the ledger has by this answer, by day. A refusal is noted for the last day only; so is a week or a month.
    #[must_use]
    pub fn states(&self) -> Vec<DayState> {
        match &self.rows {
            Err(refusal) => {
                let code = Some(refusal.code.clone());
                vec![DayState { day: self.days.last, state: AnswerState::Refused, code }]
            }
            Ok(rows) => {
                let has_rows = |day| rows.iter().any(|row| self.day_of(row) == day);
                let state = |day| if has_rows(day) { AnswerState::Ok } else { AnswerState::NoData };
                let days = if self.target.cycle == Cycle::Day { self.days } else { Days::one(self.days.last) };
                days.iter().map(|day| DayState { day, state: state(day), code: None }).collect()
            }
        }
    }

    /// The day under which a row of it is kept.
    pub(super) fn day_of(&self, row: &Row) -> Day {
        if self.target.cycle == Cycle::Day { row.day } else { self.days.last }
    }

    /// The ledger's entries by this answer, had it come first and at `now`.
    #[must_use]
    pub fn entries(&self, now: Timestamp) -> Vec<LedgerEntry> {
        let entry = |DayState { day, state, code }| LedgerEntry {
            day,
            target: self.target.key(),
            definition: self.target.definition.clone(),
            state,
            first_at: now,
            last_at: now,
            answers: 1,
            code,
        };
        self.states().into_iter().map(entry).collect()
    }
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
pub struct LedgerEntry {
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
    /// The platform's code of a refusal.
    pub code: Option<ErrorCode>,
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
    pub error: Option<SourceError>,
}

/// What is wrong with a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// It, in words.
    pub text: String,
    /// What ends it; a version before this was stored has none.
    pub kind: Option<ErrorKind>,
}

impl SourceError {
    /// An error that passes by itself.
    #[must_use]
    pub fn passing(text: String) -> Self {
        Self { text, kind: Some(ErrorKind::Passing) }
    }
}

/// What ends an error of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is of lists, of the store, of the account or of targets that failed: it may be over at the next waking.
    Passing,
    /// Targets are refused: it stays on the status page as long as any is.
    Refusals,
    /// Figures of the day are left out as invalid: it stays on the status page until the targets are asked again.
    InvalidFigures,
}

/// What a target was answered for a day, while it could not be stored.
#[derive(Clone, Debug)]
pub(super) struct PendingAnswer {
    pub(super) target: Arc<Target>,
    pub(super) state: AnswerState,
    pub(super) code: Option<ErrorCode>,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    pub(super) answers: u32,
    /// Whether what is stored of the same definition counts with it: another definition did not come between.
    pub(super) joins: bool,
    /// The last figures, and when they came; they stay when the target is refused then.
    pub(super) rows: Option<(Timestamp, Vec<Row>)>,
}

impl PendingAnswer {
    /// The ledger's entry for it.
    pub(super) fn entry(&self, day: Day) -> LedgerEntry {
        LedgerEntry {
            day,
            target: self.target.key(),
            definition: self.target.definition.clone(),
            state: self.state,
            first_at: self.first_at,
            last_at: self.last_at,
            answers: self.answers,
            code: self.code.clone(),
        }
    }
}
