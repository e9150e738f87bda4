//! Verifies Tencent's UserSig (TLSSigAPIv2), which the caller signs itself with the application's key.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// A UserSig is a few hundred bytes of JSON; no more is unpacked.
const LONGEST: u64 = 4096;

/// How far a caller's clock may be ahead, in seconds.
const AHEAD: i64 = 300;

/// Checks a UserSig; an error is the platform's code.
///
/// 70001: expired, or from the future. 70003: not a UserSig. 70009: signed with another key. 70013, 70014: made for
/// another identifier or application.
pub(super) fn verify(usersig: &str, key: &str, sdk_app_id: u32, identifier: &str, now: i64) -> Result<(), i64> {
    let ticket = unpack(usersig).ok_or(70003)?;
    let text = |name: &str| ticket.get(name).and_then(Value::as_str).ok_or(70003);
    let integer = |name: &str| ticket.get(name).and_then(Value::as_i64).ok_or(70003);
    let (made_for, app, time, expire) =
        (text("TLS.identifier")?, integer("TLS.sdkappid")?, integer("TLS.time")?, integer("TLS.expire")?);
    if text("TLS.ver")? != "2.0" {
        return Err(70003);
    }
    if made_for != identifier {
        return Err(70013);
    }
    if app != i64::from(sdk_app_id) {
        return Err(70014);
    }
    let mut content = format!("TLS.identifier:{made_for}\nTLS.sdkappid:{app}\nTLS.time:{time}\nTLS.expire:{expire}\n");
    if let Some(userbuf) = ticket.get("TLS.userbuf").and_then(Value::as_str) {
        content.push_str(&format!("TLS.userbuf:{userbuf}\n"));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| 70009)?;
    mac.update(content.as_bytes());
    let signature = STANDARD.decode(text("TLS.sig")?).map_err(|_| 70003)?;
    mac.verify_slice(&signature).map_err(|_| 70009)?;
    if now > time.saturating_add(expire) || time > now + AHEAD { Err(70001) } else { Ok(()) }
}

fn unpack(usersig: &str) -> Option<Value> {
    let standard: String = usersig
        .chars()
        .map(|c| match c {
            '*' => '+',
            '-' => '/',
            '_' => '=',
            c => c,
        })
        .collect();
    let packed = STANDARD.decode(standard).ok()?;
    let mut json = Vec::new();
    ZlibDecoder::new(packed.as_slice()).take(LONGEST).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by Tencent's own Python package. The first key is the public one of its documentation.
    const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
    const OTHER_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const XIAOJUN: &str = concat!(
        "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkKjIT87NK82CSxSnZiQUFmSlAKUMTAyiAyqVWFGQWpYJkTE1NjRDiJZm5",
        "YFEzNPXFmekgGwyjTAPy0l2y3BNL01KDMwPynUorUjwizV29jb1CUhyzfAMsjYNNvMvCjH1tlWoBGhAzGw__",
    );
    const ADMINISTRATOR: &str = concat!(
        "eJw9zUELgjAcBfCvIjuHLYtZQXeDHUK91G2yTf-odGzDHNF3r9XqHX-vwXugmlbpLAw6JihLMVolHwEuRgcSvgXjCkawzjA3md-E",
        "8p5pDfw92MfERiwajAhOdhhHdKACbfItIYec-N1CGy7Ot6ukWd*QkuZt0YmLL5RudDks6u4727tsqqVfz9WAT*j5AieWNsA_",
    );
    const CHINESE: &str = concat!(
        "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkYkpNkxKNYkrNzA1SYkrNkxINgaSJgRlQ3MTUAqanOCU7saAgMwWow9DE",
        "wMDQyNjE1Awql1pRkFmUCpQxNjMwgIqVZOaCRAzNDaAAZk5mOsjSfG-9wpwk-awK54iKrMJkR1d-c3-tSm23tHxLV9eqrLSCvGR-",
        "t8SMSj-9dFulWgAmsjlc",
    );
    const ADMIN: &str = concat!(
        "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-NgUsUp2YkFBZkpQAkjAzAwhMqkVhRkFqUCxc0MTCwMDKCiJZm5",
        "IDFDczMTUxNzI7h4cWY6yOyKRHMDN2P-ipyssKDsCDNXx-Ikj1z-Qrf0NLdU88IS40DtIGfn9KzIxOx8W6VaAN9kMho_",
    );

    #[test]
    fn signatures_of_the_platforms_own_package_are_accepted() {
        assert_eq!(verify(XIAOJUN, KEY, 1_400_000_000, "xiaojun", 1_600_000_000), Ok(()));
        assert_eq!(verify(ADMINISTRATOR, OTHER_KEY, 88_888_888, "administrator", 1_736_700_000), Ok(()));
        assert_eq!(verify(CHINESE, KEY, 1_400_123_456, "客服管理员", 1_700_003_600), Ok(()));
        assert_eq!(verify(ADMIN, OTHER_KEY, 20_000_001, "admin", 1_764_547_200), Ok(()));
    }

    #[test]
    fn every_flaw_has_its_code() {
        let ask = |key, app, identifier, now| verify(CHINESE, key, app, identifier, now);
        assert_eq!(ask(KEY, 1_400_123_456, "客服管理员", 1_700_003_601), Err(70001));
        assert_eq!(ask(KEY, 1_400_123_456, "客服管理员", 1_699_999_699), Err(70001));
        assert_eq!(ask(OTHER_KEY, 1_400_123_456, "客服管理员", 1_700_000_000), Err(70009));
        assert_eq!(ask(KEY, 1_400_123_456, "admin", 1_700_000_000), Err(70013));
        assert_eq!(ask(KEY, 1_400_000_000, "客服管理员", 1_700_000_000), Err(70014));
        assert_eq!(verify("eJx", KEY, 1, "admin", 0), Err(70003));
    }
}
