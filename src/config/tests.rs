//! The file as operators write it, and its errors and warnings.

use std::time::Duration;

use super::*;

mod accounts;
mod example;
mod files;
mod outside;
mod selections;
mod values;

const SMALL: &str = "wecom:
  - account: acme
    corp_id: ww1
    secret: s3cret
    contact: {}
    groupchat: {teams: {everyone: {owners: all}}}
";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "exporter.yaml")
}

/// The errors, one line each.
fn told(text: &str) -> String {
    let message = parse(text).unwrap_err().to_string();
    assert!(!message.contains("s3cret"), "{message}");
    message
}

#[test]
fn a_small_file_has_every_default() {
    let config = parse(SMALL).unwrap();
    let names: Vec<_> = config.sources.iter().map(|source| source.source.api().name).collect();
    assert_eq!(names, ["wecom_contact", "wecom_groupchat_owner", "wecom_groupchat_team"]);
    assert_eq!(config.warnings, Vec::<String>::new());
    let contact = &config.sources[0];
    assert_eq!(contact.poll_interval, Duration::from_mins(10));
    assert_eq!(contact.refresh_interval, Duration::from_hours(6));
    assert_eq!(contact.flip_after, Duration::from_mins(110));
    assert_eq!((contact.concurrency, contact.names), (8, false));
    assert_eq!(contact.schedule.zone, crate::day::Zone::china());
    assert_eq!((contact.schedule.ready_at.to_string().as_str(), contact.schedule.lag_days), ("06:00:00", 1));
    let lookback: Vec<_> = config.sources.iter().map(|source| source.lookback_days).collect();
    assert_eq!(lookback, [3, 1, 3]);
    let account = &contact.account;
    assert_eq!((account.name.as_str(), account.block), ("acme", ""));
    assert_eq!(account.base_url, "https://qyapi.weixin.qq.com");
    assert_eq!((account.connect_timeout, account.timeout), (Duration::from_secs(5), Duration::from_secs(30)));
    assert!(account.proxy_url.is_none() && account.ca_file.is_none() && account.rates.is_empty());
    assert!(config.sources.iter().all(|source| Arc::ptr_eq(&source.account, account)));
}

#[test]
fn an_unknown_key_is_told_at_its_own_place_on_every_level() {
    for (text, place, says) in [
        ("wecm: []\n", "exporter.yaml:1:1: wecm: ", "did you mean `wecom`? known keys here: poll_interval, wecom"),
        ("poll_interval: 1m\nwecom:\n  - acount: a\n", "exporter.yaml:3:5: wecom[0].acount: ", "mean `account`?"),
        (
            "wecom:\n- account: a\n  contact:\n    userz: all\n",
            "exporter.yaml:4:5: wecom[0].contact.userz: ",
            "`users`?",
        ),
        (
            "wecom:\n- contact: {users: all, lag_day: 1}\n",
            "exporter.yaml:2:25: wecom[0].contact.lag_day: ",
            "mean `lag_days`? known keys here: users, departments, teams, ready_at",
        ),
        (
            "wecom:\n- contact: {teams: {north: {userss: []}}}\n",
            "exporter.yaml:2:29: wecom[0].contact.teams.north.userss: ",
            "mean `users`? known keys here: users, departments",
        ),
        (
            "wecom:\n- groupchat: {teams: {north: {zzz: []}}}\n",
            "exporter.yaml:2:31: wecom[0].groupchat.teams.north.zzz: unknown key `zzz`; known keys here: owners",
            "",
        ),
        ("wecom:\n- pseudonym: {}\n", "exporter.yaml:2:3: wecom[0].pseudonym: unknown key", "mean `pseudonymize`?"),
        ("1: 2\n", "exporter.yaml:1:1: 1: unknown key `1`", ""),
    ] {
        let message = told(text);
        assert!(message.starts_with(place) && message.contains(says), "{message}");
        assert!(!message.contains(" at line") && !message.contains("expected"), "{message}");
    }
}

#[test]
fn faults_are_told_all_at_once() {
    let message = told(
        "poll_interval: 10
wecom:
  - account: a b
    corp_id: ww1
    secret: {env: IMSTATS_TEST_NOT_SET}
    base_url: http://example.com
    ca_file: /nonexistent/ca.pem
    timeout: 5 minutes
    names: yes
    contact: {lookback_days: 31, concurrency: 0, departments: [sales], ready_at: 6:00, time_zone: Asia/Tokyo}
    groupchat: {rate_limit: fast, flip_after: 1d}
",
    );
    let lines: Vec<_> = message.lines().collect();
    for (line, start) in lines.iter().zip([
        "exporter.yaml: poll_interval: `10` is not a duration: a number needs a unit",
        "exporter.yaml: wecom[0].account: an account is named by",
        "exporter.yaml: wecom[0].timeout: `5 minutes` is not a duration",
        "exporter.yaml: wecom[0].names: `yes` is neither true nor false",
        "exporter.yaml: wecom[0].contact.concurrency: `0` is not a whole number from 1 to 256",
        "exporter.yaml: wecom[0].contact.ready_at: `6:00` is not a time of day such as 06:00",
        "exporter.yaml: wecom[0].contact.time_zone: WeCom counts its days in UTC+8",
        "exporter.yaml: wecom[0].contact.departments[0]: `sales` is not a WeCom department id",
        "exporter.yaml: wecom[0].groupchat.rate_limit: `fast` is not a rate",
        "exporter.yaml: wecom[0].groupchat.flip_after: `1d` is too long: 23h is the most",
        "exporter.yaml: wecom[0].base_url: plain http would show the secret",
        "exporter.yaml: wecom[0].ca_file: cannot read /nonexistent/ca.pem",
        "exporter.yaml: wecom[0].secret: environment variable IMSTATS_TEST_NOT_SET is not set",
        "exporter.yaml: wecom[0].contact.lookback_days: the API gives at most 30 days a call",
    ]) {
        assert!(line.starts_with(start), "{message}");
    }
    assert_eq!(lines.len(), 14, "{message}");
}

#[test]
fn the_key_that_is_gone_is_told_with_what_to_write_instead() {
    let message = told(
        "wecom:
  - account: acme
    corp_id: ww1
    secret: \"x\"
    contact: {max_age: 3d}
    kf: {max_age: [3]}
",
    );
    let words = "it is no longer a key, so take the line out: the page of a day now goes when `flip_after` (110m) has passed since \
                 the next day became ready; to keep it longer, write for example `flip_after: 3h` (23h at most)";
    assert_eq!(
        message,
        ["contact", "kf"].map(|block| format!("exporter.yaml: wecom[0].{block}.max_age: {words}")).join("\n")
    );
    assert!(told("wecom: [{max_age: 3d}]").contains("unknown key `max_age`"), "an account never had it");
}

#[test]
fn what_is_missing_is_told() {
    for (empty, why) in [("", "no account"), ("# nothing\n", "no account"), ("wecom:\n", "no account"), ("~", "no acc")]
    {
        assert!(told(empty).contains(why), "{empty}");
    }
    let message = told("wecom: [{contact: , groupchat: {secret: s3cret}}]");
    for key in ["account", "corp_id", "secret"] {
        assert!(message.contains(&format!("wecom[0].{key}: it is missing")), "{message}");
    }
    assert!(told("wecom: [{account: , corp_id: '', contact: {}, secret: s3cret}]").contains("corp_id: it is empty"));
}

#[test]
fn what_polls_nothing_is_a_warning() {
    let config =
        parse("wecom: [{account: a, corp_id: b}, {account: c, corp_id: d, secret: e, contact: {users: none}}]");
    let warnings = config.unwrap().warnings;
    assert_eq!(warnings[0], "wecom[0]: nothing is polled: it has no block (contact, groupchat, kf)");
    assert_eq!(warnings[1], "wecom[1].contact: nothing is polled: it selects no subject");
}
