//! Requests and connections, good and bad, to the built program.

use std::net::TcpListener;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::exporter::{Exporter, Site, read};
use crate::harness::soon;

/// Waits until the program has as many files open as before.
async fn until_freed(exporter: &Exporter, before: usize) {
    exporter.until("its connections are freed", async || exporter.open_files() <= before).await;
}

#[tokio::test]
async fn every_path_answers_what_it_is_asked() {
    let site = Site::new().await;
    let exporter = site.exporter(&[]).await;
    exporter.until("it is ready", async || exporter.get("/-/ready").await.status == 200).await;
    for (request, status) in [
        ("GET /-/healthy", 200),
        ("GET /", 200),
        ("GET /status.css", 200),
        ("GET /api/v1/status", 200),
        ("GET /metrics?collect[]=wecom_contact", 200),
        ("GET /metrics?collect%5B%5D=weather", 400),
        ("GET /nothing", 404),
        ("GET /metrics/", 404),
        ("GET /../../etc/passwd", 404),
        ("POST /metrics", 405),
        ("DELETE /", 405),
        ("GET /-/reload", 405),
        ("BREW /metrics", 405),
    ] {
        let answer = exporter.send(&format!("{request} HTTP/1.1")).await;
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        let allowed = (status == 405).then_some(if request.contains("reload") { "POST, PUT" } else { "GET, HEAD" });
        assert_eq!(answer.header("allow"), allowed, "{request}");
        assert_eq!(answer.header("content-length").unwrap(), answer.body.len().to_string(), "{request}");
    }
    let unknown = exporter.get("/metrics?collect[]=weather").await;
    assert!(unknown.body.contains("`weather`") && unknown.body.contains("wecom_kf"), "{}", unknown.body);
    for path in ["/metrics", "/", "/api/v1/status", "/-/ready"] {
        let head = exporter.send(&format!("HEAD {path} HTTP/1.1")).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_ne!(head.header("content-length"), Some("0"), "{path}");
    }
}

#[tokio::test]
async fn no_request_makes_a_call_to_a_platform() {
    let site = Site::new().await;
    let exporter = site.exporter(&[]).await;
    exporter.until_settled().await;
    let before = site.simulator.calls();
    assert!(!before.is_empty());
    for _ in 0..20 {
        for request in [
            "GET /metrics",
            "GET /metrics?collect[]=wecom_contact",
            "GET /",
            "GET /api/v1/status",
            "GET /dashboards/wecom-contact.json",
            "GET /-/healthy",
            "GET /-/ready",
            "GET /nothing",
            "POST /-/reload",
        ] {
            exporter.send(&format!("{request} HTTP/1.1")).await;
        }
    }
    assert_eq!(site.simulator.calls(), before);
}

#[tokio::test]
async fn each_address_is_listened_on() {
    let mut flags = vec!["--web.listen-address", "127.0.0.1:0"];
    let ipv6 = TcpListener::bind("[::1]:0").is_ok();
    if ipv6 {
        flags.extend(["--web.listen-address", "[::1]:0"]);
    }
    let site = Site::new().await;
    let exporter = site.exporter(&flags).await;
    let count = flags.len() / 2;
    exporter.until("it listens everywhere", async || exporter.addresses().len() == count).await;
    assert_eq!(exporter.addresses().iter().any(std::net::SocketAddr::is_ipv6), ipv6);
    for address in exporter.addresses() {
        assert_eq!(reqwest::get(format!("http://{address}/-/healthy")).await.unwrap().status(), 200, "{address}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = crate::exporter::program(&["demo", "--web.listen-address", &address]).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words.contains(&address) && words.contains("in use") && words.contains("--web.listen-address"), "{words}");
}

#[tokio::test]
async fn what_is_no_good_request_is_refused_and_harms_nobody() {
    let site = Site::new().await;
    let exporter = site.exporter(&[]).await;
    exporter.until_settled().await;
    exporter.get("/metrics").await;
    let before = exporter.open_files();
    let long = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1_000));
    let address = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(100_000));
    for (bytes, status) in [
        (long.as_bytes(), 431),
        (many.as_bytes(), 431),
        (address.as_bytes(), 431),
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET  /metrics  HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost x\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /metrics HTTP/7.1\r\nHost: localhost\r\n\r\n", 400),
    ] {
        let words = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let answer = read(exporter.write(bytes).await).await;
        assert_eq!(answer.status, status, "{words}: {answer:?}");
    }
    assert_eq!(exporter.get("/metrics").await.status, 200);
    until_freed(&exporter, before).await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed_and_disturb_nobody() {
    let site = Site::new().await;
    let exporter = site.exporter(&[]).await;
    exporter.until_settled().await;
    exporter.get("/metrics").await;
    let before = exporter.open_files();
    let mut silent = Vec::new();
    for words in ["", "GET", "GET /metrics HTTP/1.1\r\nHost:"].into_iter().cycle().take(90) {
        silent.push(exporter.write(words.as_bytes()).await);
    }
    // Meanwhile it may have closed some to the platforms.
    exporter.until("it has all of them", async || exporter.open_files() >= before + 80).await;
    assert_eq!(exporter.get("/metrics").await.status, 200);
    // Half of them go away, the other half wait until they are told to.
    silent.truncate(45);
    for stream in &mut silent {
        let mut rest = Vec::new();
        let _ = soon(stream.read_to_end(&mut rest)).await;
    }
    until_freed(&exporter, before).await;
    assert_eq!(exporter.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn one_peer_cannot_take_the_place_of_all_others() {
    let site = Site::new().await;
    let exporter = site.exporter(&[]).await;
    let mut kept = Vec::new();
    for _ in 0..256 {
        kept.push(exporter.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    }
    for stream in &mut kept {
        let mut answer = [0; 12];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    let mut more = exporter.write(b"").await;
    let closed = soon(more.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_err() || closed.is_ok_and(|read| read == 0));
    exporter.until("the log tells", async || exporter.log().contains("this peer has 256 already")).await;

    let elsewhere = TcpSocket::new_v4().unwrap();
    elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = elsewhere.connect(exporter.addresses()[0]).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(soon(read(stream)).await.status, 200);
    drop(kept);
    exporter.until("places are free again", async || exporter.open_files() < 100).await;
    assert_eq!(exporter.get("/metrics").await.status, 200);
}
