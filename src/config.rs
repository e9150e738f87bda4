//! The configuration file: what was written, checked as a whole, and what is used.
//!
//! The text goes through `written` (does it decode, key by key?) and `check` (does it hold together?), which only sees
//! what decodes.

mod check;
mod checking;
mod file;
mod key_paths;
mod keys;
mod proof;
mod proxy;
mod shard;
mod token;
mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::day::{Cycle, Schedule};
use crate::files::{read_all, rights_remark};
use crate::platform::{Credential, Secret};
use crate::source::{Directory, Pseudonyms, Source, Target};
use crate::yaml::{self, YamlError};

pub use key_paths::known_keys;
pub(crate) use proxy::proxy_url;
pub use shard::{ParseShardError, Shard};
pub(crate) use units::duration as parse_duration;

/// A file above this size is a mistake: 100,000 ids fit.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The zone of the platforms that have one, where the configuration names no other.
const USUAL_ZONE: &str = "Asia/Shanghai";

/// A whole configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// Every source, in the order of the file.
    pub sources: Vec<SourceConfig>,
    /// What is allowed but unwise, in words, each with its key path.
    pub warnings: Vec<String>,
}

/// Why a configuration can't be used, in words for the operator; no text of a secret is in it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read {file}: {reason}; write one (see exporter.example.yaml) or name it with --config.file")]
    Read {
        /// Its name.
        file: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The file is too large to be a configuration.
    #[error("{file} is larger than {} MiB: is it the configuration?", MAX_BYTES / 1024 / 1024)]
    TooLarge {
        /// Its name.
        file: String,
    },
    /// The file is not UTF-8.
    #[error("{file}:{line}: byte {byte} of the file is not UTF-8: save it as UTF-8")]
    NotUtf8 {
        /// Its name.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The byte, from 1.
        byte: usize,
    },
    /// It is not YAML, or a key is unknown, or a value is of the wrong kind: the first such place.
    #[error(transparent)]
    Decode(#[from] YamlError),
    /// It decodes, and this is wrong with it.
    #[error("{}", faults.iter().map(|fault| format!("{file}: {fault}")).collect::<Vec<_>>().join("\n"))]
    Faults {
        /// Its name.
        file: String,
        /// Each beginning with its key path.
        faults: Vec<String>,
    },
}

impl Config {
    /// Reads and checks the file at `path`; names of files in it are relative to its folder.
    ///
    /// # Errors
    /// Every [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let fail = |reason| ConfigError::Read { file: file.clone(), reason };
        let opened = std::fs::File::open(path).map_err(fail)?;
        let others_read = readable_by_others(&opened);
        let bytes = read_all(opened, MAX_BYTES as u64).map_err(|error| match error.kind() {
            std::io::ErrorKind::FileTooLarge => ConfigError::TooLarge { file: file.clone() },
            _ => fail(error),
        })?;
        let text = str::from_utf8(&bytes).map_err(|error| {
            let (before, _) = bytes.split_at(error.valid_up_to());
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            ConfigError::NotUtf8 { file: file.clone(), line, byte: before.len() + 1 }
        })?;
        let (mut config, inline_secret) = Self::parse_with(text, &file, &Secret::read)?;
        // It says where secrets are sent.
        config.warnings.extend(rights_remark(path, false).map(|remark| format!("--config.file: {remark}")));
        if let Some(path) = inline_secret.filter(|_| others_read) {
            config.warnings.push(format!(
                "{path}: the secret is written in {file}, which others may read: chmod 600 {file}, or write {{file: PATH}}"
            ));
        }
        Ok(config)
    }

    /// Keeps the sources of the accounts that `shard` holds.
    #[must_use]
    pub fn only(mut self, shard: Shard) -> Self {
        self.sources.retain(|config| shard.holds(&config.account.name));
        self
    }

    /// Checks the text of the file `file_name`; names of files in it are relative to that file's folder.
    ///
    /// # Errors
    /// [`ConfigError::Decode`] and [`ConfigError::Faults`].
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ConfigError> {
        Ok(Self::parse_with(text, file_name, &Secret::read)?.0)
    }

    /// With the key path of the first secret that is inline in the file.
    fn parse_with(
        text: &str,
        file: &str,
        read: checking::ReadSecret<'_>,
    ) -> Result<(Self, Option<String>), ConfigError> {
        let mut written = file::ConfigFile::new();
        let Some(faults) = yaml::read_into(&mut written, text, file, &key_paths::secrets())? else {
            return Err(ConfigError::Faults { file: file.to_owned(), faults: vec![check::nothing_written()] });
        };
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        check::check(written, faults, file, folder, read)
    }
}

#[cfg(unix)]
fn readable_by_others(file: &std::fs::File) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &std::fs::File) -> bool {
    false
}

/// One API of one account, and how it is polled.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The API and its targets.
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
    /// How long after a day is ready the page of the day before may stay on show.
    pub flip_after: Duration,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// Whether names of people are fetched and shown.
    pub names: bool,
}

impl SourceConfig {
    /// How many days back lies what it may show or ask for: a store that keeps less would forget that.
    #[must_use]
    pub fn days_in_use(&self) -> u32 {
        let period = match self.targets(&Directory::new()).iter().map(|target| target.cycle).max() {
            Some(Cycle::Month) => 31,
            Some(Cycle::Week) => 7,
            Some(Cycle::Day) | None => 0,
        };
        // A day is shown until the next one is ready and `flip_after` has passed, which is less than a day.
        let shown = u32::from(self.schedule.lag_days) + 2;
        self.lookback_days.saturating_add(shown + period)
    }

    /// The targets, parents before their children. A day of another zone is another question.
    #[must_use]
    pub fn targets(&self, directory: &Directory) -> Vec<Target> {
        let mut targets = self.source.targets(directory);
        if let Some(zone) = self.schedule.zone.name().filter(|zone| *zone != USUAL_ZONE) {
            targets.iter_mut().for_each(|target| target.definition.push_str(&format!(" in {zone}")));
        }
        targets
    }
}

/// A platform's account, and how it is reached.
#[derive(Clone, Debug)]
pub struct Account {
    /// What tells its credential from all others.
    pub key: String,
    /// The `account` label.
    pub name: String,
    /// The block whose own secret this is; empty for the account's secret.
    pub block: &'static str,
    /// The id under which the platform knows the caller.
    pub credential: Credential,
    /// Where the platform answers, without a slash at its end.
    pub base_url: String,
    /// A proxy to go through; its URL may hold a password.
    pub proxy_url: Option<SecretString>,
    /// A PEM file of certificate authorities to trust as well.
    pub ca_file: Option<PathBuf>,
    /// How long establishing a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take in all.
    pub timeout: Duration,
    /// The rate limits of statistics APIs, by the `api` label; all others have the platform's default.
    pub rates: BTreeMap<&'static str, Rate>,
    /// Labels that all its series have beside their own, in the order of their names.
    pub labels: Arc<[(String, String)]>,
    /// Replaces ids of people wherever they would be shown, logged or stored.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
}

impl Account {
    /// The rate at which `api` may be called.
    #[must_use]
    pub fn rate(&self, api: &str) -> Rate {
        let default = Rate { calls: self.credential.platform.calls_per_minute(), per: Duration::from_mins(1) };
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

#[cfg(test)]
mod tests;
