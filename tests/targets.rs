//! What the store knows targets by: their keys, definitions and pseudonyms stay byte for byte what they are.
//!
//! A store compares them with what it has. Were one of them spelled otherwise, a new version would ask for all figures
//! again after its first start, and the people of a company would have other pseudonyms.

use std::fmt::Write as _;
use std::sync::Arc;

use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::Days;
use imstats_exporter::source::{Directory, ListEntry};

/// Every way to name whom a source is asked about: ids, teams and lists.
const EVERY_TARGET: &str = r#"
wecom:
  - account: written
    corp_id: ww1
    secret: "s"
    contact:
      users: [zhangsan, "Li.Si"]
      departments: [1001, 7]
      teams:
        north: {users: [zhangsan, lisi], departments: [1002]}
        south/west: {users: [wang_wu]}
    groupchat:
      owners: [zhangsan, lisi]
      teams: {north: {owners: [zhangsan, lisi]}, everyone: {owners: all}}
    kf: {accounts: [wk1, wk2], servicers: [zhangsan, lisi]}
  - account: listed
    corp_id: ww2
    secret: "s"
    contact: {users: all, departments: all, teams: {listed: {users: [zhangsan], departments: [1]}}}
    groupchat: {owners: all}
    kf: {accounts: all, servicers: all}
tencent_desk:
  - account: written
    sdk_app_id: 1400000000
    identifier: admin
    secret_key: "k"
    agent_statistics: {agents: [zhangsan@example.com, "a/b"]}
  - account: listed
    sdk_app_id: 1400000001
    identifier: admin
    secret_key: "k"
    agent_statistics: {agents: all}
feishu:
  - account: written
    app_id: cli_1
    app_secret: "s"
    message_push: {apps: [cli_2, cli_3], departments: [od-1, od-2], cycles: [day, week, month]}
  - account: listed
    app_id: cli_4
    app_secret: "s"
    message_push: {departments: all}
"#;

/// A list as a platform could give it, the same for all keys.
fn list() -> Arc<Vec<ListEntry>> {
    let entry =
        |id: &str, parent: Option<&str>| ListEntry { id: id.to_owned(), parent: parent.map(str::to_owned), name: None };
    Arc::new(vec![entry("1", None), entry("2", Some("1")), entry("Zhang.San", Some("2"))])
}

/// All lists that the source needs.
fn directory(config: &SourceConfig) -> Directory {
    let mut directory = Directory::new();
    loop {
        let lists = config.source.listings(&directory, config.names);
        if lists.is_empty() {
            return directory;
        }
        directory.extend(lists.into_iter().map(|request| (request.key, list())));
    }
}

/// The targets of all sources, and what each of them is asked with for two days.
fn golden(yaml: &str) -> String {
    let mut text = String::new();
    for config in Config::parse(yaml, "test").unwrap().sources {
        writeln!(text, "# {} of {}", config.source.api().name, config.account.name).unwrap();
        for target in config.targets(&directory(&config)) {
            writeln!(text, "{}", target.key()).unwrap();
            writeln!(text, "  definition {:?}", target.definition).unwrap();
            if let Some(after) = &target.after {
                writeln!(text, "  below {after}").unwrap();
            }
            let days = match target.cycle {
                imstats_exporter::day::Cycle::Day => Days::ending("2026-11-19".parse().unwrap(), 2),
                _ => target.days("2026-11-19".parse().unwrap(), 2),
            };
            for call in config.source.calls(&[&target], days, &config.schedule.zone) {
                let body = call.body.map(|body| body.to_string()).unwrap_or_default();
                writeln!(text, "  asked with {} {:?} {body}", call.path, call.query).unwrap();
            }
        }
    }
    text
}

/// Compares with the text that is kept; `UPDATE_FIXTURES=1` keeps it instead, to be read in the diff.
fn expect(fixture: &str, text: &str) {
    let path = format!("{}/tests/fixtures/{fixture}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap());
}

#[test]
fn stored_keys_and_definitions_stay_as_they_are() {
    expect("targets", &golden(EVERY_TARGET));
}

#[test]
fn stored_pseudonyms_stay_as_they_are() {
    let pseudonymize = "    pseudonymize: {key: \"a key that is long enough\"}\n";
    let yaml: String = EVERY_TARGET
        .lines()
        .flat_map(|line| {
            let account = if line.starts_with("  - account:") { pseudonymize } else { "" };
            [line, "\n", account]
        })
        .collect();
    let text = golden(&yaml);
    expect("targets_pseudonymized", &text);
    let known = |line: &str| line.starts_with("  asked with") || line.starts_with('#');
    for line in text.lines().filter(|line| !known(line)) {
        for person in ["zhangsan", "lisi", "wang_wu", "Li.Si"] {
            assert!(!line.contains(person), "{line}");
        }
    }
}
