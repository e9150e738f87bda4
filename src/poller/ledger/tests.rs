//! What is due, what stands below what, and when a day may be shown.

use super::*;
use crate::day::Cycle;
use crate::source::apis;

const REFRESH: Duration = Duration::from_hours(6);

fn day() -> Day {
    "2026-11-19".parse().unwrap()
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap()
}

fn table(source: &str, n: usize) -> &'static Table {
    apis().into_iter().find(|api| api.name == source).unwrap().tables[n]
}

fn target(table: &'static Table, labels: &[&str]) -> Target {
    Target::of(table, labels.iter().map(|label| (*label).to_owned()).collect())
}

/// A KF account, and two servicers below it.
fn kf() -> (Ledger, [String; 3]) {
    let account = target(table("wecom_kf", 0), &["wk"]);
    let servicer = |userid| Target { after: Some(account.key()), ..target(table("wecom_kf", 1), &["wk", userid]) };
    let targets = vec![account.clone(), servicer("a"), servicer("b")];
    let keys = [0, 1, 2].map(|n: usize| targets[n].key());
    (Ledger::new(day(), 3, targets), keys)
}

fn answer(key: &str, day: Day, state: AnswerState) -> Answer {
    let (target, definition) = (key.to_owned(), String::new());
    Answer { day, target, definition, state, first_at: at(0), last_at: at(0), answers: 1, code: 0 }
}

fn due(ledger: &Ledger, now: Timestamp) -> Vec<String> {
    ledger.due(now, REFRESH, false, &HashSet::new()).iter().map(|target| target.key()).collect()
}

fn counts(ledger: &Ledger) -> [usize; 5] {
    ledger.counts().states().map(|(_, count)| count)
}

#[test]
fn children_wait_for_their_parents_figures() {
    let (mut ledger, [account, a, b]) = kf();
    assert!(!ledger.is_empty() && Ledger::new(day(), 3, vec![]).is_empty());
    assert_eq!((due(&ledger, at(0)), counts(&ledger)), (vec![account.clone()], [0, 0, 0, 0, 3]));
    ledger.note(answer(&account, day(), AnswerState::Ok));
    assert_eq!((due(&ledger, at(0)), counts(&ledger)), (vec![a.clone(), b.clone()], [1, 0, 0, 0, 2]));
    // While the parent is due for a refresh, they wait again.
    assert_eq!(due(&ledger, at(60)), vec![account.clone()]);
    let asked = HashSet::from([account.clone(), a]);
    assert_eq!(ledger.due(at(60), REFRESH, false, &asked).iter().map(|target| target.key()).collect::<Vec<_>>(), [b]);
}

#[test]
fn without_figures_on_any_day_of_the_span_children_are_not_asked() {
    let (mut ledger, [account, a, b]) = kf();
    ledger.note(answer(&account, day(), AnswerState::NoData));
    assert_eq!((due(&ledger, at(0)), counts(&ledger)), (vec![], [0, 3, 0, 0, 0]));
    ledger.note(answer(&account, day().plus(-3), AnswerState::Ok));
    assert_eq!(due(&ledger, at(0)), Vec::<String>::new(), "that day is not asked for");
    ledger.note(answer(&account, day().plus(-2), AnswerState::Ok));
    assert_eq!((due(&ledger, at(0)), counts(&ledger)), (vec![a, b], [0, 1, 0, 0, 2]));
    ledger.renew(&account);
    assert_eq!((due(&ledger, at(0)), counts(&ledger)), (vec![], [0, 3, 0, 0, 0]));
    ledger.note(answer(&account, day(), AnswerState::Refused));
    assert_eq!(counts(&ledger), [0, 0, 3, 0, 0]);
}

#[test]
fn what_failed_is_asked_again_and_an_earlier_answer_stays() {
    let (mut ledger, [account, a, _]) = kf();
    ledger.fail(&account);
    assert_eq!((counts(&ledger), due(&ledger, at(0))), ([0, 0, 0, 1, 2], vec![account.clone()]));
    assert_eq!(ledger.failed().collect::<Vec<_>>(), [account.as_str()]);
    ledger.note(answer(&account, day(), AnswerState::Ok));
    assert_eq!((counts(&ledger), ledger.failed().count()), ([1, 0, 0, 0, 2], 0));
    ledger.fail(&account);
    assert_eq!((counts(&ledger), ledger.failed().count()), ([1, 0, 0, 0, 2], 1));
    // Of another day, of another definition, of somebody else: no answers to this.
    ledger.note(answer(&a, day().plus(-1), AnswerState::Ok));
    ledger.note(Answer { definition: "[]".to_owned(), ..answer(&a, day(), AnswerState::Ok) });
    ledger.note(answer("wecom_kf_servicer/wk/c", day(), AnswerState::Ok));
    assert_eq!(counts(&ledger), [1, 0, 0, 0, 2]);
    ledger.note(answer(&a, day(), AnswerState::NoData));
    assert_eq!(counts(&ledger), [1, 1, 0, 0, 1]);
}

#[test]
fn an_answer_is_refreshed_after_an_hour_and_then_every_refresh_interval() {
    let users = |ids: &[&str]| ids.iter().map(|id| target(table("wecom_contact", 0), &[id])).collect();
    let mut ledger = Ledger::new(day(), 1, users(&["a", "b", "c"]));
    let [a, b, c] = ["a", "b", "c"].map(|id| format!("wecom_contact_user/{id}"));
    ledger.note(answer(&a, day(), AnswerState::Ok));
    ledger.note(Answer { answers: 2, ..answer(&b, day(), AnswerState::Ok) });
    assert_eq!(due(&ledger, at(59)), vec![c.clone()]);
    assert_eq!(due(&ledger, at(60)), [c.clone(), a.clone()], "without an answer first");
    assert_eq!(due(&ledger, at(359)), [c.clone(), a.clone()]);
    assert_eq!(due(&ledger, at(360)), [c.clone(), a.clone(), b.clone()]);
    // The clock was ahead when they came: by a minute is nothing, by more they count for nothing.
    assert_eq!(due(&ledger, at(-1)), vec![c.clone()]);
    assert_eq!(due(&ledger, at(-2)), [c.clone(), a.clone(), b.clone()]);
    // Nobody has data: every half hour, until the day counts as produced.
    for (key, answers) in [(&a, 1), (&b, 2), (&c, 1)] {
        ledger.note(Answer { answers, ..answer(key, day(), AnswerState::NoData) });
    }
    assert_eq!((due(&ledger, at(29)).len(), due(&ledger, at(30)).len()), (0, 3));
    let produced = |now| ledger.due(now, REFRESH, true, &HashSet::new()).len();
    assert_eq!((produced(at(59)), produced(at(60)), produced(at(360))), (0, 2, 3));
}

#[test]
fn rows_are_shown_of_targets_that_are_ok_on_their_own_day() {
    let (mut ledger, [account, a, _]) = kf();
    ledger.note(answer(&account, day(), AnswerState::Ok));
    ledger.note(answer(&a, day(), AnswerState::NoData));
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    let accounts = ledger.shown(table("wecom_kf", 0));
    assert!(accounts(&labels(&["wk"]), day()));
    assert!(!accounts(&labels(&["wk"]), day().plus(-1)) && !accounts(&labels(&["other"]), day()));
    let servicers = ledger.shown(table("wecom_kf", 1));
    assert!(!servicers(&labels(&["wk", "a"]), day()) && !servicers(&labels(&["wk", "b"]), day()));
    assert_eq!(ledger.ids(), HashSet::from(["wk", "a", "b"]));
    // One list brings all agents.
    let agents = table("tencent_desk_agent", 0);
    let mut ledger = Ledger::new(day(), 1, vec![target(agents, &[])]);
    assert!(!ledger.shown(agents)(&labels(&["x"]), day()));
    ledger.note(answer(&target(agents, &[]).key(), day(), AnswerState::Ok));
    assert!(ledger.shown(agents)(&labels(&["x"]), day()));
    assert!(!ledger.shown(agents)(&labels(&["x"]), day().plus(-1)));
}

#[test]
fn a_week_is_kept_under_its_sunday() {
    let push = table("feishu_message_push", 0);
    let week = Target { cycle: Cycle::Week, ..target(push, &["cli", "week"]) };
    let mut ledger = Ledger::new(day(), 1, vec![target(push, &["cli", "day"]), week.clone()]);
    let sunday = "2026-11-15".parse().unwrap();
    assert_eq!(ledger.days(), [sunday, day()]);
    ledger.note(answer(&week.key(), day(), AnswerState::Ok));
    assert_eq!(counts(&ledger), [0, 0, 0, 0, 2]);
    ledger.note(answer(&week.key(), sunday, AnswerState::Ok));
    assert_eq!(counts(&ledger), [1, 0, 0, 0, 1]);
}

#[test]
fn what_names_itself_as_its_parent_has_none() {
    let mut own = target(table("wecom_contact", 0), &["a"]);
    own.after = Some(own.key());
    assert_eq!(due(&Ledger::new(day(), 1, vec![own.clone()]), at(0)), [own.key()]);
}

#[test]
fn a_day_flips_when_all_is_settled_or_late_when_anything_is_ok() {
    let counts =
        |[ok, no_data, refused, failed, pending]: [usize; 5]| TargetCounts { ok, no_data, refused, failed, pending };
    for (states, in_time, late) in [
        ([1, 0, 0, 0, 0], true, true),
        ([1, 1, 1, 0, 0], true, true),
        ([1, 0, 0, 1, 0], false, true),
        ([1, 0, 0, 0, 1], false, true),
        ([0, 0, 0, 1, 0], false, false),
        ([0, 0, 0, 0, 1], false, false),
        ([0, 1, 0, 0, 0], false, true),
        ([0, 1, 1, 0, 0], false, true),
        ([0, 1, 0, 1, 0], false, false),
        ([0, 0, 1, 0, 0], true, true),
    ] {
        assert_eq!((may_flip(&counts(states), false), may_flip(&counts(states), true)), (in_time, late), "{states:?}");
    }
}
