//! Past days: fetched with the fewest calls, and written out at the times when they were on show.

mod export;
mod faults;
mod receiver;
mod remote_write;

use std::time::Duration;

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Clock, Day, Days};
use imstats_exporter::exposition::Format;
use imstats_exporter::history::{Bounds, ExportHistory, Plan, Progress, Summary, backfill};
use imstats_exporter::poller::{Context, Worker};
use imstats_exporter::simulator::{Effect, Fault, Options, Simulator};
use imstats_exporter::source::apis;
use imstats_exporter::store::Store;
use imstats_exporter::telemetry::Telemetry;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::page::Page;

const CONTACT: &str = "externalcontact/get_user_behavior_data";
const OWNERS: &str = "externalcontact/groupchat/statistic";
const TEAMS: &str = "externalcontact/groupchat/statistic_group_by_day";
const KF: &str = "kf/get_servicer_statistic";
const DESK: &str = "desk_http_svc/describe_agent_statistics";
const PUSH: &str = "application/v6/applications/:app_id/app_usage/message_push_overview";

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn days(first: &str, last: &str) -> Days {
    Days { first: day(first), last: day(last) }
}

/// A company on 20 November 2026 at noon, and a store for its past.
struct Past {
    simulator: Simulator,
    clock: Clock,
    yaml: String,
    folder: TempDir,
    context: Context,
}

impl Past {
    async fn new(users: u32) -> Self {
        Self::with(users, Clock::manual("2026-11-20T12:00:00+08:00".parse().unwrap())).await
    }

    async fn with(users: u32, clock: Clock) -> Self {
        let options = Options { enforce_limits: false, ..Options::new(users, clock.clone()) };
        let simulator = Simulator::start("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
        let folder = TempDir::new().unwrap();
        let context = assemble(&clock, &folder);
        Self { yaml: simulator.configuration(), simulator, clock, folder, context }
    }

    /// A new process on the same store.
    fn restart(&mut self) {
        self.context = assemble(&self.clock, &self.folder);
    }

    fn sources(&self) -> Vec<SourceConfig> {
        Config::parse(&self.yaml, "exporter.yaml").unwrap_or_else(|error| panic!("{error}")).sources
    }

    /// What is lacking of the source of that name.
    async fn plan(&self, source: &str, days: Days) -> Plan {
        let config = self.sources().into_iter().find(|config| config.source.api().name == source).unwrap();
        let bounds = Bounds::of(&config, self.clock.now());
        let days = bounds.clip(days).unwrap();
        let lists = self.context.discovery.directory(&config, false, bounds.newest).await.unwrap();
        let targets = config.targets(&lists.directory);
        Plan::new(&self.context.store, config, targets, days, bounds.newest).await.unwrap()
    }

    async fn fetch(&self, source: &str, days: Days) -> Summary {
        let (plan, stop) = (self.plan(source, days).await, CancellationToken::new());
        backfill(&self.context, plan, &Progress::default(), &stop).await.unwrap()
    }

    /// Everything of all sources.
    async fn fetch_all(&self, days: Days) {
        for api in apis() {
            let summary = self.fetch(api.name, days).await;
            assert!(summary.troubles.is_empty(), "{}: {summary:?}", api.name);
        }
    }

    /// What an exporter that starts on this store shows of the source when it has woken once.
    async fn served(&self, source: &str) -> Page {
        let config = self.sources().into_iter().find(|config| config.source.api().name == source).unwrap();
        let mut worker = Worker::new(self.context.clone(), config, self.clock.now());
        worker.restore().await.unwrap();
        worker.wake().await.unwrap();
        let page = self.context.exposition.scrape(Format::Text, false, None);
        Page::read(&page.frames.iter().map(|frame| String::from_utf8_lossy(frame)).collect::<String>())
    }

    fn calls(&self, api: &str) -> u64 {
        self.simulator.calls().get(api).copied().unwrap_or(0)
    }

    fn history(&self, days: Days, until: &str, labels: &[(&str, &str)]) -> ExportHistory {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let until: Timestamp = until.parse().unwrap();
        ExportHistory::new(self.context.store.clone(), days, &self.sources(), Duration::from_hours(1), until, labels)
            .unwrap()
    }
}

fn assemble(clock: &Clock, folder: &TempDir) -> Context {
    let store = Store::open(Some(folder.path()), &apis()).unwrap().store;
    let telemetry = Telemetry::with_clock("0", "test", clock.clone());
    Context::new(store, telemetry, clock.clone(), Duration::ZERO)
}

#[tokio::test]
async fn the_calls_announced_are_the_fewest_and_are_the_calls_made() {
    let past = Past::new(40).await;
    let half = days("2026-05-24", "2026-11-19");
    let company = past.simulator.company();
    let followers = company.follow_users().count() as u64;
    let owner_batches = followers.div_ceil(100);
    let contact = (followers + company.departments.len() as u64 + 2) * 6;
    // Teams: everyone in batches of 100, and north in one; in ranges of 30 days.
    let expected = [
        ("wecom_contact", CONTACT, contact),
        ("wecom_groupchat_owner", OWNERS, owner_batches * 180),
        ("wecom_groupchat_team", TEAMS, (owner_batches + 1) * 6),
        ("tencent_desk_agent", DESK, 180),
    ];
    for (source, path, calls) in expected {
        let announced = past.plan(source, half).await.calls();
        assert_eq!((announced.sure, announced.below), (calls, 0), "{source}");
        let summary = past.fetch(source, half).await;
        assert_eq!((summary.calls, past.calls(path)), (calls, calls), "{source}");
        assert_eq!(past.plan(source, half).await.calls().most(), 0, "{source}: all is there now");
    }
}

#[tokio::test]
async fn subjects_below_others_are_asked_only_where_those_have_figures() {
    let past = Past::new(40).await;
    let span = days("2026-09-01", "2026-11-19");
    for (source, path, sure) in [
        ("wecom_kf", KF, 3 * past.simulator.company().kf_accounts.len() as u64),
        ("feishu_message_push", PUSH, 79 + 11 + 2),
    ] {
        let announced = past.plan(source, span).await.calls();
        assert_eq!(announced.sure, sure, "{source}: 80 days in ranges of 31; 79 days, 11 weeks and 2 months");
        assert!(announced.below > 0);
        let summary = past.fetch(source, span).await;
        assert_eq!(summary.calls, past.calls(path));
        assert!(summary.calls > announced.sure && summary.calls <= announced.most(), "{source}: {summary:?}");
        assert_eq!(past.plan(source, span).await.calls().most(), 0, "{source}: days without figures are remembered");
    }
}

#[tokio::test]
async fn what_was_fetched_before_an_end_is_not_asked_again() {
    let mut past = Past::new(40).await;
    let half = days("2026-05-24", "2026-11-19");
    let announced = past.plan("wecom_contact", half).await.calls().most();
    let mut made = 0;
    for _ in 0..3 {
        let (progress, stop) = (Progress::default(), CancellationToken::new());
        let plan = past.plan("wecom_contact", half).await;
        assert_eq!(plan.calls().most(), announced - made);
        let watch = async {
            while progress.done() < 20 {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (summary, ()) = tokio::join!(backfill(&past.context, plan, &progress, &stop), watch);
        made += summary.unwrap().calls;
        assert!(made < announced);
        past.restart();
    }
    made += past.fetch("wecom_contact", half).await.calls;
    assert_eq!((made, past.calls(CONTACT)), (announced, announced));
}

#[tokio::test]
async fn where_the_platform_refuses_older_days_is_told_and_is_no_failure() {
    let mut past = Past::new(4).await;
    past.yaml = past.yaml.replace("departments: all, cycles: [day, week, month]", "cycles: [day]");
    let summary = past.fetch("feishu_message_push", days("2025-11-01", "2026-11-18")).await;
    assert!(summary.troubles.is_empty(), "{summary:?}");
    assert_eq!(summary.edges.len(), 1);
    assert_eq!((summary.edges[0].day, summary.edges[0].code.as_str()), (day("2025-11-19"), "211010"));
}

#[tokio::test]
async fn a_date_that_is_always_refused_is_a_failure() {
    let past = Past::new(4).await;
    past.simulator.faults().add(Fault::on(PUSH, Effect::Refuse(211_010)));
    let summary = past.fetch("feishu_message_push", days("2026-11-18", "2026-11-18")).await;
    assert!(summary.edges.is_empty() && summary.troubles.len() == 1, "{summary:?}");
}

#[tokio::test]
async fn failures_are_told_and_asked_again_and_refused_people_are_not() {
    let past = Past::new(20).await;
    let span = days("2026-08-01", "2026-11-19");
    let userid = past.simulator.company().follow_users().next().unwrap().userid.clone();
    past.simulator.faults().add(Fault::on(CONTACT, Effect::Refuse(60111)).subject(&userid));
    let summary = past.fetch("wecom_contact", span).await;
    assert!(summary.refused >= 1 && summary.troubles.is_empty(), "{summary:?}");
    assert_eq!(past.plan("wecom_contact", span).await.calls().most(), 0);

    past.simulator.faults().add(Fault::on(DESK, Effect::Html(502)));
    let summary = past.fetch("tencent_desk_agent", span).await;
    let missing: usize = summary.troubles.iter().map(|trouble| trouble.ranges).sum();
    assert_eq!(missing, 111, "each day is told: {summary:?}");
    assert!(past.calls(DESK) < 60, "a platform that is down is left alone: {}", past.calls(DESK));
    past.simulator.faults().clear();
    let summary = past.fetch("tencent_desk_agent", span).await;
    assert!(summary.troubles.is_empty() && summary.calls == 111, "{summary:?}");
}

/// Runs the program with this configuration; gives its exit code, standard output and standard error.
async fn run(past: &Past, args: &[&str]) -> (Option<i32>, String, String) {
    let file = past.folder.path().join("exporter.yaml");
    std::fs::write(&file, &past.yaml).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_imstats_exporter"));
    command.args(args).arg("--config.file").arg(&file).arg("--storage.path").arg(past.folder.path().join("data"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn days_that_the_platform_no_longer_has_are_refused_before_anything_is_asked() {
    let past = Past::with(4, Clock::system()).await;
    let (code, _, error) = run(&past, &["backfill", "--from", "2020-01-01", "--to", "2020-01-31"]).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("the platform keeps 180 days") && error.contains("--source"), "{error}");
    assert!(past.simulator.calls().is_empty(), "{:?}", past.simulator.calls());
    let (code, _, error) = run(&past, &["backfill", "--from", "2100-01-01", "--to", "2100-01-31"]).await;
    assert!(code == Some(1) && error.contains("none of these days is ready"), "{error}");
    let newest = Bounds::of(&past.sources()[0], Timestamp::now()).newest;
    let (from, to) = (newest.plus(-70).to_string(), newest.to_string());
    let (code, _, error) = run(&past, &["backfill", "--from", &from, "--to", &to, "--storage.retention", "60d"]).await;
    assert!(code == Some(1) && error.contains("--storage.retention 60d the store keeps no days before"), "{error}");
    assert!(past.simulator.calls().is_empty());
}

#[tokio::test]
async fn the_commands_say_what_they_do_and_fail_when_something_is_missing() {
    let past = Past::with(4, Clock::system()).await;
    let yesterday = Bounds::of(&past.sources()[0], Timestamp::now()).newest.to_string();
    let days = ["--from", yesterday.as_str(), "--to", yesterday.as_str()];
    let backfill =
        |more: &'static [&'static str]| [&["backfill"][..], &days, &["--source", "tencent_desk_agent"], more].concat();
    let (code, said, _) = run(&past, &backfill(&["--dry-run"])).await;
    assert!(code == Some(0) && said.contains("1 target, 1 call") && past.calls(DESK) == 0, "{said}");
    past.simulator.faults().add(Fault::on(DESK, Effect::Refuse(60004)));
    let (code, said, _) = run(&past, &backfill(&[])).await;
    assert!(code == Some(1) && said.contains("Missing still"), "{said}");
    past.simulator.faults().clear();
    let (code, said, _) = run(&past, &backfill(&[])).await;
    assert!(code == Some(0) && said.contains("1 call made"), "{said}");
    let (code, text, error) = run(&past, &[&["export"][..], &days].concat()).await;
    assert!(code == Some(0) && text.ends_with("# EOF\n"), "{error}");
    assert!(error.contains("1 MB at most will be written"), "{error}");
    let (code, text, _) = run(&past, &[&["export", "--source", "wecom_contact"][..], &days].concat()).await;
    assert!(code == Some(0) && !text.contains("tencent_desk_agent"), "{text}");
    let (code, _, error) = run(&past, &[&["export", "--account", "nobody"][..], &days].concat()).await;
    assert!(code == Some(1) && error.contains("no such account"), "{error}");
    let (code, _, error) = run(&past, &[&["export", "--format", "csv"][..], &days].concat()).await;
    assert!(code == Some(1) && error.contains("--output"), "{error}");
}

#[tokio::test]
async fn an_exporter_that_starts_on_fetched_days_asks_nothing_and_is_up() {
    let past = Past::new(40).await;
    past.fetch("wecom_contact", days("2026-11-18", "2026-11-19")).await;
    past.simulator.reset_calls();
    let page = past.served("wecom_contact").await;
    assert_eq!(past.calls(CONTACT), 0);
    assert!(page.all("wecom_contact_user_active_chats").len() > 10, "the fetched day is on show");
    assert_eq!(page.series("imstats_source_up{source=\"wecom_contact\"}"), Some(1.0));
}
