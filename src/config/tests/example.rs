//! That `exporter.example.yaml` is whole and true.

use super::*;

const EXAMPLE: &str = include_str!("../../../exporter.example.yaml");

/// The example with its optional keys switched on: those behind a `#` without a space.
fn example_with_all_keys() -> String {
    let on = |line: &str| match line.split_once('#') {
        Some((indent, key)) if indent.trim().is_empty() && !key.starts_with(' ') && !key.is_empty() => {
            format!("{indent}{key}\n")
        }
        _ => format!("{line}\n"),
    };
    EXAMPLE.lines().map(on).collect()
}

/// Stands for every secret, and is a URL for `proxy_url`.
fn any_secret(_: &Secret) -> Result<SecretString, crate::platform::SecretError> {
    Ok("https://proxy.example".into())
}

#[test]
fn the_example_loads_and_its_defaults_are_true() {
    let load = |text: &str| Config::parse_with(text, "exporter.example.yaml", &any_secret).unwrap().0;
    let short = load(EXAMPLE);
    let ca = tempfile::NamedTempFile::new().unwrap();
    let full = load(&example_with_all_keys().replace("/etc/ssl/company-ca.pem", ca.path().to_str().unwrap()));
    assert_eq!((short.warnings.len(), full.warnings.len()), (0, 0));
    assert_eq!(short.sources.len(), full.sources.len());
    let used = |source: &SourceConfig| {
        let SourceConfig { source, account, schedule, poll_interval, refresh_interval, lookback_days, .. } = source;
        // `pseudonymize` is present in the example, though it is no default.
        let source = format!("{source:?}");
        let source = source.strip_prefix("PseudonymizedSource { source: ").unwrap_or(&source);
        let source = source.strip_suffix(", pseudonyms: Pseudonyms }").unwrap_or(source);
        format!("{source} {schedule:?} {poll_interval:?} {refresh_interval:?} {lookback_days} {:?}", account.base_url)
    };
    for (short, full) in short.sources.iter().zip(&full.sources) {
        assert_eq!(used(short), used(full));
        assert_eq!(short.flip_after, full.flip_after);
        assert_eq!((short.concurrency, short.names), (full.concurrency, full.names));
        assert_eq!(short.account.connect_timeout, full.account.connect_timeout);
        assert_eq!(short.account.timeout, full.account.timeout);
        let path = short.source.api().path;
        assert_eq!(short.account.rate(path), full.account.rate(path));
        assert!(full.account.pseudonyms.is_some() && short.account.pseudonyms.is_none());
        assert!(full.account.proxy_url.is_some() && full.account.ca_file.is_some() && !full.account.block.is_empty());
    }
}

#[test]
fn the_example_has_every_known_key_and_no_other() {
    // A key that replaces another one is written behind a `#` with a space.
    let all = example_with_all_keys().replace("# access_token:", "access_token:").replace("# user_sig:", "user_sig:");
    let example: serde_yaml::Value = serde_yaml::from_str(&all).unwrap();
    let keys = |value: &serde_yaml::Value| -> Vec<(String, serde_yaml::Value)> {
        let map = value.as_mapping().cloned().unwrap_or_default();
        map.into_iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), value)).collect()
    };
    let known: std::collections::BTreeSet<_> = known_keys().into_iter().collect();
    let mut found = std::collections::BTreeSet::new();
    let mut maps = vec![(String::new(), example)];
    while let Some((path, map)) = maps.pop() {
        for (key, value) in keys(&map) {
            let path = format!("{path}{key}");
            // The keys of a map below which none is known are names.
            if known.iter().any(|other| other.starts_with(&format!("{path}."))) {
                maps.push((format!("{path}."), value.clone()));
            }
            for entry in value.as_sequence().into_iter().flatten() {
                maps.push((format!("{path}[]."), entry.clone()));
            }
            found.insert(path);
        }
    }
    assert_eq!(found, known);
}
