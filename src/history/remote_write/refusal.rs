//! Why a receiver takes no samples, and what the operator may do about it.

use std::time::Duration;

use crate::client::tls_cause;

/// Why a receiver did not take a batch; without credentials.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The text is no URL, or not one of HTTP.
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
    /// No connection can be made, however often it is tried: the certificate or the scheme is wrong.
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
    /// It refuses the batch, and would again.
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

/// What the operator may do about a refusal with `status` and `text`.
pub(super) fn hint(status: u16, text: &str) -> &'static str {
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
pub(super) fn lasting_fault(error: &reqwest::Error) -> Option<&'static str> {
    match tls_cause(error)? {
        rustls::Error::InvalidCertificate(_) => Some("; SSL_CERT_FILE names a file of the authorities to trust"),
        rustls::Error::InvalidMessage(_) => Some("; is it http instead of https?"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
