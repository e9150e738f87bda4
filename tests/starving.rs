//! Targets that the platform can't answer, refuses, or answers with a code that no table knows: the others don't wait for
//! them, and they are not asked in vain.

use std::collections::BTreeSet;

use imstats_exporter::simulator::{Effect, Fault};

use crate::harness::*;

const EVERYBODY: &str = "wecom: [{$wecom, contact: {users: all, lookback_days: 1, $fast}}]";

fn members(stage: &Stage) -> Vec<String> {
    stage.company().follow_users().map(|user| user.userid.clone()).collect()
}

/// Who was asked since the calls were last counted.
fn asked(stage: &Stage, api: &str) -> Vec<String> {
    stage.log(api).into_iter().map(|call| call.subject).collect()
}

/// Ten minutes pass, and the source wakes.
async fn wake_next(stage: &mut Stage) {
    stage.clock.advance(std::time::Duration::from_mins(10));
    stage.wake().await;
}

#[tokio::test]
async fn neighbours_that_the_platform_cannot_answer_keep_nobody_waiting() {
    for in_a_row in [12, 60] {
        let mut stage = Stage::of(400, "2026-11-20T06:00:00", EVERYBODY).await;
        let users = members(&stage);
        assert!(users.len() > 120, "{}", users.len());
        for user in &users[20..20 + in_a_row] {
            stage.fault(Fault::on(CONTACT, Effect::Html(503)).subject(user));
        }
        stage.wake().await;
        let [ok, .., pending] = stage.targets("wecom_contact");
        assert!(ok < 40 && pending > users.len() - 60, "the round ends in the block: {ok} {pending}");
        assert!(stage.up("wecom_contact"), "others were answered");
        wake_next(&mut stage).await;
        wake_next(&mut stage).await;
        assert_eq!(stage.targets("wecom_contact"), [users.len() - in_a_row, 0, 0, in_a_row, 0], "{in_a_row}");
        // What fails on and on says nothing of those who are settled.
        wake_next(&mut stage).await;
        assert!(stage.up("wecom_contact"));
        stage.mend();
        wake_next(&mut stage).await;
        assert_eq!(stage.targets("wecom_contact"), [users.len(), 0, 0, 0, 0]);
    }
}

#[tokio::test]
async fn whoever_was_refused_is_asked_apart_and_halving_is_not_repeated() {
    let mut stage = Stage::with(800, "2026-11-20T06:00:00", |simulator| {
        // One in a hundred has left.
        let owners: Vec<_> = simulator.company().owners().map(|user| format!("\"{}\"", user.userid)).collect();
        let groups = owners.chunks(99).take(3).enumerate();
        let written: Vec<_> =
            groups.map(|(n, some)| format!("{}, gone{n}", some[..99.min(some.len())].join(", "))).collect();
        let written = written.join(", ");
        filled(&format!("wecom: [{{$wecom, groupchat: {{owners: [{written}], $fast}}}}]"), simulator)
    })
    .await;
    let calls = |stage: &Stage| {
        let calls = stage.calls(OWNERS);
        stage.simulator.reset_calls();
        calls
    };
    stage.wake().await;
    let [ok, no_data, refused, failed, pending] = stage.targets("wecom_groupchat_owner");
    assert!(refused >= 2 && (failed, pending) == (0, 0), "{refused} {failed} {pending}");
    let alone = refused as u64;
    let batches = (ok + no_data).div_ceil(100) as u64;
    let first = calls(&stage);
    assert!(first > alone * 12, "{first}");
    stage.wake_at("2026-11-20T07:00:00").await;
    assert_eq!(calls(&stage), batches + alone, "the refresh");
    assert_eq!(stage.targets("wecom_groupchat_owner"), [ok, no_data, refused, 0, 0]);
    // After a restart, and on the next day.
    stage.restart().await;
    stage.wake_at("2026-11-21T06:00:00").await;
    assert_eq!(calls(&stage), batches + alone, "the next day");
    assert_eq!(stage.targets("wecom_groupchat_owner")[2..], [refused, 0, 0]);
}

#[tokio::test]
async fn an_unknown_code_at_three_wakings_is_a_refusal_of_its_target() {
    let mut stage = Stage::new("2026-11-19T12:00:00", EVERYBODY).await;
    let users = members(&stage);
    stage.wake().await;
    stage.fault(Fault::on(CONTACT, Effect::Refuse(40_096)).subject(&users[3]));
    stage.set("2026-11-20T06:00:00");
    for wakings in 1..=3 {
        assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-18"), "the page before {wakings} wakings");
        stage.wake().await;
        if wakings < 3 {
            assert_eq!(stage.targets("wecom_contact"), [users.len() - 1, 0, 0, 1, 0]);
            stage.clock.advance(std::time::Duration::from_mins(10));
        }
    }
    assert_eq!(stage.targets("wecom_contact"), [users.len() - 1, 0, 1, 0, 0]);
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-19"), "one id withholds nothing");
    let told = stage.error("wecom_contact");
    assert!(told.starts_with(&format!("1 of {} targets are refused, the last: code 40096", users.len())), "{told}");
    // It is kept, and asked again with the refresh only.
    stage.restart().await;
    stage.simulator.reset_calls();
    stage.wake_at("2026-11-20T06:50:00").await;
    assert!(asked(&stage, CONTACT).is_empty());
    stage.wake_at("2026-11-20T07:20:00").await;
    assert_eq!(asked(&stage, CONTACT).iter().filter(|user| **user == users[3]).count(), 1);
    assert_eq!(stage.targets("wecom_contact"), [users.len() - 1, 0, 1, 0, 0], "still refused");
    // On the next day it holds up nothing at all.
    stage.wake_at("2026-11-21T06:00:00").await;
    assert_eq!(stage.targets("wecom_contact"), [users.len() - 1, 0, 1, 0, 0]);
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-20"));
    stage.mend();
    stage.wake_at("2026-11-21T07:00:00").await;
    assert_eq!(stage.targets("wecom_contact"), [users.len(), 0, 0, 0, 0]);
}

#[tokio::test]
async fn the_one_of_a_batch_that_gets_an_unknown_code_is_found() {
    let yaml = "wecom: [{$wecom, groupchat: {owners: all, $fast}}]";
    let mut stage = Stage::of(300, "2026-11-20T06:00:00", yaml).await;
    let owners: Vec<_> = stage.company().owners().map(|user| user.userid.clone()).collect();
    let culprit = owners[owners.len() / 2].clone();
    stage.fault(Fault::on(OWNERS, Effect::Refuse(95_005)).subject(&culprit));
    stage.wake().await;
    let all = stage.targets("wecom_groupchat_owner").iter().sum::<usize>();
    assert!(stage.targets("wecom_groupchat_owner")[3] > 1, "the whole batch failed");
    wake_next(&mut stage).await;
    assert_eq!(stage.targets("wecom_groupchat_owner")[3], 1);
    wake_next(&mut stage).await;
    let [ok, no_data, refused, failed, pending] = stage.targets("wecom_groupchat_owner");
    assert_eq!((ok + no_data, refused, failed, pending), (all - 1, 1, 0, 0));
}

#[tokio::test]
async fn what_cannot_be_used_for_anybody_is_asked_ever_more_rarely() {
    for effect in [Effect::Refuse(95_005), Effect::Truncate] {
        let mut stage = Stage::new("2026-11-20T06:00:00", EVERYBODY).await;
        let users = members(&stage);
        stage.every(CONTACT, effect.clone());
        let mut wakings = Vec::new();
        for waking in 0..30 {
            stage.simulator.reset_calls();
            stage.wake().await;
            let calls = stage.calls(CONTACT) as usize;
            assert!(calls == 0 || calls == users.len());
            if calls > 0 {
                wakings.push(waking * 10);
            }
            assert!(!stage.up("wecom_contact") && stage.targets("wecom_contact") == [0, 0, 0, users.len(), 0]);
            let next = stage.status("wecom_contact").next_round.unwrap();
            assert!(next > stage.clock.now());
            stage.clock.advance(std::time::Duration::from_mins(10));
        }
        assert_eq!(wakings, [0, 10, 20, 30, 50, 90, 150, 210, 270], "{effect:?}, minutes after the first");
        stage.mend();
        let next = stage.status("wecom_contact").next_round.unwrap();
        assert_eq!(next, at("2026-11-20T11:30:00"), "when it will be asked again");
        stage.clock.set(next);
        stage.wake().await;
        assert_eq!(stage.targets("wecom_contact"), [users.len(), 0, 0, 0, 0]);
    }
}

#[tokio::test]
async fn a_batch_that_fails_for_all_of_it_is_not_halved_to_the_end() {
    let yaml = "wecom: [{$wecom, groupchat: {owners: all, concurrency: 1, $fast}}]";
    let mut stage = Stage::of(1_000, "2026-11-20T06:00:00", yaml).await;
    stage.every(OWNERS, Effect::Refuse(95_005));
    stage.wake().await;
    let batches = stage.calls(OWNERS);
    assert!(batches >= 2, "{batches}");
    wake_next(&mut stage).await;
    let calls = stage.calls(OWNERS) - batches;
    assert!(calls <= 12 + batches, "{calls} for {batches} batches");
    let subjects: BTreeSet<_> = asked(&stage, OWNERS).into_iter().collect();
    assert!(!subjects.is_empty());
}
