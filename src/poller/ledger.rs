//! What is known of each target for one day, and so what to ask next and whether the day may be shown.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::day::Day;
use crate::source::{Table, Target};
use crate::store::{Answer, AnswerState};
use crate::telemetry::TargetCounts;

/// How long after a target's first answer it is asked again: early zeros are known to be corrected.
const FIRST_REFRESH: Duration = Duration::from_hours(1);

/// How often a day is asked again for which nobody has data yet.
const NOT_PRODUCED: Duration = Duration::from_mins(30);

/// An answer that came later than now by more than this came while the clock was ahead, maybe before there were figures.
const CLOCK_AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// What is known of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has figures.
    Ok,
    /// The vendor has none for it.
    NoData,
    /// The vendor refuses it.
    Refused,
    /// It was asked, and no usable answer came.
    Failed,
    /// It was not asked.
    Pending,
}

/// The targets of one target day, and what is known of them.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The target day.
    pub(super) day: Day,
    /// How many days a question covers.
    lookback: u32,
    targets: Vec<Entry>,
    index: HashMap<String, usize>,
}

#[derive(Debug)]
struct Entry {
    target: Arc<Target>,
    parent: Option<usize>,
    answer: Option<Answer>,
    /// Whether there are figures on any day of the span that is asked for.
    figures: bool,
    failed: bool,
}

impl Ledger {
    /// The ledger of `targets`, parents before their children, for `day`; a question covers `lookback` days.
    pub(super) fn new(day: Day, lookback: u32, targets: Vec<Target>) -> Self {
        let keys: Vec<_> = targets.iter().map(Target::key).collect();
        let index: HashMap<_, _> = keys.iter().enumerate().map(|(n, key)| (key.clone(), n)).collect();
        let entries = targets.into_iter().enumerate().map(|(n, target)| Entry {
            // Parents come first; what a broken list makes its own ancestor has no parent.
            parent: target.after.as_ref().and_then(|key| index.get(key).copied()).filter(|parent| *parent < n),
            target: Arc::new(target),
            answer: None,
            figures: false,
            failed: false,
        });
        Self { day, lookback, targets: entries.collect(), index }
    }

    /// Takes up an answer, where it is of a target as it is now defined.
    pub(super) fn note(&mut self, answer: Answer) {
        let Some(entry) = self.index.get(&answer.target).map(|n| &mut self.targets[*n]) else { return };
        if entry.target.definition != answer.definition {
            return;
        }
        // A week's last day is among the days that are looked up, but says nothing about the children's day.
        let asked = entry.target.days(self.day, self.lookback).contains(answer.day);
        entry.figures |= asked && answer.state == AnswerState::Ok;
        if answer.day == entry.target.day(self.day) {
            entry.failed = false;
            entry.answer = Some(answer);
        }
    }

    /// Forgets that there are figures of the target, before the answers of a new request are noted.
    pub(super) fn renew(&mut self, key: &str) {
        if let Some(n) = self.index.get(key) {
            self.targets[*n].figures = false;
        }
    }

    /// Notes that no usable answer came for the target; an earlier answer stays.
    pub(super) fn fail(&mut self, key: &str) {
        if let Some(n) = self.index.get(key) {
            self.targets[*n].failed = true;
        }
    }

    /// The keys of the targets that failed when they were last asked.
    pub(super) fn failed(&self) -> impl Iterator<Item = &str> {
        self.index.iter().filter(|(_, n)| self.targets[**n].failed).map(|(key, _)| key.as_str())
    }

    /// What is known of each target.
    fn states(&self) -> Vec<State> {
        let mut states: Vec<State> = Vec::with_capacity(self.targets.len());
        for entry in &self.targets {
            let inherited = entry.parent.and_then(|parent| match states[parent] {
                // Its figures are part of the parent's, of which there are none.
                State::NoData if !self.targets[parent].figures => Some(State::NoData),
                State::Refused => Some(State::Refused),
                _ => None,
            });
            let own = match &entry.answer {
                Some(answer) => match answer.state {
                    AnswerState::Ok => State::Ok,
                    AnswerState::NoData => State::NoData,
                    AnswerState::Refused => State::Refused,
                },
                None if entry.failed => State::Failed,
                None => State::Pending,
            };
            states.push(inherited.unwrap_or(own));
        }
        states
    }

    /// How many targets are in which state.
    pub(super) fn counts(&self) -> TargetCounts {
        let mut counts = TargetCounts::default();
        for state in self.states() {
            match state {
                State::Ok => counts.ok += 1,
                State::NoData => counts.no_data += 1,
                State::Refused => counts.refused += 1,
                State::Failed => counts.failed += 1,
                State::Pending => counts.pending += 1,
            }
        }
        counts
    }

    /// Whether there is nobody to ask about.
    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The targets to ask at `now`, without those `asked` already: the ones without an answer, then those due for a
    /// refresh.
    ///
    /// One below a target that is itself due, or that has no figures, is left for a later call.
    pub(super) fn due(
        &self,
        now: Timestamp,
        refresh: Duration,
        produced: bool,
        asked: &HashSet<String>,
    ) -> Vec<Arc<Target>> {
        let unproduced = !produced && nobody_has_data(&self.counts());
        let wait = |answer: &Answer| match answer.state {
            AnswerState::NoData if unproduced => NOT_PRODUCED,
            _ if answer.answers <= 1 => FIRST_REFRESH,
            _ => refresh,
        };
        let mut waits = Vec::with_capacity(self.targets.len());
        let (mut first, mut refreshes) = (Vec::new(), Vec::new());
        for entry in &self.targets {
            let parent = entry.parent.map(|n| &self.targets[n]);
            let blocked = entry.parent.is_some_and(|n| waits[n]) || parent.is_some_and(|parent| !parent.figures);
            let due = match &entry.answer {
                None => true,
                Some(answer) => {
                    let refresh = answer.last_at.checked_add(wait(answer)).is_ok_and(|due| due <= now);
                    refresh || answer.last_at.duration_since(now) > CLOCK_AHEAD
                }
            } && !asked.contains(&entry.target.key());
            waits.push(due || entry.parent.is_some_and(|n| waits[n]));
            if due && !blocked {
                if entry.answer.is_none() { &mut first } else { &mut refreshes }.push(Arc::clone(&entry.target));
            }
        }
        first.append(&mut refreshes);
        first
    }

    /// The days under which figures of these targets are kept, each once.
    pub(super) fn days(&self) -> Vec<Day> {
        kept_days(self.targets.iter().map(|entry| &*entry.target), self.day)
    }

    /// A test for rows of `table`, by labels and the day that they are kept under: whether their target is ok.
    pub(super) fn shown(&self, table: &'static Table) -> impl Fn(&[String], Day) -> bool {
        let states = self.states();
        move |labels, day| {
            // A target has all labels of its rows, or all but the one that rows bring.
            let whole = labels.len();
            [whole, whole.saturating_sub(1)].iter().any(|count| {
                let key = Target::key_of(table, &labels[..*count]);
                let ok = |n: &usize| states[*n] == State::Ok && self.targets[*n].target.day(self.day) == day;
                self.index.get(&key).is_some_and(ok)
            })
        }
    }

    /// All values of labels of all targets.
    pub(super) fn ids(&self) -> HashSet<&str> {
        self.targets.iter().flat_map(|entry| &entry.target.labels).map(String::as_str).collect()
    }
}

/// The days under which figures of `targets` are kept when `day` is the target day, each once.
pub(super) fn kept_days<'a>(targets: impl IntoIterator<Item = &'a Target>, day: Day) -> Vec<Day> {
    let days: BTreeSet<_> = targets.into_iter().map(|target| target.day(day)).collect();
    days.into_iter().collect()
}

/// Whether no target is known to have figures, though the vendor answered for some.
pub(super) fn nobody_has_data(counts: &TargetCounts) -> bool {
    counts.ok == 0 && counts.no_data > 0
}

/// Whether the day of these targets may take the page's place, at a time when `late` tells that `flip_after` has passed.
pub(super) fn may_flip(counts: &TargetCounts, late: bool) -> bool {
    let settled = counts.failed == 0 && counts.pending == 0;
    if late { settled || counts.ok > 0 } else { settled && !nobody_has_data(counts) }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            ledger.due(at(60), REFRESH, false, &asked).iter().map(|target| target.key()).collect::<Vec<_>>(),
            [b]
        );
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
        let counts = |[ok, no_data, refused, failed, pending]: [usize; 5]| TargetCounts {
            ok,
            no_data,
            refused,
            failed,
            pending,
        };
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
            assert_eq!(
                (may_flip(&counts(states), false), may_flip(&counts(states), true)),
                (in_time, late),
                "{states:?}"
            );
        }
    }
}
