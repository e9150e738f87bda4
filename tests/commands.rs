//! The small commands of the built program: health check, example, manual page, dashboards.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::program::{Running, run};

/// A demo of a few people that serves on a free port, and its port.
fn demo(flags: &[&str]) -> (Running, String) {
    let demo = [&["demo", "--users", "4", "--web.listen-address", "127.0.0.1:0"], flags].concat();
    let running = Running::start(&demo);
    let line = running.log_line("listening");
    let port = line.split("address=127.0.0.1:").nth(1).unwrap_or_else(|| panic!("{line}"));
    (running, format!(":{}", port.split(['"', ' ']).next().unwrap()))
}

/// Writes a certificate that names another machine, its key, and a web configuration with them and `more`.
fn web_config(folder: &Path, more: &str) -> String {
    let signed = rcgen::generate_simple_self_signed(["exporter.example".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), signed.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    let web = folder.join("web.yml");
    fs::write(&web, format!("tls_server_config: {{cert_file: cert.pem, key_file: key.pem{more}}}\n")).unwrap();
    web.to_str().unwrap().to_owned()
}

#[test]
fn healthcheck_asks_the_running_exporter_in_plain_and_over_tls() {
    let folder = TempDir::new().unwrap();
    let plain = demo(&[]);
    let healthy = |port: &str, flags: &[&str]| run(&[&["healthcheck", "--web.listen-address", port], flags].concat());
    assert_eq!(healthy(&plain.1, &[]), (Some(0), String::new(), String::new()));
    for more in ["", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem"] {
        let web = web_config(folder.path(), more);
        let tls = demo(&["--web.config.file", &web]);
        assert_eq!(healthy(&tls.1, &["--web.config.file", &web]), (Some(0), String::new(), String::new()), "{more}");
        let (code, _, told) = healthy(&tls.1, &[]);
        assert_eq!(code, Some(1), "plain HTTP at a TLS port: {told}");
        tls.0.end("-TERM");
    }
    plain.0.end("-TERM");
    let (code, out, told) = healthy(&plain.1, &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(told.contains("no answer from http://127.0.0.1:") && told.contains("onnection refused"), "{told}");
}

#[test]
fn each_part_of_the_example_is_a_valid_configuration() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "a-secret-of-some-length").unwrap();
    let (code, whole, _) = run(&["example"]);
    assert_eq!((code, whole.as_str()), (Some(0), crate::house::read("exporter.example.yaml").as_str()));
    for (platform, source) in
        [("wecom", "wecom_contact"), ("feishu", "feishu_message_push"), ("tencent_desk", "tencent_desk_agent")]
    {
        let (code, text, _) = run(&["example", "--vendor", platform]);
        assert_eq!(code, Some(0));
        // The secrets that it names are the operator's.
        let place = format!("{{file: {}}}", secret.display());
        let lines = text.lines().map(|line| match (line.trim_start().starts_with('#'), line.find("{env: ")) {
            (false, Some(at)) => format!("{}{place}", &line[..at]),
            _ => match (line.trim_start().starts_with('#'), line.find("{file: /run")) {
                (false, Some(at)) => format!("{}{place}", &line[..at]),
                _ => line.to_owned(),
            },
        });
        let file = folder.path().join(format!("{platform}.yaml"));
        fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
        let (code, out, told) = run(&["check", "--config.file", file.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{out}{told}");
        assert!(out.contains(source), "{out}");
    }
    let (code, _, told) = run(&["example", "--vendor", "dingtalk"]);
    assert!(code == Some(2) && told.contains("tencent_desk"), "{told}");
}

#[test]
fn the_manual_page_names_every_command_and_flag() {
    let (code, page, _) = run(&["man"]);
    assert_eq!(code, Some(0));
    assert!(page.contains(".TH imstats_exporter 1"), "{}", &page[..page.len().min(200)]);
    let plain = page.replace("\\-", "-");
    for word in ["--config.file", "--storage.retention", "IMSTATS_LOG_LEVEL", "backfill", "healthcheck"] {
        assert!(plain.contains(word), "{word}");
    }
}

#[test]
fn dashboards_leave_what_somebody_changed() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().to_str().unwrap();
    let rules = folder.path().join("prometheus/alerts.yaml");
    let (code, out, told) = run(&["dashboards", dir]);
    assert_eq!((code, told.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("prometheus/alerts.yaml\n"), "{out}");
    let original = fs::read_to_string(&rules).unwrap();
    let (code, out, _) = run(&["dashboards", dir]);
    assert!(code == Some(0) && out.contains("prometheus/alerts.yaml (unchanged)"), "{out}");

    fs::write(&rules, "groups: []\n").unwrap();
    let (code, _, told) = run(&["dashboards", dir]);
    assert_eq!(code, Some(1), "it was changed by hand");
    assert!(told.contains("alerts.yaml was changed since it was written") && told.contains("--force"), "{told}");
    assert_eq!(fs::read_to_string(&rules).unwrap(), "groups: []\n");

    // What an older version wrote, which its hash shows, is replaced.
    let hashes = folder.path().join(".imstats_exporter.sha256");
    let known = fs::read_to_string(&hashes).unwrap();
    let hash = known.lines().find(|line| line.ends_with("prometheus/alerts.yaml")).unwrap();
    let older: String = Sha256::digest("groups: []\n").iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&hashes, known.replace(&hash[..64], &older)).unwrap();
    let (code, out, _) = run(&["dashboards", dir]);
    assert!(code == Some(0) && out.contains("prometheus/alerts.yaml (replaced)"), "{out}");
    assert_eq!(fs::read_to_string(&rules).unwrap(), original);

    fs::write(&rules, "groups: []\n").unwrap();
    let (code, out, _) = run(&["dashboards", dir, "--force"]);
    assert!(code == Some(0) && out.contains("prometheus/alerts.yaml (replaced)"), "{out}");
    assert_eq!(fs::read_to_string(&rules).unwrap(), original);

    // Nothing is written through a link.
    let victim = folder.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    fs::remove_file(&rules).unwrap();
    symlink(&victim, &rules).unwrap();
    let (code, _, told) = run(&["dashboards", dir, "--force"]);
    assert!(code == Some(1) && told.contains("a link or no plain file"), "{told}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
}

#[test]
fn what_people_try_first_gets_a_tip() {
    for (arguments, tip) in [
        (
            &["check", "exporter.yaml"][..],
            "tip: a configuration file is named with its flag: --config.file exporter.yaml",
        ),
        (&["exporter.yaml"], "tip: a configuration file is named with its flag: --config.file exporter.yaml"),
        (&["help"], "tip: write --help"),
        (&["version"], "tip: write --version"),
        (&["-config.file", "x"], "tip: flags begin with two dashes: --config.file"),
        (&["check", "-config.file=x"], "tip: flags begin with two dashes: --config.file"),
        (&["check", "-online"], "tip: flags begin with two dashes: --online"),
    ] {
        let (code, _, told) = run(arguments);
        assert!(code == Some(2) && told.contains(tip), "{arguments:?}: {told}");
    }
    let (code, out, _) = run(&["--version"]);
    assert!(code == Some(0) && !out.contains("unknown"), "{out}");
}

#[test]
fn check_counts_in_words_and_says_what_only_the_platform_knows() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("exporter.yaml");
    let checked = |contact: &str| {
        fs::write(&file, format!("wecom: [{{account: acme, corp_id: ww1, secret: x, contact: {contact}}}]\n")).unwrap();
        let (code, out, told) = run(&["check", "--storage.path", "", "--config.file", file.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{out}{told}");
        out
    };
    let named = checked("{users: [a]}");
    assert!(named.contains("is valid: 1 source\n") && named.contains(": 1 target, at most 1 call a round"), "{named}");
    let listed = checked("{users: all}");
    assert!(listed.contains("unknown until the platform lists them: run check --online"), "{listed}");
    assert!(!listed.contains("0 calls") && !listed.contains("0 targets"), "{listed}");
}

#[test]
fn a_folder_of_the_store_that_had_to_be_made_is_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("exporter.yaml");
    fs::write(&file, "wecom: [{account: acme, corp_id: ww1, secret: x, contact: {users: []}}]\n").unwrap();
    let store = folder.path().join("typo/data");
    let start = || {
        let (file, store) = (file.to_str().unwrap(), store.to_str().unwrap());
        Running::start(&["--config.file", file, "--storage.path", store, "--web.listen-address", "127.0.0.1:0"])
    };
    let first = start();
    let line = first.log_line("was not there, and was made");
    assert!(line.contains(store.to_str().unwrap()), "{line}");
    first.log_line("listening");
    first.end("-TERM");
    let second = start();
    second.log_line("listening");
    let (_, _, log) = second.end("-TERM");
    assert!(!log.contains("was made"), "{log}");
}
