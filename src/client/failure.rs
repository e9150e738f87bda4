//! Why a call brought no answer.

use std::time::Duration;

use super::credential::Denial;
use crate::platform::Refusal;
use crate::source::Malformed;

/// Why a call brought no answer, by what the caller does next.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// There are no figures.
    #[error("no data")]
    NoData,
    /// What was asked for is refused; in a batch, one of it.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Nothing more may be asked of this account, or of this API, before the time in it.
    #[error("{}", .0.text)]
    Denied(Denial),
    /// The API is paused for longer than is worth waiting.
    #[error("rate limited: the API is paused for {} s: {}", .0.left.as_secs(), .0.why)]
    Throttled(Pause),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
    /// The answer is not what the platform documents.
    #[error("{0}")]
    Malformed(String),
    /// The platform refuses with a code that we don't know.
    #[error("{0}")]
    Unknown(Refusal),
}

/// A pause that a platform asked for.
#[derive(Clone, Debug)]
pub struct Pause {
    /// How long it lasts yet.
    pub left: Duration,
    /// What the platform said, with its code.
    pub why: String,
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.to_string())
    }
}
