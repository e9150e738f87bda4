//! What the platforms have is what the page shows, figure by figure and not one more.

use std::collections::{BTreeMap, BTreeSet};

use imstats_exporter::day::{Cycle, Day, Days};
use imstats_exporter::exposition::Format;
use imstats_exporter::simulator::{Company, figures};
use serde_json::Value;

use crate::harness::*;

/// The platform's fields, the suffixes of their metrics, and what one of the platform's units is in base units.
type Fields = &'static [(&'static str, &'static str, f64)];

const CONTACT_FIELDS: Fields = &[
    ("new_apply_cnt", "friend_requests_sent", 1.0),
    ("new_contact_cnt", "new_contacts", 1.0),
    ("chat_cnt", "active_chats", 1.0),
    ("message_cnt", "messages_sent", 1.0),
    ("reply_percentage", "replied_chats_ratio", 0.01),
    ("avg_reply_time", "first_reply_average_seconds", 60.0),
    ("negative_feedback_cnt", "lost_customers", 1.0),
];

const GROUPCHAT_FIELDS: Fields = &[
    ("new_chat_cnt", "new_chats", 1.0),
    ("chat_total", "chats", 1.0),
    ("chat_has_msg", "chats_with_messages", 1.0),
    ("new_member_cnt", "new_members", 1.0),
    ("member_total", "members", 1.0),
    ("member_has_msg", "members_with_messages", 1.0),
    ("msg_total", "messages", 1.0),
    ("migrate_trainee_chat_cnt", "migrated_trainee_chats", 1.0),
];

const KF_FIELDS: Fields = &[
    ("session_cnt", "sessions", 1.0),
    ("customer_cnt", "customers", 1.0),
    ("customer_msg_cnt", "customer_messages", 1.0),
    ("reply_rate", "replied_sessions_ratio", 1.0),
    ("first_reply_average_sec", "first_reply_average_seconds", 1.0),
    ("satisfaction_investgate_cnt", "satisfaction_surveys_sent", 1.0),
    ("satisfaction_participation_rate", "satisfaction_participation_ratio", 1.0),
    ("satisfied_rate", "satisfied_ratio", 1.0),
    ("middling_rate", "middling_ratio", 1.0),
    ("dissatisfied_rate", "dissatisfied_ratio", 1.0),
    ("upgrade_service_customer_cnt", "upgraded_customers", 1.0),
    ("upgrade_service_member_invite_cnt", "upgrade_member_invites", 1.0),
    ("upgrade_service_member_customer_cnt", "upgrade_member_customers", 1.0),
    ("upgrade_service_groupchat_invite_cnt", "upgrade_groupchat_invites", 1.0),
    ("upgrade_service_groupchat_customer_cnt", "upgrade_groupchat_customers", 1.0),
    ("msg_rejected_customer_cnt", "rejected_customers", 1.0),
];

const DESK_FIELDS: Fields = &[
    ("FirstLoginTimestamp", "first_login_timestamp_seconds", 1.0),
    ("LastLogoutTimestamp", "last_logout_timestamp_seconds", 1.0),
    ("FreeTime", "idle_seconds", 1.0),
    ("BusyTime", "busy_seconds", 1.0),
    ("RestTime", "break_seconds", 1.0),
    ("TotalSessionCnt", "sessions", 1.0),
    ("TransferSessionCnt", "transferred_sessions", 1.0),
    ("EffectiveSessionCnt", "effective_sessions", 1.0),
    ("AgentEndCnt", "ended_sessions", 1.0),
    ("ServeUserCnt", "served_users", 1.0),
    ("TotalAcceptTime", "session_seconds", 1.0),
    ("TotalMsgCnt", "messages", 1.0),
    ("AgentMsgCnt", "messages_sent", 1.0),
    ("UserMsgCnt", "messages_received", 1.0),
    ("NotRespSessionCnt", "unanswered_sessions", 1.0),
    ("AvgFirstRespTime", "first_response_average_seconds", 1.0),
    ("FirstRespUnder30sCnt", "sessions_first_response_within_30s", 1.0),
    ("AvgRespTime", "response_average_seconds", 1.0),
    ("AvgRespUnder30sCnt", "sessions_average_response_within_30s", 1.0),
    ("AvgAcceptTime", "session_average_seconds", 1.0),
    ("SatisfactionSelectedCnt", "rated_sessions", 1.0),
    ("SatisfiedCnt", "satisfied_sessions", 1.0),
];

/// The series that should be on the page.
#[derive(Default)]
struct Expected(BTreeMap<String, f64>);

impl Expected {
    fn add(&mut self, prefix: &str, labels: &[(&str, &str)], fields: Fields, figures: Option<Value>) {
        let Some(figures) = figures else { return };
        for (field, suffix, factor) in fields {
            let Some(value) = figures.get(*field) else { continue };
            let value = value.as_f64().unwrap();
            // An agent who never logged in has no time of it.
            if suffix.ends_with("timestamp_seconds") && value == 0.0 {
                continue;
            }
            // A percentage is divided, as times 0.01 is not exact.
            let value = if *factor == 0.01 { value / 100.0 } else { value * factor };
            self.put(&format!("{prefix}_{suffix}"), labels, value);
        }
    }

    fn put(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().chain(&[("account", "acme")]).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        self.0.insert(written(name, &labels.collect()), value);
    }
}

/// Every figure of the configuration that the simulator itself writes.
pub(crate) fn expected(company: &Company, yesterday: Day, feishu_day: Day) -> BTreeMap<String, f64> {
    let mut expected = Expected::default();
    let follow: Vec<&str> = company.follow_users().map(|user| user.userid.as_str()).collect();
    let contact = |users: &[&str], parties: &[i64]| Some(figures::contact(company, users, parties, yesterday));
    for user in &follow {
        expected.add("wecom_contact_user", &[("userid", user)], CONTACT_FIELDS, contact(&[user], &[]));
        let chats = figures::groupchat(company, &[user], yesterday);
        expected.add("wecom_groupchat_owner", &[("owner", user)], GROUPCHAT_FIELDS, chats);
    }
    for department in &company.departments {
        let id = department.partyid.to_string();
        let data = contact(&[], &[department.partyid]);
        expected.add("wecom_contact_department", &[("partyid", &id)], CONTACT_FIELDS, data);
    }
    let stars: Vec<_> = company.follow_users().filter(|user| user.activity > 0.0).take(3).collect();
    let stars: Vec<&str> = stars.iter().map(|user| user.userid.as_str()).collect();
    let regions = [company.departments[1].partyid, company.departments[2].partyid];
    for (team, parties) in [("stars", &[][..]), ("regions", &regions)] {
        expected.add("wecom_contact_team", &[("team_name", team)], CONTACT_FIELDS, contact(&stars, parties));
    }
    let north: Vec<&str> = company.owners().take(2).map(|user| user.userid.as_str()).collect();
    for (team, owners) in [("everyone", &follow), ("north", &north)] {
        let chats = figures::groupchat(company, owners, yesterday);
        expected.add("wecom_groupchat_team", &[("team_name", team)], GROUPCHAT_FIELDS, chats);
    }
    for account in &company.kf_accounts {
        let id = account.open_kfid.as_str();
        let whole = figures::kf(company, id, None, yesterday);
        expected.add("wecom_kf_account", &[("open_kfid", id)], KF_FIELDS, whole);
        for servicer in &account.servicers {
            let labels = [("open_kfid", id), ("userid", servicer.userid.as_str())];
            let part = figures::kf(company, id, Some(&servicer.userid), yesterday);
            expected.add("wecom_kf_servicer", &labels, KF_FIELDS, part);
        }
    }
    for agent in &company.agents {
        let row = figures::desk(company, &agent.agent_id, Days::one(yesterday));
        expected.add("tencent_desk_agent", &[("agent", &agent.agent_id)], DESK_FIELDS, row);
    }
    push(company, feishu_day, &mut expected);
    expected.0
}

/// Feishu's metrics of the day, the last complete week and the last complete month.
fn push(company: &Company, day: Day, expected: &mut Expected) {
    let app = company.app_id.as_str();
    let departments = company.feishu_departments.iter().map(|department| Some(department.open_department_id.as_str()));
    for department in departments.chain([None]) {
        for cycle in [Cycle::Day, Cycle::Week, Cycle::Month] {
            let metrics = figures::message_push(company, app, department, cycle.newest_complete(day));
            for (metric, value) in metrics.iter().flat_map(|metrics| metrics.as_object().unwrap()) {
                let mut labels = vec![("app_id", app), ("cycle", cycle.name()), ("metric_name", metric)];
                labels.extend(department.map(|id| ("department_id", id)));
                let name = if department.is_some() { "feishu_department_message_push" } else { "feishu_message_push" };
                expected.put(name, &labels, value.as_f64().unwrap());
            }
        }
    }
}

pub(crate) fn assert_same(shown: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>) {
    for (series, value) in expected {
        assert_eq!(shown.get(series), Some(value), "{series}");
    }
    for series in shown.keys() {
        assert!(expected.contains_key(series), "{series} is on the page, but the platform has no such figure");
    }
}

#[tokio::test]
async fn every_figure_of_all_six_sources_is_shown_and_nothing_else() {
    let mut stage = Stage::with(40, "2026-11-20T10:00:00", everything).await;
    stage.wake_slowly().await;
    let shown = stage.page().figures();
    assert_same(&shown, &expected(stage.company(), day("2026-11-19"), day("2026-11-18")));
    for source in stage.workers.iter().map(|polled| polled.source) {
        let labels = format!("{{source=\"{source}\",account=\"acme\"}}");
        let shown_day = if source == "feishu_message_push" { "2026-11-18" } else { "2026-11-19" };
        let own = |metric: &str| stage.series(&format!("imstats_source_{metric}{labels}"));
        assert_eq!(own("up"), Some(1.0), "{source}: {}", stage.error(source));
        assert_eq!(own("stat_timestamp_seconds"), Some(midnight(shown_day) as f64), "{source}");
        assert_eq!(own("target_timestamp_seconds"), Some(midnight(shown_day) as f64), "{source}");
        assert_eq!(own("unmapped_fields"), Some(0.0), "{source}: {:?}", stage.status(source).unmapped);
        assert_eq!(stage.targets(source)[2..], [0, 0, 0], "{source}");
        assert_eq!(stage.error(source), "", "{source}");
    }
    let told: f64 = stage.page().all("imstats_source_series").iter().sum();
    assert_eq!(told, shown.len() as f64);
}

#[tokio::test]
async fn a_quiet_weekend_leaves_absent_what_the_platforms_leave_out() {
    // Sunday's figures; the second KF account is closed. Feishu is two days late.
    let mut stage = Stage::with(40, "2026-11-23T06:00:00", everything).await;
    stage.wake_slowly().await;
    assert_same(&stage.page().figures(), &expected(stage.company(), day("2026-11-22"), day("2026-11-20")));
    let closed = stage.company().kf_accounts.iter().find(|account| account.closed_on_weekends).unwrap();
    assert_eq!(stage.series(&format!("wecom_kf_account_sessions{{open_kfid=\"{}\"}}", closed.open_kfid)), None);
    assert_eq!(stage.series("wecom_groupchat_owner_migrated_trainee_chats"), None, "only schools are told of them");
    assert!(stage.targets("wecom_kf")[1] > 0, "no data is counted");
}

#[tokio::test]
async fn names_are_shown_for_their_ids_with_one_as_their_value() {
    let mut stage = Stage::with(40, "2026-11-20T10:00:00", everything).await;
    stage.wake_slowly().await;
    let page = stage.page();
    let company = stage.company();
    let user = company.follow_users().next().unwrap();
    let below = company.departments.iter().find(|department| department.parent != 0).unwrap();
    let names = [
        format!("wecom_user_info{{userid=\"{}\",partyid=\"{}\",name=\"{}\"}}", user.userid, user.partyid, user.name),
        format!("wecom_department_info{{partyid=\"1\",parentid=\"0\",name=\"{}\"}}", company.departments[0].name),
        format!("wecom_department_info{{partyid=\"{}\",parentid=\"{}\"}}", below.partyid, below.parent),
        format!("wecom_kf_account_info{{name=\"{}\"}}", company.kf_accounts[0].name),
        format!("tencent_desk_agent_info{{name=\"{}\"}}", company.agents[0].nick_name),
        format!("feishu_department_info{{name=\"{}\"}}", company.feishu_departments[0].name),
    ];
    for name in names {
        assert_eq!(page.series(&name), Some(1.0), "{name}");
    }
    let below = company.feishu_departments.iter().find(|department| department.parent != "0").unwrap();
    let (id, parent) = (&below.open_department_id, &below.parent);
    let series = format!(
        "feishu_department_info{{department_id=\"{id}\",parent_department_id=\"{parent}\",name=\"{}\"}}",
        below.name
    );
    assert_eq!(page.series(&series), Some(1.0), "dashboards follow departments upwards by it: {series}");
    let servicers = company.kf_accounts.iter().flat_map(|account| &account.servicers);
    let asked: BTreeSet<_> =
        company.follow_users().map(|user| &user.userid).chain(servicers.map(|servicer| &servicer.userid)).collect();
    assert_eq!(page.all("wecom_user_info").len(), asked.len(), "only those who are asked for");
}

#[tokio::test]
async fn names_of_people_are_neither_asked_for_nor_shown_unless_wanted() {
    let without = |simulator: &_| everything(simulator).replace("names: true", "names: false");
    let mut stage = Stage::with(40, "2026-11-20T10:00:00", without).await;
    stage.wake_slowly().await;
    let page = stage.page();
    assert!(page.all("wecom_user_info").is_empty() && page.all("tencent_desk_agent_info").is_empty());
    assert!(!page.all("wecom_department_info").is_empty() && !page.all("feishu_department_info").is_empty());
    let text = stage.text();
    let person = stage.company().users.iter().find(|user| text.contains(&user.name));
    assert_eq!(person.map(|user| &user.name), None);
}

#[tokio::test]
async fn the_web_server_serves_the_same_page() {
    let mut stage = Stage::with(40, "2026-11-20T10:00:00", everything).await;
    stage.wake_slowly().await;
    let served = Served::start(&stage).await;
    assert_eq!(Page::read(&served.get("/metrics").await).figures(), stage.page().figures());
    let part = Page::read(&served.get("/metrics?collect[]=wecom_kf").await).figures();
    assert!(!part.is_empty() && part.keys().all(|series| series.starts_with("wecom_kf_")));
    let report: Value = serde_json::from_str(&served.get("/api/v1/status").await).unwrap();
    let sources = report["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 6);
    for source in sources {
        assert_eq!((&source["up"], &source["account"]), (&Value::Bool(true), &Value::from("acme")), "{source}");
    }
    let gauges = stage.context.exposition.scrape(Format::OpenMetrics, false, None);
    let text: String = gauges.frames.iter().map(|frame| String::from_utf8_lossy(frame)).collect();
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn names_of_people_are_neither_stored_nor_shown_unless_wanted() {
    let yaml = |names: bool| format!("tencent_desk: [{{$desk, names: {names}, agent_statistics: {{$fast}}}}]");
    let mut stage = Stage::new("2026-11-20T10:00:00", &yaml(false)).await;
    let named = |stage: &Stage| {
        let stored = stage.other_connection().query_row("SELECT count(*) FROM name", [], |row| row.get::<_, i64>(0));
        (stored.unwrap() > 0, !stage.page().all("tencent_desk_agent_info").is_empty())
    };
    stage.wake().await;
    assert_eq!(named(&stage), (false, false));
    stage.restart_with(&yaml(true)).await;
    stage.wake_at("2026-11-20T12:00:00").await;
    assert_eq!(named(&stage), (true, true));
    stage.restart_with(&yaml(false)).await;
    stage.wake_at("2026-11-20T19:00:00").await;
    assert_eq!(named(&stage), (true, false), "what is stored from before is not shown");
}
