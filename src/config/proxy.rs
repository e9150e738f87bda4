//! The URL of a proxy, in the configuration and in the environment.

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

/// How to write what would otherwise end the user or password early.
const ESCAPES: &str =
    "it is only SCHEME://USER:PASSWORD@HOST:PORT; in user and password write # as %23, / as %2F, ? as %3F, @ as %40";

/// Reads the URL of a proxy: http (also where there is no scheme), https, socks5 or socks5h.
///
/// # Errors
/// What is wrong with it, for people, and without the text, which may hold a password.
pub(crate) fn proxy_url(text: &str) -> Result<Url, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.trim() != text {
        return Err("there are blanks or line ends around it: write it without".to_owned());
    }
    if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
        return Err("there are quotes around it, which docker --env-file keeps: write it without".to_owned());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("there is a blank or a control character in it".to_owned());
    }
    let written = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&written).map_err(|_| format!("it is not the URL of a proxy: {ESCAPES}"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        return Err("the scheme must be http, https, socks5, or socks5h (which leaves names to the proxy)".to_owned());
    }
    let is_whole = url.host_str().is_some_and(|host| !host.is_empty()) && ["", "/"].contains(&url.path());
    if !is_whole || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("it is not the URL of a proxy: {ESCAPES}"));
    }
    if url.port().is_none() && url.scheme().starts_with("socks") {
        // It cannot fail: the URL has a host.
        let _ = url.set_port(Some(1080));
    }
    // The client asks the platform directly where it cannot read the URL of a proxy.
    let readable = Matcher::builder().all(url.as_str()).build().intercept(&Uri::from_static("http://x/")).is_some();
    if readable { Ok(url) } else { Err(format!("it is not the URL of a proxy: {ESCAPES}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_urls_with_or_without_a_scheme() {
        for (text, read) in [
            ("proxy:3128", "http://proxy:3128/"),
            ("10.0.0.1", "http://10.0.0.1/"),
            ("http://us%40er:p%3Aw%2F%25d%23@proxy:3128/", "http://us%40er:p%3Aw%2F%25d%23@proxy:3128/"),
            ("http://me:p@ss@proxy", "http://me:p%40ss@proxy/"),
            ("https://[::1]:8443", "https://[::1]:8443/"),
            ("socks5h://jump", "socks5h://jump:1080"),
            ("socks5://me:pw@127.0.0.1:1081", "socks5://me:pw@127.0.0.1:1081"),
        ] {
            assert_eq!(proxy_url(text).as_ref().map(Url::as_str), Ok(read));
        }
    }

    #[test]
    fn what_is_no_proxy_is_told_without_its_text() {
        for (text, says) in [
            ("", "empty"),
            (" http://me:s3cret@proxy", "blanks or line ends around"),
            ("http://me:s3cret@proxy\r", "blanks or line ends around"),
            ("\"http://me:s3cret@proxy\"", "quotes around"),
            ("'http://me:s3cret@proxy", "quotes around"),
            ("http://me:s3 cret@proxy", "a blank"),
            ("htp://me:s3cret@proxy", "the scheme"),
            ("socks://me:s3cret@proxy", "the scheme"),
            ("http//me:s3cret@proxy", "not the URL"),
            ("http://[s3cret", "not the URL"),
            ("http://me:s3#cret@proxy", "%23"),
            ("http://me:s3/cret@proxy", "%2F"),
            ("http://me:s3?cret@proxy", "%3F"),
            ("http://proxy/s3cret", "not the URL"),
            ("http://", "not the URL"),
            ("http://:80", "not the URL"),
        ] {
            let fault = proxy_url(text).unwrap_err();
            assert!(fault.contains(says), "{text}: {fault}");
            assert!(!fault.contains("cret"), "{fault}");
        }
    }
}
