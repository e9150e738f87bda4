//! Where samples are sent: the URL, how the exporter authenticates itself there, and what of that may be shown.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
};
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use super::refusal::ReceiverError;
use crate::client::{Proxies, connect_receiver, is_loopback, scrub, through};

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
    /// The wait before a batch is sent again for the first time.
    pub(super) repeat_delay: Duration,
    proxies: Proxies,
}

impl Receiver {
    /// The receiver at `url`, reached through `proxies`; its own user and password count where `authorization` is none.
    /// After a temporary fault a batch is sent again: after about `repeat_delay`, then twice that, and so on.
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

    /// The request that carries `body`.
    pub(super) fn request(&self, body: &[u8]) -> RequestBuilder {
        let request = self
            .http
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONTENT_ENCODING, "snappy")
            .header(VERSION_HEADER, "0.1.0")
            .body(body.to_vec());
        match &self.authorization {
            Authorization::None => request,
            Authorization::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Authorization::Basic { username, password } => request.basic_auth(username, Some(password.expose_secret())),
        }
    }

    /// The proxy on the way, in words; empty where there is none.
    pub(super) fn through(&self) -> String {
        through(self.proxies.of(&self.url))
    }

    /// `text` of the receiver without our credentials, which it may repeat.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        match &self.authorization {
            Authorization::None => text.to_owned(),
            Authorization::Bearer(token) => scrub(text, [token.expose_secret()]),
            Authorization::Basic { username, password } => {
                let both = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
                scrub(text, [password.expose_secret(), &both])
            }
        }
    }
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
}
