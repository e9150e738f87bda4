//! The web configuration over loopback: TLS, client certificates, users, limits, changes.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
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
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    (!answer.is_empty()).then(|| parse(&answer))
}

#[tokio::test]
async fn metrics_are_served_over_tls_and_plain_http_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert, key) = authority.sign("localhost");
    std::fs::write(folder.path().join("cert.pem"), cert).unwrap();
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let server = start_with(folder.path(), "tls_server_config: {cert_file: cert.pem, key_file: key.pem}").await;
    assert_eq!(get(&server, &authority, None).await.unwrap().0, 200);

    let mut plain = TcpStream::connect(&server.address).await.unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
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
        (Some(authority.sign("192.0.2.1")), true),
        (Some(authority.sign("other.example")), false),
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
async fn who_asks_too_much_is_told_and_health_is_not_touched() {
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
async fn who_was_let_in_without_tls_does_not_stay_when_it_is_switched_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_with(folder.path(), "").await;
    let mut standing = TcpStream::connect(&server.address).await.unwrap();
    standing.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
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
