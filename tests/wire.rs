//! What lies between the exporter and a platform, and can go wrong below HTTP: sends bytes as the test wants them.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What is sent instead of the platform's answer.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    first: Vec<u8>,
    then: Then,
}

#[derive(Clone, Debug)]
enum Then {
    /// The connection is closed.
    End,
    /// These bytes follow, again and again, at this distance.
    Again(Vec<u8>, Duration),
}

impl Words {
    /// `first`, and then the connection is closed.
    pub(crate) fn of(first: impl Into<Vec<u8>>) -> Self {
        Self { first: first.into(), then: Then::End }
    }

    /// `first`, and then `more` for ever, every `distance`.
    pub(crate) fn for_ever(first: impl Into<Vec<u8>>, more: impl Into<Vec<u8>>, distance: Duration) -> Self {
        Self { first: first.into(), then: Then::Again(more.into(), distance) }
    }
}

/// A way to the simulator on which the answers of one API get lost.
pub(crate) struct Wire {
    address: SocketAddr,
    scheme: &'static str,
    simulator: Arc<OnceLock<SocketAddr>>,
    answered: Arc<AtomicUsize>,
}

impl Wire {
    /// Answers what goes to `api` with `words`, and leaves the rest alone.
    pub(crate) fn new(api: &str, words: Words) -> Self {
        Self::start(api, words, None)
    }

    /// Nothing gets lost, but the server shows this certificate, in PEM, with this key.
    pub(crate) fn secured(certificate: &str, key: &str) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self::start("?", Words::of(""), Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start(api: &str, words: Words, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let wire = Self { address, scheme, simulator: Arc::default(), answered: Arc::default() };
        let (simulator, answered) = (Arc::clone(&wire.simulator), Arc::clone(&wire.answered));
        // Ids stand in the middle of a path.
        let end = api.rsplit('/').next().unwrap().to_owned();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (simulator, end, words) = (Arc::clone(&simulator), end.clone(), words.clone());
                let (answered, tls) = (Arc::clone(&answered), tls.clone());
                tokio::spawn(async move {
                    let simulator = *simulator.get().unwrap();
                    match tls {
                        None => serve(stream, simulator, &end, words, &answered).await,
                        Some(tls) => {
                            // Whoever does not trust us hangs up.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, simulator, &end, words, &answered).await;
                            }
                        }
                    }
                });
            }
        });
        wire
    }

    /// Where the rest goes.
    pub(crate) fn leads_to(&mut self, simulator: SocketAddr) {
        self.simulator.set(simulator).unwrap();
    }

    pub(crate) fn base(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// How many requests were answered with the words.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Answers one request of a connection.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    simulator: SocketAddr,
    end: &str,
    words: Words,
    answered: &AtomicUsize,
) {
    let Some((head, body)) = read(&mut stream).await else { return };
    let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap();
    if !path.ends_with(end) {
        let mut platform = TcpStream::connect(simulator).await.unwrap();
        let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        platform.write_all(head.as_bytes()).await.unwrap();
        platform.write_all(&body).await.unwrap();
        let _ = copy(&mut platform, &mut stream).await;
        let _ = stream.shutdown().await;
        return;
    }
    answered.fetch_add(1, Ordering::Relaxed);
    // It may hang up as soon as it has seen enough.
    let mut sent = stream.write_all(&words.first).await;
    if let Then::Again(more, distance) = words.then {
        while sent.is_ok() {
            tokio::time::sleep(distance).await;
            sent = stream.write_all(&more).await;
        }
    }
    let _ = stream.shutdown().await;
    // Closed with the rest unread, the connection would be reset, and the answer with it.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
}

/// A request's head, with its empty line, and body.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end + 4].to_vec()).unwrap();
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            return Some((head, bytes.split_off(end + 4)));
        }
    }
}
