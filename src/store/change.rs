//! What is to be stored, as one thing that can be stored now or later.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::{SourceState, TargetAnswer, known, ledger};
use crate::day::Day;
use crate::source::ListEntry;

/// A change of the store.
#[derive(Debug)]
pub(super) enum Change {
    /// What was answered for a source of an account.
    Answers { source: &'static str, account: String, at: Timestamp, answers: Vec<TargetAnswer> },
    /// What a list holds; the keys are platform, account and key.
    List { keys: [String; 3], day: Day, list: Arc<Vec<ListEntry>> },
    /// Names for an info metric.
    Names { info: &'static str, account: String, day: Day, names: Vec<ListEntry> },
    /// The state of a source.
    Status { source: &'static str, account: String, status: SourceState },
}

impl Change {
    /// Stores it, all of it or nothing.
    ///
    /// # Errors
    /// As SQLite says.
    pub(super) fn store(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        match self {
            Self::Answers { source, account, at, answers } => ledger::record(connection, source, account, *at, answers),
            Self::List { keys: [platform, account, key], day, list } => {
                known::put_list(connection, [platform, account, key], *day, list)
            }
            Self::Names { info, account, day, names } => known::put_names(connection, info, account, *day, names),
            Self::Status { source, account, status } => known::put_status(connection, source, account, status),
        }
    }
}
