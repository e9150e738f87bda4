//! Lists as platforms really give them: left out, null, empty, and with entries of another form.

use imstats_exporter::simulator::Effect;

use crate::harness::*;

/// A source, its API, and how its platform gives an empty list of figures.
const EMPTY: &[(&str, &str, &str)] = &[
    ("wecom_groupchat_owner", OWNERS, "wecom: [{$wecom, groupchat: {owners: [WangWu]}}]"),
    ("tencent_desk_agent", DESK, "tencent_desk: [{$desk, agent_statistics: {agents: all}}]"),
    ("feishu_message_push", PUSH, "feishu: [{$feishu, message_push: {}}]"),
];

#[tokio::test]
async fn a_success_without_its_list_is_no_data_where_the_platform_gives_an_empty_one_so() {
    for (source, api, yaml) in EMPTY {
        let mut stage = Stage::new("2026-11-20T12:00:00", yaml).await;
        stage.every(api, Effect::EmptyList);
        stage.wake().await;
        assert_eq!(stage.targets(source), [0, 1, 0, 0, 0], "{source}: {}", stage.error(source));
        assert_eq!((stage.up(source), stage.error(source).as_str()), (true, ""), "{source}");
    }
    for (source, api, yaml, body) in [
        (EMPTY[0].0, OWNERS, EMPTY[0].2, r#"{"errcode": 0, "total": 0, "next_offset": 0, "items": null}"#),
        (EMPTY[0].0, OWNERS, EMPTY[0].2, r#"{"errcode": 0, "total": 0, "items": []}"#),
        (EMPTY[1].0, DESK, EMPTY[1].2, r#"{"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 0}"#),
        (EMPTY[2].0, PUSH, EMPTY[2].2, r#"{"code": 0, "data": {"items": null}}"#),
    ] {
        let mut stage = Stage::new("2026-11-20T12:00:00", yaml).await;
        stage.every(api, raw(body));
        stage.wake().await;
        assert_eq!(stage.targets(source), [0, 1, 0, 0, 0], "{body}: {}", stage.error(source));
    }
}

#[tokio::test]
async fn a_success_without_its_list_is_malformed_where_it_should_have_one() {
    let contact = ("wecom_contact", CONTACT, "wecom: [{$wecom, contact: {users: [WangWu]}}]");
    let team =
        ("wecom_groupchat_team", TEAMS, "wecom: [{$wecom, groupchat: {owners: none, teams: {t: {owners: [WangWu]}}}}]");
    for ((source, api, yaml), body, place) in [
        (contact, r#"{"errcode": 0}"#, "/behavior_data"),
        (contact, r#"{"errcode": 0, "behavior_data": null}"#, "/behavior_data"),
        (team, r#"{"errcode": 0}"#, "/items"),
        (EMPTY[0], r#"{"errcode": 0, "total": 1, "next_offset": 1}"#, "/items"),
        (EMPTY[0], r#"{"errcode": 0}"#, "/total"),
        (EMPTY[1], r#"{"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 3, "Data": null}"#, "/Data"),
        (EMPTY[1], r#"{"ActionStatus": "OK", "ErrorCode": 0}"#, "/TotalCount"),
        (EMPTY[2], r#"{"code": 0}"#, "/data/items"),
        (EMPTY[2], r#"{"code": 0, "data": []}"#, "/data/items"),
        (EMPTY[2], r#"{"code": 0, "data": {"items": {}}}"#, "/data/items"),
    ] {
        let mut stage = Stage::new("2026-11-20T12:00:00", yaml).await;
        stage.every(api, raw(body));
        stage.wake().await;
        assert_eq!(stage.targets(source), [0, 0, 0, 1, 0], "{body}");
        assert!(
            stage.error(source).contains(&format!("the answer at {place} is not")),
            "{body}: {}",
            stage.error(source)
        );
    }
}

#[tokio::test]
async fn the_last_page_of_owners_needs_no_next_offset() {
    let row = r#"{"owner": "WangWu", "data": {"new_chat_cnt": 1}}"#;
    for next in ["", r#""next_offset": null,"#, r#""next_offset": 0,"#] {
        let mut stage = Stage::new("2026-11-20T12:00:00", EMPTY[0].2).await;
        stage.every(OWNERS, raw(format!(r#"{{"errcode": 0, {next} "total": 1, "items": [{row}]}}"#)));
        stage.wake().await;
        assert_eq!(stage.series("wecom_groupchat_owner_new_chats"), Some(1.0), "{next}");
    }
    let mut stage = Stage::new("2026-11-20T12:00:00", EMPTY[0].2).await;
    stage.every(OWNERS, raw(format!(r#"{{"errcode": 0, "total": 2, "items": [{row}]}}"#)));
    stage.wake().await;
    assert!(stage.error(EMPTY[0].0).contains("/next_offset"), "{}", stage.error(EMPTY[0].0));
}
