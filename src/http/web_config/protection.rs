//! The settings that protect the server: a reload must not remove one, and the operator is warned where one is missing.

use jiff::{SignedDuration, Timestamp};

use super::Settings;
use super::tls::ClientCertificates;
use crate::http::is_public;

/// We warn of a certificate that expires sooner: it should have been renewed weeks before. For a certificate that is
/// valid for a few days only, we warn when a fifth of that time is left.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The first protection that is weaker in `after` than in `before`.
pub(super) fn loss(before: &Settings, after: &Settings) -> Option<&'static str> {
    let (had, has) = (levels(before), levels(after));
    had.into_iter().zip(has).find(|((_, had), (_, has))| has < had).map(|((what, _), _)| what)
}

/// Each protection with its strength: a higher number is stronger. Headers, ciphers and the rate limit are not in the
/// list, since changing them lets no further client in.
pub(super) fn levels(settings: &Settings) -> [(&'static str, u8); 5] {
    let tls = settings.tls.as_ref();
    [
        ("TLS (tls_server_config)", u8::from(tls.is_some())),
        ("the minimum TLS version (min_version)", tls.map_or(0, |tls| tls.least_version)),
        ("client certificates (client_auth_type)", tls.map_or(0, |tls| tls.clients as u8)),
        ("the list of clients (client_allowed_sans)", tls.map_or(0, |tls| u8::from(!tls.allowed.is_empty()))),
        ("the users (basic_auth_users)", u8::from(settings.users.is_some())),
    ]
}

/// The warnings about `settings` for a server that listens on `addresses`.
pub(super) fn remarks(settings: &Settings, addresses: &[String], now: Timestamp) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(address) = addresses.iter().find(|address| is_public(address)) {
        let tls = settings.tls.as_ref();
        let requires_certificate = tls.is_some_and(|tls| tls.clients == ClientCertificates::Required);
        if settings.users.is_none() && !requires_certificate {
            let but = if tls.is_some() { " (TLS alone does not ask who connects)" } else { "" };
            remarks.push(format!(
                "everybody who reaches {address} can read the figures{but}: listen on 127.0.0.1, or set users or \
                 RequireAndVerifyClientCert with --web.config.file"
            ));
        } else if tls.is_none() {
            remarks.push(format!(
                "passwords and figures go over the network unencrypted at {address}: set tls_server_config with \
                 --web.config.file, or listen on 127.0.0.1"
            ));
        }
    }
    remarks.extend(certificate(settings, now));
    remarks.extend(settings.rights.iter().cloned());
    remarks
}

/// The warning about the validity of the server's certificate.
pub(super) fn certificate(settings: &Settings, now: Timestamp) -> Option<String> {
    let (begin, end) = settings.tls.as_ref()?.validity?;
    let key = "tls_server_config.cert_file: the certificate";
    if now < begin {
        Some(format!("{key} is not valid before {begin}: clients refuse it; look at the clock, too"))
    } else if now >= end {
        Some(format!("{key} expired at {end}: clients refuse it"))
    } else {
        (end.duration_since(now) < SOON.min(end.duration_since(begin) / 5)).then(|| format!("{key} expires at {end}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{RefreshResult, WebConfig};
    use super::*;

    /// Writes a certificate, its key and an authority into `folder`; gives the text of a web configuration that has
    /// every protection.
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
            (whole.replace("  min_version: TLS13\n", ""), "the minimum TLS version"),
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
            assert_eq!((tls.least_version, tls.clients, tls.allowed.len()), (3, ClientCertificates::Required, 2));
            assert!(settings.users.is_some());
        }
        // Other users and clients are no loss.
        std::fs::write(&path, whole.replace("  - b.example\n", "  - c.example\n").replace("  bob", "  eve")).unwrap();
        assert_eq!(config.refresh().unwrap(), RefreshResult::Changed);
    }

    /// Reads each beginning of the file, as a slow writer leaves it on the disk.
    #[test]
    fn no_beginning_of_the_file_protects_less_than_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let whole = strict(folder.path());
        std::fs::write(&path, &whole).unwrap();
        let config = WebConfig::load(&path).unwrap();
        let in_force = levels(&config.settings());
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let _ = config.refresh();
            assert_eq!(levels(&config.settings()), in_force, "{}", &whole[..length]);
        }
    }

    #[test]
    fn figures_that_everybody_can_read_are_warned_of() {
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
            (&format!("tls_server_config: {{{tls}}}"), ":1", "(TLS alone does not ask who connects)"),
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
    fn a_certificate_that_is_not_valid_now_is_warned_of() {
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
    fn files_that_others_may_change_or_read_are_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let text = strict(folder.path());
        std::fs::write(&path, text).unwrap();
        let told = |web, cert, key, inside| {
            for (name, mode) in [("web.yml", web), ("cert.pem", cert), ("key.pem", key)] {
                set_mode(&folder.path().join(name), mode);
            }
            set_mode(folder.path(), inside);
            WebConfig::load(&path).unwrap().remarks(&[], Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000))
        };
        assert_eq!(told(0o640, 0o644, 0o600, 0o755), Vec::<String>::new());
        // In a sticky folder only the owner may replace the file, so there is no warning.
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
