//! An exporter and the platforms it polls, in one process, at a time that the test sets.

use std::collections::BTreeMap;
use std::time::Duration;

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Clock, Day, Days, Zone};
use imstats_exporter::exposition::Format;
use imstats_exporter::platform::Call;
use imstats_exporter::poller::{Context, Worker};
use imstats_exporter::simulator::{Company, Credential, Effect, Fault, LoggedCall, Options, Simulator};
use imstats_exporter::source::{Directory, apis};
use imstats_exporter::store::Store;
use imstats_exporter::telemetry::{SourceStatus, Telemetry};
use jiff::Timestamp;
use tempfile::TempDir;

pub(crate) use crate::page::{Page, written};
pub(crate) use crate::served::Served;

/// The APIs, as the simulator counts them.
pub(crate) const GETTOKEN: &str = "gettoken";
pub(crate) const CONTACT: &str = "externalcontact/get_user_behavior_data";
pub(crate) const OWNERS: &str = "externalcontact/groupchat/statistic";
pub(crate) const TEAMS: &str = "externalcontact/groupchat/statistic_group_by_day";
pub(crate) const FOLLOW: &str = "externalcontact/get_follow_user_list";
pub(crate) const KF: &str = "kf/get_servicer_statistic";
pub(crate) const DESK: &str = "desk_http_svc/describe_agent_statistics";
pub(crate) const TENANT_TOKEN: &str = "auth/v3/tenant_access_token/internal";
pub(crate) const PUSH: &str = "application/v6/applications/:app_id/app_usage/message_push_overview";
pub(crate) const CHILDREN: &str = "contact/v3/departments/:department_id/children";

/// Nothing here takes longer by the real clock.
const PATIENCE: Duration = Duration::from_secs(30);

/// An instant in China, such as `2026-11-20T06:00:00`.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("{time}+08:00").parse().unwrap()
}

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The seconds since the epoch of a day's midnight in China.
pub(crate) fn midnight(text: &str) -> i64 {
    day(text).midnight(&Zone::china()).as_second()
}

/// The first call that `config` makes for 19 November.
pub(crate) fn first_call(config: &SourceConfig) -> Call {
    let targets = config.targets(&Directory::new());
    config.source.calls(&[&targets[0]], Days::one(day("2026-11-19")), &config.schedule.zone).remove(0)
}

/// The simulated platforms, and an exporter that asks them.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    /// The clock of both; the exporter's own where a test wants one that is wrong.
    pub(crate) clock: Clock,
    pub(crate) context: Context,
    pub(crate) workers: Vec<Polled>,
    yaml: String,
    folder: TempDir,
}

/// A worker, and whom it polls.
pub(crate) struct Polled {
    pub(crate) source: &'static str,
    worker: Worker,
    /// When it wants to wake; `None` before its first time.
    next: Option<Timestamp>,
}

impl Polled {
    async fn wake(&mut self) {
        self.next = Some(soon(self.worker.wake()).await.unwrap());
    }
}

impl Stage {
    /// A company of 40 and an exporter with the configuration `yaml`, at `time` in China.
    ///
    /// In `yaml` stand `$wecom`, `$desk`, `$feishu` and `$kf_secret` for accounts and secrets; limits are out of the way.
    pub(crate) async fn new(time: &str, yaml: &str) -> Self {
        Self::of(40, time, yaml).await
    }

    pub(crate) async fn of(users: u32, time: &str, yaml: &str) -> Self {
        Self::with(users, time, |simulator| filled(yaml, simulator)).await
    }

    /// The same with a configuration that may have seen the simulator.
    pub(crate) async fn with(users: u32, time: &str, yaml: impl FnOnce(&Simulator) -> String) -> Self {
        let options = Options { enforce_limits: false, ..Options::new(users, Clock::manual(at(time))) };
        Self::with_options(options, yaml).await
    }

    /// The same with platforms as strict as the test wants them.
    pub(crate) async fn with_options(options: Options, yaml: impl FnOnce(&Simulator) -> String) -> Self {
        let clock = options.clock.clone();
        let simulator = Simulator::start("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
        let folder = TempDir::new().unwrap();
        let yaml = yaml(&simulator);
        let context = assemble(&clock, &folder);
        let mut stage = Self { simulator, clock, context, workers: Vec::new(), yaml, folder };
        stage.raise().await;
        stage
    }

    /// Makes the workers, which show what the store has.
    async fn raise(&mut self) {
        let started = self.clock.now();
        for config in self.sources() {
            let source = config.source.api().name;
            let mut worker = Worker::new(self.context.clone(), config, started);
            worker.restore().await.unwrap();
            self.workers.push(Polled { source, worker, next: None });
        }
    }

    /// What the configuration says.
    pub(crate) fn sources(&self) -> Vec<SourceConfig> {
        Config::parse(&self.yaml, "exporter.yaml").unwrap_or_else(|error| panic!("{error}")).sources
    }

    /// The exporter dies and is started again: only its store is left.
    pub(crate) async fn restart(&mut self) {
        self.workers.clear();
        // The old store lets go of the file when its last answer is written.
        self.context = assemble(&self.clock, &self.folder);
        self.raise().await;
    }

    /// The same after `change` to the file of the store, which nothing has open meanwhile.
    pub(crate) async fn restart_from(&mut self, change: impl FnOnce(&rusqlite::Connection)) {
        self.workers.clear();
        self.context = Context::new(
            Store::open(None, &apis()).unwrap().store,
            Telemetry::with_clock("0.0.0", "test", self.clock.clone()),
            self.clock.clone(),
            Duration::from_millis(1),
        );
        change(&self.other_connection());
        self.restart().await;
    }

    /// The same with another configuration.
    pub(crate) async fn restart_with(&mut self, yaml: &str) {
        self.configure(yaml);
        self.restart().await;
    }

    /// Writes another configuration, which nobody has read yet.
    pub(crate) fn configure(&mut self, yaml: &str) {
        self.yaml = filled(yaml, &self.simulator);
    }

    pub(crate) fn replace_in_configuration(&mut self, old: &str, new: &str) {
        self.yaml = self.yaml.replace(old, new);
    }

    /// Gives the exporter another clock than the platforms'.
    pub(crate) async fn move_to(&mut self, clock: &Clock) {
        self.workers.clear();
        self.context = assemble(clock, &self.folder);
        self.raise().await;
    }

    pub(crate) fn set(&self, time: &str) {
        self.clock.set(at(time));
    }

    /// Sets the time, and wakes every source.
    pub(crate) async fn wake_at(&mut self, time: &str) {
        self.set(time);
        self.wake().await;
    }

    /// Wakes every source, one after the other.
    pub(crate) async fn wake(&mut self) {
        for polled in &mut self.workers {
            polled.wake().await;
        }
    }

    /// Wakes one source; gives when it wants to wake next.
    pub(crate) async fn wake_one(&mut self, source: &str) -> Timestamp {
        let polled = self.workers.iter_mut().find(|polled| polled.source == source).unwrap();
        polled.wake().await;
        polled.next.unwrap()
    }

    /// Wakes every source, and moves the clock on to the end of each wait for a turn or a pause.
    pub(crate) async fn wake_slowly(&mut self) {
        for polled in &mut self.workers {
            let wake = polled.worker.wake();
            tokio::pin!(wake);
            let mut seen = 0;
            loop {
                // A pause of its own length each time: on a busy machine a ticker would make up for ticks that it missed.
                let pause = tokio::time::sleep(Duration::from_millis(2));
                tokio::select! {
                    woken = &mut wake => {
                        polled.next = Some(woken.unwrap());
                        break;
                    }
                    () = pause => {
                        // While calls arrive, nothing waits.
                        let calls = self.simulator.calls().values().sum::<u64>();
                        if calls == seen {
                            self.clock.advance_to_next_end();
                        }
                        seen = calls;
                    }
                }
            }
        }
    }

    /// Lets every source wake when it wants to, until `time`.
    pub(crate) async fn run_until(&mut self, time: &str) {
        loop {
            let now = self.clock.now();
            let when = |polled: &Polled| polled.next.map_or(now, |next| next.max(now));
            let polled = self.workers.iter_mut().min_by_key(|polled| when(polled)).unwrap();
            let at_last = when(polled);
            if at_last > at(time) {
                return self.set(time);
            }
            self.clock.set(at_last);
            polled.wake().await;
            assert!(polled.next > Some(at_last), "{} wakes for ever at {at_last}", polled.source);
        }
    }

    /// Somebody else's way into the file of the store.
    pub(crate) fn other_connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("imstats.db")).unwrap()
    }

    /// Takes a worker away, for a task of its own.
    pub(crate) fn take(&mut self, source: &str) -> Worker {
        let place = self.workers.iter().position(|polled| polled.source == source).unwrap();
        self.workers.remove(place).worker
    }

    /// The text that Prometheus would get.
    pub(crate) fn text(&self) -> String {
        let page = self.context.exposition.scrape(Format::Text, false, None);
        page.frames.iter().map(|frame| String::from_utf8_lossy(frame)).collect()
    }

    pub(crate) fn page(&self) -> Page {
        Page::read(&self.text())
    }

    /// The only series that `selector` selects, such as `wecom_contact_user_active_chats{userid="WangWu"}`.
    pub(crate) fn series(&self, selector: &str) -> Option<f64> {
        self.page().series(selector)
    }

    pub(crate) fn up(&self, source: &str) -> bool {
        self.series(&format!("imstats_source_up{{source=\"{source}\"}}")) == Some(1.0)
    }

    /// The day that the source shows.
    pub(crate) fn shown(&self, source: &str) -> Option<String> {
        self.status(source).shown.map(|(day, _)| day.to_string())
    }

    pub(crate) fn status(&self, source: &str) -> SourceStatus {
        self.context.telemetry.sources().into_iter().find(|(name, _, _)| *name == source).unwrap().2
    }

    /// What the source says is wrong, in words; empty where nothing is.
    pub(crate) fn error(&self, source: &str) -> String {
        self.status(source).error.unwrap_or_default()
    }

    /// The targets of the target day: ok, no data, refused, failed, pending.
    pub(crate) fn targets(&self, source: &str) -> [usize; 5] {
        self.status(source).targets.states().map(|(_, count)| count)
    }

    /// How many calls of that API reached the platform.
    pub(crate) fn calls(&self, api: &str) -> u64 {
        self.simulator.calls().get(api).copied().unwrap_or_default()
    }

    /// How many calls of that API were counted with that outcome.
    pub(crate) fn outcomes(&self, api: &str, outcome: &str) -> f64 {
        self.series(&format!("imstats_api_requests_total{{api=\"{api}\",outcome=\"{outcome}\"}}")).unwrap()
    }

    /// How many calls of any API reached any platform.
    pub(crate) fn all_calls(&self) -> u64 {
        self.simulator.calls().values().sum()
    }

    /// The calls of an API, oldest first.
    pub(crate) fn log(&self, api: &str) -> Vec<LoggedCall> {
        self.simulator.log().into_iter().filter(|call| call.api == api).collect()
    }

    pub(crate) fn fault(&self, fault: Fault) -> u64 {
        self.simulator.faults().add(fault)
    }

    /// From now on the platform, API or all (`*`) fail like this.
    pub(crate) fn every(&self, api: &str, effect: Effect) -> u64 {
        self.fault(Fault::on(api, effect))
    }

    /// All goes well again.
    pub(crate) fn mend(&self) {
        self.simulator.faults().clear();
    }

    pub(crate) fn company(&self) -> &Company {
        self.simulator.company()
    }

    /// Waits until `condition` holds, which comes about by what goes on beside.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it never came about: {what}"));
    }
}

/// Makes the test's own clients speak TLS as the program does; each test may be the first, or alone.
pub(crate) fn choose_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a thing that must end soon gives.
pub(crate) async fn soon<T>(thing: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, thing).await.expect("it ends soon; does something wait for the clock?")
}

/// An answer with HTTP 200 of the test's own making.
pub(crate) fn raw(body: impl Into<String>) -> Effect {
    Effect::Raw { status: 200, headers: Vec::new(), body: body.into().into_bytes() }
}

/// `yaml` with the simulator's address and secrets in it.
pub(crate) fn filled(yaml: &str, simulator: &Simulator) -> String {
    let company = simulator.company();
    let secrets: BTreeMap<&str, String> = configured_secrets(simulator);
    let base = format!("base_url: \"{}\"", simulator.base_url());
    let wecom = format!("account: acme, {base}, corp_id: {}, secret: \"{}\"", company.corp_id, secrets["wecom"]);
    let desk = format!(
        "account: acme, {base}, sdk_app_id: {}, identifier: {}, secret_key: \"{}\"",
        company.sdk_app_id, company.identifier, secrets["desk"]
    );
    let feishu = format!("account: acme, {base}, app_id: {}, app_secret: \"{}\"", company.app_id, secrets["feishu"]);
    yaml.replace("$wecom", &wecom)
        .replace("$desk", &desk)
        .replace("$feishu", &feishu)
        .replace("$kf_secret", &format!("secret: \"{}\"", secrets["kf"]))
        .replace("$base", &base)
        .replace("$fast", "rate_limit: 100000/s")
}

/// The secrets that the company started with.
pub(crate) fn configured_secrets(simulator: &Simulator) -> BTreeMap<&'static str, String> {
    let company = simulator.company();
    BTreeMap::from([
        ("wecom", company.secret.clone()),
        ("kf", company.kf_secret.clone()),
        ("desk", company.secret_key.clone()),
        ("feishu", company.app_secret.clone()),
    ])
}

/// Everything that a simulator has, as its own configuration asks for it.
pub(crate) fn everything(simulator: &Simulator) -> String {
    simulator.configuration().replace("poll_interval: 10s", "poll_interval: 10m")
}

/// Each secret that can be replaced, for tests of all platforms.
pub(crate) const CREDENTIALS: [Credential; 4] =
    [Credential::Wecom, Credential::WecomKf, Credential::TencentDesk, Credential::Feishu];

fn assemble(clock: &Clock, folder: &TempDir) -> Context {
    let store = Store::open(Some(folder.path()), &apis()).unwrap().store;
    let telemetry = Telemetry::with_clock("0.0.0", "test", clock.clone());
    Context::new(store, telemetry, clock.clone(), Duration::from_millis(1))
}
