//! Tokens from outside, and labels of the operator's.

use super::*;

#[test]
fn a_token_from_outside_is_one_of_three_and_no_secret_beside_it() {
    let with = |keys: &str| format!("wecom: [{{account: a, corp_id: b, {keys}, contact: {{}}}}]");
    let way = |keys: &str| {
        let config = parse(&with(keys)).unwrap_or_else(|error| panic!("{error}"));
        match &config.sources[0].account.credential.proof {
            crate::platform::Proof::Token(source) => source.to_string(),
            crate::platform::Proof::Secret(_) => panic!("a token"),
        }
    };
    assert_eq!(way("access_token: {file: /run/token}"), "the file /run/token");
    assert_eq!(way("access_token: {command: [./get, s3cret, 1]}"), "the command ./get");
    let url = "url: 'https://h/t?k=s3cret', token_at: /access_token";
    assert_eq!(way(&format!("access_token: {{{url}}}")), "the token server https://h/t");
    assert_eq!(
        way("access_token: {url: 'http://h:1/', token_at: /t}, insecure_http: true"),
        "the token server http://h:1/"
    );
    for (keys, place, why) in [
        ("secret: s3cret, access_token: {file: x}", "access_token: ", "it replaces secret"),
        (
            "access_token: {file: x, command: [y]}",
            "access_token: ",
            "write one of file, command and url, not file and comm",
        ),
        ("access_token: {token_at: /x}", "access_token: ", "one of file, command and url is missing"),
        ("access_token: {file: x, token_at: /x}", "access_token.token_at: ", "it belongs to a url"),
        ("access_token: {url: 'https://s3cret@h/', token_at: /x}", "access_token.url: ", "user or password"),
        ("access_token: {url: 'http://h/?s3cret', token_at: /x}", "access_token.url: ", "plain http would show"),
        ("access_token: {url: 's3cret', token_at: /x}", "access_token.url: ", "not a URL"),
        ("access_token: {url: 'https://h/?s3cret'}", "access_token.token_at: ", "it is missing"),
        ("access_token: {url: 'https://h/', token_at: s3}", "access_token.token_at: ", "JSON pointer"),
        (
            "access_token: {url: 'https://h/', token_at: /x, header: {'s3cret ': x}}",
            "access_token.header: ",
            "header 1",
        ),
        (
            "access_token: {url: 'https://h/', token_at: /x, header: {A: {env: IMSTATS_TEST_NOT_SET}}}",
            "access_token.header.A: ",
            "not set",
        ),
    ] {
        let message = told(&with(keys));
        assert!(message.starts_with(&format!("exporter.yaml: wecom[0].{place}")) && message.contains(why), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    for keys in [
        "access_token: s3cret",
        "access_token: [s3cret]",
        "access_token: {}",
        "access_token: {s3cret: x}",
        "access_token: {command: s3cret}",
        "access_token: {command: []}",
        "access_token: {header: {A: {s3cret: x}}}",
    ] {
        let message = told(&with(keys));
        assert!(message.contains(": wecom[0].access_token"), "{message}");
    }
    // A block's own takes the place of the account's, and an account without either is an error.
    assert!(parse("wecom: [{account: a, corp_id: b, contact: {access_token: {file: x}}}]").is_ok());
    assert!(
        told("wecom: [{account: a, corp_id: b, contact: {}}]").contains("[0].secret: it is missing (or access_token")
    );
    let config = parse(
        "tencent_desk: [{account: a, sdk_app_id: 1, identifier: i, user_sig: {file: /nonexistent}, agent_statistics: }]",
    );
    let warnings = config.unwrap().warnings;
    assert!(warnings[0].starts_with("tencent_desk[0].user_sig.file: cannot read /nonexistent"), "{warnings:?}");
}

#[test]
fn labels_of_an_account_have_names_that_no_series_has() {
    let with = |labels: &str| SMALL.replace("    contact", &format!("    labels: {labels}\n    contact"));
    let config = parse(&with("{region: north, area: 7}")).unwrap();
    let labels: Vec<_> = config.sources[0].account.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(labels, [("area", "7"), ("region", "north")]);
    for (labels, place, why) in [
        ("{account: x}", "labels.account: ", "of that name already"),
        ("{userid: x}", "labels.userid: ", "of that name already"),
        ("{metric_name: x}", "labels.metric_name: ", "of that name already"),
        ("{name: x}", "labels.name: ", "of that name already"),
        ("{source: x}", "labels.source: ", "of that name already"),
        ("{instance: x}", "labels.instance: ", "Prometheus gives"),
        ("{__x: x}", "labels.__x: ", "two underscores"),
        ("{1a: x}", "labels.1a: ", "begins with no digit"),
        ("{a-b: x}", "labels.a-b: ", "letters, digits and underscores"),
        ("{region: ''}", "labels.region: ", "as good as none"),
        ("{region: \"a\\nb\"}", "labels.region: ", "control characters"),
    ] {
        let message = told(&with(labels));
        assert!(message.starts_with(&format!("exporter.yaml: wecom[0].{place}")) && message.contains(why), "{message}");
    }
    let many: Vec<_> = (0..17).map(|n| format!("l{n}: x")).collect();
    assert!(told(&with(&format!("{{{}}}", many.join(", ")))).contains("labels: 17 labels are more than 16"));
    assert!(parse(&with(&format!("{{{}}}", many[1..].join(", ")))).is_ok());
    assert!(told(&with("[a]")).contains("wecom[0].labels: found a list, expected a map of labels"));
    assert!(told(&with("{a: [b]}")).contains("wecom[0].labels.a: found a list, expected a text"));
}
