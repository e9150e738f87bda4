//! Feishu (飞书) and Lark: tenant access tokens, and the `code` envelope at any HTTP status.
//!
//! Pages:
//! <https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal>,
//! <https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code>,
//! <https://open.feishu.cn/document/server-docs/api-call-guide/frequency-control>.

mod codes;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::Class::{Throttled, Unavailable, Unknown};
use super::{
    Call, Codes, Credential, CredentialKeys, Login, Pass, Platform, Refusal, Reply, Token, no_envelope, seconds, whole,
};

use codes::{CODES, THROTTLES_WITH_RESET};

/// A token is renewed this many seconds before its end: below half an hour Feishu gives a new one, and both hold.
const RENEW_EARLY: i64 = 600;

/// Feishu counts the calls of an API by the minute.
const THROTTLE_WAIT: Duration = Duration::from_secs(60);

/// Feishu, or Lark at another base URL.
#[derive(Debug)]
pub struct Feishu;

impl Platform for Feishu {
    fn name(&self) -> &'static str {
        "feishu"
    }

    fn title(&self) -> &'static str {
        "Feishu"
    }

    fn keys(&self) -> CredentialKeys {
        CredentialKeys { id: "app_id", caller: None, secret: "app_secret", token: "access_token" }
    }

    fn base_url(&self) -> &'static str {
        "https://open.feishu.cn"
    }

    fn calls_per_minute(&self) -> u32 {
        90
    }

    fn has_zones(&self) -> bool {
        true
    }

    fn admission(&self, credential: &Credential, secret: &SecretString, _: Timestamp) -> Login {
        let api = "auth/v3/tenant_access_token/internal";
        let body = json!({"app_id": credential.id, "app_secret": secret.expose_secret()}).to_string();
        let call = Call::get(api, format!("open-apis/{api}"), vec![]);
        Login::Ask { call, pass: Pass::default(), body: Some(body.into()) }
    }

    fn token(&self, body: &Value, now: Timestamp) -> Result<Token, String> {
        // Both are at the top level, not under /data as elsewhere.
        let value = body["tenant_access_token"].as_str().filter(|token| !token.is_empty());
        let value = value.ok_or("/tenant_access_token is not a text")?.to_owned();
        let seconds = whole(&body["expire"]).filter(|seconds| *seconds > 0);
        Ok(Token::lasting(value, now, seconds.ok_or("/expire is not a positive number")?, RENEW_EARLY))
    }

    fn wait(&self, header: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
        seconds(header("x-ogw-ratelimit-reset").or_else(|| header("retry-after")))
    }

    fn pass(&self, _: &Credential, token: &Token) -> Pass {
        Pass { bearer: Some(token.value.clone()), ..Pass::default() }
    }

    fn codes(&self) -> &'static Codes {
        &CODES
    }

    fn judge(&self, api: &str, reply: &Reply) -> Result<(), Refusal> {
        let message = reply.body["msg"].as_str().unwrap_or_default();
        match whole(&reply.body["code"]) {
            Some(0) if reply.status == 200 => Ok(()),
            Some(code) if code != 0 => {
                let mut refusal = CODES.refusal(api, code.into(), message);
                let maybe_throttled = THROTTLES_WITH_RESET.contains(&refusal.code.as_str()) && reply.reset.is_some();
                // Of a code that is known the HTTP status says nothing more: the monthly quota comes with 200, 400 and
                // 429.
                let by_status = reply.status == 429 && refusal.class == Unknown;
                if by_status || maybe_throttled || refusal.class == Throttled {
                    refusal.class = Throttled;
                    refusal.wait = Some(reply.reset.unwrap_or(THROTTLE_WAIT));
                } else if refusal.class == Unknown && reply.status >= 500 {
                    refusal.class = Unavailable;
                }
                Err(refusal)
            }
            _ => Err(no_envelope(reply, "the answer has no code: is base_url Feishu's?")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::*;

    fn judge(status: u16, reset: Option<u64>, body: Value) -> Result<(), Refusal> {
        Feishu.judge("push", &Reply { status, reset: reset.map(Duration::from_secs), body })
    }

    #[test]
    fn codes_are_read_at_any_status() {
        assert_eq!(judge(200, None, json!({"code": 0, "data": {}})), Ok(()));
        assert_eq!(judge(404, None, json!({"code": 211_011})).unwrap_err().class, Class::NoData);
        assert_eq!(judge(400, None, json!({"code": 99_991_663})).unwrap_err().class, Class::Token);
        assert_eq!(judge(502, None, Value::Null).unwrap_err().class, Unavailable);
        assert_eq!(judge(500, None, json!({"code": 77})).unwrap_err().class, Unavailable);
        assert_eq!(judge(200, None, json!({})).unwrap_err().class, Class::Foreign);
        assert_eq!(judge(500, None, json!({"code": 0})).unwrap_err().class, Unavailable, "a failure that says well");
        assert_eq!(judge(429, None, json!({"code": 0})).unwrap_err().class, Throttled);
    }

    #[test]
    fn a_code_is_read_though_it_comes_as_a_text() {
        assert_eq!(judge(200, None, json!({"code": "0", "data": {}})), Ok(()));
        assert_eq!(judge(400, None, json!({"code": "211011"})).unwrap_err().class, Class::NoData);
    }

    #[test]
    fn what_a_known_code_means_does_not_hang_on_the_http_status() {
        for status in [200, 400, 429] {
            let quota = judge(status, Some(60), json!({"code": 99_991_403})).unwrap_err();
            assert_eq!((quota.class, quota.wait), (Class::Permission, None), "{status}");
            assert_eq!(judge(status, Some(60), json!({"code": 99_991_401})).unwrap_err().class, Class::Account);
        }
        assert_eq!(judge(429, None, json!({"code": 77})).unwrap_err().class, Throttled);
    }

    #[test]
    fn a_token_lasts_for_some_time() {
        let token =
            |expire: i64| Feishu.token(&json!({"tenant_access_token": "t-1", "expire": expire}), Timestamp::MIN);
        assert!(token(1).is_ok());
        assert!(Feishu.token(&json!({"tenant_access_token": "t", "expire": "7200"}), Timestamp::MIN).is_ok());
        assert_eq!(token(0).unwrap_err(), "/expire is not a positive number");
    }

    #[test]
    fn a_throttle_lasts_as_long_as_its_header_says() {
        let throttle = |status, reset, code| judge(status, reset, json!({"code": code})).unwrap_err();
        assert_eq!(throttle(429, Some(7), 99_991_400).wait, Some(Duration::from_secs(7)));
        assert_eq!(throttle(400, None, 99_991_400).wait, Some(THROTTLE_WAIT), "some old APIs say 400");
        assert_eq!(throttle(400, Some(3), 99_991_402).class, Throttled);
        assert_ne!(throttle(400, None, 99_991_402).class, Throttled);
        assert_eq!(judge(429, None, Value::Null).unwrap_err().class, Throttled);
    }
}
