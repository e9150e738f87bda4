//! What the store must withstand: restarts, other processes, other versions, damage.

use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::*;

fn raw(dir: &Path) -> Connection {
    Connection::open(dir.join("imstats.db")).unwrap()
}

/// A directory with a store of many pages that was closed.
async fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(Some(dir.path()));
    let names = (0..500).map(|n| format!("user{n:05}"));
    let answers = names.map(|name| answered(&name, days(1, 3), (1..=3).map(|n| user(n, &name, 1.0)).collect()));
    store.record(api(), "a", at(0), answers.collect()).await.unwrap();
    dir
}

/// Makes sure that opening sets the file aside, whole, and begins a new store.
async fn is_set_aside(dir: &Path) {
    let damaged = fs::read(dir.join("imstats.db")).unwrap();
    let StoreFile { store, set_aside, .. } = Store::open(Some(dir), &apis()).unwrap();
    let aside = set_aside.expect("set aside");
    assert!(aside.to_string_lossy().contains("/imstats.db.damaged-1"), "{}", aside.display());
    assert_eq!(fs::read(&aside).unwrap(), damaged);
    store.record(api(), "a", at(0), vec![answered("li", days(1, 1), vec![user(1, "li", 1.0)])]).await.unwrap();
    assert_eq!(scanned(&store, users(), false).len(), 1);
    drop(store);
    open(Some(dir));
}

#[tokio::test]
async fn a_restart_finds_what_was_recorded() {
    let dir = filled().await;
    let store = open(Some(dir.path()));
    assert_eq!(store.rows(users(), "a", day(2)).await.unwrap().len(), 500);
    assert_eq!(store.answers("wecom_contact", "a", days(1, 3)).await.unwrap().len(), 1500);
    assert!(store.size_bytes() > 100_000);
}

#[tokio::test]
async fn a_kill_loses_nothing_and_a_torn_write_only_itself() {
    let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(Some(dir.path()));
    for n in 1..=2 {
        store.record(api(), "a", at(n), vec![answered("li", days(n, n), vec![user(n, "li", 1.0)])]).await.unwrap();
    }
    for name in ["imstats.db", "imstats.db-wal"] {
        fs::copy(dir.path().join(name), killed.path().join(name)).unwrap();
    }
    let log = fs::read(killed.path().join("imstats.db-wal")).unwrap();
    assert_eq!(scanned(&open(Some(killed.path())), users(), false).len(), 2);

    fs::copy(dir.path().join("imstats.db"), killed.path().join("imstats.db")).unwrap();
    fs::write(killed.path().join("imstats.db-wal"), &log[..log.len() - 100]).unwrap();
    assert_eq!(scanned(&open(Some(killed.path())), users(), false), ["2026-11-01 a li 1 @1"]);
}

#[tokio::test]
async fn only_the_owner_may_read_it() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/imstats");
    let store = open(Some(&dir));
    store.record(api(), "a", at(0), vec![answered("li", days(1, 1), vec![])]).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for name in ["imstats.db", "imstats.db-wal", "imstats.db-shm"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn people_read_counts_as_whole_numbers() {
    let dir = filled().await;
    let column = users().fields[0].column();
    let sql = format!("SELECT typeof({column}) FROM wecom_contact_user WHERE day = '2026-11-02' LIMIT 1");
    assert_eq!(raw(dir.path()).query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap(), "integer");
}

#[tokio::test]
async fn a_file_of_an_older_version_gets_the_columns_that_it_lacks() {
    let dir = filled().await;
    let column = users().fields[1].column();
    for lost in [column, "checksum"] {
        raw(dir.path()).execute_batch(&format!("ALTER TABLE wecom_contact_user DROP COLUMN {lost}")).unwrap();
    }
    let store = open(Some(dir.path()));
    let mut row = user(3, "user00000", 2.0);
    assert_eq!(store.rows(users(), "a", day(2)).await.unwrap()[0].values[1], None);
    row.values[1] = Some(5.0);
    store.record(api(), "a", at(0), vec![answered("user00000", days(3, 3), vec![row.clone()])]).await.unwrap();
    assert_eq!(store.rows(users(), "a", day(3)).await.unwrap()[0], row);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_as_it_is() {
    let dir = filled().await;
    raw(dir.path()).pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(dir.path().join("imstats.db")).unwrap();
    let error = Store::open(Some(dir.path()), &apis()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, known: 2, .. }));
    assert!(error.to_string().contains("newer version (schema 99, known is 2)"), "{error}");
    assert_eq!(fs::read(dir.path().join("imstats.db")).unwrap(), before);
}

#[test]
fn a_table_with_other_keys_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    raw(dir.path()).execute_batch("CREATE TABLE wecom_contact_user (id INTEGER PRIMARY KEY)").unwrap();
    let error = Store::open(Some(dir.path()), &apis()).unwrap_err();
    assert!(
        error.to_string().contains("imstats.db has a table wecom_contact_user that is not of this program"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("imstats.db"), "garbage ".repeat(1000)).unwrap();
    fs::write(dir.path().join("imstats.db-wal"), "more garbage").unwrap();
    is_set_aside(dir.path()).await;
}

#[tokio::test]
async fn a_truncated_file_is_set_aside() {
    let dir = filled().await;
    for keep in [0.9, 0.5, 0.01] {
        let file = fs::OpenOptions::new().write(true).open(dir.path().join("imstats.db")).unwrap();
        let length = file.metadata().unwrap().len() as f64 * keep;
        file.set_len(length as u64).unwrap();
        is_set_aside(dir.path()).await;
    }
}

#[tokio::test]
async fn damage_that_is_met_later_is_set_aside_by_the_next_start() {
    let dir = filled().await;
    let path = dir.path().join("imstats.db");
    let mut bytes = fs::read(&path).unwrap();
    let last_pages = bytes.len() - 3 * 4096;
    bytes[last_pages..].fill(0x55);
    fs::write(&path, bytes).unwrap();

    let store = open(Some(dir.path()));
    let mut each = |_, _, _| ControlFlow::Continue(());
    let scanned = store.scan(users(), days(1, 30), Order::Days, &mut each);
    let read = scanned.and(store.answers("wecom_contact", "a", days(1, 30)).await.map(drop));
    let error = read.unwrap_err();
    assert!(error.to_string().contains("imstats.db is damaged"), "{error}");
    assert!(error.to_string().contains("restart the program"), "{error}");
    drop(store);
    is_set_aside(dir.path()).await;
}

#[tokio::test]
async fn a_suspicion_that_is_unfounded_changes_nothing() {
    let dir = filled().await;
    damage::suspect(&dir.path().join("imstats.db"));
    assert_eq!(scanned(&open(Some(dir.path())), users(), false).len(), 1500);
    assert!(!dir.path().join("imstats.db-suspect").exists());
}

#[test]
fn a_place_that_cannot_be_written_says_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    // Not even root can create files in /proc.
    for bad in [&dir.path().join("file/below"), Path::new("/proc/self")] {
        let error = Store::open(Some(bad), &apis()).unwrap_err();
        assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
        assert!(error.to_string().starts_with(&bad.to_string_lossy().into_owned()), "{error}");
        assert!(error.to_string().contains("must be a directory that this user may write to"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_may_open_and_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut writers = Vec::new();
    for account in ["a", "b", "c"] {
        let path = dir.path().to_owned();
        writers.push(tokio::spawn(async move {
            let opening = tokio::task::spawn_blocking(move || open(Some(&path)));
            let store = opening.await.unwrap();
            for n in 1..=20 {
                let answers = vec![answered("li", days(n, n), vec![user(n, "li", 1.0)])];
                store.record(api(), account, at(n), answers).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(scanned(&open(Some(dir.path())), users(), false).len(), 60);
}

#[tokio::test]
async fn a_scan_does_not_hold_up_the_writer() {
    let dir = filled().await;
    let store = open(Some(dir.path()));
    let mut count = 0;
    let mut each = |_, _, _| {
        count += 1;
        if count == 1 {
            let answers = [answered("zzz", days(3, 3), vec![user(3, "zzz", 1.0)])];
            ledger::record(&mut store.inner.lock(), "wecom_contact", "a", at(0), &answers).unwrap();
        }
        ControlFlow::Continue(())
    };
    store.scan(users(), days(1, 3), Order::Days, &mut each).unwrap();
    assert_eq!(count, 1500);
    assert_eq!(scanned(&store, users(), false).len(), 1501);
}

#[tokio::test]
async fn a_panic_under_the_lock_leaves_the_store_usable() {
    let store = open(None);
    let inner = Arc::clone(&store.inner);
    let panicked = std::thread::spawn(move || {
        let _guard = inner.lock();
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert_eq!(store.names("x", "a").await.unwrap(), []);
}

/// Everything that the store of [`filled_with_all`] is asked for; with what was read of figures.
async fn read_all(store: &Store) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for n in 1..=3 {
        rows.extend(store.rows(users(), "a", day(n)).await?);
    }
    let mut each = |account: String, row: Row, _: Timestamp| {
        assert_eq!(account, "a");
        rows.push(row);
        ControlFlow::Continue(())
    };
    store.scan(users(), days(1, 30), Order::Days, &mut each)?;
    store.scan(users(), days(1, 30), Order::Subjects, &mut each)?;
    store.answers("wecom_contact", "a", days(1, 30)).await?;
    store.answered_days("wecom_contact", "a", days(1, 30))?;
    store.names("user_info", "a").await?;
    store.list("wecom", "a", "users").await?;
    store.status("wecom_contact", "a").await?;
    Ok(rows)
}

#[tokio::test]
async fn a_bit_that_flips_anywhere_never_makes_a_wrong_figure_and_is_got_over() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("imstats.db");
    let value = |user: usize, on: i64| (user * 1000) as f64 + on as f64 / 8.0;
    let mut truth = Vec::new();
    {
        let store = open(Some(dir.path()));
        let answers: Vec<_> = (0..40)
            .map(|n| {
                let rows: Vec<_> = (1..=3).map(|on| user(on, &format!("user{n}"), value(n, on))).collect();
                truth.extend(rows.clone());
                answered(&format!("user{n}"), days(1, 3), rows)
            })
            .collect();
        store.record(api(), "a", at(0), answers).await.unwrap();
        let found = vec![ListEntry { id: "user1".to_owned(), parent: None, name: Some("Li".to_owned()) }];
        store.put_list("wecom", "a", "users", day(3), Arc::new(found.clone())).await.unwrap();
        store.put_names("user_info", "a", day(3), found).await.unwrap();
        let kept = SourceState { shown: Some(day(3)), last_round: Some(at(1)), ..SourceState::default() };
        store.put_status("wecom_contact", "a", &kept).await.unwrap();
    }
    raw(dir.path()).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let whole = fs::read(&file).unwrap();
    // Bytes that are in use, at even distances; each loses one bit.
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let (mut unnoticed, mut left_out, mut aside) = (0, 0, 0);
    for (turn, at) in used.iter().step_by(used.len() / 150).enumerate() {
        fs::remove_dir_all(dir.path()).unwrap();
        fs::create_dir(dir.path()).unwrap();
        let mut flipped = whole.clone();
        flipped[*at] ^= 1 << (turn % 8);
        fs::write(&file, flipped).unwrap();
        let place = format!("bit {} of byte {at}", turn % 8);
        // Damage that is met when the file is open is an error; the next start reads the whole file, and sets it aside.
        let mut told = Vec::new();
        let rows = loop {
            assert!(told.len() < 2, "{place}: {told:?}");
            let opened = Store::open(Some(dir.path()), &apis()).unwrap_or_else(|error| panic!("{place}: {error:?}"));
            match read_all(&opened.store).await {
                Ok(rows) => {
                    aside += usize::from(opened.set_aside.is_some());
                    break rows;
                }
                Err(StoreError::Damaged { reason, .. }) => told.push(reason),
                Err(error) => panic!("{place}: {error:?}"),
            }
        };
        for row in &rows {
            assert!(truth.contains(row), "{place}: {row:?}");
        }
        match rows.len() {
            360 => unnoticed += 1,
            0 => {}
            _ => left_out += 1,
        }
    }
    assert!(unnoticed > 50 && left_out > 5 && aside > 5, "{unnoticed} unnoticed, {left_out} left out, {aside} aside");
}
