//! The proxy that a request goes through: the account's, or one that the environment names.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::config::proxy_url;

/// The proxies of the environment, as they were when it was read.
#[derive(Clone, Default)]
pub struct Proxies(Arc<Environment>);

#[derive(Default)]
struct Environment {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Takes all hosts but those of `NO_PROXY`.
    wanted: Option<Matcher>,
}

/// A proxy, and where it is set.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// The variable of the environment, or the key of the configuration.
    pub(crate) set_by: &'static str,
    /// It may hold a password.
    url: Url,
}

/// Tells whether `base_url` names this machine, which no proxy of the environment is for.
pub(crate) fn is_loopback(base_url: &str) -> bool {
    let Ok(url) = Url::parse(base_url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A variable of the environment that can't be used; without its text, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("{variable} of the environment: {why}")]
pub struct ProxyError {
    variable: &'static str,
    why: String,
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case; an empty one is as unset.
    ///
    /// # Errors
    /// [`ProxyError`] where one is not the URL of a proxy: without it, secrets would go another way than they should.
    pub fn from_env() -> Result<Self, ProxyError> {
        Self::read(|name| std::env::var_os(name))
    }

    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, ProxyError> {
        let text = |names: [&'static str; 2]| {
            let mut set = names.into_iter().filter_map(|name| Some((name, variable(name)?)));
            let found = set.find(|(_, text)| !text.is_empty());
            let read = |(name, text): (&'static str, OsString)| match text.into_string() {
                Ok(text) => Ok((name, text)),
                Err(_) => Err(ProxyError { variable: name, why: "it is not UTF-8".to_owned() }),
            };
            found.map(read).transpose()
        };
        let proxy = |names| {
            let read = |(set_by, text): (&'static str, String)| match proxy_url(&text) {
                Ok(url) => Ok(Proxy { set_by, url }),
                Err(why) => Err(ProxyError { variable: set_by, why }),
            };
            text(names)?.map(read).transpose()
        };
        let (mut http, mut https) = (proxy(["HTTP_PROXY", "http_proxy"])?, proxy(["HTTPS_PROXY", "https_proxy"])?);
        // Desktops set it to what other programs than ours read; it is of interest only where it counts.
        if http.is_none() || https.is_none() {
            let all = proxy(["ALL_PROXY", "all_proxy"])?;
            (http, https) = (http.or_else(|| all.clone()), https.or(all));
        }
        let wanted = match text(["NO_PROXY", "no_proxy"])? {
            Some((variable, text)) if text.contains(['"', '\'']) => {
                let why = "there are quotes in it, which docker --env-file keeps: write it without".to_owned();
                return Err(ProxyError { variable, why });
            }
            Some((_, text)) => Some(Matcher::builder().all("http://any").no(text).build()),
            None => None,
        };
        Ok(Self(Arc::new(Environment { http, https, wanted })))
    }

    /// The proxy for `url`; none for this machine.
    pub(crate) fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.scheme() == "https" { &self.0.https } else { &self.0.http };
        let proxy = proxy.as_ref().filter(|_| !is_loopback(url.as_str()))?;
        let excepted = match (&self.0.wanted, url.as_str().parse::<Uri>()) {
            (Some(wanted), Ok(uri)) => wanted.intercept(&uri).is_none(),
            _ => false,
        };
        Some(proxy).filter(|_| !excepted)
    }
}

impl Proxy {
    /// The account's own; `None` where its text is not the URL of a proxy.
    pub(super) fn own(text: &str) -> Option<Self> {
        Some(Self { set_by: "proxy_url", url: proxy_url(text).ok()? })
    }

    /// Its URL, with user and password.
    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    /// Whether it is spoken to in TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Its address without user and password.
    pub(crate) fn address(&self) -> String {
        let mut url = self.url.clone();
        // It cannot fail: the URL has a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.as_str().trim_end_matches('/').to_owned()
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("http", &self.0.http).field("https", &self.0.https).finish_non_exhaustive()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.set_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        Proxies::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| text.into()))
    }

    fn of(variables: &[(&str, &str)], url: &str) -> Option<(&'static str, String)> {
        let proxies = read(variables).unwrap();
        proxies.of(&Url::parse(url).unwrap()).map(|proxy| (proxy.set_by, proxy.address()))
    }

    #[test]
    fn each_scheme_has_its_proxy_and_empty_variables_are_unset() {
        let variables = [
            ("HTTPS_PROXY", ""),
            ("https_proxy", "http://me:s3cret@a:1"),
            ("http_proxy", "b:2"),
            ("ALL_PROXY", "unused://"),
        ];
        assert_eq!(of(&variables, "https://x.com/y"), Some(("https_proxy", "http://a:1".to_owned())));
        assert_eq!(of(&variables, "http://x.com"), Some(("http_proxy", "http://b:2".to_owned())));
        assert_eq!(of(&variables[1..2], "http://x.com"), None);
        assert_eq!(of(&[("ALL_PROXY", "socks5h://c")], "http://x.com").unwrap().1, "socks5h://c:1080");
        assert!(!format!("{:?}", read(&variables).unwrap()).contains("s3cret"));
    }

    #[test]
    fn this_machine_and_what_no_proxy_names_are_asked_directly() {
        let variables = [("HTTPS_PROXY", "a:1"), ("NO_PROXY", "one.com, .two.com ,10.0.0.0/8")];
        for direct in [
            "https://localhost/",
            "https://127.0.0.1",
            "https://[::1]:1",
            "https://one.com/x",
            "https://b.two.com",
            "https://10.1.2.3",
        ] {
            assert_eq!(of(&variables, direct), None, "{direct}");
        }
        assert!(of(&variables, "https://notone.com").is_some());
        assert_eq!(of(&[("HTTPS_PROXY", "a:1"), ("no_proxy", "*")], "https://x.com"), None);
    }

    #[test]
    fn a_variable_that_is_no_proxy_is_named_and_its_text_is_not() {
        for (name, text) in [
            ("HTTPS_PROXY", "\"http://s3cret@a\""),
            ("http_proxy", "http//s3cret"),
            ("all_proxy", "socks://s3cret"),
            ("NO_PROXY", "'s3cret'"),
        ] {
            let error = read(&[(name, text)]).unwrap_err().to_string();
            assert!(error.starts_with(name) && !error.contains("s3cret"), "{error}");
        }
    }
}
