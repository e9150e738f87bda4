//! How often an API may be called, and what is counted against it.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::apis::{APIS, Platform};

/// Failed calls of `gettoken` an hour after which WeCom shuts an address out.
const FAILED_LOGINS: u32 = 2000;
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
const HOUR: SignedDuration = SignedDuration::from_secs(3600);

/// A call too many.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OverQuota {
    /// The calls that the window allows.
    pub(super) limit: u32,
    /// Seconds until calls are answered again, at least 1.
    pub(super) reset: i64,
}

/// The counters of all APIs of one company.
pub(super) struct Quota {
    enforced: bool,
    calls_per_minute: Option<u32>,
    counters: Vec<Mutex<Counter>>,
    failed_logins: Mutex<Counter>,
}

#[derive(Default)]
struct Counter {
    minute: Window,
    hour: Window,
    shut_until: Option<Timestamp>,
}

#[derive(Default)]
struct Window {
    ends: Option<Timestamp>,
    calls: u32,
}

impl Window {
    /// Counts a call; returns when the window ends.
    fn count(&mut self, now: Timestamp, length: SignedDuration) -> Timestamp {
        // A clock that tests set may go back, too: such a window is as good as over.
        let ends = match self.ends {
            Some(ends) if ends > now && ends.duration_since(now) <= length => ends,
            _ => {
                self.calls = 0;
                now.saturating_add(length).unwrap_or(Timestamp::MAX)
            }
        };
        self.ends = Some(ends);
        self.calls += 1;
        ends
    }
}

impl Quota {
    /// Counters at zero; `calls_per_minute` replaces every published limit.
    pub(super) fn new(enforced: bool, calls_per_minute: Option<u32>) -> Self {
        let counters = APIS.iter().map(|_| Mutex::default()).collect();
        Self { enforced, calls_per_minute, counters, failed_logins: Mutex::default() }
    }

    /// Whether calls beyond the limits are refused.
    pub(super) fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// Counts a call of the API at `place` in [`APIS`].
    pub(super) fn admit(&self, place: usize, now: Timestamp) -> Result<(), OverQuota> {
        if !self.enforced {
            return Ok(());
        }
        let api = &APIS[place];
        let per_minute = self.calls_per_minute.unwrap_or(api.per_minute);
        let per_hour = if self.calls_per_minute.is_some() || api.per_hour == 0 { u32::MAX } else { api.per_hour };
        let mut counter = self.counters[place].lock();
        if let Some(until) = counter.shut_until.filter(|until| *until > now) {
            return Err(OverQuota { limit: per_minute, reset: seconds(now, until) });
        }
        let minute_ends = counter.minute.count(now, MINUTE);
        let hour_ends = counter.hour.count(now, HOUR);
        let (limit, length, ends) = if counter.minute.calls > per_minute {
            (per_minute, MINUTE, minute_ends)
        } else if counter.hour.calls > per_hour {
            (per_hour, HOUR, hour_ends)
        } else {
            return Ok(());
        };
        // WeCom shuts the API for a whole window from the call too many; the others wait for the window to end.
        let until = match api.platform {
            Platform::Wecom => now.saturating_add(length).unwrap_or(Timestamp::MAX),
            Platform::TencentDesk | Platform::Feishu => ends,
        };
        counter.shut_until = Some(until);
        counter.minute.ends = None;
        if length == HOUR {
            counter.hour.ends = None;
        }
        Err(OverQuota { limit, reset: seconds(now, until) })
    }

    /// Counts a login with wrong credentials.
    pub(super) fn login_failed(&self, now: Timestamp) {
        let mut counter = self.failed_logins.lock();
        counter.hour.count(now, HOUR);
        if counter.hour.calls > FAILED_LOGINS {
            counter.shut_until = now.checked_add(HOUR).ok();
        }
    }

    /// Tells whether logins are refused for too many failures.
    pub(super) fn logins_shut(&self, now: Timestamp) -> bool {
        let counter = self.failed_logins.lock();
        self.enforced && counter.shut_until.is_some_and(|until| until > now)
    }
}

fn seconds(now: Timestamp, until: Timestamp) -> i64 {
    until.duration_since(now).as_secs().max(1)
}

#[cfg(test)]
mod tests {
    use super::super::apis::{self, find};
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn wecom_shuts_an_api_for_a_minute_after_the_call_too_many() {
        let quota = Quota::new(true, Some(2));
        let (contact, _) = find("/cgi-bin/externalcontact/get_user_behavior_data").unwrap();
        assert_eq!(quota.admit(contact, at(0)), Ok(()));
        assert_eq!(quota.admit(contact, at(50)), Ok(()));
        assert_eq!(quota.admit(contact, at(59)), Err(OverQuota { limit: 2, reset: 60 }));
        assert_eq!(quota.admit(contact, at(118)), Err(OverQuota { limit: 2, reset: 1 }));
        assert_eq!(quota.admit(contact, at(119)), Ok(()));
        let (other, _) = find("/cgi-bin/kf/get_servicer_statistic").unwrap();
        assert_eq!(quota.admit(other, at(59)), Ok(()));
    }

    #[test]
    fn feishu_answers_again_when_the_minute_is_over() {
        let quota = Quota::new(true, None);
        let (push, _) = find(&format!("/open-apis/{}", apis::PUSH)).unwrap();
        for _ in 0..100 {
            assert_eq!(quota.admit(push, at(0)), Ok(()));
        }
        assert_eq!(quota.admit(push, at(40)), Err(OverQuota { limit: 100, reset: 20 }));
        assert_eq!(quota.admit(push, at(60)), Ok(()));
    }

    #[test]
    fn too_many_failed_logins_shut_all_logins_out_for_an_hour() {
        let quota = Quota::new(true, None);
        for _ in 0..=FAILED_LOGINS {
            assert!(!quota.logins_shut(at(0)));
            quota.login_failed(at(0));
        }
        assert!(quota.logins_shut(at(3599)));
        assert!(!quota.logins_shut(at(3600)));
    }

    #[test]
    fn wecom_shuts_an_api_for_an_hour_after_150000_calls() {
        let quota = Quota::new(true, None);
        let (contact, _) = find("/cgi-bin/externalcontact/get_user_behavior_data").unwrap();
        for call in 0..150_000 {
            assert_eq!(quota.admit(contact, at(call / 9000 * 60)), Ok(()));
        }
        assert_eq!(quota.admit(contact, at(1000)), Err(OverQuota { limit: 150_000, reset: 3600 }));
        assert!(quota.admit(contact, at(4599)).is_err());
        assert_eq!(quota.admit(contact, at(4600)), Ok(()));
    }
}
