//! The program `imstats_exporter`.

use std::io::{Write, stderr};
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use imstats_exporter::cli::{Cli, is_reader_gone};
use tokio::runtime::Builder;

/// Threads for the disk, compression and look-ups of names: each costs a megabyte, as the allocator gives it a pool of
/// its own, and the store takes one call after the other anyway.
const BLOCKING_THREADS: usize = 4;

/// Threads for all else, on a machine that has so many cores: two of them serve more scrapes than anybody makes.
const MOST_WORKER_THREADS: usize = 4;

const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 100);

/// How long threads may take to end when all is done.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let workers = available_parallelism().map_or(1, NonZero::get).min(MOST_WORKER_THREADS);
    let mut builder = Builder::new_multi_thread();
    // Threads that were made stay: where the machine has none left, work goes on with these.
    builder.enable_all().worker_threads(workers).max_blocking_threads(BLOCKING_THREADS).thread_keep_alive(FOR_EVER);
    let done = builder.build().map_err(Into::into).and_then(|runtime| {
        let done = runtime.block_on(cli.run());
        // What still waits, such as a name that nobody looks up, is not waited for.
        runtime.shutdown_timeout(LAST_WAIT);
        done
    });
    match done {
        Ok(code) => code,
        // As of a program that SIGPIPE ended.
        Err(error) if is_reader_gone(&error) => ExitCode::from(141),
        Err(error) => {
            // Each cause says more; none repeats another. Where nobody reads it, it is lost.
            let _ = writeln!(stderr(), "imstats_exporter: {error:#}");
            ExitCode::FAILURE
        }
    }
}
