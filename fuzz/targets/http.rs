//! A connection to the web server: any bytes are answered as HTTP or not at all, and the connection ends. Where a
//! password guards it, no bytes open it.
#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use imstats_exporter::day::Clock;
use imstats_exporter::exposition::Exposition;
use imstats_exporter::http::{App, WebConfig, bind};
use imstats_exporter::source::apis;
use imstats_exporter::telemetry::Telemetry;
use libfuzzer_sys::fuzz_target;
use tokio_util::sync::CancellationToken;

/// The user `me` with the password `s3cret`; bcrypt's least cost.
const GUARDED: &str = "basic_auth_users: {me: $2y$04$5Tjujf4VGNAISlSBtkx88u7Z/oRconSs9fD9F6HEHQUbZPnu6ouRW}";

/// Where servers listen, the second of them with a password; each in a thread of its own.
static SERVERS: LazyLock<[SocketAddr; 2]> = LazyLock::new(|| {
    let file = std::env::temp_dir().join(format!("imstats_fuzz_{}.yaml", std::process::id()));
    std::fs::write(&file, GUARDED).unwrap();
    let guarded = WebConfig::load(&file).unwrap();
    [start(WebConfig::open()), start(guarded)]
});

fn start(web: WebConfig) -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bound = bind(&["127.0.0.1:0".to_owned()]).await.unwrap();
            sender.send(bound.addresses()[0]).unwrap();
            let telemetry = Telemetry::with_clock("0", "fuzz", Clock::system());
            let app = App {
                exposition: Exposition::new(telemetry.clone(), &apis()),
                web,
                access: imstats_exporter::http::Access::default(),
                telemetry,
                telemetry_path: "/metrics".to_owned(),
                ready: Arc::new(AtomicBool::new(true)),
                reload: Some(Arc::new(|| Box::pin(async { Ok(()) }))),
                dashboards: &[("exporter-health", b"{}")],
                clock: Clock::system(),
            };
            bound.serve(app, CancellationToken::new()).await;
        });
    });
    receiver.recv().unwrap()
}

/// What the server answers to these bytes.
fn answer(server: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may end the connection before it has read all.
    let _ = stream.write_all(data).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection does not end: {error}"),
    }
    answer
}

fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fuzz_target!(|data: &[u8]| {
    for (n, server) in SERVERS.iter().enumerate() {
        let answer = answer(*server, data);
        let text = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{text}");
        let server_error = [500, 501, 502].iter().any(|code| answer.starts_with(format!("HTTP/1.1 {code}").as_bytes()));
        assert!(!server_error, "{text}");
        // In base64: me:s3cret.
        let is_open = n == 0 || has(data, b"bWU6czNjcmV0");
        let tells = [&b"# TYPE"[..], b"\"sources\"", b"<html"].iter().any(|word| has(&answer, word));
        assert!(is_open || !tells, "{text}");
    }
});
