//! What can't be stored reads as if it were, and is stored when it can be.

use super::*;

/// Makes `store` keep what comes in memory, as on a full disk.
fn fill(store: &Store) {
    let path = store.inner.place.as_ref().unwrap().file.clone();
    store.inner.begin_to_keep(StoreError::Full { path }, None);
}

/// Makes `store` take its disk for one that hangs.
fn hang(store: &Store) {
    let path = store.inner.place.as_ref().unwrap().file.clone();
    store.inner.begin_to_keep(StoreError::hung(path, PATIENCE), None);
}

/// All that a store is asked for.
async fn read_all(store: &Store) -> String {
    let mut read = String::new();
    for n in 1..=9 {
        read += &format!("{:?}\n", store.rows(users(), "a", day(n)).await.unwrap());
    }
    read + &read_small(store).await
}

/// The same without rows.
async fn read_small(store: &Store) -> String {
    let mut read = String::new();
    for n in 1..=9 {
        let mut answers = store.answers("wecom_contact", "a", days(n, n)).await.unwrap();
        answers.sort_by(|one, other| one.target.cmp(&other.target));
        read += &format!("{answers:?}\n");
    }
    for key in ["users", "owners"] {
        read += &format!("{:?}\n", store.list("wecom", "a", key).await.unwrap());
    }
    read += &format!("{:?}\n", store.names("user_info", "a").await.unwrap());
    read + &format!("{:?}\n", store.status("wecom_contact", "a").await.unwrap())
}

/// Does something that the random numbers choose, the same to each of `stores`.
async fn change(random: &mut fastrand::Rng, turn: i64, stores: [&Store; 2]) {
    let first = random.i64(1..8);
    let span = days(first, first + random.i64(0..3));
    let name = *random.choice(&["li", "wang", "Ä/b\\c"]).unwrap();
    let found = |id: &str| ListEntry { id: id.to_owned(), parent: None, name: Some(format!("name {turn}")) };
    let answer = match random.u8(0..5) {
        0 => refused(name, span, 60111),
        1 => {
            let mut week = answered(name, span, vec![user(span.last.days_since(day(1)) + 1, name, turn as f64)]);
            Arc::make_mut(&mut week.target).cycle = Cycle::Week;
            week
        }
        _ => {
            let with = span.iter().filter(|_| random.u8(0..4) > 0);
            let rows = with.map(|on| user(on.days_since(day(1)) + 1, name, turn as f64)).collect();
            let mut answered = answered(name, span, rows);
            Arc::make_mut(&mut answered.target).definition = random.choice(&["", "", "x"]).unwrap().to_string();
            answered
        }
    };
    let kind = random.u8(0..8);
    let status = SourceState {
        shown: Some(day(first)),
        error: Some(SourceError::passing(format!("{turn}"))),
        ..SourceState::default()
    };
    for store in stores {
        match kind {
            0 => {
                let list = Arc::new(vec![found(name)]);
                store.put_list("wecom", "a", "users", day(first), list).await.unwrap();
            }
            1 => store.put_names("user_info", "a", day(first), vec![found(name)]).await.unwrap(),
            2 => store.put_status("wecom_contact", "a", &status).await.unwrap(),
            _ => store.record(api(), "a", at(turn), vec![answer.clone()]).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_stored_reads_as_if_it_were_and_is_stored_later() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let (plain, kept) = (open(None), open(Some(dir.path())));
        for turn in 0..120 {
            match turn % 40 {
                15 => fill(&kept),
                // Half of what waits is stored with half of what comes after.
                35 => kept.tend().await,
                _ => {}
            }
            assert_eq!(kept.fault().is_some(), (15..35).contains(&(turn % 40)), "turn {turn}");
            change(&mut random, turn, [&plain, &kept]).await;
            let (kept, plain) = (read_all(&kept).await, read_all(&plain).await);
            for (kept, plain) in kept.lines().zip(plain.lines()) {
                assert_eq!(kept, plain, "seed {seed}, turn {turn}");
            }
        }
        drop(kept);
        let again = open(Some(dir.path()));
        assert_eq!(read_all(&again).await, read_all(&plain).await);
        assert_eq!(scanned(&again, users(), false), scanned(&plain, users(), false), "with the times of fetching");
    }
}

#[tokio::test]
async fn what_another_process_stored_since_is_not_replaced_by_older_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (store, other) = (open(Some(dir.path())), open(Some(dir.path())));
    fill(&store);
    for (store, seconds) in [(&store, 5), (&other, 9)] {
        let value = seconds as f64;
        let answers = vec![answered("li", days(1, 1), vec![user(1, "li", value)])];
        store.record(api(), "a", at(seconds), answers).await.unwrap();
    }
    store.record(api(), "a", at(6), vec![answered("wang", days(1, 1), vec![user(1, "wang", 6.0)])]).await.unwrap();
    assert_eq!(store.waiting(), 2);
    store.tend().await;
    assert_eq!((store.fault(), store.waiting()), (None, 0));
    assert_eq!(scanned(&store, users(), false), ["2026-11-01 a li 9 @9", "2026-11-01 a wang 6 @6"]);
}

#[tokio::test]
async fn a_file_that_is_deleted_is_made_anew_and_one_that_is_replaced_is_taken_up() {
    let (parent, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = parent.path().join("imstats");
    let record = async |store: &Store, name: &str| {
        store.record(api(), "a", at(0), vec![answered(name, days(1, 1), vec![user(1, name, 1.0)])]).await.unwrap();
    };
    record(&open(Some(other.path())), "other").await;
    let store = open(Some(&dir));
    let claim = CompanyClaim { source: "wecom_contact", account: "a".into(), platform: "wecom", company: "ww1".into() };
    store.claim(vec![claim.clone()]).await.unwrap();
    record(&store, "li").await;
    fs::remove_dir_all(&dir).unwrap();
    record(&store, "wang").await;
    assert!(store.fault().unwrap().contains("is gone or was replaced"), "{:?}", store.fault());
    assert_eq!(store.rows(users(), "a", day(1)).await.unwrap().len(), 2, "what was read before is not lost meanwhile");
    store.tend().await;
    assert_eq!(store.fault(), None);
    assert_eq!(scanned(&store, users(), false), ["2026-11-01 a wang 1 @0"]);
    // Whose figures these are is noted in the new file, too.
    let error = open(Some(&dir)).claim(vec![CompanyClaim { company: "ww2".into(), ..claim }]).await.unwrap_err();
    assert!(error.to_string().contains("figures of ww1"), "{error}");
    // Where nothing is to be written, it is noticed as well.
    fs::rename(other.path().join("imstats.db"), dir.join("imstats.db")).unwrap();
    fs::remove_file(dir.join("imstats.db-wal")).unwrap();
    store.tend().await;
    assert!(store.fault().is_some());
    store.tend().await;
    assert_eq!(store.fault(), None);
    assert_eq!(scanned(&store, users(), false), ["2026-11-01 a other 1 @0"]);
}

#[tokio::test]
async fn a_command_beside_the_exporter_fails_where_it_cannot_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_as_it_is(Some(dir.path()), &apis()).unwrap().store;
    let other = tempfile::tempdir().unwrap();
    drop(open(Some(other.path())));
    fs::rename(other.path().join("imstats.db"), dir.path().join("imstats.db")).unwrap();
    let answers = vec![answered("li", days(1, 1), vec![])];
    let error = store.record(api(), "a", at(0), answers).await.unwrap_err();
    assert!(matches!(error, StoreError::Gone { .. }), "{error:?}");
    store.tend().await;
    assert_eq!((store.fault(), store.waiting()), (None, 0));
}

#[test]
fn of_too_much_that_waits_the_oldest_days_go_and_never_those_of_the_page() {
    let mut pending = pending::PendingAnswers::default();
    for n in [3, 1, 4, 2] {
        let answers = ["li", "wang"].map(|name| answered(name, days(n, n), vec![user(n, name, 1.0)])).to_vec();
        let (source, account) = ("wecom_contact", "a".to_owned());
        pending.keep(&Arc::new(Change::Answers { source, account, at: at(n), answers }));
    }
    let left = |pending: &pending::PendingAnswers| {
        let mut answers = Vec::new();
        pending.over_answers("wecom_contact", "a", days(1, 9), &mut answers);
        answers.iter().map(|answer| answer.day.days_since(day(1)) + 1).collect::<Vec<_>>()
    };
    pending.drop_oldest(6);
    assert_eq!((left(&pending), pending.count()), (vec![2, 2, 3, 3, 4, 4], 6));
    pending.drop_oldest(1);
    assert_eq!((left(&pending), pending.count()), (vec![3, 3, 4, 4], 4));
}

#[tokio::test]
async fn while_a_disk_hangs_all_reads_as_it_was_stored_and_as_it_changes() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let (plain, kept) = (open(None), open(Some(dir.path())));
        kept.remember("wecom_contact", "a", &(1..=10).map(day).collect::<Vec<_>>());
        // What is known at the start is what was read then.
        read_small(&kept).await;
        for turn in 0..120 {
            match turn % 40 {
                15 => hang(&kept),
                35 => kept.tend().await,
                _ => {}
            }
            assert_eq!(kept.hangs(), (15..35).contains(&(turn % 40)), "turn {turn}");
            change(&mut random, turn, [&plain, &kept]).await;
            // Where nothing was read for long, much has been stored since.
            if kept.hangs() || random.u8(0..12) == 0 {
                let (kept, plain) = (read_small(&kept).await, read_small(&plain).await);
                for (kept, plain) in kept.lines().zip(plain.lines()) {
                    assert_eq!(kept, plain, "seed {seed}, turn {turn}");
                }
            }
        }
        drop(kept);
        assert_eq!(read_all(&open(Some(dir.path()))).await, read_all(&plain).await);
    }
}

#[tokio::test]
async fn while_a_disk_hangs_rows_come_from_a_page_and_from_what_was_stored_since() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(Some(dir.path()));
    store.remember("wecom_contact", "a", &[day(2), day(1)]);
    let record = async |name: &'static str, value: f64| {
        let rows = [1, 2].map(|n| user(n, name, value));
        store.record(api(), "a", at(value as i64), vec![answered(name, days(1, 2), rows.to_vec())]).await.unwrap();
    };
    record("li", 1.0).await;
    record("wang", 1.0).await;
    let page = store.rows(users(), "a", day(2)).await.unwrap();
    record("wang", 2.0).await;
    record("zhao", 2.0).await;
    hang(&store);
    record("zhao", 3.0).await;
    record("Ä/b\\c", 3.0).await;
    let error = store.rows(users(), "a", day(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Hung { seconds: 20, .. }), "{error}");
    let remembered = store.rows_over(page, users(), "a", day(2));
    let expected =
        [("li", 1.0), ("wang", 2.0), ("zhao", 3.0), ("Ä/b\\c", 3.0)].map(|(name, value)| user(2, name, value));
    assert_eq!(remembered, expected);
    assert_eq!(store.rows_over(Vec::new(), users(), "b", day(2)), [], "another account has nothing of it");
    store.tend().await;
    assert!(!store.hangs());
    assert_eq!(store.rows(users(), "a", day(2)).await.unwrap(), expected, "the disk has the same");
}

#[tokio::test]
async fn what_is_not_to_be_remembered_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(Some(dir.path()));
    let names = |id: &str| vec![ListEntry { id: id.to_owned(), parent: None, name: Some("Li".to_owned()) }];
    for n in [1, 2] {
        store.remember("wecom_contact", "a", &[day(n)]);
        store.record(api(), "a", at(n), vec![answered("li", days(n, n), vec![user(n, "li", 1.0)])]).await.unwrap();
    }
    for key in ["member/2", "department"] {
        store.put_list("wecom", "a", key, day(1), Arc::new(names("li"))).await.unwrap();
    }
    store.put_names("user_info", "a", day(1), names("li")).await.unwrap();
    store.forget_names("a", vec!["user_info"]).await.unwrap();
    hang(&store);
    assert_eq!(store.answers("wecom_contact", "a", days(1, 2)).await.unwrap().len(), 1, "of the day that counts");
    assert_eq!(store.rows_over(Vec::new(), users(), "a", day(1)), []);
    assert_eq!(store.rows_over(Vec::new(), users(), "a", day(2)), [user(2, "li", 1.0)]);
    assert_eq!(store.names("user_info", "a").await.unwrap(), []);
    assert_eq!(store.list("wecom", "a", "member/2").await.unwrap(), None);
    assert!(store.list("wecom", "a", "department").await.unwrap().is_some());
}
