//! `exporter.yaml`: any text is a configuration, or is refused in words that can be logged.
#![no_main]

use imstats_exporter::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Config::parse(text, "exporter.yaml") {
        Ok(config) => {
            for source in &config.sources {
                assert!(!source.account.name.is_empty() && source.concurrency > 0);
                let targets = source.source.targets(&Default::default());
                assert!(targets.iter().all(|target| target.labels.len() <= target.table.labels.len()));
            }
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with("exporter.yaml"), "{told}");
            assert!(told.lines().all(|line| !line.chars().any(char::is_control)), "{told:?}");
        }
    }
});
