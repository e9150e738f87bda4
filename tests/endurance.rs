//! What is done to the running program: signals in the middle of a round, and hundreds of reloads.

use std::time::{Duration, Instant};

use imstats_exporter::simulator::{Effect, Fault};

use crate::exporter::{Exporter, Site};
use crate::harness::{CONTACT, DESK, PUSH, Page, everything, raw};
use crate::kills::settled;

/// All of it, as one that is hurried polls it.
fn hurried(site: &Site) -> String {
    everything(&site.simulator).replace("poll_interval: 10m", "poll_interval: 1s")
}

fn targets(page: &str, state: &str) -> f64 {
    Page::read(page).all(&format!("imstats_source_targets{{state=\"{state}\"}}")).iter().sum()
}

/// The program in the middle of its first round: one member's answer does not come, the others have come.
async fn hanging(site: &Site, yaml: &str) -> (Exporter, u64) {
    site.write("exporter.yaml", yaml);
    let user = site.simulator.company().follow_users().nth(3).unwrap().userid.clone();
    let hang = site.simulator.faults().add(Fault::on(CONTACT, Effect::Hang).subject(&user));
    let exporter = Exporter::start(site.command()).await;
    let all = site.simulator.company().follow_users().count() as u64;
    let asked = async || site.simulator.calls().get(CONTACT).copied().unwrap_or_default() >= all;
    exporter.until("all are asked", asked).await;
    // The rest of them is stored within a moment.
    tokio::time::sleep(Duration::from_millis(200)).await;
    (exporter, hang)
}

const MEMBERS: &str = "poll_interval: 1s\nwecom: [{$wecom, contact: {$fast}}]";

#[tokio::test]
async fn an_end_in_the_middle_of_a_round_is_quick_and_keeps_what_came() {
    let site = Site::new().await;
    let (exporter, hang) = hanging(&site, MEMBERS).await;
    let started = Instant::now();
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    site.simulator.faults().remove(hang);
    site.simulator.reset_calls();
    let exporter = Exporter::start(site.command()).await;
    let all = site.simulator.company().follow_users().count();
    exporter.page_with("all is shown", |page| targets(page, "ok") == all as f64).await;
    assert_eq!(site.simulator.calls()[CONTACT], 1, "only the one that had not come is asked");
}

#[tokio::test]
async fn a_reload_in_the_middle_of_a_round_asks_only_what_had_not_come() {
    let site = Site::new().await;
    let (exporter, hang) = hanging(&site, MEMBERS).await;
    site.simulator.faults().remove(hang);
    site.simulator.reset_calls();
    exporter.signal("HUP");
    let all = site.simulator.company().follow_users().count();
    exporter.page_with("all is shown", |page| targets(page, "ok") == all as f64).await;
    assert_eq!(site.simulator.calls()[CONTACT], 1);
}

#[tokio::test]
async fn hundreds_of_reloads_take_no_memory_no_files_and_no_threads() {
    let count: u32 = std::env::var("IMSTATS_RELOADS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let site = Site::new().await;
    site.write("exporter.yaml", &hurried(&site));
    let mut command = site.command();
    command.arg("--web.enable-lifecycle");
    let exporter = Exporter::start(command).await;
    let page = exporter.page_with("all is shown", settled).await;
    let figures = Page::read(&page).figures();
    let weigh = || (exporter.status("VmRSS"), exporter.open_files(), exporter.status("Threads"));
    let mut before = weigh();
    for n in 0..count {
        let answer = exporter.send("POST /-/reload HTTP/1.1").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        if n == count / 4 {
            before = weigh();
        }
    }
    let page = exporter.get("/metrics").await.body;
    assert_eq!(Page::read(&page).figures(), figures);
    assert_eq!(Page::read(&page).all("imstats_source_up"), [1.0; 6]);
    let after = weigh();
    println!("{count} reloads: from {before:?} to {after:?} KiB, files, threads");
    assert!(after.0 < before.0 + 8 * 1024, "{} KiB became {}", before.0, after.0);
    assert!(after.1 <= before.1 + 5, "{} files became {}", before.1, after.1);
    assert!(after.2 <= before.2 + 2, "{} threads became {}", before.2, after.2);
}

#[tokio::test]
async fn answers_made_to_fill_the_memory_do_not() {
    let site = Site::new().await;
    site.write("exporter.yaml", &hurried(&site));
    // Not the answers to logins: without a token nothing else is asked for.
    for api in [CONTACT, DESK, PUSH] {
        site.simulator.faults().add(Fault::on(api, raw(format!("[{}0]", "0,".repeat(8_000_000)))));
    }
    let exporter = Exporter::start(site.command()).await;
    let malformed = |page: &str| {
        Page::read(page).all("imstats_api_requests_total{outcome=\"malformed\"}").iter().sum::<f64>() >= 6.0
    };
    exporter.page_with("some came", malformed).await;
    let most = exporter.status("VmHWM");
    println!("{most} KiB at most");
    assert!(most < 600 * 1024, "{most} KiB");
}
