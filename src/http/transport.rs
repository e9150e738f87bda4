//! The other end of a connection, and how its requests come.

use std::net::IpAddr;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// The name in the client's certificate, where it showed one.
    pub(super) certificate: Option<String>,
    pub(super) transport: Transport,
}

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Over TLS: a browser has compared the server's name with its certificate.
    Tls,
    /// Unencrypted, as the configuration has it; to a socket that only this machine reaches, or to another.
    Plain { is_loopback: bool },
    /// Unencrypted, where the configuration wants TLS.
    PlainWhereTls,
}
