//! The file of `--web.config.file`, in the format that all Prometheus exporters share.
//!
//! Specification: <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.
//! The file and what it names are read again while the server runs; what is wrong then changes nothing.

mod error;
mod limiter;
mod tls;
mod users;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use jiff::SignedDuration;
use serde::Deserialize;

use crate::files::read_bounded;
use crate::yaml;

pub use error::WebConfigError;
use limiter::Limiter;
use tls::Tls;
pub(super) use users::AuthResult;
use users::Users;

/// No file of users, and no chain of certificates, is larger.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The headers that the format lets one set, and their values where only some make sense.
const HEADERS: &[(&str, &[&str])] = &[
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Who is admitted and how the server presents itself, as the file says now.
#[derive(Debug)]
pub struct WebConfig {
    path: Option<PathBuf>,
    settings: RwLock<Arc<Settings>>,
    /// What was read last, or why it could not be.
    seen: Mutex<Result<u64, String>>,
}

/// What the file asks for.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) tls: Option<Tls>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: Option<Users>,
    pub(super) limiter: Option<Limiter>,
}

impl WebConfig {
    /// Without a file: plain HTTP, for everybody.
    #[must_use]
    pub fn open() -> Self {
        Self { path: None, settings: RwLock::default(), seen: Mutex::new(Ok(0)) }
    }

    /// Reads the file and all that it names; relative names are relative to the file.
    ///
    /// # Errors
    /// [`WebConfigError`], for the first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, WebConfigError> {
        let files = Files::read(path)?;
        let seen = Mutex::new(Ok(files.fingerprint()));
        Ok(Self { path: Some(path.to_owned()), settings: RwLock::new(Arc::new(files.settings()?)), seen })
    }

    /// Whether the server speaks TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.settings().tls.is_some()
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads everything again and takes it where it has changed; tells whether it did. Blocks on the disk.
    ///
    /// # Errors
    /// What is wrong, once; the settings stay as they were.
    pub(super) fn refresh(&self) -> Result<bool, WebConfigError> {
        let Some(path) = &self.path else { return Ok(false) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let files = match Files::read(path) {
            Ok(files) => files,
            Err(error) => {
                let known = seen.as_ref().is_err_and(|known| *known == error.to_string());
                *seen = Err(error.to_string());
                return if known { Ok(false) } else { Err(error) };
            }
        };
        let fingerprint = files.fingerprint();
        if *seen == Ok(fingerprint) {
            return Ok(false);
        }
        *seen = Ok(fingerprint);
        let settings = Arc::new(files.settings()?);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(true)
    }
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    tls_server_config: Option<tls::Written>,
    http_server_config: Option<WrittenHttp>,
    basic_auth_users: Option<BTreeMap<String, String>>,
    rate_limit: Option<WrittenLimit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHttp {
    /// HTTP/1.1 is all that we speak, and every client that asks for more takes it.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimit {
    interval: Option<String>,
    burst: Option<u32>,
}

/// The file and those that it names, read at one moment.
struct Files {
    written: Written,
    pem: tls::Pem,
    text: String,
}

impl Files {
    fn read(path: &Path) -> Result<Self, WebConfigError> {
        let read = |path: &Path| {
            read_bounded(path, MAX_BYTES).map_err(|source| WebConfigError::Read { path: path.to_owned(), source })
        };
        let text = String::from_utf8(read(path)?)
            .map_err(|error| WebConfigError::Syntax(format!("{}: {error}", path.display())))?;
        let written: Option<Written> = yaml::read(&text, &path.display().to_string())
            .map_err(|error| WebConfigError::Syntax(error.to_string()))?;
        let written = written.unwrap_or_default();
        let beside = |name: &str| read(&path.parent().unwrap_or(Path::new("")).join(name));
        let pem = match &written.tls_server_config {
            Some(tls) => tls.pem(beside)?,
            None => tls::Pem::default(),
        };
        Ok(Self { written, pem, text })
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.text, &self.pem).hash(&mut hasher);
        hasher.finish()
    }

    fn settings(&self) -> Result<Settings, WebConfigError> {
        let tls = match &self.written.tls_server_config {
            Some(written) => tls::build(written, &self.pem)?,
            None => None,
        };
        let http = self.written.http_server_config.as_ref();
        let headers = http.and_then(|http| http.headers.as_ref()).map_or(Ok(Vec::new()), headers)?;
        let users = match &self.written.basic_auth_users {
            Some(users) if !users.is_empty() => Some(Users::new(users)?),
            _ => None,
        };
        Ok(Settings { tls, headers, users, limiter: self.written.rate_limit.as_ref().map_or(Ok(None), limiter)? })
    }
}

fn headers(written: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, HeaderValue)>, WebConfigError> {
    let mut headers = Vec::new();
    for (name, value) in written {
        let wrong = |reason: String| WebConfigError::setting(&format!("http_server_config.headers.{name}"), reason);
        let Some((known, values)) = HEADERS.iter().find(|(known, _)| known == name) else {
            let known: Vec<_> = HEADERS.iter().map(|(known, _)| *known).collect();
            return Err(wrong(format!("cannot be set; there are {}", known.join(", "))));
        };
        if !values.is_empty() && !values.contains(&value.as_str()) {
            return Err(wrong(format!("must be {}", values.join(" or "))));
        }
        // An empty one is not sent.
        if value.is_empty() {
            continue;
        }
        let name = HeaderName::try_from(*known).map_err(|error| wrong(error.to_string()))?;
        headers.push((name, HeaderValue::from_str(value).map_err(|error| wrong(error.to_string()))?));
    }
    Ok(headers)
}

fn limiter(written: &WrittenLimit) -> Result<Option<Limiter>, WebConfigError> {
    let interval = match written.interval.as_deref() {
        None | Some("0") => Duration::ZERO,
        Some(text) => {
            let interval = text.parse::<SignedDuration>().ok().and_then(|interval| interval.try_into().ok());
            let wrong =
                || WebConfigError::setting("rate_limit.interval", format!("`{text}` is not a duration like 1s"));
            interval.ok_or_else(wrong)?
        }
    };
    match written.burst.unwrap_or(0) {
        _ if interval.is_zero() => Ok(None),
        0 => Err(WebConfigError::setting("rate_limit.burst", "must be 1 at least, or no request would be answered")),
        burst => Ok(Some(Limiter::new(interval, burst))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file with this text.
    fn fault(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        std::fs::write(&path, text).unwrap();
        WebConfig::load(&path).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_asks_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        for text in ["", "# nothing\n", "{}", "basic_auth_users:\n", "tls_server_config: {}\n", "rate_limit: {}"] {
            std::fs::write(&path, text).unwrap();
            let settings = WebConfig::load(&path).unwrap().settings();
            assert!(settings.tls.is_none() && settings.users.is_none() && settings.limiter.is_none(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_granted_is_told_with_its_key() {
        for (text, expected) in [
            ("basic_auth_user: {}", "unknown key `basic_auth_user`; did you mean `basic_auth_users`?"),
            (
                "basic_auth_users:\n  ann: a\n  ann: b\n",
                "web.yml:3:3: basic_auth_users.ann: key `ann` stands twice in this map",
            ),
            ("basic_auth_users: {ann: secret}", "basic_auth_users.ann: is not a bcrypt hash"),
            ("http_server_config: {headers: {Server: x}}", "http_server_config.headers.Server: cannot be set"),
            ("http_server_config: {headers: {X-Frame-Options: allow}}", "must be deny or sameorigin"),
            ("rate_limit: {interval: soon, burst: 1}", "rate_limit.interval: `soon` is not a duration"),
            ("rate_limit: {interval: 1s}", "rate_limit.burst: must be 1 at least"),
            ("tls_server_config: {cert_file: a.pem}", "cannot read"),
            ("tls_server_config: {min_version: TLS12}", "tls_server_config.cert_file: is missing"),
        ] {
            let fault = fault(text);
            assert!(fault.contains(expected), "{text}: {fault}");
        }
        assert!(!fault("basic_auth_users: {ann: secret}").contains("secret"));
        let missing = WebConfig::load(Path::new("/nonexistent/web.yml")).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read /nonexistent/web.yml");
    }

    #[test]
    fn a_file_that_is_a_password_is_not_repeated() {
        for text in ["hunter2", "[hunter2]", "basic_auth_users: hunter2", "basic_auth_users: {ann: [hunter2]}"] {
            let told = fault(text);
            assert!(told.contains("expected") && !told.contains("hunter2"), "{text}: {told}");
        }
        assert!(fault(&"x\n".repeat(10_000)).len() < 200);
        assert!(fault(&format!("rate_limit: {{interval: {}}}", "x".repeat(10_000))).len() < 600);
    }

    #[test]
    fn a_broken_change_is_told_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let header = |value: &str| {
            let text = format!("http_server_config: {{headers: {{X-XSS-Protection: '{value}'}}}}");
            std::fs::write(&path, text).unwrap();
        };
        header("0");
        let config = WebConfig::load(&path).unwrap();
        let shown = || config.settings().headers[0].1.to_str().unwrap().to_owned();
        assert!(!config.refresh().unwrap());
        header("1");
        assert!(config.refresh().unwrap());
        assert_eq!(shown(), "1");
        std::fs::write(&path, "{").unwrap();
        assert!(config.refresh().is_err());
        assert!(!config.refresh().unwrap(), "the log is not filled with it");
        std::fs::remove_file(&path).unwrap();
        assert!(config.refresh().is_err());
        assert_eq!(shown(), "1");
        header("0");
        assert!(config.refresh().unwrap());
        assert_eq!(shown(), "0");
    }
}
