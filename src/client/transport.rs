//! One HTTP exchange: bounded in time and size, without redirects, and without a URL in any error.

use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::connect::Connection;
use super::json;
use super::scrub::scrub_of;
use super::words::{advised, through, words};
use crate::config::Account;
use crate::platform::{Call, Pass, Reply};

/// No answer of any platform is larger: a batch of 1,000 rows has about 300 KiB.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// An exchange that brought no usable answer; in words, without URL and secrets.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// It may work later.
    Unavailable(String),
    /// Another server than the platform's answered, or the answer was empty: it may work later, but repeating a login at
    /// once would bring the same.
    Foreign(String),
    /// The answer is not what it should be.
    Malformed(String),
}

/// Sends `call` with `pass`, and `body` in place of its own where that holds a secret.
pub(super) async fn exchange(
    connection: &Connection,
    account: &Account,
    call: &Call,
    pass: &Pass,
    body: Option<&SecretString>,
) -> Result<Reply, ExchangeError> {
    let unavailable = |text: &str| ExchangeError::Unavailable(text.to_owned());
    let mut url = Url::parse(&format!("{}/{}", account.base_url, call.path))
        .map_err(|_| unavailable("base_url does not make a URL with the API's path"))?;
    if !call.query.is_empty() || !pass.query.is_empty() {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(&call.query);
        query.extend_pairs(pass.query.iter().map(|(key, secret)| (key, secret.expose_secret())));
    }
    let has_body = call.body.is_some() || body.is_some();
    let proxy = connection.proxy(&url);
    let mut request = connection.http.request(if has_body { Method::POST } else { Method::GET }, url);
    if has_body {
        request = request.header("content-type", "application/json; charset=utf-8");
        request = match (body, &call.body) {
            (Some(secret), _) => request.body(secret.expose_secret().to_owned()),
            (None, Some(body)) => request.body(body.to_string()),
            (None, None) => request,
        };
    }
    if let Some(bearer) = &pass.bearer {
        request = request.bearer_auth(bearer.expose_secret());
    }
    for (name, secret) in &pass.headers {
        // A log of headers does not show it then.
        let mut value = HeaderValue::from_str(secret.expose_secret()).map_err(|_| {
            unavailable("the token can't travel in a header: it has characters that no header may have")
        })?;
        value.set_sensitive(true);
        request = request.header(*name, value);
    }
    let mut response = request.send().await.map_err(|error| ExchangeError::Unavailable(advised(error, proxy)))?;
    let status = response.status().as_u16();
    let headers = response.headers();
    let reset = account.credential.platform.wait(&|name| Some(headers.get(name)?.to_str().ok()?.to_owned()));
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| ExchangeError::Unavailable(words(error)))? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(ExchangeError::Malformed(format!("the answer is larger than {} MiB", MOST_BYTES >> 20)));
        }
        bytes.extend_from_slice(&chunk);
    }
    // Keys are field names, but a hostile platform may name people in them.
    let content = json::read(&bytes, account.pseudonyms.is_none());
    if let (407, Err(_), Some(proxy)) = (status, &content, proxy) {
        let set_by = proxy.set_by;
        return Err(unavailable(&format!("the proxy of {set_by} wants another user and password (HTTP 407)")));
    }
    match content {
        Ok(body) => Ok(Reply { status, reset, body }),
        // What is wrong with the page of a failing server is of no interest.
        Err(_) if status == 429 || status >= 500 || status == 407 => Ok(Reply { status, reset, body: Value::Null }),
        Err(_) if (300..400).contains(&status) => {
            Err(ExchangeError::Foreign(format!("unexpected redirect (HTTP {status}): check base_url")))
        }
        Err(_) if status >= 400 => Err(ExchangeError::Foreign(format!(
            "HTTP {status} and no JSON{}: check base_url, and any proxy or firewall on the way",
            through(proxy)
        ))),
        Err(_) if bytes.trim_ascii().is_empty() => {
            Err(ExchangeError::Foreign(format!("the answer is empty (HTTP {status}): does a proxy answer?")))
        }
        Err(error) if error.is_data() => {
            // It names a key of the platform's.
            let error = scrub_of(&error.to_string(), pass, body);
            Err(ExchangeError::Malformed(format!("the answer is not as it should be: {error}")))
        }
        Err(error) => {
            let page = bytes.trim_ascii_start().starts_with(b"<");
            let what =
                if page { "a page of HTML (does a proxy or a login page answer?) and no JSON" } else { "not JSON" };
            Err(ExchangeError::Malformed(format!("the answer is {what}: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::Proxies;
    use crate::config::Config;

    #[tokio::test]
    async fn a_token_travels_where_its_pass_says_and_in_no_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let config = format!(
            "feishu: [{{account: a, app_id: cli_a, app_secret: s3cret, base_url: \"{base_url}\", message_push: {{}}}}]"
        );
        let config = Config::parse(&config, "exporter.yaml").unwrap();
        let account = &config.sources[0].account;
        let connection = Connection::new(account, Proxies::default()).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut request, mut bytes) = (Vec::new(), [0; 1024]);
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut bytes).await.unwrap();
                assert_ne!(read, 0, "the request ends early: {}", String::from_utf8_lossy(&request));
                request.extend_from_slice(&bytes[..read]);
            }
            let answer = "HTTP/1.1 429 Too Many\r\nx-ogw-ratelimit-reset: 7\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let pass = |token: &str| Pass { headers: vec![("x-acs-token", token.into())], ..Pass::default() };
        let call = Call::get("push", "open-apis/push", vec![]);
        let reply = exchange(&connection, account, &call, &pass("tok-en/42"), None).await.unwrap();
        assert_eq!((reply.status, reply.reset.map(|wait| wait.as_secs())), (429, Some(7)));
        let request = server.await.unwrap();
        assert!(request.starts_with("GET /open-apis/push HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nx-acs-token: tok-en/42\r\n"), "{request}");
        let Err(ExchangeError::Unavailable(text)) = exchange(&connection, account, &call, &pass("a\nb"), None).await
        else {
            panic!("a line feed must not begin another header");
        };
        assert!(text.contains("can't travel in a header") && !text.contains("a\nb"), "{text}");
    }
}
