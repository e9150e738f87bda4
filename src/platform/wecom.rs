//! WeCom (企业微信): access tokens, the `errcode` envelope, and what each code means.
//!
//! Pages: <https://developer.work.weixin.qq.com/document/path/91039> (tokens),
//! <https://developer.work.weixin.qq.com/document/path/90313> (codes),
//! <https://developer.work.weixin.qq.com/document/path/90454> (limits).

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use super::Class::{Account, Permission, Target, Throttled, Unavailable, Unknown};
use super::{
    Call, Class, Code, Credential, CredentialKeys, Login, Pass, Platform, Refusal, Reply, Token, judge_status,
};

/// A token is renewed this many seconds before its end, as a call that is under way may take a while.
const RENEW_EARLY: i64 = 600;

/// Too many calls at once pass as soon as some of them have ended.
const CONCURRENCY_WAIT: Duration = Duration::from_secs(2);

/// The `api` of token calls, whose refusals concern the secret and not a token.
const GETTOKEN: &str = "gettoken";

/// WeCom, and WeCom KF, which is a part of it.
#[derive(Debug)]
pub struct Wecom;

impl Platform for Wecom {
    fn name(&self) -> &'static str {
        "wecom"
    }

    fn title(&self) -> &'static str {
        "WeCom"
    }

    fn keys(&self) -> CredentialKeys {
        CredentialKeys { id: "corp_id", caller: None, secret: "secret" }
    }

    fn base_url(&self) -> &'static str {
        "https://qyapi.weixin.qq.com"
    }

    fn calls_per_minute(&self) -> u32 {
        1000
    }

    fn has_zones(&self) -> bool {
        false
    }

    fn admission(&self, credential: &Credential, secret: &SecretString, _: Timestamp) -> Login {
        let call = Call::get(GETTOKEN, "cgi-bin/gettoken", vec![("corpid", credential.id.clone())]);
        let pass = Pass { query: vec![("corpsecret", secret.clone())], bearer: None };
        Login::Ask { call, pass, body: None }
    }

    fn token(&self, body: &Value, now: Timestamp) -> Result<Token, String> {
        let value = body["access_token"].as_str().filter(|token| !token.is_empty());
        let value = value.ok_or("/access_token is not a text")?.to_owned();
        let seconds = body["expires_in"].as_i64().filter(|seconds| *seconds > 0);
        Ok(Token::lasting(value, now, seconds.ok_or("/expires_in is not a positive number")?, RENEW_EARLY))
    }

    fn pass(&self, _: &Credential, token: &Token) -> Pass {
        Pass { query: vec![("access_token", token.value.clone())], bearer: None }
    }

    fn judge(&self, reply: &Reply) -> Result<(), Refusal> {
        let message = reply.body["errmsg"].as_str().unwrap_or_default();
        match reply.body["errcode"].as_i64() {
            Some(0) => Ok(()),
            Some(code) => {
                let mut refusal = Code::look_up(CODES, code, message);
                if code == 60020
                    && let Some(address) = caller_address(message)
                {
                    refusal.text = format!("{} (the address that WeCom saw: {address})", refusal.text);
                }
                if code == 45033 {
                    refusal.wait = Some(CONCURRENCY_WAIT);
                }
                Err(refusal)
            }
            None => Err(judge_status(reply.status, reply.reset).unwrap_or_else(|| Refusal {
                class: Unavailable,
                code: i64::from(reply.status),
                text: "the answer has no errcode: is base_url WeCom's?".to_owned(),
                wait: None,
            })),
        }
    }
}

/// The address in `... from ip: 1.2.3.4, more info at ...`, which the operator has to allow.
fn caller_address(message: &str) -> Option<std::net::IpAddr> {
    let rest = message.split_once("from ip:")?.1.trim_start();
    rest.split([',', ' ']).next()?.parse().ok()
}

const BAD_SECRET: &str = "the corp_id or the secret is wrong, or the app is disabled: copy both anew from the WeCom \
    admin console (My company > Company ID; App management > the app > Secret)";
const NOT_ALLOWED: &str = "the app may not call this API: in the admin console add the app under Customer contact > API > \
    callable apps (for KF: WeChat customer service > API > callable apps)";
const KF_SCOPE: &str = "the KF account is unknown to the app, or not among those it may manage";
const OUT_OF_SCOPE: &str = "the member or department is unknown, or outside the app's visible range";
const NO_CONTACTS: &str = "the member has no customer-contact right";
const BAD_INPUT: &str = "WeCom does not accept the ids or the days that were asked for";
const INTERNAL: &str = "this request should not have been made like this: please report it with the code";

/// What to do at each code that the statistics, directory and token calls are known to answer with.
const CODES: &[Code] = &[
    Code(-1, Unavailable, "WeCom is busy"),
    Code(6000, Unavailable, "WeCom's data is being changed"),
    Code(81026, Unavailable, "WeCom is under maintenance"),
    Code(40014, Class::Token, "the access token is not valid"),
    Code(42001, Class::Token, "the access token has expired"),
    // On a data call it may also mean a token of a secret that was reset; a fetch of a token shows which.
    Code(40001, Class::Token, BAD_SECRET),
    Code(41001, Unknown, INTERNAL),
    Code(40013, Account, BAD_SECRET),
    Code(40091, Account, BAD_SECRET),
    Code(45009, Throttled, "the API's call quota is used up; the company's other programs share it"),
    Code(45033, Throttled, "too many calls of the company at once"),
    Code(45029, Target, "the answer would be too large"),
    Code(81017, Target, "the answer would be too large"),
    Code(40003, Target, OUT_OF_SCOPE),
    Code(40031, Target, OUT_OF_SCOPE),
    Code(40032, Target, BAD_INPUT),
    Code(40058, Target, BAD_INPUT),
    Code(40063, Target, BAD_INPUT),
    Code(40066, Target, OUT_OF_SCOPE),
    Code(600_018, Target, BAD_INPUT),
    Code(46004, Target, OUT_OF_SCOPE),
    Code(50002, Target, OUT_OF_SCOPE),
    Code(60003, Target, OUT_OF_SCOPE),
    Code(60011, Target, OUT_OF_SCOPE),
    Code(60021, Target, OUT_OF_SCOPE),
    Code(60030, Target, OUT_OF_SCOPE),
    Code(60111, Target, OUT_OF_SCOPE),
    Code(60123, Target, OUT_OF_SCOPE),
    Code(81013, Target, OUT_OF_SCOPE),
    Code(84061, Target, NO_CONTACTS),
    Code(84074, Target, NO_CONTACTS),
    Code(84083, Target, NO_CONTACTS),
    Code(84084, Target, NO_CONTACTS),
    Code(48001, Permission, NOT_ALLOWED),
    Code(48002, Permission, NOT_ALLOWED),
    Code(48004, Permission, NOT_ALLOWED),
    Code(48006, Permission, "the app's right to this API was withdrawn as unused: grant it again in the admin console"),
    Code(48009, Permission, "the directory API refuses this address: allow it in the admin console"),
    Code(48007, Target, KF_SCOPE),
    Code(50003, Account, "the app is disabled: enable it in the admin console under App management"),
    Code(50006, Account, "the system app is disabled: enable it in the admin console"),
    Code(60031, Permission, "the API is disabled for the company"),
    Code(
        60020,
        Account,
        "this address is not among the app's trusted IPs: add it in the admin console under App management > \
        the app > Company trusted IPs (it takes about a minute), or set proxy_url to a host that is",
    ),
    Code(60251, Target, KF_SCOPE),
    Code(60252, Target, KF_SCOPE),
    Code(60253, Target, "the member does not serve this KF account"),
    Code(95000, Target, KF_SCOPE),
    Code(95004, Target, KF_SCOPE),
    Code(95014, Target, "the member does not serve this KF account"),
    Code(95011, Permission, "the secret does not fit the KF edition: use a self-built app's"),
    Code(95012, Permission, "the secret does not fit the KF edition: use a self-built app's"),
    Code(
        95017,
        Permission,
        "the KF API is switched off: switch it on in the admin console under WeChat customer service > API",
    ),
    Code(701_008, Permission, "the interface licence is missing"),
    Code(701_099, Permission, "the interface licence is missing"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judge(body: Value) -> Result<(), Refusal> {
        Wecom.judge(&Reply { status: 200, reset: None, body })
    }

    #[test]
    fn every_code_stands_once() {
        let mut codes: Vec<i64> = CODES.iter().map(|row| row.0).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
    }

    #[test]
    fn a_refused_address_is_told_to_the_operator() {
        let message = "not allow to access from your ip, hint: [1636945471_206_fab], from ip: 203.0.113.7, more info at https://x";
        let refusal = judge(json!({"errcode": 60020, "errmsg": message})).unwrap_err();
        assert_eq!(refusal.class, Account);
        assert!(refusal.text.ends_with("(the address that WeCom saw: 203.0.113.7)"), "{}", refusal.text);
    }

    #[test]
    fn a_token_lasts_for_some_time() {
        let token = |seconds: i64| Wecom.token(&json!({"access_token": "a", "expires_in": seconds}), Timestamp::MIN);
        assert!(token(1).is_ok());
        assert_eq!(token(0).unwrap_err(), "/expires_in is not a positive number");
    }

    #[test]
    fn success_needs_an_errcode() {
        assert_eq!(judge(json!({"errcode": 0})), Ok(()));
        assert_eq!(judge(json!({"behavior_data": []})).unwrap_err().class, Unavailable);
        assert_eq!(judge(json!([])).unwrap_err().class, Unavailable);
    }

    #[test]
    fn a_token_without_a_life_is_refused() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(Wecom.token(&json!({"access_token": "t", "expires_in": 7200}), now).is_ok());
        assert!(Wecom.token(&json!({"access_token": "t"}), now).unwrap_err().contains("/expires_in"));
        assert!(
            Wecom.token(&json!({"access_token": "", "expires_in": 7200}), now).unwrap_err().contains("/access_token")
        );
    }
}
