//! An answer that came, and how its call is counted: as `ok` only where its content can be used.

use std::time::Duration;

use serde_json::Value;

use crate::telemetry::{Outcome, Telemetry};

/// The body of a platform's answer. Its call is counted when this is dropped.
#[derive(Debug)]
pub struct Reply {
    body: Value,
    count: Count,
}

impl Reply {
    pub(super) fn new(body: Value, count: Count) -> Self {
        Self { body, count }
    }

    /// Gives what `read` makes of the body; an error of it makes the call count as `malformed`.
    ///
    /// # Errors
    /// That of `read`.
    pub fn read<T, E>(&mut self, read: impl FnOnce(&Value) -> Result<T, E>) -> Result<T, E> {
        let content = read(&self.body);
        if content.is_err() {
            self.mark_malformed();
        }
        content
    }

    /// Makes the call count as `malformed`.
    pub fn mark_malformed(&mut self) {
        self.count.outcome = Outcome::Malformed;
    }
}

/// A call, which is counted when this is dropped: as `ok`, unless another outcome was set.
#[derive(Debug)]
pub(super) struct Count {
    telemetry: Telemetry,
    account: String,
    api: &'static str,
    took: Duration,
    outcome: Outcome,
}

impl Count {
    pub(super) fn new(telemetry: &Telemetry, account: &str, api: &'static str, took: Duration) -> Self {
        Self { telemetry: telemetry.clone(), account: account.to_owned(), api, took, outcome: Outcome::Ok }
    }

    /// Counts the call as `outcome`.
    pub(super) fn end_as(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let Self { account, api, outcome, .. } = self;
        self.telemetry.request(account, api, *outcome, self.took);
        tracing::debug!(account, api, ?outcome, "asked the platform");
    }
}
