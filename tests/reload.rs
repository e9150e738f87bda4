//! The configuration read anew while the program runs.

use crate::exporter::{Exporter, Site};
use crate::harness::{CONTACT, Page};
use imstats_exporter::day::Zone;
use imstats_exporter::simulator::{Effect, Fault};

const BOTH: &str = "poll_interval: 1s\nwecom: [{$wecom, contact: {$fast}, groupchat: {$fast}}]";
const CONTACT_ALONE: &str = "poll_interval: 1s\nwecom: [{$wecom, contact: {$fast}}]";
const BROKEN: &str = "poll_interval: 1s\nwecom:\n- {$wecom, contact: {$fast}, groupchat: {owner: all}}";

/// The program with both sources shown.
async fn showing_both(site: &Site) -> Exporter {
    let exporter = site.exporter(&["--web.enable-lifecycle"]).await;
    exporter.page_with("both are shown", |page| has_contact(page) && has_groupchat(page)).await;
    exporter.until_settled().await;
    exporter
}

fn has_contact(page: &str) -> bool {
    page.contains("\nwecom_contact_user_new_contacts{")
}

fn has_groupchat(page: &str) -> bool {
    page.contains("\nwecom_groupchat_owner_chats{")
}

fn successful(page: &str) -> Option<f64> {
    Page::read(page).series("imstats_config_last_reload_successful")
}

#[tokio::test]
async fn a_removed_source_vanishes_and_the_others_are_shown_without_a_gap() {
    let site = Site::new().await;
    let exporter = showing_both(&site).await;
    let calls = site.simulator.calls()[CONTACT];
    let figures = |page: &str| {
        let figures = Page::read(page).figures().into_iter();
        figures.filter(|(series, _)| series.starts_with("wecom_contact_")).collect::<Vec<_>>()
    };
    let before = figures(&exporter.get("/metrics").await.body);
    site.write("exporter.yaml", CONTACT_ALONE);
    let answer = exporter.send("POST /-/reload HTTP/1.1").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let page = exporter.get("/metrics").await.body;
    assert_eq!(figures(&page), before);
    // Calls stay counted.
    assert!(!page.contains("wecom_groupchat"), "neither figures nor how it stands");
    assert!(!exporter.get("/api/v1/status").await.body.contains("groupchat"));
    // A dashboard may bear its name.
    assert!(!exporter.get("/").await.body.contains("wecom_groupchat"));
    assert_eq!(successful(&page), Some(1.0));
    site.write("exporter.yaml", BOTH);
    exporter.signal("HUP");
    exporter.page_with("it is polled again", has_groupchat).await;
    assert_eq!(site.simulator.calls()[CONTACT], calls, "what was settled is not asked again");
}

#[tokio::test]
async fn labels_of_an_account_come_and_go_with_a_reload_and_without_a_call() {
    let site = Site::new().await;
    let exporter = showing_both(&site).await;
    let before = site.simulator.calls();
    let count = |page: &str, what: &str| {
        let figures =
            page.lines().filter(|line| line.starts_with("wecom_contact_") || line.starts_with("wecom_groupchat_"));
        figures.filter(|line| line.contains(what)).count()
    };
    let all = count(&exporter.get("/metrics").await.body, "{");
    for (labels, labelled) in [("labels: {region: north},", all), ("labels: {region: south},", all), ("", 0)] {
        let text = format!("wecom: [{{$wecom, {labels} contact: {{$fast}}, groupchat: {{$fast}}}}]");
        site.write("exporter.yaml", &text);
        let answer = exporter.send("POST /-/reload HTTP/1.1").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = exporter.get("/metrics").await.body;
        let value = labels.split(['{', '}']).nth(1).unwrap_or("region: ").replace(": ", "=\"");
        assert_eq!((count(&page, &value), count(&page, "{")), (labelled, all), "{labels}");
        assert!(!page.lines().any(|line| line.starts_with("imstats_") && line.contains("region=")));
    }
    assert_eq!(site.simulator.calls(), before);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told_where() {
    let site = Site::new().await;
    let exporter = showing_both(&site).await;
    site.write("exporter.yaml", BROKEN);
    let answer = exporter.send("POST /-/reload HTTP/1.1").await;
    assert_eq!(answer.status, 400);
    for part in ["exporter.yaml:3:", "wecom[0].groupchat.owner", "`owners`"] {
        assert!(answer.body.contains(part), "{part} in {}", answer.body);
    }
    exporter.signal("HUP");
    let refused = || exporter.log().matches("the configuration stays as it was").count() == 2;
    exporter.until("the second is refused too", async || refused()).await;
    let page = exporter.get("/metrics").await.body;
    assert!(has_contact(&page) && has_groupchat(&page));
    assert_eq!(successful(&page), Some(0.0));
    std::fs::remove_file(site.folder().join("exporter.yaml")).unwrap();
    let answer = exporter.send("POST /-/reload HTTP/1.1").await;
    assert_eq!((answer.status, answer.body.contains("No such file")), (400, true), "{}", answer.body);
    site.write("exporter.yaml", BOTH);
    assert_eq!(exporter.send("POST /-/reload HTTP/1.1").await.status, 200);
    assert_eq!(successful(&exporter.get("/metrics").await.body), Some(1.0));
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
}

#[tokio::test]
async fn reloading_over_http_is_off_unless_it_is_asked_for() {
    let site = Site::new().await;
    let exporter = site.exporter(&[]).await;
    let answer = exporter.send("POST /-/reload HTTP/1.1").await;
    assert_eq!((answer.status, answer.body.contains("--web.enable-lifecycle")), (403, true));
}

#[tokio::test]
async fn the_name_of_an_account_is_not_given_to_another_company() {
    let site = Site::new().await;
    let file = site.write("exporter.yaml", CONTACT_ALONE);
    let mut command = site.command();
    command.arg("--web.enable-lifecycle");
    let exporter = Exporter::start(command).await;
    let page = exporter.page_with("all is shown", has_contact).await;
    exporter.until_settled().await;
    let own = std::fs::read_to_string(&file).unwrap();
    let other = own.replace(&site.simulator.company().corp_id, "ww0000000000000001");
    assert_ne!(own, other);
    std::fs::write(&file, &other).unwrap();
    let words = ["wecom_contact of account acme: the store has figures of ww", "ww0000000000000001 is another company"];
    let answer = exporter.send("POST /-/reload HTTP/1.1").await;
    assert!(answer.status == 400 && words.iter().all(|word| answer.body.contains(word)), "{}", answer.body);
    let figures = |page: &str| Page::read(page).figures();
    assert_eq!(figures(&exporter.get("/metrics").await.body), figures(&page));
    drop(exporter);
    for command in ["serve", "check", "export", "backfill"] {
        let mut started = site.command();
        started.arg(command).stdout(std::process::Stdio::null());
        if ["export", "backfill"].contains(&command) {
            let yesterday = imstats_exporter::day::Day::containing(jiff::Timestamp::now(), &Zone::china()).plus(-2);
            started.args(["--from", &yesterday.to_string(), "--to", &yesterday.to_string()]);
        }
        let output = started.stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && words.iter().all(|word| said.contains(word)), "{command}: {said}");
    }
    // Under another name it may be added, and the first one is shown again.
    std::fs::write(&file, &own).unwrap();
    let exporter = Exporter::start(site.command()).await;
    assert_eq!(figures(&exporter.get("/metrics").await.body), figures(&page));
}

#[tokio::test]
async fn a_retention_below_what_is_on_show_is_refused() {
    let site = Site::new().await;
    for (yaml, days, fits) in [
        // A month, two days until its figures are there, its day, and one until the next page takes its place.
        ("feishu: [{$feishu, message_push: {cycles: [day, month]}}]", "35d", false),
        ("feishu: [{$feishu, message_push: {cycles: [day, month]}}]", "36d", true),
        ("feishu: [{$feishu, message_push: {cycles: [week]}}]", "11d", false),
        ("feishu: [{$feishu, message_push: {cycles: [week]}}]", "12d", true),
        ("wecom: [{$wecom, contact: {}}]", "5d", false),
        ("wecom: [{$wecom, contact: {}}]", "6d", true),
        ("wecom: [{$wecom, contact: {lookback_days: 30, lag_days: 4}}]", "35d", false),
        ("wecom: [{$wecom, contact: {lookback_days: 30, lag_days: 4}}]", "36d", true),
    ] {
        site.write("exporter.yaml", yaml);
        let output = site.command().args(["check", "--storage.retention", days]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), fits, "{yaml} {days}: {said}");
        assert_eq!(said.contains("show and fetch figures that are up to"), !fits, "{said}");
    }
}

#[tokio::test]
async fn reloads_in_a_row_try_a_refused_secret_once() {
    let site = Site::new().await;
    site.simulator.faults().add(Fault::on("gettoken", Effect::Refuse(40001)));
    let exporter = site.exporter(&["--web.enable-lifecycle"]).await;
    let logins = || site.simulator.calls().get("gettoken").copied().unwrap_or(0);
    exporter.until("the secret is refused", async || logins() == 1).await;
    for _ in 0..30 {
        assert_eq!(exporter.send("POST /-/reload HTTP/1.1").await.status, 200);
    }
    exporter.until("it is tried again", async || logins() == 2).await;
    for _ in 0..10 {
        assert_eq!(exporter.send("POST /-/reload HTTP/1.1").await.status, 200);
    }
    assert_eq!(logins(), 2, "platforms ban addresses that fail to log in");
}
