//! The server over loopback, as a client sees it.

use std::io::Read;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::source;

pub(super) fn app() -> App {
    let telemetry = Telemetry::new("1.2.3", "abc");
    App {
        exposition: Exposition::new(telemetry.clone(), &source::apis()),
        telemetry,
        web: WebConfig::open(),
        access: Access::default(),
        telemetry_path: "/metrics".into(),
        ready: Arc::default(),
        reload: None,
        dashboards: &[("wecom", b"{}")],
        clock: Clock::system(),
    }
}

pub(super) struct Running {
    pub(super) address: String,
    shutdown: CancellationToken,
    serving: JoinHandle<ServeEnd>,
}

pub(super) async fn start(app: App) -> Running {
    let bound = bind(&["127.0.0.1:0".to_owned()]).await.unwrap();
    let address = bound.addresses()[0].to_string();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(bound.serve(app, shutdown.clone()));
    Running { address, shutdown, serving }
}

/// Status, headers in lower case, body.
pub(super) struct Got(pub(super) u16, String, Vec<u8>);

impl Got {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.2).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.1.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Running {
    pub(super) async fn send(&self, head: &str) -> Got {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        parse(&answer)
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.send(&format!("GET {path} HTTP/1.1")).await
    }
}

pub(super) fn parse(answer: &[u8]) -> Got {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = head.lines().skip(1).map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        format!("{}: {value}\n", name.to_lowercase())
    });
    Got(status, headers.collect(), answer[end + 4..].to_vec())
}

#[tokio::test]
async fn metrics_are_served_in_the_negotiated_form() {
    let server = start(app()).await;
    assert_eq!(server.get("/nothing").await.0, 404);
    let plain = server.get("/metrics").await;
    assert_eq!(plain.0, 200);
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(plain.header("content-length"), Some(plain.2.len().to_string().as_str()));
    assert_eq!(plain.header("vary"), Some("Accept, Accept-Encoding"));
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.text().contains("imstats_build_info{version=\"1.2.3\",revision=\"abc\"} 1\n"));

    let head = "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip";
    let packed = server.send(head).await;
    assert_eq!(
        packed.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores")
    );
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.2.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("imstats_http_requests_total{handler=\"other\",code=\"404\"} 1\n"), "{text}");

    let refused = server.send("GET /metrics HTTP/1.1\r\nAccept-Encoding: identity;q=0").await;
    assert_eq!(refused.0, 406);
}

#[tokio::test]
async fn head_sends_the_headers_alone() {
    let server = start(app()).await;
    let head = server.send("HEAD /-/healthy HTTP/1.1").await;
    assert_eq!((head.0, head.header("content-length"), head.2.len()), (200, Some("8"), 0));
    let head = server.send("HEAD /metrics HTTP/1.1").await;
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 100);
    assert!(head.2.is_empty());
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_told() {
    let server = start(app()).await;
    assert_eq!(server.get("/nothing").await.0, 404);
    let wrong = server.send("DELETE /metrics HTTP/1.1").await;
    assert_eq!((wrong.0, wrong.header("allow")), (405, Some("GET, HEAD")));
    let wrong = server.get("/-/reload").await;
    assert_eq!((wrong.0, wrong.header("allow")), (405, Some("POST, PUT")));
}

#[tokio::test]
async fn ready_follows_loading_and_healthy_does_not() {
    let app = app();
    let ready = Arc::clone(&app.ready);
    let server = start(app).await;
    assert_eq!(server.get("/-/healthy").await.0, 200);
    assert_eq!(server.get("/-/ready").await.0, 503);
    ready.store(true, Ordering::Release);
    assert_eq!(server.get("/-/ready").await.0, 200);
}

#[tokio::test]
async fn a_part_can_be_asked_for_and_an_unknown_one_is_named() {
    let server = start(app()).await;
    let part = server.get("/metrics?collect%5B%5D=wecom_contact&collect[]=wecom_groupchat_owner&x=y").await;
    assert_eq!(part.0, 200);
    let unknown = server.get("/metrics?collect[]=wecom_contact&collect[]=weather").await;
    assert_eq!(unknown.0, 400);
    assert!(unknown.text().contains("`weather`") && unknown.text().contains("wecom_groupchat_owner"));
}

#[tokio::test]
async fn reload_answers_with_what_came_of_it() {
    let server = start(app()).await;
    let off = server.send("POST /-/reload HTTP/1.1").await;
    assert_eq!(off.0, 403);
    assert!(off.text().contains("--web.enable-lifecycle"));

    let reload = |result: Result<(), String>| -> Option<Reload> {
        Some(Arc::new(move || Box::pin(std::future::ready(result.clone()))))
    };
    let server = start(App { reload: reload(Ok(())), ..app() }).await;
    assert_eq!(server.send("POST /-/reload HTTP/1.1").await.0, 200);
    let server = start(App { reload: reload(Err("line 3: no".into())), ..app() }).await;
    let refused = server.send("POST /-/reload HTTP/1.1").await;
    assert_eq!((refused.0, refused.text()), (400, "line 3: no\n"));
    let large = server.send("POST /-/reload HTTP/1.1\r\nContent-Length: 10000000").await;
    assert_eq!(large.0, 413);
}

#[tokio::test]
async fn too_large_a_head_is_refused() {
    let server = start(app()).await;
    let long = "x".repeat(20_000);
    assert_eq!(server.send(&format!("GET /metrics HTTP/1.1\r\nX: {long}")).await.0, 431);
    let many: String = (0..200).map(|n| format!("\r\nX{n}: y")).collect();
    assert_eq!(server.send(&format!("GET /metrics HTTP/1.1{many}")).await.0, 431);
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let server = start(app()).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(2), server.serving).await.unwrap().unwrap();
    assert_eq!(ended, ServeEnd::Whole);
    assert!(TcpStream::connect(&server.address).await.is_err());
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let begun = Arc::new(tokio::sync::Notify::new());
    let reload: Reload = Arc::new({
        let begun = Arc::clone(&begun);
        move || {
            let begun = Arc::clone(&begun);
            Box::pin(async move {
                begun.notify_one();
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(())
            })
        }
    });
    let server = start(App { reload: Some(reload), ..app() }).await;
    let stop = async {
        begun.notified().await;
        server.shutdown.cancel();
    };
    let (answer, ()) = tokio::join!(server.send("POST /-/reload HTTP/1.1"), stop);
    assert_eq!(answer.0, 200);
    assert_eq!(server.serving.await.unwrap(), ServeEnd::Whole);
}

#[tokio::test]
async fn people_get_a_page_that_runs_nothing() {
    let server = start(app()).await;
    let page = server.get("/").await;
    assert_eq!((page.0, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    assert!(page.text().contains("href=\"dashboards/wecom.json\""));
    let style = server.get("/status.css").await;
    assert_eq!((style.0, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    let report = server.get("/api/v1/status").await;
    assert_eq!(report.header("content-type"), Some("application/json"));
    assert_eq!(report.text(), r#"{"version":"1.2.3","store_error":null,"sources":[]}"#);
}

#[tokio::test]
async fn dashboards_are_there_to_download() {
    let server = start(app()).await;
    let board = server.get("/dashboards/wecom.json").await;
    assert_eq!((board.0, board.text(), board.header("content-type")), (200, "{}", Some("application/json")));
    for other in ["/dashboards/other.json", "/dashboards/wecom", "/dashboards/"] {
        assert_eq!(server.get(other).await.0, 404, "{other}");
    }
}

/// A server whose page is larger than all buffers between it and a client, and a client that does not read it.
async fn with_a_client_that_does_not_read() -> (Running, Exposition, TcpStream) {
    let app = app();
    let exposition = app.exposition.clone();
    publish(&exposition, 2_000, 1_000);
    let server = start(app).await;
    let mut stuck = TcpStream::connect(&server.address).await.unwrap();
    stuck.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    stuck.read_exact(&mut [0; 12]).await.unwrap();
    (server, exposition, stuck)
}

/// Publishes a page of so many rows whose labels are so long.
fn publish(exposition: &Exposition, rows: usize, length: usize) {
    let api = source::apis()[0];
    let day = crate::day::Day::new(2026, 11, 19).unwrap();
    let labels = |n| vec![format!("{n:0length$}")];
    let rows = (0..rows).map(|n| crate::sample::Row { day, labels: labels(n), values: vec![Some(1.0); 7] }).collect();
    exposition.publish(api, "acme", Some(crate::exposition::Page { day, tables: vec![(api.tables[0], rows)] }));
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_nobody() {
    let (server, exposition, stuck) = with_a_client_that_does_not_read().await;
    assert!(server.get("/metrics").await.2.len() > 10_000_000);
    publish(&exposition, 3, 1);
    let page = server.get("/metrics").await;
    assert!(page.2.len() < 10_000 && page.text().contains("userid=\"2\""));
    drop(stuck);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_ten_seconds_after_the_end() {
    let (server, _, stuck) = with_a_client_that_does_not_read().await;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    server.shutdown.cancel();
    assert_eq!(server.serving.await.unwrap(), ServeEnd::Cut(1));
    assert_eq!(begun.elapsed().as_secs(), 10);
    drop(stuck);
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let server = start(app()).await;
    for words in ["", "GET /metrics HTTP/1.1\r\nHost:"] {
        let mut silent = TcpStream::connect(&server.address).await.unwrap();
        silent.write_all(words.as_bytes()).await.unwrap();
        // So that the server has the connection before time flies.
        assert_eq!(server.get("/-/healthy").await.0, 200);
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
        // Its ten seconds began a moment before.
        assert!((9..=10).contains(&begun.elapsed().as_secs()), "{words}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn several_addresses_serve_the_same() {
    let addresses = ["127.0.0.1:0".to_owned(), "localhost:0".to_owned()];
    let bound = bind(&addresses).await.unwrap();
    let all = bound.addresses();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(bound.serve(app(), shutdown.clone()));
    for address in all {
        let shutdown = shutdown.clone();
        let idle = tokio::spawn(async { ServeEnd::Whole });
        let server = Running { address: address.to_string(), shutdown, serving: idle };
        assert_eq!(server.get("/-/healthy").await.0, 200);
    }
    shutdown.cancel();
    assert_eq!(serving.await.unwrap(), ServeEnd::Whole);
}

#[tokio::test]
async fn no_answer_is_guessed_at_and_none_with_figures_is_kept() {
    let server = start(app()).await;
    for (path, kept) in [
        ("/metrics", false),
        ("/", false),
        ("/api/v1/status", false),
        ("/-/healthy", false),
        ("/-/ready", false),
        ("/nothing", false),
        ("/metrics?collect[]=x", false),
        ("/status.css", true),
        ("/dashboards/wecom.json", true),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), (!kept).then_some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_kept_from_one_scrape_to_the_next() {
    let server = start(app()).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let mut ask = async || {
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        let mut rest = vec![0; 4096];
        let read = stream.read(&mut rest).await.unwrap();
        (first == *b"HTTP/1.1 200", rest[..read].ends_with(b"healthy\n"))
    };
    assert_eq!(ask().await, (true, true));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(140)).await;
    tokio::time::resume();
    assert_eq!(ask().await, (true, true));
}

#[tokio::test]
async fn a_reload_whose_body_does_not_come_is_ended_after_ten_seconds() {
    let reload: Reload = Arc::new(|| Box::pin(std::future::ready(Ok(()))));
    let server = start(App { reload: Some(reload), ..app() }).await;
    assert_eq!(server.send("PUT /-/reload HTTP/1.1").await.0, 200);
    let mut slow = TcpStream::connect(&server.address).await.unwrap();
    slow.write_all(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc").await.unwrap();
    // So that the server has the request before time flies.
    assert_eq!(server.get("/-/healthy").await.0, 200);
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let mut first = [0; 12];
    slow.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 408");
    assert!((9..=10).contains(&begun.elapsed().as_secs()));
}
