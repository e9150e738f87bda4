//! The file of `--web.config.file`, in the format that all Prometheus exporters share.
//!
//! Specification: <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.
//! The file and what it names are read again while the server runs. What is wrong then changes nothing, and neither
//! does a file that would take protection away: it may be half written, or emptied by a full disk.

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

/// Which clients are admitted and how the server presents itself, as the file says now.
#[derive(Debug)]
pub struct WebConfig {
    path: Option<PathBuf>,
    settings: RwLock<Arc<Settings>>,
    seen: Mutex<LastRead>,
}

/// What was read.
#[derive(Debug, Default)]
struct LastRead {
    /// The fingerprint of what is in force.
    in_force: u64,
    /// The fingerprint of what was read last and could be read, and what is wrong with it.
    last: u64,
    fault: Option<Arc<WebConfigError>>,
}

/// What came of reading the file again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefreshResult {
    /// Nothing is new.
    Same,
    /// Other settings are in force.
    Changed,
    /// A fault is gone, and the settings are those that were in force all the time.
    Mended,
}

/// What the file asks for.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) tls: Option<Tls>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: Option<Users>,
    pub(super) limiter: Option<Limiter>,
    /// What to tell of the rights of the files.
    rights: Vec<String>,
}

impl WebConfig {
    /// Without a file: plain HTTP, for everybody.
    #[must_use]
    pub fn open() -> Self {
        Self { path: None, settings: RwLock::default(), seen: Mutex::default() }
    }

    /// Reads the file and all that it names; relative names are relative to the file.
    ///
    /// # Errors
    /// [`WebConfigError`], for the first thing that is wrong.
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

    /// What an operator should know about the settings in force, where the server listens on `addresses`; by `now` the
    /// certificate may have expired.
    #[must_use]
    pub fn remarks(&self, addresses: &[String], now: Timestamp) -> Vec<String> {
        protection::remarks(&self.settings(), addresses, now)
    }

    /// What to say about the time of the certificate in force.
    pub(super) fn certificate_remark(&self, now: Timestamp) -> Option<String> {
        protection::certificate(&self.settings(), now)
    }

    /// Reads everything again and takes it where it has changed. Blocks on the disk.
    ///
    /// # Errors
    /// What is wrong, each time; the settings stay as they were.
    pub(super) fn refresh(&self) -> Result<RefreshResult, Arc<WebConfigError>> {
        let Some(path) = &self.path else { return Ok(RefreshResult::Same) };
        let mut seen = self.seen.lock();
        let files = Files::read(path).map_err(|error| {
            let error = Arc::new(error);
            seen.fault = Some(Arc::clone(&error));
            // So that it is looked at again when it can be read.
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

    /// Puts `settings` in force, unless they protect less than those that are.
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
    fn a_broken_change_is_told_and_changes_nothing() {
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

    /// A folder with a certificate, its key and an authority, and what a strict file in it says.
    fn strict(folder: &Path) -> String {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("cert.pem"), signed.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
        format!(
            "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  min_version: TLS13\n  client_ca_file: cert.pem\n  \
             client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans:\n  - a.example\n  - b.example\n\
             basic_auth_users:\n  ann: {0}\n  bob: {0}\n",
            bcrypt::hash("right", 4).unwrap()
        )
    }

    #[test]
    fn a_file_that_protects_less_is_not_taken_while_the_server_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let whole = strict(folder.path());
        std::fs::write(&path, &whole).unwrap();
        let config = WebConfig::load(&path).unwrap();
        let user = whole.find("  ann").unwrap();
        for (text, gone) in [
            (String::new(), "TLS"),
            ("# mended soon\n".to_owned(), "TLS"),
            (whole[user - "basic_auth_users:\n".len()..].to_owned(), "TLS"),
            (whole[..user].to_owned(), "the users"),
            (whole.replace("  min_version: TLS13\n", ""), "the least TLS version"),
            (whole.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"), "client_allowed_sans: needs"),
            (
                whole
                    .replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
                    .replace("  client_allowed_sans:\n  - a.example\n  - b.example\n", ""),
                "client certificates",
            ),
            (whole.replace("  client_allowed_sans:\n  - a.example\n  - b.example\n", ""), "the list of clients"),
        ] {
            std::fs::write(&path, &text).unwrap();
            for _ in 0..2 {
                let error = config.refresh().unwrap_err().to_string();
                assert!(error.contains(gone), "{gone}: {error}");
            }
            let settings = config.settings();
            let tls = settings.tls.as_ref().unwrap();
            assert_eq!((tls.least_version, tls.clients, tls.allowed.len()), (3, tls::ClientCertificates::Required, 2));
            assert!(settings.users.is_some());
        }
        // Other users and clients are no loss.
        std::fs::write(&path, whole.replace("  - b.example\n", "  - c.example\n").replace("  bob", "  eve")).unwrap();
        assert_eq!(config.refresh().unwrap(), RefreshResult::Changed);
    }

    /// Each beginning of the file, as it is read while it is being written over a slow line.
    #[test]
    fn no_beginning_of_the_file_protects_less_than_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let whole = strict(folder.path());
        std::fs::write(&path, &whole).unwrap();
        let config = WebConfig::load(&path).unwrap();
        let in_force = protection::levels(&config.settings());
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let _ = config.refresh();
            assert_eq!(protection::levels(&config.settings()), in_force, "{}", &whole[..length]);
        }
    }

    #[test]
    fn whoever_can_read_the_figures_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let strict = strict(folder.path());
        let tls = "cert_file: cert.pem, key_file: key.pem";
        let users = format!("basic_auth_users: {{ann: {}}}", bcrypt::hash("right", 4).unwrap());
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (text, address, told) in [
            ("", "[::]:10101", "everybody who reaches [::]:10101 can read the figures: listen on 127.0.0.1"),
            ("", "127.0.0.1:10101", ""),
            ("http_server_config: {headers: {X-Frame-Options: deny}}", ":1", "everybody"),
            (&format!("tls_server_config: {{{tls}}}"), ":1", "(TLS alone keeps nobody out)"),
            (
                &format!(
                    "tls_server_config: {{{tls}, client_auth_type: VerifyClientCertIfGiven, client_ca_file: cert.pem}}"
                ),
                ":1",
                "everybody",
            ),
            (
                &format!(
                    "tls_server_config: {{{tls}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem}}"
                ),
                ":1",
                "",
            ),
            (&users, ":1", "passwords and figures go over the network unencrypted"),
            (&users, "[::1]:1", ""),
            (&format!("{users}\ntls_server_config: {{{tls}}}"), ":1", ""),
            (&strict, ":1", ""),
        ] {
            std::fs::write(&path, text).unwrap();
            for name in ["web.yml", "key.pem"] {
                set_mode(&folder.path().join(name), 0o600);
            }
            let remarks = WebConfig::load(&path).unwrap().remarks(&[address.to_owned()], now);
            assert!(remarks.len() == usize::from(!told.is_empty()), "{text}: {remarks:?}");
            assert!(remarks.iter().all(|remark| remark.contains(told)), "{text}: {remarks:?}");
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_certificate_out_of_its_time_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 12, 1);
        let mut short = params.clone();
        short.not_before = rcgen::date_time_ymd(2026, 11, 26);
        let key = rcgen::KeyPair::generate().unwrap();
        let text = serde_json::json!({"tls_server_config": {
            "cert": params.self_signed(&key).unwrap().pem(), "key": key.serialize_pem(),
        }});
        let path = folder.path().join("web.yml");
        std::fs::write(&path, text.to_string()).unwrap();
        set_mode(&path, 0o600);
        let config = WebConfig::load(&path).unwrap();
        for (now, told) in [
            ("2025-12-31T23:59:59Z", "is not valid before 2026-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00Z", ""),
            ("2026-11-23T23:59:59Z", ""),
            ("2026-11-24T00:00:01Z", "the certificate expires at 2026-12-01T00:00:00Z"),
            ("2026-12-01T00:00:00Z", "the certificate expired at 2026-12-01T00:00:00Z"),
        ] {
            let remarks = config.remarks(&["127.0.0.1:1".to_owned()], now.parse().unwrap());
            assert_eq!(remarks.len(), usize::from(!told.is_empty()), "{now}: {remarks:?}");
            assert!(remarks.iter().all(|remark| remark.contains(told)), "{now}: {remarks:?}");
        }
        let text = serde_json::json!({"tls_server_config": {
            "cert": short.self_signed(&key).unwrap().pem(), "key": key.serialize_pem(),
        }});
        std::fs::write(&path, text.to_string()).unwrap();
        let short = WebConfig::load(&path).unwrap();
        for (now, count) in [("2026-11-29T23:59:59Z", 0), ("2026-11-30T00:00:01Z", 1)] {
            assert_eq!(short.remarks(&[], now.parse().unwrap()).len(), count, "of five days, told in the last: {now}");
        }
    }

    #[test]
    fn files_that_others_may_change_or_whose_secrets_they_may_read_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let text = strict(folder.path());
        std::fs::write(&path, text).unwrap();
        let told = |web, cert, key, inside| {
            for (name, mode) in [("web.yml", web), ("cert.pem", cert), ("key.pem", key)] {
                set_mode(&folder.path().join(name), mode);
            }
            set_mode(folder.path(), inside);
            WebConfig::load(&path)
                .unwrap()
                .remarks(&[], Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(500_000))
        };
        assert_eq!(told(0o640, 0o644, 0o600, 0o755), Vec::<String>::new());
        // A file of the web configuration is not told for a folder in which only its owner may replace it.
        assert_eq!(told(0o640, 0o644, 0o600, 0o1777), Vec::<String>::new());
        for (remarks, expected) in [
            (told(0o644, 0o644, 0o600, 0o755), "--web.config.file: other users of this machine may read"),
            (told(0o642, 0o644, 0o600, 0o755), "--web.config.file: other users of this machine may change"),
            (told(0o640, 0o646, 0o600, 0o755), "tls_server_config.cert_file: other users of this machine may change"),
            (told(0o640, 0o644, 0o604, 0o755), "tls_server_config.key_file: other users of this machine may read"),
            (told(0o640, 0o644, 0o600, 0o777), "--web.config.file: other users of this machine may replace"),
        ] {
            assert!(remarks[0].starts_with(expected), "{expected}: {remarks:?}");
        }
    }
}
