//! `demo` and `simulate`: the platforms simulated.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::output::{answer, answer_with};
use super::signals::EndSignals;
use super::{Flags, Log, program, serve};
use crate::config::Config;
use crate::day::Clock;
use crate::http::bind;
use crate::simulator::{Effect, Fault, Options, Simulator};
use crate::store::PATIENCE;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// How many people the simulated company has.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(4..=100_000))]
    users: u32,
    /// Another seed makes other figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lets a platform refuse: wecom=60020, feishu=99991672, kf/account/list=48002; may be given several times.
    #[arg(long = "fault", value_name = "API=CODE", value_parser = fault)]
    faults: Vec<Fault>,
}

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    #[command(flatten)]
    demo: DemoArgs,
    /// Where the simulated platforms listen.
    #[arg(long = "listen", default_value = "127.0.0.1:10102", value_name = "ADDRESS")]
    address: SocketAddr,
    /// Leaves the platforms' rate limits out.
    #[arg(long)]
    no_limits: bool,
}

/// Reads `API=CODE`.
fn fault(text: &str) -> Result<Fault, String> {
    let (api, code) =
        text.split_once('=').ok_or("write an API's path or a platform, `=`, and the platform's error code")?;
    if !Fault::names().any(|known| known == api) {
        let known: Vec<_> = Fault::names().collect();
        return Err(format!("there is no `{api}`; there are {}", known.join(", ")));
    }
    let code = code.parse().map_err(|_| "the platform's error code is a whole number")?;
    Ok(Fault::on(api, Effect::Refuse(code)))
}

/// The simulated platforms on `address`.
async fn start(args: DemoArgs, address: SocketAddr, limits: bool) -> anyhow::Result<Simulator> {
    let options = Options { seed: args.seed, enforce_limits: limits, ..Options::new(args.users, Clock::system()) };
    let simulator = Simulator::start(address, options).await.with_context(|| format!("cannot listen on {address}"))?;
    for fault in args.faults {
        simulator.faults().add(fault);
    }
    Ok(simulator)
}

/// Serves a simulated company.
pub(super) async fn demo(flags: Flags, args: DemoArgs, log: &Log) -> anyhow::Result<ExitCode> {
    let users = args.users;
    // The platforms' limits would make a demonstration slow, and teach nothing.
    let simulator = start(args, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), false).await?;
    let config = Config::parse(&simulator.configuration(), "the demo's configuration")?;
    // It starts anew each time: another number of users is another company.
    let context = program::assemble("", PATIENCE)?;
    let bound = bind(&flags.listen).await.context("cannot listen (--web.listen-address)")?;
    let port = bound.addresses().first().map_or(0, SocketAddr::port);
    answer(format_args!(
        "A company of {} people, with simulated platforms. Nothing is kept when this program ends.\n\n  \
         http://localhost:{port}/          the status of each source\n  \
         http://localhost:{port}{}   what Prometheus scrapes\n",
        users, flags.telemetry_path
    ))?;
    context.telemetry.count_dropped_log_lines(log.dropped());
    serve::run(flags, context, bound, config.sources, false).await
}

/// Serves the simulated platforms alone.
pub(super) async fn simulate(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    let mut ending = EndSignals::listen()?;
    let simulator = start(args.demo, args.address, !args.no_limits).await?;
    answer(format_args!(
        "# The platforms are simulated on {}. This configuration talks to them:",
        simulator.base_url()
    ))?;
    answer_with(simulator.configuration().as_bytes())?;
    ending.wait().await;
    for (api, calls) in simulator.calls() {
        answer(format_args!("# {calls:>8} calls of {api}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
