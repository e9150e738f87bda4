//! What befalls the machine: its disk, its files, its limits.

use crate::exporter::{Exporter, Site};
use crate::harness::Page;
use std::path::Path;
use std::process::{Command, Stdio};

/// One source, and then more of which nothing is stored yet.
const FEW: &str = "poll_interval: 1s\nwecom: [{$wecom, contact: {$fast}}]";
const MORE: &str = "poll_interval: 1s\nwecom: [{$wecom, contact: {$fast}, groupchat: {$fast}}]";

/// The program with a store, when it shows the members' figures; a reload brings the owners'.
async fn showing_few(site: &Site) -> Exporter {
    site.write("exporter.yaml", FEW);
    let exporter = Exporter::start(site.command()).await;
    exporter.page_with("the few are shown", has_contact).await;
    site.write("exporter.yaml", MORE);
    exporter
}

fn has_contact(page: &str) -> bool {
    page.contains("\nwecom_contact_user_new_contacts{")
}

fn has_groupchat(page: &str) -> bool {
    page.contains("\nwecom_groupchat_owner_chats{")
}

/// The page stands as it is while the store fails in these words, of which the status page tells as well.
async fn store_fails(exporter: &Exporter, words: &str) {
    exporter.until("the log tells", async || exporter.log().contains(words)).await;
    exporter.until("the status page tells", async || exporter.get("/").await.body.contains(words)).await;
    let page = exporter.get("/metrics").await.body;
    assert!(has_contact(&page) && !has_groupchat(&page), "what is not stored is not shown");
    assert_eq!(exporter.get("/-/healthy").await.status, 200);
}

/// Runs a command of the system; tells whether it was content.
fn system(program: &str, arguments: &[&str]) -> bool {
    let done = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// A small disk, mounted on a folder for as long as it lives.
pub(crate) struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// `None` where this user may not mount any.
    pub(crate) fn mount(folder: &'a Path, options: &str) -> Option<Self> {
        Self::mounted(folder, &["-t", "tmpfs", "-o", options, "imstats-test"])
    }

    /// Mounts what is in the file `image`; `None` as above.
    fn mount_image(folder: &'a Path, image: &Path) -> Option<Self> {
        Self::mounted(folder, &["-o", "loop", image.to_str().unwrap()])
    }

    fn mounted(folder: &'a Path, what: &[&str]) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = system("mount", &[what, &[folder.to_str().unwrap()]].concat());
        if !mounted {
            println!("skipped, as this user may not mount a disk");
        }
        mounted.then_some(Self(folder))
    }

    /// Lets it end as after an error: from now on it is read-only, also for those who have files open.
    fn abort(&self) {
        assert!(system("mount", &["-o", "remount,abort", self.0.to_str().unwrap()]));
    }

    /// Makes it larger.
    pub(crate) fn grow(&self, size: &str) {
        let size = format!("remount,size={size}");
        assert!(system("mount", &["-o", &size, self.0.to_str().unwrap()]));
    }

    /// Fills it to the last byte; gives the file to delete.
    pub(crate) fn fill(&self) -> std::path::PathBuf {
        let file = self.0.join("filler");
        let mut length = 0;
        for step in [1 << 16, 1 << 12, 1] {
            while std::fs::write(&file, vec![0; length + step]).is_ok() {
                length += step;
            }
        }
        file
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // Lazily: a program that was killed may still have it.
        system("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_used_again_when_there_is_space() {
    let site = Site::new().await;
    let folder = site.store();
    let Some(disk) = Disk::mount(&folder, "size=2m") else { return };
    let exporter = showing_few(&site).await;
    let filler = disk.fill();
    exporter.signal("HUP");
    store_fails(&exporter, "no space left for").await;
    std::fs::remove_file(filler).unwrap();
    let page = exporter.page_with("the rest is shown", has_groupchat).await;
    assert!(has_contact(&page));
    assert_eq!(Page::read(&page).all("imstats_source_up"), [1.0, 1.0]);
    // What was stored is there after a kill, and on a full disk too.
    drop(exporter);
    let filler = disk.fill();
    let exporter = Exporter::start(site.command()).await;
    let again = exporter.get("/metrics").await.body;
    assert_eq!(Page::read(&again).figures(), Page::read(&page).figures(), "{}", exporter.log());
    std::fs::remove_file(filler).unwrap();
}

#[tokio::test]
async fn a_store_that_vanishes_is_told_and_figures_are_shown_on() {
    let site = Site::new().await;
    let exporter = showing_few(&site).await;
    std::fs::remove_dir_all(site.store()).unwrap();
    exporter.signal("HUP");
    store_fails(&exporter, "is gone").await;
    drop(exporter);
    let exporter = Exporter::start(site.command()).await;
    exporter.page_with("all is fetched again", |page| has_contact(page) && has_groupchat(page)).await;
}

#[tokio::test]
async fn a_store_that_another_process_locks_is_waited_for() {
    let site = Site::new().await;
    let exporter = showing_few(&site).await;
    let other = rusqlite::Connection::open(site.store().join("imstats.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    exporter.signal("HUP");
    store_fails(&exporter, "locked by another process").await;
    other.execute_batch("ROLLBACK").unwrap();
    exporter.page_with("the rest is shown", has_groupchat).await;
}

/// The program's end, as it can't use its store: exit code 1, and these words.
fn refuses_to_start(site: &Site, words: &[&str]) {
    let output = site.command().stderr(Stdio::piped()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(words.iter().all(|word| log.contains(word)), "{words:?} in {log}");
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_told_at_the_start() {
    let site = Site::new().await;
    drop(showing_few(&site).await);
    let file = site.store().join("imstats.db");
    let mut bytes = std::fs::read(&file).unwrap();
    // The schema's version stands at 60.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&file, &bytes).unwrap();
    std::fs::remove_file(site.store().join("imstats.db-wal")).unwrap();
    refuses_to_start(&site, &["newer version", "schema 99"]);
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "it is left as it is");
    std::fs::remove_dir_all(site.store()).unwrap();
    std::fs::write(site.store(), "").unwrap();
    refuses_to_start(&site, &["must be a directory that this user may write to"]);
    std::fs::remove_file(site.store()).unwrap();
    let folder = site.store();
    for (options, words) in [
        ("ro", "must be a directory that this user may write to"),
        ("ro", "ead-only"),
        ("size=4k", "no space left for"),
        ("size=12k", "no space left for"),
        ("size=40k", "no space left for"),
    ] {
        let Some(_disk) = Disk::mount(&folder, options) else { return };
        refuses_to_start(&site, &[words]);
    }
}

#[tokio::test]
async fn a_disk_that_turns_read_only_leaves_the_page_and_costs_a_restart() {
    let site = Site::new().await;
    let (folder, image) = (site.store(), site.folder().join("disk"));
    std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    if !system("mkfs.ext4", &["-q", image.to_str().unwrap()]) {
        return println!("skipped, as there is no mkfs.ext4");
    }
    let Some(disk) = Disk::mount_image(&folder, &image) else { return };
    let exporter = showing_few(&site).await;
    let before = Page::read(&exporter.get("/metrics").await.body).figures();
    disk.abort();
    exporter.signal("HUP");
    store_fails(&exporter, "the disk fails or has become read-only").await;
    assert_eq!(Page::read(&exporter.get("/metrics").await.body).figures(), before);
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
    drop(disk);
    // What an operator would do; it mends what the abort left.
    system("fsck.ext4", &["-fy", image.to_str().unwrap()]);
    let Some(_disk) = Disk::mount_image(&folder, &image) else { panic!("it is no disk any more") };
    let exporter = Exporter::start(site.command()).await;
    let page = exporter.page_with("the rest is shown", has_groupchat).await;
    let after = Page::read(&page).figures();
    assert!(before.iter().all(|(series, value)| after.get(series) == Some(value)), "what was stored is there");
}

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
    let site = Site::new().await;
    site.write("exporter.yaml", MORE);
    let mut command = Command::new("prlimit");
    let ours = site.command();
    command.args(["--nofile=48", "--"]).arg(ours.get_program()).args(ours.get_args());
    crate::exporter::untold(&mut command);
    if !system("prlimit", &["--version"]) {
        println!("skipped, as prlimit is not installed");
        return;
    }
    let exporter = Exporter::start(command).await;
    exporter.page_with("all is shown", |page| has_contact(page) && has_groupchat(page)).await;
    let mut crowd = Vec::new();
    for _ in 0..80 {
        crowd.push(exporter.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").await);
    }
    let full = "cannot accept connections";
    exporter.until("no more are accepted", async || exporter.log().contains(full)).await;
    exporter.signal("HUP");
    let kept = "the configuration stays as it was";
    exporter.until("the file can't be read", async || exporter.log().contains(kept)).await;
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
