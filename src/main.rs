//! The program `imstats_exporter`.

use std::process::ExitCode;

use clap::Parser;
use imstats_exporter::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run().await {
        Ok(code) => code,
        Err(error) => {
            // Each cause says more; none repeats another.
            #[expect(clippy::print_stderr, reason = "logs are for the running program, this is for who started it")]
            {
                eprintln!("imstats_exporter: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
