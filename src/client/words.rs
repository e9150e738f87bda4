//! What went wrong with an exchange, in words that hold neither URL nor secret.

use super::proxy::Proxy;

/// The proxy that a request went through, as the end of a message.
pub(crate) fn through(proxy: Option<&Proxy>) -> String {
    proxy.map(|proxy| format!(", through the proxy of {}", proxy.set_by)).unwrap_or_default()
}

/// What went wrong, in the innermost words: the outer ones hold the URL, and with it the token.
pub(crate) fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        let what =
            if error.is_connect() { "no connection within connect_timeout" } else { "no whole answer within timeout" };
        return what.to_owned();
    }
    let what = match (error.is_connect(), error.is_builder()) {
        (true, _) => "cannot connect: ",
        // No exchange was begun.
        (_, true) => "",
        _ => "the exchange broke off: ",
    };
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{what}{cause}")
}

/// The same of a call to a platform, with what the operator can look at.
pub(super) fn advised(error: reqwest::Error, proxy: Option<&Proxy>) -> String {
    let unreachable = error.is_connect();
    let words = words(error) + &through(proxy);
    match (unreachable, proxy) {
        (true, None) => format!("{words}; check base_url, proxy_url and ca_file, and any firewall on the way"),
        (true, Some(proxy)) => {
            format!("{words}; check base_url, {} and ca_file, and any firewall on the way", proxy.set_by)
        }
        (false, _) => words,
    }
}
