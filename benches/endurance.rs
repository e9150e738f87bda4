//! What a large company takes, and whether weeks leave anything behind: calls, time, processor, memory, files, store.
//!
//! `cargo bench --bench endurance [-- load | soak]`. The platforms, and 200 clients that scrape, are another process:
//! what is measured is the exporter alone. Its clock runs fifty or a thousand times as fast while calls are
//! under way, and leaps ahead when there is nothing to do.

mod endurance {
    pub(crate) mod outside;
}

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use endurance::outside;
use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Clock, Day, Days};
use imstats_exporter::http::{App, WebConfig, bind};
use imstats_exporter::poller::{Context, Poller, keep_house};
use imstats_exporter::source::apis;
use imstats_exporter::store::Store;
use imstats_exporter::telemetry::{Outcome, SourceStatus, Telemetry};
use jiff::{SignedDuration, Timestamp};
use procfs::process::Process;
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Ten in the morning in China: the day before is ready at every platform.
const START: &str = "2026-11-20T02:00:00Z";
const SCRAPERS: usize = 200;
/// How long there has been no call when the clock leaps.
const IDLE: Duration = Duration::from_millis(100);
/// The same of a company whose rounds take that long to begin.
const IDLE_LARGE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(5);
/// How far it leaps at a tick where there have been none for a while.
const LEAP: SignedDuration = SignedDuration::from_mins(5);

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    // As the program has it: each further thread would have memory of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(4).build()?;
    if let [word, users] = words.as_slice()
        && word == "platforms"
    {
        return runtime.block_on(outside::run(users.parse()?, START.parse()?));
    }
    let wants = |word: &str| words.is_empty() || words[0] == word;
    if wants("load") {
        runtime.block_on(load())?;
    }
    if wants("soak") {
        runtime.block_on(soak())?;
    }
    Ok(())
}

/// The exporter, polling and serving, and the world outside.
struct Stage {
    context: Context,
    sources: Vec<SourceConfig>,
    poller: Poller,
    outside: Child,
    words: ChildStdin,
    folder: tempfile::TempDir,
    end: CancellationToken,
    /// How many times as fast the clock runs while calls are under way.
    haste: i32,
    /// When it leaps.
    idle: Duration,
    calls: u64,
    /// When the last call ended.
    busy: Instant,
}

impl Stage {
    async fn new(users: u32, retention_days: u32, (haste, idle): (i32, Duration)) -> Result<Self, Failure> {
        let mut outside = Command::new(std::env::current_exe()?)
            .args(["platforms", &users.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut words = outside.stdin.take().ok_or("no standard input")?;
        let text = outside::configuration(outside.stdout.take().ok_or("no standard output")?)?;
        let sources = Config::parse(&text.replace("poll_interval: 10s", "poll_interval: 10m"), "bench")?.sources;
        let folder = tempfile::tempdir()?;
        let clock = Clock::manual(START.parse()?);
        let telemetry = Telemetry::with_clock("bench", "bench", clock.clone());
        let store = Store::open(Some(folder.path()), &apis())?.store;
        let context = Context::new(store, telemetry, clock, Duration::from_secs(1));
        let end = CancellationToken::new();
        let bound = bind(&["127.0.0.1:0".to_owned()]).await?;
        writeln!(words, "scrape {SCRAPERS} {}", bound.addresses().first().ok_or("no address")?)?;
        let app = App {
            exposition: context.exposition.clone(),
            web: WebConfig::open(),
            access: imstats_exporter::http::Access::default(),
            telemetry: context.telemetry.clone(),
            telemetry_path: "/metrics".into(),
            ready: Arc::new(AtomicBool::new(true)),
            reload: None,
            dashboards: &[],
            clock: Clock::system(),
        };
        let poller = Poller::start(context.clone(), sources.clone()).await?;
        tokio::spawn(bound.serve(app, end.clone()));
        tokio::spawn(keep_house(context.clone(), retention_days, end.clone()));
        Ok(Self { context, sources, poller, outside, words, folder, end, haste, idle, calls: 0, busy: Instant::now() })
    }

    /// Lets time pass until `latest`.
    async fn run_to(&mut self, latest: Timestamp) -> Result<(), Failure> {
        while self.context.clock.now() < latest {
            self.tick(latest).await?;
        }
        Ok(())
    }

    /// Lets time pass until all sources show their target days whole, which must be before `latest`; gives what each
    /// says at that moment, and how many calls of its API were answered by then.
    async fn settle(&mut self, latest: Timestamp) -> Result<Vec<(SourceConfig, SourceStatus, u64)>, Failure> {
        let mut settled_sources: Vec<(SourceConfig, SourceStatus, u64)> = Vec::new();
        loop {
            self.tick(latest).await?;
            let (all, now) = (self.context.telemetry.sources(), self.context.clock.now());
            for config in &self.sources {
                let api = config.source.api();
                if settled_sources.iter().any(|(known, ..)| known.source.api().name == api.name) {
                    continue;
                }
                let day = config.schedule.target_day(now);
                let status = all.iter().find(|(source, _, status)| *source == api.name && settled(status, day));
                if let Some((_, _, status)) = status {
                    settled_sources.push((config.clone(), status.clone(), self.answered(api.path)));
                }
            }
            if settled_sources.len() == self.sources.len() {
                return Ok(settled_sources);
            }
            if now >= latest {
                return Err(format!("not settled by {latest}: {all:#?}").into());
            }
        }
    }

    async fn tick(&mut self, latest: Timestamp) -> Result<(), Failure> {
        let began = Instant::now();
        tokio::time::sleep(TICK).await;
        let calls = self.calls();
        if calls != self.calls {
            (self.calls, self.busy) = (calls, Instant::now());
        }
        let pending = |(_, _, status): &(_, _, SourceStatus)| status.targets.pending > 0;
        let busy = self.busy.elapsed() < self.idle || self.context.telemetry.sources().iter().any(pending);
        let step = if busy { SignedDuration::try_from(began.elapsed().min(4 * TICK))? * self.haste } else { LEAP };
        let now = self.context.clock.now().saturating_add(step)?.min(latest);
        // Those outside first: a token must not be of the future.
        writeln!(self.words, "time {}", now.as_millisecond())?;
        self.context.clock.set(now);
        Ok(())
    }

    fn calls(&self) -> u64 {
        self.context.telemetry.requests("acme").values().sum()
    }

    /// The calls of a statistics API that were answered.
    fn answered(&self, api: &str) -> u64 {
        let begin = format!("imstats_api_requests_total{{account=\"acme\",api=\"{api}\",outcome=\"ok\"}} ");
        let page = self.context.telemetry.render();
        page.lines().find_map(|line| line.strip_prefix(&begin)?.parse().ok()).unwrap_or(0)
    }

    async fn end(mut self) -> Result<(), Failure> {
        self.end.cancel();
        self.poller.stop().await;
        self.outside.kill()?;
        self.outside.wait()?;
        self.folder.close()?;
        Ok(())
    }
}

/// What the process has taken so far.
struct Taken {
    calls: u64,
    throttled: u64,
    at: Timestamp,
    cpu: f64,
}

impl Taken {
    fn now(stage: &Stage) -> Result<Self, Failure> {
        let requests = stage.context.telemetry.requests("acme");
        let stat = Process::myself()?.stat()?;
        Ok(Self {
            calls: requests.values().sum(),
            throttled: requests[&Outcome::Throttled],
            at: stage.context.clock.now(),
            cpu: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
        })
    }

    /// Says what has been taken since, and lets the peak of memory begin anew.
    fn since(&mut self, stage: &Stage, phase: &str) -> Result<(), Failure> {
        let now = Self::now(stage)?;
        let time = now.at.duration_since(self.at);
        show(&format!(
            "{phase:<22} {:>7} calls ({} refused as too many) in {:>3} h {:02} min, {:>5.1} s of CPU, at most {:>4.0} MB, then {:.0}",
            now.calls - self.calls,
            now.throttled - self.throttled,
            time.as_hours(),
            time.as_mins() % 60,
            now.cpu - self.cpu,
            memory("VmHWM")?,
            memory("VmRSS")?,
        ));
        std::fs::write("/proc/self/clear_refs", "5")?;
        *self = now;
        Ok(())
    }
}

/// Whether it shows `day` whole.
fn settled(source: &SourceStatus, day: Day) -> bool {
    let asked = source.targets.pending + source.targets.failed == 0 && source.last_round.is_some();
    asked && source.shown.is_some_and(|(shown, _)| shown == day)
}

/// A large company for two days, under the platforms' limits.
async fn load() -> Result<(), Failure> {
    const USERS: u32 = 60_000;
    let mut stage = Stage::new(USERS, 400, (50, IDLE_LARGE)).await?;
    show(&format!("a company of {USERS}, {SCRAPERS} scrapers"));
    std::fs::write("/proc/self/clear_refs", "5")?;
    let mut taken = Taken::now(&stage)?;
    let start: Timestamp = START.parse()?;
    let hours = |hours| start.saturating_add(SignedDuration::from_hours(hours));
    let first = stage.settle(hours(13)?).await?;
    taken.since(&stage, "first round")?;
    for (config, status, calls) in first {
        let (api, targets) = (config.source.api(), status.targets);
        let rate = config.account.rate(api.path);
        let seconds = status.round_duration.unwrap_or_default().as_secs_f64();
        let permitted = f64::from(rate.calls) / rate.per.as_secs_f64() * seconds;
        show(&format!(
            "  {:<22} {:>6} targets, {:>7} series, {calls:>6} calls in {:>5.1} min: {:.2} of the rate in use",
            api.name,
            targets.ok + targets.no_data + targets.refused,
            status.series,
            seconds / 60.0,
            calls as f64 / permitted
        ));
    }
    stage.run_to(hours(13)?).await?;
    taken.since(&stage, "refreshes of the day")?;
    stage.run_to(hours(21)?).await?;
    stage.settle(hours(30)?).await?;
    taken.since(&stage, "second day")?;
    show(&format!("  the store has {:.0} MB", stage.context.store.size_bytes() as f64 / 1e6));
    stage.end().await
}

/// Weeks of a company of 300.
async fn soak() -> Result<(), Failure> {
    const WEEKS: i64 = 8;
    const RETENTION: u32 = 21;
    let mut stage = Stage::new(300, RETENTION, (1000, IDLE)).await?;
    show(&format!("a company of 300, {SCRAPERS} scrapers, {RETENTION} days of retention"));
    show("week  calls   memory  files  threads  store    days  series");
    let mut seen = Vec::new();
    for week in 1..=WEEKS {
        let start: Timestamp = START.parse()?;
        stage.run_to(start.saturating_add(SignedDuration::from_hours(week * 7 * 24))?).await?;
        let process = Process::myself()?;
        let (files, threads) = (process.fd_count()?, process.stat()?.num_threads);
        let all = Days { first: "2026-01-01".parse::<Day>()?, last: "2028-01-01".parse()? };
        let days = stage.context.store.answered_days("wecom_contact", "acme", all)?.len();
        let series: usize = stage.context.telemetry.sources().iter().map(|(_, _, status)| status.series).sum();
        let (memory, store) = (memory("VmRSS")?, stage.context.store.size_bytes() as f64 / 1e6);
        show(&format!(
            "{week:>4}  {:>6}  {memory:>5.1}M  {files:>5}  {threads:>7}  {store:>5.1}M  {days:>5}  {series:>6}",
            stage.calls()
        ));
        seen.push((memory, files, store, days));
    }
    let statuses = stage.context.telemetry.sources();
    stage.end().await?;
    if let Some((source, ..)) = statuses.iter().find(|(_, _, status)| !status.up || status.shown != status.target) {
        return Err(format!("{source} is behind").into());
    }
    // By then the retention has been reached, and every kind of round has been made.
    let half = seen.len() / 2;
    let ((before, after), most) = (seen.split_at(half), RETENTION as usize + 1);
    let largest = |part: &[(f64, usize, f64, usize)], of: fn(&(f64, usize, f64, usize)) -> f64| {
        part.iter().map(of).fold(0.0, f64::max)
    };
    for (what, of) in
        [("memory", (|s| s.0) as fn(&(f64, usize, f64, usize)) -> f64), ("files", |s| s.1 as f64), ("store", |s| s.2)]
    {
        let growth = largest(after, of) / largest(before, of);
        show(&format!("{what}: {growth:.2} times the first half's peak in the second half"));
        if growth > 1.15 {
            return Err(format!("{what} grows").into());
        }
    }
    match after.iter().find(|(.., days)| *days > most) {
        Some(_) => Err("the retention is not kept".into()),
        None => Ok(()),
    }
}

/// A size of this process, in MB.
fn memory(name: &str) -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).ok_or("no such size")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1e3)
}

#[expect(clippy::print_stdout, reason = "the figures are the answer")]
fn show(line: &str) {
    println!("{line}");
}
