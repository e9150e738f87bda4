//! The platforms' documented answers in, the exposition text out.

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Clock, Day, Days};
use imstats_exporter::exposition::{Exposition, Format, Page};
use imstats_exporter::source::{DecodedAnswer, Directory, Malformed, Query, Target, apis, decode};
use imstats_exporter::telemetry::Telemetry;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A configuration with every source, which the fuzz targets read as well.
pub(crate) const CONFIG: &str = include_str!("fixtures/every_source.yaml");

fn source(name: &str) -> SourceConfig {
    let config = Config::parse(CONFIG, "test").unwrap();
    config.sources.into_iter().find(|source| source.source.api().name == name).unwrap()
}

fn days(first: &str, last: &str) -> Days {
    Days { first: first.parse().unwrap(), last: last.parse().unwrap() }
}

/// What `answer` says of the targets of `source` that go to the table `prefix`.
fn read(
    source: &SourceConfig,
    prefix: &str,
    days: Days,
    answer: &Value,
) -> Result<(Vec<Target>, DecodedAnswer), Malformed> {
    let targets = source.source.targets(&Directory::new());
    let targets: Vec<_> = targets.into_iter().filter(|target| target.table.prefix == prefix).collect();
    let asked: Vec<_> = targets.iter().collect();
    let asked = Query { targets: &asked, days, zone: &source.schedule.zone };
    decode(source.source.api(), asked, std::slice::from_ref(answer)).map(|decoded| (targets, decoded))
}

/// The page that `answer` makes for its last day, or what is wrong with it.
fn page(name: &str, prefix: &str, days: Days, answer: &Value) -> Result<String, String> {
    let source = source(name);
    let (targets, decoded) = read(&source, prefix, days, answer).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for target in decoded.targets {
        rows.extend(target.map_err(|error| error.to_string())?);
    }
    rows.retain(|row| row.day == days.last);
    rows.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(show(&source, days.last, vec![(targets[0].table, rows)]))
}

fn show(
    source: &SourceConfig,
    day: Day,
    tables: Vec<(&'static imstats_exporter::source::Table, Vec<imstats_exporter::sample::Row>)>,
) -> String {
    let telemetry = Telemetry::with_clock("0", "test", Clock::manual(Timestamp::UNIX_EPOCH));
    let exposition = Exposition::new(telemetry, &apis());
    exposition.publish(source.source.api(), &source.account.name, Some(Page { day, tables }));
    let text: Vec<u8> =
        exposition.scrape(Format::Text, false, None).frames.iter().flat_map(|frame| frame.to_vec()).collect();
    let own = |line: &&str| line.contains("imstats_") || line.contains("process_");
    let lines: Vec<_> =
        std::str::from_utf8(&text).unwrap().lines().filter(|line| !own(line)).map(str::to_owned).collect();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Compares a page with the one that is kept; `UPDATE_FIXTURES=1` keeps it instead, to be read in the diff.
fn expect(fixture: &str, page: &str) {
    let path = format!("{}/tests/fixtures/{fixture}.prom", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    assert_eq!(page, std::fs::read_to_string(&path).unwrap());
}

/// The samples alone.
fn samples(page: &str) -> Vec<&str> {
    page.lines().filter(|line| !line.starts_with('#')).collect()
}

fn contact_answer() -> Value {
    json!({"errcode": 0, "errmsg": "ok", "behavior_data": [
        {"stat_time": 1_536_508_800, "chat_cnt": 100, "message_cnt": 80, "reply_percentage": 60.25, "avg_reply_time": 1,
         "negative_feedback_cnt": 0, "new_apply_cnt": 6, "new_contact_cnt": 5},
        {"stat_time": 1_536_595_200, "chat_cnt": 20, "message_cnt": 40, "reply_percentage": 100, "avg_reply_time": 1,
         "negative_feedback_cnt": 0, "new_apply_cnt": 6, "new_contact_cnt": 5}]})
}

fn contact(days: Days, answer: &Value) -> Result<String, String> {
    page("wecom_contact", "wecom_contact_user", days, answer)
}

#[test]
fn a_row_of_group_chats_without_its_figures_is_malformed() {
    let day = days("2026-11-19", "2026-11-19");
    let stat_time = day.first.midnight(&imstats_exporter::day::Zone::china()).as_second();
    for (name, row) in [
        ("wecom_groupchat_team", json!({"stat_time": stat_time})),
        ("wecom_groupchat_team", json!({"stat_time": stat_time, "data": null})),
        ("wecom_groupchat_owner", json!({"owner": "zhangsan"})),
    ] {
        let answer = json!({"total": 1, "next_offset": 1, "items": [row]});
        let told = page(name, name, day, &answer).unwrap_err();
        assert!(told.contains("/items/0/data"), "{name}: {told}");
    }
}

#[test]
fn an_id_may_be_a_number() {
    let one = days("2026-11-19", "2026-11-19");
    let answer = json!({"TotalCount": 1, "Data": [{"AgentId": 1001, "TotalMsgCnt": 1}]});
    let shown = page("tencent_desk_agent", "tencent_desk_agent", one, &answer).unwrap();
    assert_eq!(samples(&shown), [r#"tencent_desk_agent_messages{account="shop",agent="1001"} 1.0"#]);
}

#[test]
fn an_id_that_is_longer_than_any_is_malformed_and_such_a_name_left_out() {
    let answer = |id: String| json!({"TotalCount": 1, "Data": [{"AgentId": id, "AgentNickName": "名".repeat(300), "TotalMsgCnt": 1}]});
    let source = source("tencent_desk_agent");
    let one = days("2026-11-19", "2026-11-19");
    let (_, decoded) = read(&source, "tencent_desk_agent", one, &answer("a".repeat(256))).unwrap();
    assert!(decoded.targets[0].is_ok() && decoded.names.is_empty());
    let malformed = read(&source, "tencent_desk_agent", one, &answer("a".repeat(257))).unwrap_err();
    assert_eq!(malformed.path, "/Data/0/AgentId");
}

#[test]
fn wecom_contact_shows_the_documented_answer() {
    let mut answer = contact_answer();
    answer["behavior_data"].as_array_mut().unwrap().pop();
    expect("wecom_contact", &contact(days("2018-09-10", "2018-09-10"), &answer).unwrap());
    // Of a span, the last day is shown.
    let page = contact(days("2018-09-09", "2018-09-11"), &contact_answer()).unwrap();
    assert!(
        page.contains("wecom_contact_user_replied_chats_ratio{account=\"acme\",userid=\"zhangsan\"} 1.0\n"),
        "{page}"
    );
}

fn groupchat_data() -> Value {
    json!({"new_chat_cnt": 2, "chat_total": 2, "chat_has_msg": 0, "new_member_cnt": 0, "member_total": 6,
        "member_has_msg": 0, "msg_total": 0, "migrate_trainee_chat_cnt": 3})
}

fn owner_answer() -> Value {
    let mut lisi = groupchat_data();
    (lisi["new_chat_cnt"], lisi["chat_total"], lisi["chat_has_msg"]) = (json!(1), json!(3), json!(2));
    json!({"errcode": 0, "errmsg": "ok", "total": 2, "next_offset": 2, "items": [
        {"owner": "zhangsan", "data": groupchat_data()}, {"owner": "lisi", "data": lisi}]})
}

#[test]
fn wecom_groupchat_owner_shows_the_documented_answer() {
    let day = days("2020-09-17", "2020-09-17");
    expect(
        "wecom_groupchat_owner",
        &page("wecom_groupchat_owner", "wecom_groupchat_owner", day, &owner_answer()).unwrap(),
    );
}

#[test]
fn wecom_groupchat_team_shows_the_documented_answer() {
    let answer = json!({"errcode": 0, "errmsg": "ok", "items": [
        {"stat_time": 1_600_272_000, "data": groupchat_data()}, {"stat_time": 1_600_358_400, "data": groupchat_data()}]});
    let page = page("wecom_groupchat_team", "wecom_groupchat_team", days("2020-09-17", "2020-09-18"), &answer);
    expect("wecom_groupchat_team", &page.unwrap());
}

fn kf_answer() -> Value {
    json!({"errcode": 0, "errmsg": "ok", "statistic_list": [{"stat_time": 1_645_545_600, "statistic": {
        "session_cnt": 1, "customer_cnt": 1, "customer_msg_cnt": 1, "reply_rate": 1, "first_reply_average_sec": 17,
        "satisfaction_investgate_cnt": 1, "satisfaction_participation_rate": 1, "satisfied_rate": 1, "middling_rate": 0,
        "dissatisfied_rate": 0, "upgrade_service_customer_cnt": 0, "upgrade_service_member_invite_cnt": 0,
        "upgrade_service_member_customer_cnt": 0, "upgrade_service_groupchat_invite_cnt": 0,
        "upgrade_service_groupchat_customer_cnt": 0, "msg_rejected_customer_cnt": 1}}]})
}

#[test]
fn wecom_kf_shows_the_documented_answer() {
    let day = days("2022-02-23", "2022-02-23");
    let account = page("wecom_kf", "wecom_kf_account", day, &kf_answer()).unwrap();
    let servicer = page("wecom_kf", "wecom_kf_servicer", day, &kf_answer()).unwrap();
    expect("wecom_kf", &(account + &servicer));
}

fn desk_answer() -> Value {
    json!({"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "TotalCount": 1, "Data": [{
        "AgentId": "1289316652@qq.com", "AgentNickName": "Meimei", "FirstLoginTimestamp": 1_738_923_814,
        "LastLogoutTimestamp": 1_738_934_235, "FreeTime": 3600, "BusyTime": 300, "RestTime": 600, "TotalSessionCnt": 12,
        "TransferSessionCnt": 0, "EffectiveSessionCnt": 8, "AgentEndCnt": 10, "ServeUserCnt": 10, "TotalAcceptTime": 1527,
        "TotalMsgCnt": 450, "AgentMsgCnt": 200, "UserMsgCnt": 150, "NotRespSessionCnt": 2, "AvgFirstRespTime": 10,
        "FirstRespUnder30sCnt": 9, "AvgRespTime": 25, "AvgRespUnder30sCnt": 8, "AvgAcceptTime": 300,
        "SatisfactionSelectedCnt": 8, "SatisfiedCnt": 6}]})
}

#[test]
fn tencent_desk_agent_shows_the_documented_answer() {
    let day = days("2025-02-07", "2025-02-07");
    expect("tencent_desk_agent", &page("tencent_desk_agent", "tencent_desk_agent", day, &desk_answer()).unwrap());
    let names = read(&source("tencent_desk_agent"), "tencent_desk_agent", day, &desk_answer()).unwrap().1.names;
    assert_eq!(names["1289316652@qq.com"], "Meimei");
}

#[test]
fn a_desk_login_time_of_0_is_absent() {
    let mut answer = desk_answer();
    answer["Data"][0]["FirstLoginTimestamp"] = json!(0);
    let page = page("tencent_desk_agent", "tencent_desk_agent", days("2025-02-07", "2025-02-07"), &answer).unwrap();
    assert!(!page.contains("first_login") && page.contains("last_logout"), "{page}");
}

fn feishu_answer() -> Value {
    json!({"code": 0, "msg": "success", "data": {"items": [
        {"metric_name": "send_msg_count", "metric_value": 7}, {"metric_name": "send_user_count", "metric_value": 7},
        {"metric_name": "read_in_1h_count", "metric_value": 20}, {"metric_name": "read_in_12h_count", "metric_value": 20}]}})
}

#[test]
fn feishu_message_push_shows_the_documented_answer() {
    let day = days("2021-11-18", "2021-11-18");
    let tenant = page("feishu_message_push", "feishu_message_push", day, &feishu_answer()).unwrap();
    let department = page("feishu_message_push", "feishu_department_message_push", day, &feishu_answer()).unwrap();
    expect("feishu_message_push", &(tenant + &department));
}

/// For each source: its name, table, days, documented answer, and where the figures of its first row stand.
fn all() -> Vec<(&'static str, &'static str, Days, Value, &'static str)> {
    let day = |text| days(text, text);
    vec![
        ("wecom_contact", "wecom_contact_user", days("2018-09-10", "2018-09-11"), contact_answer(), "/behavior_data/1"),
        ("wecom_groupchat_owner", "wecom_groupchat_owner", day("2020-09-17"), owner_answer(), "/items/0/data"),
        (
            "wecom_groupchat_team",
            "wecom_groupchat_team",
            day("2020-09-17"),
            json!({"items": [{"stat_time": 1_600_272_000, "data": groupchat_data()}]}),
            "/items/0/data",
        ),
        ("wecom_kf", "wecom_kf_account", day("2022-02-23"), kf_answer(), "/statistic_list/0/statistic"),
        ("tencent_desk_agent", "tencent_desk_agent", day("2025-02-07"), desk_answer(), "/Data/0"),
        ("feishu_message_push", "feishu_message_push", day("2021-11-18"), feishu_answer(), "/data/items/0"),
    ]
}

#[test]
fn each_field_that_is_left_out_or_null_is_absent_and_alone() {
    for (name, prefix, days, answer, row) in all() {
        let whole = page(name, prefix, days, &answer).unwrap();
        let table = apis().into_iter().flat_map(|api| api.tables).find(|table| table.prefix == prefix).unwrap();
        for field in table.fields {
            let mut without = answer.clone();
            without.pointer_mut(row).unwrap().as_object_mut().unwrap().remove(field.name).unwrap();
            let mut null = answer.clone();
            null.pointer_mut(row).unwrap()[field.name] = Value::Null;
            let without = page(name, prefix, days, &without).unwrap();
            assert_eq!(Ok(&without), page(name, prefix, days, &null).as_ref(), "{}", field.name);
            let left: Vec<_> = samples(&without);
            let gone: Vec<_> = samples(&whole).into_iter().filter(|line| !left.contains(line)).collect();
            assert_eq!(gone.len(), 1, "{name} {}: {gone:?}", field.name);
            assert!(gone[0].starts_with(&format!("{}{{", table.metric(field))), "{}", gone[0]);
            assert_eq!(left.len() + 1, samples(&whole).len(), "{name} {}", field.name);
        }
    }
}

#[test]
fn numbers_in_strings_are_numbers_and_unknown_fields_are_told() {
    for (name, prefix, days, mut answer, row) in all() {
        let whole = page(name, prefix, days, &answer).unwrap();
        let figures = answer.pointer_mut(row).unwrap().as_object_mut().unwrap();
        let table = apis().into_iter().flat_map(|api| api.tables).find(|table| table.prefix == prefix).unwrap();
        for field in table.fields {
            let number = figures[field.name].to_string();
            figures.insert(field.name.to_owned(), json!(number));
        }
        figures.insert("brand_new_cnt".to_owned(), json!({"deep": [1]}));
        assert_eq!(page(name, prefix, days, &answer), Ok(whole), "{name}");
        let decoded = read(&source(name), prefix, days, &answer).unwrap().1;
        assert_eq!(decoded.unmapped.into_iter().collect::<Vec<_>>(), ["brand_new_cnt"], "{name}");
    }
}

#[test]
fn a_figure_of_a_wrong_type_is_absent_alone_and_names_its_path() {
    for (name, prefix, days, answer, row) in all() {
        let table = apis().into_iter().flat_map(|api| api.tables).find(|table| table.prefix == prefix).unwrap();
        for bad in [json!(true), json!("many"), json!("inf"), json!(""), json!([1]), json!({}), json!(-1), json!(1e300)]
        {
            let field = table.fields[0].name;
            let mut wrong = answer.clone();
            wrong.pointer_mut(row).unwrap()[field] = bad.clone();
            let decoded = read(&source(name), prefix, days, &wrong).unwrap().1;
            let first = decoded.invalid.first.unwrap();
            assert_eq!((first.path, decoded.invalid.all), (format!("{row}/{field}"), 1), "{name} {bad}");
            // The page is the one of an answer that leaves the field out.
            let mut without = answer.clone();
            without.pointer_mut(row).unwrap().as_object_mut().unwrap().remove(field);
            assert_eq!(page(name, prefix, days, &wrong), page(name, prefix, days, &without), "{name} {bad}");
        }
    }
}

#[test]
fn an_empty_list_is_no_data_and_a_missing_one_is_malformed() {
    for (name, prefix, days, mut answer, row) in all() {
        let list = format!("/{}", row.trim_start_matches('/').split("/0").next().unwrap().split("/1").next().unwrap());
        *answer.pointer_mut(&list).unwrap() = json!([]);
        assert_eq!(samples(&page(name, prefix, days, &answer).unwrap()), Vec::<&str>::new(), "{name}");
        // The others are known to write an empty list so, some where their total says 0: see tests/lists.rs.
        let may_be_null = ["wecom_groupchat_owner", "tencent_desk_agent", "feishu_message_push"].contains(&name);
        for broken in [Value::Null, json!({}), json!("x")].into_iter().skip(usize::from(may_be_null)) {
            *answer.pointer_mut(&list).unwrap() = broken;
            let error = page(name, prefix, days, &answer).unwrap_err();
            assert_eq!(error, format!("the answer at {list} is not a list"), "{name}");
        }
    }
}

#[test]
fn figures_of_a_kf_day_may_be_left_out() {
    let mut answer = kf_answer();
    answer["statistic_list"][0].as_object_mut().unwrap().remove("statistic");
    let day = days("2022-02-23", "2022-02-23");
    assert_eq!(samples(&page("wecom_kf", "wecom_kf_account", day, &answer).unwrap()), Vec::<&str>::new());
}

#[test]
fn a_row_for_a_day_that_was_not_asked_for_spoils_its_target() {
    let error = contact(days("2018-09-10", "2018-09-10"), &contact_answer()).unwrap_err();
    assert_eq!(error, "the answer at /behavior_data/1/stat_time is not a day of those asked for (2018-09-10)");
    let mut answer = contact_answer();
    answer["behavior_data"][0]["stat_time"] = json!(1_536_508_801);
    let error = contact(days("2018-09-10", "2018-09-11"), &answer).unwrap_err();
    assert_eq!(error, "the answer at /behavior_data/0/stat_time is not the seconds of a midnight");
}

#[test]
fn two_different_rows_for_one_spoil_their_target_and_two_equal_ones_do_not() {
    let span = days("2018-09-10", "2018-09-11");
    let mut answer = contact_answer();
    let twin = answer["behavior_data"][1].clone();
    answer["behavior_data"].as_array_mut().unwrap().push(twin);
    assert_eq!(contact(span, &answer), contact(span, &contact_answer()));
    answer["behavior_data"][2]["chat_cnt"] = json!(21);
    let error = contact(span, &answer).unwrap_err();
    assert_eq!(error, "the answer at /behavior_data/2 is not the same as an earlier row for the same subject and day");
}

#[test]
fn a_stranger_among_the_rows_spoils_those_who_got_none() {
    let day = days("2020-09-17", "2020-09-17");
    let decode = |answer: &Value| read(&source("wecom_groupchat_owner"), "wecom_groupchat_owner", day, answer);
    let mut answer = owner_answer();
    answer["items"][1]["owner"] = json!("wangwu");
    let targets = decode(&answer).unwrap().1.targets;
    assert_eq!(targets[0].as_ref().unwrap().len(), 1);
    let error = targets[1].as_ref().unwrap_err().to_string();
    assert!(error.contains("/items") && error.contains("as the platform writes it"), "{error}");
    answer["items"][0]["owner"] = json!("zhaoliu");
    assert!(decode(&answer).unwrap().1.targets.iter().all(Result::is_err));
    // Without any stranger, who has no row has no data.
    answer["items"] = json!([]);
    assert!(decode(&answer).unwrap().1.targets.iter().all(|rows| rows.as_ref().unwrap().is_empty()));
}

#[test]
fn of_unknown_fields_so_many_are_counted_and_no_more() {
    let mut answer = owner_answer();
    for n in 0..1500 {
        answer["items"][0]["data"][format!("new_{n:04}")] = json!(n);
    }
    let day = days("2020-09-17", "2020-09-17");
    let decoded = read(&source("wecom_groupchat_owner"), "wecom_groupchat_owner", day, &answer).unwrap().1;
    assert_eq!(decoded.unmapped.len(), 1000);
}

#[test]
fn one_broken_row_of_a_batch_spoils_only_its_own_target() {
    let mut answer = owner_answer();
    answer["items"][0]["data"] = json!("many");
    let day = days("2020-09-17", "2020-09-17");
    let targets = read(&source("wecom_groupchat_owner"), "wecom_groupchat_owner", day, &answer).unwrap().1.targets;
    assert_eq!(targets[0].as_ref().unwrap_err().path, "/items/0/data");
    assert_eq!(targets[1].as_ref().unwrap().len(), 1);
}

#[test]
fn shares_beyond_the_whole_are_invalid() {
    let mut answer = kf_answer();
    answer["statistic_list"][0]["statistic"]["reply_rate"] = json!(75);
    let day = days("2022-02-23", "2022-02-23");
    let decoded = read(&source("wecom_kf"), "wecom_kf_account", day, &answer).unwrap().1;
    let first = decoded.invalid.first.unwrap().to_string();
    assert_eq!(first, "the answer at /statistic_list/0/statistic/reply_rate is not a share from 0 to 1");
}
