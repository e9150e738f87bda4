//! `--source` and `--account`: which of the configured sources a command is about.

use anyhow::{bail, ensure};
use clap::Args;

use crate::config::SourceConfig;
use crate::source::apis;

#[derive(Clone, Debug, Args)]
pub(super) struct Selection {
    /// Only this source, such as wecom_contact; may be given several times.
    #[arg(long = "source", value_name = "NAME")]
    sources: Vec<String>,
    /// Only this account; may be given several times.
    #[arg(long = "account", value_name = "NAME")]
    pub(super) accounts: Vec<String>,
}

impl Selection {
    /// Those of `sources` that the flags name, or all where they name none.
    ///
    /// # Errors
    /// A name that nothing has, with those that there are; a choice that leaves nothing.
    pub(super) fn of(&self, mut sources: Vec<SourceConfig>) -> anyhow::Result<Vec<SourceConfig>> {
        for name in &self.sources {
            if !apis().iter().any(|api| api.name == name) {
                let known: Vec<_> = apis().iter().map(|api| api.name).collect();
                bail!("--source {name}: there is no such source; there are {}", known.join(", "));
            }
        }
        for account in &self.accounts {
            ensure!(
                sources.iter().any(|config| config.account.name == *account),
                "--account {account}: the configuration has no such account"
            );
        }
        let named = |names: &[String], name: &str| names.is_empty() || names.iter().any(|other| other == name);
        sources.retain(|config| {
            named(&self.sources, config.source.api().name) && named(&self.accounts, &config.account.name)
        });
        ensure!(!sources.is_empty(), "the configuration has no source that fits --source, --account and --shard");
        Ok(sources)
    }
}
