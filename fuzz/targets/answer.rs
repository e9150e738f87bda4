//! What a server on the other end may send for an answer: any bytes become an answer or a failure in words.
#![no_main]

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use imstats_exporter::client::{Client, Failure};
use imstats_exporter::config::{Config, SourceConfig};
use imstats_exporter::day::{Clock, Day, Days};
use imstats_exporter::source::Directory;
use imstats_exporter::telemetry::Telemetry;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

/// What the server sends next.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A server that answers every request with [`ANSWER`], and ends the connection.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let answer = ANSWER.lock().unwrap().clone();
            let _ = stream.write_all(&answer).and_then(|()| stream.shutdown(Shutdown::Write));
        }
    });
    address
});

struct Exporter {
    runtime: Runtime,
    source: SourceConfig,
    client: Client,
}

/// One that signs by itself, so that each question is one exchange.
fn exporter() -> Exporter {
    let config = format!(
        "tencent_desk: [{{account: a, base_url: 'http://{}', sdk_app_id: 1, identifier: i, secret_key: canary, timeout: 5s,
           agent_statistics: {{rate_limit: 1000000/s}}}}]",
        *SERVER
    );
    let source = Config::parse(&config, "fuzz").unwrap().sources.remove(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Exporter { runtime, source, client: client() }
}

fn client() -> Client {
    Client::new(CLOCK.clone(), Telemetry::with_clock("0", "fuzz", CLOCK.clone()), Duration::ZERO)
}

/// By which pauses are waited for; timeouts go by the real one.
static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock::manual(jiff::Timestamp::from_second(1_790_000_000).unwrap()));

thread_local! {
    static EXPORTER: RefCell<Exporter> = RefCell::new(exporter());
}

fuzz_target!(init: { let _ = rustls::crypto::ring::default_provider().install_default(); }, |data: &[u8]| {
    *ANSWER.lock().unwrap() = data.to_vec();
    EXPORTER.with_borrow_mut(|Exporter { runtime, source, client: asking }| {
        let targets = source.source.targets(&Directory::new());
        let days = Days::one(Day::new(2026, 11, 19).unwrap());
        let call = source.source.calls(&[&targets[0]], days, &source.schedule.zone).remove(0);
        // A platform may want a pause, which the client waits for: time passes quickly here.
        let answered = runtime.block_on(async {
            let mut tick = tokio::time::interval(Duration::from_millis(1));
            let asked = asking.ask(&source.account, &call);
            tokio::pin!(asked);
            loop {
                tokio::select! {
                    answered = &mut asked => return answered,
                    _ = tick.tick() => CLOCK.advance(Duration::from_secs(10)),
                }
            }
        });
        if let Err(failure) = answered {
            let told = failure.to_string();
            assert!(!told.contains("usersig") && !told.contains("canary") && told.len() < 1024, "{told}");
            // These hold for the questions to come.
            if matches!(failure, Failure::Denied(_) | Failure::Throttled(_)) {
                *asking = client();
            }
        }
    });
});
