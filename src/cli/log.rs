//! Logs, and remarks of commands, to standard error; the program never waits for their reader.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write, stderr};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::ValueEnum;
use tracing::Level as Severity;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::environment::{Variables, named};
use queue::Queue;

/// The target of what commands say beside their answer; as plain text where the format is for people.
pub(super) const REMARK: &str = "remark";

/// How long the end of the program waits for the last lines, where nothing reads them.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Level {
    Error,
    #[value(alias = "warning")]
    Warn,
    Info,
    Debug,
    Trace,
}

/// How it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Logfmt,
    Json,
}

impl Level {
    /// Reads a level, in any case; `warning` is `warn`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        Self::from_str(text.trim(), true).map_err(|_| "write error, warn, info, debug or trace".to_owned())
    }
}

impl Format {
    /// Reads a format, in any case.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        Self::from_str(text.trim(), true).map_err(|_| "write logfmt or json".to_owned())
    }
}

/// The running log. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct Log {
    queue: Queue,
    format: Format,
    /// What sets flags, for the fatal line.
    variables: Variables,
}

impl Log {
    /// Starts logging. From now on a panic is a line of the log, too.
    ///
    /// # Errors
    /// Where the system gives no thread that could write lines.
    pub(super) fn start(level: Level, format: Format, variables: Variables) -> io::Result<Self> {
        let level = match level {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        };
        let queue = Queue::start()?;
        // Libraries log what passes through them, which has URLs and headers with tokens in it.
        let filter = Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            // It logs as an error what we tell of the exchange that failed.
            .with_target("rustls_platform_verifier", LevelFilter::OFF)
            .with_target("imstats_exporter", level);
        let remarks = Targets::new().with_target(REMARK, Severity::INFO);
        let layers = match format {
            Format::Logfmt => vec![
                tracing_logfmt::builder()
                    .with_target(false)
                    .layer()
                    .with_writer(queue.clone())
                    .with_filter(filter.with_target(REMARK, LevelFilter::OFF))
                    .boxed(),
                tracing_subscriber::fmt::layer()
                    .without_time()
                    .with_level(false)
                    .with_target(false)
                    .with_ansi(false)
                    .with_writer(queue.clone())
                    .with_filter(remarks)
                    .boxed(),
            ],
            Format::Json => vec![
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(queue.clone())
                    .with_filter(filter.with_target(REMARK, Severity::INFO))
                    .boxed(),
            ],
        };
        let _ = tracing_subscriber::registry().with(layers).try_init();
        // The usual report would wait for the reader of standard error.
        panic::set_hook(Box::new(|panic| {
            let backtrace = Backtrace::capture();
            match backtrace.status() {
                BacktraceStatus::Captured => tracing::error!(%backtrace, "{panic}"),
                _ => tracing::error!("{panic}"),
            }
        }));
        Ok(Self { queue, format, variables })
    }

    /// The number of lines that nothing read, and that were dropped.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        self.queue.dropped()
    }

    /// Says why the program ends.
    pub fn fail(&self, error: &anyhow::Error) {
        // Each cause says more; none repeats another.
        let text = named(format!("{error:#}"), &self.variables);
        match self.format {
            Format::Json => tracing::error!("{text}"),
            Format::Logfmt => tracing::info!(target: REMARK, "imstats_exporter: {text}"),
        }
    }

    /// Waits until all lines are written; where nothing reads them, not for long.
    pub fn finish(&self) {
        self.queue.drain(LAST_LINES);
    }
}

/// Says why the program ends before there is a log. Without a reader it is lost.
pub(super) fn fail_without_log(format: Format, error: &anyhow::Error) {
    let text = format!("{error:#}");
    let _ = match format {
        Format::Json => {
            let timestamp = jiff::Timestamp::now().to_string();
            let line = serde_json::json!({ "timestamp": timestamp, "level": "ERROR", "message": text });
            writeln!(stderr(), "{line}")
        }
        Format::Logfmt => writeln!(stderr(), "imstats_exporter: {text}"),
    };
}
