//! The configuration read anew while the program runs.

use crate::exporter::{Exporter, Site};
use crate::harness::{CONTACT, Page};

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
