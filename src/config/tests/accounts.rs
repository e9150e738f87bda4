//! Accounts of each platform: their ids and zones, and what they share.

use super::*;

#[test]
fn duplicates_are_refused() {
    let message = told("wecom:\n- account: a\n  names: true\n  account: b\n");
    assert_eq!(message, "exporter.yaml:4:3: wecom[0].account: key `account` occurs twice in this map");
    let message = told("wecom:\n- contact:\n    teams:\n      north: {users: [a]}\n      north: {users: [b]}\n");
    assert!(
        message.starts_with("exporter.yaml:5:7: wecom[0].contact.teams.north: key `north` occurs twice"),
        "{message}"
    );
    let two = SMALL.to_owned() + SMALL.trim_start_matches("wecom:\n");
    assert_eq!(told(&two), "exporter.yaml: wecom[1].account: `acme` is already the name of wecom[0]");
}

#[test]
fn a_block_with_its_own_secret_has_its_own_account() {
    let config = parse(
        "wecom: [{groupchat: {teams: {a: {owners: all}}}, contact: {secret: other, rate_limit: 10/s}, \
         names: true, secret: s3cret, corp_id: 42, account: acme, base_url: 'http://127.0.0.1:1/'}]",
    )
    .unwrap();
    let accounts: Vec<_> = config.sources.iter().map(|source| &source.account).collect();
    assert!(Arc::ptr_eq(accounts[0], accounts[1]) && !Arc::ptr_eq(accounts[1], accounts[2]));
    assert_eq!((accounts[0].block, accounts[2].block), ("", "contact"));
    assert_eq!((accounts[0].credential.id.as_str(), accounts[0].base_url.as_str()), ("42", "http://127.0.0.1:1"));
    let rate = Rate { calls: 10, per: Duration::from_secs(1) };
    assert_eq!(accounts[2].rate("externalcontact/get_user_behavior_data"), rate);
    assert_eq!(accounts[2].rate("gettoken").calls, accounts[2].credential.platform.calls_per_minute());
    assert!(config.sources.iter().all(|source| source.names));
    // With its own secret in every block, the account needs none.
    assert!(parse("wecom: [{account: a, corp_id: b, contact: {secret: s3cret}}]").is_ok());
    assert!(
        told("wecom: [{account: a, corp_id: b, contact: {secret: s3cret}, groupchat: }]").contains("[0].secret: it is")
    );
}

#[test]
fn accounts_of_one_company_share_its_rate() {
    let two = |rate: &str| {
        format!(
            "wecom: [{{account: a, corp_id: ww, secret: s3cret, contact: {{rate_limit: 500/m}}}}, \
             {{account: b, corp_id: ww, secret: s3cret, contact: {{{rate}}}}}]"
        )
    };
    let config = parse(&two("")).unwrap();
    assert_eq!(config.sources[1].account.rate("externalcontact/get_user_behavior_data").calls, 500);
    assert!(parse(&two("rate_limit: 500/m")).is_ok());
    let message = told(&two("rate_limit: 5/m"));
    assert!(message.contains("wecom[1].contact.rate_limit: differs from wecom[0].contact.rate_limit"), "{message}");
}

#[test]
fn platforms_with_zones_take_one_and_ids_may_be_numbers() {
    let config = parse(
        "tencent_desk: [{agent_statistics: {time_zone: Asia/Tokyo}, account: a, sdk_app_id: 1400000000, identifier: b, secret_key: c}]
feishu: [{account: a, message_push: {}, app_id: cli_1, app_secret: s3cret}]",
    )
    .unwrap();
    let [desk, feishu] = &config.sources[..] else { panic!("{:?}", config.sources) };
    let zone = |name| crate::day::Zone::named(name).unwrap();
    assert_eq!((&desk.schedule.zone, &feishu.schedule.zone), (&zone("Asia/Tokyo"), &zone("Asia/Shanghai")));
    let credential = &desk.account.credential;
    assert_eq!((credential.id.as_str(), credential.caller.as_deref()), ("1400000000", Some("b")));
    assert_eq!((feishu.lookback_days, feishu.schedule.lag_days), (1, 2));
    // The id comes after the block that needs it.
    assert!(format!("{:?}", feishu.source).contains("cli_1"));
    let message = told(
        "tencent_desk: [{account: a, sdk_app_id: 1, secret_key: s3cret, agent_statistics: {time_zone: \"M\\tars\", lookback_days: 2}}]",
    );
    assert!(message.contains("tencent_desk[0].identifier: it is missing"), "{message}");
    assert!(message.contains("agent_statistics.time_zone: `M?ars` is not a time zone"), "{message}");
    assert!(message.contains("agent_statistics.lookback_days: the API gives one day a call"), "{message}");
}

#[test]
fn an_sdk_app_id_is_a_number() {
    for id in ["abc", "-1400000000", "+1400000000", "0", "1400000000x", "14e8"] {
        let message = told(&format!(
            "tencent_desk: [{{account: a, sdk_app_id: '{id}', identifier: i, secret_key: s, agent_statistics: {{}}}}]"
        ));
        assert!(message.contains("tencent_desk[0].sdk_app_id: it is the number of the application"), "{id}: {message}");
    }
}

#[test]
fn an_unknown_cycle_is_named_with_its_key_and_place() {
    let message =
        told("feishu:\n- account: a\n  app_id: cli_1\n  app_secret: s\n  message_push:\n    cycles: [day, weak]\n");
    let words =
        "feishu[0].message_push.cycles: unknown cycle `weak`; it is a list of cycles, each of them day, week or month";
    assert!(message.contains(words), "{message}");
    assert!(message.contains(":6:"), "{message}");
}

#[test]
fn a_department_of_feishu_that_does_not_begin_with_od_is_warned_of() {
    let text = "feishu: [{account: acme, app_id: cli_1, app_secret: s3cret, message_push: {departments: [od-1, 6dacd2de28ae4872]}}]";
    let warnings = parse(text).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("feishu[0].message_push.departments[1]: `6dacd2de28ae4872`"), "{warnings:?}");
    assert!(warnings[0].contains("`od-`"), "{warnings:?}");
}
