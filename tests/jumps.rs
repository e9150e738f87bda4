//! Clocks that are wrong, and that are set right.

use std::time::Duration;

use imstats_exporter::day::Clock;
use imstats_exporter::poller::Poller;

use crate::harness::*;
use crate::ill::{PLATFORMS, Platform, WELL, well};

/// An exporter whose clock is not the platforms'.
async fn with_own_clock(time: &str) -> (Stage, Clock) {
    let mut stage = Stage::new("2026-11-20T10:00:00", WELL).await;
    let ours = Clock::manual(at(time));
    stage.move_to(&ours).await;
    (stage, ours)
}

fn shown(stage: &Stage) -> Vec<Option<String>> {
    PLATFORMS.iter().map(|platform| stage.shown(platform.source)).collect()
}

/// The days of a page, the last that of Feishu.
fn days(day: &str, of_feishu: &str) -> Vec<Option<String>> {
    [day, day, of_feishu].map(|day| Some(day.to_owned())).to_vec()
}

#[tokio::test]
async fn a_clock_that_was_a_day_ahead_leaves_nothing_behind() {
    let well = well().await;
    let (mut stage, ours) = with_own_clock("2026-11-20T10:00:00").await;
    stage.wake().await;
    assert_eq!(stage.page().figures(), *well);
    ours.set(at("2026-11-21T10:05:00"));
    stage.wake().await;
    ours.set(at("2026-11-20T10:10:00"));
    stage.wake().await;
    assert_eq!(shown(&stage), days("2026-11-19", "2026-11-18"));
    assert_eq!(stage.page().figures(), *well, "the page of the true day is back at the next waking");
    // The day comes in truth.
    for clock in [&ours, &stage.clock] {
        clock.set(at("2026-11-21T10:00:00"));
    }
    stage.wake().await;
    let mut honest = Stage::new("2026-11-21T10:00:00", WELL).await;
    honest.wake().await;
    assert_eq!(shown(&stage), days("2026-11-20", "2026-11-19"));
    assert_eq!(stage.page().figures(), honest.page().figures());
}

#[tokio::test]
async fn a_clock_that_steps_back_over_midnight_or_ready_time_changes_nothing() {
    for (time, back) in [("2026-11-21T00:00:10", "2026-11-20T23:59:50"), ("2026-11-21T06:00:10", "2026-11-21T05:59:50")]
    {
        let mut stage = Stage::new(time, WELL).await;
        stage.wake().await;
        let (page, days) = (stage.page().figures(), shown(&stage));
        stage.wake_at(back).await;
        assert_eq!((stage.page().figures(), shown(&stage)), (page.clone(), days.clone()), "at {back}");
        stage.simulator.reset_calls();
        stage.wake_at(time).await;
        assert_eq!((stage.page().figures(), shown(&stage)), (page, days));
        assert_eq!(stage.all_calls(), 0, "at {time}");
    }
}

#[tokio::test]
async fn a_clock_that_was_years_behind_shows_the_day_as_soon_as_it_is_right() {
    // A machine without a battery begins in 1970.
    let (mut stage, ours) = with_own_clock("1970-01-03T00:00:00").await;
    stage.wake().await;
    assert!(stage.page().figures().is_empty());
    ours.set(at("2026-11-20T10:00:00"));
    stage.wake().await;
    // What was refused as a matter of the clock is tried again when its time is over.
    ours.set(at("2026-11-20T11:30:00"));
    stage.wake().await;
    assert_eq!(stage.page().figures(), *well().await);
}

#[tokio::test]
async fn an_hour_ahead_tencent_refuses_our_signatures_and_takes_them_at_once_when_the_clock_is_right() {
    let (mut stage, ours) = with_own_clock("2026-11-20T11:00:00").await;
    stage.wake().await;
    let source = "tencent_desk_agent";
    assert!(!stage.up(source));
    assert!(stage.error(source).contains("clock"), "{}", stage.error(source));
    assert!(stage.up("wecom_contact") && stage.up("feishu_message_push"));
    ours.set(at("2026-11-20T10:05:00"));
    stage.wake().await;
    assert!(stage.up(source), "{}", stage.error(source));
    assert_eq!(stage.page().figures(), *well().await);
}

#[tokio::test]
async fn workers_do_not_sleep_through_a_day_when_the_clock_is_set_back() {
    let mut stage = Stage::new("2026-11-20T10:00:00", WELL).await;
    stage.workers.clear();
    let mut poller = Poller::start(stage.context.clone(), stage.sources()).await.unwrap();
    let all_shown = |stage: &Stage, day: &str, of_feishu: &str| shown(stage) == days(day, of_feishu);
    stage.until("all is shown", |stage| all_shown(stage, "2026-11-19", "2026-11-18")).await;
    stage.set("2026-11-19T09:00:00");
    // One that was in mid-round then wakes after its interval, like any other.
    let awake = |stage: &Stage| {
        stage.clock.advance(Duration::from_secs(10));
        let target = |platform: &Platform| stage.status(platform.source).target.unwrap().0;
        PLATFORMS.iter().all(|platform| target(platform) < day("2026-11-19"))
    };
    stage.until("all wake", awake).await;
    assert!(stage.clock.now() < at("2026-11-19T12:00:00"), "they slept until {}", stage.clock.now());
    poller.stop().await;
}
