//! A platform's no: what it means for what we do next, and what the operator can do about it.

use std::fmt;
use std::time::Duration;

use super::Reply;
use super::code::ErrorCode;
use crate::printable::shown;

/// What a refusal means for what we do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The token is not accepted: drop it, fetch one, try once more.
    Token,
    /// The credential is refused, or all that it asks from here: nothing is tried for 10 minutes and more.
    Account,
    /// This credential may not use this API: the API is not tried for 10 minutes and more.
    Permission,
    /// This target is refused; in a batch, one of them: asked again with the next refresh.
    Target,
    /// Too many calls: the API pauses.
    Throttled,
    /// The platform can't answer now: tried again with backoff.
    Unavailable,
    /// The answer is not one of the platform's, but of a proxy or another server: tried again with backoff, but not
    /// at a login, where it refuses the account.
    Foreign,
    /// There are no figures for this target and day.
    NoData,
    /// A code that we don't know: the target fails, and is asked again at the next waking.
    Unknown,
}

/// The text for a code that no table has.
const UNKNOWN: &str = "it is not one of the codes that this version knows: see the platform's list of codes; \
    --log.level=debug shows the platform's words";

/// The most characters of a platform's words.
const LONGEST_QUOTE: usize = 160;

/// A platform's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to do next.
    pub class: Class,
    /// The platform's error code; an HTTP status where the body had none.
    pub code: ErrorCode,
    /// What it means and what to do about it, in words; no ids of people.
    pub text: String,
    /// How long the platform asks us to wait, where it says so.
    pub wait: Option<Duration>,
    /// What the platform quotes as the culprit, or all that it says with a code that we don't know. It may name a person:
    /// for `check --online` and the log's debug level, and never with pseudonyms.
    pub quoted: Option<String>,
}

impl Refusal {
    /// A refusal without a wait and without a quotation.
    #[must_use]
    pub fn new(class: Class, code: impl Into<ErrorCode>, text: impl Into<String>) -> Self {
        Self { class, code: code.into(), text: text.into(), wait: None, quoted: None }
    }

    /// One whose code the table does not know. The platform's own words may name people, so they are not what is shown.
    #[must_use]
    pub fn unknown(code: impl Into<ErrorCode>, message: &str) -> Self {
        Self::new(Class::Unknown, code, UNKNOWN).quoting(message)
    }

    /// With the beginning of `message`, which the platform says or quotes, without characters that hide or turn text.
    #[must_use]
    pub fn quoting(mut self, message: &str) -> Self {
        self.quoted = Some(shown(message, LONGEST_QUOTE)).filter(|text| !text.is_empty());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {}: {}", self.code, self.text)
    }
}

/// The refusal of an answer whose body holds no envelope of the platform: by its HTTP status where that says enough,
/// else in the words `foreign`.
#[must_use]
pub fn no_envelope(reply: &Reply, foreign: &str) -> Refusal {
    let (class, text) = match reply.status {
        429 => (Class::Throttled, "too many calls, by the HTTP status"),
        500..=599 => (Class::Unavailable, "the server failed, by the HTTP status"),
        407 => (Class::Unavailable, "the proxy wants a user and a password: set them in proxy_url"),
        _ => (Class::Foreign, foreign),
    };
    Refusal { wait: reply.reset, ..Refusal::new(class, i64::from(reply.status), text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_unknown_code_keeps_the_platforms_words_apart_and_without_what_hides_text() {
        let refusal = Refusal::unknown(7, "a\nb\u{1b}[31m \u{202e}gnp.exe");
        assert_eq!(refusal.class, Class::Unknown);
        assert_eq!(refusal.quoted.as_deref(), Some("ab[31m gnp.exe"));
        assert_eq!(refusal.to_string(), format!("code 7: {UNKNOWN}"));
        assert_eq!(Refusal::unknown(7, "").quoted, None);
        let long = Refusal::unknown(7, &"张".repeat(1_000)).quoted.unwrap();
        assert_eq!(long, "张".repeat(LONGEST_QUOTE));
    }

    #[test]
    fn an_answer_without_an_envelope_is_judged_by_its_status() {
        let of = |status, reset| no_envelope(&Reply { status, reset, body: Value::Null }, "whose is it?");
        assert_eq!(of(429, None).class, Class::Throttled);
        for status in [407, 500, 502, 599] {
            let refusal = of(status, None);
            assert_eq!(refusal.class, Class::Unavailable, "{status}");
            assert_eq!(refusal.code, i64::from(status).into(), "{status}");
        }
        for status in [200, 302, 403, 404, 499, 600] {
            assert_eq!(of(status, None).class, Class::Foreign, "{status}");
            assert_eq!(of(status, None).text, "whose is it?");
        }
        let wait = Some(Duration::from_secs(7));
        assert_eq!(of(429, wait).wait, wait);
    }
}
