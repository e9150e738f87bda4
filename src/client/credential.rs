//! What we know of a credential: its token, and whether the platform refuses it.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};

use crate::platform::{Credential, Token};

/// After a refusal of the account nothing is tried for this long, as WeCom bans addresses that keep trying ...
const FIRST_BACKOFF: Duration = Duration::from_mins(10);
/// ... then for twice as long each time, up to this.
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);

/// How long reloads have to be apart to try a refused credential again.
const FORGIVE_AGAIN: Duration = Duration::from_mins(1);

/// The state of one credential.
#[derive(Debug, Default)]
pub(super) struct CredentialState {
    /// The token, behind a lock that is held while one is fetched: everybody else waits for it.
    pub(super) token: tokio::sync::Mutex<Option<CachedToken>>,
    /// When the token expires, for readers that must not wait.
    expires: Mutex<Option<Timestamp>>,
    /// What went wrong with a token from outside, and until when it is not tried again.
    token_failure: Mutex<Option<(String, Timestamp)>>,
    /// What the platform refuses: the key is an API, or `None` for everything.
    denials: Mutex<HashMap<Option<&'static str>, Denial>>,
    /// When refusals were last forgotten without a reason, by the clock that runs evenly.
    forgiven: Mutex<Option<Duration>>,
}

/// A token, and the secret that it was made with; the token itself where it came from outside.
#[derive(Clone, Debug)]
pub(super) struct CachedToken {
    pub(super) token: Token,
    pub(super) secret: SecretString,
    /// Whether the secret was compared with what the configuration says now.
    pub(super) current: bool,
}

/// A refusal of the account that still holds.
#[derive(Clone, Debug)]
pub struct Denial {
    /// Nothing is tried before.
    pub until: Timestamp,
    /// What the platform said, and what to do about it.
    pub text: String,
    /// When the platform said it; a clock that shows an earlier time was wrong then, and so is `until`.
    since: Timestamp,
    times: u32,
    secret: Option<SecretString>,
}

impl Denial {
    fn holds(&self, now: Timestamp) -> bool {
        (self.since..self.until).contains(&now)
    }
}

impl CredentialState {
    /// Notes the token's end.
    pub(super) fn set_expiry(&self, expires: Option<Timestamp>) {
        *self.expires.lock() = expires;
    }

    /// When the token expires, where there is one.
    pub(super) fn expiry(&self) -> Option<Timestamp> {
        *self.expires.lock()
    }

    /// Notes that there is no token from outside, which is not tried again before `until`.
    pub(super) fn token_failed(&self, text: String, until: Timestamp) {
        *self.token_failure.lock() = Some((text, until));
    }

    /// Why there was no token from outside, as long as that is not tried again.
    pub(super) fn token_failure(&self, now: Timestamp) -> Option<String> {
        let failure = self.token_failure.lock();
        failure.as_ref().filter(|(_, until)| now < *until).map(|(text, _)| text.clone())
    }

    /// Notes that the platform refuses `api`, or everything, for `wait` at least where it says so; returns the denial.
    pub(super) fn deny(
        &self,
        api: Option<&'static str>,
        text: String,
        wait: Option<Duration>,
        credential: &Credential,
        now: Timestamp,
    ) -> Denial {
        let mut denials = self.denials.lock();
        let times = match denials.get(&api) {
            // Calls that were under way together are refused together: that is one refusal.
            Some(running) if running.holds(now) => return running.clone(),
            Some(past) => past.times + 1,
            None => 0,
        };
        let backoff = FIRST_BACKOFF.saturating_mul(1 << times.min(8)).min(LONGEST_BACKOFF);
        let backoff = backoff.max(wait.unwrap_or_default().min(LONGEST_BACKOFF));
        let until = now.checked_add(backoff).unwrap_or(Timestamp::MAX);
        let denial = Denial { until, text, since: now, times, secret: credential.proof.present().ok().flatten() };
        denials.insert(api, denial.clone());
        denial
    }

    /// The denial that forbids calling `api` now. One of another secret than the present one no longer holds.
    pub(super) fn denial(&self, api: &'static str, credential: &Credential, now: Timestamp) -> Option<Denial> {
        let mut denials = self.denials.lock();
        let holds = |denial: &&Denial| denial.holds(now);
        let found = denials.get(&None).filter(holds).or_else(|| denials.get(&Some(api)).filter(holds))?.clone();
        let present = credential.proof.present().ok().flatten();
        if present.as_ref().map(ExposeSecret::expose_secret) == found.secret.as_ref().map(ExposeSecret::expose_secret) {
            return Some(found);
        }
        denials.clear();
        None
    }

    /// Notes that the platform accepted a call of `api`.
    pub(super) fn accepted(&self, api: &'static str) {
        let mut denials = self.denials.lock();
        if !denials.is_empty() {
            denials.remove(&None);
            denials.remove(&Some(api));
        }
    }

    /// Forgets all refusals at `now`, as an operator may have removed their cause at the platform; once a minute at most,
    /// since each reload would otherwise be another login with a credential that was refused.
    pub(super) fn forgive(&self, now: Duration) {
        let mut forgiven = self.forgiven.lock();
        if forgiven.is_some_and(|last| now.saturating_sub(last) < FORGIVE_AGAIN) {
            return;
        }
        *forgiven = Some(now);
        self.denials.lock().clear();
        *self.token_failure.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Proof, Secret, Wecom};

    fn credential(secret: &str) -> Credential {
        Credential {
            platform: &Wecom,
            id: "ww1".into(),
            caller: None,
            proof: Proof::Secret(Secret::Inline(secret.into())),
        }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    #[test]
    fn backoff_grows_from_ten_minutes_to_an_hour() {
        let state = CredentialState::default();
        let mut now = at(0);
        for minutes in [10, 20, 40, 60, 60] {
            let denial = state.deny(None, "no".into(), None, &credential("a"), now);
            assert_eq!(denial.until.duration_since(now).as_mins(), minutes);
            assert_eq!(state.deny(None, "no".into(), None, &credential("a"), now).until, denial.until, "in flight");
            now = denial.until;
            assert!(state.denial("x", &credential("a"), now).is_none());
        }
        state.accepted("x");
        assert_eq!(state.deny(None, "no".into(), None, &credential("a"), now).until.duration_since(now).as_mins(), 10);
    }

    #[test]
    fn a_platform_may_ask_for_a_longer_wait() {
        let state = CredentialState::default();
        let deny = |wait| state.deny(None, "no".into(), Some(Duration::from_mins(wait)), &credential("a"), at(0));
        assert_eq!(deny(45).until, at(45));
        state.forgive(Duration::from_mins(1));
        assert_eq!(deny(1).until, at(10));
        state.forgive(Duration::from_mins(2));
        assert_eq!(deny(3 * 24 * 60).until, at(60));
    }

    #[test]
    fn a_refusal_of_a_clock_that_was_ahead_does_not_hold() {
        let state = CredentialState::default();
        state.deny(None, "no".into(), None, &credential("a"), at(60));
        assert!(state.denial("x", &credential("a"), at(61)).is_some());
        assert!(state.denial("x", &credential("a"), at(1)).is_none());
    }

    #[test]
    fn a_new_secret_is_tried_at_once() {
        let state = CredentialState::default();
        state.deny(None, "no".into(), None, &credential("a"), at(0));
        assert!(state.denial("x", &credential("a"), at(1)).is_some());
        assert!(state.denial("x", &credential("b"), at(1)).is_none());
        assert!(state.denial("x", &credential("a"), at(1)).is_none(), "forgiven for good");
    }

    #[test]
    fn a_missing_permission_stops_that_api_only() {
        let state = CredentialState::default();
        state.deny(Some("x"), "no".into(), None, &credential("a"), at(0));
        assert!(state.denial("x", &credential("a"), at(1)).is_some());
        assert!(state.denial("y", &credential("a"), at(1)).is_none());
    }

    #[test]
    fn the_backoff_of_a_permission_begins_anew_after_a_success() {
        let state = CredentialState::default();
        let minutes =
            |now| state.deny(Some("x"), "no".into(), None, &credential("a"), at(now)).until.duration_since(at(now));
        assert_eq!((minutes(0).as_mins(), minutes(10).as_mins()), (10, 20));
        state.accepted("y");
        assert_eq!(minutes(30).as_mins(), 40, "another API says nothing about this one");
        state.accepted("x");
        assert_eq!(minutes(70).as_mins(), 10);
    }

    #[test]
    fn reloads_forgive_once_a_minute() {
        let state = CredentialState::default();
        let mut tried = 0;
        for second in 0..=120 {
            state.forgive(Duration::from_secs(second));
            if state.denial("x", &credential("a"), at(0)).is_none() {
                tried += 1;
                state.deny(None, "no".into(), None, &credential("a"), at(0));
            }
        }
        assert_eq!(tried, 3, "at first, after one minute, after two");
    }
}
