//! One figure that can't be right: it is absent, counted and told, and all else is shown.

use serde_json::{Value, json};

use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";
const ONE: &str = "wecom: [{$wecom, contact: {users: [WangWu], lookback_days: 2, $fast}}]";
const AGENTS: &str = "tencent_desk: [{$desk, agent_statistics: {agents: all, $fast}}]";
const INVALID: &str = "imstats_source_invalid_values";

async fn answered(yaml: &str, api: &str, body: &Value) -> Stage {
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.every(api, raw(body.to_string()));
    stage.wake().await;
    stage
}

/// The names of the metrics that are shown, without their common `prefix`.
fn shown(stage: &Stage, prefix: &str) -> Vec<String> {
    let figures = stage.page().figures();
    let name = |series: &String| series.split('{').next().unwrap().strip_prefix(prefix).unwrap().to_owned();
    figures.keys().map(name).collect()
}

fn behavior(rows: &Value) -> Value {
    json!({"errcode": 0, "errmsg": "ok", "behavior_data": rows})
}

#[tokio::test]
async fn an_invalid_figure_costs_that_figure_alone() {
    let day = midnight("2026-11-19");
    for (field, value, words) in [
        ("chat_cnt", json!("many"), "is not a number"),
        ("chat_cnt", json!(true), "is not a number"),
        ("chat_cnt", json!({"count": 1}), "is not a number"),
        ("chat_cnt", json!(""), "is not a number"),
        ("chat_cnt", json!(-1), "is not a number from 0 to below 2^53"),
        ("chat_cnt", json!(1e300), "is not a number from 0 to below 2^53"),
        ("reply_percentage", json!(133.33), "is not a percentage from 0 to 100"),
        ("reply_percentage", json!("50%"), "is not a number"),
        ("avg_reply_time", json!("NaN"), "is not a number"),
    ] {
        let mut row = json!({"stat_time": day, "chat_cnt": 4, "reply_percentage": 50, "avg_reply_time": 2});
        row[field] = value.clone();
        let stage = answered(ONE, CONTACT, &behavior(&json!([row]))).await;
        let all = ["active_chats", "first_reply_average_seconds", "replied_chats_ratio"];
        let lost = ["chat_cnt", "avg_reply_time", "reply_percentage"].iter().position(|name| *name == field).unwrap();
        let rest: Vec<_> = all.iter().enumerate().filter(|(n, _)| *n != lost).map(|(_, name)| *name).collect();
        assert_eq!(shown(&stage, "wecom_contact_user_"), rest, "{field} {value}");
        assert_eq!((stage.targets("wecom_contact"), stage.up("wecom_contact")), ([1, 0, 0, 0, 0], true));
        assert_eq!(stage.series(INVALID), Some(1.0), "{field} {value}");
        let told = stage.error("wecom_contact");
        assert!(told.starts_with("1 figures of the day are left out, as they can't be right: "), "{told}");
        assert!(told.ends_with(&format!("/behavior_data/0/{field} {words}")), "{told}");
        assert_eq!((stage.outcomes(CONTACT, "ok"), stage.outcomes(CONTACT, "malformed")), (1.0, 0.0));
    }
}

#[tokio::test]
async fn shares_that_turn_out_to_be_percents_cost_no_counts_and_no_servicers() {
    let yaml = "wecom: [{$wecom, kf: {accounts: [wk1], servicers: [a], lookback_days: 1, $kf_secret, $fast}}]";
    let row = json!({"stat_time": midnight("2026-11-19"), "statistic": {
        "session_cnt": 10, "reply_rate": 90.0, "satisfied_rate": 1.000_000_1, "middling_rate": 1,
    }});
    let stage = answered(yaml, KF, &json!({"errcode": 0, "statistic_list": [row]})).await;
    assert_eq!(stage.targets("wecom_kf"), [2, 0, 0, 0, 0], "the servicer was asked");
    assert_eq!(stage.page().all("wecom_kf_account_sessions"), [10.0]);
    assert_eq!(stage.page().all("wecom_kf_account_middling_ratio"), [1.0]);
    assert!(stage.page().all("wecom_kf_account_replied_sessions_ratio").is_empty());
    assert_eq!(stage.series(INVALID), Some(4.0), "two of the account, two of the servicer");
}

#[tokio::test]
async fn one_agent_with_a_bad_figure_does_not_cost_all_agents() {
    let agent = |id: &str, time: Value| json!({"AgentId": id, "TotalSessionCnt": 5, "AvgFirstRespTime": time});
    let agents = json!([agent("a@x", json!(3)), agent("b@x", json!(-1)), agent("c@x", json!("NaN"))]);
    let body =
        |data: &Value, count: usize| json!({"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": count, "Data": data});
    let stage = answered(AGENTS, DESK, &body(&agents, 3)).await;
    assert_eq!(stage.page().all("tencent_desk_agent_sessions"), [5.0, 5.0, 5.0]);
    assert_eq!(stage.page().all("tencent_desk_agent_first_response_average_seconds"), [3.0]);
    assert_eq!(stage.series(INVALID), Some(2.0));
    assert!(stage.error("tencent_desk_agent").contains("/Data/1/AvgFirstRespTime"), "the first of them");
    // Milliseconds are not the year 57000.
    let late = json!([{"AgentId": "a@x", "TotalSessionCnt": 5, "FirstLoginTimestamp": 1_795_046_400_000_u64,
        "LastLogoutTimestamp": 1_795_075_200}]);
    let stage = answered(AGENTS, DESK, &body(&late, 1)).await;
    assert!(stage.page().all("tencent_desk_agent_first_login_timestamp_seconds").is_empty());
    assert_eq!(stage.page().all("tencent_desk_agent_last_logout_timestamp_seconds"), [1_795_075_200.0]);
    assert!(
        stage.error("tencent_desk_agent").ends_with("/Data/0/FirstLoginTimestamp is not a time in seconds since 1970")
    );
}

#[tokio::test]
async fn a_row_without_a_good_figure_is_neither_no_data_nor_a_failure() {
    let push = "feishu: [{$feishu, message_push: {$fast}}]";
    let item = |name: &str, value: Value| json!({"metric_name": name, "metric_value": value});
    let items = json!([item("send_msg_count", json!(-1)), item("send_user_count", json!(7))]);
    let stage = answered(push, PUSH, &json!({"code": 0, "data": {"items": items}})).await;
    assert_eq!(stage.page().figures().into_values().collect::<Vec<_>>(), [7.0]);
    assert_eq!(stage.series(INVALID), Some(1.0));
    let alone = json!([item("send_msg_count", json!(-1))]);
    let stage = answered(push, PUSH, &json!({"code": 0, "data": {"items": alone}})).await;
    assert_eq!(stage.targets("feishu_message_push"), [1, 0, 0, 0, 0]);
    assert!(stage.page().figures().is_empty());
    assert_eq!(stage.shown("feishu_message_push").as_deref(), Some("2026-11-18"), "the day is held up by nothing");
}

#[tokio::test]
async fn invalid_figures_are_those_of_the_target_day_and_end_when_they_are_right() {
    let rows = |today: i64, before: i64| {
        behavior(&json!([
            {"stat_time": midnight("2026-11-19"), "chat_cnt": today, "message_cnt": 9},
            {"stat_time": midnight("2026-11-18"), "chat_cnt": before, "message_cnt": 9},
        ]))
    };
    let mut stage = answered(ONE, CONTACT, &rows(-1, -1)).await;
    assert_eq!(stage.series(INVALID), Some(1.0));
    stage.wake_at("2026-11-20T10:10:00").await;
    assert_eq!(stage.series(INVALID), Some(1.0), "nothing was asked");
    assert!(stage.error("wecom_contact").contains("/behavior_data/0/chat_cnt"));
    stage.mend();
    stage.every(CONTACT, raw(rows(3, -1).to_string()));
    stage.wake_at("2026-11-20T11:00:00").await;
    assert_eq!((stage.series(INVALID), stage.error("wecom_contact")), (Some(0.0), String::new()));
    assert_eq!(stage.series("wecom_contact_user_active_chats"), Some(3.0));
    stage.restart().await;
    assert_eq!(stage.series("wecom_contact_user_messages_sent"), Some(9.0));
}

#[tokio::test]
async fn an_identity_or_a_day_that_is_wrong_is_no_figure() {
    let good = json!({"AgentId": "a@x", "TotalSessionCnt": 5});
    for bad in [json!({"AgentId": {}, "TotalSessionCnt": 5}), json!({"TotalSessionCnt": 5}), json!(7)] {
        let body = json!({"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 2, "Data": [good.clone(), bad]});
        let stage = answered(AGENTS, DESK, &body).await;
        assert_eq!((stage.targets("tencent_desk_agent"), stage.up("tencent_desk_agent")), ([0, 0, 0, 1, 0], false));
        assert_eq!(stage.outcomes(DESK, "malformed"), 1.0);
        assert_eq!(stage.series(INVALID), Some(0.0));
    }
    let stage = answered(ONE, CONTACT, &behavior(&json!([{"stat_time": "today", "chat_cnt": 5}]))).await;
    assert_eq!(stage.targets("wecom_contact"), [0, 0, 0, 1, 0]);
}
