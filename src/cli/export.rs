//! `export`: past days out of the store.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use super::output::remark;
use super::progress::{Display, State, TICK};
use super::selection::Selection;
use super::{Flags, program};
use crate::client::Proxies;
use crate::config::{Config, parse_duration};
use crate::day::{Day, Days};
use crate::files::{WholeFile, read_all};
use crate::history::{
    Authorization, ExportHistory, Receiver, SendProgress, StoredName, Tally, export_csv, export_names_csv,
    export_openmetrics, export_remote_write, may_hold_secret, openmetrics_bytes, stored_names,
};
use crate::printable::count;

/// promtool must not write blocks of the time that Prometheus still holds in memory.
const TOO_NEW: SignedDuration = SignedDuration::from_hours(3);

/// A receiver that takes no samples gets them again after about this long, then twice that.
const REPEAT_DELAY: Duration = Duration::from_secs(1);

/// A text from which on it is worth to think of another way.
const LARGE: u64 = 1_000_000_000;

/// The largest file with a token or password.
const MOST_SECRET_BYTES: u64 = 64 * 1024;

/// The variables for what must not be on a command line.
const TOKEN: &str = "IMSTATS_REMOTE_WRITE_BEARER_TOKEN";
const PASSWORD: &str = "IMSTATS_REMOTE_WRITE_PASSWORD";

/// Those that hold what may, and count where no flag says another thing.
const URL: &str = "IMSTATS_REMOTE_WRITE_URL";
const USERNAME: &str = "IMSTATS_REMOTE_WRITE_USERNAME";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One text for `promtool tsdb create-blocks-from openmetrics`.
    Openmetrics,
    /// A file for each table, for spreadsheets.
    Csv,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The first day, such as 2026-06-01.
    #[arg(long, value_name = "DAY")]
    from: Day,
    /// The last day.
    #[arg(long, value_name = "DAY")]
    to: Day,
    #[command(flatten)]
    selection: Selection,
    /// What is written; openmetrics unless told.
    #[arg(long)]
    format: Option<Format>,
    /// Where to: a file, or for csv a folder; without it standard output.
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// A label for all series, such as job=imstats_exporter; may be given several times.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The time between two samples of a series: 1d makes 24 times less, and keeps one sample a day.
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = step)]
    step: Duration,
    /// Sends it instead to this receiver of Prometheus remote write, such as http://localhost:9090/api/v1/write (or
    /// IMSTATS_REMOTE_WRITE_URL).
    #[arg(long, value_name = "URL", conflicts_with_all = ["format", "output"])]
    remote_write: Option<String>,
    /// A header for the receiver, such as X-Scope-OrgID=tenant; may be given several times. No secrets: others on this
    /// machine can read command lines.
    #[arg(long = "remote-write.header", value_name = "NAME=VALUE", value_parser = label)]
    headers: Vec<(String, String)>,
    /// A file with the bearer token for the receiver (or IMSTATS_REMOTE_WRITE_BEARER_TOKEN).
    #[arg(long = "remote-write.bearer-token-file", value_name = "FILE", conflicts_with = "username")]
    token_file: Option<PathBuf>,
    /// The user at the receiver (or IMSTATS_REMOTE_WRITE_USERNAME).
    #[arg(long = "remote-write.username", value_name = "NAME")]
    username: Option<String>,
    /// A file with the user's password (or IMSTATS_REMOTE_WRITE_PASSWORD).
    #[arg(long = "remote-write.password-file", value_name = "FILE")]
    password_file: Option<PathBuf>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "write it as NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

fn step(text: &str) -> Result<Duration, String> {
    let step = parse_duration(text)?;
    let fits = (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&step) && step.subsec_nanos() == 0;
    if fits { Ok(step) } else { Err("it must be whole seconds, from 1s to 1d".to_owned()) }
}

/// Writes the history of the store.
pub(super) async fn export(flags: &Flags, mut args: ExportArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.from <= args.to, "--from {} is after --to {}", args.from, args.to);
    let setting = if args.remote_write.is_some() { "--remote-write" } else { URL };
    if args.format.is_none() && args.output.is_none() {
        args.remote_write = args.remote_write.or_else(|| variable(URL));
    }
    let format = args.format.unwrap_or(Format::Openmetrics);
    ensure!(
        args.labels.is_empty() || matches!(format, Format::Openmetrics),
        "--label is for series; a spreadsheet has a column for the account"
    );
    // Of all shards: what another one polls is not in this store anyway.
    let sources = args.selection.of(Config::load(&flags.config_file)?.sources)?;
    let file = Path::new(&flags.storage_path).join("imstats.db");
    ensure!(!flags.storage_path.is_empty() && file.exists(), "there is no store to export at {}", file.display());
    let context = program::assemble_to_read(&flags.storage_path)?;
    context.claim(&sources).await?;
    let now = Timestamp::now();
    let until = if args.remote_write.is_some() { now } else { now.saturating_sub(TOO_NEW)? };
    let days = Days { first: args.from, last: args.to };
    let names = stored_names(&context.store, &sources).await?;
    let mut history = ExportHistory::new(context.store, days, &sources, args.step, until, args.labels.clone())?;
    if !args.selection.accounts.is_empty() {
        history = history.only(&args.selection.accounts);
    }
    let tally = if args.remote_write.is_some() {
        send(history, &args, setting).await?
    } else {
        let output = args.output.clone();
        tokio::task::spawn_blocking(move || write(&history, format, output.as_deref(), &names)).await??
    };
    for account in &tally.unconfigured {
        remark(format_args!(
            "{account}: left out, as the configuration does not say when this account's days are ready"
        ));
    }
    if tally.cut && args.remote_write.is_none() && matches!(format, Format::Openmetrics) {
        remark(format_args!(
            "left out: samples of the last 3 hours, which Prometheus does not take from promtool; the exporter shows them"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file, a folder, or to standard output.
fn write(
    history: &ExportHistory,
    format: Format,
    output: Option<&Path>,
    names: &[StoredName],
) -> anyhow::Result<Tally> {
    match (format, output) {
        (Format::Csv, None) => Err(anyhow!("a folder is needed for the files: --output FOLDER")),
        (Format::Csv, Some(folder)) => {
            let tables = export_csv(history, folder)?;
            for (table, rows) in &tables {
                let rows = count(*rows, "row", "rows");
                remark(format_args!("{}: {rows}", folder.join(format!("{table}.csv")).display()));
            }
            if tables.is_empty() {
                remark(format_args!("the store has no rows on these days"));
            } else if !names.is_empty() {
                export_names_csv(names, folder)?;
                let count = count(names.len(), "name", "names");
                remark(format_args!("{}: {count}", folder.join("names.csv").display()));
            }
            Ok(Tally::default())
        }
        (Format::Openmetrics, output) => {
            let size = openmetrics_bytes(history)?;
            remark(format_args!("about {} will be written", megabytes(size)));
            if size > LARGE {
                remark(format_args!("--step 1d makes it 24 times smaller, and --remote-write needs no file at all"));
            }
            let tally = match output {
                Some(path) => {
                    let explain = || format!("cannot write {}", path.display());
                    let mut file = WholeFile::begin(path).with_context(explain)?;
                    let tally = export_openmetrics(history, &mut file).with_context(explain)?;
                    file.finish().with_context(explain)?;
                    tally
                }
                None => {
                    let mut output = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
                    export_openmetrics(history, &mut output)?
                }
            };
            remark(format_args!("{} of {} series", count(tally.samples, "sample", "samples"), tally.series));
            Ok(tally)
        }
    }
}

/// A size for people.
fn megabytes(bytes: u64) -> String {
    match bytes / 1_000_000 {
        0 => "1 MB at most".to_owned(),
        megabytes => format!("{megabytes} MB"),
    }
}

/// Sends it to the receiver that `setting`, a flag or a variable, names.
async fn send(history: ExportHistory, args: &ExportArgs, setting: &'static str) -> anyhow::Result<Tally> {
    let url = args.remote_write.as_deref().unwrap_or_default();
    let authorization = authorization(args)?;
    let mut receiver = Receiver::new(url, authorization, Proxies::from_env()?, REPEAT_DELAY).context(setting)?;
    for (name, value) in &args.headers {
        receiver = receiver.with_header(name, value).context("--remote-write.header")?;
    }
    if let Some(what) = receiver.exposes() {
        remark(format_args!("warning: {} is not https: others on the network can read {what}", receiver.name()));
    }
    if setting != URL && may_hold_secret(url) {
        remark(format_args!(
            "warning: others on this machine can read command lines, and the URL of --remote-write has a user, a password or \
             a query: give it by {URL}, and a password by --remote-write.password-file or {PASSWORD}"
        ));
    }
    let sent = SendProgress::default();
    let state = || State {
        done: sent.samples(),
        most: None,
        held_up: sent.held_up().map(|reason| format!("the receiver takes none now, and is tried again: {reason}")),
    };
    let mut display = Display::new(vec![receiver.name()], "samples");
    let mut tick = tokio::time::interval(TICK);
    let sending = export_remote_write(history, &receiver, &sent);
    tokio::pin!(sending);
    let tally = loop {
        tokio::select! {
            tally = &mut sending => break tally,
            _ = tick.tick() => display.show(&[state()]),
        }
    };
    display.end(&[state()]);
    let tally = tally.with_context(|| {
        format!("{} sent; they may be sent again", count(sent.samples(), "sample was", "samples were"))
    })?;
    remark(format_args!(
        "{} of {} series sent in {} of {} bytes in all",
        count(sent.samples(), "sample", "samples"),
        tally.series,
        count(sent.batches(), "request", "requests"),
        sent.bytes()
    ));
    Ok(tally)
}

/// What the environment has under this name; an empty text is none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The credentials, from files or the environment.
fn authorization(args: &ExportArgs) -> anyhow::Result<Authorization> {
    let read = |file: &Option<PathBuf>, variable: &str| -> anyhow::Result<Option<String>> {
        match file {
            Some(path) => {
                let explain = || format!("cannot read {}", path.display());
                // It may be a pipe: <(pass show ...).
                let bytes =
                    File::open(path).and_then(|file| read_all(file, MOST_SECRET_BYTES)).with_context(explain)?;
                // The error of a conversion would hold the bytes.
                let text = str::from_utf8(&bytes).map_err(|_| anyhow!("it is not UTF-8")).with_context(explain)?;
                Ok(Some(text.trim().to_owned()))
            }
            None => Ok(self::variable(variable)),
        }
    };
    let username = args.username.clone().or_else(|| variable(USERNAME).filter(|_| args.token_file.is_none()));
    ensure!(
        username.is_some() || args.password_file.is_none(),
        "--remote-write.password-file needs --remote-write.username"
    );
    if let Some(username) = username {
        let password = read(&args.password_file, PASSWORD)?;
        let password = password.with_context(|| format!("a user needs --remote-write.password-file or {PASSWORD}"))?;
        return Ok(Authorization::Basic { username, password: password.into() });
    }
    Ok(match read(&args.token_file, TOKEN)? {
        Some(token) => Authorization::Bearer(token.into()),
        None => Authorization::None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_from_a_second_to_a_day() {
        assert_eq!(step("1h"), Ok(Duration::from_hours(1)));
        for bad in ["0", "500ms", "2d", "1", "x"] {
            assert!(step(bad).is_err(), "{bad}");
        }
    }
}
