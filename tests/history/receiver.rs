//! A receiver of remote write that keeps what it gets, and says no when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpListener;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// What came, and what is to be answered next.
#[derive(Default)]
pub(super) struct Received {
    /// By name and labels: the samples in the order in which they came.
    pub(super) series: BTreeMap<String, Vec<(i64, f64)>>,
    /// All requests, those that were refused too.
    pub(super) requests: usize,
    /// The largest request, in bytes and in series.
    pub(super) largest: (usize, usize),
    /// The value of the last `Authorization`.
    pub(super) authorization: Option<String>,
    /// The value of the last `X-Scope-OrgID`.
    pub(super) tenant: Option<String>,
    /// The statuses and `Retry-After` of the next answers; then all are accepted.
    pub(super) script: VecDeque<(u16, Option<&'static str>)>,
}

pub(super) struct ReceiverServer {
    pub(super) address: SocketAddr,
    pub(super) received: Arc<Mutex<Received>>,
}

impl ReceiverServer {
    pub(super) async fn start(script: &[(u16, Option<&'static str>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received =
            Arc::new(Mutex::new(Received { script: script.iter().copied().collect(), ..Received::default() }));
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&kept)));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, received }
    }

    pub(super) fn url(&self, user: &str) -> String {
        format!("http://{user}{}/api/v1/write", self.address)
    }
}

async fn answer(
    request: Request<Incoming>,
    received: Arc<Mutex<Received>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let header =
        |name| request.headers().get(name).map(|value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-encoding").as_deref(), Some("snappy"));
    assert_eq!(header("content-type").as_deref(), Some("application/x-protobuf"));
    assert_eq!(header("x-prometheus-remote-write-version").as_deref(), Some("0.1.0"));
    let (authorization, tenant) = (header("authorization"), header("x-scope-orgid"));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut received = received.lock().unwrap();
    received.requests += 1;
    received.authorization = authorization;
    received.tenant = tenant;
    if let Some((status, retry_after)) = received.script.pop_front() {
        let mut response = Response::builder().status(status);
        if let Some(value) = retry_after {
            response = response.header("retry-after", value);
        }
        // It says what it was told, as a gateway may that shows the whole request.
        let told = received.authorization.as_deref().unwrap_or_default();
        let text = format!("out of order sample of s3cret-out-of-order, sent with {told}");
        return Ok(response.body(Full::from(text)).unwrap());
    }
    let raw = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let write = WriteRequest::decode(raw.as_slice()).unwrap();
    received.largest.0 = received.largest.0.max(raw.len());
    received.largest.1 = received.largest.1.max(write.timeseries.len());
    for series in write.timeseries {
        assert!(series.labels.is_sorted_by(|a, b| a.name < b.name), "{:?}", series.labels);
        let name = &series.labels[0];
        assert_eq!(name.name, "__name__");
        let mut labels: Vec<_> =
            series.labels[1..].iter().map(|label| format!("{}={:?}", label.name, label.value)).collect();
        labels.sort();
        let samples = received.series.entry(format!("{}{{{}}}", name.value, labels.join(","))).or_default();
        samples.extend(series.samples.iter().map(|sample| (sample.timestamp, sample.value)));
    }
    Ok(Response::builder().status(204).body(Full::default()).unwrap())
}
