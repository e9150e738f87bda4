//! What the store must do, as its callers see it; what it must withstand is in [`hardship`].

mod forgetting;
mod hardship;
mod standby;
mod upgrade;

use std::ops::ControlFlow;

use super::*;
use crate::day::{Cycle, Days};
use crate::platform::Refusal;
use crate::sample::Row;
use crate::source::{Filter, Table, Target, apis};

/// An API with the table `wecom_contact_user`, whose one label is `userid`.
fn api() -> &'static Api {
    apis().into_iter().find(|api| api.name == "wecom_contact").unwrap()
}

fn users() -> &'static Table {
    api().tables[0]
}

fn day(n: i64) -> Day {
    Day::new(2026, 11, 1).unwrap().plus(n - 1)
}

fn days(first: i64, last: i64) -> Days {
    Days { first: day(first), last: day(last) }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn row(table: &Table, on: i64, labels: &[&str], value: f64) -> Row {
    let mut values = vec![None; table.fields.len()];
    values[0] = Some(value);
    Row { day: day(on), labels: labels.iter().map(|label| (*label).to_owned()).collect(), values }
}

fn user(on: i64, name: &str, value: f64) -> Row {
    row(users(), on, &[name], value)
}

fn target(table: &'static Table, labels: &[&str]) -> Arc<Target> {
    let of = if labels.len() < table.labels.len() { Target::listed } else { Target::named };
    Arc::new(of(table, labels.iter().map(|label| (*label).to_owned()).collect(), Filter::default()))
}

fn answered(name: &str, days: Days, rows: Vec<Row>) -> TargetAnswer {
    TargetAnswer { target: target(users(), &[name]), days, rows: Ok(rows) }
}

fn refused(name: &str, days: Days, code: i64) -> TargetAnswer {
    TargetAnswer { target: target(users(), &[name]), days, rows: Err(Refusal::unknown(code, "no")) }
}

fn open(dir: Option<&Path>) -> Store {
    let opened = Store::open(dir, &apis()).unwrap();
    assert_eq!(opened.set_aside, None);
    opened.store
}

/// A store in memory with a table of two labels.
fn open_pairs() -> (Store, &'static Table) {
    let table: &'static Table = Box::leak(Box::new(Table {
        prefix: "pair",
        labels: &["group", "order"],
        person: None,
        of: "of a pair",
        overlap: None,
        fields: users().fields,
    }));
    let inner = Inner::memory(open::memory(&[table]).unwrap(), vec![table]);
    (Store { inner: Arc::new(inner) }, table)
}

fn scanned(store: &Store, table: &'static Table, by_subject: bool) -> Vec<String> {
    let mut seen = Vec::new();
    let mut each = |account: String, row: Row, at: Timestamp| {
        let value = row.values[0].unwrap();
        seen.push(format!(
            "{} {account} {} {value} @{}",
            row.day,
            row.labels.join("/"),
            at.as_second() - 1_800_000_000
        ));
        ControlFlow::Continue(())
    };
    let all = days(1, 30);
    let order = if by_subject { Order::Subjects } else { Order::Days };
    store.scan(table, all, order, &mut each).unwrap();
    seen
}

#[tokio::test]
async fn what_was_recorded_is_read_again() {
    let store = open(None);
    let mut half = user(2, "li", 0.5);
    half.values[1] = Some(9_007_199_254_740_992.0);
    let rows = vec![user(1, "li", 3.0), half];
    store.record(api(), "a", at(0), vec![answered("li", days(1, 3), rows.clone())]).await.unwrap();

    assert_eq!(store.rows(users(), "a", day(1)).await.unwrap(), rows[..1]);
    assert_eq!(store.rows(users(), "a", day(2)).await.unwrap(), rows[1..]);
    assert_eq!(store.rows(users(), "a", day(3)).await.unwrap(), []);
    assert_eq!(store.rows(users(), "b", day(1)).await.unwrap(), []);
    let answers = store.answers("wecom_contact", "a", days(2, 3)).await.unwrap();
    let expected = LedgerEntry {
        day: day(2),
        target: "wecom_contact_user/li".to_owned(),
        definition: String::new(),
        state: AnswerState::Ok,
        first_at: at(0),
        last_at: at(0),
        answers: 1,
        code: None,
    };
    assert_eq!(answers, [expected.clone(), LedgerEntry { day: day(3), state: AnswerState::NoData, ..expected }]);
    assert_eq!(store.answers("wecom_contact", "b", days(1, 3)).await.unwrap(), []);
}

#[tokio::test]
async fn a_restated_range_replaces_its_rows_and_no_others() {
    let store = open(None);
    let all = |value| (1..=3).map(|n| user(n, "li", value)).collect();
    let wang = answered("wang", days(2, 2), vec![user(2, "wang", 7.0)]);
    store.record(api(), "a", at(0), vec![answered("li", days(1, 3), all(1.0)), wang]).await.unwrap();
    store.record(api(), "b", at(0), vec![answered("li", days(1, 3), all(1.0))]).await.unwrap();
    store.record(api(), "a", at(9), vec![answered("li", days(2, 3), vec![user(3, "li", 2.0)])]).await.unwrap();
    let expected = [
        "2026-11-01 a li 1 @0",
        "2026-11-01 b li 1 @0",
        "2026-11-02 a wang 7 @0",
        "2026-11-02 b li 1 @0",
        "2026-11-03 a li 2 @9",
        "2026-11-03 b li 1 @0",
    ];
    assert_eq!(scanned(&store, users(), false), expected);
    let answers = store.answers("wecom_contact", "a", days(2, 2)).await.unwrap();
    assert_eq!((answers[0].state, answers[0].answers), (AnswerState::NoData, 2));
    assert_eq!((answers[0].first_at, answers[0].last_at), (at(0), at(9)));
}

#[tokio::test]
async fn a_refusal_keeps_the_rows_and_is_noted_for_the_last_day() {
    let store = open(None);
    let rows = vec![user(1, "li", 1.0), user(2, "li", 1.0)];
    store.record(api(), "a", at(0), vec![answered("li", days(1, 2), rows)]).await.unwrap();
    store.record(api(), "a", at(5), vec![refused("li", days(1, 2), 60111)]).await.unwrap();
    assert_eq!(scanned(&store, users(), false).len(), 2);
    let answers = store.answers("wecom_contact", "a", days(1, 2)).await.unwrap();
    let states: Vec<_> = answers.iter().map(|answer| (answer.state, answer.code.clone(), answer.answers)).collect();
    assert_eq!(states, [(AnswerState::Ok, None, 1), (AnswerState::Refused, Some(60111.into()), 2)]);
}

#[tokio::test]
async fn an_answer_for_another_definition_counts_anew() {
    let store = open(None);
    for (seconds, definition) in [(0, "x"), (1, "x"), (2, "y"), (3, "x")] {
        let mut answered = answered("li", days(1, 1), vec![]);
        Arc::make_mut(&mut answered.target).definition = definition.to_owned();
        store.record(api(), "a", at(seconds), vec![answered]).await.unwrap();
        let answer = store.answers("wecom_contact", "a", days(1, 1)).await.unwrap().remove(0);
        let (first, count) = if seconds == 1 { (0, 2) } else { (seconds, 1) };
        assert_eq!((answer.definition.as_str(), answer.first_at, answer.answers), (definition, at(first), count));
    }
}

#[tokio::test]
async fn a_week_is_kept_under_its_last_day() {
    let store = open(None);
    let mut week = answered("li", days(2, 8), vec![user(8, "li", 4.0)]);
    Arc::make_mut(&mut week.target).cycle = Cycle::Week;
    let before = answered("li", days(7, 7), vec![user(7, "li", 1.0)]);
    store.record(api(), "a", at(0), vec![before, week]).await.unwrap();
    assert_eq!(scanned(&store, users(), false), ["2026-11-07 a li 1 @0", "2026-11-08 a li 4 @0"]);
    assert_eq!(store.answers("wecom_contact", "a", days(1, 9)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_target_replaces_all_rows_below_its_labels() {
    let (store, table) = open_pairs();
    let record = async |labels: &[&str], rows| {
        let answered = TargetAnswer { target: target(table, labels), days: days(1, 1), rows: Ok(rows) };
        store.record(api(), "a", at(0), vec![answered]).await.unwrap();
    };
    record(&["g"], vec![row(table, 1, &["g", "1"], 1.0), row(table, 1, &["g", "2"], 2.0)]).await;
    record(&["h"], vec![row(table, 1, &["h", "1"], 3.0)]).await;
    record(&["g"], vec![row(table, 1, &["g", "3"], 4.0)]).await;
    assert_eq!(scanned(&store, table, false), ["2026-11-01 a g/3 4 @0", "2026-11-01 a h/1 3 @0"]);
    record(&[], vec![row(table, 1, &["i", "1"], 5.0)]).await;
    assert_eq!(scanned(&store, table, false), ["2026-11-01 a i/1 5 @0"]);
}

#[tokio::test]
async fn a_row_of_another_target_or_day_records_nothing() {
    let store = open(None);
    let short = Row { day: day(1), labels: vec!["li".to_owned()], values: vec![] };
    for stray in [user(1, "wang", 1.0), user(3, "li", 1.0), short] {
        let answers = vec![answered("zhao", days(1, 1), vec![]), answered("li", days(1, 2), vec![stray])];
        let error = store.record(api(), "a", at(0), answers).await.unwrap_err();
        assert!(matches!(error, StoreError::Misfit { table: "wecom_contact_user", .. }), "{error}");
    }
    assert_eq!(store.answers("wecom_contact", "a", days(1, 3)).await.unwrap(), []);
}

#[tokio::test]
async fn scans_are_by_day_or_by_subject_and_stop_when_told() {
    let dir = tempfile::tempdir().unwrap();
    for store in [open(None), open(Some(dir.path()))] {
        for account in ["b", "a"] {
            let of = |name| answered(name, days(1, 2), vec![user(1, name, 1.0), user(2, name, 2.0)]);
            store.record(api(), account, at(0), vec![of("wang"), of("li")]).await.unwrap();
        }
        let mut sorted = scanned(&store, users(), false);
        assert_eq!(sorted[..3], ["2026-11-01 a li 1 @0", "2026-11-01 a wang 1 @0", "2026-11-01 b li 1 @0"]);
        assert!(sorted.is_sorted());
        let series = scanned(&store, users(), true);
        assert_eq!(series[..3], ["2026-11-01 a li 1 @0", "2026-11-02 a li 2 @0", "2026-11-01 a wang 1 @0"]);
        sorted.sort_by_key(|line| line[11..].to_owned());
        assert_eq!(series, sorted);
        let mut count = 0;
        let mut each = |_, _, _| {
            count += 1;
            ControlFlow::Break(())
        };
        store.scan(users(), days(1, 2), Order::Days, &mut each).unwrap();
        assert_eq!(count, 1);
    }
}

#[tokio::test]
async fn the_newest_list_is_kept() {
    let found = |id: &str| ListEntry { id: id.to_owned(), parent: Some("1".to_owned()), name: None };
    let store = open(None);
    assert_eq!(store.list("wecom", "a", "users").await.unwrap(), None);
    store.put_list("wecom", "a", "users", day(2), Arc::new(vec![found("x"), found("y")])).await.unwrap();
    store.put_list("wecom", "a", "users", day(1), Arc::new(vec![])).await.unwrap();
    store.put_list("wecom", "a", "owners", day(3), Arc::new(vec![])).await.unwrap();
    let list = store.list("wecom", "a", "users").await.unwrap();
    assert_eq!(list, Some((day(2), Arc::new(vec![found("x"), found("y")]))));
}

#[tokio::test]
async fn names_are_replaced_by_id() {
    let found = |id: &str, name: &str| ListEntry { id: id.to_owned(), parent: None, name: Some(name.to_owned()) };
    let store = open(None);
    store.put_names("user_info", "a", day(1), vec![found("2", "Wang"), found("1", "Li")]).await.unwrap();
    store.put_names("user_info", "a", day(2), vec![found("2", "王")]).await.unwrap();
    // A backfill brings older ones.
    store.put_names("user_info", "a", day(1), vec![found("2", "Wáng")]).await.unwrap();
    assert_eq!(store.names("user_info", "a").await.unwrap(), [found("1", "Li"), found("2", "王")]);
    assert_eq!(store.names("user_info", "b").await.unwrap(), []);
}

#[tokio::test]
async fn the_state_of_a_source_comes_back_as_it_was() {
    let store = open(None);
    assert_eq!(store.status("wecom_contact", "a").await.unwrap(), None);
    let kept = SourceState {
        shown: Some(day(3)),
        up: true,
        last_round: Some(at(1)),
        last_success: Some(at(0)),
        round_seconds: Some(1.25),
        error: Some(SourceError::passing("the account was refused".to_owned())),
    };
    let kind = Some(ErrorKind::Refusals);
    let refused = SourceState { error: Some(SourceError { text: "1 of 2".to_owned(), kind }), ..kept.clone() };
    for status in [kept, refused, SourceState::default()] {
        store.put_status("wecom_contact", "a", &status).await.unwrap();
        assert_eq!(store.status("wecom_contact", "a").await.unwrap(), Some(status));
    }
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_forgotten() {
    let store = open(None);
    let names = |id: &str| vec![ListEntry { id: id.to_owned(), parent: None, name: None }];
    for n in 1..=4 {
        let name = if n < 3 { "old" } else { "new" };
        store.record(api(), "a", at(n), vec![answered(name, days(n, n), vec![user(n, name, 1.0)])]).await.unwrap();
        store.put_names("user_info", "a", day(n), names(name)).await.unwrap();
        store.put_list("wecom", "a", name, day(n), Arc::new(names(name))).await.unwrap();
    }
    assert_eq!(store.forget(day(5), 2).await.unwrap(), 2);
    assert_eq!(store.forget(day(5), 2).await.unwrap(), 0);
    // A clock that is years ahead.
    assert_eq!(store.forget(day(999), 30).await.unwrap(), 0);
    assert_eq!(scanned(&store, users(), false), ["2026-11-03 a new 1 @3", "2026-11-04 a new 1 @4"]);
    assert_eq!(store.answers("wecom_contact", "a", days(1, 9)).await.unwrap().len(), 2);
    assert_eq!(store.names("user_info", "a").await.unwrap(), names("new"));
    assert_eq!(store.list("wecom", "a", "old").await.unwrap(), None);
    let keys: Vec<String> = {
        let connection = store.inner.lock();
        let mut keys = connection.prepare("SELECT key FROM target").unwrap();
        keys.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(keys, ["wecom_contact_user/new"]);
}
