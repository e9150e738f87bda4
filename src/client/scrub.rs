//! Takes secrets out of what others say: who echoes a request must not bring its token into our log.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::vendor::Pass;

/// A shorter text is nothing that a secret would be, and may stand anywhere.
const LEAST: usize = 8;

/// Replaces `secrets`, also as they stand in a URL, by `***`.
pub(crate) fn scrub<'a>(bytes: &mut Vec<u8>, secrets: impl IntoIterator<Item = &'a str>) {
    for secret in secrets.into_iter().filter(|secret| secret.len() >= LEAST) {
        let in_url: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for secret in [secret, &in_url] {
            replace(bytes, secret.as_bytes());
        }
    }
}

fn replace(bytes: &mut Vec<u8>, part: &[u8]) {
    let Some(mut at) = find(bytes, part, 0) else { return };
    let (mut without, mut from) = (Vec::with_capacity(bytes.len()), 0);
    loop {
        without.extend_from_slice(&bytes[from..at]);
        without.extend_from_slice(b"***");
        from = at + part.len();
        match find(bytes, part, from) {
            Some(next) => at = next,
            None => break,
        }
    }
    without.extend_from_slice(&bytes[from..]);
    *bytes = without;
}

/// The texts that a request gives away: those of `pass`, and those in a `body` that holds a secret.
pub(super) fn secrets(pass: &Pass, body: Option<&SecretString>) -> Vec<SecretString> {
    let mut secrets: Vec<_> = pass.query.iter().map(|(_, secret)| secret.clone()).chain(pass.bearer.clone()).collect();
    if let Some(Value::Object(body)) = body.and_then(|body| serde_json::from_str(body.expose_secret()).ok()) {
        let texts = body.into_iter().filter_map(|(_, value)| value.as_str().map(Into::into));
        secrets.extend(texts);
    }
    secrets
}

/// Where `part` stands, at `from` or after it.
fn find(bytes: &[u8], part: &[u8], mut from: usize) -> Option<usize> {
    let first = *part.first()?;
    // Hopping from first byte to first byte is quick enough for 16 MiB.
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == first).map(|at| from + at) {
        if bytes[at..].starts_with(part) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_however_often_and_in_whatever_form_they_come() {
        let mut text = br#"{"errmsg": "?access_token=tok+en/42&x=tok%2Ben%2F42 tok+en/42 tok+en/4"}"#.to_vec();
        scrub(&mut text, ["tok+en/42", "short", ""]);
        assert_eq!(String::from_utf8(text).unwrap(), r#"{"errmsg": "?access_token=***&x=*** *** tok+en/4"}"#);
    }

    #[test]
    fn what_a_request_gives_away_is_known() {
        let pass = Pass { query: vec![("corpsecret", "aaaaaaaa".into())], bearer: Some("bbbbbbbb".into()) };
        let body: SecretString = r#"{"app_id": "cccccccc", "app_secret": "dddddddd", "n": 1}"#.into();
        let all = secrets(&pass, Some(&body));
        let all: Vec<_> = all.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(all, ["aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"]);
    }
}
