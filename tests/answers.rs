//! Answers that are not what the platform's page promises, and answers that do not come.

use std::time::Duration;

use imstats_exporter::simulator::{Effect, Fault, Simulator};
use serde_json::json;

use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";
/// One call a round, without look-back.
const ONE: &str = "wecom: [{$wecom, timeout: 5s, contact: {users: [WangWu], lookback_days: 1, $fast}}]";
const OWNER: &str = "wecom: [{$wecom, groupchat: {owners: [Zhang.San], $fast}}]";
const PUSHED: &str = "feishu: [{$feishu, message_push: {$fast}}]";
const AGENTS: &str = "tencent_desk: [{$desk, agent_statistics: {agents: all, $fast}}]";
const SERVED: &str = "wecom: [{$wecom, kf: {accounts: [wk1], lookback_days: 1, $kf_secret, $fast}}]";

/// The platform's answer, and what comes of it: the words of the error, empty where there is none.
async fn answered(yaml: &str, api: &str, answer: Effect) -> Stage {
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.every(api, answer);
    stage.wake_slowly().await;
    stage
}

fn only(stage: &Stage) -> (&'static str, String) {
    let source = stage.workers[0].source;
    (source, stage.error(source))
}

/// An answer of `get_user_behavior_data` with these rows.
fn behavior(rows: &serde_json::Value) -> Effect {
    raw(json!({"errcode": 0, "errmsg": "ok", "behavior_data": rows}).to_string())
}

#[tokio::test]
async fn an_answer_of_another_form_fails_its_target_and_names_the_place() {
    let yesterday = midnight("2026-11-19");
    let contact = |row: serde_json::Value| (ONE, CONTACT, behavior(&json!([row])));
    let owners = |body: &str| (OWNER, OWNERS, raw(body));
    for ((yaml, api, answer), words) in [
        (contact(json!({"chat_cnt": 1})), "/behavior_data/0/stat_time"),
        (contact(json!({"stat_time": yesterday + 1, "chat_cnt": 1})), "/behavior_data/0/stat_time"),
        (contact(json!({"stat_time": midnight("2026-11-18"), "chat_cnt": 1})), "/behavior_data/0/stat_time"),
        (contact(json!("row")), "/behavior_data/0 is not an object"),
        ((ONE, CONTACT, raw(r#"{"errcode": 0}"#)), "/behavior_data is not a list"),
        ((ONE, CONTACT, raw(r#"{"errcode": 0, "behavior_data": null}"#)), "/behavior_data is not a list"),
        ((ONE, CONTACT, raw(r#"{"errcode": 0, "behavior_data": {}}"#)), "/behavior_data is not a list"),
        ((ONE, CONTACT, Effect::Truncate), "not JSON"),
        (
            owners(r#"{"errcode": 0, "total": 1, "next_offset": 1, "items": [{"owner": "nobody", "data": {}}]}"#),
            "/items",
        ),
        (owners(r#"{"errcode": 0, "total": 1, "next_offset": 1, "items": [{"data": {}}]}"#), "/items/0/owner"),
        (owners(r#"{"errcode": 0, "total": 1, "next_offset": 1, "items": [{"owner": "Zhang.San"}]}"#), "/items/0/data"),
        (owners(r#"{"errcode": 0, "next_offset": 1, "items": []}"#), "/total"),
        (owners(r#"{"errcode": 0, "total": 1, "items": []}"#), "/next_offset"),
        ((SERVED, KF, raw(r#"{"errcode": 0}"#)), "/statistic_list"),
        ((AGENTS, DESK, raw(r#"{"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 1}"#)), "/Data"),
        ((PUSHED, PUSH, raw(r#"{"code": 0, "data": null}"#)), "/data/items"),
        ((PUSHED, PUSH, raw(r#"{"code": 0, "data": {"items": [{"metric_value": 1}]}}"#)), "/data/items/0/metric_name"),
    ] {
        let stage = answered(yaml, api, answer.clone()).await;
        let (source, error) = only(&stage);
        assert!(error.contains(words), "{answer:?}: {error}");
        assert_eq!(stage.targets(source), [0, 0, 0, 1, 0], "{words}");
        assert!(!stage.up(source), "nothing of it can be used");
        assert_eq!((stage.outcomes(api, "ok"), stage.outcomes(api, "malformed")), (0.0, 1.0), "{words}");
        assert!(stage.page().figures().is_empty());
        assert_eq!(stage.shown(source), None);
    }
}

#[tokio::test]
async fn a_list_or_a_token_of_another_form_is_no_answer_that_is_counted_as_ok() {
    let everybody = "wecom: [{$wecom, contact: {users: all, $fast}}]";
    for (api, body) in [
        (FOLLOW, r#"{"errcode": 0}"#),
        (FOLLOW, r#"{"errcode": 0, "follow_user": ["a", {}]}"#),
        (GETTOKEN, r#"{"errcode": 0}"#),
    ] {
        let stage = answered(everybody, api, raw(body)).await;
        assert_eq!((stage.outcomes(api, "ok"), stage.outcomes(api, "malformed")), (0.0, 1.0), "{api} {body}");
    }
}

#[tokio::test]
async fn two_rows_for_one_are_taken_only_where_they_agree() {
    let row = |count: u32| json!({"stat_time": midnight("2026-11-19"), "chat_cnt": count});
    let stage = answered(ONE, CONTACT, behavior(&json!([row(3), row(3)]))).await;
    assert_eq!(stage.series("wecom_contact_user_active_chats"), Some(3.0));
    let stage = answered(ONE, CONTACT, behavior(&json!([row(3), row(4)]))).await;
    assert_eq!(stage.series("wecom_contact_user_active_chats"), None);
    assert_eq!(stage.targets("wecom_contact"), [0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn an_answer_that_is_bad_for_one_of_its_targets_is_counted_as_malformed() {
    let yaml = "wecom: [{$wecom, groupchat: {owners: [Zhang.San, WangWu], $fast}}]";
    let row = |owner: &str, count: u32| json!({"owner": owner, "data": {"new_chat_cnt": count}});
    let rows = [row("Zhang.San", 1), row("Zhang.San", 2), row("WangWu", 3)];
    let answer = json!({"errcode": 0, "errmsg": "ok", "total": 2, "next_offset": 2, "items": rows}).to_string();
    let stage = answered(yaml, OWNERS, raw(answer)).await;
    assert_eq!(stage.targets("wecom_groupchat_owner"), [1, 0, 0, 1, 0]);
    assert_eq!(stage.series("wecom_groupchat_owner_new_chats{owner=\"WangWu\"}"), Some(3.0));
    assert_eq!(stage.outcomes(OWNERS, "malformed"), 1.0);
}

#[tokio::test]
async fn numbers_in_strings_are_numbers_and_null_is_absent() {
    let row = json!({"stat_time": midnight("2026-11-19").to_string(), "chat_cnt": "12", "reply_percentage": "60.25",
        "avg_reply_time": "2", "message_cnt": null, "new_apply_cnt": 0});
    let stage = answered(ONE, CONTACT, behavior(&json!([row]))).await;
    let shown = stage.page().figures();
    let figures: Vec<_> = shown.iter().map(|(series, value)| (series.split('{').next().unwrap(), *value)).collect();
    assert_eq!(
        figures,
        [
            ("wecom_contact_user_active_chats", 12.0),
            ("wecom_contact_user_first_reply_average_seconds", 120.0),
            ("wecom_contact_user_friend_requests_sent", 0.0),
            ("wecom_contact_user_replied_chats_ratio", 0.6025),
        ]
    );
}

#[tokio::test]
async fn fields_that_nobody_knows_are_counted_and_otherwise_ignored() {
    let row = json!({"stat_time": midnight("2026-11-19"), "chat_cnt": 1, "poke_cnt": 9, "wave_cnt": {"deep": []}});
    let mut stage = answered(ONE, CONTACT, behavior(&json!([row]))).await;
    let unmapped = "imstats_source_unmapped_fields{source=\"wecom_contact\"}";
    assert_eq!(stage.series(unmapped), Some(2.0));
    assert_eq!(stage.page().figures().len(), 1);
    stage.wake_at("2026-11-20T11:00:00").await;
    assert_eq!(stage.series(unmapped), Some(2.0), "each once");
}

#[tokio::test]
async fn an_answer_without_rows_is_no_data_and_never_zero() {
    let empty = [
        (ONE, CONTACT, behavior(&json!([]))),
        (ONE, CONTACT, behavior(&json!([{"stat_time": midnight("2026-11-19")}]))),
        (OWNER, OWNERS, raw(r#"{"errcode": 0, "total": 0, "next_offset": 0, "items": []}"#)),
        (
            SERVED,
            KF,
            raw(format!(r#"{{"errcode": 0, "statistic_list": [{{"stat_time": {}}}]}}"#, midnight("2026-11-19"))),
        ),
        (AGENTS, DESK, raw(r#"{"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 0, "Data": []}"#)),
        (PUSHED, PUSH, Effect::Refuse(211_011)),
        (PUSHED, PUSH, raw(r#"{"code": 0, "data": {"items": []}}"#)),
    ];
    for (yaml, api, answer) in empty {
        let stage = answered(yaml, api, answer.clone()).await;
        let (source, error) = only(&stage);
        assert_eq!((stage.targets(source), error.as_str()), ([0, 1, 0, 0, 0], ""), "{answer:?}");
        assert!(stage.page().figures().is_empty() && stage.up(source));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_asked_for_three_times_and_the_source_is_down() {
    let status = |status, headers: &[(&str, &str)], body: &str| Effect::Raw {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.as_bytes().to_vec(),
    };
    for (answer, words) in [
        (Effect::Html(500), "the server failed"),
        (Effect::Html(502), "the server failed"),
        (Effect::Html(404), "HTTP 404"),
        (Effect::Html(403), "HTTP 403"),
        (Effect::Reset, "the exchange broke off"),
        (Effect::Refuse(-1), "busy"),
        (status(302, &[("location", "http://127.0.0.1:1/elsewhere")], ""), "unexpected redirect"),
        (status(200, &[], "{}"), "errcode"),
        (status(200, &[], r#"["a"]"#), "errcode"),
    ] {
        let stage = answered(ONE, CONTACT, answer.clone()).await;
        let (source, error) = only(&stage);
        assert!(error.contains(words), "{answer:?}: {error}");
        assert!(!error.contains("access_token") && !error.contains("http://"), "{error}");
        assert_eq!(stage.calls(CONTACT), 3, "{answer:?}");
        assert_eq!((stage.targets(source), stage.up(source)), ([0, 0, 0, 1, 0], false), "{answer:?}");
    }
}

#[tokio::test]
async fn what_passes_by_itself_within_three_tries_is_not_even_a_failure() {
    for effect in [Effect::Html(502), Effect::Reset, Effect::Refuse(-1)] {
        let mut stage = Stage::new(MORNING, ONE).await;
        stage.fault(Fault::on(CONTACT, effect).times(2));
        stage.wake().await;
        assert_eq!((stage.error("wecom_contact"), stage.targets("wecom_contact")), (String::new(), [1, 0, 0, 0, 0]));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_so_that_no_token_travels() {
    let elsewhere = Stage::new(MORNING, ONE).await;
    for api in [GETTOKEN, CONTACT] {
        for status in [301, 302, 303, 307, 308] {
            let location = format!("{}/cgi-bin/{api}?stolen=1", elsewhere.simulator.base_url());
            let redirect = Effect::Raw { status, headers: vec![("location".to_owned(), location)], body: Vec::new() };
            let stage = answered(ONE, api, redirect).await;
            assert!(!stage.up("wecom_contact"), "{api} {status}");
            assert!(stage.calls(api) > 0);
            assert_eq!(elsewhere.all_calls(), 0, "{api} {status}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_off() {
    let stage = answered(&ONE.replace("timeout: 5s", "timeout: 50ms"), CONTACT, Effect::Hang).await;
    assert!(
        stage.error("wecom_contact").contains("no whole answer within timeout"),
        "{}",
        stage.error("wecom_contact")
    );
    let huge = answered(ONE, CONTACT, raw(" ".repeat((16 << 20) + 1))).await;
    assert!(huge.error("wecom_contact").contains("larger than 16 MiB"), "{}", huge.error("wecom_contact"));
}

#[tokio::test]
async fn a_platform_that_cannot_be_reached_is_down_in_words() {
    // Nobody listens on port 1.
    let yaml = |simulator: &Simulator| filled(ONE, simulator).replace(&simulator.base_url(), "http://127.0.0.1:1");
    let mut stage = Stage::with(40, MORNING, yaml).await;
    stage.wake_slowly().await;
    assert!(!stage.up("wecom_contact"));
    assert!(stage.error("wecom_contact").contains("cannot connect"), "{}", stage.error("wecom_contact"));
}

#[tokio::test]
async fn five_silences_in_a_row_end_the_round() {
    let mut stage = Stage::new(MORNING, "wecom: [{$wecom, contact: {users: all, concurrency: 1, $fast}}]").await;
    let users: Vec<_> = stage.company().follow_users().map(|user| user.userid.clone()).collect();
    // The first two are answered; then silence.
    for user in &users[2..] {
        stage.fault(Fault::on(CONTACT, Effect::Html(503)).subject(user));
    }
    stage.wake().await;
    assert_eq!(stage.calls(CONTACT), 2 + 5 * 3);
    assert!(stage.up("wecom_contact"), "two were answered");
    assert_eq!(stage.targets("wecom_contact"), [2, 0, 0, 5, users.len() - 7]);
    stage.mend();
    stage.wake_at("2026-11-20T10:10:00").await;
    assert_eq!(stage.calls(CONTACT), 2 + 5 * 3 + users.len() as u64 - 2, "those who were answered are not asked again");
    assert_eq!(stage.targets("wecom_contact")[0], users.len());
    assert!(stage.up("wecom_contact"));
}

#[tokio::test]
async fn single_silences_do_not_end_the_round() {
    let mut stage = Stage::new(MORNING, "wecom: [{$wecom, contact: {users: all, concurrency: 1, $fast}}]").await;
    let users: Vec<_> = stage.company().follow_users().map(|user| user.userid.clone()).collect();
    for user in users.iter().step_by(2) {
        stage.fault(Fault::on(CONTACT, Effect::Html(503)).subject(user));
    }
    stage.wake().await;
    assert!(stage.up("wecom_contact"), "the platform answers");
    assert_eq!(stage.targets("wecom_contact"), [users.len() / 2, 0, 0, users.len().div_ceil(2), 0]);
    let error = stage.error("wecom_contact");
    assert!(error.starts_with(&format!("{} of {} targets failed", users.len().div_ceil(2), users.len())), "{error}");
}

#[tokio::test]
async fn a_source_is_up_while_its_first_round_goes_on() {
    let mut stage = Stage::new(MORNING, "wecom: [{$wecom, contact: {users: all, rate_limit: 20/m}}]").await;
    let mut worker = stage.take("wecom_contact");
    let waking = tokio::spawn(async move { worker.wake().await.map(drop) });
    stage
        .until("it is up before it is whole", |stage| {
            stage.clock.advance(Duration::from_millis(500));
            stage.up("wecom_contact") && stage.targets("wecom_contact")[4] > 0
        })
        .await;
    // An alert watches this: a round that goes on is not one that hangs.
    assert!(stage.status("wecom_contact").next_round > Some(stage.clock.now()));
    waking.abort();
}
