//! The configuration file: what was written, checked as a whole, and what is used.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::day::Schedule;
use crate::source::Source;
use crate::vendor::Credential;

/// A whole configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// Every source, in the order of the file.
    pub sources: Vec<SourceConfig>,
    /// What is allowed but unwise, in words, each with its key path.
    pub warnings: Vec<String>,
}

/// One API of one account, and how it is polled.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The API and whom it is asked about.
    pub source: Arc<dyn Source>,
    /// The account; sources with the same secret share it.
    pub account: Arc<Account>,
    /// When its days are ready.
    pub schedule: Schedule,
    /// How often it wakes.
    pub poll_interval: Duration,
    /// How often settled targets are asked again.
    pub refresh_interval: Duration,
    /// How many days a request covers, the target day the last of them; 1 where the API gives one day a call.
    pub lookback_days: u32,
    /// How long an incomplete day may hold up its page.
    pub flip_after: Duration,
    /// How old the day on show may become, in days behind the target day.
    pub max_age_days: u32,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// Whether names of people are fetched and shown.
    pub names: bool,
}

/// A vendor's account, and how it is reached.
#[derive(Debug)]
pub struct Account {
    /// The `account` label.
    pub name: String,
    /// The block whose own secret this is; empty for the account's secret.
    pub block: &'static str,
    /// Whom the vendor knows us as.
    pub credential: Credential,
    /// Where the vendor answers, without a slash at its end.
    pub base_url: String,
    /// A proxy to go through; its URL may hold a password.
    pub proxy_url: Option<SecretString>,
    /// A PEM file of certificate authorities to trust as well.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// How long a request may take in all.
    pub timeout: Duration,
    /// The rate limits of statistics APIs, by the `api` label; all others have the vendor's default.
    pub rates: BTreeMap<&'static str, Rate>,
}

impl Account {
    /// The rate at which `api` may be called.
    #[must_use]
    pub fn rate(&self, api: &str) -> Rate {
        let default = Rate { calls: self.credential.vendor.calls_per_minute(), per: Duration::from_mins(1) };
        self.rates.get(api).copied().unwrap_or(default)
    }
}

/// A number of calls in a time, written `1000/m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many calls; at least 1.
    pub calls: u32,
    /// In which time.
    pub per: Duration,
}

impl Rate {
    /// The time from one call to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.per / self.calls.max(1)
    }
}
