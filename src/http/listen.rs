//! Where the server listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, lookup_host};

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The text is no address.
    #[error("`{0}` is not an address to listen on, such as :10101, 127.0.0.1:10101 or [::1]:10101")]
    Address(String),
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address, as it was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Listens on `address`: a host and a port, or a port alone (`:10101`) for all addresses of the machine.
///
/// # Errors
/// [`ListenError`]
pub(super) async fn listen(address: &str) -> Result<TcpListener, ListenError> {
    let wrong = || ListenError::Address(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Err(wrong());
    }
    let bind = |source| ListenError::Bind { address: address.to_owned(), source };
    let candidates: Vec<SocketAddr> = if host.is_empty() {
        // The first takes IPv4 too; a machine without IPv6 refuses it.
        vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]
    } else {
        let mut found: Vec<_> = lookup_host((bare.unwrap_or(host), port)).await.map_err(bind)?.collect();
        // Of a name's addresses one is taken; clients of `localhost` expect 127.0.0.1.
        found.sort_by_key(SocketAddr::is_ipv6);
        found
    };
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in candidates {
        match TcpListener::bind(candidate).await {
            Ok(listener) => return Ok(listener),
            // Another program has the port: the next family would only hide it.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(bind(error)),
            Err(error) => refused = error,
        }
    }
    Err(bind(refused))
}

/// Tells whether others than this machine's own programs can reach what listens on `address`, as it was written.
#[must_use]
pub fn is_public(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_not_public() {
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1"] {
            assert!(!is_public(address), "{address}");
        }
        for address in [":10101", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[fe80::1]:1", "exporter.example:1"] {
            assert!(is_public(address), "{address}");
        }
    }

    #[tokio::test]
    async fn addresses_are_written_as_go_programs_take_them() {
        for address in [":0", "0.0.0.0:0", "127.0.0.1:0", "[::1]:0", "[::]:0", "localhost:0"] {
            match listen(address).await {
                Ok(listener) => assert_ne!(listener.local_addr().unwrap().port(), 0),
                // A machine without IPv6 cannot listen on it.
                Err(error) => assert!(address.contains("::"), "{address}: {error}"),
            }
        }
        assert!(listen("localhost:0").await.unwrap().local_addr().unwrap().is_ipv4());
    }

    #[tokio::test]
    async fn other_texts_are_refused_in_words() {
        for address in ["", "10101", "127.0.0.1", "::1:0", ":70000", ":http"] {
            assert!(matches!(listen(address).await, Err(ListenError::Address(_))), "{address}");
        }
        let taken = listen("127.0.0.1:0").await.unwrap();
        let again = taken.local_addr().unwrap().to_string();
        assert_eq!(listen(&again).await.unwrap_err().to_string(), format!("cannot listen on {again}"));
    }
}
