//! One person is forgotten: everywhere in the store, down to the bytes of its files.

use std::path::Path;
use std::process::Stdio;

use crate::exporter::{Exporter, Site, program};
use crate::harness::Page;

const ALL: &str = "poll_interval: 1s
wecom:
  - {$wecom, names: true, contact: {$fast, users: all, teams: {stars: {users: [Zhang.San, WangWu]}}}, groupchat: {$fast}}";
const OTHERS: &str = "poll_interval: 1s\nwecom: [{$wecom, contact: {$fast, users: [WangWu]}}]";

/// How often `text`, in any case, is among the bytes of the files in `folder`.
fn occurrences(folder: &Path, text: &str) -> usize {
    let of_file = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).filter(|bytes| bytes.eq_ignore_ascii_case(text.as_bytes())).count()
    };
    std::fs::read_dir(folder).unwrap().map(|entry| of_file(&entry.unwrap().path())).sum()
}

/// Runs `forget`; gives whether it was content, and what it said.
fn forget(site: &Site, arguments: &[&str]) -> (bool, String) {
    let mut command = program(&["forget", "--storage.path", site.store().to_str().unwrap()]);
    let output = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (output.status.success(), said)
}

/// The program has shown all people and their names, and ended.
async fn after_a_round_of_all(site: &Site) {
    site.write("exporter.yaml", ALL);
    let exporter = Exporter::start(site.command()).await;
    let all = |page: &str| {
        ["wecom_contact_user_new_contacts{", "wecom_groupchat_owner_chats{", "wecom_contact_team_", "wecom_user_info{"]
            .iter()
            .all(|family| page.contains(family))
    };
    exporter.page_with("all is shown, with names", all).await;
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
}

#[tokio::test]
async fn a_person_is_forgotten_beside_a_running_exporter_and_in_damaged_files() {
    let site = Site::new().await;
    after_a_round_of_all(&site).await;
    let damaged = site.store().join("imstats.db.damaged-1790000000");
    std::fs::copy(site.store().join("imstats.db"), &damaged).unwrap();
    let before = occurrences(&site.store(), "zhang.san");
    assert!(before > 6, "{before}");
    site.write("exporter.yaml", OTHERS);
    let exporter = Exporter::start(site.command()).await;
    let page = exporter.page_with("one is shown", |page| page.contains("userid=\"WangWu\"")).await;
    let (done, said) = forget(&site, &["--account", "acme", "--id", "ZHANG.SAN"]);
    assert!(done, "{said}");
    for words in ["deleted: 1 damaged file set aside", "delete_series", "clean_tombstones", "backups", "Grafana"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    for nothing in ["deleted: 0 rows", "deleted: 0 entries of lists", "deleted: 0 definitions"] {
        assert!(!said.contains(nothing), "{nothing} in {said}");
    }
    assert_eq!(occurrences(&site.store(), "zhang.san"), 0);
    assert!(!damaged.exists());
    assert!(occurrences(&site.store(), "wangwu") > 0);
    // The exporter goes on with the file, and all others are there after a restart.
    exporter.until("it goes on", async || exporter.get("/-/healthy").await.status == 200).await;
    let shown = Page::read(&exporter.get("/metrics").await.body).figures();
    assert_eq!(shown, Page::read(&page).figures());
    drop(exporter);
    let exporter = Exporter::start(site.command()).await;
    assert_eq!(Page::read(&exporter.get("/metrics").await.body).figures(), shown, "{}", exporter.log());
    assert_eq!(occurrences(&site.store(), "zhang.san"), 0);
}

#[tokio::test]
async fn who_is_not_there_and_an_account_that_is_none_are_told() {
    let site = Site::new().await;
    let (done, said) = forget(&site, &["--account", "acme", "--id", "x"]);
    assert!(!done && said.contains("imstats.db is not there"), "{said}");
    assert!(!site.store().exists(), "nothing is made");
    after_a_round_of_all(&site).await;
    let (done, said) = forget(&site, &["--account", "acne", "--id", "Zhang.San"]);
    assert!(!done && said.contains("the store knows no account acne; it has acme"), "{said}");
    let (done, said) = forget(&site, &["--account", "acme", "--id", "Zhang"]);
    assert!(!done && said.contains("nothing was stored of this id in account acme"), "{said}");
    assert!(occurrences(&site.store(), "zhang.san") > 6);
}

#[tokio::test]
async fn names_go_when_they_are_not_to_be_shown_and_ids_beside_pseudonyms_are_told() {
    let site = Site::new().await;
    after_a_round_of_all(&site).await;
    let name = "\"name\":";
    assert!(occurrences(&site.store(), name) > 3);
    let pseudonymized = OTHERS.replace("$wecom,", "$wecom, pseudonymize: {key: 0123456789abcdef0123},");
    site.write("exporter.yaml", &pseudonymized);
    let exporter = Exporter::start(site.command()).await;
    let log = exporter.log();
    assert!(log.contains("deleted names of people from the store"), "{log}");
    let words = "account acme has pseudonyms, but the store still has ids of people from before";
    assert!(log.contains(words), "{log}");
    let lists = rusqlite::Connection::open(site.store().join("imstats.db")).unwrap();
    let named = "SELECT count(*) FROM list WHERE key NOT LIKE 'department%' AND instr(found, '\"name\":') > 0";
    assert_eq!(lists.query_row(named, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    let check = site.command().arg("check").stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(said.contains(&format!("warning: {words}")), "{said}");
}

#[tokio::test]
async fn no_list_of_people_is_stored_with_names_that_are_not_to_be_shown() {
    let site = Site::new().await;
    for names in [false, true] {
        // Servicers come by departments, whose members the platform lists with their names.
        let source = "kf: {$fast, servicers: all}, contact: {$fast}, groupchat: {$fast}";
        site.write("exporter.yaml", &format!("poll_interval: 1s\nwecom: [{{$wecom, names: {names}, {source}}}]"));
        let exporter = Exporter::start(site.command()).await;
        exporter.page_with("servicers are shown", |page| page.contains("\nwecom_kf_servicer_sessions{")).await;
        exporter.until_settled().await;
        exporter.page_with("names come last", |page| page.contains("\nwecom_user_info{") == names).await;
        exporter.signal("TERM");
        assert_eq!(exporter.end().await, Some(0));
        let store = rusqlite::Connection::open(site.store().join("imstats.db")).unwrap();
        let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert!(count("SELECT count(*) FROM list WHERE key LIKE 'member/%'") > 0, "departments have servicers");
        let others = "'department', 'department_name', 'kf_account'";
        let named = format!("SELECT count(*) FROM list WHERE key NOT IN ({others}) AND instr(found, '\"name\":') > 0");
        assert_eq!(count(&named) > 0, names, "names: {names}");
    }
}

#[tokio::test]
async fn a_store_that_everybody_may_read_or_replace_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new().await;
    after_a_round_of_all(&site).await;
    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let check = || {
        let output = site.command().arg("check").stdout(Stdio::piped()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let file = site.store().join("imstats.db");
    set(&file, 0o666);
    assert!(!check().contains("everybody on this machine"), "its folder is closed: {}", check());
    set(&site.store(), 0o755);
    assert!(check().contains("everybody on this machine may change the figures"), "{}", check());
    set(&file, 0o644);
    assert!(check().contains("everybody on this machine may read the figures"), "{}", check());
    set(&file, 0o660);
    assert!(!check().contains("everybody on this machine"), "a group is the operator's choice: {}", check());
    set(&site.store(), 0o777);
    assert!(check().contains("everybody on this machine may replace the store"), "{}", check());
}

#[tokio::test]
async fn history_is_read_from_a_disk_that_cannot_be_written() {
    let site = Site::new().await;
    let folder = site.store();
    let Some(disk) = crate::disk::Disk::mount(&folder, "size=4m") else { return };
    after_a_round_of_all(&site).await;
    let export = || {
        let mut command = site.command();
        let day = "2026-11-01";
        command.args(["export", "--from", day, "--to", "2099-01-01"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (done, whole, said) = export();
    assert!(done, "{said}");
    disk.remount("ro");
    let (done, same, said) = export();
    assert!(done, "{said}");
    // Which samples are too new to be written depends on the time of the day.
    assert_eq!(same.is_empty(), whole.is_empty());
    let check = site.command().arg("check").stdout(Stdio::piped()).output().unwrap();
    assert!(String::from_utf8(check.stdout).unwrap().contains("is valid"));
    // What a killed program left in the log can't be read without writing: that is told.
    disk.remount("rw");
    std::fs::write(folder.join("imstats.db-wal"), "something").unwrap();
    disk.remount("ro");
    let (done, _, said) = export();
    assert!(!done && said.contains("copy both files to where this user may write"), "{said}");
}
