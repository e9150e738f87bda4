//! What is deleted is gone: from the tables, and from the bytes of the files.

use rusqlite::Connection;

use super::*;

/// How often `text` is among the bytes of the files in `dir`.
fn occurrences(dir: &Path, text: &str) -> usize {
    let files = fs::read_dir(dir).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.map(|bytes| bytes.windows(text.len()).filter(|bytes| *bytes == text.as_bytes()).count()).sum()
}

#[tokio::test]
async fn what_the_retention_forgets_is_legible_in_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(Some(dir.path()));
    for n in 1..=20 {
        let of = |name: &str| answered(name, days(n, n), vec![user(n, name, 1.0)]);
        let names: Vec<_> = (0..50).map(|other| format!("colleague{other}")).collect();
        let mut answers: Vec<_> = names.iter().map(|name| of(name)).collect();
        if n < 10 {
            answers.push(of("ZhangSanWhoLeft"));
        }
        store.record(api(), "a", at(n), answers).await.unwrap();
    }
    assert!(occurrences(dir.path(), "ZhangSanWhoLeft") > 9);
    assert!(store.forget(day(20), 10).await.unwrap() > 9);
    assert_eq!(occurrences(dir.path(), "ZhangSanWhoLeft"), 0);
    assert_eq!(fs::metadata(dir.path().join("imstats.db-wal")).unwrap().len(), 0);
}

#[tokio::test]
async fn where_figures_have_stopped_the_retention_goes_on_after_two_weeks_of_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(Some(dir.path()));
    for n in 1..=3 {
        store.record(api(), "a", at(n), vec![answered("li", days(n, n), vec![user(n, "li", 1.0)])]).await.unwrap();
    }
    // A clock that was years ahead for some days, and was set right, does not count.
    for n in 900..913 {
        assert_eq!(store.forget(day(n), 10).await.unwrap(), 0);
    }
    let mut forgotten = Vec::new();
    for n in 60..=75 {
        // Also by a program that is started anew each day, and looks more than once.
        let store = open(Some(dir.path()));
        for _ in 0..2 {
            forgotten.push((n, store.forget(day(n), 10).await.unwrap()));
        }
    }
    forgotten.retain(|(_, rows)| *rows > 0);
    assert_eq!(forgotten, [(73, 3)]);
}

#[tokio::test]
async fn damaged_files_end_with_the_retention_and_count_until_then() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(Some(dir.path()));
    let second = |n| day(n).midnight(&crate::day::Zone::china()).as_second();
    let (old, young) = (format!("imstats.db.damaged-{}", second(1)), format!("imstats.db.damaged-{}", second(8)));
    for name in [&old, &format!("{old}-wal"), &young, "imstats.db.damaged-by-hand", "other.damaged-1"] {
        fs::write(dir.path().join(name), [0; 1000]).unwrap();
    }
    let of = |name: &str| fs::metadata(dir.path().join(name)).map_or(0, |metadata| metadata.len());
    let own = of("imstats.db") + of("imstats.db-wal");
    assert_eq!(store.size_bytes(), own + 3000);
    store.forget(day(15), 10).await.unwrap();
    assert_eq!((of(&old), of(&format!("{old}-wal")), of(&young)), (0, 0, 1000));
    assert_eq!((of("imstats.db.damaged-by-hand"), of("other.damaged-1")), (1000, 1000), "no other files");
}

#[tokio::test]
async fn a_backfill_of_old_days_does_not_make_a_target_old() {
    let store = open(None);
    for n in [9, 1] {
        store.record(api(), "a", at(n), vec![answered("li", days(n, n), vec![user(n, "li", 1.0)])]).await.unwrap();
    }
    assert_eq!(store.forget(day(10), 5).await.unwrap(), 1);
    let answers = store.answers("wecom_contact", "a", days(1, 9)).await.unwrap();
    assert_eq!(
        answers.iter().map(|answer| (answer.day, answer.target.as_str())).collect::<Vec<_>>(),
        [(day(9), "wecom_contact_user/li")]
    );
}

#[tokio::test]
async fn others_have_their_turn_while_much_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(Some(dir.path()));
    for n in 1..=20 {
        store.record(api(), "a", at(n), vec![answered("li", days(n, n), vec![user(n, "li", 1.0)])]).await.unwrap();
    }
    let state = SourceState::default();
    let (forgetting, mut recorded) = (store.clone(), 0);
    let mut forgotten = tokio::spawn(async move { forgetting.forget(day(20), 1).await });
    let rows = loop {
        tokio::select! {
            biased;
            rows = &mut forgotten => break rows.unwrap().unwrap(),
            _ = store.put_status("wecom_contact", "a", &state) => recorded += 1,
        }
    };
    assert_eq!(rows, 18);
    assert!(recorded > 3, "{recorded} changes while 18 days were forgotten");
}

#[tokio::test]
async fn another_company_begins_without_the_lists_and_names_of_the_former() {
    let store = open(None);
    let claim = |company: &str| CompanyClaim {
        source: "wecom_contact",
        account: "a".to_owned(),
        platform: "wecom",
        company: company.to_owned(),
    };
    let found = vec![ListEntry { id: "li".to_owned(), parent: None, name: Some("Li".to_owned()) }];
    for (company, kept) in [("ww1", true), ("ww2", false)] {
        store.claim(vec![claim(company)]).await.unwrap();
        if company == "ww1" {
            store.put_list("wecom", "a", "users", day(1), Arc::new(found.clone())).await.unwrap();
            store.put_names("user_info", "a", day(1), found.clone()).await.unwrap();
        }
        assert_eq!(store.list("wecom", "a", "users").await.unwrap().is_some(), kept, "{company}");
        assert_eq!(!store.names("user_info", "a").await.unwrap().is_empty(), kept, "{company}");
    }
}

#[tokio::test]
async fn the_log_beside_a_damaged_file_moves_with_it() {
    let (dir, live) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(Some(live.path()));
    for n in 1..=2 {
        // The first bytes of the file are not in the log.
        open::empty_log(&mut store.inner.lock()).unwrap();
        store.record(api(), "a", at(0), vec![answered("li", days(n, n), vec![user(n, "li", 1.0)])]).await.unwrap();
    }
    // As after a kill: with the log, whose figures must not come into the new file.
    for end in ["-wal", "-shm"] {
        fs::copy(live.path().join(format!("imstats.db{end}")), dir.path().join(format!("imstats.db{end}"))).unwrap();
    }
    for turn in 0..2 {
        fs::write(dir.path().join("imstats.db"), format!("garbage {turn} ").repeat(1000)).unwrap();
        let opened = Store::open(Some(dir.path()), &apis()).unwrap();
        let aside = opened.set_aside.unwrap();
        assert!(fs::read_to_string(&aside).unwrap().starts_with(&format!("garbage {turn}")));
        assert_eq!(scanned(&opened.store, users(), false), [""; 0]);
        if turn == 0 {
            assert!(fs::metadata(damage::beside(&aside, "-wal")).unwrap().len() > 0);
        }
    }
    // Within a second, and yet each has its own name.
    let aside = damage::aside(&dir.path().join("imstats.db")).unwrap();
    assert_eq!(aside.iter().filter(|(path, _)| !path.to_string_lossy().ends_with("wal")).count(), 3, "{aside:?}");
}

#[test]
fn the_file_of_another_program_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("imstats.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    let before = Connection::open(&file).unwrap();
    let error = Store::open(Some(dir.path()), &apis()).unwrap_err();
    assert!(matches!(&error, StoreError::Foreign { table, .. } if table == "notes"), "{error:?}");
    let tables = "SELECT group_concat(name) FROM sqlite_schema";
    assert_eq!(before.query_row(tables, [], |row| row.get::<_, String>(0)).unwrap(), "notes");
}

#[tokio::test]
async fn a_file_that_lost_a_column_of_ours_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(Some(dir.path())));
    let raw = Connection::open(dir.path().join("imstats.db")).unwrap();
    raw.execute_batch("ALTER TABLE answer DROP COLUMN code").unwrap();
    drop(raw);
    assert!(Store::open(Some(dir.path()), &apis()).unwrap().set_aside.is_some());
}

#[test]
fn each_connection_is_durable_frugal_and_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(Some(dir.path()));
    let own = open::reader(&dir.path().join("imstats.db"), PATIENCE).unwrap();
    for connection in [&*store.inner.lock(), &*store.inner.reading().lock(), &own] {
        let asked =
            ["journal_mode", "synchronous", "temp_store", "cell_size_check", "secure_delete", "journal_size_limit"];
        let pragma =
            |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        let values: Vec<_> = asked.iter().map(|name| pragma(name).unwrap()).collect();
        let integer = rusqlite::types::Value::Integer;
        let wal = rusqlite::types::Value::Text("wal".to_owned());
        assert_eq!(values, [wal, integer(2), integer(1), integer(1), integer(1), integer(16 << 20)]);
    }
}

#[test]
fn a_start_waits_for_another_process_that_begins_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let other = Connection::open(dir.path().join("imstats.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE x (y)").unwrap();
    let (path, (told, begun)) = (dir.path().to_owned(), std::sync::mpsc::channel());
    let opening = std::thread::spawn(move || {
        told.send(()).unwrap();
        open(Some(&path))
    });
    begun.recv().unwrap();
    // So long that the other meets the lock; too short would pass as well.
    std::thread::sleep(Duration::from_millis(50));
    other.execute_batch("ROLLBACK").unwrap();
    opening.join().unwrap();
}
