//! Flags that variables of the environment set.

use std::process::{Command, Stdio};

use crate::exporter::{Exporter, Site, program};

/// Ends by itself: the exit code, and what it logged.
fn finish(mut command: Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn empty_variables_are_as_unset_but_for_the_storage_path() {
    let site = Site::new().await;
    let config = site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    let mut command = program(&["--web.listen-address", "127.0.0.1:0", "--config.file"]);
    command.arg(config).current_dir(site.folder());
    for name in [
        "WEB_CONFIG_FILE",
        "SHARD",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "WEB_TELEMETRY_PATH",
        "WEB_ENABLE_LIFECYCLE",
        "STORAGE_RETENTION",
        "STORAGE_PATH",
    ] {
        command.env(format!("IMSTATS_{name}"), "");
    }
    let exporter = Exporter::start(command).await;
    exporter.page_with("figures are shown", |page| page.contains("\nwecom_contact_user_new_contacts{")).await;
    assert!(!site.folder().join("data").exists(), "the store is in memory");
    let mut command = program(&["check"]);
    command.env("IMSTATS_CONFIG_FILE", "").env("IMSTATS_WEB_LISTEN_ADDRESS", "").current_dir(site.folder());
    assert_eq!(finish(command), (Some(0), String::new()));
}

#[tokio::test]
async fn a_wrong_variable_is_named_and_a_flag_that_counts_more_is_not() {
    let site = Site::new().await;
    site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    for (name, text, says) in [
        ("IMSTATS_SHARD", "3/2", "for 'IMSTATS_SHARD'"),
        ("IMSTATS_LOG_LEVEL", "loud", "for 'IMSTATS_LOG_LEVEL': write error, warn"),
        ("IMSTATS_LOG_FORMAT", "xml", "for 'IMSTATS_LOG_FORMAT'"),
        ("IMSTATS_STORAGE_RETENTION", "400", "for 'IMSTATS_STORAGE_RETENTION'"),
        ("IMSTATS_WEB_LISTEN_ADDRESS", ":0,", "for 'IMSTATS_WEB_LISTEN_ADDRESS': an address is missing"),
        ("IMSTATS_WEB_LISTEN_ADDRESS", "21033", "cannot listen (IMSTATS_WEB_LISTEN_ADDRESS)"),
        ("IMSTATS_CONFIG_FILE", "/nonexistent/x.yaml", "name it with IMSTATS_CONFIG_FILE"),
        ("IMSTATS_WEB_CONFIG_FILE", "/nonexistent/w.yml", "IMSTATS_WEB_CONFIG_FILE: "),
    ] {
        let mut command = program(&[]);
        command.env(name, text).env("IMSTATS_STORAGE_PATH", "").current_dir(site.folder());
        let (code, log) = finish(command);
        assert!(matches!(code, Some(1 | 2)), "{name}: {log}");
        assert!(log.contains(says), "{name}: {log}");
    }
    let mut command = program(&["check", "--shard", "5/5"]);
    command.env("IMSTATS_SHARD", "0/1").current_dir(site.folder());
    let (_, log) = finish(command);
    assert!(log.contains("--shard") && !log.contains("IMSTATS"), "{log}");
}

#[tokio::test]
async fn texts_of_variables_are_trimmed_and_levels_have_any_case() {
    let site = Site::new().await;
    site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    let mut command = program(&[]);
    command.current_dir(site.folder()).env("IMSTATS_STORAGE_PATH", "").env("IMSTATS_LOG_LEVEL", "INFO\r");
    command.env("IMSTATS_WEB_LISTEN_ADDRESS", "127.0.0.1:0, [::1]:0 \r").env("IMSTATS_SHARD", " 0/1\r");
    let exporter = Exporter::start(command).await;
    exporter.until("both listen", async || exporter.addresses().len() == 2).await;
    for level in ["warning", "Warn", "ERROR"] {
        let mut command = program(&["check", "--log.level", level, "--log.format", "JSON"]);
        command.current_dir(site.folder());
        assert_eq!(finish(command), (Some(0), String::new()), "{level}");
    }
}
