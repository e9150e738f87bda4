//! Sends batches, repeats after temporary faults, and keeps credentials out of every message.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER,
};
use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use super::Waiting;
use crate::client::{Proxies, connect_receiver, is_loopback, scrub, through, tls_cause, words};
use crate::printable::shown;

/// A batch that a receiver does not take is sent again that many times: with growing waits, about ten minutes.
const REPEATS: usize = 24;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The longest that a receiver may ask us to wait.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(10);

/// How long a receiver may take for a batch.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The version of the protocol that is spoken.
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");

/// Headers that sending sets itself; a token has flags of its own, which keep it off the command line.
const OURS: [HeaderName; 6] = [AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, VERSION_HEADER];

/// How the exporter authenticates itself.
#[derive(Clone, Debug, Default)]
pub enum Authorization {
    /// Not at all.
    #[default]
    None,
    /// By `Authorization: Bearer`.
    Bearer(SecretString),
    /// By user and password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: SecretString,
    },
}

/// Where samples are sent.
#[derive(Debug)]
pub struct Receiver {
    http: reqwest::Client,
    /// Without user and password.
    url: Url,
    authorization: Authorization,
    headers: HeaderMap,
    repeat_delay: Duration,
    proxies: Proxies,
}

/// Why a receiver did not take a batch; without credentials.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The URL is none, or not of HTTP.
    #[error("the receiver is not an http or https URL")]
    Url,
    /// A header that can't be sent, or must not be set.
    #[error("the header {name}: {reason}")]
    Header {
        /// Its name, as it was given.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// No connection can come about, however often it is tried: a certificate or scheme that is wrong.
    #[error("no connection to {receiver}: {text}{hint}")]
    Unreachable {
        /// Its URL.
        receiver: String,
        /// What TLS says.
        text: String,
        /// What the operator may do.
        hint: &'static str,
    },
    /// TLS can't be set up.
    #[error("cannot set up the connection: {0}")]
    Setup(String),
    /// It refuses the batch for good.
    #[error("{receiver} refuses the samples with HTTP {status}: {text}{hint}")]
    Refused {
        /// Its URL.
        receiver: String,
        /// The status.
        status: u16,
        /// The beginning of what it says.
        text: String,
        /// What the operator may do.
        hint: &'static str,
    },
    /// It did not take the batch, however often it was sent.
    #[error("{receiver} takes no samples: {text}")]
    Unavailable {
        /// Its URL.
        receiver: String,
        /// What it said last.
        text: String,
        /// How long it wants us to wait.
        wait: Option<Duration>,
    },
}

impl Receiver {
    /// The receiver at `url`, reached through `proxies`; its own user and password count where `authorization` is none.
    /// A batch that may pass is sent again after about `repeat_delay`, then twice that, and so on.
    ///
    /// # Errors
    /// [`ReceiverError::Url`] and [`ReceiverError::Setup`].
    pub fn new(
        url: &str,
        authorization: Authorization,
        proxies: Proxies,
        repeat_delay: Duration,
    ) -> Result<Self, ReceiverError> {
        let mut url = Url::parse(url).map_err(|_| ReceiverError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(ReceiverError::Url);
        }
        let authorization = match (authorization, url.password()) {
            (Authorization::None, Some(password)) => {
                Authorization::Basic { username: decoded(url.username()), password: decoded(password).into() }
            }
            (authorization, _) => authorization,
        };
        // It cannot fail: the URL has a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let http =
            connect_receiver(&url, &proxies, |builder| builder.timeout(TIMEOUT)).map_err(ReceiverError::Setup)?;
        Ok(Self { http, url, authorization, headers: HeaderMap::new(), repeat_delay, proxies })
    }

    /// Adds a header to each request, such as the tenant of Mimir (`X-Scope-OrgID`).
    ///
    /// # Errors
    /// [`ReceiverError::Header`]
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, ReceiverError> {
        let wrong = |reason| ReceiverError::Header { name: name.to_owned(), reason };
        let header: HeaderName = name.parse().map_err(|_| wrong("it is not the name of a header"))?;
        if header == AUTHORIZATION {
            return Err(wrong("use --remote-write.bearer-token-file, or a user and password file"));
        }
        if OURS.contains(&header) {
            return Err(wrong("it is set by the protocol"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| wrong("its value has control characters"))?;
        self.headers.append(header, value);
        Ok(self)
    }

    /// The URL for people: without credentials and without a query, which may hold a token.
    #[must_use]
    pub fn name(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    }

    /// What would travel unencrypted to another machine, in words.
    #[must_use]
    pub fn exposes(&self) -> Option<&'static str> {
        if self.url.scheme() == "https" || is_loopback(self.url.as_str()) {
            return None;
        }
        let has_secret = !matches!(self.authorization, Authorization::None) || self.url.query().is_some();
        Some(if has_secret { "the credentials and people's figures" } else { "people's figures" })
    }

    /// Sends one batch, and again after temporary faults; `waiting` holds the reason meanwhile.
    ///
    /// # Errors
    /// [`ReceiverError`].
    pub(super) async fn send(&self, body: &[u8], waiting: &Waiting) -> Result<(), ReceiverError> {
        let delays = ExponentialBuilder::default()
            .with_min_delay(self.repeat_delay)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(REPEATS)
            .with_jitter();
        let sent = (|| self.post(body))
            .retry(delays)
            .when(|error| matches!(error, ReceiverError::Unavailable { .. }))
            .notify(|error, wait| {
                let mut waiting = waiting.lock();
                if waiting.is_none() {
                    tracing::warn!(seconds = wait.as_secs(), "sending again: {error}");
                }
                let ReceiverError::Unavailable { text, .. } = error else { return };
                *waiting = Some(text.clone());
            })
            .adjust(|error, delay| match error {
                ReceiverError::Unavailable { wait: Some(wait), .. } => delay.map(|_| (*wait).min(LONGEST_RETRY_AFTER)),
                _ => delay,
            })
            .await;
        *waiting.lock() = None;
        sent
    }

    async fn post(&self, body: &[u8]) -> Result<(), ReceiverError> {
        let unavailable = |text, wait| ReceiverError::Unavailable { receiver: self.name(), text, wait };
        let request = self
            .http
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONTENT_ENCODING, "snappy")
            .header(VERSION_HEADER, "0.1.0")
            .body(body.to_vec());
        let request = match &self.authorization {
            Authorization::None => request,
            Authorization::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Authorization::Basic { username, password } => request.basic_auth(username, Some(password.expose_secret())),
        };
        let through = || through(self.proxies.of(&self.url));
        let response = request.send().await.map_err(|error| match lasting_fault(&error) {
            Some(hint) => ReceiverError::Unreachable { receiver: self.name(), text: words(error) + &through(), hint },
            None => unavailable(words(error) + &through(), None),
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let wait = retry_after(response.headers());
        let text = self.beginning(response).await;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(unavailable(format!("HTTP {}: {text}", status.as_u16()), wait));
        }
        let hint = hint(status.as_u16(), &text);
        Err(ReceiverError::Refused { receiver: self.name(), status: status.as_u16(), text, hint })
    }

    /// The beginning of what the receiver says, for people; it may say more than anybody can keep, and what we said.
    async fn beginning(&self, mut response: Response) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < 4096
            && let Ok(Some(chunk)) = response.chunk().await
        {
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = match &self.authorization {
            Authorization::None => text.into_owned(),
            Authorization::Bearer(token) => scrub(&text, [token.expose_secret()]),
            Authorization::Basic { username, password } => {
                let both = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
                scrub(&text, [password.expose_secret(), &both])
            }
        };
        shown(text.trim(), 200)
    }
}

/// What the operator may do about a refusal with `status` and `text`.
fn hint(status: u16, text: &str) -> &'static str {
    let text = text.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    match status {
        400 if says(&["out of order", "out of bounds", "out-of-order", "too old", "too far"]) => {
            "; Prometheus takes old samples only within storage.tsdb.out_of_order_time_window of its configuration"
        }
        401 if says(&["org id", "tenant"]) => "; name the tenant by --remote-write.header X-Scope-OrgID=TENANT",
        401 | 403 => "; check the bearer token, or the user and password",
        404 => "; Prometheus receives only with --web.enable-remote-write-receiver, at /api/v1/write",
        405 => "; the path of the URL is mostly /api/v1/write",
        400 if says(&["unsupported path"]) => "; the path of the URL is mostly /api/v1/write",
        _ => "",
    }
}

/// What the operator can do about a lasting fault; `None` for a temporary one, which is tried again.
fn lasting_fault(error: &reqwest::Error) -> Option<&'static str> {
    match tls_cause(error)? {
        rustls::Error::InvalidCertificate(_) => Some("; SSL_CERT_FILE names a file of the authorities to trust"),
        rustls::Error::InvalidMessage(_) => Some("; is it http instead of https?"),
        _ => None,
    }
}

/// How long the receiver wants us to wait: seconds, or the date that the header may hold instead.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or_default())
}

/// Whether `url` has a user, a password or a query, any of which may be a secret.
#[must_use]
pub fn may_hold_secret(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| !url.username().is_empty() || url.password().is_some() || url.query().is_some())
}

/// The part of a URL without its escapes.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn credentials_of_the_url_are_used_and_not_shown() {
        let url = "https://me:p%40ss+1@example.org/api/v1/write?token=x";
        let receiver = Receiver::new(url, Authorization::None, Proxies::default(), Duration::ZERO).unwrap();
        assert_eq!(receiver.name(), "https://example.org/api/v1/write");
        let Authorization::Basic { username, password } = &receiver.authorization else { panic!() };
        assert_eq!((username.as_str(), password.expose_secret()), ("me", "p@ss+1"));
        assert!(!format!("{receiver:?}").contains("p@ss"), "{receiver:?}");
        assert_eq!(receiver.exposes(), None);
    }

    #[test]
    fn what_travels_in_clear_to_another_machine_is_known() {
        for (url, exposed) in [
            ("https://example.org/write", None),
            ("http://127.0.0.1:9090/write", None),
            ("http://localhost:9090/write", None),
            ("http://example.org/write", Some("people's figures")),
            ("http://me:p@example.org/write", Some("the credentials and people's figures")),
            ("http://example.org/write?token=x", Some("the credentials and people's figures")),
        ] {
            let receiver = Receiver::new(url, Authorization::None, Proxies::default(), Duration::ZERO).unwrap();
            assert_eq!(receiver.exposes(), exposed, "{url}");
        }
        for (url, told) in [
            ("https://example.org/write", false),
            ("https://me@example.org/write", true),
            ("https://me:p@example.org/write", true),
            ("https://example.org/write?token=x", true),
            ("nothing", false),
        ] {
            assert_eq!(may_hold_secret(url), told, "{url}");
        }
    }

    #[test]
    fn only_http_is_taken_and_the_text_is_not_repeated() {
        for bad in ["", "localhost:9090", "ftp://me:secret@x/", "http://"] {
            let error = Receiver::new(bad, Authorization::None, Proxies::default(), Duration::ZERO).unwrap_err();
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_hint_is_given_only_where_the_receiver_says_so() {
        for (status, text, part) in [
            (400, "out of order sample", "out_of_order_time_window"),
            (400, "unsupported path requested: \"/write\"", "/api/v1/write"),
            (400, "snappy: corrupt input", ""),
            (401, "no org id", "X-Scope-OrgID"),
            (401, "Unauthorized", "bearer token"),
            (405, "Method Not Allowed", "/api/v1/write"),
        ] {
            let hint = hint(status, text);
            assert!(hint.contains(part) && hint.is_empty() == part.is_empty(), "{status} {text}: {hint}");
        }
    }

    #[test]
    fn headers_are_the_operators_but_for_those_of_the_protocol() {
        let receiver =
            || Receiver::new("https://example.org/", Authorization::None, Proxies::default(), Duration::ZERO).unwrap();
        assert!(receiver().with_header("X-Scope-OrgID", "anonymous").is_ok());
        for (name, value, part) in [
            ("Authorization", "Bearer x", "bearer-token-file"),
            ("content-type", "text/plain", "set by the protocol"),
            ("a b", "x", "not the name"),
            ("x", "a\nb", "control characters"),
        ] {
            let error = receiver().with_header(name, value).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let of = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("Fri, 20 Nov 2020 10:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(of("soon"), None);
    }

    #[test]
    fn credentials_over_plain_http_to_another_machine_are_exposed() {
        let exposed = |url: &str, authorization| {
            let receiver = Receiver::new(url, authorization, Proxies::default(), Duration::ZERO).unwrap();
            receiver.exposes() == Some("the credentials and people's figures")
        };
        let bearer = || Authorization::Bearer("s3cret".into());
        assert!(exposed("http://example.org/", bearer()));
        assert!(exposed("http://me:s3cret@example.org/", Authorization::None));
        assert!(!exposed("https://example.org/", bearer()));
        assert!(!exposed("http://example.org/", Authorization::None));
        for loopback in ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]/"] {
            assert!(!exposed(loopback, bearer()), "{loopback}");
        }
    }

    /// A receiver that gives each request this answer, or none.
    async fn receiver(answer: &'static str) -> Receiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                // An answer to nothing would break the exchange off.
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                open.push(stream);
            }
        });
        Receiver::new(&url, Authorization::None, Proxies::default(), Duration::from_secs(1)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_hangs_or_asks_for_a_day_ends_in_hours() {
        let busy =
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 86400\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        for (answer, hours, words) in [("", 1, "no whole answer within timeout"), (busy, 5, "HTTP 503")] {
            let receiver = receiver(answer).await;
            let waiting = Waiting::default();
            let sending = tokio::time::timeout(Duration::from_hours(hours), receiver.send(b"x", &waiting));
            let error = sending.await.expect(words).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
