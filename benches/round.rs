//! How fast a round asks.
//!
//! `cargo bench --bench round [-- rounds | limit]`. Rounds are compared, in one run, with a bare
//! reqwest loop of the same concurrency that throws the answers away.

#![expect(clippy::print_stdout, reason = "the figures are the answer")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Clock, Day};
use imstats_exporter::poller::{Context, Worker};
use imstats_exporter::simulator::{Options, Simulator};
use imstats_exporter::source::apis;
use imstats_exporter::store::Store;
use imstats_exporter::telemetry::Telemetry;
use procfs::process::Process;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const USERS: u32 = 10_000;
const CONCURRENCY: usize = 16;
const STATISTICS: &str = "externalcontact/get_user_behavior_data";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // An error would mean that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wants = |word: &str| words.is_empty() || words[0] == word;
    if wants("rounds") {
        rounds().await?;
    }
    if wants("limit") {
        limit().await?;
    }
    Ok(())
}

/// Polls contact users only, at `rate`.
fn config(simulator: &Simulator, rate: &str) -> Result<SourceConfig, Failure> {
    let company = simulator.company();
    let text = format!(
        "wecom: [{{account: acme, corp_id: {}, secret: \"{}\", base_url: \"{}\", \
         contact: {{users: all, rate_limit: {rate}, concurrency: {CONCURRENCY}}}}}]",
        company.corp_id,
        company.secret,
        simulator.base_url()
    );
    Config::parse(&text, "bench")?.sources.into_iter().next().ok_or_else(|| "no source".into())
}

fn context(store: Store) -> Context {
    let clock = Clock::system();
    let telemetry = Telemetry::with_clock("bench", "bench", clock.clone());
    Context::new(store, telemetry, clock, Duration::from_secs(1))
}

/// The calls of one round, with the store in a file or in memory.
async fn our_round(config: SourceConfig, in_file: bool) -> Result<usize, Failure> {
    let folder = tempfile::tempdir()?;
    let context = context(Store::open(in_file.then(|| folder.path()), &apis())?.store);
    let now = context.clock.now();
    let mut worker = Worker::new(context.clone(), config, now);
    worker.wake().await?;
    let status = context.telemetry.sources().pop().ok_or("no status")?.2;
    if status.targets.failed > 0 || status.targets.pending > 0 {
        return Err(format!("the round was not whole: {status:?}").into());
    }
    Ok(status.targets.ok + status.targets.no_data)
}

/// The same calls without doing anything with the answers.
async fn bare_round(simulator: Arc<Simulator>, day: Day) -> Result<usize, Failure> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let (base, company) = (simulator.base_url(), simulator.company());
    let url = format!("{base}/cgi-bin/gettoken?corpid={}&corpsecret={}", company.corp_id, company.secret);
    let token: Value = http.get(url).send().await?.json().await?;
    let token = token["access_token"].as_str().ok_or("no token")?;
    let url = Arc::new(format!("{base}/cgi-bin/{STATISTICS}?access_token={token}"));
    let zone = imstats_exporter::day::Zone::china();
    let (start, end) = (day.plus(-2).midnight(&zone).as_second(), day.midnight(&zone).as_second());
    let slots = Arc::new(Semaphore::new(CONCURRENCY));
    let mut calls = JoinSet::new();
    let mut count = 0;
    for user in company.follow_users() {
        let body = json!({"userid": [user.userid], "start_time": start, "end_time": end});
        let (http, url, slot) = (http.clone(), Arc::clone(&url), Arc::clone(&slots).acquire_owned().await?);
        count += 1;
        calls.spawn(async move {
            let answer = http.post(url.as_str()).json(&body).send().await?.bytes().await;
            drop(slot);
            answer.map(|_| ())
        });
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }
    Ok(count)
}

/// What a round of calls takes.
struct Took {
    calls: usize,
    seconds: f64,
    /// Microseconds of processor time for each call, the simulator's among them.
    cpu: f64,
}

/// Measures `round` in a task, as the program runs it.
async fn measure(round: impl Future<Output = Result<usize, Failure>> + Send + 'static) -> Result<Took, Failure> {
    let (before, started) = (cpu_seconds()?, Instant::now());
    let calls = tokio::spawn(round).await??;
    let cpu = (cpu_seconds()? - before) * 1e6 / calls as f64;
    Ok(Took { calls, seconds: started.elapsed().as_secs_f64(), cpu })
}

fn cpu_seconds() -> Result<f64, Failure> {
    let stat = Process::myself()?.stat()?;
    Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

fn local() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

async fn rounds() -> Result<(), Failure> {
    let options = Options { enforce_limits: false, ..Options::new(USERS, Clock::system()) };
    let simulator = Arc::new(Simulator::start(local(), options).await?);
    let config = config(&simulator, "1000000/s")?;
    let day = config.schedule.target_day(Clock::system().now());
    let (mut bare, mut ours, mut in_memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        bare.push(measure(bare_round(Arc::clone(&simulator), day)).await?);
        ours.push(measure(our_round(config.clone(), true)).await?);
        in_memory.push(measure(our_round(config.clone(), false)).await?);
    }
    println!("{USERS} users, {CONCURRENCY} calls at once");
    let pace = |took: &[Took]| median(took.iter().map(|took| took.calls as f64 / took.seconds).collect());
    for (name, took) in [("bare loop", &bare), ("round", &ours), ("round, store in memory", &in_memory)] {
        let cpu = median(took.iter().map(|took| took.cpu).collect());
        let ratio = pace(took) / pace(&bare);
        println!("{name}: {:.0} calls/s, ratio {ratio:.2}; {cpu:.0} us of CPU a call with the simulator's", pace(took));
    }
    Ok(())
}

async fn limit() -> Result<(), Failure> {
    const PERMITTED: u32 = 6000;
    let options = Options { calls_per_minute: Some(PERMITTED), ..Options::new(7500, Clock::system()) };
    let simulator = Simulator::start(local(), options).await?;
    // A burst of one second, and a rate that leaves room for it in the platform's minute.
    let Took { calls, seconds, .. } = measure(our_round(config(&simulator, "5880/m")?, true)).await?;
    let used = calls as f64 / seconds * 60.0 / f64::from(PERMITTED);
    let refused = simulator.log().iter().filter(|call| call.refused.is_some()).count();
    println!(
        "permitted {PERMITTED} calls a minute: {calls} calls in {seconds:.1} s, {used:.3} of it used, {refused} refused"
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
