//! The program `imstats_exporter`.

use std::num::NonZero;
use std::panic::{set_hook, take_hook};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use imstats_exporter::cli::{Cli, Log, is_reader_gone};
use tokio::runtime::{Builder, Runtime};

/// Threads for the disk, compression and look-ups of names: each costs a megabyte, as the allocator gives it a pool of
/// its own, and the store takes one call after the other anyway.
const BLOCKING_THREADS: usize = 4;

/// Threads for all else, on a machine that has so many cores: two of them serve more scrapes than anybody makes.
const MOST_WORKER_THREADS: usize = 4;

const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 100);

/// How long threads may take to end when all is done.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::read();
    let (runtime, log) = match runtime(&cli).and_then(|runtime| Ok((runtime, cli.start_log()?))) {
        Ok(both) => both,
        Err(error) => {
            cli.fail_without_log(&error);
            return ExitCode::FAILURE;
        }
    };
    let code = run(cli, runtime, &log);
    log.finish();
    code
}

fn run(cli: Cli, runtime: Runtime, log: &Log) -> ExitCode {
    let done = runtime.block_on(cli.run(log));
    // Threads that still block, such as on a name server, are abandoned.
    runtime.shutdown_timeout(LAST_WAIT);
    match done {
        Ok(code) => code,
        // 128 + 13, as if SIGPIPE had ended the program.
        Err(error) if is_reader_gone(&error) => ExitCode::from(141),
        Err(error) => {
            log.fail(&error);
            ExitCode::FAILURE
        }
    }
}

/// The threads that `cli` works with, at least one of each kind; without them the program ends here.
fn runtime(cli: &Cli) -> anyhow::Result<Runtime> {
    let workers = available_parallelism().map_or(1, NonZero::get).min(MOST_WORKER_THREADS);
    let mut builder = Builder::new_multi_thread();
    // Threads that were made stay: where the machine has none left, work goes on with these.
    builder.enable_all().worker_threads(workers).max_blocking_threads(BLOCKING_THREADS).thread_keep_alive(FOR_EVER);
    let usual = take_hook();
    // The runtime panics where the system gives no thread. Unwinding would then wait for ever for those that it has.
    set_hook(cli.end_at_panic());
    let runtime = builder.build()?;
    // The first thread for the disk: as there is one, all such work gets its turn.
    runtime.block_on(async { tokio::task::spawn_blocking(|| ()).await })?;
    set_hook(usual);
    Ok(runtime)
}
