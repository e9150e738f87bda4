//! The web configuration over loopback: TLS, client certificates, users, limits, changes.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tests::{Got, Running, app, parse, start};
use super::*;

async fn start_with(folder: &Path, web: &str) -> Running {
    let path = folder.join("web.yml");
    std::fs::write(&path, web).unwrap();
    start(App { web: WebConfig::load(&path).unwrap(), ..app() }).await
}

/// An authority, and certificates that it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key in PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// Asks over TLS; `None` where the server does not let the client in.
async fn get(server: &Running, authority: &Authority, client: Option<(String, String)>) -> Option<Got> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match client {
        Some((cert, key)) => {
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    (!answer.is_empty()).then(|| parse(&answer))
}

#[tokio::test]
async fn metrics_are_served_over_tls_and_plain_http_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert, key) = authority.sign("localhost");
    std::fs::write(folder.path().join("cert.pem"), cert).unwrap();
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let server = start_with(folder.path(), "tls_server_config: {cert_file: cert.pem, key_file: key.pem}").await;
    assert_eq!(get(&server, &authority, None).await.unwrap().0, 200);

    let told = "client sent an HTTP request to an HTTPS server: set scheme: https where the client is configured\n";
    for head in ["GET /metrics HTTP/1.1", "GET /-/healthy HTTP/1.1", "POST /-/reload HTTP/1.1\r\nContent-Length: 3"] {
        let plain = server.send(head).await;
        assert_eq!((plain.0, plain.text(), plain.header("connection")), (400, told, Some("close")), "{head}");
    }
}

#[tokio::test]
async fn only_clients_with_an_allowed_certificate_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (cert, key) = authority.sign("localhost");
    let web = serde_json::json!({"tls_server_config": {
        "cert": cert, "key": key, "client_ca": authority.0.pem(),
        "client_auth_type": "RequireAndVerifyClientCert", "client_allowed_sans": ["prometheus.example", "192.0.2.1"],
    }});
    let server = start_with(folder.path(), &web.to_string()).await;
    for (client, admitted) in [
        (Some(authority.sign("prometheus.example")), true),
        (Some(authority.sign("PROMETHEUS.Example")), true),
        (Some(authority.sign("192.0.2.1")), true),
        (Some(authority.sign("192.0.2.2")), false),
        (Some(authority.sign("other.example")), false),
        // Companies give such to every web server.
        (Some(authority.sign("*.example")), false),
        (Some(stranger.sign("prometheus.example")), false),
        (None, false),
    ] {
        let got = get(&server, &authority, client).await;
        assert_eq!(got.map(|got| got.0), admitted.then_some(200));
    }
}

#[tokio::test]
async fn a_password_is_asked_for_everywhere_but_at_the_health_paths() {
    let folder = tempfile::tempdir().unwrap();
    let web = format!(
        "basic_auth_users: {{ann: {}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}",
        bcrypt::hash("right", 4).unwrap()
    );
    let server = start_with(folder.path(), &web).await;
    assert_eq!(server.get("/-/healthy").await.0, 200);
    assert_eq!(server.get("/-/ready").await.0, 503);
    for path in ["/metrics", "/", "/nothing", "/api/v1/status"] {
        let refused = server.get(path).await;
        assert_eq!(refused.0, 401, "{path}");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic realm="));
        assert_eq!(refused.header("x-frame-options"), Some("deny"));
    }
    let with = |pair: &str| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        format!("GET /metrics HTTP/1.1\r\nAuthorization: Basic {encoded}")
    };
    assert_eq!(server.send(&with("ann:right")).await.0, 200);
    assert_eq!(server.send(&with("ann:wrong")).await.0, 401);
}

#[tokio::test]
async fn too_many_requests_are_refused_but_not_those_for_health() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_with(folder.path(), "rate_limit: {interval: 1h, burst: 2}").await;
    let mut codes = Vec::new();
    for path in ["/metrics", "/", "/metrics", "/-/healthy"] {
        codes.push(server.get(path).await.0);
    }
    assert_eq!(codes, [200, 200, 429, 200]);
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let write = |authority: &Authority| {
        let (cert, key) = authority.sign("localhost");
        std::fs::write(folder.path().join("cert.pem"), cert).unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
    };
    write(&old);
    let path = folder.path().join("web.yml");
    std::fs::write(&path, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}").unwrap();
    let server = start(App { web: WebConfig::load(&path).unwrap(), ..app() }).await;
    assert!(get(&server, &old, None).await.is_some());
    write(&new);
    // Longer than the time between two looks.
    tokio::time::pause();
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    tokio::time::resume();
    let mut got = None;
    for _ in 0..100 {
        got = get(&server, &new, None).await;
        if got.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(got.unwrap().0, 200);
    assert!(get(&server, &old, None).await.is_none());
}

#[tokio::test]
async fn a_connection_from_before_tls_was_switched_on_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_with(folder.path(), "").await;
    let mut standing = TcpStream::connect(&server.address).await.unwrap();
    standing.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    standing.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let (cert, key) = Authority::new().sign("localhost");
    std::fs::write(folder.path().join("cert.pem"), cert).unwrap();
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let web = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}";
    std::fs::write(folder.path().join("web.yml"), web).unwrap();
    tokio::time::pause();
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    tokio::time::resume();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), standing.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is closed");
}

#[tokio::test]
async fn optional_certificates_are_checked_where_they_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (cert, key) = authority.sign("localhost");
    let web = serde_json::json!({"tls_server_config": {
        "cert": cert, "key": key, "client_ca": authority.0.pem(), "client_auth_type": "VerifyClientCertIfGiven",
    }});
    let server = start_with(folder.path(), &web.to_string()).await;
    for (client, admitted) in
        [(None, true), (Some(authority.sign("a.example")), true), (Some(stranger.sign("a.example")), false)]
    {
        assert_eq!(get(&server, &authority, client).await.map(|got| got.0), admitted.then_some(200));
    }
}

#[tokio::test]
async fn a_client_that_begins_no_handshake_is_closed_after_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = Authority::new().sign("localhost");
    let web = serde_json::json!({"tls_server_config": {"cert": cert, "key": key}});
    let server = start_with(folder.path(), &web.to_string()).await;
    for words in [&b""[..], b"\x16\x03\x01"] {
        let mut silent = TcpStream::connect(&server.address).await.unwrap();
        silent.write_all(words).await.unwrap();
        // So that the server has the connection before time flies.
        assert_eq!(server.get("/metrics").await.0, 400);
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
        assert!((9..=10).contains(&begun.elapsed().as_secs()), "{words:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_flood_without_password_takes_no_tokens_from_users() {
    let folder = tempfile::tempdir().unwrap();
    let web = format!(
        "basic_auth_users: {{ann: {}}}\nrate_limit: {{interval: 1h, burst: 2}}",
        bcrypt::hash("right", 4).unwrap()
    );
    let server = start_with(folder.path(), &web).await;
    let right = format!("GET /metrics HTTP/1.1\r\nAuthorization: Basic {}", "YW5uOnJpZ2h0");
    assert_eq!(server.send(&right).await.0, 200);
    let mut flood = Vec::new();
    for _ in 0..3 {
        flood.push(server.get("/metrics").await.0);
    }
    assert_eq!(flood, [401, 429, 429]);
    let mut scrapes = Vec::new();
    for _ in 0..3 {
        scrapes.push(server.send(&right).await.0);
    }
    assert_eq!(scrapes, [200, 200, 429]);
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Counts the lines with these words.
    fn count(&self, words: &str) -> usize {
        String::from_utf8(self.0.lock().clone()).unwrap().lines().filter(|line| line.contains(words)).count()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_error_in_a_changed_file_is_logged_at_once_and_then_each_hour() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // While there is but one subscriber, tracing asks the thread that comes first to a message whether it is of interest
    // at all, and that may be another test's.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir().unwrap();
    let users = format!("basic_auth_users: {{ann: {}}}", bcrypt::hash("right", 4).unwrap());
    let server = start_with(folder.path(), &users).await;
    let path = folder.path().join("web.yml");
    tokio::time::pause();
    for (text, words, seconds, count) in [
        ("", "ERROR", 6, 1),
        ("", "would remove the users", 3_590, 1),
        ("", "would remove the users", 20, 2),
        ("", "would remove the users", 2 * 3_600, 4),
        ("{", "ERROR", 6, 5),
        ("{", "ERROR", 3_610, 6),
        (&users, "can be used again", 6, 1),
        (&users, "ERROR", 3 * 3_600, 6),
    ] {
        std::fs::write(&path, text).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
        assert_eq!(log.count(words), count, "{text:?} after {seconds} s");
    }
    tokio::time::resume();
    assert_eq!(server.get("/metrics").await.0, 401);
}

#[tokio::test]
async fn the_name_of_a_foreign_page_is_not_answered() {
    let server = start(app()).await;
    let ask = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX: y");
    // `send` adds `localhost`, so that there are two.
    for path in ["/metrics", "/", "/api/v1/status", "/dashboards/wecom.json", "/nothing"] {
        let refused = server.send(&ask(path, "rebound.evil.test:10101")).await;
        assert_eq!(refused.0, 421, "{path}");
        assert!(
            refused
                .text()
                .starts_with("`rebound.evil.test` is not a name of this exporter: if it is yours, allow it with"),
            "{}",
            refused.text()
        );
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert_eq!(server.send(&ask(path, "127.0.0.1")).await.0, server.get(path).await.0);
    }
    assert_eq!(server.send(&ask("/-/healthy", "rebound.evil.test")).await.0, 200);
    let hosts = AllowedHosts::new(&["monitoring.example".to_owned()], &[]);
    let server = start(App { access: Access { hosts, log: false }, ..app() }).await;
    assert_eq!(server.send(&ask("/metrics", "Monitoring.example")).await.0, 200);
    assert_eq!(server.send(&ask("/metrics", "rebound.evil.test")).await.0, 421);
}

#[tokio::test]
async fn a_page_of_another_site_reloads_nothing() {
    let reload: Reload = Arc::new(|| Box::pin(std::future::ready(Ok(()))));
    let server = start(App { reload: Some(reload), ..app() }).await;
    for (headers, status) in [
        ("", 200),
        ("\r\nSec-Fetch-Site: same-origin\r\nOrigin: http://localhost", 200),
        ("\r\nOrigin: http://localhost", 200),
        ("\r\nSec-Fetch-Site: cross-site", 403),
        ("\r\nOrigin: http://evil.test", 403),
        ("\r\nOrigin: null\r\nContent-Type: text/plain", 403),
    ] {
        for method in ["POST", "PUT"] {
            assert_eq!(
                server.send(&format!("{method} /-/reload HTTP/1.1{headers}")).await.0,
                status,
                "{method} {headers}"
            );
        }
    }
}
