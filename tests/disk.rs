//! The disk of the store is full, read-only, gone or hangs: figures are shown from memory, and stored when it is well.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exporter::{Exporter, Site};
use crate::harness::Page;
use crate::tools;

/// One source, and then more of which nothing is stored yet.
const FEW: &str = "poll_interval: 1s\nwecom: [{$wecom, contact: {$fast}}]";
pub(crate) const MORE: &str = "poll_interval: 1s\nwecom: [{$wecom, contact: {$fast}, groupchat: {$fast}}]";

/// The program, which takes the disk for one that hangs after 2 s, and waits 1 s for the lock of another process.
fn impatient(site: &Site) -> Command {
    let mut command = site.command();
    command.args(["--storage.patience", "2"]);
    command
}

/// The program with a store, when its first round is over and it shows the members' figures; a reload brings the
/// owners'.
async fn showing_few(site: &Site) -> Exporter {
    site.write("exporter.yaml", FEW);
    let exporter = Exporter::start(impatient(site)).await;
    exporter.page_with("the few are shown", has_contact).await;
    exporter.until("the round is over and stored", async || rounds(&exporter).await == 1).await;
    site.write("exporter.yaml", MORE);
    exporter
}

pub(crate) fn has_contact(page: &str) -> bool {
    page.contains("\nwecom_contact_user_new_contacts{")
}

pub(crate) fn has_groupchat(page: &str) -> bool {
    page.contains("\nwecom_groupchat_owner_chats{")
}

/// How many calls of any kind reached the platforms.
fn calls(site: &Site) -> u64 {
    site.simulator.calls().values().sum()
}

/// All figures are shown while the store can't be written, of which log, status page and gauge tell in these words.
/// Gives the page, and the calls that it took.
async fn shows_from_memory(site: &Site, exporter: &Exporter, words: &str) -> (String, u64) {
    let told = |page: &str| has_contact(page) && has_groupchat(page) && page.contains("\nimstats_store_writable 0");
    exporter.page_with("all is shown from memory", told).await;
    exporter.until("every source has had its round", async || rounds(exporter).await == 2).await;
    let log = exporter.log();
    assert_eq!(log.matches("the store cannot be written").count(), 1, "once: {log}");
    assert!(log.contains(words), "{words}: {log}");
    for path in ["/", "/api/v1/status"] {
        let body = exporter.get(path).await.body;
        assert!(body.replace("&#39;", "'").contains(words), "{path} without {words}: {body}");
    }
    assert_eq!(exporter.get("/-/healthy").await.status, 200);
    let page = exporter.get("/metrics").await.body;
    assert_eq!(Page::read(&page).all("imstats_source_up"), [1.0, 1.0]);
    (page, calls(site))
}

async fn rounds(exporter: &Exporter) -> usize {
    Page::read(&exporter.get("/metrics").await.body).all("imstats_source_last_success_timestamp_seconds").len()
}

/// What was kept in memory is stored without a call, and is there after a kill.
async fn stores_by_itself(site: &Site, exporter: Exporter, page: &str, before: u64) {
    exporter.page_with("it can be written", |page| page.contains("\nimstats_store_writable 1")).await;
    let now = exporter.get("/metrics").await.body;
    assert_eq!(Page::read(&now).figures(), Page::read(page).figures());
    assert!(exporter.log().contains("the store can be written again"), "{}", exporter.log());
    let body = exporter.get("/").await.body;
    assert!(!body.contains("can't be written"), "{body}");
    assert_eq!(calls(site), before, "nothing is asked again: {:?}", site.simulator.calls());
    drop(exporter);
    let exporter = Exporter::start(site.command()).await;
    let again = exporter.get("/metrics").await.body;
    assert_eq!(Page::read(&again).figures(), Page::read(page).figures(), "{}", exporter.log());
    assert_eq!(calls(site), before, "{:?}", site.simulator.calls());
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

    /// Makes a disk of ext4 in the file `image`, and mounts it; `None` as above.
    fn mount_image(folder: &'a Path, image: &Path) -> Option<Self> {
        if !tools::has("mkfs.ext4") || !tools::has("fsfreeze") {
            return None;
        }
        std::fs::File::create(image).unwrap().set_len(16 << 20).unwrap();
        assert!(system("mkfs.ext4", &["-q", image.to_str().unwrap()]));
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

    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(system("mount", &["-o", &options, self.0.to_str().unwrap()]));
    }

    /// Makes it larger.
    pub(crate) fn grow(&self, size: &str) {
        self.remount(&format!("size={size}"));
    }

    /// Lets whoever writes wait, until this is dropped.
    fn freeze(&self) -> Frozen<'a> {
        assert!(system("fsfreeze", &["--freeze", self.0.to_str().unwrap()]));
        Frozen(self.0)
    }

    /// Fills it to the last byte; gives the file to delete.
    pub(crate) fn fill(&self) -> PathBuf {
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

/// A disk that hangs.
struct Frozen<'a>(&'a Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        system("fsfreeze", &["--unfreeze", self.0.to_str().unwrap()]);
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // Lazily: a program that was killed may still have it.
        system("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

#[tokio::test]
async fn on_a_full_disk_figures_are_shown_from_memory_and_stored_when_there_is_space() {
    let site = Site::new().await;
    let folder = site.store();
    let Some(disk) = Disk::mount(&folder, "size=2m") else { return };
    let exporter = showing_few(&site).await;
    let filler = disk.fill();
    exporter.signal("HUP");
    let (page, calls) = shows_from_memory(&site, &exporter, "no space left for").await;
    std::fs::remove_file(filler).unwrap();
    stores_by_itself(&site, exporter, &page, calls).await;
    // What was stored is there on a full disk too.
    disk.fill();
    let exporter = Exporter::start(site.command()).await;
    assert_eq!(Page::read(&exporter.get("/metrics").await.body).figures(), Page::read(&page).figures());
}

#[tokio::test]
async fn on_a_disk_that_is_full_from_the_start_the_store_is_made_later() {
    let site = Site::new().await;
    let folder = site.store();
    for size in ["4k", "40k"] {
        site.write("exporter.yaml", MORE);
        let Some(disk) = Disk::mount(&folder, &format!("size={size}")) else { return };
        let exporter = Exporter::start(site.command()).await;
        let (page, calls) = shows_from_memory(&site, &exporter, "no space left for").await;
        disk.grow("4m");
        stores_by_itself(&site, exporter, &page, calls).await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_written_from_the_start_is_read_nevertheless() {
    let site = Site::new().await;
    let folder = site.store();
    let Some(disk) = Disk::mount(&folder, "size=4m") else { return };
    site.write("exporter.yaml", MORE);
    let exporter = Exporter::start(site.command()).await;
    exporter.page_with("all is shown", |page| has_contact(page) && has_groupchat(page)).await;
    exporter.until("every source has had its round", async || rounds(&exporter).await == 2).await;
    let page = exporter.get("/metrics").await.body;
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
    let before = calls(&site);
    for full in [false, true] {
        let filler = full.then(|| disk.fill());
        if !full {
            disk.remount("ro");
        }
        let exporter = Exporter::start(site.command()).await;
        let now = exporter.get("/metrics").await.body;
        assert_eq!(Page::read(&now).figures(), Page::read(&page).figures(), "full {full}: {}", exporter.log());
        let written = if full { 1.0 } else { 0.0 };
        let gauge = Page::read(&now).all("imstats_store_writable");
        // On a full disk nothing is to be written yet.
        assert!(gauge == [0.0] || gauge == [written], "full {full}: {gauge:?}");
        disk.remount("rw");
        filler.map(std::fs::remove_file).transpose().unwrap();
        stores_by_itself_or_is_well(&site, exporter, &page, before).await;
    }
}

/// As [`stores_by_itself`], where nothing may have been to be stored.
async fn stores_by_itself_or_is_well(site: &Site, exporter: Exporter, page: &str, before: u64) {
    exporter.page_with("it can be written", |page| page.contains("\nimstats_store_writable 1")).await;
    assert_eq!(calls(site), before, "{:?}", site.simulator.calls());
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
    let exporter = Exporter::start(site.command()).await;
    assert_eq!(Page::read(&exporter.get("/metrics").await.body).figures(), Page::read(page).figures());
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
}

#[tokio::test]
async fn a_store_that_is_deleted_is_made_anew_without_a_restart() {
    let site = Site::new().await;
    site.write("exporter.yaml", MORE);
    let exporter = Exporter::start(site.command()).await;
    let page = exporter.page_with("all is shown", |page| has_contact(page) && has_groupchat(page)).await;
    std::fs::remove_dir_all(site.store()).unwrap();
    exporter.until("it is told", async || exporter.log().contains("is gone or was replaced")).await;
    exporter.until("and made anew", async || site.store().join("imstats.db").exists()).await;
    let same = |now: &str| Page::read(now).figures() == Page::read(&page).figures();
    exporter.page_with("what it held is asked again, and shown", same).await;
    exporter.page_with("it can be written", |page| page.contains("\nimstats_store_writable 1")).await;
}

#[tokio::test]
async fn a_disk_that_is_unmounted_is_waited_for_and_nothing_is_written_below_it() {
    let site = Site::new().await;
    let (folder, image) = (site.store(), site.folder().join("disk"));
    let Some(disk) = Disk::mount_image(&folder, &image) else { return };
    let exporter = showing_few(&site).await;
    drop(disk);
    exporter.signal("HUP");
    let (page, calls) = shows_from_memory(&site, &exporter, "").await;
    exporter.until("it is told", async || exporter.log().contains("is a disk not mounted?")).await;
    assert!(!folder.join("imstats.db").exists());
    let Some(_disk) = Disk::mounted(&folder, &["-o", "loop", image.to_str().unwrap()]) else { panic!("again") };
    stores_by_itself(&site, exporter, &page, calls).await;
}

#[tokio::test]
async fn a_store_that_another_process_locks_for_long_is_not_waited_for() {
    let site = Site::new().await;
    let exporter = showing_few(&site).await;
    let other = rusqlite::Connection::open(site.store().join("imstats.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    exporter.signal("HUP");
    let (page, calls) = shows_from_memory(&site, &exporter, "locked by another process").await;
    other.execute_batch("ROLLBACK").unwrap();
    stores_by_itself(&site, exporter, &page, calls).await;
}

#[tokio::test]
async fn while_a_disk_hangs_figures_are_shown_from_memory_and_stored_when_it_answers() {
    let site = Site::new().await;
    let (folder, image) = (site.store(), site.folder().join("disk"));
    let Some(disk) = Disk::mount_image(&folder, &image) else { return };
    let exporter = showing_few(&site).await;
    let few = calls(&site);
    let before = exporter.get("/metrics").await.body;
    let frozen = disk.freeze();
    exporter.signal("HUP");
    // New figures are shown, and those of before as well, though nothing can be read either.
    let (page, more) = shows_from_memory(&site, &exporter, "the disk has not answered for 2 s").await;
    let contact = |page: &str| {
        let figures = Page::read(page).figures().into_iter();
        figures.filter(|(series, _)| series.starts_with("wecom_contact_")).collect::<Vec<_>>()
    };
    assert!(!contact(&page).is_empty());
    assert_eq!(contact(&page), contact(&before));
    assert!(more > few, "the owners were asked for");
    // A second reload while it hangs finds all of it in memory.
    exporter.signal("HUP");
    let reloads = async || exporter.log().matches("the configuration was loaded anew").count();
    exporter.until("it is loaded once more", async || reloads().await == 2).await;
    exporter.until("every source is there", async || rounds(&exporter).await == 2).await;
    let again = exporter.get("/metrics").await.body;
    assert_eq!(Page::read(&again).figures(), Page::read(&page).figures());
    assert_eq!(calls(&site), more, "{:?}", site.simulator.calls());
    drop(frozen);
    stores_by_itself(&site, exporter, &page, more).await;
}

#[tokio::test]
async fn a_disk_that_hangs_at_the_start_is_waited_for_once_and_its_store_is_opened_when_it_answers() {
    let site = Site::new().await;
    let (folder, image) = (site.store(), site.folder().join("disk"));
    let Some(disk) = Disk::mount_image(&folder, &image) else { return };
    drop(showing_few(&site).await);
    let frozen = disk.freeze();
    let exporter = Exporter::start(impatient(&site)).await;
    // What is on the disk is not known: all is asked for, and shown.
    let (page, more) = shows_from_memory(&site, &exporter, "the disk has not answered for 2 s").await;
    drop(frozen);
    stores_by_itself(&site, exporter, &page, more).await;
}

/// The program's end, as it can't use its store: exit code 1, and these words.
fn refuses_to_start(site: &Site, words: &[&str]) {
    let output = site.command().stderr(Stdio::piped()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(words.iter().all(|word| log.contains(word)), "{words:?} in {log}");
}

#[tokio::test]
async fn a_store_that_nobody_can_use_is_told_at_the_start() {
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
    let Some(_disk) = Disk::mount(&folder, "ro") else { return };
    refuses_to_start(&site, &["must be a directory that this user may write to", "ead-only"]);
}

#[tokio::test]
async fn on_a_disk_that_turns_read_only_figures_are_shown_and_what_was_stored_is_there_when_it_is_mended() {
    let site = Site::new().await;
    let (folder, image) = (site.store(), site.folder().join("disk"));
    let Some(disk) = Disk::mount_image(&folder, &image) else { return };
    let exporter = showing_few(&site).await;
    let before = Page::read(&exporter.get("/metrics").await.body).figures();
    // As after an error of the disk: read-only also for those who have files open.
    disk.remount("abort");
    exporter.signal("HUP");
    shows_from_memory(&site, &exporter, "the disk fails or has become read-only").await;
    exporter.signal("TERM");
    let told = "answers are lost, and asked for again";
    exporter.until("the end tells what is lost", async || exporter.log().contains(told)).await;
    assert_eq!(exporter.end().await, Some(0));
    drop(disk);
    // What an operator would do; it mends what the abort left.
    system("fsck.ext4", &["-fy", image.to_str().unwrap()]);
    let Some(_disk) = Disk::mounted(&folder, &["-o", "loop", image.to_str().unwrap()]) else { panic!("again") };
    let exporter = Exporter::start(site.command()).await;
    let page = exporter.page_with("the rest is shown", has_groupchat).await;
    let after = Page::read(&page).figures();
    assert!(before.iter().all(|(series, value)| after.get(series) == Some(value)), "what was stored is there");
}
