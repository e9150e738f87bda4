//! Ids of people have no case: one member in two spellings is one, asked and shown once.

use imstats_exporter::config::Config;
use imstats_exporter::simulator::{Effect, Fault};
use serde_json::json;

use crate::harness::*;

/// Some member's id with upper and lower case exchanged.
fn shouted(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

fn labels(stage: &Stage, metric: &str, label: &str) -> Vec<String> {
    let page = stage.page().0.into_iter().filter(|(name, _, _)| name == metric);
    let mut labels: Vec<_> = page.map(|(_, labels, _)| labels[label].clone()).collect();
    labels.sort_unstable();
    labels
}

#[tokio::test]
async fn a_written_id_is_answered_in_whatever_case_and_keeps_its_spelling() {
    let mut stage = Stage::with(40, "2026-11-20T06:00:00", |simulator| {
        let owner = shouted(&simulator.company().owners().next().unwrap().userid);
        let quiet = &simulator.company().users.iter().find(|user| !user.owns_groups).unwrap().userid;
        let yaml = format!("wecom: [{{$wecom, names: true, groupchat: {{owners: [\"{owner}\", \"{quiet}\"]}}}}]");
        filled(&yaml, simulator)
    })
    .await;
    let owner = shouted(&stage.company().owners().next().unwrap().userid);
    stage.wake().await;
    assert_eq!(stage.targets("wecom_groupchat_owner"), [1, 1, 0, 0, 0], "{}", stage.error("wecom_groupchat_owner"));
    assert_eq!(labels(&stage, "wecom_groupchat_owner_chats", "owner"), [owner.as_str()]);
    // The list of names has the registered spelling; a name is joined by the id of the figures.
    assert!(labels(&stage, "wecom_user_info", "userid").contains(&owner), "{}", stage.text());
}

#[tokio::test]
async fn an_agent_is_an_address_and_so_the_same_in_whatever_case() {
    let yaml =
        "tencent_desk: [{$desk, names: true, agent_statistics: {agents: [KEFU.mei+1@Example.com, 1289316652@QQ.com]}}]";
    let mut stage = Stage::new("2026-11-20T06:00:00", yaml).await;
    stage.wake().await;
    assert_eq!(stage.targets("tencent_desk_agent"), [2, 0, 0, 0, 0], "{}", stage.error("tencent_desk_agent"));
    let agents = ["1289316652@QQ.com", "KEFU.mei+1@Example.com"];
    assert_eq!(labels(&stage, "tencent_desk_agent_messages", "agent"), agents);
    assert_eq!(labels(&stage, "tencent_desk_agent_info", "agent"), agents);
}

#[tokio::test]
async fn agents_of_the_whole_list_are_shown_once_in_the_spelling_of_the_list() {
    let mut stage = Stage::new("2026-11-20T06:00:00", "tencent_desk: [{$desk, agent_statistics: {agents: all}}]").await;
    let row = |agent: &str, messages: u32| json!({"AgentId": agent, "TotalMsgCnt": messages});
    let answer = |rows: Vec<serde_json::Value>| {
        raw(json!({"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": rows.len(), "Data": rows}).to_string())
    };
    stage.every(DESK, answer(vec![row("A.B@x.com", 7), row("c@x.com", 1), row("a.b@X.com", 7)]));
    stage.wake().await;
    assert_eq!(labels(&stage, "tencent_desk_agent_messages", "agent"), ["A.B@x.com", "c@x.com"]);
    stage.mend();
    stage.every(DESK, answer(vec![row("A.B@x.com", 7), row("a.b@X.com", 8)]));
    stage.wake_at("2026-11-21T06:00:00").await;
    let told = stage.error("tencent_desk_agent");
    assert!(told.contains("the answer at /Data/1 is not the same as an earlier row"), "{told}");
}

#[tokio::test]
async fn who_is_listed_in_two_spellings_is_asked_once() {
    let yaml =
        "wecom: [{$wecom, contact: {users: all, $fast}, kf: {accounts: all, servicers: all, $kf_secret, $fast}}]";
    let mut stage = Stage::new("2026-11-20T06:00:00", yaml).await;
    let member = stage.company().follow_users().nth(1).unwrap().userid.clone();
    let list = json!({"errcode": 0, "follow_user": [member, shouted(&member), member]});
    stage.every(FOLLOW, raw(list.to_string()));
    // A servicer by name, who is in a named department too.
    let account = stage.company().kf_accounts[0].open_kfid.clone();
    let department = stage.company().kf_accounts[0].named_departments[0];
    let place = stage.company().department(department).unwrap().members[0];
    let servicer = shouted(&stage.company().users[place].userid);
    let servicers = stage.company().kf_accounts[0].servicers.len();
    let first = Effect::FirstEntry(json!({"userid": servicer, "status": 0}));
    stage.fault(Fault::on("kf/servicer/list", first).subject(&account));
    stage.wake().await;
    assert_eq!(labels(&stage, "wecom_contact_user_active_chats", "userid"), [member]);
    let asked: Vec<_> =
        stage.log(KF).into_iter().filter(|call| call.subject.starts_with(&format!("{account}/"))).collect();
    assert_eq!(asked.len(), servicers);
    assert!(asked.iter().any(|call| call.subject.ends_with(&servicer)), "the first spelling is the list's");
}

#[tokio::test]
async fn a_pseudonym_is_that_of_the_spelling_of_its_label() {
    let pseudonymize = "pseudonymize: {key: \"a key that is long enough\"}";
    let of = async |owner: &str, list: &str| {
        let yaml = format!("wecom: [{{$wecom, {pseudonymize}, groupchat: {{owners: {owner}}}}}]");
        let mut stage = Stage::new("2026-11-20T06:00:00", &yaml).await;
        if !list.is_empty() {
            stage.every(FOLLOW, raw(json!({"errcode": 0, "follow_user": [list]}).to_string()));
        }
        stage.wake().await;
        labels(&stage, "wecom_groupchat_owner_chats", "owner")
    };
    let listed = of("all", "Zhang.San").await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed, of("[Zhang.San]", "").await);
    assert_ne!(listed, of("[zhang.san]", "").await, "as labels of the two are not one either");
}

#[test]
fn two_ids_that_differ_in_case_alone_are_refused_by_their_places() {
    for (block, place) in [
        ("contact: {users: [ZhangSan, zhangsan]}", "contact.users[1]"),
        ("contact: {teams: {t: {users: [ZhangSan, lisi, zhangsan]}}}", "contact.teams.t.users[2]"),
        ("groupchat: {owners: [ZhangSan, zhangsan]}", "groupchat.owners[1]"),
        ("groupchat: {teams: {t: {owners: [ZhangSan, zhangsan]}}}", "groupchat.teams.t.owners[1]"),
        ("kf: {servicers: [ZhangSan, zhangsan]}", "kf.servicers[1]"),
    ] {
        let yaml = format!("wecom: [{{account: a, corp_id: ww1, secret: s, {block}}}]");
        let told = Config::parse(&yaml, "exporter.yaml").unwrap_err().to_string();
        assert!(told.contains(place) && told.contains("but for upper and lower case"), "{told}");
        assert!(!told.contains("zhangsan"), "{told}");
    }
    let desk = "tencent_desk: [{account: a, sdk_app_id: 1400000001, identifier: administrator, secret_key: s, agent_statistics: {agents: [A@x.com, a@X.com]}}]";
    assert!(Config::parse(desk, "exporter.yaml").unwrap_err().to_string().contains("agents[1]"));
    // Ids of things have case.
    let kf = "wecom: [{account: a, corp_id: ww1, secret: s, kf: {accounts: [wkA, wka]}}]";
    assert!(Config::parse(kf, "exporter.yaml").is_ok());
}
