//! The command line: flags, commands, and the program that they put together.

mod backfill;
mod check;
mod dashboards;
mod demo;
mod environment;
mod estimate;
mod example;
mod export;
mod forget;
mod healthcheck;
mod log;
mod once;
mod output;
mod program;
mod progress;
mod selection;
mod serve;
mod signals;

use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::process::{ExitCode, exit};

use anyhow::{Context as _, anyhow, ensure};
use clap::builder::FalseyValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand, value_parser};

use environment::Variables;

use crate::config::{Config, ParseShardError, Shard, SourceConfig};
use crate::http::WebConfig;
use crate::store::PATIENCE;

pub use log::Log;
pub use output::is_reader_gone;

/// What to say where the system gives no thread.
const NO_THREADS: &str = "cannot start the threads that the program needs: the system allows no more of them \
    (ulimit -u, TasksMax of systemd, or the limit of the container on processes)";

/// The version and source revision that the program tells.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Set in the build of a release.
pub(crate) const REVISION: &str = match option_env!("IMSTATS_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// What `--version` tells.
fn version() -> &'static str {
    static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| match REVISION {
        "unknown" => VERSION.to_owned(),
        revision => format!("{VERSION} (revision {revision})"),
    });
    &TEXT
}

/// Prometheus exporter for the daily statistics of WeCom, WeCom KF, Tencent Cloud Desk and Feishu.
#[derive(Debug, Parser)]
#[command(name = "imstats_exporter", version = version(), disable_help_subcommand = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
    #[arg(skip)]
    variables: Variables,
}

const EXAMPLES: &str = "\
Try it without any account:
  imstats_exporter demo                       then open http://localhost:10101/
Run it:
  imstats_exporter check --config.file exporter.yaml
  imstats_exporter --config.file exporter.yaml

Each flag can also be set by its environment variable. A secret is best given to the configuration as {file: PATH}.";

/// What to do; without a command: serve.
#[derive(Debug, Subcommand)]
enum Command {
    /// Polls the platforms and serves /metrics (the default).
    Serve,
    /// Checks the configuration file, and says what polling it costs; exits with 1 if it has errors.
    Check(check::CheckArgs),
    /// Polls everything once and prints the page; exits with 1 if a source is not up. Keeps nothing.
    Once,
    /// Fetches the past days that the store lacks; may run beside the exporter, and again to go on where it stopped.
    Backfill(backfill::BackfillArgs),
    /// Writes past days out of the store, at the times when an exporter would have shown them.
    Export(export::ExportArgs),
    /// Deletes one person everywhere in the store, and says what else has copies; may run beside the exporter.
    Forget(forget::ForgetArgs),
    /// Polls and serves a simulated company: no account and no configuration needed.
    Demo(demo::DemoArgs),
    /// Runs only the simulated platforms, and prints the configuration that talks to them.
    Simulate(demo::SimulateArgs),
    /// Writes the built-in Grafana dashboards and Prometheus rules into a folder.
    Dashboards(dashboards::DashboardsArgs),
    /// Prints the commented example configuration, all of it or one platform's part.
    Example(example::ExampleArgs),
    /// Asks the running exporter whether it is ready, TLS or not; exits with 1 if it is not. For containers.
    Healthcheck,
    /// Prints the manual page, for `man -l -` or a file under man1.
    Man,
    /// Prints the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Flags of all commands")]
struct Flags {
    /// The configuration file (YAML; exporter.example.yaml has every key).
    #[arg(
        long = "config.file",
        env = "IMSTATS_CONFIG_FILE",
        default_value = "exporter.yaml",
        value_name = "FILE",
        global = true
    )]
    config_file: PathBuf,
    /// Where to listen, such as :10101, 127.0.0.1:10101 or [::1]:10101; may be given several times.
    #[arg(
        long = "web.listen-address",
        env = "IMSTATS_WEB_LISTEN_ADDRESS",
        default_value = ":10101",
        value_delimiter = ',',
        value_name = "ADDRESS",
        value_parser = address,
        global = true
    )]
    listen: Vec<String>,
    /// The path of the page for Prometheus.
    #[arg(
        long = "web.telemetry-path",
        env = "IMSTATS_WEB_TELEMETRY_PATH",
        default_value = "/metrics",
        value_name = "PATH",
        value_parser = telemetry_path,
        global = true
    )]
    telemetry_path: String,
    /// TLS and users, in the file format that all Prometheus exporters share.
    #[arg(long = "web.config.file", env = "IMSTATS_WEB_CONFIG_FILE", value_name = "FILE", global = true)]
    web_config: Option<PathBuf>,
    /// A name by which browsers and proxies may ask, besides localhost and addresses; may be given several times.
    /// Sockets on loopback refuse other names in any case, all sockets where this is given.
    #[arg(
        long = "web.allowed-host",
        env = "IMSTATS_WEB_ALLOWED_HOST",
        value_delimiter = ',',
        value_name = "NAME",
        value_parser = host_name,
        global = true
    )]
    allowed_hosts: Vec<String>,
    /// Logs which user read what, and failed logins.
    #[arg(
        long = "web.access-log",
        env = "IMSTATS_WEB_ACCESS_LOG",
        value_parser = FalseyValueParser::new(),
        global = true
    )]
    access_log: bool,
    /// Allows POST /-/reload.
    #[arg(
        long = "web.enable-lifecycle",
        env = "IMSTATS_WEB_ENABLE_LIFECYCLE",
        value_parser = FalseyValueParser::new(),
        global = true
    )]
    lifecycle: bool,
    /// The folder of the store; empty to keep everything in memory.
    #[arg(
        long = "storage.path",
        env = "IMSTATS_STORAGE_PATH",
        default_value = "data",
        value_name = "DIR",
        global = true
    )]
    storage_path: String,
    /// How long the store keeps days, such as 400d or 2y.
    #[arg(long = "storage.retention", env = "IMSTATS_STORAGE_RETENTION", default_value = "400d", value_name = "TIME", value_parser = days, global = true)]
    retention_days: u32,
    /// After how long without an answer the disk of the store counts as hanging, in seconds; for tests.
    #[arg(long = "storage.patience", default_value_t = PATIENCE.as_secs(), value_parser = value_parser!(u64).range(1..), hide = true, global = true)]
    storage_patience: u64,
    /// Only this share of the accounts: 0/3 for the first of three exporters with the same configuration.
    #[arg(long, env = "IMSTATS_SHARD", value_name = "I/N", value_parser = shard, global = true)]
    shard: Option<Shard>,
    /// What is logged: error, warn, info, debug or trace.
    #[arg(long = "log.level", env = "IMSTATS_LOG_LEVEL", default_value = "info", value_name = "LEVEL", value_parser = log::Level::read, global = true)]
    log_level: log::Level,
    /// How it is logged: logfmt or json.
    #[arg(
        long = "log.format",
        env = "IMSTATS_LOG_FORMAT",
        default_value = "logfmt",
        value_name = "FORMAT",
        value_parser = log::Format::read,
        global = true
    )]
    log_format: log::Format,
}

impl Flags {
    /// Loads the configuration file, and keeps the accounts of the shard.
    fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(&self.config_file)?;
        if let Some(shard) = self.shard {
            config = config.only(shard);
        }
        let needed = config.sources.iter().map(SourceConfig::days_in_use).max().unwrap_or(0);
        ensure!(
            self.retention_days >= needed,
            "--storage.retention: the configured sources show and fetch figures that are up to {needed}d old"
        );
        Ok(config)
    }

    /// The web configuration, or none.
    fn web(&self) -> anyhow::Result<WebConfig> {
        Ok(match &self.web_config {
            Some(path) => WebConfig::load(path).context("--web.config.file")?,
            None => WebConfig::open(),
        })
    }
}

/// Reads a name of `--web.allowed-host`.
fn host_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_plain = |c: char| c.is_alphanumeric() || "-._".contains(c);
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err("write the name alone, such as exporter.example: no scheme, port or path".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// Reads the share of the accounts.
fn shard(text: &str) -> Result<Shard, ParseShardError> {
    text.trim().parse()
}

/// Reads one of the addresses, which stand in a list in the variable.
fn address(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("an address is missing".to_owned()),
        address => Ok(address.to_owned()),
    }
}

/// Reads the path of the page: one that a request can have, and that nothing else answers.
fn telemetry_path(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\"<>".contains(&byte));
    if !text.starts_with('/') || !plain {
        return Err("write it as /metrics".to_owned());
    }
    let taken = ["/", "/status.css", "/api/v1/status"].contains(&text);
    if taken || text.starts_with("/-/") || text.starts_with("/dashboards/") {
        return Err("something else is served there".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads a number of days: `400d`, `52w` or `2y`.
fn days(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let days = match unit {
        "d" => 1,
        "w" => 7,
        "y" => 365,
        _ => return Err("write it as 400d, 52w or 2y".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| "write it as 400d, 52w or 2y".to_owned())?;
    match number.checked_mul(days) {
        Some(days @ 1..=36_500) => Ok(days),
        _ => Err("it must be from 1d to 100y".to_owned()),
    }
}

impl Cli {
    /// Reads the command line and the environment; where there is nothing to do or something wrong, ends the program.
    #[must_use]
    pub fn read() -> Self {
        environment::read(&std::env::args_os().collect::<Vec<_>>()).unwrap_or_else(|error| error.exit())
    }

    /// Starts the log that the flags ask for.
    ///
    /// # Errors
    /// Where the system gives no thread for it.
    pub fn start_log(&self) -> anyhow::Result<Log> {
        Log::start(self.flags.log_level, self.flags.log_format, self.variables.clone()).context(NO_THREADS)
    }

    /// Says why the program ends before there is a log.
    pub fn fail_without_log(&self, error: &anyhow::Error) {
        log::fail_without_log(self.flags.log_format, error);
    }

    /// A hook for panics while threads are started, that ends the program with words instead.
    pub fn end_at_panic(&self) -> Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync> {
        let format = self.flags.log_format;
        Box::new(move |_| {
            log::fail_without_log(format, &anyhow!(NO_THREADS));
            exit(1)
        })
    }

    /// Does what the command line says; the exit code says how it went.
    ///
    /// # Errors
    /// What stopped it, for people.
    pub async fn run(self, log: &Log) -> anyhow::Result<ExitCode> {
        signals::ignore_others();
        let command = self.command.unwrap_or(Command::Serve);
        // The others end in order, with what they have begun.
        if matches!(command, Command::Check(_) | Command::Once | Command::Export(_)) {
            signals::end_at_signals(log)?;
        }
        match command {
            Command::Serve => serve::serve(self.flags, log).await,
            Command::Check(args) => check::check(&self.flags, &args).await,
            Command::Once => once::once(&self.flags).await,
            Command::Backfill(args) => backfill::backfill(&self.flags, args).await,
            Command::Export(args) => export::export(&self.flags, args).await,
            Command::Forget(args) => forget::forget(&self.flags, args).await,
            Command::Demo(args) => demo::demo(self.flags, args, log).await,
            Command::Simulate(args) => demo::simulate(args).await,
            Command::Dashboards(args) => dashboards::dashboards(&args),
            Command::Example(args) => example::example(&args),
            Command::Healthcheck => healthcheck::healthcheck(&self.flags).await,
            Command::Man => {
                let mut page = Vec::new();
                clap_mangen::Man::new(Self::command()).render(&mut page)?;
                output::answer_with(&page)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "imstats_exporter", &mut script);
                output::answer_with(&script)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_page_has_a_path_of_its_own() {
        for good in ["/metrics", "/a/b-c_d.e"] {
            assert_eq!(telemetry_path(good).as_deref(), Ok(good));
        }
        for bad in ["", "metrics", "/a b", "/a?b", "/é", "/", "/-/healthy", "/api/v1/status", "/dashboards/x"] {
            assert!(telemetry_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_allowed_host_is_a_name_alone() {
        assert_eq!(host_name("Exporter.example").as_deref(), Ok("exporter.example"));
        for bad in ["", "http://a", "a:80", "a/b", "*", "*.a", "a b"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn retention_is_read_in_days_weeks_and_years() {
        assert_eq!((days("400d"), days("2w"), days("1y")), (Ok(400), Ok(14), Ok(365)));
        for bad in ["", "400", "0d", "d", "-1d", "101y", "4294967295y", "1天"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
