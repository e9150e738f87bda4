//! Lists and answers of many pages.

use imstats_exporter::day::Days;
use imstats_exporter::simulator::{Effect, Fault, figures};
use serde_json::json;

use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";
const OWNED: &str = "wecom: [{$wecom, groupchat: {owners: [a, b, c], $fast}}]";
const AGENTS: &str = "tencent_desk: [{$desk, agent_statistics: {$fast}}]";

/// A page of `groupchat/statistic`.
fn page(total: u32, next: u32, owners: &[(&str, u32)]) -> Effect {
    let items: Vec<_> =
        owners.iter().map(|(owner, chats)| json!({"owner": owner, "data": {"chat_total": chats}})).collect();
    raw(json!({"errcode": 0, "total": total, "next_offset": next, "items": items}).to_string())
}

async fn given(yaml: &str, api: &str, pages: Vec<Effect>) -> Stage {
    let mut stage = Stage::new(MORNING, yaml).await;
    for page in pages {
        stage.fault(Fault::on(api, page).times(1));
    }
    stage.wake().await;
    stage
}

#[tokio::test]
async fn owners_are_read_page_by_page() {
    let pages = vec![page(3, 1, &[("a", 1)]), page(3, 2, &[("b", 2)]), page(3, 3, &[("c", 3)])];
    let stage = given(OWNED, OWNERS, pages).await;
    assert_eq!(stage.page().all("wecom_groupchat_owner_chats"), [1.0, 2.0, 3.0]);
    assert_eq!(stage.calls(OWNERS), 3);
}

#[tokio::test]
async fn a_total_that_changes_is_read_once_more() {
    let changed = || vec![page(3, 2, &[("a", 1), ("b", 2)]), page(4, 3, &[("c", 3)])];
    let whole = vec![page(3, 2, &[("a", 1), ("b", 2)]), page(3, 3, &[("c", 3)])];
    let stage = given(OWNED, OWNERS, changed().into_iter().chain(whole).collect()).await;
    assert_eq!(stage.targets("wecom_groupchat_owner"), [3, 0, 0, 0, 0]);
    assert_eq!(stage.calls(OWNERS), 4);
    let stage = given(OWNED, OWNERS, changed().into_iter().chain(changed()).collect()).await;
    assert_eq!(stage.targets("wecom_groupchat_owner"), [0, 0, 0, 3, 0]);
    assert!(stage.error("wecom_groupchat_owner").contains("from page to page"));
    assert_eq!(stage.calls(OWNERS), 4);
}

#[tokio::test]
async fn a_list_that_does_not_get_on_is_broken() {
    let stage = given(OWNED, OWNERS, vec![page(3, 1, &[("a", 1)]), page(3, 1, &[("b", 1)])]).await;
    assert_eq!(stage.targets("wecom_groupchat_owner"), [0, 0, 0, 3, 0]);
    assert!(stage.error("wecom_groupchat_owner").contains("/next_offset"), "{}", stage.error("wecom_groupchat_owner"));
    let empty = raw(r#"{"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 7, "Data": []}"#);
    let stage = given(AGENTS, DESK, vec![empty]).await;
    assert!(stage.error("tencent_desk_agent").contains("/Data"), "{}", stage.error("tencent_desk_agent"));
}

/// A page of Desk's agents.
fn agents(total: u64, numbers: std::ops::Range<u32>) -> Effect {
    let rows: Vec<_> = numbers.map(|n| json!({"AgentId": format!("agent{n}"), "TotalSessionCnt": n})).collect();
    raw(json!({"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": total, "Data": rows}).to_string())
}

#[tokio::test]
async fn a_list_of_agents_that_changes_is_read_once_more_and_then_fails() {
    for (pages, calls) in [
        // Some come, some go, and a number that no list has.
        (vec![agents(150, 0..100), agents(151, 100..151)], 2),
        (vec![agents(150, 0..100), agents(120, 100..120)], 2),
        (vec![agents(150, 0..100), agents(1 << 60, 100..150)], 2),
    ] {
        let whole = vec![agents(150, 0..100), agents(150, 100..150)];
        let stage = given(AGENTS, DESK, pages.iter().cloned().chain(whole).collect()).await;
        assert_eq!(stage.targets("tencent_desk_agent"), [1, 0, 0, 0, 0], "{}", stage.error("tencent_desk_agent"));
        assert_eq!(stage.page().all("tencent_desk_agent_sessions").len(), 150);
        assert_eq!(stage.calls(DESK), calls + 2);
        let stage = given(AGENTS, DESK, pages.iter().chain(&pages).cloned().collect()).await;
        assert_eq!(stage.targets("tencent_desk_agent"), [0, 0, 0, 1, 0]);
        assert!(stage.error("tencent_desk_agent").contains("from page to page"));
    }
}

#[tokio::test]
async fn an_agent_on_two_pages_says_that_others_were_skipped() {
    let shifted = || vec![agents(102, 0..100), agents(102, 98..100)];
    let stage = given(AGENTS, DESK, shifted().into_iter().chain(shifted()).collect()).await;
    assert_eq!(stage.targets("tencent_desk_agent"), [0, 0, 0, 1, 0]);
    assert!(stage.error("tencent_desk_agent").contains("from page to page"));
    let whole = vec![agents(102, 0..100), agents(102, 100..102)];
    let stage = given(AGENTS, DESK, shifted().into_iter().chain(whole).collect()).await;
    assert_eq!(stage.page().all("tencent_desk_agent_sessions").len(), 102);
    let other = raw(
        json!({"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 101, "Data": [{"AgentId": "agent5", "TotalSessionCnt": 6}]})
            .to_string(),
    );
    let differing = vec![agents(101, 0..100), other];
    let stage = given(AGENTS, DESK, [differing.clone(), differing].concat()).await;
    assert_eq!(stage.targets("tencent_desk_agent"), [0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn a_total_that_counts_agents_who_were_not_asked_for_is_no_measure() {
    // As the platform's own example has it: five in all, of whom one was asked for.
    const TWO: &str = "tencent_desk: [{$desk, agent_statistics: {agents: [agent1, agent2], $fast}}]";
    for pages in [
        vec![agents(5, 1..3), agents(5, 0..0)],
        vec![agents(5, 1..2), agents(5, 2..3), agents(5, 0..0)],
        vec![raw(r#"{"ErrorCode": 0, "ActionStatus": "OK", "TotalCount": "2", "Data": [
            {"AgentId": "agent1", "TotalSessionCnt": 1}, {"AgentId": "agent2", "TotalSessionCnt": 2}]}"#)],
    ] {
        let calls = pages.len() as u64;
        let stage = given(TWO, DESK, pages).await;
        assert_eq!(
            stage.page().all("tencent_desk_agent_sessions"),
            [1.0, 2.0],
            "{}",
            stage.error("tencent_desk_agent")
        );
        assert_eq!(stage.calls(DESK), calls);
    }
    // Where it counts those who were asked for, one who does not come is missed.
    let stage = given(TWO, DESK, vec![agents(2, 1..2), agents(2, 0..0)]).await;
    assert_eq!(stage.targets("tencent_desk_agent"), [0, 0, 0, 2, 0]);
}

#[tokio::test]
async fn pages_that_never_end_or_go_back_are_given_up() {
    for pages in [
        vec![page(3, 2, &[("a", 1), ("b", 1)]), page(3, 1, &[("c", 1)])],
        vec![page(3, 0, &[("a", 1)])],
        vec![page(u32::MAX, 1, &[("a", 1)]), page(u32::MAX, 1, &[])],
    ] {
        let calls = pages.len() as u64;
        let stage = given(OWNED, OWNERS, pages).await;
        assert_eq!(stage.targets("wecom_groupchat_owner"), [0, 0, 0, 3, 0]);
        assert_eq!(stage.calls(OWNERS), calls);
    }
    // A page that is the same for ever.
    let mut stage = Stage::new(MORNING, AGENTS).await;
    stage.every(DESK, agents(u64::MAX, 0..100));
    stage.wake().await;
    assert_eq!((stage.calls(DESK), stage.targets("tencent_desk_agent")), (1_000, [0, 0, 0, 1, 0]));
    assert!(stage.error("tencent_desk_agent").contains("more than 1000 pages"));
    let accounts: Vec<_> = (0..100).map(|n| json!({"open_kfid": format!("wk{n}")})).collect();
    let mut stage = Stage::new(MORNING, "wecom: [{$wecom, kf: {$kf_secret, $fast}}]").await;
    stage.every("kf/account/list", raw(json!({"errcode": 0, "account_list": accounts}).to_string()));
    stage.wake_slowly().await;
    assert_eq!(stage.calls("kf/account/list"), 2);
    assert!(stage.error("wecom_kf").contains("a page with new entries"), "{}", stage.error("wecom_kf"));
}

#[tokio::test]
async fn agents_are_read_beyond_two_pages() {
    let mut stage = Stage::of(5000, MORNING, AGENTS).await;
    stage.wake().await;
    let agents = &stage.company().agents;
    assert_eq!((agents.len(), stage.calls(DESK)), (250, 3));
    let shown = stage.page();
    assert_eq!(shown.all("tencent_desk_agent_messages").len(), 250);
    for agent in [&agents[0], &agents[150], &agents[249]] {
        let row = figures::desk(stage.company(), &agent.agent_id, Days::one(day("2026-11-19"))).unwrap();
        let series = format!("tencent_desk_agent_messages{{agent=\"{}\"}}", agent.agent_id);
        assert_eq!(shown.series(&series), row["TotalMsgCnt"].as_f64());
    }
}

#[tokio::test]
async fn named_agents_are_asked_for_a_hundred_at_a_time() {
    let mut stage = Stage::with(5000, MORNING, |simulator| {
        let agents: Vec<_> = simulator.company().agents.iter().map(|agent| format!("\"{}\"", agent.agent_id)).collect();
        filled(&AGENTS.replace("{$fast}", &format!("{{agents: [{}], $fast}}", agents.join(", "))), simulator)
    })
    .await;
    stage.wake().await;
    assert_eq!(stage.calls(DESK), 3);
    assert_eq!(stage.targets("tencent_desk_agent"), [250, 0, 0, 0, 0]);
}

#[tokio::test]
async fn kf_accounts_are_listed_until_a_short_page() {
    let mut stage = Stage::new(MORNING, "wecom: [{$wecom, kf: {$kf_secret, $fast}}]").await;
    let accounts = |numbers: std::ops::Range<u32>| {
        let list: Vec<_> = numbers.map(|n| json!({"open_kfid": format!("wk{n}"), "name": "客服"})).collect();
        raw(json!({"errcode": 0, "account_list": list}).to_string())
    };
    for numbers in [0..100, 100..200, 200..203] {
        stage.fault(Fault::on("kf/account/list", accounts(numbers)).times(1));
    }
    let yesterday = midnight("2026-11-19");
    stage.every(
        KF,
        raw(json!({"errcode": 0, "statistic_list": [{"stat_time": yesterday, "statistic": {"session_cnt": 1}}]})
            .to_string()),
    );
    stage.wake().await;
    assert_eq!((stage.calls("kf/account/list"), stage.calls(KF)), (3, 203));
    assert_eq!(stage.page().all("wecom_kf_account_sessions").len(), 203);
}

#[tokio::test]
async fn departments_of_feishu_are_listed_beyond_two_pages() {
    let mut stage = Stage::of(2400, MORNING, "feishu: [{$feishu, message_push: {departments: all, $fast}}]").await;
    let departments = stage.company().feishu_departments.len();
    assert!(departments > 100, "{departments}");
    stage.wake_slowly().await;
    assert_eq!(stage.calls(CHILDREN), departments.div_ceil(50) as u64);
    assert_eq!(stage.targets("feishu_message_push").iter().sum::<usize>(), 1 + departments);
    assert_eq!(stage.page().all("feishu_department_info").len(), departments);
}

#[tokio::test]
async fn lists_that_never_end_are_given_up() {
    let endless = raw(json!({"code": 0, "data": {"has_more": true, "page_token": "again",
        "items": [{"open_department_id": "od-1", "parent_department_id": "0", "name": "x"}]}})
    .to_string());
    let mut stage = Stage::new(MORNING, "feishu: [{$feishu, message_push: {departments: all, $fast}}]").await;
    stage.every(CHILDREN, endless);
    stage.wake_slowly().await;
    assert_eq!(stage.calls(CHILDREN), 2);
    assert!(
        stage.error("feishu_message_push").contains("a page with new entries"),
        "{}",
        stage.error("feishu_message_push")
    );
}

#[tokio::test]
async fn a_team_of_more_than_a_hundred_owners_is_added_up_from_batches() {
    let mut stage =
        Stage::of(300, MORNING, "wecom: [{$wecom, groupchat: {owners: none, teams: {all: {owners: all}}, $fast}}]")
            .await;
    stage.wake().await;
    let owners: Vec<_> = stage.company().follow_users().map(|user| user.userid.clone()).collect();
    assert_eq!(owners.len(), 270);
    assert_eq!(stage.calls(TEAMS), 3);
    let names: Vec<&str> = owners.iter().map(String::as_str).collect();
    let sum = figures::groupchat(stage.company(), &names, day("2026-11-19")).unwrap();
    assert_eq!(stage.series("wecom_groupchat_team_messages{team_name=\"all\"}"), sum["msg_total"].as_f64());
    // One batch that fails fails the team.
    stage.fault(Fault::on(TEAMS, Effect::Truncate).subject(names[150]));
    stage.wake_at("2026-11-21T06:00:00").await;
    assert_eq!(stage.targets("wecom_groupchat_team"), [0, 0, 0, 1, 0]);
    assert_eq!(stage.shown("wecom_groupchat_team").as_deref(), Some("2026-11-19"));
}
