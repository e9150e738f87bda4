//! What goes wrong with the machine: damaged files, limits.

use std::process::Command;

use crate::disk::{MORE, has_contact, has_groupchat};
use crate::exporter::{Exporter, Site};
use crate::harness::Page;
use crate::tools;

#[tokio::test]
async fn a_damaged_store_shows_no_wrong_figure_and_is_set_aside() {
    let site = Site::new().await;
    site.write("exporter.yaml", MORE);
    let exporter = Exporter::start(site.command()).await;
    let page = exporter.page_with("all is shown", |page| has_contact(page) && has_groupchat(page)).await;
    let truth = Page::read(&page).figures();
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
    let file = site.store().join("imstats.db");
    // The last to close a file puts its log into it.
    let last = rusqlite::Connection::open(&file).unwrap();
    last.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(last);
    let whole = std::fs::read(&file).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 10, "{pages}");
    let mut aside = 0;
    // Each page in turn is overwritten, and the file is cut after it.
    for (page, cut) in (0..pages).flat_map(|page| [(page, false), (page, true)]).step_by(3) {
        std::fs::remove_dir_all(site.store()).unwrap();
        std::fs::create_dir(site.store()).unwrap();
        let mut damaged = whole.clone();
        if cut {
            damaged.truncate(page * 4096 + 1000);
        } else {
            damaged[page * 4096..(page + 1) * 4096].fill(0x55);
        }
        std::fs::write(&file, damaged).unwrap();
        // Damage that is met late is told; the next start reads all of the file, and sets it aside.
        let mut starts = 0;
        loop {
            starts += 1;
            assert!(starts <= 3, "page {page} of {pages}, cut: {cut}");
            let exporter = match Exporter::attempt(site.command()).await {
                Ok(exporter) => exporter,
                Err(log) => {
                    assert!(log.contains("is damaged") && log.contains("restart"), "page {page}: {log}");
                    continue;
                }
            };
            for (series, value) in Page::read(&exporter.get("/metrics").await.body).figures() {
                assert_eq!(truth.get(&series), Some(&value), "{series} with page {page} damaged");
            }
            let recovered = async || Page::read(&exporter.get("/metrics").await.body).figures() == truth;
            exporter.until("it recovers", async || recovered().await || exporter.log().contains("is damaged")).await;
            assert!(!exporter.log().contains("panicked"), "page {page}: {}", exporter.log());
            if recovered().await {
                break;
            }
        }
        aside += usize::from(
            std::fs::read_dir(site.store())
                .unwrap()
                .any(|entry| entry.unwrap().file_name().to_string_lossy().contains(".damaged-")),
        );
    }
    assert!(aside > pages / 3, "{aside} of {} were set aside", pages * 2 / 3);
}

#[tokio::test]
async fn out_of_file_descriptors_it_waits_for_some() {
    if !tools::has("prlimit") {
        return;
    }
    let site = Site::new().await;
    site.write("exporter.yaml", MORE);
    let mut command = Command::new("prlimit");
    let ours = site.command();
    command.args(["--nofile=48", "--"]).arg(ours.get_program()).args(ours.get_args());
    crate::exporter::untold(&mut command);
    let exporter = Exporter::start(command).await;
    exporter.page_with("all is shown", |page| has_contact(page) && has_groupchat(page)).await;
    let mut crowd = Vec::new();
    for _ in 0..80 {
        crowd.push(exporter.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n").await);
    }
    let full = "cannot accept connections";
    exporter.until("no more are accepted", async || exporter.log().contains(full)).await;
    let kept = "the configuration stays as it was";
    let refused = async || {
        // Again, as a descriptor may just be free.
        exporter.signal("HUP");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        exporter.log().contains(kept)
    };
    exporter.until("the file can't be read", refused).await;
    let before = exporter.processor_seconds();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let spent = exporter.processor_seconds() - before;
    assert!(spent < 0.5, "{spent} s of a processor while it waits");
    assert!(exporter.log().matches(full).count() < 3, "{}", exporter.log());
    drop(crowd);
    let page = exporter.page_with("it serves again", has_groupchat).await;
    assert!(has_contact(&page));
    assert!(!exporter.log().contains("panicked"), "{}", exporter.log());
}
