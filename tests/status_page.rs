//! The status page of the built program, in a browser too.
//!
//! The pictures are left in the folder `tmp` of the build, to be looked at.

use std::ops::RangeInclusive;
use std::path::Path;

use imstats_exporter::simulator::{Effect, Fault};

use crate::exporter::{Exporter, Site};
use crate::harness::CONTACT;
use crate::tools;

/// A company whose sources fail in each way that there is.
const FAILING: &str = "
wecom:
- {$wecom, contact: {$fast}, groupchat: {teams: {everyone: {owners: all}}, $fast}, kf: {secret: wrong, $fast}}
tencent_desk: [{$desk, agent_statistics: {$fast}}]
feishu: [{$feishu, message_push: {departments: top, $fast}}]
";

/// What a picture is called, and how the browser is to take it; the first also says what it has read.
const LOOKS: &[(&str, &[&str])] = &[
    ("desktop", &["--dump-dom", "--window-size=1280,1600"]),
    ("dark", &["--window-size=1280,1600", "--blink-settings=preferredColorScheme=0"]),
    ("phone", &["--window-size=500,1600"]),
];

/// The page as it is sent, and as a browser has it; where there is no browser, twice as it is sent.
async fn pages(exporter: &Exporter, name: &str, looks: &[(&str, &[&str])]) -> [String; 2] {
    exporter.until_settled().await;
    let url = exporter.url("/");
    let sent = exporter.get("/").await;
    let policy = sent.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    if !tools::has("chromium") {
        return [sent.body.clone(), sent.body];
    }
    let folder = tempfile::tempdir().unwrap();
    let mut built = String::new();
    for (look, flags) in looks {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("status_{name}_{look}.png"));
        let _ = std::fs::remove_file(&path);
        let to = format!("--screenshot={}", path.display());
        let printed = tools::browse(folder.path(), &[*flags, &[&to]].concat(), &url).await;
        let picture = std::fs::read(&path).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{}: {}", path.display(), picture.len());
        if flags.contains(&"--dump-dom") {
            built = printed;
        }
    }
    [sent.body, built]
}

/// How often `part` stands in `page`.
fn count(page: &str, part: &str) -> usize {
    page.matches(part).count()
}

#[tokio::test]
async fn each_source_says_how_it_stands_and_what_to_do_about_it() {
    let site = Site::new().await;
    let faults = site.simulator.faults();
    faults.add(Fault::on("feishu", Effect::Refuse(99_991_672)));
    faults.add(Fault::on(CONTACT, Effect::Refuse(60_111)));
    let config = site.write("all.yaml", FAILING);
    let exporter = site.exporter(&["--config.file", config.to_str().unwrap()]).await;
    for page in pages(&exporter, "failing", LOOKS).await {
        assert_eq!(count(&page, "<tr><th scope=\"row\">"), 6 + 1, "a row a source, and the account's calls: {page}");
        for part in [
            ">4 of 6 up</span>",
            "wecom_kf<small>acme</small>",
            "<span class=\"bad\">down</span>",
            "code 40001: ",
            "code 99991672: ",
            "in the developer console add",
            "8 of 8 targets are refused, the last: code 60111: ",
            "<small>the target day</small>",
            "<small class=\"warn\">target day 20",
            " ago<small><time datetime=\"20",
            // What is denied is asked after ten minutes.
            "in 9 min<small><time datetime=\"20",
            "<td data-of=\"denied\" class=\"number\">",
            "href=\"metrics?collect%5B%5D=tencent_desk_agent\"",
            "href=\"api/v1/status\"",
            concat!("version ", env!("CARGO_PKG_VERSION")),
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        let again =
            asked_again_in().find(|minutes| page.contains(&format!("in {minutes} min<small><time datetime=\"20")));
        assert!(again.is_some(), "none of {:?} min in {page}", asked_again_in());
        assert!(page.find(">down<") < page.find(">up<"), "what is down comes first");
        assert!(!page.contains("<script"));
    }
}

/// In how many minutes WeCom's answered targets are asked again: with the refresh of an hour and the waking after it, or a
/// minute after the next day is ready at most, at 06:00 in China, if that comes before.
fn asked_again_in() -> RangeInclusive<i64> {
    let now = jiff::Timestamp::now();
    let ready = jiff::civil::time(6, 0, 0, 0);
    let china = now.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
    let tomorrow = i64::from(china.time() >= ready);
    let next =
        china.with().time(ready).build().unwrap().checked_add(jiff::SignedDuration::from_hours(24 * tomorrow)).unwrap();
    let minutes = next.duration_since(&china).as_secs() / 60;
    (minutes - 1).min(69)..=(minutes + 2).min(69)
}

#[tokio::test]
async fn sixty_sources_have_sixty_rows() {
    let site = Site::new().await;
    // `$desk` names an account; each is to have its own.
    let written = site.write("all.yaml", "{$desk, agent_statistics: {$fast}}");
    let one = std::fs::read_to_string(written).unwrap();
    let account = |n| format!("- {}\n", one.replace("account: acme", &format!("account: a.{n}")));
    let config = site.write("all.yaml", &format!("tencent_desk:\n{}", (10..70).map(account).collect::<String>()));
    let exporter = site.exporter(&["--config.file", config.to_str().unwrap()]).await;
    for page in pages(&exporter, "sixty", &LOOKS[..1]).await {
        assert!(page.contains(">60 of 60 up</span>"), "{page}");
        assert_eq!(count(&page, "tencent_desk_agent<small>a."), 60);
        assert_eq!(count(&page, "<tr><th scope=\"row\">a."), 60);
    }
}

#[tokio::test]
async fn without_sources_it_says_so() {
    let site = Site::new().await;
    let config = site.write("all.yaml", "wecom: [{$wecom}]");
    let exporter = site.exporter(&["--config.file", config.to_str().unwrap()]).await;
    for path in ["/", "/metrics", "/api/v1/status"] {
        assert_eq!(exporter.get(path).await.status, 200, "{path}");
    }
    let page = exporter.get("/").await.body;
    assert!(page.contains("The configuration names no sources."), "{page}");
    assert_eq!(count(&page, "<table>"), 0);
}
