//! One day at a time is shown: when a new day takes the page's place, and what is missing from it.

use imstats_exporter::poller::Poller;
use imstats_exporter::simulator::{Effect, Fault};

use crate::harness::*;

const TWO: &str = "wecom: [{$wecom, contact: {users: [Zhang.San, WangWu], $fast}}]";
const SOURCE: &str = "wecom_contact";
const CHATS: &str = "wecom_contact_user_active_chats";

/// An exporter that shows the 18th, at 05:59 on the 20th.
async fn yesterday(yaml: &str) -> Stage {
    let mut stage = Stage::new("2026-11-19T06:00:00", yaml).await;
    stage.run_until("2026-11-20T05:59:00").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-18"));
    stage
}

fn only(subject: &str, effect: Effect) -> Fault {
    Fault::on(CONTACT, effect).subject(subject)
}

#[tokio::test]
async fn the_new_day_takes_the_page_when_it_is_ready() {
    let mut stage = yesterday(TWO).await;
    let before = stage.page().figures();
    let asked = stage.calls(CONTACT);
    stage.wake().await;
    assert_eq!((stage.calls(CONTACT), stage.page().figures()), (asked, before), "it is not ready at 05:59");
    let next = stage.wake_one(SOURCE).await;
    assert_eq!(next, at("2026-11-20T06:00:00"), "it wakes when it is");
    stage.wake_at("2026-11-20T06:00:00").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-19"));
    let stat = "imstats_source_stat_timestamp_seconds";
    assert_eq!(stage.series(stat), Some(midnight("2026-11-19") as f64));
}

#[tokio::test]
async fn the_old_page_stands_until_every_target_is_settled() {
    let mut stage = yesterday(TWO).await;
    let before = stage.page().figures();
    stage.fault(only("WangWu", Effect::Truncate));
    stage.wake_at("2026-11-20T06:00:00").await;
    assert_eq!(stage.page().figures(), before);
    assert_eq!(stage.targets(SOURCE), [1, 0, 0, 1, 0], "these are of the new day");
    assert_eq!(stage.series("imstats_source_stat_timestamp_seconds"), Some(midnight("2026-11-18") as f64));
    assert_eq!(stage.series("imstats_source_target_timestamp_seconds"), Some(midnight("2026-11-19") as f64));
    stage.mend();
    stage.simulator.reset_calls();
    stage.wake_at("2026-11-20T06:10:00").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-19"));
    assert_eq!(stage.calls(CONTACT), 1, "only the one that failed is asked again");
}

#[tokio::test]
async fn after_flip_after_one_good_target_is_enough_and_the_other_appears_when_it_succeeds() {
    let mut stage = yesterday(TWO).await;
    stage.fault(only("WangWu", Effect::Truncate));
    stage.run_until("2026-11-20T07:49:59").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-18"));
    stage.run_until("2026-11-20T07:50:00").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-19"));
    assert_eq!(stage.page().all(CHATS).len(), 1);
    assert_eq!(stage.series(&format!("{CHATS}{{userid=\"WangWu\"}}")), None, "absent, not yesterday's and not 0");
    assert_eq!(stage.targets(SOURCE), [1, 0, 0, 1, 0]);
    stage.mend();
    // An answer that can't be used is asked for ever more rarely: the last time at 07:30.
    stage.run_until("2026-11-20T08:30:00").await;
    assert_eq!(stage.page().all(CHATS).len(), 2);
}

#[tokio::test]
async fn it_wakes_when_the_day_is_late_and_not_a_poll_interval_later() {
    let mut stage = yesterday(&format!("poll_interval: 45m\n{TWO}")).await;
    stage.fault(only("WangWu", Effect::Truncate));
    stage.run_until("2026-11-20T07:49:59").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-18"));
    stage.run_until("2026-11-20T07:50:00").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-19"));
}

#[tokio::test]
async fn where_the_new_page_cannot_be_made_the_old_one_stands_with_its_own_day() {
    let mut stage =
        yesterday("wecom: [{$wecom, contact: {users: [Zhang.San, WangWu], departments: [1], $fast}}]").await;
    stage.fault(only("1", Effect::Html(502)));
    stage.run_until("2026-11-20T07:10:00").await;
    let mut worker = stage.take(SOURCE);
    stage.mend();
    stage.set("2026-11-20T07:20:00");
    // The last answer can be stored, and the others can't be read.
    stage.other_connection().execute_batch("ALTER TABLE wecom_contact_user RENAME TO away").unwrap();
    assert!(worker.wake().await.is_err());
    assert_eq!((stage.shown(SOURCE).as_deref(), stage.page().all(CHATS).len()), (Some("2026-11-18"), 2));
    stage.other_connection().execute_batch("ALTER TABLE away RENAME TO wecom_contact_user").unwrap();
    worker.wake().await.unwrap();
    assert_eq!((stage.shown(SOURCE).as_deref(), stage.page().all(CHATS).len()), (Some("2026-11-19"), 2));
}

#[tokio::test]
async fn two_that_fail_are_absent_and_then_appear() {
    let yaml = "wecom: [{$wecom, contact: {users: all, $fast}}]";
    let mut stage = yesterday(yaml).await;
    let all = stage.page().all(CHATS).len();
    stage.fault(only("WangWu", Effect::Html(502)));
    stage.fault(only("Zhang.San", Effect::Refuse(999_999)));
    stage.run_until("2026-11-20T07:50:00").await;
    assert_eq!(stage.page().all(CHATS).len(), all - 2);
    assert!(stage.up(SOURCE), "the platform answers");
    assert_eq!(stage.targets(SOURCE)[2..4], [1, 1], "a code that comes again and again is a refusal");
    let succeeded = stage.series("imstats_source_last_success_timestamp_seconds").unwrap();
    assert!(succeeded < at("2026-11-20T06:00:00").as_second() as f64, "no round of today left nothing failed");
    stage.mend();
    stage.wake_at("2026-11-20T08:10:00").await;
    assert_eq!(stage.page().all(CHATS).len(), all - 1);
    assert_eq!(
        stage.series("imstats_source_last_success_timestamp_seconds"),
        Some(at("2026-11-20T08:10:00").as_second() as f64)
    );
    stage.run_until("2026-11-20T13:30:00").await;
    assert_eq!(stage.page().all(CHATS).len(), all, "the refused one is asked again with the refresh");
}

#[tokio::test]
async fn the_wait_for_a_day_begins_anew_with_the_program_and_the_end_of_the_old_page_does_not() {
    // Of all but the first there is no answer, and most are not asked: five failures in a row end the round.
    let mut stage =
        yesterday("poll_interval: 45m\nwecom: [{$wecom, contact: {users: all, $fast, concurrency: 1}}]").await;
    let mut members: Vec<_> = stage.log(CONTACT).into_iter().map(|call| call.subject).collect();
    members.dedup();
    assert!(members.len() > 10, "{members:?}");
    for member in members.iter().filter(|member| **member != members[0]) {
        stage.fault(only(member, Effect::Html(502)));
    }
    stage.set("2026-11-20T07:00:00");
    stage.restart().await;
    stage.run_until("2026-11-20T07:49:59").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-18"));
    stage.run_until("2026-11-20T07:50:00").await;
    assert_eq!(stage.shown(SOURCE), None, "the old page goes, and some of the new day were never asked");
    let [ok, .., pending] = stage.targets(SOURCE);
    assert!(ok == 1 && pending > 0, "{:?}", stage.targets(SOURCE));
    stage.run_until("2026-11-20T08:49:59").await;
    assert_eq!(stage.shown(SOURCE), None);
    stage.run_until("2026-11-20T08:50:00").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-19"), "it has waited since the start");
}

#[tokio::test]
async fn where_no_page_would_be_replaced_a_day_is_shown_when_all_were_asked_and_one_is_ok() {
    let three = "wecom: [{$wecom, contact: {users: [Zhang.San, WangWu], departments: [1], $fast}}]";
    let mut stage = Stage::new("2026-11-20T06:30:00", three).await;
    let failing = |stage: &Stage| {
        stage.fault(only("WangWu", Effect::Truncate));
        stage.fault(only("1", Effect::Truncate));
    };
    failing(&stage);
    stage.fault(only("Zhang.San", Effect::Truncate));
    stage.wake().await;
    assert_eq!((stage.shown(SOURCE), stage.targets(SOURCE)), (None, [0, 0, 0, 3, 0]), "none is ok");
    stage.mend();
    failing(&stage);
    stage.wake_at("2026-11-20T06:40:00").await;
    assert_eq!((stage.shown(SOURCE).as_deref(), stage.targets(SOURCE)), (Some("2026-11-19"), [1, 0, 0, 2, 0]));
    assert_eq!(stage.page().all(CHATS).len(), 1);
    // The next day: this page goes at 07:50, and nothing is protected any more.
    stage.fault(only("Zhang.San", Effect::Truncate));
    stage.run_until("2026-11-21T07:50:00").await;
    assert_eq!((stage.shown(SOURCE), stage.targets(SOURCE)), (None, [0, 0, 0, 3, 0]));
    stage.mend();
    failing(&stage);
    // What can't be read is asked for again after up to an hour.
    stage.run_until("2026-11-21T09:00:00").await;
    assert_eq!((stage.shown(SOURCE).as_deref(), stage.targets(SOURCE)), (Some("2026-11-20"), [1, 0, 0, 2, 0]));
}

#[tokio::test]
async fn a_day_without_data_for_anybody_is_not_produced_and_asked_for_every_half_hour() {
    let mut stage = yesterday(TWO).await;
    stage.every(CONTACT, raw(r#"{"errcode": 0, "behavior_data": []}"#));
    let before = stage.page().figures();
    stage.simulator.reset_calls();
    stage.run_until("2026-11-20T07:49:59").await;
    let asked: Vec<_> =
        stage.log(CONTACT).into_iter().filter(|call| call.subject == "WangWu").map(|call| call.at).collect();
    assert_eq!(asked, ["06:00", "06:30", "07:00", "07:30"].map(|time| at(&format!("2026-11-20T{time}:00"))));
    assert_eq!(stage.page().figures(), before, "the old page stands");
    assert_eq!(stage.targets(SOURCE), [0, 2, 0, 0, 0]);
    assert!(stage.up(SOURCE));
    // The holiday is believed when the day is late: the page is empty then.
    stage.run_until("2026-11-20T07:50:00").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-19"));
    assert!(stage.page().figures().is_empty());
    stage.simulator.reset_calls();
    stage.run_until("2026-11-20T13:29:59").await;
    assert_eq!(stage.calls(CONTACT), 0, "from then on it is asked with the refresh");
    stage.run_until("2026-11-20T14:00:00").await;
    assert_eq!(stage.calls(CONTACT), 2);
}

#[tokio::test]
async fn a_day_that_is_produced_late_is_shown_within_half_an_hour() {
    let mut stage = yesterday(TWO).await;
    let nothing = stage.every(CONTACT, raw(r#"{"errcode": 0, "behavior_data": []}"#));
    stage.run_until("2026-11-20T06:40:00").await;
    stage.simulator.faults().remove(nothing);
    stage.run_until("2026-11-20T07:00:00").await;
    assert_eq!(stage.shown(SOURCE).as_deref(), Some("2026-11-19"));
    assert_eq!(stage.page().all(CHATS).len(), 2);
}

#[tokio::test]
async fn a_page_goes_when_the_next_day_is_late_and_does_not_come_back() {
    // It wakes for it, and not a poll interval later.
    let mut stage = yesterday(&format!("poll_interval: 45m\n{TWO}")).await;
    stage.every("wecom", Effect::Html(502));
    stage.run_until("2026-11-20T07:49:59").await;
    assert_eq!((stage.shown(SOURCE).as_deref(), stage.page().all(CHATS).len()), (Some("2026-11-18"), 2));
    stage.run_until("2026-11-20T07:50:00").await;
    assert!(stage.page().figures().is_empty());
    assert_eq!((stage.shown(SOURCE), stage.series("imstats_source_stat_timestamp_seconds")), (None, None));
    assert_eq!(stage.series("imstats_source_series"), Some(0.0));
    assert!(!stage.up(SOURCE));
    stage.restart().await;
    assert!(stage.page().figures().is_empty(), "a restart does not bring it back");
    stage.run_until("2026-11-22T20:00:00").await;
    assert!(stage.page().figures().is_empty());
    stage.mend();
    stage.wake_at("2026-11-22T20:10:00").await;
    assert_eq!((stage.shown(SOURCE).as_deref(), stage.page().all(CHATS).len()), (Some("2026-11-21"), 2));
}

#[tokio::test]
async fn a_page_that_grew_too_old_while_the_program_was_down_is_not_shown_again() {
    for (time, shown) in [("07:49:59", Some("2026-11-18")), ("07:50:00", None), ("23:00:00", None)] {
        let mut stage = yesterday(TWO).await;
        stage.every("wecom", Effect::Html(502));
        stage.set(&format!("2026-11-20T{time}"));
        stage.restart().await;
        assert_eq!(stage.shown(SOURCE).as_deref(), shown, "{time}");
        assert_eq!(stage.page().figures().is_empty(), shown.is_none(), "{time}");
    }
}

#[tokio::test]
async fn a_page_goes_in_time_though_its_worker_waits_for_the_platform_or_the_disk() {
    for disk in [false, true] {
        let mut stage = yesterday(TWO).await;
        stage.workers.clear();
        stage.every(CONTACT, Effect::Hang);
        let mut poller = Poller::start(stage.context.clone(), stage.sources()).await.unwrap();
        stage.until("it is restored", |stage| stage.shown(SOURCE).is_some()).await;
        stage.simulator.reset_calls();
        let other = stage.other_connection();
        if disk {
            other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        }
        stage.set("2026-11-20T06:00:00");
        if !disk {
            stage.until("it waits for an answer", |stage| stage.calls(CONTACT) > 0).await;
        }
        stage.set("2026-11-20T07:49:59");
        assert_eq!(stage.page().all(CHATS).len(), 2);
        stage.set("2026-11-20T07:50:00");
        stage.until("the page goes", |stage| stage.shown(SOURCE).is_none()).await;
        assert!(stage.page().figures().is_empty());
        assert_eq!(stage.series("imstats_source_series"), Some(0.0));
        drop(other);
        poller.stop().await;
    }
}

#[tokio::test]
async fn weeks_and_months_go_with_a_day_that_is_late_and_come_back_with_what_is_there() {
    const PUSHES: &str = "feishu_message_push";
    let yaml = "feishu: [{$feishu, message_push: {cycles: [day, week, month], $fast}}]";
    let mut stage = Stage::new("2026-11-19T10:00:00", yaml).await;
    let cycles = |stage: &Stage| -> Vec<usize> {
        let page = stage.page();
        let of = |cycle: &str| {
            page.0
                .iter()
                .filter(|(name, labels, _)| name == PUSHES && labels.get("cycle").is_some_and(|found| found == cycle))
                .count()
        };
        ["day", "week", "month"].map(of).to_vec()
    };
    stage.run_until("2026-11-20T09:59:00").await;
    let whole = cycles(&stage);
    assert!(whole.iter().all(|series| *series > 0), "{whole:?}");
    // The week and the month are settled already: the new day is shown with them when it may wait no longer.
    stage.every(PUSH, Effect::Html(502));
    stage.run_until("2026-11-20T11:49:59").await;
    assert_eq!((stage.shown(PUSHES).as_deref(), cycles(&stage)), (Some("2026-11-17"), whole.clone()));
    stage.run_until("2026-11-20T11:50:00").await;
    assert_eq!((stage.shown(PUSHES).as_deref(), cycles(&stage)), (Some("2026-11-18"), vec![0, whole[1], whole[2]]));
    // A new week that is not there leaves no old one: the 22nd is a Sunday, ready on the 24th.
    stage.run_until("2026-11-24T11:49:59").await;
    assert_eq!(cycles(&stage), [0, whole[1], whole[2]]);
    stage.run_until("2026-11-24T11:50:00").await;
    assert_eq!((stage.shown(PUSHES).as_deref(), cycles(&stage)), (Some("2026-11-22"), vec![0, 0, whole[2]]));
}

#[tokio::test]
async fn all_families_of_a_source_are_of_one_day() {
    let yaml =
        "wecom: [{$wecom, contact: {users: [WangWu], departments: [1], teams: {t: {departments: [1001]}}, $fast}}]";
    let mut stage = yesterday(yaml).await;
    let before = stage.page().figures();
    stage.fault(only("1", Effect::Truncate));
    stage.wake_at("2026-11-20T06:00:00").await;
    assert_eq!(stage.page().figures(), before);
    stage.mend();
    stage.wake_at("2026-11-20T06:10:00").await;
    let after = stage.page().figures();
    let changed = after.iter().filter(|(series, value)| before.get(*series) != Some(value)).count();
    assert!(changed * 2 > after.len(), "another day has other figures: {changed} of {}", after.len());
}
