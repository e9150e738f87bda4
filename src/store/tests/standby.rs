//! What can't be stored reads as if it were, and is stored when it can be.

use super::*;

/// Makes `store` keep what comes in memory, as on a full disk.
fn fill(store: &Store) {
    let path = store.inner.place.as_ref().unwrap().file.clone();
    store.inner.begin_to_keep(StoreError::Full { path }, None);
}

/// All that a store is asked for.
async fn read_all(store: &Store) -> String {
    let mut read = String::new();
    for n in 1..=9 {
        read += &format!("{:?}\n", store.rows(users(), "a", day(n)).await.unwrap());
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
            0 => store.put_list("wecom", "a", "users", day(first), &[found(name)]).await.unwrap(),
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
    let store = Store::open_as_it_is(Some(dir.path()), &apis()).unwrap();
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
