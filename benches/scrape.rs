//! How fast pages of 10 to 1,000,000 series are scraped over loopback, against two others in the same run: hyper
//! sending one static block of the same size, and prometheus-client rendering the page for each scrape.
//!
//! `cargo bench --bench scrape`, or with the numbers of series behind `--`. The contenders take turns, so that a busy
//! machine slows all of them; medians count, of the ratio that of each turn.

use std::convert::Infallible;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use imstats_exporter::day::{Clock, Day};
use imstats_exporter::exposition::{Exposition, Page};
use imstats_exporter::http::{App, WebConfig, bind};
use imstats_exporter::sample::Row;
use imstats_exporter::source;
use imstats_exporter::telemetry::Telemetry;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Many and short: what else the machine does comes and goes.
const ROUNDS: usize = 31;
const ROUND: Duration = Duration::from_millis(150);

type Failure = Box<dyn std::error::Error + Send + Sync>;
/// Gives the body of an answer.
type Body = Arc<dyn Fn() -> Bytes + Send + Sync>;

fn main() -> Result<(), Failure> {
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![10, 1_000, 100_000, 1_000_000] } else { asked };
    // One thread for the servers leaves one of two processors to the client.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    show("series     encoding  bytes       publish   memory    ours/s   static/s   ratio   rendering/s");
    for series in sizes {
        measure(&runtime, series)?;
    }
    Ok(())
}

/// Prints the lines of one size.
fn measure(runtime: &tokio::runtime::Runtime, series: usize) -> Result<(), Failure> {
    let telemetry = Telemetry::new("bench", "bench");
    let exposition = Exposition::new(telemetry.clone(), &source::apis());
    let rows = rows(series);
    let begun = Instant::now();
    let api = source::apis()[0];
    let page = Page { day: day()?, tables: vec![(api.tables[0], rows.clone())] };
    exposition.publish(api, "acme", Some(page));
    let publish = begun.elapsed();
    let memory = resident()?;

    let ours = runtime.block_on(bind(&["127.0.0.1:0".to_owned()]))?;
    let address = *ours.addresses().first().ok_or("no address")?;
    let shutdown = CancellationToken::new();
    let app = App {
        exposition: exposition.clone(),
        web: WebConfig::open(),
        access: imstats_exporter::http::Access::default(),
        telemetry,
        telemetry_path: "/metrics".into(),
        ready: Arc::default(),
        reload: None,
        dashboards: &[],
        clock: Clock::system(),
    };
    runtime.spawn(ours.serve(app, shutdown.clone()));
    let rendered = Arc::new(Rendered(rows));
    for gzip in [true, false] {
        let length = client(address, gzip)?.scrape()?;
        let block = Bytes::from(vec![b'x'; length]);
        let fixed = runtime.block_on(serve(Arc::new(move || block.clone())))?;
        let source = Arc::clone(&rendered);
        let rendering = runtime.block_on(serve(Arc::new(move || render(&source, gzip))))?;
        let rates = race(&[address, fixed, rendering], gzip)?;
        let ratio = median(rates[0].iter().zip(&rates[1]).map(|(ours, fixed)| ours / fixed).collect());
        let rates: Vec<_> = rates.into_iter().map(median).collect();
        show(&format!(
            "{series:<10} {:<9} {length:<11} {:<9} {:<9} {:<8.1} {:<10.1} {:<7.2} {:.1}",
            if gzip { "gzip" } else { "identity" },
            format!("{:.1} ms", publish.as_secs_f64() * 1e3),
            format!("{memory:.0} MB"),
            rates[0],
            rates[1],
            ratio,
            rates[2]
        ));
    }
    shutdown.cancel();
    Ok(())
}

/// Requests per second of each contender in rounds in which they take turns.
fn race(contenders: &[SocketAddr], gzip: bool) -> Result<Vec<Vec<f64>>, Failure> {
    let mut rates = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (address, rates) in contenders.iter().zip(&mut rates) {
            let mut client = client(*address, gzip)?;
            client.scrape()?;
            let begun = Instant::now();
            let mut count = 0_u32;
            while begun.elapsed() < ROUND {
                client.scrape()?;
                count += 1;
            }
            rates.push(f64::from(count) / begun.elapsed().as_secs_f64());
        }
    }
    Ok(rates)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// A client that costs as little as possible, so that the servers are what is measured.
struct Client {
    stream: TcpStream,
    request: &'static [u8],
    buffer: Vec<u8>,
}

fn client(address: SocketAddr, gzip: bool) -> Result<Client, Failure> {
    let request: &[u8] = if gzip {
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\nAccept-Encoding: gzip\r\n\r\n"
    } else {
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n"
    };
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(Client { stream, request, buffer: vec![0; 256 * 1024] })
}

impl Client {
    /// Reads one answer; gives the length of its body.
    fn scrape(&mut self) -> Result<usize, Failure> {
        self.stream.write_all(self.request)?;
        let mut filled = 0;
        let end = loop {
            filled += self.stream.read(&mut self.buffer[filled..])?;
            if let Some(end) = self.buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..end])?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
        let length: usize = length.parse()?;
        let mut left = length - (filled - end);
        while left > 0 {
            let read = self.stream.read(&mut self.buffer)?;
            if read == 0 {
                return Err("the answer broke off".into());
            }
            left -= read;
        }
        Ok(length)
    }
}

/// hyper alone, with this body.
async fn serve(body: Body) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let body = Arc::clone(&body);
            let service = service_fn(move |_: Request<hyper::body::Incoming>| {
                std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(body()))))
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

/// The page as prometheus-client renders it for each scrape.
#[derive(Debug)]
struct Rendered(Vec<Row>);

impl Collector for Rendered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let api = source::apis()[0];
        for (n, field) in api.tables[0].fields.iter().enumerate() {
            let (name, help) = (api.tables[0].metric(field), api.tables[0].help(field, api.title));
            let mut metric = encoder.encode_descriptor(&name, &help, None, MetricType::Gauge)?;
            for row in &self.0 {
                let labels = [("account", "acme"), (api.tables[0].labels[0], row.labels[0].as_str())];
                if let Some(value) = row.values[n] {
                    metric.encode_family(&labels)?.encode_gauge(&value)?;
                }
            }
        }
        Ok(())
    }
}

fn render(rows: &Arc<Rendered>, gzip: bool) -> Bytes {
    /// The page's length last time: a buffer that grows would be an unfair burden.
    static LENGTH: Mutex<usize> = Mutex::new(0);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::clone(rows)));
    let mut page = String::with_capacity(LENGTH.lock().map_or(0, |length| *length));
    let _ = text::encode(&mut page, &registry);
    if let Ok(mut length) = LENGTH.lock() {
        *length = page.len();
    }
    if !gzip {
        return page.into();
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(3));
    let _ = packed.write_all(page.as_bytes());
    packed.finish().unwrap_or_default().into()
}

/// Seven series a row, as the figures of a member are.
fn rows(series: usize) -> Vec<Row> {
    let Ok(day) = day() else { return Vec::new() };
    let row = |n: usize| {
        let left = series - n * 7;
        let value = |field: usize| (field < left).then_some(((n * 31 + field * 17) % 997) as f64);
        Row { day, labels: vec![format!("member{n:07}")], values: (0..7).map(value).collect() }
    };
    (0..series.div_ceil(7)).map(row).collect()
}

fn day() -> Result<Day, Failure> {
    Ok("2026-11-19".parse()?)
}

/// Megabytes that the process holds.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn show(line: &str) {
    println!("{line}");
}
