//! Values that are refused or warned of, and secrets that no message repeats.

use super::*;

#[test]
fn pseudonyms_want_a_long_key_and_no_names() {
    let with =
        |pseudonymize: &str| SMALL.replace("    contact", &format!("    pseudonymize: {pseudonymize}\n    contact"));
    let config = parse(&with("{key: s3cret-s3cret-s3cret}")).unwrap();
    assert!(config.sources.iter().all(|source| source.account.pseudonyms.is_some()));
    for (written, place, why) in [
        ("{key: s3cret}", "exporter.yaml: wecom[0].pseudonymize.key: ", "less than 16 bytes"),
        ("{key: {env: IMSTATS_TEST_NOT_SET}}", "exporter.yaml: wecom[0].pseudonymize.key: ", "not set"),
        ("{key: {env: \"NOT\\tSET\"}}", "exporter.yaml: wecom[0].pseudonymize.key: ", "NOT?SET is not set"),
        ("{key: {file: \"no\\nfile\"}}", "exporter.yaml: wecom[0].pseudonymize.key: ", "no?file"),
        ("{key: s3cret-s3cret-s3cret}\n    names: true", "exporter.yaml: wecom[0].pseudonymize: ", "names would tell"),
        ("s3cret", "exporter.yaml:5:19: wecom[0].pseudonymize: ", "{key: SECRET}"),
        ("{}", "exporter.yaml:5:19: wecom[0].pseudonymize: ", "{key: SECRET}"),
        ("{s3cret: }", "exporter.yaml:5:19: wecom[0].pseudonymize: ", "{key: SECRET}"),
        ("{key: s3cret-s3cret-s3cret, s3cret: 1}", "exporter.yaml:5:19: wecom[0].pseudonymize: ", "{key: SECRET}"),
    ] {
        let message = told(&with(written));
        assert!(message.starts_with(place) && message.contains(why), "{written}: {message}");
    }
}

#[test]
fn secrets_are_never_repeated() {
    // `told` looks for the secret in every message.
    for text in [
        "s3cret",
        "[s3cret]",
        "wecom: s3cret",
        "wecom: [s3cret]",
        "wecom: [[s3cret]]",
        "wecom: {account: s3cret}",
        "wecom: [{secret: [s3cret]}]",
        "wecom: [{secret: {s3cret: 1}}]",
        "wecom: [{secret: {s3cret: 1, s3cret: 2}}]",
        "wecom: [{secret: {s3cret: {<<: 1}}}]",
        "wecom: [{secret: {a: {s3cret: 1, s3cret: 2}}}]",
        "wecom: [{secret: {a: {b: [{s3cret: 1, s3cret: 2}]}}}]",
        "wecom: [{contact: {secret: {a: {s3cret: 1, s3cret: 2}}}}]",
        "wecom: [{pseudonymize: {key: {s3cret: 1, s3cret: 2}}}]",
        "wecom: [{proxy_url: {s3cret: 1, s3cret: 2}}]",
        "wecom: [{proxy_url: {a: {s3cret: 1, s3cret: 2}}}]",
        "wecom: [{secret: {s3cret: !x 1}}]",
        "wecom: [{secret: {env: A, s3cret: 1}}]",
        "wecom: [{secret: {env: [s3cret]}}]",
        "wecom: [{secret: !s3cret x}]",
        "wecom: [{secret:s3cret}]",
        "wecom: [{secret=s3cret}]",
        "wecom:\n- account: a\n  secret:s3cret\n  names: true\n",
        "wecom: [{secret: \"s3cret}]",
        "wecom: [{contact: s3cret}]",
        "wecom: [{contact: [s3cret]}]",
        "wecom: [{contact: {teams: s3cret}}]",
        "wecom: [{contact: {secret: {s3cret: }}}]",
        "wecom: [{proxy_url: {s3cret: }}]",
        "wecom: [{account: a, corp_id: b, secret: x, proxy_url: 'ftp://u:s3cret@h'}]",
        "wecom: [{account: a, corp_id: b, secret: x, base_url: 'https://u:s3cret@h'}]",
        "wecom: [{account: a, corp_id: b, secret: x, base_url: 'http://h/?s3cret'}]",
        "wecom: [{account: s3cret/, corp_id: b, secret: x}]",
        "wecom: [{secret: *s3cret}]",
    ] {
        told(text);
    }
    assert!(!format!("{:?}", parse(SMALL).unwrap()).contains("s3cret"));
}

#[test]
fn a_value_of_the_wrong_kind_is_told_at_its_place() {
    for (text, says) in [
        ("wecom: {account: a}", "exporter.yaml:1:8: wecom: found a map, expected a list of accounts"),
        ("- wecom", "exporter.yaml:1:1: found a list, expected a map with the keys poll_interval, wecom"),
        (
            "wecom:\n- contact: all",
            "exporter.yaml:2:12: wecom[0].contact: found a text, expected a map with keys such as users",
        ),
        ("wecom:\n- names: []", "exporter.yaml:2:10: wecom[0].names: found a list, expected a text"),
        ("wecom:\n- contact: {users: anna}", "exporter.yaml:2:20: wecom[0].contact.users: `anna` is neither"),
        ("wecom:\n- secret: 1234", "exporter.yaml:2:11: wecom[0].secret: a secret is a quoted text"),
        ("a: b: c", "exporter.yaml:1:5: a key where none can be"),
        ("a: *b", "exporter.yaml:1:4: unknown anchor"),
        ("<<: {}", "exporter.yaml:1:1: merge keys"),
        ("wecom: !x []", "exporter.yaml:1:8: wecom: a tag"),
        ("{[a]: b}", "exporter.yaml:1:2: found a list, expected a key"),
        ("wecom: []\n---\nwecom: []", "exporter.yaml: "),
    ] {
        let message = told(text);
        assert!(message.starts_with(says), "{message}");
    }
}

#[test]
fn hostile_files_end_soon_with_an_error() {
    let deep = |open: &str, n| told(&format!("wecom: {}", open.repeat(n)));
    assert!(deep("[", 1_000_000).contains("opening brackets"));
    assert!(deep("{a: ", 500_000).contains("opening brackets"));
    assert!(deep("{a: ", 2_000).contains("too deep"));
    assert!(deep("[", 20_000).contains("too deep"));
    deep("- ", 50_000);
    told(&"a: &a [".repeat(1_000));
    let mut laughs = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n".to_owned();
    for n in 1..30 {
        laughs += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","));
    }
    assert!(told(&laughs).contains("aliases"));
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(100));
    assert!(told(&wide).contains("aliases"));
    told("a: &a [*a]");
    let long = format!("{}: 1", "k".repeat(900));
    assert!(told(&long).len() < 500);
    assert!(told(&format!("? {}\n: 1", "k\u{1f600}".repeat(100_000))).len() < 1000);
    assert!(told(&format!("wecom: [{{contact: {{users: {}}}}}]", "u".repeat(100_000))).len() < 2000);
    told("\u{0}");
    told("wecom:\n\t- account: a");
}

#[test]
fn what_can_hardly_be_right_is_warned_of_and_no_secret_is_told() {
    let with = |secret: &str| {
        format!(
            "wecom: [{{account: acme, corp_id: ww1, secret: '{secret}', contact: {{users: [a], secret: own-s3cret}}}}]"
        )
    };
    for (secret, words) in [
        ("${s3cret}", "write {env: NAME}"),
        ("$s3cret", "write {env: NAME}"),
        ("<your s3cret>", "write the secret itself"),
        ("s3cret s3cret", "blanks in it"),
    ] {
        let warnings = parse(&with(secret)).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{secret}: {warnings:?}");
        assert!(warnings[0].starts_with("wecom[0].secret: ") && warnings[0].contains(words), "{warnings:?}");
        assert!(!warnings[0].contains("s3cret"), "{warnings:?}");
    }
    assert_eq!(parse(&with("aB3-_+/=$x<>")).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn what_no_secret_can_have_in_it_is_refused_and_not_told() {
    for (written, why) in [
        ("\"two\\ns3cret\"", "line ends, control or other invisible"),
        ("\"a\\0s3cret\"", "line ends, control or other invisible"),
        ("\"s3cret\\u200b\"", "line ends, control or other invisible"),
        ("'\"s3cret\"'", "quotes in it"),
        ("\"it's3cret\"", "quotes in it"),
    ] {
        let message = told(&format!("wecom: [{{account: acme, corp_id: ww1, secret: {written}, contact: {{}}}}]"));
        assert!(
            message.starts_with("exporter.yaml: wecom[0].secret: there are ") && message.contains(why),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn ids_that_yaml_would_change_are_refused_unless_they_are_in_quotes() {
    let with =
        |ids: &str| format!("wecom:\n- {{account: a, corp_id: 0x1F, secret: s3cret, contact: {{users: [{ids}]}}}}\n");
    for (id, kind) in [
        ("0x1F", "a number"),
        ("0o17", "a number"),
        ("0b11", "a number"),
        ("1e3", "a number"),
        ("1.0", "a number"),
        ("+7", "a number"),
        ("184467440737095516160", "a number"),
        ("true", "true or false"),
        ("~", "nothing"),
    ] {
        let message = told(&with(&format!("ok, {id}")));
        let place = "exporter.yaml:2:69: wecom[0].contact.users[1]: ";
        let says = format!("{place}without quotes YAML takes `{id}` for {kind}: write it in quotes: '{id}'");
        assert_eq!(message, says);
        parse(&with(&format!("ok, '{id}'"))).unwrap_or_else(|error| panic!("{error}"));
        parse(&with(&format!("ok, \"{id}\""))).unwrap_or_else(|error| panic!("{error}"));
    }
    let config = parse(&with("007, 0123, 1_000, no, yes, on, 2024-01-01, 7")).unwrap();
    let users = config.sources[0].source.targets(&Directory::new());
    let ids: Vec<_> = users.iter().map(|target| target.labels[0].as_str()).collect();
    assert_eq!(ids, ["007", "0123", "1_000", "no", "yes", "on", "2024-01-01", "7"]);
    assert_eq!(config.sources[0].account.credential.id, "0x1F", "as it is written");
}
