//! How many calls a day costs: each counted, none without a reason.

use std::collections::{BTreeMap, HashSet};

use imstats_exporter::day::Days;
use imstats_exporter::simulator::{Effect, Fault, figures};
use imstats_exporter::source::apis;

use crate::harness::*;

const ONE: &str = "wecom: [{$wecom, contact: {users: [WangWu]}}]";
const SENT: &str = "wecom_contact_user_messages_sent";

/// The calls of the 20th of November, from six to six, of an exporter that ran the day before.
async fn calls_of_a_day(scrapes: bool) -> (BTreeMap<String, u64>, Stage) {
    let plain = |simulator: &_| everything(simulator).replace("names: true", "names: false");
    let mut stage = Stage::with(40, "2026-11-19T06:00:00", plain).await;
    stage.run_until("2026-11-20T05:59:59").await;
    stage.simulator.reset_calls();
    for hour in 6..30 {
        let time = if hour < 24 {
            format!("2026-11-20T{hour:02}:59:59")
        } else {
            format!("2026-11-21T{:02}:59:59", hour - 24)
        };
        stage.run_until(&time).await;
        for _ in 0..if scrapes { 50 } else { 0 } {
            assert!(stage.text().contains(SENT));
        }
        if hour == 29 {
            break;
        }
    }
    (stage.simulator.calls(), stage)
}

#[tokio::test]
async fn a_day_of_a_small_company_costs_exactly_this() {
    let (calls, stage) = calls_of_a_day(true).await;
    let company = stage.company();
    // Five rounds for what is refreshed every six hours: 06:00, 07:00, 13:00, 19:00 and 01:00.
    const ROUNDS: u64 = 5;
    let follow = company.follow_users().count() as u64;
    assert_eq!(follow, 36);
    let servicers: u64 = company.kf_accounts.iter().map(|account| account.servicers.len() as u64).sum();
    let app = &company.app_id;
    // The tenant, and each department that stands below figures, for the period.
    let pushes = |first: &str, last: &str| {
        let period = Days { first: day(first), last: day(last) };
        let has = |id: &str| id == "0" || figures::message_push(company, app, Some(id), period).is_some();
        1 + company.feishu_departments.iter().filter(|department| has(&department.parent)).count() as u64
    };
    let expected = [
        // A token lives for two hours: those of 06:00 serve at 07:00, then one for each round and secret.
        (GETTOKEN, 4 * 2),
        // A call for each member, department and team; the look-back comes at no extra call.
        (CONTACT, ROUNDS * (follow + company.departments.len() as u64 + 2)),
        // 36 owners are one batch; each team is one call.
        (OWNERS, ROUNDS),
        (TEAMS, ROUNDS * 2),
        // Each account, and each servicer of one that has figures.
        (KF, ROUNDS * (company.kf_accounts.len() as u64 + servicers)),
        // All agents on one page.
        (DESK, ROUNDS),
        // The day before yesterday at 10:00 and 11:00; last week and last month once, 24 hours after the last time.
        (
            PUSH,
            2 * pushes("2026-11-18", "2026-11-18")
                + pushes("2026-11-09", "2026-11-15")
                + pushes("2026-10-01", "2026-10-31"),
        ),
        // At 07:00 for the week and month, at 10:00 for the day.
        (TENANT_TOKEN, 2),
        // Lists once a day: members; departments with their names; accounts; servicers of each account, one of which
        // names a department, and that has no other below it; departments of Feishu on one page.
        (FOLLOW, 1),
        ("department/list", 1),
        ("department/simplelist", 2),
        ("user/simplelist", 1),
        ("kf/account/list", 1),
        ("kf/servicer/list", 2),
        (CHILDREN, 1),
    ];
    let expected: BTreeMap<String, u64> = expected.iter().map(|(api, calls)| ((*api).to_owned(), *calls)).collect();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn scrapes_cost_no_calls() {
    assert_eq!(calls_of_a_day(true).await.0, calls_of_a_day(false).await.0);
}

#[tokio::test]
async fn a_refresh_comes_an_hour_after_the_first_answer_and_then_as_configured() {
    let yaml = "wecom: [{$wecom, contact: {users: [WangWu], refresh_interval: 2h30m}}]";
    let mut stage = Stage::new("2026-11-20T06:00:00", yaml).await;
    stage.run_until("2026-11-20T15:00:00").await;
    let asked: Vec<_> = stage.log(CONTACT).iter().map(|call| call.at).collect();
    assert_eq!(asked, ["06:00", "07:00", "09:30", "12:00", "14:30"].map(|time| at(&format!("2026-11-20T{time}:00"))));
}

#[tokio::test]
async fn the_refresh_is_kept_over_a_restart() {
    let mut stage = Stage::new("2026-11-20T06:00:00", ONE).await;
    stage.run_until("2026-11-20T08:00:00").await;
    assert_eq!(stage.calls(CONTACT), 2);
    stage.restart().await;
    stage.run_until("2026-11-20T12:59:59").await;
    assert_eq!(stage.calls(CONTACT), 2);
    stage.run_until("2026-11-20T13:00:00").await;
    assert_eq!(stage.calls(CONTACT), 3);
}

#[tokio::test]
async fn early_zeros_are_corrected_by_the_first_refresh() {
    let mut stage = Stage::new("2026-11-20T05:59:00", ONE).await;
    stage.every(CONTACT, Effect::ZerosBefore(6 + 1));
    stage.run_until("2026-11-20T06:59:59").await;
    assert_eq!(stage.series(SENT), Some(0.0));
    stage.run_until("2026-11-20T07:00:00").await;
    let data = figures::contact(stage.company(), &["WangWu"], &[], day("2026-11-19"));
    assert_eq!(stage.series(SENT), data["message_cnt"].as_f64());
    assert_ne!(stage.series(SENT), Some(0.0));
}

#[tokio::test]
async fn restated_older_days_improve_the_store_and_not_the_page() {
    let mut stage = Stage::new("2026-11-19T12:00:00", ONE).await;
    stage.wake().await;
    let stored = async |stage: &Stage, text: &str| {
        let table = apis()[0].tables[0];
        let column = table.fields.iter().position(|field| field.name == "message_cnt").unwrap();
        let rows = stage.context.store.rows(table, "acme", day(text)).await.unwrap();
        rows.first().and_then(|row| row.values[column])
    };
    let before = stored(&stage, "2026-11-18").await.unwrap();
    assert_eq!(stored(&stage, "2026-11-15").await, None, "the look-back is three days");
    let restate = Effect::Restate { day: day("2026-11-18"), since: at("2026-11-19T20:00:00"), delta: 1000 };
    stage.fault(Fault::on(CONTACT, restate));
    stage.wake_at("2026-11-20T06:00:00").await;
    assert_eq!(stage.calls(CONTACT), 2, "at no extra call");
    assert_eq!(stored(&stage, "2026-11-18").await, Some(before + 1000.0));
    let data = figures::contact(stage.company(), &["WangWu"], &[], day("2026-11-19"));
    assert_eq!(stage.series(SENT), data["message_cnt"].as_f64());
    let restate = Effect::Restate { day: day("2026-11-19"), since: at("2026-11-20T06:30:00"), delta: 7 };
    stage.fault(Fault::on(CONTACT, restate));
    stage.wake_at("2026-11-20T07:00:00").await;
    assert_eq!(stage.series(SENT), data["message_cnt"].as_f64().map(|sent| sent + 7.0), "the shown day is");
}

#[tokio::test]
async fn a_round_that_asks_nothing_is_none() {
    let mut stage = Stage::new("2026-11-20T06:00:00", ONE).await;
    stage.wake().await;
    let last = "imstats_source_last_round_timestamp_seconds";
    stage.wake_at("2026-11-20T06:10:00").await;
    assert_eq!(stage.series(last), Some(at("2026-11-20T06:00:00").as_second() as f64));
    assert_eq!(
        stage.series("imstats_source_next_round_timestamp_seconds"),
        Some(at("2026-11-20T07:00:00").as_second() as f64),
        "when the answers are due for their first refresh"
    );
    let outcomes: HashSet<_> = stage
        .page()
        .0
        .into_iter()
        .filter(|(name, _, _)| name == "imstats_api_requests_total")
        .filter_map(|(_, mut labels, _)| labels.remove("outcome"))
        .collect();
    assert_eq!(outcomes.len(), 8, "each outcome from zero");
    assert_eq!(stage.series(&format!("imstats_api_request_duration_seconds_count{{api=\"{CONTACT}\"}}")), Some(1.0));
}
