//! How long 200 clients at once wait for a page of 100,000 series, alone and beside one that reads a byte a second.
//!
//! `cargo bench --bench slow_client`. Both cases take turns; what counts is the longest that anyone waited.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use imstats_exporter::day::{Clock, Day};
use imstats_exporter::exposition::{Exposition, Page};
use imstats_exporter::http::{App, WebConfig, bind};
use imstats_exporter::sample::Row;
use imstats_exporter::source;
use imstats_exporter::telemetry::Telemetry;
use tokio_util::sync::CancellationToken;

const CLIENTS: usize = 200;
const TURNS: usize = 5;
const SERIES: usize = 100_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let telemetry = Telemetry::new("bench", "bench");
    let exposition = Exposition::new(telemetry.clone(), &source::apis());
    let api = source::apis()[0];
    let day: Day = "2026-11-19".parse()?;
    let values = |n: usize| (0..7).map(|field| Some(((n * 31 + field * 17) % 997) as f64)).collect();
    let rows = (0..SERIES.div_ceil(7)).map(|n| Row { day, labels: vec![format!("member{n:07}")], values: values(n) });
    exposition.publish(api, "acme", Some(Page { day, tables: vec![(api.tables[0], rows.collect())] }));
    let bound = runtime.block_on(bind(&["127.0.0.1:0".to_owned()]))?;
    let address = *bound.addresses().first().ok_or("no address")?;
    let app = App {
        exposition,
        web: WebConfig::open(),
        access: imstats_exporter::http::Access::default(),
        telemetry,
        telemetry_path: "/metrics".into(),
        ready: Arc::default(),
        reload: None,
        dashboards: &[],
        clock: Clock::system(),
    };
    runtime.spawn(bound.serve(app, CancellationToken::new()));

    show("encoding  slow client  median     longest");
    for gzip in [true, false] {
        let mut waits = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (n, waits) in waits.iter_mut().enumerate() {
                let slow = (n > 0).then(|| SlowClient::start(address)).transpose()?;
                waits.extend(crowd(address, gzip)?);
                drop(slow);
            }
        }
        for (mut waits, slow) in waits.into_iter().zip(["none", "one"]) {
            waits.sort_unstable();
            let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
            let encoding = if gzip { "gzip" } else { "identity" };
            show(&format!("{encoding:<9} {slow:<12} {:<10} {}", millis(median), millis(longest)));
        }
    }
    Ok(())
}

/// How long each of the clients waited for its page, from asking to the last byte.
fn crowd(address: SocketAddr, gzip: bool) -> Result<Vec<Duration>, Failure> {
    let start = Arc::new(Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                // Connected before they start, as scrapers mostly are.
                let stream = TcpStream::connect(address);
                start.wait();
                let begun = Instant::now();
                scrape(stream?, gzip)?;
                Ok::<_, Failure>(begun.elapsed())
            })
        })
        .collect();
    clients.into_iter().map(|client| client.join().map_err(|_| "a client failed")?).collect()
}

/// Reads one whole answer.
fn scrape(mut stream: TcpStream, gzip: bool) -> Result<(), Failure> {
    ask(&mut stream, gzip)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 if length > 100_000 => return Ok(()),
            0 => return Err("the answer broke off".into()),
            read => length += read,
        }
    }
}

fn ask(stream: &mut TcpStream, gzip: bool) -> std::io::Result<()> {
    let encoding = if gzip { "gzip" } else { "identity" };
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept-Encoding: {encoding}\r\n\r\n"
    )
}

/// A client that reads a byte a second, until it is dropped.
struct SlowClient {
    _end: mpsc::Sender<()>,
}

impl SlowClient {
    fn start(address: SocketAddr) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(address)?;
        ask(&mut stream, false)?;
        // Its answer has begun when the others come.
        stream.read_exact(&mut [0])?;
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            while ended.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                if stream.read_exact(&mut [0]).is_err() {
                    return;
                }
            }
        });
        Ok(Self { _end: end })
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn show(line: &str) {
    println!("{line}");
}
