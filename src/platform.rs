//! What the platforms have in common: credentials, calls, envelopes and refusals.
//!
//! A platform is one file below this one. It says how a call is admitted (token or signature), how an answer's
//! envelope is read, and what each of its error codes means for what we do next. It does no I/O.

mod code;
mod codes;
mod feishu;
mod refusal;
mod secret;
mod tencent;
mod token_source;
mod wecom;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use code::ErrorCode;
pub use codes::{Code, Codes};
pub use feishu::Feishu;
pub use refusal::{Class, Refusal, no_envelope};
pub use secret::{Secret, SecretError};
pub use tencent::TencentDesk;
pub use token_source::{Proof, TokenSource};
pub use wecom::Wecom;

/// Every platform; a new one is a line here.
pub const PLATFORMS: &[&dyn Platform] = &[&Wecom, &TencentDesk, &Feishu];

/// What one platform does its own way: where it is, how it admits callers, and how it refuses.
pub trait Platform: fmt::Debug + Send + Sync {
    /// The name in configuration, such as `wecom`.
    fn name(&self) -> &'static str;
    /// The name for people, such as `WeCom`.
    fn title(&self) -> &'static str;
    /// The keys under which an account of the configuration holds its credential.
    fn keys(&self) -> CredentialKeys;
    /// Looks at the id of [`CredentialKeys::id`].
    ///
    /// # Errors
    /// What is wrong with its form.
    fn check_id(&self, _id: &str) -> Result<(), String> {
        Ok(())
    }
    /// Where the platform answers, without a path.
    fn base_url(&self) -> &'static str;
    /// How many calls a minute of one API stay well below the platform's limit.
    fn calls_per_minute(&self) -> u32;
    /// Whether the account's zone can be chosen; if not, days are counted in UTC+8.
    fn has_zones(&self) -> bool;
    /// Says how to get a token: by a call, or signed here from `secret` at `now`.
    fn admission(&self, credential: &Credential, secret: &SecretString, now: Timestamp) -> Login;
    /// Reads the token from the accepted answer to [`Login::Ask`], received at `now`.
    ///
    /// # Errors
    /// A text that names the JSON path which is missing or of the wrong type.
    fn token(&self, body: &Value, now: Timestamp) -> Result<Token, String>;
    /// How long the platform asks us to wait, by the headers of an answer; `header` gives the text of one.
    fn wait(&self, header: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
        seconds(header("retry-after"))
    }
    /// Says how `token` travels with a call.
    fn pass(&self, credential: &Credential, token: &Token) -> Pass;
    /// What its error codes mean.
    fn codes(&self) -> &'static Codes;
    /// Tells whether the platform accepted the call of `api`, which may be a login.
    ///
    /// # Errors
    /// The [`Refusal`], by the platform's code, which may mean something else for another API.
    fn judge(&self, api: &str, reply: &Reply) -> Result<(), Refusal>;
}

/// The configuration keys of a platform's credential.
#[derive(Clone, Copy, Debug)]
pub struct CredentialKeys {
    /// The company's or application's id, such as `corp_id`; limits are counted by it.
    pub id: &'static str,
    /// The name of the caller, where the platform wants one, such as `identifier`.
    pub caller: Option<&'static str>,
    /// The secret, such as `app_secret`.
    pub secret: &'static str,
    /// What an account may have in its place: a token from outside, such as `access_token`.
    pub token: &'static str,
}

/// The id under which a platform knows the caller.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The platform that issued it.
    pub platform: &'static dyn Platform,
    /// `corp_id`, `app_id` or `sdk_app_id`.
    pub id: String,
    /// `identifier`, where the platform has one.
    pub caller: Option<String>,
    /// Where the secret, or a token in its place, is read from.
    pub proof: Proof,
}

/// A request to a platform, before it is admitted: it holds no secret and may be logged.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The value of the `api` label: the path with ids templated, and without `cgi-bin/`, `v4/` or `open-apis/`.
    pub api: &'static str,
    /// `GET` without a body, else `POST`.
    pub body: Option<Value>,
    /// The path below the base URL, without a leading slash.
    pub path: String,
    /// Query parameters, without those of the token.
    pub query: Vec<(&'static str, String)>,
}

impl Call {
    /// A `GET` of `path`.
    #[must_use]
    pub fn get(api: &'static str, path: impl Into<String>, query: Vec<(&'static str, String)>) -> Self {
        Self { api, body: None, path: path.into(), query }
    }

    /// A `POST` of `body` to `path`.
    #[must_use]
    pub fn post(api: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self { api, body: Some(body), path: path.into(), query: Vec::new() }
    }
}

/// How a token is obtained.
#[derive(Debug)]
pub enum Login {
    /// By this call, whose parts hold the secret.
    Ask {
        /// The call itself, without the secret.
        call: Call,
        /// What carries the secret.
        pass: Pass,
        /// A body that carries the secret.
        body: Option<SecretString>,
    },
    /// It is signed here.
    Signed(Token),
}

/// An access token or signature, and how long it holds.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub value: SecretString,
    /// When the platform begins to refuse it.
    pub expires: Timestamp,
    /// When a new one is fetched.
    pub renew: Timestamp,
}

impl Token {
    /// Whether `other` is the same token.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.value.expose_secret() == other.value.expose_secret()
    }

    /// A token that was received at `now`, holds for `seconds`, and is renewed `early` seconds before its end
    /// (at half its life where that is shorter).
    #[must_use]
    pub fn lasting(value: String, now: Timestamp, seconds: i64, early: i64) -> Self {
        let seconds = seconds.clamp(0, 366 * 86_400);
        let after = |seconds| now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        Self { value: value.into(), expires: after(seconds), renew: after((seconds - early).max(seconds / 2)) }
    }
}

/// What goes with a call so that the platform admits it.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Query parameters that hold a token or secret.
    pub query: Vec<(&'static str, SecretString)>,
    /// The value of an `Authorization: Bearer` header.
    pub bearer: Option<SecretString>,
    /// Other headers that hold a token or secret; their names in lower case.
    pub headers: Vec<(&'static str, SecretString)>,
}

/// A platform's answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// How long to wait, as [`Platform::wait`] read it from the headers.
    pub reset: Option<Duration>,
    /// The body.
    pub body: Value,
}

/// The time that a header gives in whole seconds.
#[must_use]
pub fn seconds(header: Option<String>) -> Option<Duration> {
    header?.trim().parse().ok().map(Duration::from_secs)
}

/// The whole number that `value` holds, as a number or as a text: gateways turn one into the other.
#[must_use]
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            // A number with a fraction of zero, such as `7200.0`; above 2^53 not every number is one.
            let number = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9e15)?;
            Some(number as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_waited_for_as_its_own_header_says() {
        let wait = |platform: &dyn Platform, headers: &[(&str, &str)]| {
            let header =
                |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            platform.wait(&header).map(|wait| wait.as_secs())
        };
        let both = [("retry-after", "3"), ("x-ogw-ratelimit-reset", " 7 ")];
        assert_eq!((wait(&Feishu, &both), wait(&Feishu, &both[..1]), wait(&Feishu, &[])), (Some(7), Some(3), None));
        for other in [&Wecom as &dyn Platform, &TencentDesk] {
            assert_eq!((wait(other, &both), wait(other, &both[1..])), (Some(3), None), "{}", other.name());
        }
        for no_seconds in ["soon", "-1", "", "1.5"] {
            assert_eq!(wait(&Wecom, &[("retry-after", no_seconds)]), None, "{no_seconds}");
        }
    }

    #[test]
    fn a_whole_number_may_be_written_as_a_text_or_with_a_fraction_of_zero() {
        use serde_json::json;
        for (value, number) in [
            (json!(48002), Some(48002)),
            (json!("48002"), Some(48002)),
            (json!(" -1 "), Some(-1)),
            (json!(7200.0), Some(7200)),
            (json!(0.5), None),
            (json!("7200s"), None),
            (json!(""), None),
            (json!(1e300), None),
            (json!(true), None),
            (Value::Null, None),
        ] {
            assert_eq!(whole(&value), number, "{value}");
        }
    }

    #[test]
    fn a_token_is_renewed_early_but_not_before_half_its_life() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert_eq!(Token::lasting("t".into(), now, 7200, 600).renew, at(6600));
        assert_eq!(Token::lasting("t".into(), now, 60, 600).renew, at(30));
        assert_eq!(Token::lasting("t".into(), now, -5, 600).expires, now);
        assert_eq!(Token::lasting("t".into(), now, i64::MAX, 600).expires, at(366 * 86_400));
    }
}
