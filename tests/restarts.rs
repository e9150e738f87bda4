//! What a restart and a reload keep, and what they ask again: nothing.

use std::collections::BTreeMap;

use imstats_exporter::poller::Poller;
use imstats_exporter::simulator::{Credential, Effect, Fault};
use tokio_util::sync::CancellationToken;

use crate::harness::*;

/// The page without what is the exporter's own.
fn families(stage: &Stage) -> String {
    let text = stage.text();
    let own = |line: &&str| line.contains("imstats_") || line.contains("process_");
    text.lines().filter(|line| !own(line)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_restart_shows_the_same_page_at_once_with_all_platforms_down() {
    let mut stage = Stage::with(40, "2026-11-20T10:00:00", everything).await;
    stage.wake_slowly().await;
    let before = families(&stage);
    let ups: Vec<_> = stage.workers.iter().map(|polled| (polled.source, stage.targets(polled.source))).collect();
    stage.every("*", Effect::Hang);
    stage.simulator.reset_calls();
    stage.restart().await;
    assert_eq!(families(&stage), before);
    for (source, targets) in ups {
        assert!(stage.up(source), "{source}: up is kept");
        assert_eq!(stage.targets(source), targets, "{source}");
        assert_eq!(
            stage
                .series(&format!("imstats_source_last_round_timestamp_seconds{{source=\"{source}\"}}"))
                .map(|at| at > 0.0),
            Some(true)
        );
    }
    stage.wake().await;
    assert_eq!(stage.all_calls(), 0, "all is settled, so nobody is asked");
    assert_eq!(families(&stage), before);
}

/// What makes a store one of version 1, but for its version.
const BACK_TO_VERSION_1: &str = "
    ALTER TABLE list RENAME COLUMN platform TO vendor;
    ALTER TABLE answer RENAME TO answer_of_version_2;
    CREATE TABLE answer (
        source INTEGER NOT NULL, day TEXT NOT NULL, target INTEGER NOT NULL, definition INTEGER NOT NULL,
        state TEXT NOT NULL, code INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
        answers INTEGER NOT NULL, PRIMARY KEY (source, day, target)
    ) WITHOUT ROWID;
    INSERT INTO answer SELECT source, day, target, definition, state, coalesce(code, 0), first_at, last_at, answers
        FROM answer_of_version_2;
    DROP TABLE answer_of_version_2;
    PRAGMA user_version = 1";

#[tokio::test]
async fn a_store_of_version_1_is_shown_and_goes_on_without_a_call_too_many() {
    let mut stage = Stage::with(40, "2026-11-20T10:00:00", everything).await;
    stage.fault(Fault::on(CONTACT, Effect::Refuse(60111)).subject("WangWu"));
    stage.wake_slowly().await;
    let before = families(&stage);
    assert!(stage.targets("wecom_contact")[2] > 0, "a member and the teams with it are refused");
    let at_midnight = "2026-11-20T23:59:00";
    stage.restart_from(|file| file.execute_batch(BACK_TO_VERSION_1).unwrap()).await;
    assert_eq!(families(&stage), before);
    stage.simulator.reset_calls();
    stage.wake().await;
    assert_eq!(stage.all_calls(), 0, "all is settled, so nothing is asked");
    assert_eq!(families(&stage), before);
    // Later, the same is asked as without an upgrade.
    stage.set(at_midnight);
    stage.wake_slowly().await;
    let upgraded = stage.all_calls();
    let mut other = Stage::with(40, "2026-11-20T10:00:00", everything).await;
    other.fault(Fault::on(CONTACT, Effect::Refuse(60111)).subject("WangWu"));
    other.wake_slowly().await;
    other.restart().await;
    other.simulator.reset_calls();
    other.set(at_midnight);
    other.wake_slowly().await;
    assert_eq!(upgraded, other.all_calls());
    assert_eq!(families(&stage), families(&other));
}

#[tokio::test]
async fn a_restart_in_mid_round_asks_nobody_twice() {
    let yaml = "wecom: [{$wecom, contact: {users: all, concurrency: 1, $fast}}]";
    let mut stage = Stage::of(200, "2026-11-20T10:00:00", yaml).await;
    let users: Vec<_> = stage.company().follow_users().map(|user| user.userid.clone()).collect();
    let stuck = users[70].clone();
    let hang = stage.fault(Fault::on(CONTACT, Effect::Hang).subject(&stuck));
    let mut worker = stage.take("wecom_contact");
    let round = tokio::spawn(async move { worker.wake().await });
    stage.until("it hangs", |stage| stage.calls(CONTACT) == 71).await;
    let config = stage.sources().remove(0);
    let stored = || async {
        let day = imstats_exporter::day::Days::one(day("2026-11-19"));
        stage.context.store.answers(config.source.api().name, "acme", day).await.unwrap().len()
    };
    soon(async {
        while stored().await < 70 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    round.abort();
    assert!(round.await.is_err());
    stage.simulator.faults().remove(hang);
    stage.restart().await;
    assert_eq!(stage.targets("wecom_contact"), [70, 0, 0, 0, users.len() - 70]);
    assert!(stage.page().figures().is_empty(), "half a day is not shown");
    stage.wake().await;
    let mut asked: BTreeMap<String, u32> = BTreeMap::new();
    for call in stage.log(CONTACT) {
        *asked.entry(call.subject).or_default() += 1;
    }
    assert_eq!(asked.len(), users.len());
    for (user, times) in asked {
        assert_eq!(times, if user == stuck { 2 } else { 1 }, "{user}");
    }
    assert_eq!(stage.targets("wecom_contact")[0], users.len());
}

#[tokio::test]
async fn a_restart_after_ready_time_with_the_platform_down_keeps_yesterdays_page() {
    let yaml = "wecom: [{$wecom, contact: {users: all, $fast}, groupchat: {owners: all, $fast}}]";
    let mut stage = Stage::new("2026-11-19T12:00:00", yaml).await;
    stage.wake().await;
    let before = families(&stage);
    stage.every("*", Effect::Html(503));
    stage.set("2026-11-20T07:30:00");
    stage.restart().await;
    stage.wake_slowly().await;
    assert_eq!(families(&stage), before, "until 07:50");
    assert!(!stage.up("wecom_contact"));
    assert_eq!(stage.targets("wecom_contact")[0], 0, "of the new day there is nothing");
}

#[tokio::test]
async fn a_store_in_which_nothing_is_yet_starts_with_an_empty_page_and_down() {
    let stage = Stage::with(40, "2026-11-20T10:00:00", everything).await;
    assert_eq!(families(&stage), "");
    assert!(stage.workers.iter().all(|polled| !stage.up(polled.source)), "there was no answer yet");
    assert_eq!(stage.all_calls(), 0);
}

#[tokio::test]
async fn whoever_is_no_longer_configured_is_gone_after_a_restart() {
    let mut stage = Stage::new("2026-11-20T10:00:00", "wecom: [{$wecom, contact: {users: [Zhang.San, WangWu]}}]").await;
    stage.wake().await;
    stage.restart_with("wecom: [{$wecom, contact: {users: [WangWu]}}]").await;
    let left: Vec<_> = stage.page().0.into_iter().filter_map(|(_, mut labels, _)| labels.remove("userid")).collect();
    assert!(!left.is_empty() && left.iter().all(|user| user == "WangWu"), "{left:?}");
}

#[tokio::test]
async fn a_team_that_is_defined_anew_is_asked_anew() {
    let team =
        |users: &str| format!("wecom: [{{$wecom, contact: {{users: none, teams: {{t: {{users: [{users}]}}}}}}}}]");
    let mut stage = Stage::new("2026-11-20T10:00:00", &team("WangWu")).await;
    stage.wake().await;
    let chats = |stage: &Stage| stage.series("wecom_contact_team_messages_sent{team_name=\"t\"}");
    let alone = chats(&stage).unwrap();
    stage.restart_with(&team("WangWu, Zhang.San")).await;
    assert_eq!(chats(&stage), None, "the figure is of another team");
    stage.wake().await;
    assert!(chats(&stage).unwrap() > alone);
    assert_eq!(stage.calls(CONTACT), 2);
}

#[tokio::test]
async fn who_is_chosen_by_another_list_is_shown_as_soon_as_that_is_there() {
    let push =
        |departments: &str| format!("feishu: [{{$feishu, message_push: {{departments: {departments}, $fast}}}}]");
    for time in ["2026-11-20T12:00:00", "2026-11-21T09:30:00"] {
        let mut stage = Stage::new("2026-11-20T12:00:00", &push("all")).await;
        stage.wake().await;
        stage.set(time);
        let all = stage.page().all("feishu_department_message_push").len();
        stage.restart_with(&push("top")).await;
        stage.wake().await;
        let top = stage.page().all("feishu_department_message_push").len();
        assert!(top > 0 && top < all, "{top} of {all}: nothing is due, and what is stored is shown");
        stage.restart_with(&push("all")).await;
        assert_eq!(stage.page().all("feishu_department_message_push").len(), all);
    }
}

#[tokio::test]
async fn a_reload_keeps_pages_and_tokens_of_what_stays_and_drops_the_rest() {
    let mut stage = Stage::new(
        "2026-11-20T10:00:00",
        "wecom: [{$wecom, contact: {users: all, $fast}, groupchat: {owners: all, $fast}}]\ntencent_desk: [{$desk, agent_statistics: {$fast}}]",
    )
    .await;
    stage.workers.clear();
    let mut poller = Poller::start(stage.context.clone(), stage.sources()).await.unwrap();
    stage
        .until("all are shown", |stage| {
            ["wecom_contact", "wecom_groupchat_owner", "tencent_desk_agent"]
                .iter()
                .all(|source| stage.shown(source).is_some() && stage.up(source))
        })
        .await;
    let before = stage.page().figures();
    stage.simulator.reset_calls();
    stage.every("*", Effect::Hang);
    stage.configure(
        "wecom: [{$wecom, contact: {users: all, $fast}}]\ntencent_desk: [{$desk, agent_statistics: {$fast}}]",
    );
    poller.replace(stage.sources()).await;
    let kept = before.into_iter().filter(|(series, _)| !series.starts_with("wecom_groupchat")).collect();
    assert_eq!(stage.page().figures(), kept);
    assert_eq!(stage.series("imstats_source_up{source=\"wecom_groupchat_owner\"}"), None);
    assert_eq!(stage.page().all("imstats_source_up"), [1.0, 1.0]);
    stage.mend();
    // The refresh shows that the token was kept.
    stage.set("2026-11-20T11:00:00");
    stage.until("the refresh", |stage| stage.calls(CONTACT) > 0).await;
    assert_eq!(stage.calls(GETTOKEN), 0);
    poller.stop().await;
}

#[tokio::test]
async fn a_reload_asks_anew_for_a_list_that_came_empty() {
    let mut stage = Stage::new("2026-11-20T10:00:00", "wecom: [{$wecom, contact: {users: all, $fast}}]").await;
    stage.every("externalcontact/get_follow_user_list", raw(r#"{"errcode": 0, "errmsg": "ok", "follow_user": []}"#));
    stage.workers.clear();
    let mut poller = Poller::start(stage.context.clone(), stage.sources()).await.unwrap();
    stage.until("nobody is listed", |stage| stage.error("wecom_contact").contains("there are no subjects")).await;
    stage.mend();
    poller.replace(stage.sources()).await;
    stage.until("they are shown at once", |stage| stage.shown("wecom_contact").is_some()).await;
    poller.stop().await;
}

#[tokio::test]
async fn a_reload_with_a_new_secret_fetches_a_new_token_and_forgives_a_refusal() {
    let mut stage = Stage::new("2026-11-20T10:00:00", "wecom: [{$wecom, contact: {users: [WangWu]}}]").await;
    let old = stage.company().secret.clone();
    let new = stage.simulator.rotate_secret(Credential::Wecom);
    stage.workers.clear();
    let mut poller = Poller::start(stage.context.clone(), stage.sources()).await.unwrap();
    stage.until("the old secret is refused", |stage| stage.error("wecom_contact").contains("40001")).await;
    stage.configure("wecom: [{$wecom, contact: {users: [WangWu]}}]");
    stage.replace_in_configuration(&old, &new);
    poller.replace(stage.sources()).await;
    stage.until("the new one is tried at once", |stage| stage.shown("wecom_contact").is_some()).await;
    assert_eq!(stage.calls(GETTOKEN), 2);
    poller.stop().await;
}

#[tokio::test]
async fn what_came_before_an_end_is_stored_however_slow_the_disk_is() {
    let users = ["WangWu", "Zhang.San"];
    let yaml = format!("wecom: [{{$wecom, contact: {{users: [{}], $fast}}}}]", users.join(", "));
    let mut stage = Stage::new("2026-11-20T10:00:00", &yaml).await;
    // Somebody else writes for a while.
    let other = stage.other_connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(stage.take("wecom_contact").run(stop.clone()));
    stage.until("both have answered", |stage| stage.calls(CONTACT) == 2).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    stop.cancel();
    other.execute_batch("ROLLBACK").unwrap();
    soon(running).await.unwrap();
    stage
        .until("they are stored", |_| {
            let stored = other.query_row("SELECT count(DISTINCT target) FROM answer", [], |row| row.get::<_, i64>(0));
            stored.unwrap() == 2
        })
        .await;
    stage.restart().await;
    stage.wake().await;
    assert_eq!(stage.calls(CONTACT), 2, "nobody is asked again");
}

#[tokio::test]
async fn a_page_of_yesterday_is_restored_with_the_counts_of_today() {
    let mut stage = Stage::new("2026-11-20T10:00:00", "wecom: [{$wecom, contact: {users: [WangWu], $fast}}]").await;
    stage.wake().await;
    assert_eq!(stage.targets("wecom_contact"), [1, 0, 0, 0, 0]);
    stage.restart().await;
    assert_eq!(stage.targets("wecom_contact"), [1, 0, 0, 0, 0]);
    stage.set("2026-11-21T07:30:00");
    stage.restart().await;
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-19"));
    assert_eq!(stage.targets("wecom_contact"), [0, 0, 0, 0, 1], "pending: today's day was not asked for");
}

#[tokio::test]
async fn what_failed_for_yesterday_is_pending_for_today() {
    let mut stage = Stage::new("2026-11-20T10:00:00", "wecom: [{$wecom, contact: {users: [WangWu], $fast}}]").await;
    stage.every("*", Effect::Refuse(60020));
    for (time, targets) in [
        ("2026-11-20T10:00:00", [0, 0, 0, 1, 0]),
        // Nobody is asked while the refusal holds: what failed is still what failed.
        ("2026-11-20T10:05:00", [0, 0, 0, 1, 0]),
        ("2026-11-21T05:55:00", [0, 0, 0, 1, 0]),
        // Of the new day nothing has failed yet.
        ("2026-11-21T06:00:00", [0, 0, 0, 0, 1]),
    ] {
        stage.wake_at(time).await;
        assert_eq!(stage.targets("wecom_contact"), targets, "{time}");
    }
}
