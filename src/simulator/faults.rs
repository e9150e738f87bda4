//! What can be made to go wrong, while the simulator runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;

use super::apis::{APIS, Api, Platform};
use crate::day::{Day, Zone};

/// A rule: which calls go wrong, how often, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    /// An API's path as [`super::Simulator::calls`] names it, a platform (`wecom`, `tencent_desk`, `feishu`), or `*`.
    pub api: String,
    /// Only calls that name this subject, alone or among others; as [`super::LoggedCall::subject`] writes it.
    pub subject: Option<String>,
    /// How many more calls; `None` for all. Effects on figures last until they are removed.
    pub remaining: Option<u32>,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// A rule for all calls of an API.
    #[must_use]
    pub fn on(api: &str, effect: Effect) -> Self {
        Self { api: api.to_owned(), subject: None, remaining: None, effect }
    }

    /// All that [`Fault::api`] may name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let platforms = [Platform::Wecom, Platform::TencentDesk, Platform::Feishu];
        ["*"].into_iter().chain(platforms.map(Platform::name)).chain(APIS.iter().map(|api| api.path))
    }

    /// The same for one subject only.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        Self { subject: Some(subject.to_owned()), ..self }
    }

    /// The same for so many calls only.
    #[must_use]
    pub fn times(self, calls: u32) -> Self {
        Self { remaining: Some(calls), ..self }
    }
}

/// What happens to a call, or to the figures that it asks for.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The platform refuses with this code, in its own envelope and with its own HTTP status.
    Refuse(i64),
    /// The same with the code written as a text, as some gateways do; code 0 is the right answer.
    CodeAsText(i64),
    /// The right answer comes with a byte order mark before it.
    ByteOrderMark,
    /// HTTP 200, and nothing.
    Empty,
    /// A gateway answers with this HTTP status and a page of HTML: 500, 502, 503 for a platform that is down.
    Html(u16),
    /// HTTP 429; where seconds are given with Feishu's `x-ogw-ratelimit-reset`, or `Retry-After` of the others.
    TooManyRequests(Option<u32>),
    /// The connection breaks in the middle of the right answer.
    Reset,
    /// The answer never comes.
    Hang,
    /// The right answer comes late, by real time.
    Delay(Duration),
    /// Half of the right answer comes, as if it were all.
    Truncate,
    /// Something else comes.
    Raw {
        /// The HTTP status.
        status: u16,
        /// The headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The list of the right answer comes empty, as this platform gives one that is: without the key, `null`, or `[]`.
    EmptyList,
    /// Another entry, of this form, comes first in the list of the right answer.
    FirstEntry(serde_json::Value),
    /// More ids than this in one call are refused, as of a field that is too long.
    LongestList(usize),
    /// The subject has no figures: on these days, or on any if there are none.
    NoData(Vec<Day>),
    /// The figures of the newest day are missing until this hour of the day on which they are published.
    NoDataBefore(u8),
    /// The figures of the newest day are zeros until this hour of the day on which they are published.
    ZerosBefore(u8),
    /// From an instant on, a day's leading count is larger by `delta`: `message_cnt`, `msg_total`, `session_cnt`,
    /// `TotalMsgCnt` or `send_msg_count`. What is restated for a member or servicer is so in the totals that contain
    /// them; in Feishu each department and the tenant count by themselves.
    Restate {
        /// The day whose figures change.
        day: Day,
        /// When they change.
        since: Timestamp,
        /// By how much; counts never fall below 0.
        delta: i64,
    },
}

impl Effect {
    fn is_on_figures(&self) -> bool {
        matches!(self, Self::NoData(_) | Self::NoDataBefore(_) | Self::ZerosBefore(_) | Self::Restate { .. })
    }
}

/// What the rules make of one subject's figures of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Overlay {
    pub(super) missing: bool,
    pub(super) zero: bool,
    pub(super) delta: i64,
}

impl Overlay {
    /// The leading count with the delta.
    pub(super) fn shift(self, count: u64) -> u64 {
        count.saturating_add_signed(self.delta)
    }
}

/// The rules in force; they may be changed while the simulator runs.
#[derive(Default)]
pub struct Faults {
    rules: RwLock<Vec<(u64, Fault)>>,
    /// Lets a call pass without the lock while there is no rule.
    count: AtomicUsize,
    serial: AtomicUsize,
}

impl Faults {
    /// Adds a rule; returns the id by which it can be removed. Of several rules the oldest wins.
    pub fn add(&self, fault: Fault) -> u64 {
        let id = self.serial.fetch_add(1, Ordering::Relaxed) as u64;
        self.change(|rules| rules.push((id, fault)));
        id
    }

    /// Removes a rule.
    pub fn remove(&self, id: u64) {
        self.change(|rules| rules.retain(|(other, _)| *other != id));
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.change(Vec::clear);
    }

    /// Tells whether there is no rule at all, at next to no cost.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Takes the effect that the call of `api` for `subjects` has to suffer, if any.
    pub(super) fn take(&self, api: &Api, subjects: &[String]) -> Option<Effect> {
        if self.is_empty() {
            return None;
        }
        let mut rules = self.rules.write();
        let (_, fault) = rules.iter_mut().find(|(_, fault)| {
            !fault.effect.is_on_figures()
                && fault.remaining != Some(0)
                && reaches(fault, api)
                && fault.subject.as_ref().is_none_or(|subject| subjects.contains(subject))
        })?;
        if let Some(remaining) = &mut fault.remaining {
            *remaining -= 1;
        }
        Some(fault.effect.clone())
    }

    /// What the rules make of the figures of `subject` on `day`; rules without a subject count where `general`.
    pub(super) fn overlay(&self, api: &Api, subject: &str, general: bool, day: Day, now: Timestamp) -> Overlay {
        let mut overlay = Overlay::default();
        // Feishu publishes two days later, the others on the next day.
        let lag = if api.platform == Platform::Feishu { 2 } else { 1 };
        let published = day.plus(lag).midnight(&Zone::china());
        let early = |hour: u8| now.duration_since(published) < SignedDuration::from_hours(i64::from(hour));
        for (_, fault) in self.rules.read().iter() {
            let concerns = fault.subject.as_deref().map_or(general, |only| only == subject);
            if !concerns || !reaches(fault, api) {
                continue;
            }
            match &fault.effect {
                Effect::NoData(days) => overlay.missing |= days.is_empty() || days.contains(&day),
                Effect::NoDataBefore(hour) => overlay.missing |= early(*hour),
                Effect::ZerosBefore(hour) => overlay.zero |= early(*hour),
                Effect::Restate { day: restated, since, delta } if *restated == day && now >= *since => {
                    overlay.delta += delta;
                }
                _ => {}
            }
        }
        overlay
    }

    fn change(&self, change: impl FnOnce(&mut Vec<(u64, Fault)>)) {
        let mut rules = self.rules.write();
        change(&mut rules);
        self.count.store(rules.len(), Ordering::Release);
    }
}

fn reaches(fault: &Fault, api: &Api) -> bool {
    fault.api == api.path || fault.api == api.platform.name() || fault.api == "*"
}

#[cfg(test)]
mod tests {
    use super::super::apis::{APIS, KF};
    use super::*;

    fn kf() -> &'static Api {
        APIS.iter().find(|api| api.path == KF).unwrap()
    }

    #[test]
    fn a_rule_wears_off() {
        let faults = Faults::default();
        faults.add(Fault::on("wecom", Effect::Refuse(-1)).subject("wk1").times(2));
        let subjects = ["wk0".to_owned(), "wk1".to_owned()];
        assert!(faults.take(kf(), &subjects[..1]).is_none());
        assert!(faults.take(kf(), &subjects).is_some());
        assert!(faults.take(kf(), &subjects).is_some());
        assert!(faults.take(kf(), &subjects).is_none());
    }

    #[test]
    fn figures_are_zero_only_until_the_hour() {
        let faults = Faults::default();
        faults.add(Fault::on(KF, Effect::ZerosBefore(6)));
        let day = "2026-11-19".parse().unwrap();
        let overlay = |now: &str| faults.overlay(kf(), "wk0", true, day, now.parse().unwrap());
        assert!(overlay("2026-11-20T05:59:59+08:00").zero);
        assert!(!overlay("2026-11-20T06:00:00+08:00").zero);
        faults.clear();
        assert_eq!(overlay("2026-11-20T01:00:00+08:00"), Overlay::default());
    }
}
