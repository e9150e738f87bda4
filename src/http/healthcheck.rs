//! Asks a running exporter on this machine whether it is ready, as container engines want it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::redirect::Policy;

use super::ListenError;
use crate::client::tls_cause;

/// Shorter than what container engines and probes commonly allow.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The path that needs no password.
const READY: &str = "/-/ready";

/// Why a running exporter did not say that it is ready.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// The address is none that can be listened on.
    #[error(transparent)]
    Address(#[from] ListenError),
    /// It did not answer.
    #[error("no answer from {url}: {reason}")]
    NoAnswer {
        /// What was asked.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// It answered that it is not ready.
    #[error("{url} answered HTTP {status}: the configuration or the store is not loaded yet")]
    NotReady {
        /// What was asked.
        url: String,
        /// The status of its answer.
        status: u16,
    },
}

/// Asks the exporter that listens on `address` (as in `--web.listen-address`), with TLS where `tls` says so.
///
/// The certificate is not verified: it names the outside, and the connection does not leave this machine's own address.
/// A server that wants a client certificate ends the handshake for want of one, which shows that it serves.
///
/// # Errors
/// [`HealthcheckError`]
pub async fn healthcheck(address: &str, tls: bool) -> Result<(), HealthcheckError> {
    let url = url(address, tls)?;
    let no_answer = |reason: String| HealthcheckError::NoAnswer { url: url.clone(), reason };
    // The first call chooses ring for the whole process; a later one changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .tls_certs_only([])
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| no_answer(innermost(&error)))?;
    match client.get(&url).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(HealthcheckError::NotReady { status: answer.status().as_u16(), url }),
        Err(error) if wants_certificate(&error) => Ok(()),
        Err(error) => Err(no_answer(innermost(&error))),
    }
}

/// The URL of the health page behind an address to listen on; all addresses become this machine's loopback.
fn url(address: &str, tls: bool) -> Result<String, ListenError> {
    let wrong = || ListenError::Address(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let bare = host.trim_matches(['[', ']']);
    let host = match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        // The socket of `[::]` takes IPv4 too, and a container may have no address of IPv6.
        Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) if bare.is_empty() => Ipv4Addr::LOCALHOST.to_string(),
        Err(_) => bare.to_owned(),
    };
    let scheme = if tls { "https" } else { "http" };
    Ok(format!("{scheme}://{host}:{port}{READY}"))
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn wants_certificate(error: &reqwest::Error) -> bool {
    let wanted = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
    tls_cause(error).is_some_and(|cause| *cause == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_to_listen_on_is_asked_on_this_machine() {
        for (address, asked) in [
            (":10101", "http://127.0.0.1:10101/-/ready"),
            ("0.0.0.0:1", "http://127.0.0.1:1/-/ready"),
            ("[::]:1", "http://127.0.0.1:1/-/ready"),
            ("[::1]:1", "http://[::1]:1/-/ready"),
            ("10.0.0.1:1", "http://10.0.0.1:1/-/ready"),
            ("localhost:1", "http://localhost:1/-/ready"),
        ] {
            assert_eq!(url(address, false).unwrap(), asked, "{address}");
        }
        assert_eq!(url(":10101", true).unwrap(), "https://127.0.0.1:10101/-/ready");
        for address in ["", "10101", ":x"] {
            assert!(url(address, false).is_err(), "{address}");
        }
    }
}
