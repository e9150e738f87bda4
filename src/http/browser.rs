//! Requests that a browser makes for a page of another site.
//!
//! The owner of a site can make its name resolve to 127.0.0.1 once the page is loaded. The page can then read what this
//! machine serves there, as if it came from the site (DNS rebinding); the browser still sends the site's name as `Host`.
//! And any page can send a form to any address, with the password that the browser remembers for that address.

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode};
use std::net::IpAddr;

use super::answer::{Answer, line};
use super::transport::Transport;
use crate::printable::printable;

/// What a browser says of where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The values of `Host` that the server answers. `localhost` and IP addresses are always allowed: no other site can
/// have them.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    names: Vec<String>,
    /// Whether sockets that are not on loopback check the name too.
    everywhere: bool,
}

impl AllowedHosts {
    /// Allows `names` and the hosts in `addresses`, on which the server listens. Where there are `names`, all sockets
    /// refuse other hosts; without them only those on loopback do.
    #[must_use]
    pub fn new(names: &[String], addresses: &[String]) -> Self {
        let listen = addresses.iter().filter_map(|address| Some(address.rsplit_once(':')?.0));
        let all = names.iter().map(String::as_str).chain(listen).map(plain);
        Self { names: all.filter(|name| !name.is_empty()).collect(), everywhere: !names.is_empty() }
    }

    /// The answer to a request whose `Host` is not allowed.
    pub(super) fn refuse<B>(&self, request: &Request<B>, transport: Transport) -> Option<Answer> {
        // Over TLS the browser has compared the name with the certificate.
        let Transport::Plain { is_loopback } = transport else { return None };
        if !is_loopback && !self.everywhere {
            return None;
        }
        // Every browser sends a Host.
        let hosts = request.headers().get_all(HOST).iter().map(|host| Authority::try_from(host.as_bytes()).ok());
        let target = request.uri().authority().cloned().map(Some);
        let foreign = hosts.chain(target).find(|host| !host.as_ref().is_some_and(|host| self.has(host)))?;
        let name = foreign.map(|host| host.host().chars().take(100).collect::<String>());
        let name = name.as_deref().map_or("the Host header".to_owned(), |name| format!("`{}`", printable(name)));
        Some(line(
            StatusCode::MISDIRECTED_REQUEST,
            &format!("{name} is not a name of this exporter: if it is yours, allow it with --web.allowed-host NAME"),
        ))
    }

    fn has(&self, host: &Authority) -> bool {
        // Nothing but a port may stand beside the name.
        if host.port_u16().is_none() && host.as_str() != host.host() {
            return false;
        }
        let name = plain(host.host());
        name == "localhost" || is_address(&name) || self.names.contains(&name)
    }
}

/// A name in small letters and without the dot of the root.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix('.').map(str::to_owned).unwrap_or(name)
}

fn is_address(host: &str) -> bool {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse::<IpAddr>().is_ok()
}

/// Tells whether a page of another site makes the request.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter().peekable();
    if sites.peek().is_some() {
        return !sites.all(|site| site == "same-origin" || site == "none");
    }
    // Older browsers, and all of them where the connection is neither encrypted nor local.
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    headers.get_all(ORIGIN).iter().any(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1.as_bytes()));
        !origin.is_some_and(|origin| host.is_some_and(|host| host.eq_ignore_ascii_case(origin)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(hosts: &AllowedHosts, host: &str, transport: Transport) -> bool {
        hosts.refuse(&Request::get("/metrics").header(HOST, host).body(()).unwrap(), transport).is_some()
    }

    const LOOPBACK: Transport = Transport::Plain { is_loopback: true };
    const OTHER: Transport = Transport::Plain { is_loopback: false };

    #[test]
    fn only_own_names_and_addresses_are_asked_for_on_loopback() {
        let hosts = AllowedHosts::new(&[], &["Mine.Example:10101".to_owned(), ":10101".to_owned()]);
        for own in [
            "localhost",
            "localhost:10101",
            "LOCALHOST.",
            "127.0.0.1:10101",
            "127.0.0.1",
            "[::1]:10101",
            "10.1.2.3:80",
            "mine.example:10101",
            "MINE.example.",
        ] {
            assert!(!refused(&hosts, own, LOOPBACK), "{own}");
        }
        for foreign in [
            "rebound.evil.test",
            "rebound.evil.test:10101",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "notlocalhost",
            "",
            "x@localhost@evil.test",
            "127.1",
            "mine.example.evil",
            "[::1",
            "[::1]evil",
            "localhost:x",
            "local host",
        ] {
            assert!(refused(&hosts, foreign, LOOPBACK), "{foreign}");
            assert!(!refused(&hosts, foreign, OTHER), "{foreign}: names that lead here from elsewhere are many");
            assert!(!refused(&hosts, foreign, Transport::Tls), "{foreign}: the certificate says who we are");
        }
    }

    #[test]
    fn named_hosts_are_the_only_ones_everywhere() {
        let hosts = AllowedHosts::new(&["proxy.example".to_owned()], &[":10101".to_owned()]);
        for transport in [LOOPBACK, OTHER] {
            assert!(!refused(&hosts, "Proxy.Example:443", transport));
            assert!(!refused(&hosts, "192.0.2.1", transport));
            assert!(refused(&hosts, "rebound.evil.test", transport));
        }
    }

    #[test]
    fn every_host_of_a_request_must_be_ours() {
        let hosts = AllowedHosts::default();
        let two = Request::get("/").header(HOST, "localhost").header(HOST, "evil.test").body(()).unwrap();
        let absolute = Request::get("http://evil.test/").header(HOST, "localhost").body(()).unwrap();
        let none = Request::get("/").body(()).unwrap();
        assert!(hosts.refuse(&two, LOOPBACK).is_some());
        assert!(hosts.refuse(&absolute, LOOPBACK).is_some());
        assert!(hosts.refuse(&none, LOOPBACK).is_none(), "HTTP/1.0, which no browser speaks");
    }

    #[test]
    fn a_browser_says_where_a_request_comes_from() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            [("host", "exporter.example:10101")].iter().chain(pairs).map(pair).collect()
        };
        for own in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            // A proxy in front asks by another name.
            &[("sec-fetch-site", "same-origin"), ("origin", "https://monitoring.example")],
            &[("origin", "http://exporter.example:10101")],
            &[("origin", "https://EXPORTER.example:10101")],
        ] {
            assert!(!is_cross_site(&headers(own)), "{own:?}");
        }
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://exporter.example:10101")],
            &[("origin", "null")],
            &[("origin", "http://evil.test")],
            &[("origin", "http://exporter.example:10102")],
            &[("origin", "http://exporter.example:10101.evil.test")],
        ] {
            assert!(is_cross_site(&headers(foreign)), "{foreign:?}");
        }
    }
}
