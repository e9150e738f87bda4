//! Statistics answers: the first byte says of which API and targets, the rest is the answer, a page a line.
#![no_main]

use std::sync::LazyLock;

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Day, Days};
use imstats_exporter::source::{Query, Directory, Target, decode};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Every source, as the tests have them.
const CONFIG: &str = include_str!("../../tests/fixtures/every_source.yaml");

/// Agents that are named, and hidden.
const PSEUDONYMIZED: &str = "
tencent_desk:
  - {account: some, sdk_app_id: 1, identifier: a, secret_key: k, agent_statistics: {agents: [a, b]},
     pseudonymize: {key: 0123456789abcdef0123456789abcdef}}
";

static SOURCES: LazyLock<Vec<SourceConfig>> = LazyLock::new(|| {
    [CONFIG, PSEUDONYMIZED].into_iter().flat_map(|text| Config::parse(text, "fuzz").unwrap().sources).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, answer)) = data.split_first() else { return };
    let source = &SOURCES[usize::from(*choice) % SOURCES.len()];
    let pages: Vec<Value> =
        answer.split(|byte| *byte == b'\n').filter_map(|page| serde_json::from_slice(page).ok()).collect();
    let targets = source.source.targets(&Directory::new());
    let asked: Vec<&Target> = targets.iter().filter(|target| target.table.prefix == targets[0].table.prefix).collect();
    let last = Day::new(2026, 11, 19).unwrap();
    let days = Days::ending(last, source.source.api().days_per_call.min(3));
    let asked = Query { targets: &asked, days, zone: &source.schedule.zone };
    let Ok(decoded) = decode(source.source.api(), asked, &pages) else { return };
    assert_eq!(decoded.targets.len(), asked.targets.len());
    for rows in decoded.targets.iter().flatten() {
        for row in rows {
            assert!(days.contains(row.day));
            assert_eq!(row.labels.len(), asked.targets[0].table.labels.len());
            assert!(row.values.iter().flatten().all(|value| value.is_finite() && *value >= 0.0));
        }
        let mut keys: Vec<_> = rows.iter().map(|row| (row.day, &row.labels)).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), rows.len(), "two rows for one subject and day");
    }
});
