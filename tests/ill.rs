//! One platform that is ill, beside two that are well: how the page stands, and how it recovers.

use std::collections::BTreeMap;
use std::time::Duration;

use imstats_exporter::simulator::Simulator;
use tokio::sync::OnceCell;

use crate::harness::*;
use crate::wire::Wire;

pub(crate) const MORNING: &str = "2026-11-20T10:00:00";

/// A source of each platform with one target, a platform a line.
pub(crate) const WELL: &str = "
wecom: [{$wecom, timeout: 5s, contact: {users: [WangWu], lookback_days: 1, $fast}}]
tencent_desk: [{$desk, timeout: 5s, agent_statistics: {agents: all, $fast}}]
feishu: [{$feishu, timeout: 5s, message_push: {$fast}}]
";

/// A platform, and what its source of [`WELL`] asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Platform {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    /// The API of the figures.
    pub(crate) api: &'static str,
    /// The first call of all: for a token, where the platform issues any.
    pub(crate) first: &'static str,
    /// The metric of a field, and the platform's name for it.
    pub(crate) metric: &'static str,
    pub(crate) field: &'static str,
}

pub(crate) const PLATFORMS: [Platform; 3] = [
    Platform {
        name: "wecom",
        source: "wecom_contact",
        api: CONTACT,
        first: GETTOKEN,
        metric: "wecom_contact_user_active_chats",
        field: "chat_cnt",
    },
    Platform {
        name: "tencent_desk",
        source: "tencent_desk_agent",
        api: DESK,
        first: DESK,
        metric: "tencent_desk_agent_sessions",
        field: "TotalSessionCnt",
    },
    Platform {
        name: "feishu",
        source: "feishu_message_push",
        api: PUSH,
        first: TENANT_TOKEN,
        metric: "feishu_message_push",
        field: "metric_value",
    },
];

impl Platform {
    /// The platform's answer for 19 November with one row, in which the field stands as `number`.
    pub(crate) fn answer(&self, number: &str) -> String {
        self.answer_of(&[&self.row(number)])
    }

    /// A row of such an answer.
    pub(crate) fn row(&self, number: &str) -> String {
        let field = self.field;
        match self.name {
            "wecom" => format!("{{\"stat_time\": {}, \"{field}\": {number}}}", midnight("2026-11-19")),
            "tencent_desk" => format!("{{\"AgentId\": \"a@example.com\", \"{field}\": {number}}}"),
            _ => format!("{{\"metric_name\": \"send_msg_count\", \"{field}\": {number}}}"),
        }
    }

    /// The answer with these rows.
    pub(crate) fn answer_of(&self, rows: &[&str]) -> String {
        let (count, rows) = (rows.len(), rows.join(","));
        match self.name {
            "wecom" => format!("{{\"errcode\": 0, \"behavior_data\": [{rows}]}}"),
            "tencent_desk" => {
                format!("{{\"ActionStatus\": \"OK\", \"ErrorCode\": 0, \"TotalCount\": {count}, \"Data\": [{rows}]}}")
            }
            _ => format!("{{\"code\": 0, \"data\": {{\"items\": [{rows}]}}}}"),
        }
    }

    fn owns(&self, series: &str) -> bool {
        series.starts_with(self.name)
    }
}

/// The figures of an exporter to which nothing happens; all tests have the same.
pub(crate) async fn well() -> &'static BTreeMap<String, f64> {
    static FIGURES: OnceCell<BTreeMap<String, f64>> = OnceCell::const_new();
    let polled = Box::pin(async {
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.wake().await;
        let figures = stage.page().figures();
        assert!(PLATFORMS.iter().all(|platform| figures.keys().any(|series| platform.owns(series))));
        figures
    });
    FIGURES.get_or_init(|| polled).await
}

/// [`WELL`] with another address, and more settings, for one platform.
pub(crate) fn moved(simulator: &Simulator, platform: &Platform, base: &str, more: &str) -> String {
    let lines = WELL.lines().map(|line| {
        let line = filled(line, simulator);
        if !line.starts_with(platform.name) {
            return line;
        }
        // The last of two equal keys would be refused.
        let line = if more.contains("timeout:") { line.replace("timeout: 5s, ", "") } else { line };
        line.replace(&simulator.base_url(), base).replace("account: acme", &format!("account: acme, {more}"))
    });
    lines.map(|line| line.trim_end().replace(", ,", ",") + "\n").collect()
}

/// The ill platform's figures are absent, and those of the others as if nothing were.
pub(crate) fn only_the_others(stage: &Stage, platform: &Platform, well: &BTreeMap<String, f64>, what: &str) {
    let others: BTreeMap<_, _> = well
        .iter()
        .filter(|(series, _)| !platform.owns(series))
        .map(|(series, value)| (series.clone(), *value))
        .collect();
    assert_eq!(stage.page().figures(), others, "{} {what}", platform.name);
    for other in PLATFORMS.iter().filter(|other| other.name != platform.name) {
        assert!(stage.up(other.source) && stage.error(other.source).is_empty(), "{} {what}", platform.name);
    }
}

/// A platform whose figures come over `wire`, woken once; with the settings `more`.
pub(crate) async fn over(wire: Wire, platform: &Platform, more: &str) -> (Stage, Wire) {
    let mut wire = wire;
    let mut stage = Stage::with(40, MORNING, |simulator| {
        wire.leads_to(simulator.address());
        moved(simulator, platform, &wire.base(), more)
    })
    .await;
    stage.wake_slowly().await;
    (stage, wire)
}

/// All is well again: the next waking shows it.
pub(crate) async fn recovers(stage: &mut Stage, platform: &Platform, well: &BTreeMap<String, f64>, what: &str) {
    stage.mend();
    stage.clock.advance(Duration::from_mins(10));
    stage.wake_slowly().await;
    assert_eq!(stage.page().figures(), *well, "{} {what}: {}", platform.name, stage.error(platform.source));
    assert!(stage.up(platform.source) && stage.error(platform.source).is_empty(), "{} {what}", platform.name);
}
