//! What is due, which targets are below which, and when a day may be shown.

use super::*;
use crate::day::Cycle;
use crate::source::{Filter, apis};

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
    let of = if labels.len() < table.labels.len() { Target::listed } else { Target::named };
    of(table, labels.iter().map(|label| (*label).to_owned()).collect(), Filter::default())
}

/// A KF account, and two servicers below it.
fn kf() -> (Ledger, [String; 3]) {
    let account = target(table("wecom_kf", 0), &["wk"]);
    let servicer = |userid| Target { after: Some(account.key()), ..target(table("wecom_kf", 1), &["wk", userid]) };
    let targets = vec![account.clone(), servicer("a"), servicer("b")];
    let keys = [0, 1, 2].map(|n: usize| targets[n].key());
    (Ledger::new(day(), 3, targets), keys)
}

fn answer(key: &str, day: Day, state: AnswerState) -> LedgerEntry {
    let (target, definition) = (key.to_owned(), String::new());
    LedgerEntry { day, target, definition, state, first_at: at(0), last_at: at(0), answers: 1, code: None }
}

fn due(ledger: &Ledger, now: Timestamp) -> Vec<String> {
    ledger.due(now, REFRESH, false, &HashSet::new()).iter().map(|(target, _)| target.key()).collect()
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
    let due = ledger.due(at(60), REFRESH, false, &asked);
    assert_eq!(due.iter().map(|(target, _)| target.key()).collect::<Vec<_>>(), [b]);
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
    ledger.renew(&account, 0);
    assert_eq!((due(&ledger, at(0)), counts(&ledger)), (vec![], [0, 3, 0, 0, 0]));
    ledger.note(answer(&account, day(), AnswerState::Refused));
    assert_eq!(counts(&ledger), [0, 0, 3, 0, 0]);
}

#[test]
fn what_failed_is_asked_again_and_an_earlier_answer_stays() {
    let (mut ledger, [account, a, _]) = kf();
    ledger.fail(&account, &silence(), at(0));
    assert_eq!((counts(&ledger), due(&ledger, at(0))), ([0, 0, 0, 1, 2], vec![account.clone()]));
    assert_eq!(failed(&ledger), [account.as_str()]);
    ledger.note(answer(&account, day(), AnswerState::Ok));
    assert_eq!((counts(&ledger), failed(&ledger).len()), ([1, 0, 0, 0, 2], 0));
    ledger.fail(&account, &silence(), at(0));
    assert_eq!((counts(&ledger), failed(&ledger).len()), ([1, 0, 0, 0, 2], 1));
    // Of another day, of another definition, of another target: none of them answers this one.
    ledger.note(answer(&a, day().plus(-1), AnswerState::Ok));
    ledger.note(LedgerEntry { definition: "[]".to_owned(), ..answer(&a, day(), AnswerState::Ok) });
    ledger.note(answer("wecom_kf_servicer/wk/c", day(), AnswerState::Ok));
    assert_eq!(counts(&ledger), [1, 0, 0, 0, 2]);
    ledger.note(answer(&a, day(), AnswerState::NoData));
    assert_eq!(counts(&ledger), [1, 1, 0, 0, 1]);
}

fn failed(ledger: &Ledger) -> Vec<String> {
    ledger.memory().troubles.into_keys().collect()
}

fn silence() -> Failure {
    Failure::Unavailable("no answer".to_owned())
}

fn unknown(code: i64) -> Failure {
    Failure::Unknown(Refusal::unknown(code, "no"))
}

fn users(ids: &[&str]) -> (Ledger, Vec<String>) {
    let targets: Vec<_> = ids.iter().map(|id| target(table("wecom_contact", 0), &[id])).collect();
    let keys = targets.iter().map(Target::key).collect();
    (Ledger::new(day(), 1, targets), keys)
}

#[test]
fn what_failed_last_time_comes_after_all_else() {
    let ids: Vec<_> = (0..40).map(|n| format!("u{n:02}")).collect();
    let (mut ledger, keys) = users(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(due(&ledger, at(0)), keys, "in the order of the list");
    keys[..10].iter().for_each(|key| ledger.note(answer(key, day(), AnswerState::Ok)));
    keys[10..20].iter().for_each(|key| ledger.fail(key, &silence(), at(0)));
    let order = due(&ledger, at(60));
    let part = |part: &[String]| part.iter().cloned().collect::<HashSet<_>>();
    assert_eq!(part(&order[..20]), part(&keys[20..]), "never asked");
    assert_eq!(part(&order[20..30]), part(&keys[..10]), "refreshes");
    assert_eq!(order[30..], keys[10..20], "failed");
    // Neighbours that fail do so together: those not asked yet come in an order of their own.
    assert_ne!(order[..20], keys[20..]);
}

#[test]
fn who_was_refused_last_time_is_asked_alone() {
    let (mut ledger, keys) = users(&["a", "b", "c"]);
    ledger.note(answer(&keys[0], day(), AnswerState::Refused));
    ledger.note_day_before(&LedgerEntry {
        code: Some(60_111.into()),
        ..answer(&keys[1], day().plus(-1), AnswerState::Refused)
    });
    ledger.note_day_before(&answer(&keys[2], day().plus(-1), AnswerState::Ok));
    let due = ledger.due(at(60), REFRESH, false, &HashSet::new());
    let due: Vec<_> = due.iter().map(|(target, grouping)| (target.labels[0].as_str(), *grouping)).collect();
    assert_eq!(due, [("b", Grouping::Alone), ("c", Grouping::Any), ("a", Grouping::Alone)]);
}

#[test]
fn an_unknown_code_is_settled_where_others_are_answered() {
    let (mut ledger, keys) = users(&["a", "b", "c"]);
    let settled = |ledger: &Ledger| -> Vec<_> {
        ledger.settled().iter().map(|(target, refusal)| (target.labels[0].clone(), refusal.code.to_string())).collect()
    };
    for _ in 0..3 {
        keys.iter().for_each(|key| ledger.fail(key, &unknown(7), at(0)));
        assert!(settled(&ledger).is_empty(), "it is not about any of them");
    }
    ledger.note(answer(&keys[1], day(), AnswerState::NoData));
    assert_eq!(settled(&ledger), [("a".to_owned(), "7".to_owned()), ("c".to_owned(), "7".to_owned())]);
    ledger.note(LedgerEntry { code: Some(7.into()), ..answer(&keys[0], day(), AnswerState::Refused) });
    assert_eq!(settled(&ledger), [("c".to_owned(), "7".to_owned())]);
    // With the refresh, and on the next day, once is enough.
    ledger.fail(&keys[0], &unknown(7), at(60));
    assert_eq!(settled(&ledger).len(), 2);
    // What has figures keeps them.
    ledger.note(answer(&keys[2], day(), AnswerState::Ok));
    (0..5).for_each(|_| ledger.fail(&keys[2], &unknown(7), at(60)));
    assert_eq!(settled(&ledger), [("a".to_owned(), "7".to_owned())]);
    let (mut next_day, keys) = users(&["a", "b"]);
    next_day.note_day_before(&LedgerEntry {
        code: Some(7.into()),
        ..answer(&keys[0], day().plus(-1), AnswerState::Refused)
    });
    next_day.fail(&keys[0], &unknown(7), at(0));
    assert!(settled(&next_day).is_empty());
    next_day.note(answer(&keys[1], day(), AnswerState::Ok));
    assert_eq!(settled(&next_day), [("a".to_owned(), "7".to_owned())]);
}

#[test]
fn what_is_next_due_is_told_without_what_waits_for_another() {
    let next = |ledger: &Ledger| ledger.next_due(at(0), REFRESH, true);
    let (mut ledger, [account, ..]) = kf();
    assert_eq!(next(&ledger), Some(Timestamp::MIN));
    ledger.note(answer(&account, day(), AnswerState::NoData));
    assert_eq!(next(&ledger), Some(at(60)), "the servicers are not asked");
    ledger.note(answer(&account, day(), AnswerState::Ok));
    assert_eq!(next(&ledger), Some(Timestamp::MIN));
    (0..3).for_each(|_| ledger.fail(&account, &unknown(7), at(0)));
    let (mut one, keys) = users(&["a"]);
    (0..3).for_each(|_| one.fail(&keys[0], &unknown(7), at(0)));
    assert_eq!(next(&one), Some(at(10)));
    assert!(due(&one, at(9)).is_empty() && due(&one, at(10)) == keys);
    // Remembered until the next waking.
    let (mut later, _) = users(&["a", "b"]);
    later.recall(&one.memory());
    assert!(failed(&later) == keys && due(&later, at(9)) == ["wecom_contact_user/b"]);
    assert_eq!(Ledger::new(day(), 3, vec![]).next_due(at(0), REFRESH, true), None);
}

#[test]
fn an_answer_is_refreshed_after_an_hour_and_then_every_refresh_interval() {
    let (mut ledger, keys) = users(&["a", "b", "c"]);
    let [a, b, c] = keys.try_into().unwrap();
    ledger.note(answer(&a, day(), AnswerState::Ok));
    ledger.note(LedgerEntry { answers: 2, ..answer(&b, day(), AnswerState::Ok) });
    assert_eq!(due(&ledger, at(59)), vec![c.clone()]);
    assert_eq!(due(&ledger, at(60)), [c.clone(), a.clone()], "without an answer first");
    assert_eq!(due(&ledger, at(359)), [c.clone(), a.clone()]);
    assert_eq!(due(&ledger, at(360)), [c.clone(), a.clone(), b.clone()]);
    // The clock was ahead when they came: by a minute is nothing, by more they count for nothing.
    assert_eq!(due(&ledger, at(-1)), vec![c.clone()]);
    assert_eq!(due(&ledger, at(-2)), [c.clone(), a.clone(), b.clone()]);
    // No target has data: every half hour, until the day counts as produced.
    for (key, answers) in [(&a, 1), (&b, 2), (&c, 1)] {
        ledger.note(LedgerEntry { answers, ..answer(key, day(), AnswerState::NoData) });
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
    let mut ledger = Ledger::new(day(), 1, vec![Target::listed(agents, vec![], Filter::default())]);
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
    // Where all were asked and no page would be replaced, one that is ok is enough; it can't be so with one pending
    // that could be asked.
    for (states, in_time, unprotected, late) in [
        ([1, 0, 0, 0, 0], true, true, true),
        ([1, 1, 1, 0, 0], true, true, true),
        ([1, 0, 0, 1, 0], false, true, true),
        ([1, 0, 0, 1, 1], false, true, true),
        ([0, 0, 0, 1, 0], false, false, false),
        ([0, 0, 0, 0, 1], false, false, false),
        ([0, 1, 0, 0, 0], false, false, true),
        ([0, 1, 1, 0, 0], false, false, true),
        ([0, 1, 0, 1, 0], false, false, false),
        ([0, 0, 1, 0, 0], true, true, true),
        ([0, 0, 1, 1, 0], false, false, false),
    ] {
        let may = |late, unprotected| may_flip(&counts(states), late, unprotected);
        assert_eq!((may(false, false), may(false, true), may(true, false)), (in_time, unprotected, late), "{states:?}");
    }
}

#[test]
fn who_can_not_be_asked_as_the_one_above_failed_counts_as_asked() {
    let (mut ledger, [account, a, b]) = kf();
    assert!(!ledger.is_asked());
    ledger.fail(&account, &silence(), at(0));
    assert!(ledger.is_asked());
    ledger.note(answer(&account, day(), AnswerState::Ok));
    assert!(!ledger.is_asked(), "now both servicers can be asked");
    ledger.fail(&a, &silence(), at(0));
    ledger.note(answer(&b, day(), AnswerState::Refused));
    assert!(ledger.is_asked());
}

#[test]
fn a_target_with_figures_lacks_them_where_no_row_is_of_it_and_its_day() {
    let (mut ledger, keys) = users(&["a", "b", "c"]);
    for (key, state) in keys.iter().zip([AnswerState::Ok, AnswerState::Ok, AnswerState::NoData]) {
        ledger.note(answer(key, day(), state));
    }
    let row = |name: &str, day: Day| Row { day, labels: vec![name.to_owned()], values: Vec::new() };
    let lacking = |rows: &[Row]| ledger.lacking(&[(table("wecom_contact", 0), rows.to_vec())]);
    assert_eq!((lacking(&[]), lacking(&[row("a", day())])), (2, 1));
    assert_eq!(lacking(&[row("a", day()), row("b", day().plus(-1)), row("x", day())]), 1);
    assert_eq!(lacking(&[row("a", day()), row("b", day())]), 0);
}
