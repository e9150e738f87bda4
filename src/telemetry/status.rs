//! What is known about a source and about a call, in the terms that operators see.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::day::Day;

/// How a call to a platform ended: the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The platform answered.
    Ok,
    /// The platform has no figures for what was asked.
    NoData,
    /// The platform refused this target.
    Refused,
    /// There were too many calls.
    Throttled,
    /// The token was not accepted.
    Token,
    /// The platform refused the account, or this API to it.
    Denied,
    /// There was no answer, or one that says that the platform can't answer now.
    Unavailable,
    /// The answer was not what the platform's page promises.
    Malformed,
}

impl Outcome {
    /// Every outcome, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::NoData,
        Self::Refused,
        Self::Throttled,
        Self::Token,
        Self::Denied,
        Self::Unavailable,
        Self::Malformed,
    ];

    /// The value of the label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NoData => "no_data",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Token => "token",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Malformed => "malformed",
        }
    }
}

/// How many targets of a source are in which state on the target day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TargetCounts {
    /// Have figures.
    pub ok: usize,
    /// Have none, by the platform's word.
    pub no_data: usize,
    /// Were refused for their own sake.
    pub refused: usize,
    /// Failed, and are asked again at the next waking.
    pub failed: usize,
    /// Were not asked yet.
    pub pending: usize,
}

impl TargetCounts {
    /// The counts with the values of the label `state`.
    #[must_use]
    pub fn states(&self) -> [(&'static str, usize); 5] {
        [
            ("ok", self.ok),
            ("no_data", self.no_data),
            ("refused", self.refused),
            ("failed", self.failed),
            ("pending", self.pending),
        ]
    }
}

/// The state of one source of one account.
#[derive(Clone, Debug, Default)]
pub struct SourceStatus {
    /// Whether the last round that asked brought a usable answer.
    pub up: bool,
    /// The day that is shown, and its midnight in the source's zone.
    pub shown: Option<(Day, Timestamp)>,
    /// The newest day that is ready, and its midnight in the source's zone.
    pub target: Option<(Day, Timestamp)>,
    /// The states of the targets on the target day.
    pub targets: TargetCounts,
    /// When the last round ended.
    pub last_round: Option<Timestamp>,
    /// When the last round ended that left nothing failed.
    pub last_success: Option<Timestamp>,
    /// When something will be asked again.
    pub next_round: Option<Timestamp>,
    /// How long the last round took.
    pub round_duration: Option<Duration>,
    /// How many series of the source are shown.
    pub series: usize,
    /// The platform's fields that no gauge maps.
    pub unmapped: BTreeSet<String>,
    /// How many figures of the target day are left out as invalid.
    pub invalid: usize,
    /// When the token in use ends.
    pub token_expiry: Option<Timestamp>,
    /// The last error, in words that are meant for the operator.
    pub error: Option<String>,
}
