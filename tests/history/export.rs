//! OpenMetrics and CSV, read again and compared with the simulator's own figures.

use std::collections::BTreeMap;

use imstats_exporter::day::{Day, Days, Zone};
use imstats_exporter::history::{
    ExportHistory, export_csv, export_names_csv, export_openmetrics, openmetrics_bytes, stored_names,
};
use imstats_exporter::simulator::figures;
use serde_json::Value;

use super::{Past, day, days};

/// The samples of an OpenMetrics text: name and labels, then value and time.
pub(super) fn parse(text: &str) -> BTreeMap<String, Vec<(i64, f64)>> {
    let mut series: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (key, rest) = line.rsplit_once("} ").unwrap();
        let (value, time) = rest.split_once(' ').unwrap();
        series.entry(format!("{key}}}")).or_default().push((time.parse().unwrap(), value.parse().unwrap()));
    }
    series
}

pub(super) fn openmetrics(past: &Past, days: Days, until: &str, labels: &[(&str, &str)]) -> String {
    let mut text = Vec::new();
    export_openmetrics(&past.history(days, until, labels), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The value on show in the middle of the time of `day`: of the evening after it, or two days after it.
fn on_show(series: &[(i64, f64)], day: Day, lag: i64) -> Option<f64> {
    let evening = day.plus(lag).midnight(&Zone::china()).as_second() + 18 * 3600;
    series.iter().find(|(time, _)| *time == evening).map(|(_, value)| *value)
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_stand_at_the_times_when_they_were_on_show() {
    let past = Past::new(20).await;
    let span = days("2026-09-20", "2026-11-19");
    past.fetch_all(span).await;
    let company = past.simulator.company();
    let series = parse(&openmetrics(&past, span, "2026-11-30T00:00:00+08:00", &[]));
    let number = |figures: Option<Value>, field: &str| figures.and_then(|figures| figures[field].as_f64());
    let user = company.follow_users().find(|user| user.activity > 0.0).unwrap();
    let (kf, agent) = (&company.kf_accounts[0], &company.agents[0]);
    let owner = company.owners().next().unwrap();
    let (user, owner) = (user.userid.as_str(), owner.userid.as_str());
    let (account, app) = ("account=\"acme\"", &company.app_id);
    let keys = [
        format!("wecom_contact_user_messages_sent{{{account},userid=\"{user}\"}}"),
        format!("wecom_groupchat_owner_members{{{account},owner=\"{owner}\"}}"),
        format!("wecom_kf_account_sessions{{{account},open_kfid=\"{}\"}}", kf.open_kfid),
        format!("tencent_desk_agent_messages{{{account},agent=\"{}\"}}", agent.agent_id),
    ];
    let mut compared = 0;
    for on in ["2026-09-20", "2026-10-01", "2026-10-31", "2026-11-15", "2026-11-19"].map(day) {
        let expected = [
            number(Some(figures::contact(company, &[user], &[], on)), "message_cnt"),
            number(figures::groupchat(company, &[owner], on), "member_total"),
            number(figures::kf(company, &kf.open_kfid, None, on), "session_cnt"),
            number(figures::desk(company, &agent.agent_id, Days::one(on)), "TotalMsgCnt"),
        ];
        for (key, expected) in keys.iter().zip(expected) {
            let found = series.get(key).and_then(|series| on_show(series, on, 1));
            assert_eq!(found, expected, "{key} on {on}");
            compared += usize::from(found.is_some());
        }
        let stat = "imstats_source_stat_timestamp_seconds{source=\"wecom_contact\",account=\"acme\"}";
        assert_eq!(on_show(&series[stat], on, 1), Some(on.midnight(&Zone::china()).as_second() as f64));
    }
    assert!(compared >= 15, "{compared}");
    let push = |cycle: &str| {
        format!("feishu_message_push{{{account},app_id=\"{app}\",cycle=\"{cycle}\",metric_name=\"send_msg_count\"}}")
    };
    let of = |days| number(figures::message_push(company, app, None, days), "send_msg_count");
    assert_eq!(on_show(&series[&push("day")], day("2026-11-03"), 2), of(Days::one(day("2026-11-03"))));
    // Ready on Tuesday at ten, and on show for a week.
    let week = &series[&push("week")];
    let week_of = |on: &str| on_show(week, day(on), 0);
    assert_eq!(week_of("2026-11-10"), of(days("2026-11-02", "2026-11-08")));
    assert_eq!(week_of("2026-11-16"), of(days("2026-11-02", "2026-11-08")));
    assert_eq!(week_of("2026-11-17"), of(days("2026-11-09", "2026-11-15")));
    assert_eq!(on_show(&series[&push("month")], day("2026-11-15"), 0), of(days("2026-10-01", "2026-10-31")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_openmetrics_in_the_order_that_promtool_wants() {
    let past = Past::new(4).await;
    let span = days("2026-11-01", "2026-11-19");
    past.fetch_all(span).await;
    let text = openmetrics(&past, span, "2026-11-20T09:00:00+08:00", &[("job", "im\"st\\a\nts")]);
    assert!(text.ends_with("\n# EOF\n"));
    let mut families: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.strip_suffix(" gauge").unwrap();
            assert!(!families.contains(&name), "{name} stands in two pieces");
            families.push(name);
        } else if !line.starts_with('#') {
            assert_eq!(line.split('{').next(), families.last().copied());
            assert!(line.contains(",job=\"im\\\"st\\\\a\\nts\"}"), "{line}");
        }
    }
    assert!(!text.contains("_info{"));
    let nine = "2026-11-20T09:00:00+08:00".parse::<jiff::Timestamp>().unwrap().as_second();
    for (key, samples) in parse(&text) {
        assert!(samples.is_sorted_by(|a, b| a.0 < b.0), "{key}");
        assert!(samples.iter().all(|(time, _)| *time <= nine), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_page_has_the_series_of_a_live_one() {
    let past = Past::new(20).await;
    past.fetch_all(days("2026-11-10", "2026-11-19")).await;
    let noon = "2026-11-20T12:00:00+08:00";
    let exported = openmetrics(&past, days("2026-10-20", "2026-11-19"), noon, &[]);
    let time = noon.parse::<jiff::Timestamp>().unwrap().as_second();
    let exported: BTreeMap<String, f64> = parse(&exported)
        .into_iter()
        .filter_map(|(key, samples)| samples.iter().find(|(at, _)| *at == time).map(|(_, value)| (key, *value)))
        .collect();
    let live = super::assemble(&past.clock, &past.folder);
    for config in past.sources() {
        let mut worker = imstats_exporter::poller::Worker::new(live.clone(), config, past.clock.now());
        worker.wake().await.unwrap();
    }
    let mut page = String::new();
    for frame in live.exposition.scrape(imstats_exporter::exposition::Format::Text, false, None).frames {
        page.push_str(std::str::from_utf8(&frame).unwrap());
    }
    let live: BTreeMap<String, f64> = page
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("_info{"))
        .filter(|line| line.starts_with("imstats_source_stat_timestamp") || !line.starts_with("imstats_"))
        .filter(|line| {
            !line.starts_with("process_") && !line.contains("cycle=\"month\"") && !line.contains("cycle=\"week\"")
        })
        .map(|line| {
            let (key, value) = line.rsplit_once(' ').unwrap();
            (key.to_owned(), value.parse().unwrap())
        })
        .collect();
    assert!(live.len() > 100);
    for (key, value) in &live {
        assert_eq!(exported.get(key), Some(value), "{key}");
    }
    let extra: Vec<_> = exported.keys().filter(|key| !live.contains_key(*key) && !key.contains("cycle=\"")).collect();
    assert!(extra.is_empty(), "{extra:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_a_spreadsheet_with_the_columns_of_the_store() {
    let past = Past::new(20).await;
    let span = days("2026-11-01", "2026-11-19");
    past.fetch("wecom_contact", span).await;
    let folder = past.folder.path().join("csv");
    let tables = export_csv(&past.history(span, "2026-11-20T12:00:00+08:00", &[]), &folder).unwrap();
    assert_eq!(
        tables.iter().map(|(table, _)| *table).collect::<Vec<_>>(),
        ["wecom_contact_user", "wecom_contact_department", "wecom_contact_team"]
    );
    let text = std::fs::read_to_string(folder.join("wecom_contact_user.csv")).unwrap();
    let text = text.strip_prefix('\u{feff}').expect("Excel needs it to see Chinese");
    let mut lines = text.split_terminator("\r\n");
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    assert_eq!(&header[..4], ["day", "account", "userid", "friend_requests_sent"]);
    assert_eq!(header.last(), Some(&"fetched_at"));
    let column = header.iter().position(|name| *name == "messages_sent").unwrap();
    let mut rows = 0;
    for line in lines {
        let cells: Vec<_> = line.split(',').collect();
        let figures = figures::contact(past.simulator.company(), &[cells[2]], &[], day(cells[0]));
        assert_eq!(cells[column], figures["message_cnt"].to_string(), "{line}");
        rows += 1;
    }
    assert_eq!(rows, tables[0].1);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 3, "no partial file is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_departments_lie_beside_the_spreadsheets() {
    let past = Past::new(20).await;
    past.fetch("wecom_contact", days("2026-11-18", "2026-11-19")).await;
    let names = stored_names(&past.context.store, &past.sources()).await.unwrap();
    let folder = past.folder.path().join("csv");
    std::fs::create_dir(&folder).unwrap();
    export_names_csv(&names, &folder).unwrap();
    let text = std::fs::read_to_string(folder.join("names.csv")).unwrap();
    let mut lines = text.trim_start_matches('\u{feff}').split_terminator("\r\n");
    assert_eq!(lines.next(), Some("info,account,id,parent,name"));
    let departments: Vec<_> = lines.filter(|line| line.starts_with("wecom_department_info,acme,")).collect();
    assert_eq!(departments.len(), past.simulator.company().departments.len(), "{text}");
    assert!(text.contains("wecom_user_info,acme,"), "the configuration has names: true");
    // Without it the names that are stored are not written.
    let mut sources = past.sources();
    for config in &mut sources {
        config.names = false;
    }
    let names = stored_names(&past.context.store, &sources).await.unwrap();
    assert!(!names.is_empty() && names.iter().all(|name| name.info != "wecom_user_info"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_is_exported_and_the_size_is_told_before() {
    let past = Past::new(20).await;
    let span = days("2026-11-01", "2026-11-19");
    past.fetch_all(span).await;
    let history = || past.history(span, "2026-11-20T12:00:00+08:00", &[("job", "imstats_exporter")]);
    let mut text = Vec::new();
    export_openmetrics(&history(), &mut text).unwrap();
    let (told, is) = (openmetrics_bytes(&history()).unwrap() as f64, text.len() as f64);
    assert!((told / is - 1.0).abs() < 0.15, "told {told}, is {is}");
    let (mut nobody, mut all) = (Vec::new(), Vec::new());
    export_openmetrics(&history().only(&["nobody".to_owned()]), &mut nobody).unwrap();
    export_openmetrics(&history().only(&["acme".to_owned(), "shop".to_owned()]), &mut all).unwrap();
    assert!(!String::from_utf8(nobody).unwrap().contains("account=\"acme\""));
    assert_eq!(all, text, "both accounts are all");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labels_of_an_account_stand_on_its_exported_figures() {
    let mut past = Past::new(8).await;
    past.yaml = past.yaml.replacen("account: acme", "account: acme\n    labels: {region: north, area: \"7\"}", 1);
    let span = days("2026-11-10", "2026-11-11");
    for source in ["wecom_contact", "tencent_desk_agent"] {
        past.fetch(source, span).await;
    }
    let text = openmetrics(&past, span, "2026-11-30T00:00:00+08:00", &[("job", "imstats")]);
    let of = |start: &str| text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect::<Vec<_>>();
    let (contact, desk, own) = (of("wecom_contact_"), of("tencent_desk_"), of("imstats_"));
    assert!(contact.len() > 20 && desk.len() > 20 && !own.is_empty());
    assert!(
        contact.iter().all(|line| line.contains(",area=\"7\",region=\"north\",job=\"imstats\"} ")),
        "{}",
        contact[0]
    );
    assert!(desk.iter().chain(&own).all(|line| !line.contains("region") && line.contains(",job=\"imstats\"} ")));
    let labels = vec![("region".to_owned(), "x".to_owned())];
    let until = "2026-11-30T00:00:00+08:00".parse().unwrap();
    let hour = std::time::Duration::from_hours(1);
    let clash = ExportHistory::new(past.context.store.clone(), span, &past.sources(), hour, until, labels);
    assert!(clash.unwrap_err().to_string().contains("an account of the configuration has a label of that name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_are_not_configured_and_samples_that_are_too_new_are_told() {
    let mut past = Past::new(8).await;
    let span = days("2026-11-18", "2026-11-19");
    past.fetch("tencent_desk_agent", span).await;
    let tally =
        |past: &Past, until: &str| export_openmetrics(&past.history(span, until, &[]), &mut Vec::new()).unwrap();
    // The day after the last one is ready on the 21st at six.
    for (until, is_cut) in [("2026-11-21T05:59:59+08:00", true), ("2026-11-21T06:00:00+08:00", false)] {
        let told = tally(&past, until);
        assert!(told.samples > 0 && told.unconfigured.is_empty(), "{told:?}");
        assert_eq!(told.cut, is_cut, "{until}");
    }
    past.yaml = past.yaml.replace("account: acme", "account: other");
    let told = tally(&past, "2026-11-21T06:00:00+08:00");
    assert_eq!((told.samples, told.unconfigured.iter().map(String::as_str).collect::<Vec<_>>()), (0, vec!["acme"]));
}
