//! Answers of discovery: the first byte says which list, the rest is a page of it. What it finds is asked about.
#![no_main]

use std::sync::{Arc, LazyLock};

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Day, Days};
use imstats_exporter::source::{Directory, Entry, ListEntry, ListRequest};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const CONFIG: &str = r#"
wecom:
  - account: acme
    corp_id: ww1
    secret: s
    names: true
    contact: {departments: all}
    kf: {servicers: all}
feishu:
  - {account: acme, app_id: cli_1, app_secret: s, message_push: {departments: all}}
"#;

/// Every list, with the source that wants it and what it has found before.
static LISTS: LazyLock<Vec<(SourceConfig, Directory, ListRequest)>> = LazyLock::new(|| {
    let mut lists = Vec::new();
    for config in Config::parse(CONFIG, "fuzz").unwrap().sources {
        let mut directory = Directory::new();
        loop {
            let listings = config.source.listings(&directory, true);
            if listings.is_empty() {
                break;
            }
            for listing in listings {
                let found = ListEntry { id: "1".to_owned(), parent: None, name: None };
                lists.push((config.clone(), directory.clone(), listing.clone()));
                directory.insert(listing.key, Arc::new(vec![found]));
            }
        }
    }
    lists
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, page)) = data.split_first() else { return };
    let (config, directory, listing) = &LISTS[usize::from(*choice) % LISTS.len()];
    let Ok(page) = serde_json::from_slice::<Value>(page) else { return };
    let Ok(entries) = (listing.read)(&page, listing) else { return };
    let mut found = Vec::new();
    for entry in entries {
        match entry {
            Entry::Subject(subject) => found.push(subject),
            Entry::Sublist(more) => assert!(!more.key.is_empty()),
            Entry::Odd(_) => {}
        }
    }
    assert!(found.iter().all(|found| !found.id.is_empty()));
    let mut directory = directory.clone();
    directory.insert(listing.key.clone(), Arc::new(found));
    let targets = config.source.targets(&directory);
    let days = Days::one(Day::new(2026, 11, 19).unwrap());
    for target in targets.iter().take(20) {
        assert_eq!(config.source.calls(&[target], days, &config.schedule.zone).len(), 1);
    }
});
