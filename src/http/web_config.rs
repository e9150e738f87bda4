//! The file of `--web.config.file`, in the format that all Prometheus exporters share.
//!
//! Specification: <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.
//! The server reads the file, and the files that it names, again while it runs. It keeps the settings in force where the
//! new file has an error or would remove a protection: the file may be half written, or emptied by a full disk.

mod certificate;
mod error;
mod file;
mod key;
mod limiter;
mod protection;
mod tls;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};

pub(super) use certificate::name_of;
pub use error::WebConfigError;
use file::Files;
use limiter::Limiter;
use tls::Tls;
pub(super) use users::AuthResult;
use users::Users;

/// TLS, users, limits and headers, as the file has them now.
#[derive(Debug)]
pub struct WebConfig {
    path: Option<PathBuf>,
    settings: RwLock<Arc<Settings>>,
    seen: Mutex<LastRead>,
}

/// The last reading of the files.
#[derive(Debug, Default)]
struct LastRead {
    /// The fingerprint of the settings in force.
    in_force: u64,
    /// The fingerprint of the last files that could be read, and the error in them.
    last: u64,
    fault: Option<Arc<WebConfigError>>,
}

/// The result of reading the files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefreshResult {
    /// Nothing has changed.
    Same,
    /// Other settings are in force.
    Changed,
    /// The files had an error and are again those whose settings stayed in force.
    Mended,
}

/// The settings in the file.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) tls: Option<Tls>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: Option<Users>,
    pub(super) limiter: Option<Limiter>,
    /// Warnings about the access rights of the files.
    rights: Vec<String>,
}

impl WebConfig {
    /// Without a file: plain HTTP, and every client may read.
    #[must_use]
    pub fn open() -> Self {
        Self { path: None, settings: RwLock::default(), seen: Mutex::default() }
    }

    /// Reads the file and the files that it names; relative names are relative to the file's folder.
    ///
    /// # Errors
    /// [`WebConfigError`] for the first error.
    pub fn load(path: &Path) -> Result<Self, WebConfigError> {
        let files = Files::read(path)?;
        let fingerprint = files.fingerprint();
        let seen = LastRead { in_force: fingerprint, last: fingerprint, fault: None };
        let settings = RwLock::new(Arc::new(files.settings()?));
        Ok(Self { path: Some(path.to_owned()), settings, seen: Mutex::new(seen) })
    }

    /// Whether the server speaks TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.settings().tls.is_some()
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// The warnings about the settings in force, for a server that listens on `addresses`; `now` decides whether the
    /// certificate is valid.
    #[must_use]
    pub fn remarks(&self, addresses: &[String], now: Timestamp) -> Vec<String> {
        protection::remarks(&self.settings(), addresses, now)
    }

    /// The warning about the validity of the certificate in force.
    pub(super) fn certificate_remark(&self, now: Timestamp) -> Option<String> {
        protection::certificate(&self.settings(), now)
    }

    /// Reads the files again and puts them in force if they have changed. Blocks on the disk.
    ///
    /// # Errors
    /// The error in the files, on each call; the settings in force stay.
    pub(super) fn refresh(&self) -> Result<RefreshResult, Arc<WebConfigError>> {
        let Some(path) = &self.path else { return Ok(RefreshResult::Same) };
        let mut seen = self.seen.lock();
        let files = Files::read(path).map_err(|error| {
            let error = Arc::new(error);
            seen.fault = Some(Arc::clone(&error));
            // So that the next readable file is examined, even if it is the one from before.
            seen.last = !seen.in_force;
            error
        })?;
        let fingerprint = files.fingerprint();
        if fingerprint == seen.in_force {
            seen.last = fingerprint;
            return Ok(if seen.fault.take().is_some() { RefreshResult::Mended } else { RefreshResult::Same });
        }
        if fingerprint == seen.last
            && let Some(fault) = &seen.fault
        {
            return Err(Arc::clone(fault));
        }
        seen.last = fingerprint;
        match files.settings().and_then(|settings| self.take(path, settings)) {
            Ok(()) => {
                seen.in_force = fingerprint;
                seen.fault = None;
                Ok(RefreshResult::Changed)
            }
            Err(error) => {
                let error = Arc::new(error);
                seen.fault = Some(Arc::clone(&error));
                Err(error)
            }
        }
    }

    /// Puts `settings` in force, unless a protection is weaker in them than in those in force.
    fn take(&self, path: &Path, settings: Settings) -> Result<(), WebConfigError> {
        if let Some(what) = protection::loss(&self.settings(), &settings) {
            return Err(WebConfigError::Weaker { path: path.to_owned(), what });
        }
        *self.settings.write() = Arc::new(settings);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error in a file with this text.
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
    fn an_error_names_the_key() {
        for (text, expected) in [
            ("basic_auth_user: {}", "unknown key `basic_auth_user`; did you mean `basic_auth_users`?"),
            (
                "basic_auth_users:\n  ann: a\n  ann: b\n",
                "web.yml:3:3: basic_auth_users.ann: key `ann` occurs twice in this map",
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
    fn an_error_in_a_changed_file_is_returned_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let header = |value: &str| {
            let text = format!("http_server_config: {{headers: {{X-XSS-Protection: '{value}'}}}}");
            std::fs::write(&path, text).unwrap();
        };
        header("0");
        let config = WebConfig::load(&path).unwrap();
        let shown = || config.settings().headers[0].1.to_str().unwrap().to_owned();
        assert_eq!(config.refresh().unwrap(), RefreshResult::Same);
        header("1");
        assert_eq!(config.refresh().unwrap(), RefreshResult::Changed);
        assert_eq!(shown(), "1");
        for _ in 0..2 {
            std::fs::write(&path, "{").unwrap();
            assert!(config.refresh().is_err());
            std::fs::write(&path, "http_server_config: {headers: {X-Frame-Options: allow}}").unwrap();
            assert!(config.refresh().is_err());
            assert!(config.refresh().is_err(), "as long as it is so");
            std::fs::remove_file(&path).unwrap();
            assert!(config.refresh().is_err());
            assert_eq!(shown(), "1");
        }
        header("1");
        assert_eq!(config.refresh().unwrap(), RefreshResult::Mended);
        assert_eq!(config.refresh().unwrap(), RefreshResult::Same);
        header("0");
        assert_eq!(config.refresh().unwrap(), RefreshResult::Changed);
        assert_eq!(shown(), "0");
    }
}
