//! One connection: TLS, and HTTP/1.1 to its end.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

use super::route;
use super::server::Server;
use super::transport::{Peer, Transport};
use super::web_config::name_of;

/// A client that connects has something to say.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: longer than people let pass between two scrapes.
const IDLE: Duration = Duration::from_secs(150);
/// Headers of a scrape take half a kilobyte; those of a browser with cookies a few.
const MOST_HEADER_BYTES: usize = 16 * 1024;
const MOST_HEADERS: usize = 100;
/// How long a client may read nothing; Prometheus gives up a scrape long before.
const STALL: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves one connection to its end. Its errors concern this client alone.
pub(super) async fn serve_one(server: Arc<Server>, stream: TcpStream, address: IpAddr, is_loopback: bool) {
    // Answers are written in one go; waiting to fill packets would only delay the last.
    let _ = stream.set_nodelay(true);
    // Cloned before the settings are read, or a reload in between would leave this connection on the old ones.
    let end = server.end();
    let settings = server.app.web.settings();
    let peer = |certificate, transport| Peer { address, certificate, transport };
    let Some(tls) = &settings.tls else {
        return speak(server, stream, peer(None, Transport::Plain { is_loopback }), end).await;
    };
    let shutdown = server.shutdown.clone();
    let handshake = timeout(HANDSHAKE, async {
        if speaks_http(&stream).await? { Ok(Err(stream)) } else { tls.acceptor().accept(stream).await.map(Ok) }
    });
    let accepted = tokio::select! {
        () = shutdown.cancelled() => return,
        accepted = handshake => accepted,
    };
    match accepted {
        Ok(Ok(Ok(stream))) => {
            let chain = stream.get_ref().1.peer_certificates();
            if tls.allows(chain) {
                let name = chain.and_then(|chain| chain.first()).and_then(name_of);
                speak(server, stream, peer(name, Transport::Tls), end).await;
            } else {
                tell_refusal(&server, address, "it names none of client_allowed_sans");
            }
        }
        Ok(Ok(Err(stream))) => {
            if let Some(left_out) = server.refusals.admit() {
                tracing::info!(peer = %address, left_out, "a client sent plain HTTP, but TLS is on: set scheme: https where it is configured");
            }
            speak(server, stream, peer(None, Transport::PlainWhereTls), end).await;
        }
        Ok(Err(error)) => match refused_certificate(&error) {
            // `healthcheck` shows no certificate, and asks all day.
            Some(reason) if reason != NO_CERTIFICATE || !is_local(address) => tell_refusal(&server, address, &reason),
            _ => tracing::debug!(peer = %address, %error, "a TLS handshake failed"),
        },
        Err(_) => {}
    }
}

const NO_CERTIFICATE: &str = "it showed none";

fn is_local(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn tell_refusal(server: &Server, peer: IpAddr, reason: &str) {
    if let Some(left_out) = server.refusals.admit() {
        tracing::info!(%peer, left_out, reason, "refused a client by its certificate");
    }
}

/// Tells whether the client's first byte begins a request; that of a TLS handshake is no letter.
async fn speaks_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic())
}

/// Why the client's certificate was refused, where the handshake failed for that.
fn refused_certificate(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(reason) => {
            let words = reason.to_string();
            let is_old = format!("{reason:?}").contains("UnsupportedCertVersion");
            let hint =
                ": it is of X.509 version 1, and must be of version 3 (openssl x509 -req makes one with -extfile)";
            Some(if is_old { words + hint } else { words })
        }
        rustls::Error::NoCertificatesPresented => Some(NO_CERTIFICATE.to_owned()),
        _ => None,
    }
}

/// Speaks HTTP/1.1 on `stream` until either side ends it, or `end`.
async fn speak<S>(server: Arc<Server>, stream: S, peer: Peer, end: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let spoken = Arc::new(AtomicBool::new(false));
    let peer = Arc::new(peer);
    let service = service_fn({
        let spoken = Arc::clone(&spoken);
        move |request| {
            spoken.store(true, Ordering::Relaxed);
            let (server, peer) = (Arc::clone(&server), Arc::clone(&peer));
            async move { Ok::<_, Infallible>(route::answer(&server.app, &server.access_log, request, &peer).await) }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Runs between requests too, so it cannot be as short as the time for a first request.
        .header_read_timeout(IDLE)
        .max_headers(MOST_HEADERS)
        .max_header_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(with_write_timeout(stream)), service);
    let mut connection = pin!(connection);
    let mut first = pin!(sleep(FIRST_REQUEST));
    let (mut ending, mut watching) = (false, true);
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = end.cancelled(), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
            () = first.as_mut(), if watching => {
                watching = false;
                if !spoken.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}

/// `stream`, whose writes fail after a minute without progress: hyper itself would wait for ever, and hold the
/// connection's slot.
fn with_write_timeout<S: AsyncRead + AsyncWrite>(stream: S) -> Pin<Box<TimeoutWriter<S>>> {
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(STALL));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_given_up_after_a_minute() {
        let (mut client, server) = duplex(4);
        let mut server = with_write_timeout(server);
        server.write_all(b"1234").await.unwrap();
        let begun = Instant::now();
        assert_eq!(server.write_all(b"5678").await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), STALL.as_secs());
        client.read_exact(&mut [0; 4]).await.unwrap();
        server.write_all(b"5678").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_not() {
        let (mut client, server) = duplex(1);
        let mut server = with_write_timeout(server);
        let writing = tokio::spawn(async move { server.write_all(b"12345678").await });
        for _ in 0..8 {
            sleep(STALL - Duration::from_secs(1)).await;
            client.read_u8().await.unwrap();
        }
        writing.await.unwrap().unwrap();
    }
}
