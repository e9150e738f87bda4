//! What comes in and what goes out: a request taken apart, a refusal, and an answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

/// A request that has arrived whole.
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// The ids in the path.
    pub(super) ids: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    /// The body, if it is JSON.
    pub(super) json: Option<Value>,
    pub(super) now: Timestamp,
}

impl ApiRequest {
    /// The query parameter of that name, decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A member of the JSON body.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.json.as_ref()?.get(name).filter(|value| !value.is_null())
    }
}

/// A platform's refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// An answer on its way out.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The platform's code, or the HTTP status where there is no envelope; `None` for success.
    pub(super) refused: Option<i64>,
    /// Break the connection in the middle of the body.
    pub(super) broken: bool,
}

impl Answer {
    /// JSON, with HTTP 200.
    pub(super) fn json(value: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status: 200, headers, body: Bytes::from(value.to_string()), refused: None, broken: false }
    }

    /// The same answer, in which the envelope's code is a text.
    pub(super) fn with_code_as_text(mut self) -> Self {
        if let Ok(Value::Object(mut body)) = serde_json::from_slice(&self.body) {
            for key in ["errcode", "ErrorCode", "code"] {
                if let Some(code) = body.get_mut(key) {
                    *code = Value::from(code.to_string());
                }
            }
            self.body = Bytes::from(Value::Object(body).to_string());
        }
        self
    }

    /// The same answer after a byte order mark.
    pub(super) fn with_byte_order_mark(self) -> Self {
        let body = Bytes::from([b"\xef\xbb\xbf".as_slice(), &self.body].concat());
        Self { body, ..self }
    }

    /// What a gateway says, in HTML.
    pub(super) fn html(status: u16, title: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
        let page = format!("<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>{title}</body></html>\r\n");
        Self { status, headers, body: Bytes::from(page), refused: Some(i64::from(status)), broken: false }
    }

    /// The HTTP response; a header that HTTP does not allow is left out.
    pub(super) fn into_response(self) -> Response<Payload> {
        let mut response = Response::new(Payload::new(self.body, self.broken));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// A body, which may break off.
pub(super) struct Payload {
    data: Option<Bytes>,
    length: u64,
    broken: bool,
    paused: bool,
}

impl Payload {
    fn new(body: Bytes, broken: bool) -> Self {
        let length = body.len() as u64;
        let sent = if broken { body.slice(..body.len() / 2) } else { body };
        Self { data: (!sent.is_empty()).then_some(sent), length, broken, paused: false }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if !self.broken {
            return Poll::Ready(None);
        }
        // hyper sends what it has while it waits; without this pause the client would not see half an answer.
        if !self.paused {
            self.paused = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// The parameters of a query string, decoded as HTML forms encode them.
pub(super) fn decode_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A JSON number with at most `decimals` decimals, an integer where it is whole.
pub(super) fn rounded(value: f64, decimals: i32) -> Value {
    let scale = 10_f64.powi(decimals);
    let value = (value * scale).round() / scale;
    if value.fract() == 0.0 { Value::from(value as i64) } else { Value::from(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_once() {
        let query = decode_query("a=1%2B1&b=x*y-z_&name=%E5%AE%A2+%25&odd=%zz&flag");
        let pairs: Vec<(&str, &str)> = query.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(pairs, [("a", "1+1"), ("b", "x*y-z_"), ("name", "客 %"), ("odd", "%zz"), ("flag", "")]);
    }

    #[test]
    fn whole_numbers_are_integers() {
        assert_eq!(rounded(100.0, 2).to_string(), "100");
        assert_eq!(rounded(60.254, 2).to_string(), "60.25");
    }
}
