//! Lists as platforms really give them: left out, null, empty, and with entries of another form.

use imstats_exporter::poller::probe;
use imstats_exporter::simulator::{Effect, Fault};
use serde_json::json;

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

const SERVED: &str = "wecom: [{$wecom, kf: {accounts: all, servicers: all, $kf_secret, $fast}}]";

/// How many accounts and servicers are shown.
fn shown(stage: &Stage) -> (usize, usize) {
    let page = stage.page();
    (page.all("wecom_kf_account_sessions").len(), page.all("wecom_kf_servicer_sessions").len())
}

#[tokio::test]
async fn figures_of_accounts_do_not_wait_for_lists_of_servicers() {
    let mut well = Stage::new("2026-11-20T06:00:00", SERVED).await;
    well.wake().await;
    let (accounts, servicers) = shown(&well);
    assert!(accounts > 1 && servicers > accounts, "{accounts} {servicers}");
    for (effect, words) in [
        (Effect::Refuse(48002), "code 48002"),
        (Effect::Refuse(60011), "code 60011"),
        (Effect::Refuse(77777), "code 77777"),
        (raw(r#"{"errcode": 0, "servicer_list": {}}"#), "the answer at /servicer_list is not a list"),
        (raw(r#"{"errcode": 0, "servicer_list": [{}]}"#), "the answer at /servicer_list/0/userid is not an id"),
        (Effect::Html(503), "code 503"),
    ] {
        let mut stage = Stage::new("2026-11-20T06:00:00", SERVED).await;
        stage.every("kf/servicer/list", effect);
        stage.wake_slowly().await;
        let told = stage.error("wecom_kf");
        assert_eq!(shown(&stage), (accounts, 0), "{words}: {told}");
        assert!(told.contains("the list kf_servicer/wk") && told.contains("is left out: "), "{told}");
        assert!(told.contains(words) && told.contains("(and 1 more of the lists)"), "{told}");
        assert!(stage.up("wecom_kf"));
        stage.mend();
        stage.context.client.reload().await;
        stage.wake_at("2026-11-20T13:00:00").await;
        if words == "code 60011" {
            continue; // It is their answer for today.
        }
        assert_eq!((shown(&stage).1, stage.error("wecom_kf").as_str()), (servicers, ""), "{words}");
    }
}

#[tokio::test]
async fn a_platform_that_does_not_answer_is_not_asked_for_every_list_of_servicers() {
    let mut stage = Stage::new("2026-11-20T06:00:00", SERVED).await;
    stage.every("kf/servicer/list", Effect::Html(503));
    stage.wake_slowly().await;
    assert_eq!(stage.calls("kf/servicer/list"), 3, "one list, with two repetitions");
    assert!(stage.company().kf_accounts.len() > 1);
}

#[tokio::test]
async fn a_department_of_servicers_that_cannot_be_listed_leaves_the_others() {
    for effect in [Effect::Refuse(48002), raw(r#"{"errcode": 0}"#), Effect::Html(502)] {
        let mut stage = Stage::new("2026-11-20T06:00:00", SERVED).await;
        stage.every("department/simplelist", effect);
        stage.wake_slowly().await;
        let named: usize = stage.company().kf_accounts.iter().map(|account| account.named.len()).sum();
        let told = stage.error("wecom_kf");
        let (accounts, _) = shown(&stage);
        assert_eq!(accounts, stage.company().kf_accounts.len(), "{told}");
        assert_eq!(stage.targets("wecom_kf").iter().sum::<usize>(), accounts + named, "{told}");
        assert!(told.contains("the list department_member/") && stage.up("wecom_kf"), "{told}");
        // What is not whole is asked for again within half an hour, and after a restart.
        stage.mend();
        stage.context.client.reload().await;
        stage.wake_at("2026-11-20T06:40:00").await;
        let all: usize = stage.company().kf_accounts.iter().map(|account| account.servicers.len()).sum();
        assert_eq!(stage.targets("wecom_kf").iter().sum::<usize>(), accounts + all, "{}", stage.error("wecom_kf"));
        assert_eq!(stage.error("wecom_kf"), "");
    }
}

#[tokio::test]
async fn an_entry_of_another_form_spoils_only_itself() {
    for (source, api, entry, yaml) in [
        ("wecom_contact", FOLLOW, json!(""), "wecom: [{$wecom, contact: {users: all, $fast}}]"),
        ("wecom_contact", FOLLOW, json!({"userid": "x"}), "wecom: [{$wecom, contact: {users: all, $fast}}]"),
        (
            "wecom_contact",
            "department/simplelist",
            json!({"id": null}),
            "wecom: [{$wecom, contact: {users: none, departments: all, $fast}}]",
        ),
        ("wecom_kf", "kf/account/list", json!({"name": "?"}), SERVED),
        ("wecom_kf", "kf/servicer/list", json!({"userid": "", "status": 0}), SERVED),
        ("wecom_kf", "user/simplelist", json!({"userid": 1.5}), SERVED),
        (
            "feishu_message_push",
            CHILDREN,
            json!({"name": "?"}),
            "feishu: [{$feishu, message_push: {departments: all, $fast}}]",
        ),
    ] {
        let well = async |effect: Option<Effect>| {
            let mut stage = Stage::new("2026-11-20T12:00:00", yaml).await;
            if let Some(effect) = effect {
                stage.every(api, effect);
            }
            stage.wake_slowly().await;
            stage
        };
        let (whole, odd) = (well(None).await, well(Some(Effect::FirstEntry(entry.clone()))).await);
        assert_eq!(whole.page().figures(), odd.page().figures(), "{entry}");
        assert!(!odd.page().figures().is_empty());
        if api != "user/simplelist" {
            assert!(odd.error(source).contains("can't be read and are left out, the first: "), "{}", odd.error(source));
            let counted = format!("imstats_api_requests_total{{api=\"{api}\",outcome=\"malformed\"}}");
            assert!(odd.page().all(&counted)[0] >= 1.0, "{counted}");
        }
        assert!(odd.up(source));
    }
}

#[tokio::test]
async fn a_servicer_with_an_empty_id_and_a_department_is_that_department() {
    let mut stage = Stage::new("2026-11-20T06:00:00", SERVED).await;
    let department = stage.company().departments[1].partyid;
    let account = stage.company().kf_accounts[1].open_kfid.clone();
    for userid in [json!(""), json!(null)] {
        let entry = json!({"userid": userid, "department_id": department});
        stage.fault(Fault::on("kf/servicer/list", Effect::FirstEntry(entry)).subject(&account));
    }
    stage.wake().await;
    assert_eq!(stage.error("wecom_kf").find("can't be read"), None, "{}", stage.error("wecom_kf"));
    let members = stage.log("user/simplelist").into_iter().filter(|call| call.subject == department.to_string());
    assert_eq!(members.count(), 1);
}

/// A list that `all` asks for, its API, and the console page that is named where it is empty.
const ALL: &[(&str, &str, &str, &str)] = &[
    (
        "wecom_contact",
        FOLLOW,
        "wecom: [{$wecom, contact: {users: all, departments: [1], $fast}}]",
        "客户联系 > 权限配置",
    ),
    (
        "wecom_contact",
        "department/simplelist",
        "wecom: [{$wecom, contact: {users: [WangWu], departments: all}}]",
        "可见范围",
    ),
    ("wecom_kf", "kf/account/list", SERVED, "应用管理 > 微信客服"),
    ("feishu_message_push", CHILDREN, "feishu: [{$feishu, message_push: {departments: all, $fast}}]", "通讯录权限范围"),
];

#[tokio::test]
async fn an_empty_list_where_all_was_asked_is_told_with_the_page_to_open() {
    for (source, api, yaml, page) in ALL {
        let mut stage = Stage::new("2026-11-20T12:00:00", yaml).await;
        stage.every(api, Effect::EmptyList);
        stage.wake_slowly().await;
        let told = stage.error(source);
        assert!(told.contains("is empty: ") && told.contains(page), "{told}");
        assert!(stage.up(source));
        assert_eq!(stage.shown(source).is_some(), *source != "wecom_kf", "what else is asked for is shown: {told}");
        stage.wake_at("2026-11-20T12:10:00").await;
        assert_eq!(stage.error(source), told, "as long as it is so");
        stage.mend();
        stage.wake_at("2026-11-20T12:50:00").await;
        assert_eq!(stage.error(source), "");
    }
}

#[tokio::test]
async fn check_fails_at_an_empty_list_where_all_was_asked() {
    for (source, api, yaml, page) in ALL {
        let stage = Stage::new("2026-11-20T12:00:00", yaml).await;
        stage.every(api, Effect::EmptyList);
        let config = stage.sources().remove(0);
        let steps = probe(&stage.context, &config).await.unwrap();
        let failed: Vec<_> = steps.iter().filter_map(|step| Some((&step.what, step.result.as_ref().err()?))).collect();
        assert!(failed[0].0.starts_with("list ") && failed[0].1.contains(page), "{source}: {failed:?}");
        assert_eq!(failed.len(), 1, "{failed:?}");
    }
}
