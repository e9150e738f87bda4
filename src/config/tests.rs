//! The file as operators write it, and what they are told about it.

use std::time::Duration;

use super::*;

mod example;
mod outside;
mod selections;

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

/// What the operator is told, one line each.
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
fn what_polls_nothing_is_a_warning() {
    let config =
        parse("wecom: [{account: a, corp_id: b}, {account: c, corp_id: d, secret: e, contact: {users: none}}]");
    let warnings = config.unwrap().warnings;
    assert_eq!(warnings[0], "wecom[0]: nothing is polled: it has no block (contact, groupchat, kf)");
    assert_eq!(warnings[1], "wecom[1].contact: nothing is polled: it selects no subject");
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
fn the_file_is_read_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exporter.yaml");
    let load = || Config::load(&path);
    let missing = load().unwrap_err().to_string();
    assert!(missing.contains("write one (see exporter.example.yaml) or name it with --config.file"), "{missing}");
    std::fs::write(&path, b"# \xe4\xb8\xad\nwecom: \xff\n").unwrap();
    assert!(
        load()
            .unwrap_err()
            .to_string()
            .ends_with("exporter.yaml:2: byte 14 of the file is not UTF-8: save it as UTF-8")
    );
    std::fs::write(&path, "#".repeat(4 * 1024 * 1024 + 1)).unwrap();
    assert!(matches!(load(), Err(ConfigError::TooLarge { .. })));
    // A file's names are relative to its folder.
    std::fs::write(folder.path().join("secret"), "s3cret\n").unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("secret"), owner_only).unwrap();
    std::fs::write(&path, "\u{feff}".to_owned() + &SMALL.replace("s3cret", "{file: secret}")).unwrap();
    let config = load().unwrap();
    assert!(config.sources[0].account.credential.proof.present().is_ok_and(|secret| secret.is_some()));
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn a_secret_in_a_file_that_others_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SMALL).unwrap();
    let warnings = |mode| {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        Config::load(file.path()).unwrap().warnings
    };
    assert_eq!(warnings(0o600), Vec::<String>::new());
    assert!(warnings(0o640)[0].starts_with("wecom[0].secret: the secret is written in"), "{:?}", warnings(0o640));
    // The secrets of all other kinds, each of them the only one in the file.
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let without = SMALL.replace("s3cret", &format!("{{file: \"{}\"}}", secret.display()));
    for (line, place) in [
        ("    proxy_url: http://u:s3cret@127.0.0.1:1\n", "wecom[0].proxy_url"),
        ("    pseudonymize: {key: s3cret-s3cret-s3cret}\n", "wecom[0].pseudonymize.key"),
        ("    kf: {secret: s3cret}\n", "wecom[0].kf.secret"),
    ] {
        std::fs::write(file.path(), without.clone() + line).unwrap();
        let told = warnings(0o640);
        assert!(told.iter().any(|told| told.starts_with(&format!("{place}: the secret is written in"))), "{told:?}");
        assert!(!told.concat().contains("s3cret"), "{told:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_ca_file_that_is_a_pipe_is_told_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("ca.pem");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let text = SMALL.replace("    contact", &format!("    ca_file: \"{}\"\n    contact", pipe.display()));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(told(&text)));
    let told = receiver.recv_timeout(Duration::from_secs(30)).expect("it does not wait for the pipe's other end");
    assert!(told.contains("wecom[0].ca_file: ") && told.contains("ca.pem is not a file"), "{told}");
}

#[cfg(unix)]
#[test]
fn files_that_others_may_change_or_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("secret"), "s3cret").unwrap();
    std::fs::write(at("exporter.yaml"), SMALL.replace("s3cret", "{file: secret}")).unwrap();
    let warnings = |inside, config, secret| {
        for (path, mode) in [(folder.path().to_owned(), inside), (at("exporter.yaml"), config), (at("secret"), secret)]
        {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        Config::load(&at("exporter.yaml")).unwrap().warnings
    };
    assert_eq!(warnings(0o755, 0o644, 0o640), Vec::<String>::new());
    assert_eq!(warnings(0o700, 0o666, 0o666), Vec::<String>::new(), "nobody else comes through the folder");
    for (warnings, expected) in [
        (warnings(0o755, 0o646, 0o600), "--config.file: other users of this machine may change"),
        (warnings(0o777, 0o644, 0o600), "wecom[0].secret: other users of this machine may replace"),
        (warnings(0o755, 0o644, 0o644), "wecom[0].secret: other users of this machine may read"),
        (warnings(0o755, 0o644, 0o602), "wecom[0].secret: other users of this machine may change"),
    ] {
        assert!(warnings[0].starts_with(expected), "{expected}: {warnings:?}");
        assert!(!warnings.concat().contains("s3cret"));
    }
    warnings(0o755, 0o644, 0o600);
    let authority = rcgen::generate_simple_self_signed(["platform.example".to_owned()]).unwrap().cert.pem();
    std::fs::write(at("ca.pem"), authority).unwrap();
    std::fs::set_permissions(at("ca.pem"), std::fs::Permissions::from_mode(0o646)).unwrap();
    let text = SMALL.replace("s3cret", "{file: secret}").replace("    contact", "    ca_file: ca.pem\n    contact");
    std::fs::write(at("exporter.yaml"), text).unwrap();
    let warnings = Config::load(&at("exporter.yaml")).unwrap().warnings;
    assert!(warnings[0].starts_with("wecom[0].ca_file: other users of this machine may change"), "{warnings:?}");
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

#[test]
fn files_that_are_not_there_are_told_with_where_they_were_looked_for() {
    let with = |keys: &str| format!("wecom: [{{account: acme, corp_id: ww1, {keys}, contact: {{}}}}]");
    let here = std::env::current_dir().unwrap();
    let relative = format!("relative to the configuration's folder, {}", here.display());
    for (keys, place, says) in [
        ("secret: {file: ~/s}", "secret", "`~` is not expanded: write the whole path"),
        ("secret: {file: $HOME/s}", "secret", "`$NAME` is not expanded"),
        ("secret: {file: no/s}", "secret", relative.as_str()),
        ("secret: x, ca_file: no/ca", "ca_file", relative.as_str()),
        ("secret: x, proxy_url: {file: ~/p}", "proxy_url", "`~` is not expanded"),
    ] {
        let message = told(&with(keys));
        assert!(
            message.starts_with(&format!("exporter.yaml: wecom[0].{place}: ")) && message.contains(says),
            "{message}"
        );
    }
    let whole = told(&with("secret: {file: /nonexistent/s}"));
    assert!(!whole.contains("relative"), "{whole}");
    let warnings = parse(&with("access_token: {file: no/token}")).unwrap().warnings;
    assert!(warnings[0].contains(&relative), "{warnings:?}");
}

#[test]
fn a_department_of_feishu_that_does_not_begin_with_od_is_warned_of() {
    let text = "feishu: [{account: acme, app_id: cli_1, app_secret: s3cret, message_push: {departments: [od-1, 6dacd2de28ae4872]}}]";
    let warnings = parse(text).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("feishu[0].message_push.departments[1]: `6dacd2de28ae4872`"), "{warnings:?}");
    assert!(warnings[0].contains("`od-`"), "{warnings:?}");
}
