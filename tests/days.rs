//! Days, weeks, months and years, and zones that change their clocks.

use imstats_exporter::day::{Days, Zone};
use imstats_exporter::simulator::figures;
use serde_json::Value;

use crate::harness::*;
use crate::recorder::Recorder;

#[tokio::test]
async fn each_day_of_a_year_s_end_is_asked_at_six_with_the_two_before_it() {
    let yaml = "poll_interval: 1h\nwecom: [{$wecom, contact: {users: [WangWu], refresh_interval: 30h}}]";
    let mut stage = Stage::new("2026-12-29T23:30:00", yaml).await;
    stage.run_until("2027-01-03T05:59:59").await;
    let asked: Vec<_> = stage
        .log(CONTACT)
        .iter()
        .map(|call| format!("{} to {} at {}", call.from.unwrap(), call.to.unwrap(), local(call.at)))
        .collect();
    assert_eq!(
        asked,
        [
            "2026-12-26 to 2026-12-28 at 2026-12-29T23:30:00",
            "2026-12-26 to 2026-12-28 at 2026-12-30T00:30:00",
            "2026-12-27 to 2026-12-29 at 2026-12-30T06:00:00",
            "2026-12-27 to 2026-12-29 at 2026-12-30T07:00:00",
            "2026-12-28 to 2026-12-30 at 2026-12-31T06:00:00",
            "2026-12-28 to 2026-12-30 at 2026-12-31T07:00:00",
            "2026-12-29 to 2026-12-31 at 2027-01-01T06:00:00",
            "2026-12-29 to 2026-12-31 at 2027-01-01T07:00:00",
            "2026-12-30 to 2027-01-01 at 2027-01-02T06:00:00",
            "2026-12-30 to 2027-01-01 at 2027-01-02T07:00:00",
        ]
    );
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2027-01-01"));
}

#[tokio::test]
async fn the_page_follows_the_days_from_month_to_month_with_their_own_figures() {
    let yaml = "poll_interval: 1h\nwecom: [{$wecom, contact: {users: [WangWu]}}]\ntencent_desk: [{$desk, agent_statistics: {}}]";
    let mut stage = Stage::new("2028-02-28T05:59:00", yaml).await;
    for (time, shown) in [
        ("2028-02-28T05:59:59", "2028-02-26"),
        ("2028-02-28T06:00:00", "2028-02-27"),
        ("2028-02-29T00:00:00", "2028-02-27"),
        ("2028-02-29T06:00:00", "2028-02-28"),
        ("2028-03-01T05:59:59", "2028-02-28"),
        ("2028-03-01T06:00:00", "2028-02-29"),
        ("2028-03-02T06:00:00", "2028-03-01"),
    ] {
        stage.run_until(time).await;
        assert_eq!(stage.shown("wecom_contact").as_deref(), Some(shown), "at {time}");
        let data = figures::contact(stage.company(), &["WangWu"], &[], day(shown));
        assert_eq!(stage.series("wecom_contact_user_messages_sent"), data["message_cnt"].as_f64(), "at {time}");
        let agent = &stage.company().agents[0].agent_id;
        let row = figures::desk(stage.company(), agent, Days::one(day(shown))).unwrap();
        let series = format!("tencent_desk_agent_messages{{agent=\"{agent}\"}}");
        assert_eq!(stage.series(&series), row["TotalMsgCnt"].as_f64(), "at {time}");
        let stat = "imstats_source_stat_timestamp_seconds{source=\"wecom_contact\"}";
        assert_eq!(stage.series(stat), Some(midnight(shown) as f64));
    }
}

#[tokio::test]
async fn a_zone_with_daylight_saving_asks_from_its_first_to_its_last_second() {
    let recorder = Recorder::start(
        r#"{"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 1, "Data": [{"AgentId": "a", "TotalMsgCnt": 5}]}"#,
    )
    .await;
    for (ready, day, hours) in [
        ("2026-11-02T06:00:00-05:00", "2026-11-01", 25),
        ("2027-03-15T06:00:00-04:00", "2027-03-14", 23),
        ("2026-07-05T06:00:00-04:00", "2026-07-04", 24),
    ] {
        let yaml = |simulator: &_| {
            let yaml = "tencent_desk: [{$desk, agent_statistics: {time_zone: America/New_York}}]";
            filled(yaml, simulator).replace(&simulator.base_url(), recorder.base())
        };
        let mut stage = Stage::with(40, "2026-07-01T00:00:00", yaml).await;
        let ready: jiff::Timestamp = ready.parse().unwrap();
        stage.clock.set(ready.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap());
        let next = stage.wake_one("tencent_desk_agent").await;
        assert_eq!(next, ready, "it wakes at six of its own zone");
        stage.clock.set(ready);
        stage.wake().await;
        let (_, body) = recorder.last();
        let body: Value = serde_json::from_str(&body).unwrap();
        let zone = Zone::named("America/New_York").unwrap();
        let first = day.parse::<imstats_exporter::day::Day>().unwrap().midnight(&zone).as_second();
        assert_eq!(body["From"], first, "{day}");
        assert_eq!(body["To"], first + hours * 3600 - 1, "{day}");
        assert_eq!(stage.series("imstats_source_stat_timestamp_seconds"), Some(first as f64));
        assert_eq!(stage.series("tencent_desk_agent_messages"), Some(5.0));
    }
}

#[tokio::test]
async fn weeks_and_months_of_feishu_cross_the_year_and_are_asked_once_and_with_the_refresh() {
    let yaml = "poll_interval: 1h\nfeishu: [{$feishu, message_push: {cycles: [day, week, month], $fast}}]";
    let mut stage = Stage::new("2026-12-29T10:00:00", yaml).await;
    stage.run_until("2027-01-06T09:59:59").await;
    let of = |from: &str, to: &str| -> Vec<String> {
        let period =
            stage.log(PUSH).into_iter().filter(|call| (call.from, call.to) == (Some(day(from)), Some(day(to))));
        period.map(|call| local(call.at)).collect()
    };
    // Two days after its Sunday at ten, an hour later, and then daily.
    assert_eq!(
        of("2026-12-21", "2026-12-27")[..4],
        ["2026-12-29T10:00:00", "2026-12-29T11:00:00", "2026-12-30T11:00:00", "2026-12-31T11:00:00"]
    );
    assert_eq!(of("2026-12-21", "2026-12-27").len(), 2 + 6, "until the next week is ready");
    assert_eq!(of("2026-12-28", "2027-01-03"), ["2027-01-05T10:00:00", "2027-01-05T11:00:00"]);
    assert_eq!(of("2026-11-01", "2026-11-30").last().unwrap(), "2027-01-01T11:00:00");
    assert_eq!(of("2026-12-01", "2026-12-31")[..2], ["2027-01-02T10:00:00", "2027-01-02T11:00:00"]);
    assert_eq!(of("2026-12-31", "2026-12-31"), ["2027-01-02T10:00:00", "2027-01-02T11:00:00"]);
    let company = stage.company();
    for (cycle, first, last) in [
        ("day", "2027-01-03", "2027-01-03"),
        ("week", "2026-12-28", "2027-01-03"),
        ("month", "2026-12-01", "2026-12-31"),
    ] {
        let period = Days { first: day(first), last: day(last) };
        let metrics = figures::message_push(company, &company.app_id, None, period).unwrap();
        let series = format!("feishu_message_push{{cycle=\"{cycle}\",metric_name=\"send_msg_count\"}}");
        assert_eq!(stage.series(&series), metrics["send_msg_count"].as_f64(), "{cycle}");
    }
}

#[tokio::test]
async fn ready_time_lag_and_zone_are_as_configured() {
    let yaml = "feishu: [{$feishu, message_push: {ready_at: \"03:30\", lag_days: 3, time_zone: Asia/Tokyo}}]";
    let mut stage = Stage::new("2026-11-20T02:29:59", yaml).await;
    let next = stage.wake_one("feishu_message_push").await;
    assert_eq!(stage.shown("feishu_message_push").as_deref(), Some("2026-11-16"));
    assert_eq!(next, at("2026-11-20T02:30:00"), "03:30 in Tokyo");
    stage.wake_at("2026-11-20T02:30:00").await;
    assert_eq!(stage.shown("feishu_message_push").as_deref(), Some("2026-11-17"));
}

/// An instant as clocks in China show it.
fn local(at: jiff::Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).datetime().to_string()
}

#[tokio::test]
async fn another_zone_is_another_day_and_asked_for_anew() {
    let recorder = Recorder::start(
        r#"{"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 1, "Data": [{"AgentId": "a", "TotalMsgCnt": 5}]}"#,
    )
    .await;
    let from = || serde_json::from_str::<Value>(&recorder.last().1).unwrap()["From"].as_i64().unwrap();
    let base = recorder.base().to_owned();
    let yaml = "tencent_desk: [{$desk, agent_statistics: {time_zone: Asia/Shanghai}}]";
    let mut stage = Stage::with(4, "2026-11-20T22:00:00", |it| filled(yaml, it).replace(&it.base_url(), &base)).await;
    let day: imstats_exporter::day::Day = "2026-11-19".parse().unwrap();
    stage.wake().await;
    assert_eq!(
        (from(), stage.series("tencent_desk_agent_messages")),
        (day.midnight(&Zone::china()).as_second(), Some(5.0))
    );
    stage.replace_in_configuration("Asia/Shanghai", "America/New_York");
    stage.restart().await;
    // In New York the same date begins 13 hours later: what came for Shanghai's stands for nothing of it.
    assert_eq!(stage.series("tencent_desk_agent_messages"), None);
    stage.wake().await;
    let new_york = Zone::named("America/New_York").unwrap();
    assert_eq!((from(), stage.series("tencent_desk_agent_messages")), (day.midnight(&new_york).as_second(), Some(5.0)));
}

#[tokio::test]
async fn a_team_of_other_members_is_another_question() {
    let yaml = |users: &str| {
        format!(
            "wecom: [{{$wecom, contact: {{users: none, departments: none, teams: {{north: {{users: [{users}]}}}}, $fast}}}}]"
        )
    };
    let mut stage = Stage::new("2026-11-20T10:00:00", &yaml("WangWu")).await;
    stage.wake().await;
    let one = stage.series("wecom_contact_team_messages_sent");
    stage.restart_with(&yaml("WangWu, Zhang.San")).await;
    assert_eq!(stage.series("wecom_contact_team_messages_sent"), None, "one member's figure is not that of two");
    stage.wake().await;
    assert_eq!(stage.calls(CONTACT), 2);
    assert!(stage.series("wecom_contact_team_messages_sent") > one);
    stage.restart().await;
    stage.wake().await;
    assert_eq!(stage.calls(CONTACT), 2);
}
