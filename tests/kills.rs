//! The program killed at any moment, many times: no figure is lost, and none is wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use imstats_exporter::day::{Day, Zone};

use crate::exporter::{Exporter, Site};
use crate::figures::{assert_same, expected};
use crate::harness::{Page, everything};

/// How often it is killed; `IMSTATS_KILLS` for more.
fn kills() -> u32 {
    std::env::var("IMSTATS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(25)
}

/// Every target is settled, and shown.
pub(crate) fn settled(page: &str) -> bool {
    let page = Page::read(page);
    let open = |state: &str| page.all(&format!("imstats_source_targets{{state=\"{state}\"}}")).iter().sum::<f64>();
    page.all("imstats_source_stat_timestamp_seconds").len() == 6 && open("pending") + open("failed") == 0.0
}

/// What the platforms have of the days that are shown.
fn truth(site: &Site, page: &str) -> BTreeMap<String, f64> {
    let page = Page::read(page);
    let day = |source: &str| {
        let shown = page.series(&format!("imstats_source_stat_timestamp_seconds{{source=\"{source}\"}}"));
        Day::from_midnight(shown.unwrap() as i64, &Zone::china()).unwrap()
    };
    expected(site.simulator.company(), day("wecom_contact"), day("feishu_message_push"))
}

#[tokio::test]
async fn every_figure_is_the_platforms_however_often_it_is_killed() {
    let site = Site::of(60).await;
    let yaml = everything(&site.simulator).replace("poll_interval: 10m", "poll_interval: 1s");
    site.write("exporter.yaml", &yaml);
    let (started, mut asked, mut seen) = (Instant::now(), Vec::new(), Vec::new());
    for n in 0..kills() {
        // A store in every state of the first round is killed, and now and then one begins anew.
        if n % 10 == 0 {
            let _ = std::fs::remove_dir_all(site.store());
            asked.push(0);
            site.simulator.reset_calls();
        }
        let mut process = site.command().stderr(std::process::Stdio::null()).spawn().unwrap();
        // At any moment of its life; every other time within its first calls, however slow the machine is.
        let asked_before = site.simulator.calls().values().sum::<u64>();
        let life = Instant::now();
        while n % 2 == 0
            && life.elapsed() < Duration::from_secs(1)
            && site.simulator.calls().values().sum::<u64>() == asked_before
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..200_000))).await;
        // SIGKILL.
        process.kill().unwrap();
        process.wait().unwrap();
        *asked.last_mut().unwrap() = site.simulator.calls().values().sum::<u64>();
        if n % 5 == 4 {
            let exporter = Exporter::start(site.command()).await;
            let page = exporter.page_with("it is up", |page| page.contains("imstats_build_info")).await;
            seen.extend(Page::read(&page).figures());
        }
    }
    let exporter = Exporter::start(site.command()).await;
    let page = exporter.page_with("all is shown", settled).await;
    let truth = truth(&site, &page);
    assert_same(&Page::read(&page).figures(), &truth);
    for (series, value) in &seen {
        assert_eq!(truth.get(series), Some(value), "{series} on a page between two kills");
    }
    assert!(!exporter.log().contains("damaged"), "{}", exporter.log());
    let (kills, figures) = (kills(), truth.len());
    println!(
        "{kills} kills in {:?}; calls of each store {asked:?}; {figures} figures, {} seen before",
        started.elapsed(),
        seen.len()
    );
    assert!(!site.store().join("imstats.db-suspect").exists());
}
