//! The web configuration as it is written, with the files that it names.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use jiff::SignedDuration;
use serde::Deserialize;

use super::Settings;
use super::error::WebConfigError;
use super::limiter::Limiter;
use super::tls;
use super::users::Users;
use crate::files::{read_bounded, rights_remark};
use crate::yaml;

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

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebFile {
    tls_server_config: Option<tls::TlsSection>,
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

/// The file and the files that it names, read one after the other.
pub(super) struct Files {
    path: PathBuf,
    written: WebFile,
    pem: tls::Pem,
    text: String,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// [`WebConfigError::Read`] and [`WebConfigError::Syntax`].
    pub(super) fn read(path: &Path) -> Result<Self, WebConfigError> {
        let read = |path: &Path| {
            read_bounded(path, MAX_BYTES).map_err(|source| WebConfigError::Read { path: path.to_owned(), source })
        };
        let text = String::from_utf8(read(path)?)
            .map_err(|error| WebConfigError::Syntax(format!("{}: {error}", path.display())))?;
        let written: Option<WebFile> = yaml::read(&text, &path.display().to_string())
            .map_err(|error| WebConfigError::Syntax(error.to_string()))?;
        let written = written.unwrap_or_default();
        let pem = match &written.tls_server_config {
            Some(tls) => tls.pem(|name| read(&beside(path, name)))?,
            None => tls::Pem::default(),
        };
        Ok(Self { path: path.to_owned(), written, pem, text })
    }

    /// Readings of the same content have the same fingerprint.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.text, &self.pem).hash(&mut hasher);
        hasher.finish()
    }

    /// The settings in them.
    ///
    /// # Errors
    /// [`WebConfigError::Setting`]
    pub(super) fn settings(&self) -> Result<Settings, WebConfigError> {
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
        let limiter = self.written.rate_limit.as_ref().map_or(Ok(None), limiter)?;
        Ok(Settings { tls, headers, users, limiter, rights: self.rights() })
    }

    /// Warnings about the access rights of the files.
    fn rights(&self) -> Vec<String> {
        let tls = self.written.tls_server_config.as_ref();
        let named = tls.into_iter().flat_map(tls::TlsSection::files);
        let named = named
            .map(|(key, name, is_secret)| (format!("tls_server_config.{key}"), beside(&self.path, name), is_secret));
        // It holds hashes of passwords, which can be guessed offline, or a key.
        let has_secret = tls.is_some_and(tls::TlsSection::has_key)
            || self.written.basic_auth_users.as_ref().is_some_and(|users| !users.is_empty());
        let all = std::iter::once(("--web.config.file".to_owned(), self.path.clone(), has_secret)).chain(named);
        all.filter_map(|(key, path, is_secret)| {
            rights_remark(&path, is_secret).map(|remark| format!("{key}: {remark}"))
        })
        .collect()
    }
}

/// The path of what the file at `path` calls `name`.
fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(name)
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
