//! One list by itself, as `Discovery` gives it: which pages count as the whole, and for whom it is kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use imstats_exporter::client::Failure;
use imstats_exporter::config::SourceConfig;
use imstats_exporter::discovery::ResolvedList;
use imstats_exporter::simulator::Effect;
use imstats_exporter::source::{Directory, Entry, ListEntry, ListPaging, ListRequest, Malformed};
use serde_json::{Value, json};

use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";
const DEPARTMENTS: &str = "feishu: [{$feishu, message_push: {departments: all, $fast}}]";
const MEMBERS: &str = "wecom: [{$wecom, contact: {users: all, $fast}}]";

/// The first list that `config` needs.
fn first_list(config: &SourceConfig) -> ListRequest {
    config.source.listings(&Directory::new(), false).remove(0)
}

/// That list as of a day; what was refused on the way is told as it would be to an operator.
async fn listed(stage: &Stage, config: &SourceConfig, on: &str) -> Result<ResolvedList, String> {
    let discovery = &stage.context.discovery;
    let (listing, on) = (first_list(config), day(on));
    while_time_passes(stage, discovery.list(&config.account, &listing, on)).await.map_err(|error| error.to_string())
}

/// What `thing` gives, which waits for its turn at the platform.
async fn while_time_passes<T>(stage: &Stage, thing: impl Future<Output = T>) -> T {
    let passing = async {
        loop {
            stage.clock.advance(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        given = soon(thing) => given,
        () = passing => unreachable!(),
    }
}

fn ids(list: &ResolvedList) -> Vec<&str> {
    list.list.iter().map(|entry| entry.id.as_str()).collect()
}

/// A page of Feishu's departments; what tells of the next page is in `rest`.
fn departments(ids: &[&str], rest: &Value) -> Effect {
    let items: Vec<_> =
        ids.iter().map(|id| json!({"open_department_id": id, "parent_department_id": "0", "name": "x"})).collect();
    let mut data = json!({"items": items});
    for (key, value) in rest.as_object().unwrap() {
        data[key] = value.clone();
    }
    raw(json!({"code": 0, "data": data}).to_string())
}

#[tokio::test]
async fn a_list_is_fetched_once_for_a_day_and_each_entry_stands_in_it_once() {
    let stage = Stage::new(MORNING, MEMBERS).await;
    let config = stage.sources().remove(0);
    stage.every(FOLLOW, raw(r#"{"errcode": 0, "follow_user": ["b", "a", "b"]}"#));
    for (on, calls) in [("2026-11-19", 1), ("2026-11-19", 1), ("2026-11-20", 2)] {
        let list = listed(&stage, &config, on).await.unwrap();
        assert_eq!(ids(&list), ["b", "a"], "in the platform's order");
        assert!(list.stale.is_none() && list.lacks.is_none() && list.odd.is_none(), "{list:?}");
        assert_eq!(stage.calls(FOLLOW), calls, "{on}");
    }
}

#[tokio::test]
async fn a_page_that_goes_on_without_a_token_is_no_whole_list() {
    let stage = Stage::new(MORNING, DEPARTMENTS).await;
    let config = stage.sources().remove(0);
    let goes_on = |rest| stage.every(CHILDREN, departments(&["od-1"], &rest));
    for rest in [json!({"has_more": true}), json!({"has_more": true, "page_token": 7}), json!({"has_more": "yes"})] {
        let fault = goes_on(rest);
        let told = listed(&stage, &config, "2026-11-18").await.unwrap_err();
        assert!(told.contains("/data/page_token"), "{told}");
        stage.simulator.faults().remove(fault);
    }
    // Where there is an older list, that one serves.
    let whole = stage.every(CHILDREN, departments(&["od-1", "od-2"], &json!({"has_more": false})));
    assert_eq!(ids(&listed(&stage, &config, "2026-11-18").await.unwrap()), ["od-1", "od-2"]);
    stage.simulator.faults().remove(whole);
    goes_on(json!({"has_more": true}));
    let list = listed(&stage, &config, "2026-11-19").await.unwrap();
    assert_eq!(ids(&list), ["od-1", "od-2"]);
    assert!(matches!(list.stale, Some(Failure::Malformed(_))), "{list:?}");
}

#[tokio::test]
async fn the_lists_of_a_block_with_its_own_secret_are_kept_apart() {
    // One secret may see more people than another.
    let mut stage = Stage::with(40, MORNING, |simulator| {
        let secret = &configured_secrets(simulator)["wecom"];
        let yaml = "wecom: [{$wecom, contact: {users: all}, groupchat: {owners: all, secret: \"$own\"}}]";
        filled(yaml, simulator).replace("$own", secret)
    })
    .await;
    let [contact, owners] = &stage.sources()[..] else { panic!() };
    let all = listed(&stage, contact, "2026-11-19").await.unwrap().list.len();
    assert!(all > 1);
    stage.every(FOLLOW, raw(r#"{"errcode": 0, "follow_user": ["WangWu"]}"#));
    assert_eq!(ids(&listed(&stage, owners, "2026-11-19").await.unwrap()), ["WangWu"]);
    stage.restart().await;
    assert_eq!(listed(&stage, contact, "2026-11-19").await.unwrap().list.len(), all);
    assert_eq!(ids(&listed(&stage, owners, "2026-11-19").await.unwrap()), ["WangWu"]);
    assert_eq!(stage.calls(FOLLOW), 2, "both are stored");
}

#[tokio::test]
async fn a_list_of_pseudonyms_is_never_taken_for_one_of_ids() {
    let hidden = MEMBERS.replace("$wecom", "$wecom, pseudonymize: {key: a key that nobody guesses}");
    let mut stage = Stage::new(MORNING, MEMBERS).await;
    let real = listed(&stage, &stage.sources()[0], "2026-11-19").await.unwrap();
    for yaml in [hidden.as_str(), MEMBERS, &hidden] {
        stage.restart_with(yaml).await;
        let list = listed(&stage, &stage.sources()[0], "2026-11-19").await.unwrap();
        assert_eq!(ids(&list), ids(&real), "the platform is asked with these: {yaml}");
    }
    // What is stored under pseudonyms does not name anybody.
    let config = stage.sources().remove(0);
    let stored = stage.context.discovery.stored(&config.account, &first_list(&config)).await.unwrap();
    assert_eq!(stored.len(), real.list.len());
    assert!(stored.iter().all(|entry| !ids(&real).contains(&entry.id.as_str())), "{stored:?}");
}

/// A page with more entries than two of them may have together, other ones each time.
fn many(_: &Value, _: &ListRequest) -> Result<Vec<Entry>, Malformed> {
    static PAGES: AtomicUsize = AtomicUsize::new(0);
    let page = PAGES.fetch_add(1, Ordering::Relaxed);
    let entry = |n| Entry::Subject(ListEntry { id: format!("{page}-{n}"), parent: None, name: None });
    Ok((0..600_000).map(entry).collect())
}

/// A page with more lists than any company has departments.
fn lists(_: &Value, listing: &ListRequest) -> Result<Vec<Entry>, Malformed> {
    let one = ListRequest { key: "one".to_owned(), read: single, paging: ListPaging::Single, ..listing.clone() };
    Ok(vec![Entry::Sublist(one); 100_001])
}

fn single(_: &Value, _: &ListRequest) -> Result<Vec<Entry>, Malformed> {
    Ok(vec![Entry::Subject(ListEntry { id: "one".to_owned(), parent: None, name: None })])
}

#[tokio::test]
async fn lists_without_an_end_are_given_up_before_they_fill_the_memory() {
    let stage = Stage::new(MORNING, DEPARTMENTS).await;
    let config = stage.sources().remove(0);
    stage.every(CHILDREN, departments(&[], &json!({"has_more": true, "page_token": "next"})));
    for (read, calls, words) in [
        (many as fn(&Value, &ListRequest) -> Result<Vec<Entry>, Malformed>, 2, "a list of at most 1000000 entries"),
        (lists, 4, "a list of at most 100000 lists"),
    ] {
        let listing = ListRequest { read, key: words.to_owned(), ..first_list(&config) };
        let list = stage.context.discovery.list(&config.account, &listing, day("2026-11-19"));
        let error = while_time_passes(&stage, list).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(stage.calls(CHILDREN), calls, "{words}");
    }
}
