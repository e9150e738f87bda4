//! Removes secrets from texts of others: a server that echoes a request must not bring its token into our log.
//!
//! Only texts that are logged or shown are changed; figures and ids stay as the platform gave them.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::platform::{Pass, Platform, Refusal, Reply};

/// The minimum length to scrub: shorter strings would match ordinary text, and are no secrets.
const LEAST: usize = 8;

/// `text` with `***` for each of `secrets`, also in the form that they have in a URL.
pub(crate) fn scrub<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    secrets.into_iter().filter(|secret| secret.len() >= LEAST).fold(text.to_owned(), |text, secret| {
        let in_url: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        text.replace(secret, "***").replace(&in_url, "***")
    })
}

/// `text` without what a request with `pass` and `body` gave away.
pub(super) fn scrub_of(text: &str, pass: &Pass, body: Option<&SecretString>) -> String {
    scrub(text, secrets(pass, body).iter().map(ExposeSecret::expose_secret))
}

/// What `platform` says in `reply` to a call of `api`; a refusal without what the request gave away.
pub(super) fn judge(
    platform: &dyn Platform,
    api: &str,
    reply: &mut Reply,
    pass: &Pass,
    body: Option<&SecretString>,
) -> Result<(), Refusal> {
    platform.judge(api, reply).or_else(|_| {
        // Scrub before the text is cut: half a secret would not match.
        let fields = reply.body.as_object_mut().into_iter().flat_map(|body| body.values_mut());
        for field in fields {
            if let Value::String(text) = field {
                *text = scrub_of(text, pass, body);
            }
        }
        platform.judge(api, reply)
    })
}

/// The texts that a request gives away: those of `pass`, and those in a `body` that holds a secret.
fn secrets(pass: &Pass, body: Option<&SecretString>) -> Vec<SecretString> {
    let named = pass.query.iter().chain(&pass.headers).map(|(_, secret)| secret.clone());
    let mut secrets: Vec<_> = named.chain(pass.bearer.clone()).collect();
    if let Some(Value::Object(body)) = body.and_then(|body| serde_json::from_str(body.expose_secret()).ok()) {
        secrets.extend(body.into_iter().filter_map(|(_, value)| value.as_str().map(Into::into)));
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_however_often_and_in_whatever_form_they_come() {
        let text = "?access_token=tok+en/42&x=tok%2Ben%2F42 tok+en/42 tok+en/4";
        assert_eq!(scrub(text, ["tok+en/42", "short", ""]), "?access_token=***&x=*** *** tok+en/4");
    }

    #[test]
    fn what_a_request_gives_away_is_known() {
        let pass = Pass {
            query: vec![("corpsecret", "aaaaaaaa".into())],
            bearer: Some("bbbbbbbb".into()),
            headers: vec![("x-token", "eeeeeeee".into())],
        };
        let body: SecretString = r#"{"app_id": "cccccccc", "app_secret": "dddddddd", "n": 1}"#.into();
        let all = secrets(&pass, Some(&body));
        let all: Vec<_> = all.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(all, ["aaaaaaaa", "eeeeeeee", "bbbbbbbb", "cccccccc", "dddddddd"]);
    }
}
