//! Tencent Cloud Desk: UserSig signatures, and the `ActionStatus` envelope.
//!
//! Pages: <https://cloud.tencent.com/document/product/269/32688> (UserSig),
//! <https://cloud.tencent.com/document/product/269/1519> (REST convention).

mod codes;

use std::io::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Class::{Throttled, Unknown};
use super::{Codes, Credential, CredentialKeys, Login, Pass, Platform, Refusal, Reply, Token, no_envelope, whole};

use codes::CODES;

/// How long a signature holds; Tencent asks for a day at least.
const LIFE: i64 = 7 * 86_400;

/// A signature is made anew this many seconds before its end.
const RENEW_EARLY: i64 = 86_400;

/// Tencent counts calls by the second.
const THROTTLE_WAIT: Duration = Duration::from_secs(10);

/// Tencent Cloud Desk.
#[derive(Debug)]
pub struct TencentDesk;

impl Platform for TencentDesk {
    fn name(&self) -> &'static str {
        "tencent_desk"
    }

    fn title(&self) -> &'static str {
        "Tencent Cloud Desk"
    }

    fn keys(&self) -> CredentialKeys {
        CredentialKeys { id: "sdk_app_id", caller: Some("identifier"), secret: "secret_key", token: "user_sig" }
    }

    fn check_id(&self, id: &str) -> Result<(), String> {
        match id.parse::<u64>() {
            // The parser also takes a sign.
            Ok(1..) if !id.starts_with('+') => Ok(()),
            _ => Err(
                "it is the number of the application, such as 1400000000: 即时通信 IM 控制台 > 应用管理 > SDKAppID \
                      (Chat console > Applications)"
                    .to_owned(),
            ),
        }
    }

    fn base_url(&self) -> &'static str {
        "https://console.tim.qq.com"
    }

    fn calls_per_minute(&self) -> u32 {
        300
    }

    fn has_zones(&self) -> bool {
        true
    }

    fn admission(&self, credential: &Credential, secret: &SecretString, now: Timestamp) -> Login {
        let id: u64 = credential.id.parse().unwrap_or(0);
        let caller = credential.caller.as_deref().unwrap_or_default();
        let signature = user_sig(id, caller, secret.expose_secret(), now.as_second(), LIFE);
        Login::Signed(Token::lasting(signature, now, LIFE, RENEW_EARLY))
    }

    fn token(&self, _: &Value, _: Timestamp) -> Result<Token, String> {
        Err("signatures are made here and not fetched".to_owned())
    }

    fn pass(&self, credential: &Credential, token: &Token) -> Pass {
        let query = vec![
            ("sdkappid", credential.id.clone().into()),
            ("identifier", credential.caller.clone().unwrap_or_default().into()),
            ("usersig", token.value.clone()),
            ("random", fastrand::u32(..).to_string().into()),
            ("contenttype", "json".to_owned().into()),
        ];
        Pass { query, ..Pass::default() }
    }

    fn codes(&self) -> &'static Codes {
        &CODES
    }

    fn judge(&self, api: &str, reply: &Reply) -> Result<(), Refusal> {
        let message = reply.body["ErrorInfo"].as_str().unwrap_or_default();
        let status = reply.body["ActionStatus"].as_str();
        match (whole(&reply.body["ErrorCode"]), status) {
            (Some(0), Some(status)) if status.eq_ignore_ascii_case("OK") => Ok(()),
            // Code 0 counts as success only with the status OK; any other code is a refusal, whatever the status.
            (Some(0), None) | (None, _) => {
                Err(no_envelope(reply, "the answer has no ActionStatus and ErrorCode: is base_url Tencent's?"))
            }
            (Some(0), Some(_)) => {
                Err(Refusal::new(Unknown, 0, "the platform says FAIL without a code").quoting(message))
            }
            (Some(code), _) => {
                let mut refusal = CODES.refusal(api, code.into(), message);
                if refusal.class == Throttled {
                    refusal.wait = Some(reply.reset.unwrap_or(THROTTLE_WAIT));
                }
                Err(refusal)
            }
        }
    }
}

/// The UserSig (`TLSSigAPIv2`) of `identifier`, made at `time` and holding for `expire` seconds.
fn user_sig(sdk_app_id: u64, identifier: &str, key: &str, time: i64, expire: i64) -> String {
    let content =
        format!("TLS.identifier:{identifier}\nTLS.sdkappid:{sdk_app_id}\nTLS.time:{time}\nTLS.expire:{expire}\n");
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(content.as_bytes());
    let document = json!({
        "TLS.ver": "2.0",
        "TLS.identifier": identifier,
        "TLS.sdkappid": sdk_app_id,
        "TLS.expire": expire,
        "TLS.time": time,
        "TLS.sig": STANDARD.encode(mac.finalize().into_bytes()),
    });
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(document.to_string().as_bytes()).expect("a Vec takes all that is written to it");
    let packed = encoder.finish().expect("a Vec takes all that is written to it");
    // Tencent's own variant of URL-safe text, padding included.
    STANDARD.encode(packed).replace('+', "*").replace('/', "-").replace('=', "_")
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::*;
    use std::io::Read;

    /// `(sdkappid, key, identifier, expire, time, TLS.sig)`, made with Tencent's own implementations.
    const VECTORS: &[(u64, &str, &str, i64, i64, &str)] = &[
        (1_400_000_000, DEMO_KEY, "xiaojun", 15_552_000, 1_600_000_000, "1Z5PngDjGaufeSiPoBuxdHY7EK3JTdAjMP93S4KvV3M="),
        (88_888_888, HEX_KEY, "administrator", 86_400, 1_736_697_600, "IZYfL2kb6RL7gHhePyHmpbpRlxmwyhskt2oTfy/vSl0="),
        (1_400_123_456, DEMO_KEY, "客服管理员", 3600, 1_700_000_000, "oK/qlb/jxCXxjqcAEO7O+y+Ffo9EEzjfpncOFahyN/g="),
        (20_000_001, HEX_KEY, "admin", 604_800, 1_764_547_200, "xa70F3OxljVRkX6EAwbHmOqFgfFe7qt3Q+RCCgjYako="),
    ];
    /// The key of the demonstrations in Tencent's SDKs; it is public.
    const DEMO_KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
    const HEX_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn decode(signature: &str) -> Value {
        assert!(!signature.contains(['+', '/', '=']), "{signature}");
        let packed = STANDARD.decode(signature.replace('*', "+").replace('-', "/").replace('_', "=")).unwrap();
        let mut text = String::new();
        flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_signature_holds_for_a_week_and_is_renewed_a_day_before() {
        let credential = Credential {
            platform: &TencentDesk,
            id: "1400123456".to_owned(),
            caller: Some("admin".to_owned()),
            proof: crate::platform::Proof::Secret(crate::platform::Secret::Inline(DEMO_KEY.to_owned().into())),
        };
        let Login::Signed(token) =
            TencentDesk.admission(&credential, &DEMO_KEY.to_owned().into(), Timestamp::UNIX_EPOCH)
        else {
            panic!("nothing is fetched")
        };
        assert_eq!((token.renew.as_second(), token.expires.as_second()), (6 * 86_400, 604_800));
        assert_eq!(decode(token.value.expose_secret())["TLS.expire"], 604_800);
    }

    #[test]
    fn signatures_say_what_tencents_own_say() {
        for (id, key, identifier, expire, time, sig) in VECTORS {
            let expected = json!({"TLS.ver": "2.0", "TLS.identifier": identifier, "TLS.sdkappid": id,
                "TLS.expire": expire, "TLS.time": time, "TLS.sig": sig});
            assert_eq!(decode(&user_sig(*id, identifier, key, *time, *expire)), expected);
        }
    }

    #[test]
    fn a_signature_of_tencents_own_decodes_to_the_same() {
        let theirs = "eJw9zUELgjAcBfCvIjuHLYtZQXeDHUK91G2yTf-odGzDHNF3r9XqHX-vwXugmlbpLAw6JihLMVolHwEuRgcSvgXjCkawzjA3md-E8p5pDfw92MfERiwajAhOdhhHdKACbfItIYec-N1CGy7Ot6ukWd*QkuZt0YmLL5RudDks6u4727tsqqVfz9WAT*j5AieWNsA_";
        let (id, key, identifier, expire, time, _) = VECTORS[1];
        assert_eq!(decode(theirs), decode(&user_sig(id, identifier, key, time, expire)));
    }

    #[test]
    fn a_failure_comes_with_http_200() {
        let judge = |body| TencentDesk.judge("desk", &Reply { status: 200, reset: None, body });
        assert_eq!(judge(json!({"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""})), Ok(()));
        assert!(judge(json!({"ActionStatus": "FAIL", "ErrorCode": 0})).is_err());
        let expired = judge(json!({"ActionStatus": "FAIL", "ErrorCode": 70001, "ErrorInfo": "x"})).unwrap_err();
        assert_eq!(expired.class, Class::Token);
        let throttled = judge(json!({"ActionStatus": "FAIL", "ErrorCode": 60007})).unwrap_err();
        assert_eq!((throttled.class, throttled.wait), (Throttled, Some(THROTTLE_WAIT)));
        assert_eq!(judge(json!({"Data": []})).unwrap_err().class, Class::Foreign);
    }

    #[test]
    fn an_envelope_is_read_in_each_form_in_which_it_comes() {
        let judge = |body| TencentDesk.judge("desk", &Reply { status: 200, reset: None, body });
        assert_eq!(judge(json!({"ActionStatus": "Ok", "ErrorCode": "0"})), Ok(()));
        for body in [
            json!({"ActionStatus": "FAIL", "ErrorCode": "70003", "ErrorInfo": "x"}),
            json!({"ErrorCode": 70003, "ErrorInfo": "x"}),
        ] {
            let refusal = judge(body).unwrap_err();
            assert_eq!((refusal.class, refusal.code.as_str()), (Class::Account, "70003"));
        }
        let refusal = judge(json!({"ActionStatus": "FAIL", "ErrorCode": 0, "ErrorInfo": "odd"})).unwrap_err();
        assert_eq!(refusal.to_string(), "code 0: the platform says FAIL without a code");
        assert_eq!(judge(json!({"ErrorCode": 0})).unwrap_err().class, Class::Foreign);
    }
}
