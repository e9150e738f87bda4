//! WeCom (企业微信): access tokens, the `errcode` envelope, and what each code means.
//!
//! Pages: <https://developer.work.weixin.qq.com/document/path/91039> (tokens),
//! <https://developer.work.weixin.qq.com/document/path/90313> (codes),
//! <https://developer.work.weixin.qq.com/document/path/90454> (limits).

mod codes;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use super::{
    Call, Class, Codes, Credential, CredentialKeys, Login, Pass, Platform, Refusal, Reply, Token, no_envelope, whole,
};

use codes::GETTOKEN;

/// A token is renewed this many seconds before its end, as a call that is under way may take a while.
const RENEW_EARLY: i64 = 600;

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
        CredentialKeys { id: "corp_id", caller: None, secret: "secret", token: "access_token" }
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
        let pass = Pass { query: vec![("corpsecret", secret.clone())], ..Pass::default() };
        Login::Ask { call, pass, body: None }
    }

    fn token(&self, body: &Value, now: Timestamp) -> Result<Token, String> {
        let value = body["access_token"].as_str().filter(|token| !token.is_empty());
        let value = value.ok_or("/access_token is not a text")?.to_owned();
        let seconds = whole(&body["expires_in"]).filter(|seconds| *seconds > 0);
        Ok(Token::lasting(value, now, seconds.ok_or("/expires_in is not a positive number")?, RENEW_EARLY))
    }

    fn pass(&self, _: &Credential, token: &Token) -> Pass {
        Pass { query: vec![("access_token", token.value.clone())], ..Pass::default() }
    }

    fn codes(&self) -> &'static Codes {
        &codes::CODES
    }

    fn judge(&self, api: &str, reply: &Reply) -> Result<(), Refusal> {
        let message = reply.body["errmsg"].as_str().unwrap_or_default();
        match whole(&reply.body["errcode"]) {
            Some(0) => Ok(()),
            Some(code) => {
                let mut refusal = codes::refusal(api, code.into(), message);
                if refusal.code.as_str() == "60020"
                    && let Some(address) = caller_address(message)
                {
                    refusal.text = format!("{} (the address that WeCom saw: {address})", refusal.text);
                }
                match quoted(message).filter(|_| refusal.class == Class::Target) {
                    Some(culprit) => Err(refusal.quoting(culprit)),
                    None => Err(refusal),
                }
            }
            None => Err(no_envelope(reply, "the answer has no errcode: is base_url WeCom's?")),
        }
    }
}

/// The address in `... from ip: 1.2.3.4, more info at ...`, which the operator has to allow.
fn caller_address(message: &str) -> Option<std::net::IpAddr> {
    let rest = message.split_once("from ip:")?.1.trim_start();
    rest.split([',', ' ']).next()?.parse().ok()
}

/// The text between backticks, such as the id in "invalid string value `zhangsan`. userid not found".
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1).filter(|_| message.matches('`').count() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judge(body: Value) -> Result<(), Refusal> {
        Wecom.judge("externalcontact/get_user_behavior_data", &Reply { status: 200, reset: None, body })
    }

    #[test]
    fn a_refused_address_is_told_to_the_operator() {
        let message = "not allow to access from your ip, hint: [1636945471_206_fab], from ip: 203.0.113.7, more info at https://x";
        let refusal = judge(json!({"errcode": 60020, "errmsg": message})).unwrap_err();
        assert_eq!(refusal.class, Class::Account);
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
        assert_eq!(judge(json!({"behavior_data": []})).unwrap_err().class, Class::Foreign);
        assert_eq!(judge(json!([])).unwrap_err().class, Class::Foreign);
    }

    #[test]
    fn a_code_is_read_though_it_comes_as_a_text() {
        assert_eq!(judge(json!({"errcode": "0"})), Ok(()));
        let refusal = judge(json!({"errcode": "48002", "errmsg": "api forbidden"})).unwrap_err();
        assert_eq!((refusal.class, refusal.code.as_str()), (Class::Permission, "48002"));
    }

    #[test]
    fn the_id_that_is_quoted_stays_out_of_the_words() {
        let message = "invalid string value `zhangsan`. userid not found, hint: [x]";
        let refusal = judge(json!({"errcode": 60111, "errmsg": message})).unwrap_err();
        assert_eq!(refusal.quoted.as_deref(), Some("zhangsan"));
        assert!(!refusal.to_string().contains("zhangsan"), "{refusal}");
        let refusal = judge(json!({"errcode": 7, "errmsg": message})).unwrap_err();
        assert_eq!(refusal.quoted.as_deref(), Some(message), "all of it, as the table has no words");
        assert!(!refusal.to_string().contains("zhangsan"), "{refusal}");
        for message in ["userid not found", "one ` alone", "an empty `` one"] {
            assert_eq!(judge(json!({"errcode": 60111, "errmsg": message})).unwrap_err().quoted, None, "{message}");
        }
    }

    #[test]
    fn a_token_without_a_life_is_refused() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(Wecom.token(&json!({"access_token": "t", "expires_in": 7200}), now).is_ok());
        assert!(Wecom.token(&json!({"access_token": "t", "expires_in": "7200"}), now).is_ok());
        assert!(Wecom.token(&json!({"access_token": "t"}), now).unwrap_err().contains("/expires_in"));
        assert!(
            Wecom.token(&json!({"access_token": "", "expires_in": 7200}), now).unwrap_err().contains("/access_token")
        );
    }
}
