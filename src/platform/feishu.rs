//! Feishu (飞书) and Lark: tenant access tokens, the `code` envelope at any HTTP status, and what each code means.
//!
//! Pages: <https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal>,
//! <https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code>,
//! <https://open.feishu.cn/document/server-docs/api-call-guide/frequency-control>.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::Class::{Account, NoData, Permission, Target, Throttled, Unavailable, Unknown};
use super::{
    Call, Class, Code, Credential, CredentialKeys, Login, Pass, Platform, Refusal, Reply, Token, judge_status,
};

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
        CredentialKeys { id: "app_id", caller: None, secret: "app_secret" }
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
        // Both stand at the top, not under /data as elsewhere.
        let value = body["tenant_access_token"].as_str().filter(|token| !token.is_empty());
        let value = value.ok_or("/tenant_access_token is not a text")?.to_owned();
        let seconds = body["expire"].as_i64().filter(|seconds| *seconds > 0);
        Ok(Token::lasting(value, now, seconds.ok_or("/expire is not a positive number")?, RENEW_EARLY))
    }

    fn pass(&self, _: &Credential, token: &Token) -> Pass {
        Pass { query: Vec::new(), bearer: Some(token.value.clone()) }
    }

    fn judge(&self, reply: &Reply) -> Result<(), Refusal> {
        let message = reply.body["msg"].as_str().unwrap_or_default();
        match reply.body["code"].as_i64() {
            Some(0) if reply.status == 200 => Ok(()),
            Some(code) if code != 0 => {
                let mut refusal = Code::look_up(CODES, code, message);
                let maybe_throttled = THROTTLES_WITH_RESET.contains(&code) && reply.reset.is_some();
                if reply.status == 429 || maybe_throttled || refusal.class == Throttled {
                    refusal.class = Throttled;
                    refusal.wait = Some(reply.reset.unwrap_or(THROTTLE_WAIT));
                } else if refusal.class == Unknown && reply.status >= 500 {
                    refusal.class = Unavailable;
                }
                Err(refusal)
            }
            _ => Err(judge_status(reply.status, reply.reset).unwrap_or_else(|| Refusal {
                class: Unavailable,
                code: i64::from(reply.status),
                text: "the answer has no code: is base_url Feishu's?".to_owned(),
                wait: None,
            })),
        }
    }
}

/// Codes that Feishu's SDKs disagree about: they are throttles where the rate-limit header comes with them.
const THROTTLES_WITH_RESET: &[i64] = &[99_991_401, 99_991_402, 11020, 11021];

const BAD_SECRET: &str = "app_id or app_secret is wrong: copy both anew from the developer console (the app > Credentials \
    and basic information)";
const SCOPE: &str = "the app lacks a permission: in the developer console add application:application.app_message_stats.\
    overview:readonly under Permissions, for departments also \
    contact:department.organize:readonly and contact:department.base:readonly, and publish a version";
const TOKEN: &str = "the access token is not valid";
const BUSY: &str = "Feishu failed";
const BAD_INPUT: &str = "Feishu does not accept the department, application or date that was asked for";

/// What to do at each code of the page, of the token call and of the generic list.
const CODES: &[Code] = &[
    Code(10003, Account, BAD_SECRET),
    Code(10014, Account, BAD_SECRET),
    Code(99_991_661, Class::Token, TOKEN),
    Code(99_991_663, Class::Token, TOKEN),
    Code(99_991_664, Class::Token, TOKEN),
    Code(99_991_665, Class::Token, TOKEN),
    Code(99_991_666, Class::Token, TOKEN),
    Code(99_991_668, Class::Token, TOKEN),
    Code(99_991_671, Class::Token, TOKEN),
    Code(99_991_677, Class::Token, TOKEN),
    Code(99_991_672, Permission, SCOPE),
    Code(99_991_679, Permission, SCOPE),
    Code(
        99_991_401,
        Account,
        "Feishu refuses this address: add it to the app's IP allowlist in the developer console (Security)",
    ),
    Code(99_991_400, Throttled, "the API's call quota is used up; the company's other programs share it"),
    Code(1500, Unavailable, BUSY),
    Code(1551, Unavailable, BUSY),
    Code(1557, Unavailable, BUSY),
    Code(2200, Unavailable, BUSY),
    Code(211_011, NoData, "there are no figures"),
    Code(
        211_004,
        Permission,
        "the tenant's edition has no such statistics: they need the Business or Enterprise edition",
    ),
    // It is not documented whether a day that is not produced yet is this or 211011: so it is asked again soon.
    Code(211_010, Unknown, "the date is out of range, or not produced yet"),
    Code(211_007, Target, BAD_INPUT),
    Code(211_005, Target, "the application is unknown, or not one of the tenant's own"),
    Code(
        40004,
        Permission,
        "the app may not see all departments: in the developer console set its contacts range to all members",
    ),
    Code(9499, Target, BAD_INPUT),
    Code(99_992_402, Target, BAD_INPUT),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, reset: Option<u64>, body: Value) -> Result<(), Refusal> {
        Feishu.judge(&Reply { status, reset: reset.map(Duration::from_secs), body })
    }

    #[test]
    fn codes_are_read_at_any_status() {
        assert_eq!(judge(200, None, json!({"code": 0, "data": {}})), Ok(()));
        assert_eq!(judge(404, None, json!({"code": 211_011})).unwrap_err().class, NoData);
        assert_eq!(judge(400, None, json!({"code": 99_991_663})).unwrap_err().class, Class::Token);
        assert_eq!(judge(502, None, Value::Null).unwrap_err().class, Unavailable);
        assert_eq!(judge(500, None, json!({"code": 77})).unwrap_err().class, Unavailable);
        assert_eq!(judge(200, None, json!({})).unwrap_err().class, Unavailable);
        assert_eq!(judge(500, None, json!({"code": 0})).unwrap_err().class, Unavailable, "a failure that says well");
        assert_eq!(judge(429, None, json!({"code": 0})).unwrap_err().class, Throttled);
    }

    #[test]
    fn a_token_lasts_for_some_time() {
        let token =
            |expire: i64| Feishu.token(&json!({"tenant_access_token": "t-1", "expire": expire}), Timestamp::MIN);
        assert!(token(1).is_ok());
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

    #[test]
    fn every_code_stands_once() {
        let mut codes: Vec<i64> = CODES.iter().map(|row| row.0).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
    }
}
