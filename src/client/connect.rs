//! Connections to platforms and receivers: their proxy, their certificate authorities, their timeouts.

use std::sync::Arc;

use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Url};
use secrecy::ExposeSecret;

use super::lookup::Lookup;
use super::proxy::{Proxies, Proxy};
use super::words::words;
use crate::config::Account;
use crate::files::read_bounded;

/// The largest file of authorities: a system's whole bundle is a quarter of a mebibyte.
const MOST_CA_BYTES: u64 = 4 * 1024 * 1024;

/// The connections of one account. Cloning gives another handle to the same ones.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) http: reqwest::Client,
    route: Route,
}

/// The proxies of one account.
#[derive(Clone, Debug)]
struct Route {
    own: Option<Proxy>,
    environment: Proxies,
}

impl Route {
    fn new(account: &Account, environment: Proxies) -> Result<Self, String> {
        let own = account.proxy_url.as_ref().map(|text| Proxy::own(text.expose_secret()));
        let own = own.map(|proxy| proxy.ok_or("proxy_url is not the URL of a proxy")).transpose()?;
        Ok(Self { own, environment })
    }

    fn of(&self, url: &Url) -> Option<&Proxy> {
        self.own.as_ref().or_else(|| self.environment.of(url))
    }
}

impl Connection {
    /// A connection for `account`, through its own proxy or one of `environment`.
    pub(super) fn new(account: &Account, environment: Proxies) -> Result<Self, String> {
        let certificates = certificates(account)?;
        let route = Route::new(account, environment)?;
        let new = || {
            let builder = through(builder(), &route)
                .http1_only()
                .dns_resolver(Arc::new(Lookup::default()))
                .connect_timeout(account.connect_timeout)
                .timeout(account.timeout)
                .pool_max_idle_per_host(64);
            if certificates.is_empty() { builder } else { builder.tls_certs_merge(certificates.iter().cloned()) }
        };
        let secure = Url::parse(&account.base_url).is_ok_and(|url| needs_tls(&url, route.of(&url)));
        // Report a ca_file that can't be used, even where nothing needs it.
        let http = build(new, secure || !certificates.is_empty(), "SSL_CERT_FILE or ca_file")?;
        Ok(Self { http, route })
    }

    /// The proxy that a request for `url` goes through.
    pub(super) fn proxy(&self, url: &Url) -> Option<&Proxy> {
        self.route.of(url)
    }
}

/// A client for the receiver at `url`, made ready by `with`.
pub(crate) fn connect_receiver(
    url: &Url,
    environment: &Proxies,
    with: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, String> {
    let route = Route { own: None, environment: environment.clone() };
    build(|| with(through(builder(), &route)), needs_tls(url, route.of(url)), "SSL_CERT_FILE")
}

fn needs_tls(url: &Url, proxy: Option<&Proxy>) -> bool {
    url.scheme() == "https" || proxy.is_some_and(Proxy::is_secure)
}

/// What all clients have in common.
fn builder() -> ClientBuilder {
    // It fails where it is installed already, as by the first client.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("imstats_exporter/", env!("CARGO_PKG_VERSION")))
        // Another address would get our token in its query and, as the referer, in a header.
        .redirect(Policy::none())
        .referer(false)
}

/// Sends requests along `route` only: reqwest would read the proxies of the environment by itself.
fn through(builder: ClientBuilder, route: &Route) -> ClientBuilder {
    let route = route.clone();
    builder.no_proxy().proxy(reqwest::Proxy::custom(move |url| route.of(url).map(Proxy::url)))
}

/// Makes the client; where it does not need TLS, without authorities if there are none.
fn build(new: impl Fn() -> ClientBuilder, needs_tls: bool, setting: &str) -> Result<reqwest::Client, String> {
    match new().build() {
        Ok(client) => Ok(client),
        Err(_) if !needs_tls => new().tls_certs_only([]).build().map_err(words),
        Err(error) => Err(match authorities() {
            Ok(_) => format!("cannot set up TLS: {}", words(error)),
            Err(why) => format!(
                "there are no certificate authorities, which https needs{why}: install the package ca-certificates, or \
                 set {setting}"
            ),
        }),
    }
}

/// The certificates of `ca_file`; none where there is no such file.
fn certificates(account: &Account) -> Result<Vec<Certificate>, String> {
    let Some(path) = &account.ca_file else { return Ok(Vec::new()) };
    let name = path.display();
    let pem = read_bounded(path, MOST_CA_BYTES).map_err(|error| format!("cannot read ca_file {name}: {error}"))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|error| format!("ca_file {name}: {}", words(error)))?;
    if certificates.is_empty() {
        return Err(format!("ca_file {name}: it holds no certificate in PEM"));
    }
    Ok(certificates)
}

/// How many authorities the system has; where there are none, why, in brackets, if that is known.
fn authorities() -> Result<usize, String> {
    let found = rustls_native_certs::load_native_certs();
    match (found.certs.len(), found.errors.first()) {
        (0, Some(error)) => Err(format!(" ({error})")),
        (0, None) => Err(String::new()),
        (count, _) => Ok(count),
    }
}

/// How platforms are reached, for people.
#[derive(Debug)]
pub(crate) struct Ways {
    environment: Proxies,
    authorities: Result<usize, String>,
}

impl Ways {
    /// With the proxies of `environment`, and the authorities of this machine as they are now.
    pub(crate) fn new(environment: Proxies) -> Self {
        Self { environment, authorities: authorities() }
    }

    /// A line for `account`: through which proxy, and whose certificates count; without user and password.
    pub(crate) fn line(&self, account: &Account) -> Result<String, String> {
        let route = Route::new(account, self.environment.clone())?;
        let url = Url::parse(&account.base_url).map_err(|_| "base_url is not a URL".to_owned())?;
        let proxy = route.of(&url);
        let way = match proxy {
            Some(proxy) => format!("through the proxy {} of {}", proxy.address(), proxy.set_by),
            None => "directly".to_owned(),
        };
        let mut trusted = Vec::new();
        if let Ok(count) = self.authorities {
            trusted.push(format!("{count} authorities of the system"));
        }
        if let Some(path) = &account.ca_file {
            trusted.push(format!("those of ca_file {}", path.display()));
        }
        let certificates = match (needs_tls(&url, proxy), trusted.is_empty()) {
            (false, _) => "without TLS".to_owned(),
            (true, false) => format!("certificates by {}", trusted.join(" and ")),
            (true, true) => "and there are no certificate authorities, which https needs: install the package \
                ca-certificates, or set SSL_CERT_FILE or ca_file"
                .to_owned(),
        };
        let (platform, account, base_url) = (account.credential.platform.name(), &account.name, &account.base_url);
        Ok(format!("{platform} {account} is asked at {base_url} {way}, {certificates}"))
    }
}
