//! What of the settings keeps people out: what a reload must not take away, and what to say where it is missing.

use jiff::{SignedDuration, Timestamp};

use super::Settings;
use super::tls::ClientCertificates;
use crate::http::is_public;

/// A certificate that ends sooner is told: it should have been renewed weeks before. One that lives for days only,
/// when a fifth of its life is left.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The first protection that `before` has and `after` has not, or has less of.
pub(super) fn loss(before: &Settings, after: &Settings) -> Option<&'static str> {
    let (had, has) = (levels(before), levels(after));
    had.into_iter().zip(has).find(|((_, had), (_, has))| has < had).map(|((what, _), _)| what)
}

/// Each protection, with a number that is higher the more it protects. Other headers, ciphers and a rate limit are
/// settings like others: they admit no client.
pub(super) fn levels(settings: &Settings) -> [(&'static str, u8); 5] {
    let tls = settings.tls.as_ref();
    [
        ("TLS (tls_server_config)", u8::from(tls.is_some())),
        ("the least TLS version (min_version)", tls.map_or(0, |tls| tls.least_version)),
        ("client certificates (client_auth_type)", tls.map_or(0, |tls| tls.clients as u8)),
        ("the list of clients (client_allowed_sans)", tls.map_or(0, |tls| u8::from(!tls.allowed.is_empty()))),
        ("the users (basic_auth_users)", u8::from(settings.users.is_some())),
    ]
}

/// What an operator should know about `settings`, where the server listens on `addresses`.
pub(super) fn remarks(settings: &Settings, addresses: &[String], now: Timestamp) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(address) = addresses.iter().find(|address| is_public(address)) {
        let tls = settings.tls.as_ref();
        let requires_certificate = tls.is_some_and(|tls| tls.clients == ClientCertificates::Required);
        if settings.users.is_none() && !requires_certificate {
            let but = if tls.is_some() { " (TLS alone keeps nobody out)" } else { "" };
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

/// What to say about the time of the server's certificate.
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
