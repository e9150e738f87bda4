//! Tokens from outside: read from a file, a command or a token server of the company's. No login is made with them.
//!
//! A file is read for every call, so that a change is seen at once. What a command or a server gave is kept until its
//! life ends or the platform refuses it. Nothing that they say is repeated: it may hold the token.

use std::process::Stdio;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::connect::Connection;
use super::credential::{CachedToken, CredentialState};
use super::words::{through, words};
use super::{Client, Failure, json};
use crate::config::Account;
use crate::platform::{Proof, Refusal, Secret, Token, TokenSource};

/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest token: it travels in a URL or a header.
const MOST_TOKEN_BYTES: usize = 8 * 1024;

/// The longest answer of a command or token server.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// After a failure nothing is run or asked for this long: every call wants a token.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(30);

/// A token is kept this long at least, whatever the server says of its life: every call wants one.
const LEAST_LIFE: SignedDuration = SignedDuration::from_secs(5);

/// A number of seconds from here on is no life but a Unix time: as a life it would be 31 years.
const FIRST_UNIX_TIME: i64 = 1_000_000_000;

/// Why there is no token.
#[derive(Debug, PartialEq, Eq)]
enum NoToken {
    /// It needs the operator.
    Refused(String),
    /// It may work later.
    Unavailable(String),
}

impl Client {
    /// The token that `source` gives, kept in `slot`.
    pub(super) async fn outside_token(
        &self,
        account: &Account,
        state: &CredentialState,
        source: &TokenSource,
        slot: &mut Option<CachedToken>,
    ) -> Result<Token, Failure> {
        let now = self.inner.clock.now();
        let is_file = matches!(source, TokenSource::File(_));
        if let Some(held) = slot.as_ref().filter(|held| !is_file && held.current && now < held.token.renew) {
            return Ok(held.token.clone());
        }
        if let Some(denial) = state.denial("", &account.credential, now) {
            return Err(Failure::Denied(denial));
        }
        if let Some(text) = state.token_failure(now) {
            return Err(Failure::Unavailable(text));
        }
        match self.read_token(account, source).await {
            Ok(token) => {
                state.set_expiry((token.expires < Timestamp::MAX).then_some(token.expires));
                *slot = Some(CachedToken { token: token.clone(), secret: token.value.clone(), current: true });
                Ok(token)
            }
            Err(NoToken::Refused(why)) => {
                let text = format!("no token from {source}: {why}");
                Err(Failure::Denied(state.deny(None, text, None, &account.credential, now)))
            }
            Err(NoToken::Unavailable(why)) => {
                let text = format!("no token from {source}: {why}");
                let until = now.checked_add(PAUSE_AFTER_FAILURE).unwrap_or(Timestamp::MAX);
                state.token_failed(text.clone(), until);
                Err(Failure::Unavailable(text))
            }
        }
    }

    /// Where the token of `account` comes from, in words, where it comes from outside; it is read if there is none.
    ///
    /// # Errors
    /// The [`Failure`] of reading it.
    pub async fn outside(&self, account: &Account) -> Option<Result<String, Failure>> {
        let Proof::Token(source) = &account.credential.proof else { return None };
        let token = self.token(account, &self.credential_state(account)).await;
        Some(token.map(|token| {
            let ends = token.expires;
            let until = if ends < Timestamp::MAX { format!(", good until {ends:.0}") } else { String::new() };
            format!("comes from {source}{until}")
        }))
    }

    /// The failure of a token that the platform refuses, where `source` has no other.
    pub(super) async fn same_token(
        &self,
        account: &Account,
        state: &CredentialState,
        source: &TokenSource,
        refusal: &Refusal,
        token: &Token,
    ) -> Failure {
        // It is read again when the account is tried again.
        self.drop_token(state, token).await;
        let text = format!("{refusal} (of the token from {source}, which still gives the same one)");
        Failure::Denied(state.deny(None, text, None, &account.credential, self.inner.clock.now()))
    }

    async fn read_token(&self, account: &Account, source: &TokenSource) -> Result<Token, NoToken> {
        match source {
            TokenSource::File(path) => {
                let text = Secret::File(path.clone()).read().map_err(|error| NoToken::Refused(error.to_string()))?;
                lasting(text, None, self.inner.clock.now()).map_err(NoToken::Refused)
            }
            TokenSource::Command { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments);
                let printed = run(command, COMMAND_TIMEOUT).await?;
                lasting(printed.trim().into(), None, self.inner.clock.now()).map_err(NoToken::Unavailable)
            }
            TokenSource::Url { url, headers, token_at, expires_at, .. } => {
                let connection = self.token_server(account, url).map_err(NoToken::Unavailable)?;
                let answer = ask(&connection, url, headers).await?;
                read_answer(&answer, token_at, expires_at.as_deref(), self.inner.clock.now())
                    .map_err(NoToken::Unavailable)
            }
        }
    }

    /// A connection to the token server at `url`: with the account's authorities and timeouts, and without its proxy,
    /// which is for the platform.
    fn token_server(&self, account: &Account, url: &SecretString) -> Result<Connection, String> {
        let key = format!("{} token server", account.key);
        if let Some(connection) = self.inner.connections.lock().get(&key) {
            return Ok(connection.clone());
        }
        let to_server = Account { base_url: url.expose_secret().to_owned(), proxy_url: None, ..account.clone() };
        let connection = Connection::new(&to_server, self.proxies())?;
        self.inner.connections.lock().insert(key, connection.clone());
        Ok(connection)
    }
}

/// The token `text`, which ends at `ends` where that is known.
fn lasting(text: SecretString, ends: Option<Timestamp>, now: Timestamp) -> Result<Token, String> {
    let token = text.expose_secret();
    if token.is_empty() {
        return Err("the token is empty".to_owned());
    }
    if token.len() > MOST_TOKEN_BYTES {
        return Err(format!("the token is longer than {} KiB", MOST_TOKEN_BYTES >> 10));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("what it gives is no token: it holds blanks, line ends or letters beyond ASCII".to_owned());
    }
    let expires = ends.unwrap_or(Timestamp::MAX);
    let renew = expires.max(now.checked_add(LEAST_LIFE).unwrap_or(Timestamp::MAX));
    Ok(Token { value: text, expires, renew })
}

/// Runs `command` for at most `limit`; gives what it prints.
async fn run(mut command: Command, limit: Duration) -> Result<String, NoToken> {
    let fail = |why: &str| NoToken::Unavailable(format!("{why}; run it by hand to see what it says"));
    // A group of its own, so that what it starts ends with it.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| NoToken::Unavailable(format!("it cannot be run: {error}")))?;
    let group = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    let Some(stdout) = child.stdout.take() else { return Err(fail("it has no output")) };
    let ended = tokio::time::timeout(limit, async {
        let mut printed = Vec::new();
        stdout.take(MOST_ANSWER_BYTES as u64 + 1).read_to_end(&mut printed).await?;
        if printed.len() > MOST_ANSWER_BYTES {
            return Ok((printed, None));
        }
        child.wait().await.map(|status| (printed, Some(status)))
    })
    .await;
    if !matches!(&ended, Ok(Ok((_, Some(_)))))
        && let Some(group) = group
    {
        // An error means that it has ended.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    match ended {
        Err(_) => Err(fail(&format!("it did not end within {} s", limit.as_secs()))),
        Ok(Err(error)) => Err(NoToken::Unavailable(format!("its output cannot be read: {error}"))),
        Ok(Ok((_, None))) => Err(fail(&format!("it prints more than {} KiB", MOST_ANSWER_BYTES >> 10))),
        Ok(Ok((_, Some(status)))) if !status.success() => Err(fail(&format!("it ended with {status}"))),
        // The error of a conversion would hold the bytes.
        Ok(Ok((printed, Some(_)))) => String::from_utf8(printed).map_err(|_| fail("what it prints is not UTF-8")),
    }
}

/// Asks the token server; gives its answer.
async fn ask(connection: &Connection, url: &SecretString, headers: &[(String, Secret)]) -> Result<Value, NoToken> {
    let way = Url::parse(url.expose_secret()).map(|url| through(connection.proxy(&url)));
    let way = way.unwrap_or_default();
    let mut request = connection.http.get(url.expose_secret());
    for (name, secret) in headers {
        let secret = secret.read().map_err(|error| NoToken::Refused(format!("header {name}: {error}")))?;
        let mut value = reqwest::header::HeaderValue::from_str(secret.expose_secret())
            .map_err(|_| NoToken::Refused(format!("header {name}: the secret can't be a header")))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let unavailable = |error| NoToken::Unavailable(words(error) + &way);
    let mut response = request.send().await.map_err(unavailable)?;
    let status = response.status().as_u16();
    if matches!(status, 401 | 403) {
        return Err(NoToken::Refused(format!("it refuses us (HTTP {status}): check header")));
    }
    if status != 200 {
        return Err(NoToken::Unavailable(format!("it answers with HTTP {status}")));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if bytes.len() + chunk.len() > MOST_ANSWER_BYTES {
            let text = format!("its answer is larger than {} KiB", MOST_ANSWER_BYTES >> 10);
            return Err(NoToken::Unavailable(text));
        }
        bytes.extend_from_slice(&chunk);
    }
    // The error of the parser would quote the answer, which may hold the token.
    json::read(&bytes, false).map_err(|_| NoToken::Unavailable("its answer is not JSON".to_owned()))
}

/// The token in the answer of a token server.
fn read_answer(answer: &Value, token_at: &str, expires_at: Option<&str>, now: Timestamp) -> Result<Token, String> {
    let token = answer.pointer(token_at).and_then(Value::as_str);
    let token = token.ok_or_else(|| format!("its answer has no text at token_at ({token_at})"))?;
    let ends = expires_at.map(|at| {
        let value = answer.pointer(at);
        let number = value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
        let number = number.filter(|seconds| *seconds >= 0);
        let seconds = number.ok_or_else(|| format!("its answer has no number of seconds at expires_at ({at})"))?;
        let ends = if seconds < FIRST_UNIX_TIME {
            now.checked_add(SignedDuration::from_secs(seconds)).ok()
        } else {
            Timestamp::from_second(seconds).ok()
        };
        ends.ok_or_else(|| format!("expires_at ({at}) is no time in seconds"))
    });
    lasting(token.into(), ends.transpose()?, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    async fn told(script: &str, limit: Duration) -> String {
        match run(shell(script), limit).await.unwrap_err() {
            NoToken::Unavailable(text) | NoToken::Refused(text) => text,
        }
    }

    #[tokio::test]
    async fn a_command_that_fails_hangs_or_floods_is_told_without_its_words() {
        assert_eq!(run(shell("echo tok-1"), COMMAND_TIMEOUT).await.unwrap(), "tok-1\n");
        for (script, limit, why) in [
            ("echo s3cret; echo s3cret >&2; exit 3", COMMAND_TIMEOUT, "it ended with exit status: 3"),
            ("sleep 600 & sleep 600", Duration::from_millis(100), "it did not end within 0 s"),
            ("yes s3cret", COMMAND_TIMEOUT, "it prints more than 64 KiB"),
            ("printf '\\377'", COMMAND_TIMEOUT, "not UTF-8"),
        ] {
            let text = told(script, limit).await;
            assert!(text.contains(why) && !text.contains("s3cret"), "{text}");
        }
        let text = match run(Command::new("/nonexistent/program"), COMMAND_TIMEOUT).await.unwrap_err() {
            NoToken::Unavailable(text) => text,
            NoToken::Refused(text) => panic!("{text}"),
        };
        assert!(text.starts_with("it cannot be run: "), "{text}");
    }

    #[tokio::test]
    async fn what_a_command_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", path.display());
        assert!(told(&script, Duration::from_secs(1)).await.contains("did not end"));
        let pid = std::fs::read_to_string(&path).unwrap().trim().to_owned();
        let gone = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            status.map_or(true, |status| status.contains(") Z "))
        };
        while !gone() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_life_may_be_seconds_or_a_time() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ends =
            |answer: Value| read_answer(&answer, "/d/t", Some("/d/e"), now).map(|token| token.expires.as_second());
        assert_eq!(ends(json!({"d": {"t": "tok", "e": 7200}})), Ok(1_800_007_200));
        assert_eq!(ends(json!({"d": {"t": "tok", "e": "7200"}})), Ok(1_800_007_200));
        assert_eq!(ends(json!({"d": {"t": "tok", "e": 1_800_000_009}})), Ok(1_800_000_009));
        for wrong in
            [json!({"d": {"t": "tok"}}), json!({"d": {"t": "tok", "e": -1}}), json!({"d": {"t": "tok", "e": "x"}})]
        {
            assert!(ends(wrong).unwrap_err().contains("expires_at (/d/e)"));
        }
        for wrong in [json!({}), json!({"d": {"t": 5, "e": 1}})] {
            assert!(ends(wrong).unwrap_err().contains("token_at (/d/t)"));
        }
        let ended = read_answer(&json!({"t": "tok", "e": 0}), "/t", Some("/e"), now).unwrap();
        assert_eq!(ended.renew.duration_since(now), LEAST_LIFE, "it is not asked for with every call");
        assert_eq!(read_answer(&json!({"t": "tok"}), "/t", None, now).unwrap().expires, Timestamp::MAX);
    }

    #[test]
    fn what_is_no_token_is_not_repeated() {
        let now = Timestamp::UNIX_EPOCH;
        for wrong in ["", "hidden hidden", "hidden\nhidden", "hidd\u{e9}n", &"hidden".repeat(2000)] {
            let text = lasting(wrong.into(), None, now).unwrap_err();
            assert!(!text.contains("hidden"), "{text}");
        }
    }
}
