//! What holds of anything that comes in, tried with what nobody would write into a test.

use std::collections::BTreeMap;

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Clock, Day, Days, Schedule, Zone};
use imstats_exporter::exposition::{Exposition, Format, Page};
use imstats_exporter::sample::Row;
use imstats_exporter::source::{Directory, Query, Target, Unit, apis, decode};
use imstats_exporter::store::{Store, TargetAnswer};
use imstats_exporter::telemetry::Telemetry;
use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::lint::{Dialect, read};
use crate::sources::CONFIG;

fn sources() -> Vec<SourceConfig> {
    Config::parse(&CONFIG.replace("agents: all", "agents: [zhangsan]"), "test").unwrap().sources
}

/// The first target of `source`, and the span that its answers cover.
fn first_target(source: &SourceConfig) -> (Target, Days) {
    let last = Day::new(2026, 11, 19).unwrap();
    (source.source.targets(&Directory::new()).remove(0), Days::ending(last, source.source.api().days_per_call.min(5)))
}

/// Anything that JSON can be, whose objects have fields of the platforms as often as others.
fn any_json() -> impl Strategy<Value = Value> {
    let mut names: Vec<_> = apis().into_iter().flat_map(|api| api.tables).flat_map(|table| table.fields).collect();
    names.dedup_by_key(|field| field.name);
    let mut names: Vec<_> = names.into_iter().map(|field| field.name.to_owned()).collect();
    names.extend(
        ["stat_time", "statistic", "data", "AgentId", "AgentNickName", "metric_name", "owner"].map(str::to_owned),
    );
    let name = prop_oneof![proptest::sample::select(names), ".{0,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (1_763_000_000_i64..1_764_000_000).prop_map(|day| json!(day / 86_400 * 86_400 - 28_800)),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just("zhangsan".to_owned()), ".{0,8}", "[0-9.eE+-]{0,8}"].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(name.clone(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// `rows` where `source` has its rows.
fn answer(source: &SourceConfig, rows: &[Value]) -> Value {
    let mut answer = json!(rows);
    for name in source.source.api().shape.rows.rsplit('/').filter(|name| !name.is_empty()) {
        answer = json!({ name: answer });
    }
    answer
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn no_answer_makes_a_row_of_another_day_or_a_figure_that_cannot_be(rows in vec(any_json(), 0..5), n in 0..6_usize) {
        let sources = sources();
        let source = &sources[n % sources.len()];
        let (target, days) = first_target(source);
        for answer in [answer(source, &rows), json!(rows)] {
            let asked = Query { targets: &[&target], days, zone: &source.schedule.zone };
            let Ok(decoded) = decode(source.source.api(), asked, &[answer]) else { continue };
            for row in decoded.targets.iter().flatten().flatten() {
                prop_assert!(days.contains(row.day));
                prop_assert_eq!(row.labels.len(), target.table.labels.len());
                prop_assert_eq!(row.values.len(), target.table.fields.len());
                prop_assert!(row.values.iter().flatten().all(|value| (0.0..1e18).contains(value)));
            }
        }
    }

    #[test]
    fn what_the_platform_says_is_what_is_shown(
        figures in vec(vec(proptest::option::of(0..=100_u32), 30), 1..5), as_text in any::<bool>(), n in 0..6_usize,
        spoilt in proptest::option::of((0..5_usize, 0..30_usize)),
    ) {
        let sources = sources();
        let source = &sources[n % sources.len()];
        let api = source.source.api();
        let (target, days) = first_target(source);
        let fields = target.table.fields;
        let mut written = Vec::new();
        let mut expected = Vec::new();
        for (day, values) in days.iter().zip(&figures) {
            let mut row = Map::new();
            for (field, value) in fields.iter().zip(values) {
                let value = value.map(|value| if field.unit == Unit::Ratio { f64::from(value) / 100.0 } else { f64::from(value) });
                match value {
                    Some(value) if as_text => row.insert(field.name.to_owned(), json!(value.to_string())),
                    Some(value) => row.insert(field.name.to_owned(), json!(value)),
                    None => continue,
                };
            }
            if let Some((_, field)) = spoilt.filter(|(place, _)| *place == written.len()) {
                row.insert(fields[field % fields.len()].name.to_owned(), json!(["not a number"]));
            }
            if !api.shape.figures.is_empty() {
                row = Map::from_iter([(api.shape.figures.to_owned(), Value::Object(row))]);
            }
            if let Some(field) = api.shape.day {
                row.insert(field.to_owned(), json!(day.midnight(&source.schedule.zone).as_second()));
            }
            if let Some(field) = api.shape.subject {
                row.insert(field.to_owned(), json!("zhangsan"));
            }
            written.push(Value::Object(row));
            let bad = spoilt.filter(|(place, _)| place + 1 == written.len()).map(|(_, field)| field % fields.len());
            let shown: Vec<_> = fields.iter().zip(values).enumerate().map(|(n, (field, value))| {
                if bad == Some(n) {
                    return None;
                }
                let value = f64::from((*value)?);
                match field.unit {
                    Unit::Count | Unit::Seconds => Some(value),
                    Unit::Minutes => Some(value * 60.0),
                    Unit::Ratio | Unit::Percent => Some(value / 100.0),
                    Unit::Timestamp => Some(value).filter(|value| *value > 0.0),
                }
            }).collect();
            // A row with a bad figure is there, though nothing of it is left.
            if bad.is_some() || shown.iter().any(Option::is_some) {
                let labels = target.labels_with("zhangsan".to_owned())[..target.table.labels.len()].to_vec();
                expected.push(Row { day, labels, values: shown });
            }
        }
        let is_spoilt = spoilt.is_some_and(|(place, _)| place < written.len());
        let asked = Query { targets: &[&target], days, zone: &source.schedule.zone };
        let mut decoded = decode(api, asked, &[answer(source, &written)]).unwrap();
        prop_assert_eq!(decoded.invalid.all, usize::from(is_spoilt));
        prop_assert_eq!(decoded.targets.remove(0).unwrap(), expected);
    }

    #[test]
    fn pages_of_any_size_make_the_same_rows(agents in btree_map("[a-z]{1,6}", 0..1000_u32, 1..40), cuts in vec(0..40_usize, 0..6)) {
        let sources = Config::parse(CONFIG, "test").unwrap().sources;
        let source = sources.iter().find(|source| source.source.api().name == "tencent_desk_agent").unwrap();
        let (target, days) = first_target(source);
        let rows: Vec<_> = agents.iter().map(|(agent, count)| json!({"AgentId": agent, "TotalMsgCnt": count})).collect();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(rows.len())).chain([0, rows.len()]).collect();
        cuts.sort_unstable();
        // The page that a row moves over is given twice.
        let pages: Vec<_> = cuts.windows(2).map(|cut| answer(source, &rows[cut[0].saturating_sub(1)..cut[1]])).collect();
        let asked = Query { targets: &[&target], days, zone: &source.schedule.zone };
        let of = |pages: &[Value]| decode(source.source.api(), asked, pages).unwrap().targets.remove(0).unwrap();
        prop_assert_eq!(of(&pages), of(&[answer(source, &rows)]));
        prop_assert_eq!(of(&pages).len(), agents.len());
    }

    #[test]
    fn labels_of_any_characters_come_through(ids in btree_map(hostile(), 0..1000_u32, 1..8)) {
        let sources = sources();
        let source = &sources[0];
        let (target, days) = first_target(source);
        let values = |value: u32| target.table.fields.iter().map(|_| Some(f64::from(value))).collect();
        let rows = ids.iter().map(|(id, value)| Row { day: days.last, labels: vec![id.clone()], values: values(*value) });
        let exposition = Exposition::new(Telemetry::with_clock("0", "test", Clock::manual(Timestamp::UNIX_EPOCH)), &apis());
        let page = Page { day: days.last, tables: vec![(target.table, rows.collect())] };
        exposition.publish(source.source.api(), "acme", Some(page));
        for (format, dialect) in [(Format::OpenMetrics, Dialect::OpenMetrics), (Format::Text, Dialect::Text)] {
            let text = String::from_utf8(exposition.scrape(format, false, None).concat()).unwrap();
            let families = read(&text, dialect).map_err(TestCaseError::fail)?;
            let family = families.iter().find(|family| family.name == "wecom_contact_user_active_chats").unwrap();
            let found: BTreeMap<_, _> = family.samples.iter().map(|sample| (sample.labels["userid"].clone(), sample.value as u32)).collect();
            prop_assert_eq!(&found, &ids);
        }
    }

    #[test]
    fn the_target_day_is_the_newest_that_is_ready(
        second in 0..4_000_000_000_i64, zone in proptest::sample::select(ZONES), minute in 0..1440_i16, lag_days in 1..30_u16,
    ) {
        let now = Timestamp::from_second(second).unwrap();
        let ready_at = jiff::civil::time((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        let schedule = Schedule { zone: Zone::named(zone).unwrap(), ready_at, lag_days };
        let day = schedule.target_day(now);
        prop_assert!(schedule.ready(day) <= now, "{day} is ready at {}", schedule.ready(day));
        prop_assert!(schedule.ready(day.plus(1)) > now, "{} was ready at {}", day.plus(1), schedule.ready(day.plus(1)));
        let midnight = day.midnight(&schedule.zone);
        prop_assert!(midnight < now && Day::containing(midnight, &schedule.zone) >= day);
    }

    #[test]
    fn what_is_written_into_the_configuration_is_what_is_used(
        users in vec(id(), 1..5), team in id(), minutes in 1..100_000_u64, calls in 1..1_000_000_u32, lag in 1..30_u32,
    ) {
        let mut users = users;
        users.sort_unstable();
        users.dedup();
        let poll = format!("{}h{}m", minutes / 60, minutes % 60);
        let yaml = json!({"poll_interval": poll, "wecom": [{
            "account": "acme", "corp_id": "ww1", "secret": "s",
            "contact": {
                "users": users, "departments": [1001], "teams": {team.clone(): {"users": users}},
                "rate_limit": format!("{calls}/h"), "lag_days": lag.to_string(),
            },
        }]});
        // JSON is YAML.
        let config = Config::parse(&yaml.to_string(), "test").map_err(|error| TestCaseError::fail(error.to_string()))?;
        let source = &config.sources[0];
        prop_assert_eq!(source.poll_interval.as_secs(), minutes * 60);
        prop_assert_eq!(source.account.rate(source.source.api().path).calls, calls);
        prop_assert_eq!(u32::from(source.schedule.lag_days), lag);
        let targets = source.source.targets(&Directory::new());
        let labels: Vec<_> = targets.iter().map(|target| target.labels[0].clone()).collect();
        let expected: Vec<_> = users.iter().cloned().chain(["1001".to_owned(), team]).collect();
        prop_assert_eq!(labels, expected);
        let call = &source.source.calls(&[&targets[0]], Days::one(Day::new(2026, 11, 19).unwrap()), &Zone::china())[0];
        prop_assert_eq!(&call.body.as_ref().unwrap()["userid"], &json!([users[0]]));
    }
}

/// What fails is told with its input, and not kept in a file.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// An id as somebody may choose it: not blank, without control characters, and without what YAML takes for a line's end.
fn id() -> impl Strategy<Value = String> {
    "[^\\p{C}\\p{Zl}\\p{Zp}]{1,20}".prop_filter("it is blank", |id| !id.trim().is_empty())
}

/// A text of any characters, with those that the formats have a use for more often than chance would have it.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof!["(?s).{1,12}", "[\\\\\"\n\r\t{}=,# n张\u{85}\u{2028}\u{1f600}\u{0}]{1,12}"]
}

/// Zones with whole and odd offsets, changes of the clock at midnight and of half an hour, and days that never were.
const ZONES: &[&str] = &[
    "Asia/Shanghai",
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Antarctica/Troll",
];

proptest! {
    #![proptest_config(cases(40))]

    /// Each day has what the newest answer about it said, whatever ranges were asked for in which order.
    #[test]
    fn a_day_that_is_told_again_is_as_it_was_told_last(
        answers in vec((0..20_i64, 1..6_u32, vec(proptest::option::of(0..1000_u32), 6)), 1..12),
    ) {
        let sources = sources();
        let source = &sources[0];
        let (target, _) = first_target(source);
        let first = Day::new(2026, 11, 1).unwrap();
        let mut expected: BTreeMap<Day, Option<u32>> = BTreeMap::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stored = runtime.block_on(async {
            let store = Store::open(None, &apis()).unwrap().store;
            for (n, (offset, count, values)) in answers.into_iter().enumerate() {
                let days = Days::ending(first.plus(offset), count);
                expected.extend(days.iter().zip(&values).map(|(day, value)| (day, *value)));
                let row = |(day, value): (Day, &Option<u32>)| {
                    let values = target.table.fields.iter().map(|_| Some(f64::from((*value)?))).collect();
                    value.map(|_| Row { day, labels: target.labels.clone(), values })
                };
                let rows = days.iter().zip(&values).filter_map(row).collect();
                let answered = TargetAnswer { target: target.clone().into(), days, rows: Ok(rows) };
                let at = Timestamp::from_second(1_800_000_000 + n as i64).unwrap();
                store.record(source.source.api(), "acme", at, vec![answered]).await.unwrap();
            }
            let mut stored = BTreeMap::new();
            for day in expected.keys() {
                let rows = store.rows(target.table, "acme", *day).await.unwrap();
                assert!(rows.len() < 2);
                stored.insert(*day, rows.first().map(|row| row.values[0].unwrap() as u32));
            }
            stored
        });
        prop_assert_eq!(stored, expected);
    }
}
