//! Tencent Cloud Desk: the daily work of each agent.
//!
//! The whole list of agents in pages of 100, or named agents 100 at a time; rows carry no day, so one day a request,
//! from its first second to its last.
//! Page: <https://cloud.tencent.com/document/product/269/116073> (`describe_agent_statistics`).

use std::time::Duration;

use serde_json::json;

use super::api::{self, Api, Block, Info, Source};
use super::filter::Filter;
use super::listing::{Directory, ListRequest};
use super::selection::Selection;
use super::shape::{NoRows, Paging, Shape};
use super::table::{Combine, Field, Span, Table, Unit};
use super::target::Target;
use crate::day::{Days, Zone};
use crate::platform::{Call, TencentDesk};
use crate::yaml::Key;

/// The largest page, and the most agents in one request.
const PAGE: usize = 100;

const fn field(name: &'static str, suffix: &'static str, help: &'static str, unit: Unit, combine: Combine) -> Field {
    Field { name, suffix, help, unit, span: Span::Day, combine }
}

const fn count(name: &'static str, suffix: &'static str, help: &'static str) -> Field {
    field(name, suffix, help, Unit::Count, Combine::Sum)
}

const fn seconds(name: &'static str, suffix: &'static str, help: &'static str) -> Field {
    field(name, suffix, help, Unit::Seconds, Combine::Sum)
}

const fn average(name: &'static str, suffix: &'static str, help: &'static str) -> Field {
    field(name, suffix, help, Unit::Seconds, Combine::Weighted(&["sessions"]))
}

const fn time(name: &'static str, suffix: &'static str, help: &'static str) -> Field {
    field(name, suffix, help, Unit::Timestamp, Combine::Never("it is a point in time"))
}

const AGENT: Table = Table {
    prefix: "tencent_desk_agent",
    labels: &["agent"],
    person: Some("agent"),
    of: "one agent",
    overlap: None,
    fields: &[
        time("FirstLoginTimestamp", "first_login_timestamp_seconds", "first login"),
        time("LastLogoutTimestamp", "last_logout_timestamp_seconds", "last logout"),
        seconds("FreeTime", "idle_seconds", "time idle"),
        seconds("BusyTime", "busy_seconds", "time busy"),
        seconds("RestTime", "break_seconds", "time on break"),
        count("TotalSessionCnt", "sessions", "sessions received"),
        count("TransferSessionCnt", "transferred_sessions", "sessions transferred"),
        count("EffectiveSessionCnt", "effective_sessions", "effective sessions"),
        count("AgentEndCnt", "ended_sessions", "sessions ended by the agent"),
        Field {
            combine: Combine::Repeats("users of several agents"),
            ..count("ServeUserCnt", "served_users", "users served")
        },
        seconds("TotalAcceptTime", "session_seconds", "time in sessions, all together"),
        count("TotalMsgCnt", "messages", "messages of both sides"),
        count("AgentMsgCnt", "messages_sent", "messages sent by the agent"),
        count("UserMsgCnt", "messages_received", "messages sent by users"),
        count("NotRespSessionCnt", "unanswered_sessions", "sessions without a reply"),
        average("AvgFirstRespTime", "first_response_average_seconds", "average time to the first response"),
        count(
            "FirstRespUnder30sCnt",
            "sessions_first_response_within_30s",
            "sessions with the first response within 30 seconds",
        ),
        average("AvgRespTime", "response_average_seconds", "average time to a response"),
        count(
            "AvgRespUnder30sCnt",
            "sessions_average_response_within_30s",
            "sessions with an average response time within 30 seconds",
        ),
        average("AvgAcceptTime", "session_average_seconds", "average length of a session"),
        count("SatisfactionSelectedCnt", "rated_sessions", "sessions that were rated"),
        count("SatisfiedCnt", "satisfied_sessions", "sessions rated with 4 or 5 stars"),
    ],
};

const AGENT_INFO: Info = Info {
    name: "tencent_desk_agent_info",
    help: "Tencent Cloud Desk: the nickname of an agent",
    id: "agent",
    parent: None,
    people: true,
};

/// The field of a request that takes agents.
const AGENTS: &str = "AgentIds";

/// The API.
pub(super) const API: Api = Api {
    name: "tencent_desk_agent",
    title: "Tencent Cloud Desk",
    platform: &TencentDesk,
    path: "desk_http_svc/describe_agent_statistics",
    page: "https://cloud.tencent.com/document/product/269/116073",
    tables: &[&AGENT],
    shape: Shape {
        rows: "/Data",
        no_rows: NoRows::EmptyByTotal,
        day: None,
        subject: Some("AgentId"),
        figures: "",
        figures_optional: false,
        name: Some("AgentNickName"),
        paging: Paging::Offset { offset: "Offset", total: "/TotalCount", next: None },
    },
    days_per_call: 1,
    batch: PAGE,
    union: 0,
    ready_hour: 6,
    lag_days: 1,
    refresh_interval: Duration::from_hours(6),
    keeps_days: None,
    date_codes: &["141004"],
    infos: &[&AGENT_INFO],
    row_names: Some(&AGENT_INFO),
};

/// The block `agent_statistics`.
pub(super) const BLOCK: Block =
    Block { platform: &TencentDesk, name: "agent_statistics", apis: &[&API], new: || Box::new(Params::new()) };

/// Its parameters.
#[derive(Debug)]
pub(super) struct Params {
    agents: Selection,
}

impl Params {
    fn new() -> Self {
        Self { agents: Selection::All }
    }
}

impl api::Params for Params {
    fn keys(&mut self) -> Vec<Key<'_>> {
        vec![Key::words("agents", Selection::SHAPE, &mut self.agents, Selection::read)]
    }

    fn check(&self, path: &str, faults: &mut Vec<String>) {
        self.agents.check_people(&format!("{path}.agents"), faults);
        if self.agents == Selection::None {
            faults.push(format!(
                "{path}.agents: nothing is asked without agents: write all, list some, or drop the block"
            ));
        }
    }

    fn sources(self: Box<Self>, _: &str) -> Vec<Box<dyn Source>> {
        vec![self]
    }
}

impl Source for Params {
    fn api(&self) -> &'static Api {
        &API
    }

    fn listings(&self, _: &Directory, _: bool) -> Vec<ListRequest> {
        Vec::new()
    }

    fn targets(&self, _: &Directory) -> Vec<Target> {
        match &self.agents {
            // The list and its figures are one answer: one target, with a row for each agent.
            Selection::All => vec![Target::listed(&AGENT, vec![], Filter::default())],
            listed => {
                let agent = |id: &String| Target::named(&AGENT, vec![id.clone()], Filter::one(AGENTS, id));
                listed.listed().iter().map(agent).collect()
            }
        }
    }

    fn calls(&self, targets: &[&Target], days: Days, zone: &Zone) -> Vec<Call> {
        let mut body = json!({
            "From": days.first.midnight(zone).as_second(),
            "To": days.last.last_second(zone),
            "Limit": PAGE,
            "Offset": 0,
        });
        let agents: Vec<_> = targets.iter().flat_map(|target| target.filter.members()).collect();
        if !agents.is_empty() {
            body[AGENTS] = json!(agents);
        }
        vec![Call::post(API.path, format!("v4/{}", API.path), body)]
    }
}
