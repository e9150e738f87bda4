//! What must hold of every API's tables, as data.

use std::collections::BTreeSet;

use super::*;

fn tables() -> impl Iterator<Item = (&'static Api, &'static Table)> {
    apis().into_iter().flat_map(|api| api.tables.iter().map(move |table| (api, *table)))
}

fn snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
        && !name.ends_with('_')
}

#[test]
fn metrics_columns_and_sources_are_unique_and_well_formed() {
    let mut metrics = BTreeSet::new();
    for (_, table) in tables() {
        let mut columns: BTreeSet<&str> = ["day", "account", "fetched_at", "checksum"].into();
        for label in table.labels {
            assert!(snake(label) && columns.insert(label), "{label} in {}", table.prefix);
        }
        for field in table.fields {
            let metric = table.metric(field);
            assert!(snake(&metric), "{metric}");
            assert!(columns.insert(field.column()), "{metric}");
            for end in ["_total", "_count", "_sum", "_bucket", "_info", "_created"] {
                assert!(!metric.ends_with(end), "{metric} is a gauge");
            }
            assert!(metrics.insert(metric.clone()), "{metric} stands twice");
        }
    }
    let names: BTreeSet<_> = apis().iter().map(|api| api.name).collect();
    assert_eq!(names.len(), apis().len());
}

#[test]
fn ids_of_people_are_known_as_such() {
    for (_, table) in tables() {
        let people: Vec<_> =
            table.labels.iter().copied().filter(|label| ["userid", "owner", "agent"].contains(label)).collect();
        assert_eq!(people, Vec::from_iter(table.person), "{}", table.prefix);
    }
}

#[test]
fn units_are_in_the_names() {
    for (_, table) in tables() {
        for field in table.fields {
            let metric = table.metric(field);
            match field.unit {
                Unit::Seconds | Unit::Minutes => assert!(metric.ends_with("_seconds"), "{metric}"),
                Unit::Timestamp => assert!(metric.ends_with("_timestamp_seconds"), "{metric}"),
                Unit::Ratio | Unit::Percent => assert!(metric.ends_with("_ratio"), "{metric}"),
                Unit::Count => assert!(!metric.ends_with("_seconds") && !metric.ends_with("_ratio"), "{metric}"),
            }
        }
    }
}

#[test]
fn help_is_one_plain_line_that_names_field_and_span() {
    for (api, table) in tables() {
        for field in table.fields {
            let help = table.help(field, api.title);
            // The encoder writes HELP as it is.
            assert!(!help.contains(['\n', '\\']), "{help}");
            assert!(help.contains(&format!("({})", field.name)), "{help}");
            assert!(
                help.contains("of the statistics day") || help.contains("of the end of the statistics day"),
                "{help}"
            );
            assert!(!field.help.ends_with('.') && !field.help.is_empty(), "{help}");
        }
    }
}

#[test]
fn averages_and_ratios_are_never_added() {
    for (_, table) in tables() {
        for field in table.fields {
            let average = matches!(field.unit, Unit::Ratio | Unit::Percent | Unit::Timestamp)
                || field.suffix.ends_with("average_seconds");
            let added = matches!(field.combine, Combine::Sum | Combine::Repeats(_));
            assert_ne!(average, added, "{}", table.metric(field));
            if let Combine::Weighted(columns) = field.combine {
                assert!(!columns.is_empty(), "{}", table.metric(field));
                for column in columns {
                    assert!(table.fields.iter().any(|other| other.suffix == *column), "{column}");
                }
            }
        }
    }
}

#[test]
fn apis_are_whole() {
    for api in apis() {
        assert!(api.page.starts_with("https://"), "{}", api.name);
        assert!(api.days_per_call >= 1 && api.batch >= 1 && !api.tables.is_empty(), "{}", api.name);
        assert!(api.batch == 1 || api.shape.subject.is_some(), "{}: rows of a batch must say whose they are", api.name);
        assert!(api.days_per_call == 1 || api.shape.day.is_some(), "{}: rows of a span must say their day", api.name);
        for info in api.infos {
            assert!(info.name.ends_with("_info") && snake(info.name), "{}", info.name);
        }
    }
}

#[test]
fn keys_of_targets_with_slashes_stay_apart() {
    let table = apis()[0].tables[0];
    let key = |labels: &[&str]| {
        let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        Target::key_of(table, &labels)
    };
    assert_ne!(key(&["a/b", "c"]), key(&["a", "b/c"]));
    assert_ne!(key(&["a\\", "b"]), key(&["a", "\\b"]));
    assert_ne!(key(&["a\\/b"]), key(&["a", "b"]));
}
