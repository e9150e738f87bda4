//! What a platform refuses about somebody, and who need not be asked at all.

use imstats_exporter::simulator::{Company, Effect, Fault, figures};

use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";

/// The first owners of groups, and somebody whom WeCom does not know.
fn owners_and_a_stranger(company: &Company) -> String {
    let known = company.owners().take(99).map(|user| format!("\"{}\"", user.userid));
    known.chain(["nobody".to_owned()]).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn one_unknown_owner_among_a_hundred_is_found_by_halving_and_the_others_are_shown() {
    let mut stage = Stage::with(600, MORNING, |simulator| {
        let owners = owners_and_a_stranger(simulator.company());
        filled(&format!("wecom: [{{$wecom, groupchat: {{owners: [{owners}], $fast}}}}]"), simulator)
    })
    .await;
    stage.wake().await;
    // 100, 50+50, 25+25, 12+13, 6+7, 3+4, 2+2, 1+1: the refused one is the last of 100.
    assert_eq!(stage.calls(OWNERS), 15);
    assert_eq!(stage.targets("wecom_groupchat_owner"), [99, 0, 1, 0, 0]);
    assert_eq!(stage.page().all("wecom_groupchat_owner_chats").len(), 99);
    assert_eq!(stage.shown("wecom_groupchat_owner").as_deref(), Some("2026-11-19"));
    assert!(stage.up("wecom_groupchat_owner"));
    let told = stage.error("wecom_groupchat_owner");
    assert!(told.starts_with("1 of 100 targets are refused, the last: code 60111"), "{told}");
    let (last, success) = ("last_round_timestamp_seconds", "last_success_timestamp_seconds");
    let own = |metric: &str| stage.series(&format!("imstats_source_{metric}"));
    assert_eq!(own(success), own(last), "a refusal leaves nothing failed");
}

#[tokio::test]
async fn one_unknown_agent_is_found_by_halving() {
    let mut stage = Stage::with(100, MORNING, |simulator| {
        let agents = simulator.company().agents.iter().map(|agent| format!("\"{}\"", agent.agent_id));
        let agents: Vec<_> = agents.chain(["nobody@example.com".to_owned()]).collect();
        filled(
            &format!("tencent_desk: [{{$desk, agent_statistics: {{agents: [{}], $fast}}}}]", agents.join(", ")),
            simulator,
        )
    })
    .await;
    stage.wake().await;
    // 6 agents, then 3+3, 1+2, 1+1.
    assert_eq!(stage.calls(DESK), 7);
    assert_eq!(stage.targets("tencent_desk_agent"), [5, 0, 1, 0, 0]);
    assert_eq!(stage.page().all("tencent_desk_agent_sessions").len(), 5);
}

#[tokio::test]
async fn a_refused_member_is_settled_and_asked_again_only_with_the_refresh() {
    let yaml = "wecom: [{$wecom, contact: {users: [Zhang.San, nobody, WangWu]}}]";
    let mut stage = Stage::new("2026-11-20T06:00:00", yaml).await;
    stage.wake().await;
    assert_eq!(stage.targets("wecom_contact"), [2, 0, 1, 0, 0]);
    assert!(stage.up("wecom_contact"));
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-19"), "a refusal holds up nothing");
    stage.run_until("2026-11-20T23:59:00").await;
    let asked: Vec<_> =
        stage.log(CONTACT).into_iter().filter(|call| call.subject == "nobody").map(|call| call.at).collect();
    assert_eq!(asked, ["06:00", "07:00", "13:00", "19:00"].map(|time| at(&format!("2026-11-20T{time}:00"))));
    let refused =
        stage.series("imstats_api_requests_total{api=\"externalcontact/get_user_behavior_data\",outcome=\"refused\"}");
    assert_eq!(refused, Some(4.0));
}

#[tokio::test]
async fn every_refusal_of_a_target_leaves_the_others_alone() {
    for code in [60111, 84061, 40058, 84074, 60123] {
        let mut stage = Stage::new(MORNING, "wecom: [{$wecom, contact: {users: [Zhang.San, WangWu]}}]").await;
        stage.fault(Fault::on(CONTACT, Effect::Refuse(code)).subject("WangWu"));
        stage.wake().await;
        assert_eq!(stage.targets("wecom_contact"), [1, 0, 1, 0, 0], "{code}");
        assert_eq!(stage.page().all("wecom_contact_user_active_chats").len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_after_figures_takes_them_off_the_page() {
    let mut stage = Stage::new("2026-11-20T06:00:00", "wecom: [{$wecom, contact: {users: [Zhang.San, WangWu]}}]").await;
    stage.wake().await;
    stage.fault(Fault::on(CONTACT, Effect::Refuse(84061)).subject("WangWu"));
    stage.wake_at("2026-11-20T07:00:00").await;
    assert_eq!(stage.targets("wecom_contact"), [1, 0, 1, 0, 0]);
    assert_eq!(stage.series("wecom_contact_user_active_chats{userid=\"WangWu\"}"), None);
}

#[tokio::test]
async fn servicers_are_asked_only_where_their_account_has_figures() {
    // Sunday: the second account is closed, today and on Saturday; on Friday it had figures.
    let yaml =
        |lookback| format!("wecom: [{{$wecom, kf: {{servicers: all, lookback_days: {lookback}, $kf_secret, $fast}}}}]");
    for (lookback, closed_is_asked) in [(1, false), (2, false), (3, true)] {
        let mut stage = Stage::new("2026-11-23T06:00:00", &yaml(lookback)).await;
        stage.wake().await;
        let closed = stage.company().kf_accounts.iter().find(|account| account.closed_on_weekends).unwrap();
        let open: usize =
            stage.company().kf_accounts.iter().filter(|a| !a.closed_on_weekends).map(|a| a.servicers.len()).sum();
        let mut asked = stage.company().kf_accounts.len() + open;
        if closed_is_asked {
            asked += closed.servicers.len();
        }
        assert_eq!(stage.calls(KF), asked as u64, "look-back of {lookback}");
        let total = stage.company().kf_accounts.iter().map(|account| 1 + account.servicers.len()).sum::<usize>();
        let [ok, no_data, refused, failed, pending] = stage.targets("wecom_kf");
        assert_eq!((ok + no_data, refused, failed, pending), (total, 0, 0, 0), "all are settled");
        assert_eq!(stage.shown("wecom_kf").as_deref(), Some("2026-11-22"));
        stage.simulator.reset_calls();
        stage.wake_at("2026-11-23T06:50:00").await;
        assert_eq!(stage.calls(KF), 0, "and stay so");
    }
}

#[tokio::test]
async fn servicers_of_a_refused_account_are_not_asked() {
    let mut stage =
        Stage::new(MORNING, "wecom: [{$wecom, kf: {accounts: [wkNobody], servicers: [WangWu], $kf_secret}}]").await;
    stage.wake().await;
    assert_eq!(stage.calls(KF), 1);
    assert_eq!(stage.targets("wecom_kf"), [0, 0, 2, 0, 0]);
}

#[tokio::test]
async fn one_wrong_department_of_feishu_withholds_nothing() {
    for code in [99_992_357, 99_992_358, 99_992_379, 99_992_380, 40003, 40004] {
        let mut stage = Stage::with(40, "2026-11-20T10:00:00", |simulator| {
            let good = &simulator.company().feishu_departments[0].open_department_id;
            filled(
                &format!("feishu: [{{$feishu, message_push: {{departments: [{good}, od-gone], $fast}}}}]"),
                simulator,
            )
        })
        .await;
        let app = stage.company().app_id.clone();
        stage.fault(Fault::on(PUSH, Effect::Refuse(code)).subject(&format!("{app}/od-gone")));
        stage.wake().await;
        assert_eq!(stage.targets("feishu_message_push"), [2, 0, 1, 0, 0], "{code}");
        assert_eq!(stage.shown("feishu_message_push").as_deref(), Some("2026-11-18"), "{code}: at once, and not later");
        assert_eq!(stage.page().all("feishu_department_message_push").len(), 4, "{code}");
        let told = stage.error("feishu_message_push");
        assert!(told.contains(&code.to_string()) && told.contains("open_department_id such as od-"), "{told}");
        // It is asked again with the refresh of an hour later, and not at each waking.
        stage.simulator.reset_calls();
        stage.wake_at("2026-11-20T10:50:00").await;
        assert_eq!(stage.calls(PUSH), 0, "{code}");
    }
}

#[tokio::test]
async fn departments_of_feishu_are_asked_only_below_those_with_figures() {
    let mut stage = Stage::of(400, MORNING, "feishu: [{$feishu, message_push: {departments: all, $fast}}]").await;
    stage.wake_slowly().await;
    let company = stage.company();
    let has = |id: &str| figures::message_push(company, &company.app_id, Some(id), one("2026-11-18")).is_some();
    let below_silence = |id: &str| id != "0" && !has(id);
    let asked =
        company.feishu_departments.iter().filter(|department| !below_silence(&department.parent)).count() as u64;
    assert!(asked < company.feishu_departments.len() as u64, "some are below a silent one");
    assert_eq!(stage.calls(PUSH), 1 + asked, "the tenant, and each whose parent has figures");
    let with_figures = company.feishu_departments.iter().filter(|d| has(&d.open_department_id)).count();
    assert_eq!(stage.targets("feishu_message_push")[0], 1 + with_figures);
    assert_eq!(stage.targets("feishu_message_push")[2..], [0, 0, 0]);
}

#[tokio::test]
async fn nothing_is_asked_below_a_tenant_without_figures_whatever_the_week_had() {
    let yaml = "feishu: [{$feishu, message_push: {departments: all, cycles: [day, week], $fast}}]";
    // Sunday's figures come on Tuesday, with those of its week.
    let mut stage = Stage::new("2026-11-24T10:00:00", yaml).await;
    stage.wake_slowly().await;
    assert_eq!(stage.shown("feishu_message_push").as_deref(), Some("2026-11-22"));
    let app = stage.company().app_id.clone();
    stage.fault(Fault::on(PUSH, Effect::NoData(vec![day("2026-11-23")])).subject(&app));
    stage.simulator.reset_calls();
    stage.set("2026-11-25T10:00:00");
    for _ in 0..3 {
        stage.wake_slowly().await;
    }
    let of_monday = stage.log(PUSH).into_iter().filter(|call| call.from == Some(day("2026-11-23")));
    let asked: Vec<_> = of_monday.map(|call| call.subject).collect();
    assert_eq!(asked, [app], "the tenant, once");
}

fn one(text: &str) -> imstats_exporter::day::Days {
    imstats_exporter::day::Days::one(day(text))
}
