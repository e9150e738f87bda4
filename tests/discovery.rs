//! Who there is to ask about: asked once a day, shared, and kept for the days on which it can't be had.

use imstats_exporter::simulator::Effect;

use crate::harness::*;

const BOTH: &str = "wecom: [{$wecom, contact: {users: all, departments: all, $fast}, groupchat: {owners: all, teams: {t: {owners: all}}, $fast}}]";

#[tokio::test]
async fn lists_are_asked_for_once_a_day_and_shared() {
    let mut stage = Stage::new("2026-11-20T06:00:00", BOTH).await;
    stage.run_until("2026-11-21T05:59:00").await;
    assert_eq!((stage.calls(FOLLOW), stage.calls("department/simplelist"), stage.calls("department/list")), (1, 1, 1));
    stage.run_until("2026-11-21T23:00:00").await;
    assert_eq!((stage.calls(FOLLOW), stage.calls("department/simplelist"), stage.calls("department/list")), (2, 2, 2));
    stage.restart().await;
    stage.wake().await;
    assert_eq!(stage.calls(FOLLOW), 2, "they outlive a restart");
}

#[tokio::test]
async fn the_last_list_serves_while_the_platform_does_not_give_one() {
    let mut stage = Stage::new("2026-11-20T06:00:00", BOTH).await;
    stage.wake().await;
    let users = stage.page().all("wecom_contact_user_active_chats").len();
    stage.every(FOLLOW, Effect::Html(503));
    stage.wake_at("2026-11-21T06:00:00").await;
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-20"));
    assert_eq!(stage.page().all("wecom_contact_user_active_chats").len(), users);
    assert!(stage.up("wecom_contact"));
    assert!(stage.error("wecom_contact").contains("lists of an earlier day"), "{}", stage.error("wecom_contact"));
    let succeeded =
        |stage: &Stage| stage.series("imstats_source_last_success_timestamp_seconds{source=\"wecom_contact\"}");
    let yesterday = at("2026-11-20T23:59:59").as_second() as f64;
    assert!(succeeded(&stage).unwrap() < yesterday, "who may be missing from the list was not asked");
    // Three sources, each with two repetitions; and again at the next waking.
    assert_eq!(stage.calls(FOLLOW), 1 + 3 * 3);
    stage.mend();
    stage.wake_at("2026-11-21T06:10:00").await;
    assert_eq!(stage.calls(FOLLOW), 1 + 3 * 3 + 1);
    stage.wake_at("2026-11-21T06:20:00").await;
    assert_eq!(stage.calls(FOLLOW), 1 + 3 * 3 + 1);
    assert_eq!(stage.error("wecom_contact"), "", "all is well, though nothing is due");
    assert!(succeeded(&stage).unwrap() > yesterday);
}

#[tokio::test]
async fn a_source_that_was_down_for_its_lists_is_up_when_they_are_there_though_nothing_is_due() {
    let mut stage = Stage::new("2026-11-20T06:00:00", BOTH).await;
    stage.wake().await;
    stage.set("2026-11-21T06:00:00");
    stage.wake().await;
    // The day is whole, and the next one has no list yet.
    stage.every(FOLLOW, Effect::Html(503));
    stage.wake_at("2026-11-22T06:00:00").await;
    assert!(stage.up("wecom_contact"), "the list of the day before serves");
    stage.other_connection().execute("DELETE FROM list", []).unwrap();
    stage.restart().await;
    stage.wake().await;
    assert!(!stage.up("wecom_contact"));
    stage.mend();
    stage.wake_at("2026-11-22T06:10:00").await;
    assert_eq!((stage.up("wecom_contact"), stage.error("wecom_contact").as_str()), (true, ""));
    stage.restart().await;
    stage.wake().await;
    assert!(stage.up("wecom_contact"));
}

#[tokio::test]
async fn a_list_that_comes_empty_all_at_once_is_taken_up_a_day_later() {
    let mut stage = Stage::new("2026-11-20T06:00:00", BOTH).await;
    stage.wake().await;
    let users = stage.page().all("wecom_contact_user_active_chats").len();
    stage.every(FOLLOW, raw(r#"{"errcode": 0, "errmsg": "ok", "follow_user": []}"#));
    for (time, shown) in [("2026-11-21T06:00:00", "2026-11-20"), ("2026-11-21T20:00:00", "2026-11-20")] {
        stage.wake_at(time).await;
        assert_eq!(stage.shown("wecom_contact").as_deref(), Some(shown));
        assert_eq!(stage.page().all("wecom_contact_user_active_chats").len(), users);
        assert!(stage.error("wecom_contact").contains("came empty, though it had"), "{}", stage.error("wecom_contact"));
    }
    stage.wake_at("2026-11-22T06:00:00").await;
    assert_eq!(stage.page().all("wecom_contact_user_active_chats").len(), 0);
    let empty = |stage: &Stage| stage.error("wecom_contact").starts_with("the list follow_user is empty: ");
    assert!(empty(&stage), "{}", stage.error("wecom_contact"));
    let calls = stage.calls(FOLLOW);
    stage.wake_at("2026-11-22T06:20:00").await;
    assert_eq!(stage.calls(FOLLOW), calls);
    stage.mend();
    stage.every(FOLLOW, Effect::Html(503));
    stage.wake_at("2026-11-22T06:40:00").await;
    assert_eq!(stage.calls(FOLLOW), calls + 3, "an empty list is asked again, by one source and with two repetitions");
    assert!(stage.up("wecom_contact"), "it is today's all the same");
    assert!(empty(&stage), "{}", stage.error("wecom_contact"));
}

#[tokio::test]
async fn who_is_listed_at_last_is_shown_within_half_an_hour() {
    let mut stage = Stage::new("2026-11-20T06:00:00", "wecom: [{$wecom, contact: {users: all, $fast}}]").await;
    stage.every(FOLLOW, raw(r#"{"errcode": 0, "errmsg": "ok", "follow_user": []}"#));
    stage.wake().await;
    let told = |stage: &Stage| (stage.up("wecom_contact"), stage.error("wecom_contact"));
    assert!(told(&stage).1.contains("there are no subjects"), "{:?}", told(&stage));
    stage.restart().await;
    stage.wake_at("2026-11-20T12:00:00").await;
    assert!(told(&stage).1.contains("there are no subjects"), "{:?}", told(&stage));
    assert_eq!(stage.shown("wecom_contact"), None, "a page without anybody is none, of which an alert tells");
    stage.mend();
    stage.wake_at("2026-11-20T12:30:00").await;
    assert_eq!(told(&stage), (true, String::new()));
    assert!(!stage.page().all("wecom_contact_user_active_chats").is_empty());
    let calls = stage.calls(FOLLOW);
    stage.wake_at("2026-11-20T13:20:00").await;
    assert_eq!(stage.calls(FOLLOW), calls);
}

#[tokio::test]
async fn without_any_list_the_round_fails_and_the_source_is_down() {
    let mut stage = Stage::new("2026-11-20T06:00:00", BOTH).await;
    stage.every(FOLLOW, Effect::Html(503));
    stage.wake().await;
    assert!(!stage.up("wecom_contact"));
    assert!(stage.error("wecom_contact").contains("cannot list follow_user"), "{}", stage.error("wecom_contact"));
    assert_eq!((stage.calls(CONTACT), stage.shown("wecom_contact")), (0, None));
    stage.mend();
    stage.wake_at("2026-11-20T06:10:00").await;
    assert!(stage.up("wecom_contact") && stage.shown("wecom_contact").is_some());
}

#[tokio::test]
async fn a_list_that_is_refused_or_has_no_form_leaves_the_source_down_and_is_not_hammered() {
    for (effect, words, again) in [
        // Each of three sources asks; but where the app sees nobody: as long as that is so, the list is asked for as seldom as a missing permission.
        (Effect::Refuse(60011), "可见范围", 2),
        (Effect::Refuse(84061), "权限配置", 2),
        (Effect::Refuse(301_002), "self-built app", 2),
        (Effect::Refuse(48002), "可调用接口的应用", 2),
        (Effect::Refuse(40058), "40058", 6),
        (Effect::Refuse(7), "code 7", 6),
        (raw(r#"{"errcode": 0}"#), "/follow_user", 6),
    ] {
        let mut stage = Stage::new("2026-11-20T06:00:00", BOTH).await;
        stage.every(FOLLOW, effect.clone());
        stage.wake().await;
        for source in ["wecom_contact", "wecom_groupchat_owner"] {
            assert!(!stage.up(source), "{effect:?}");
            assert!(stage.error(source).contains(words), "{effect:?}: {}", stage.error(source));
        }
        stage.wake_at("2026-11-20T06:10:00").await;
        assert_eq!((stage.calls(FOLLOW), stage.calls(CONTACT)), (again, 0), "{effect:?}");
        stage.mend();
        stage.wake_at("2026-11-20T06:40:00").await;
        assert!(stage.up("wecom_contact") && stage.shown("wecom_contact").is_some(), "{effect:?}");
    }
}

#[tokio::test]
async fn written_lists_need_no_discovery() {
    let yaml = "
wecom: [{$wecom, contact: {users: [WangWu], departments: [1]}, groupchat: {owners: [WangWu], teams: {t: {owners: [WangWu]}}}, kf: {accounts: [wk1], servicers: [WangWu], $kf_secret}}]
feishu: [{$feishu, message_push: {departments: [od-1]}}]
tencent_desk: [{$desk, agent_statistics: {agents: [a@example.com]}}]
";
    let mut stage = Stage::new("2026-11-20T10:00:00", yaml).await;
    stage.wake_slowly().await;
    let known = [GETTOKEN, CONTACT, OWNERS, TEAMS, KF, TENANT_TOKEN, PUSH, DESK];
    for api in stage.simulator.calls().keys() {
        assert!(known.contains(&api.as_str()), "{api} was called");
    }
}

#[tokio::test]
async fn names_that_cannot_be_had_break_nothing() {
    let yaml = "wecom: [{$wecom, names: true, contact: {users: all, departments: all, $fast}}]";
    let mut stage = Stage::new("2026-11-20T06:00:00", yaml).await;
    stage.every("department/list", Effect::Refuse(48002));
    stage.every("user/simplelist", Effect::Refuse(60011));
    stage.wake_slowly().await;
    assert!(stage.up("wecom_contact"), "{}", stage.error("wecom_contact"));
    assert_eq!(stage.error("wecom_contact"), "");
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-19"));
    assert!(stage.page().all("wecom_user_info").is_empty() && stage.page().all("wecom_department_info").is_empty());
}

#[tokio::test]
async fn whoever_leaves_the_list_leaves_the_page_with_the_next_day() {
    let mut stage = Stage::new("2026-11-20T06:00:00", "wecom: [{$wecom, contact: {users: all, $fast}}]").await;
    stage.wake().await;
    stage.every(FOLLOW, raw(r#"{"errcode": 0, "follow_user": ["WangWu", "WangWu"]}"#));
    stage.wake_at("2026-11-20T12:00:00").await;
    assert!(stage.page().all("wecom_contact_user_active_chats").len() > 30, "today's list holds");
    stage.wake_at("2026-11-21T06:00:00").await;
    assert_eq!(stage.page().all("wecom_contact_user_active_chats").len(), 1, "and nobody counts twice");
    assert_eq!(stage.targets("wecom_contact"), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_broken_list_is_not_taken_for_an_empty_one() {
    for (body, words) in [
        (r#"{"errcode": 0}"#, "/follow_user"),
        (r#"{"errcode": 0, "follow_user": null}"#, "/follow_user"),
        (r#"{"errcode": 0, "follow_user": [7]}"#, "/follow_user/0"),
        (r#"{"errcode": 0, "follow_user": ["a""#, "not JSON"),
    ] {
        let mut stage = Stage::new("2026-11-20T06:00:00", "wecom: [{$wecom, contact: {}}]").await;
        stage.every(FOLLOW, raw(body));
        stage.wake().await;
        assert!(stage.error("wecom_contact").contains(words), "{body}: {}", stage.error("wecom_contact"));
        assert_eq!(stage.shown("wecom_contact"), None, "{body}");
    }
}
