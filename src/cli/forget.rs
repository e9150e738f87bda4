//! `forget`: one person, everywhere in the store.

use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;

use super::output::answer;
use super::{Flags, program};
use crate::printable::count;

#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// The account's name, as in the configuration.
    #[arg(long, value_name = "NAME")]
    account: String,
    /// The person's id at the platform, or where people have pseudonyms, the pseudonym; upper and lower case are the
    /// same.
    #[arg(long, value_name = "ID")]
    id: String,
}

/// What holds copies that this program can't reach.
const ELSEWHERE: &str = "\
This program reaches no further than its store. What else has copies:
  a running exporter   shows the person until its page changes: restart it. It asks again for whoever the platform lists
                       and the configuration chooses or names: take the person out there first
  Prometheus           with --web.enable-admin-api, for each label that names people (userid, owner, agent):
                         curl -X POST -g 'http://HOST:9090/api/v1/admin/tsdb/delete_series?match[]={account=\"ACCOUNT\",userid=\"ID\"}'
                         curl -X POST http://HOST:9090/api/v1/admin/tsdb/clean_tombstones
  receivers of remote write, Thanos and the like: by their own means
  exports              CSV and OpenMetrics files that were written
  backups              of the store's folder and of Prometheus
  Grafana              snapshots, annotations, exported panels; alerts in chats and mails";

/// Forgets a person, and says what is left to do.
pub(super) async fn forget(flags: &Flags, args: ForgetArgs) -> anyhow::Result<ExitCode> {
    ensure!(
        !flags.storage_path.is_empty(),
        "there is nothing to forget without a store: name its folder by --storage.path"
    );
    ensure!(!args.id.is_empty(), "--id is empty");
    let file = std::path::Path::new(&flags.storage_path).join("imstats.db");
    ensure!(file.exists(), "{} is not there: name the store's folder by --storage.path", file.display());
    let store = program::assemble_beside(&flags.storage_path)?.store;
    let accounts = store.accounts().await?;
    ensure!(
        accounts.contains(&args.account),
        "the store knows no account {}; it has {}",
        args.account,
        if accounts.is_empty() { "none".to_owned() } else { accounts.join(", ") }
    );
    let forgotten = store.forget_person(&args.account, &args.id).await?;
    for (number, one, many, what) in [
        (forgotten.figures, "row", "rows", "of figures"),
        (forgotten.answers, "entry", "entries", "of what was answered"),
        (forgotten.entries, "entry", "entries", "of lists"),
        (forgotten.names, "name", "names", "of the person"),
        (forgotten.definitions, "definition", "definitions", "of teams with this member, to be asked for anew"),
        (forgotten.damaged_files, "damaged file", "damaged files", "set aside before"),
    ] {
        answer(format_args!("deleted: {} {what}", count(number, one, many)))?;
    }
    if forgotten.log_remains {
        answer(format_args!(
            "warning: another process reads the store, so its log ({}-wal) may still hold what was deleted: run this again",
            file.display()
        ))?;
    }
    answer(format_args!("\n{ELSEWHERE}"))?;
    if forgotten.is_nothing() {
        answer(format_args!(
            "\nnothing was stored of this id in account {}: is it spelled as on the page?",
            args.account
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(if forgotten.log_remains { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
