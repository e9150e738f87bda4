//! `check --online` as an operator reads it: the program against a simulated company in which something is wrong.

use std::time::{Duration, Instant};

use imstats_exporter::day::Clock;
use imstats_exporter::simulator::{Effect, Fault, Options, Simulator};

use crate::harness::*;
use crate::program::run;

/// A company of 40 at the machine's own time, which the program goes by as well.
async fn company() -> Simulator {
    let options = Options { enforce_limits: false, ..Options::new(40, Clock::system()) };
    Simulator::start("127.0.0.1:0".parse().unwrap(), options).await.unwrap()
}

/// The exit code of `check --online` with the configuration `yaml`, and what it says.
async fn checked(simulator: &Simulator, yaml: &str) -> (Option<i32>, String) {
    command(simulator, yaml, &["check", "--online"]).await
}

async fn command(simulator: &Simulator, yaml: &str, words: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("exporter.yaml");
    std::fs::write(&file, filled(yaml, simulator)).unwrap();
    let mut arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    arguments.extend(["--config.file".to_owned(), file.to_str().unwrap().to_owned()]);
    let ran = tokio::task::spawn_blocking(move || run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
    let (code, out, log) = soon(ran).await.unwrap();
    (code, format!("{out}{log}"))
}

/// The only line that contains all `parts`.
fn line<'a>(told: &'a str, parts: &[&str]) -> &'a str {
    let found: Vec<_> = told.lines().filter(|line| parts.iter().all(|part| line.contains(part))).collect();
    assert_eq!(found.len(), 1, "{parts:?} in\n{told}");
    found[0]
}

#[tokio::test]
async fn a_wrong_department_of_feishu_is_named_though_the_tenant_works() {
    let simulator = company().await;
    let good = simulator.company().feishu_departments[0].open_department_id.clone();
    let yaml = format!(
        "feishu: [{{$feishu, message_push: {{departments: [{good}, 6dacd2de28ae4872], cycles: [day, week]}}}}]"
    );
    let (code, told) = checked(&simulator, &yaml).await;
    assert_eq!(code, Some(1), "{told}");
    line(&told, &["warning: feishu[0].message_push.departments[1]", "od-"]);
    assert!(line(&told, &["figures feishu_message_push "]).contains("ok"), "{told}");
    line(&told, &["ok", "figures feishu_department_message_push", "works for 1 of 2"]);
    let refused = line(&told, &["FAIL", "`6dacd2de28ae4872` of `cli_", "code 99992357"]);
    assert!(refused.contains("open_department_id such as od-") && refused.contains("通讯录权限范围"), "{refused}");
}

#[tokio::test]
async fn of_many_written_ids_twenty_are_tried_and_the_others_counted() {
    let simulator = company().await;
    let users: Vec<_> = simulator.company().follow_users().take(22).map(|user| format!("{:?}", user.userid)).collect();
    let yaml = format!("wecom: [{{$wecom, contact: {{users: [{}], $fast}}}}]", users.join(", "));
    let (code, told) = checked(&simulator, &yaml).await;
    assert_eq!(code, Some(0), "{told}");
    line(&told, &["ok", "figures wecom_contact_user ", "works for 20 of 20", "; 2 more were not tried"]);
    assert_eq!(simulator.calls().get(CONTACT), Some(&20));
}

#[tokio::test]
async fn one_target_of_each_table_is_tried_and_each_written_id_that_is_refused_is_named() {
    let simulator = company().await;
    let users: Vec<_> = simulator.company().follow_users().take(2).map(|user| user.userid.clone()).collect();
    let yaml = format!(
        "wecom: [{{$wecom, contact: {{users: [\"{0}\", nobody1, \"{1}\", nobody2], departments: all, teams: {{sales: {{users: \
         [\"{0}\", nobody3]}}}}}}, groupchat: {{owners: [\"{0}\", nobody4]}}, kf: {{accounts: all, servicers: all, $kf_secret}}}}]",
        users[0], users[1]
    );
    let (code, told) = checked(&simulator, &yaml).await;
    assert_eq!(code, Some(1), "{told}");
    line(&told, &["ok", "figures wecom_contact_user ", "works for 2 of 4"]);
    for id in ["nobody1", "nobody2"] {
        line(&told, &["FAIL", "figures wecom_contact_user ", &format!("`{id}`: code 60111"), "可见范围"]);
    }
    line(&told, &["ok", "figures wecom_contact_department", "works"]);
    // The member of a team is named as WeCom names him.
    line(&told, &["FAIL", "figures wecom_contact_team", "`sales`: code 60111", "`nobody3`"]);
    line(&told, &["FAIL", "figures wecom_groupchat_owner", "`nobody4`: code 60111"]);
    for table in ["wecom_kf_account", "wecom_kf_servicer"] {
        line(&told, &["ok", &format!("figures {table} "), "works"]);
    }
}

#[tokio::test]
async fn nobody_who_has_a_pseudonym_is_named() {
    let simulator = company().await;
    let yaml = "wecom: [{$wecom, pseudonymize: {key: 0123456789abcdef0123456789abcdef}, contact: {users: [nobody1], teams: {t: {users: [nobody2]}}}}]";
    let (code, told) = checked(&simulator, yaml).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("code 60111") && !told.contains("nobody"), "{told}");
}

#[tokio::test]
async fn a_list_that_is_refused_is_told_beside_what_works() {
    let simulator = company().await;
    simulator.faults().add(Fault::on("department/simplelist", Effect::Refuse(48002)));
    let yaml = "wecom: [{$wecom, contact: {users: all, departments: all}}]";
    let (code, told) = checked(&simulator, yaml).await;
    assert_eq!(code, Some(1), "{told}");
    let refused = line(&told, &["FAIL", "list department", "code 48002"]);
    assert!(refused.contains("通讯录") && refused.contains("可见范围") && !refused.contains("可调用接口"), "{refused}");
    line(&told, &["ok", "list follow_user", "entries"]);
    line(&told, &["ok", "figures wecom_contact_user", "works"]);
    assert!(!told.contains("calls a round"), "what a source that does not work costs is not known: {told}");
}

#[tokio::test]
async fn what_is_wrong_with_the_account_is_said_once() {
    let simulator = company().await;
    simulator.faults().add(Fault::on(GETTOKEN, Effect::Refuse(41004)));
    let yaml = "wecom: [{$wecom, contact: {users: all, departments: all}}]";
    let (code, told) = checked(&simulator, yaml).await;
    assert_eq!(code, Some(1), "{told}");
    line(&told, &["FAIL", "the login failed: code 41004"]);
    assert_eq!(simulator.calls()[GETTOKEN], 1);
}

#[tokio::test]
async fn a_throttled_api_is_told_at_once_with_the_code() {
    let simulator = company().await;
    simulator.faults().add(Fault::on(CONTACT, Effect::Refuse(45009)));
    let started = Instant::now();
    let (code, told) = checked(&simulator, "wecom: [{$wecom, contact: {users: [WangWu]}}]").await;
    assert_eq!(code, Some(1), "{told}");
    line(&told, &["FAIL", "the API is paused for 60 s", "code 45009", "quota"]);
    assert!(started.elapsed() < Duration::from_secs(20), "nothing waits for the pause");
}

#[tokio::test]
async fn without_online_the_cost_of_all_is_not_made_up() {
    let simulator = company().await;
    let (code, told) = command(&simulator, "wecom: [{$wecom, contact: {users: all}}]", &["check"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("run check --online") && !told.contains("0 calls a round"), "{told}");
}

#[tokio::test]
async fn once_exits_with_1_where_a_list_is_refused() {
    for code in [60011, 84061, 7] {
        let simulator = company().await;
        simulator.faults().add(Fault::on(FOLLOW, Effect::Refuse(code)));
        let (exit, page) = command(&simulator, "wecom: [{$wecom, contact: {users: all}}]", &["once"]).await;
        assert_eq!(exit, Some(1), "{page}");
        assert!(page.contains("imstats_source_up{source=\"wecom_contact\",account=\"acme\"} 0"), "{page}");
    }
}

#[tokio::test]
async fn words_of_a_platform_that_may_name_people_are_in_the_log_only_at_debug_level() {
    let simulator = company().await;
    let body = r#"{"errcode": 987654, "errmsg": "userid 张三 of 13800138000 is on\u202e leave\u0007"}"#;
    simulator.faults().add(Fault::on(CONTACT, raw(body)));
    let yaml = "wecom: [{$wecom, contact: {users: [WangWu]}}]";
    let plain = command(&simulator, yaml, &["once"]).await.1;
    assert!(plain.contains("code 987654: it is not one of the codes") && !plain.contains("13800138000"), "{plain}");
    let debug = command(&simulator, yaml, &["once", "--log.level", "debug"]).await.1;
    assert!(debug.contains("the platform says: userid 张三 of 13800138000 is on leave"), "{debug}");
    let (_, told) = checked(&simulator, yaml).await;
    line(&told, &["FAIL", "code 987654", "(the platform says: userid 张三 of 13800138000 is on leave)"]);
}

#[tokio::test]
async fn a_secret_that_a_platform_echoes_is_not_in_the_log_at_debug_level_either() {
    let simulator = company().await;
    let secret = &configured_secrets(&simulator)["wecom"];
    simulator.faults().add(Fault::on(GETTOKEN, raw(format!(r#"{{"errcode": 77777, "errmsg": "sent {secret}"}}"#))));
    let yaml = "wecom: [{$wecom, contact: {users: [WangWu]}}]";
    let log = command(&simulator, yaml, &["once", "--log.level", "debug"]).await.1;
    assert!(log.contains("the platform says: sent ***") && !log.contains(secret.as_str()), "{log}");
}

#[tokio::test]
async fn a_source_of_which_all_is_refused_is_told_with_the_code() {
    let simulator = company().await;
    simulator.faults().add(Fault::on(CONTACT, Effect::Refuse(60111)));
    let log = command(&simulator, "wecom: [{$wecom, contact: {users: [WangWu]}}]", &["once"]).await.1;
    assert!(log.contains("the platform refuses all that is asked, the last with code 60111: "), "{log}");
}

#[tokio::test]
async fn the_id_that_a_platform_quotes_is_in_the_log_only_at_debug_level() {
    let simulator = company().await;
    let yaml = |more: &str| format!("wecom: [{{$wecom, {more}contact: {{teams: {{sales: {{users: [nobody1]}}}}}}}}]");
    let plain = command(&simulator, &yaml(""), &["once"]).await.1;
    assert!(plain.contains("refused") && !plain.contains("nobody1"), "{plain}");
    let debug = command(&simulator, &yaml(""), &["once", "--log.level", "debug"]).await.1;
    assert!(debug.contains("quoted=nobody1"), "{debug}");
    let hidden = yaml("pseudonymize: {key: 0123456789abcdef0123456789abcdef}, ");
    let hidden = command(&simulator, &hidden, &["once", "--log.level", "debug"]).await.1;
    assert!(hidden.contains("refused: code 60111") && !hidden.contains("nobody1"), "{hidden}");
}
