//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::listen::{ListenError, listen};
use super::peers::Peers;
use super::write_timeout::WriteTimeout;
use super::{App, route, systemd};

/// More wait in the kernel's queue, so that no client can use up our memory and file descriptors.
const MOST_CONNECTIONS: u32 = 512;
/// Of these, those of one peer; more are closed at once, so that one client cannot lock out all others.
const MOST_OF_A_PEER: usize = 256;
/// A client that connects has something to say.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: longer than people let pass between two scrapes.
const IDLE: Duration = Duration::from_secs(150);
/// Headers of a scrape take half a kilobyte; those of a browser with cookies a few.
const MOST_HEADER_BYTES: usize = 16 * 1024;
const MOST_HEADERS: usize = 100;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the web configuration is looked at; certificates are renewed weeks before they end.
const WEB_CONFIG_CHECK: Duration = Duration::from_secs(5);
/// How long requests under way may take when the program ends.
const DRAIN: Duration = Duration::from_secs(10);
/// After a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How often such trouble is told, which may last for hours.
const WARNING: Duration = Duration::from_mins(1);

/// Sockets that listen; connections wait in them until [`Listeners::serve`].
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<TcpListener>,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request that had begun was answered.
    Whole,
    /// So many connections were still busy after 10 s, and were cut.
    Cut(usize),
}

/// Listens on all `addresses`: `:10101`, `0.0.0.0:10101`, `[::1]:10101` or `localhost:10101`.
///
/// # Errors
/// [`ListenError`], for the first that cannot be had.
pub async fn bind(addresses: &[String]) -> Result<Listeners, ListenError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        listeners.push(listen(address).await?);
    }
    Ok(Listeners { listeners })
}

impl Listeners {
    /// The sockets that systemd opened for the program; `None` where it opened none.
    ///
    /// # Errors
    /// What the system says of one that is no TCP socket that listens.
    pub fn inherited() -> io::Result<Option<Self>> {
        let mut listeners = Vec::new();
        for socket in systemd::sockets()? {
            socket.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(socket)?);
        }
        Ok((!listeners.is_empty()).then_some(Self { listeners }))
    }

    /// The addresses, with the ports that the system chose where 0 was asked for.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Answers requests until `shutdown`, then no new ones, and waits for those under way.
    pub async fn serve(self, app: App, shutdown: CancellationToken) -> Drained {
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS as usize));
        let peers = Peers::new(MOST_OF_A_PEER);
        let current = Mutex::new(shutdown.child_token());
        let cut = CancellationToken::new();
        let server = Arc::new(Server { app, slots: Arc::clone(&slots), peers, shutdown, current, cut });
        let mut accepting: JoinSet<()> =
            self.listeners.into_iter().map(|listener| accept(Arc::clone(&server), listener)).collect();
        accepting.spawn(follow_web_config(Arc::clone(&server)));
        while accepting.join_next().await.is_some() {}
        // Every connection holds a slot until it has ended.
        if timeout(DRAIN, slots.acquire_many(MOST_CONNECTIONS)).await.is_ok() {
            return Drained::Whole;
        }
        let busy = MOST_CONNECTIONS as usize - slots.available_permits();
        server.cut.cancel();
        Drained::Cut(busy)
    }
}

struct Server {
    app: App,
    slots: Arc<Semaphore>,
    peers: Arc<Peers>,
    /// Ends accepting; connections finish what they have begun.
    shutdown: CancellationToken,
    /// Lets the connections of one web configuration finish: who was let in without TLS is not to stay so.
    current: Mutex<CancellationToken>,
    /// Ends connections.
    cut: CancellationToken,
}

impl Server {
    fn current(&self) -> MutexGuard<'_, CancellationToken> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(server: Arc<Server>, listener: TcpListener) {
    let (mut failing, mut crowded) = (LogLimiter::default(), LogLimiter::default());
    loop {
        // The slot comes first: who finds none waits in the kernel's queue.
        let next = async {
            let slot = Arc::clone(&server.slots).acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        let (slot, accepted) = tokio::select! {
            () = server.shutdown.cancelled() => return,
            Some(next) = next => next,
        };
        match accepted {
            Ok((stream, address)) => {
                let Some(presence) = server.peers.enter(address.ip()) else {
                    if crowded.is_due() {
                        let peer = address.ip();
                        tracing::warn!(%peer, "closed a connection: this peer has {MOST_OF_A_PEER} already");
                    }
                    continue;
                };
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    let cut = server.cut.clone();
                    tokio::select! {
                        () = cut.cancelled() => {}
                        () = serve_one(server, stream, address.ip()) => {}
                    }
                    drop((presence, slot));
                });
            }
            Err(error) => {
                if failing.is_due() {
                    tracing::warn!(%error, "cannot accept connections for the moment");
                }
                drop(slot);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What is told once a minute, however often it happens.
#[derive(Default)]
struct LogLimiter {
    told: Option<Instant>,
}

impl LogLimiter {
    fn is_due(&mut self) -> bool {
        let due = self.told.is_none_or(|told| told.elapsed() >= WARNING);
        if due {
            self.told = Some(Instant::now());
        }
        due
    }
}

/// Takes the web configuration when it changes, until the server ends.
async fn follow_web_config(server: Arc<Server>) {
    loop {
        tokio::select! {
            () = server.shutdown.cancelled() => return,
            () = sleep(WEB_CONFIG_CHECK) => {}
        }
        let reader = Arc::clone(&server);
        let refreshed = tokio::select! {
            // A file system that hangs does not keep the program from ending.
            () = server.shutdown.cancelled() => return,
            refreshed = tokio::task::spawn_blocking(move || reader.app.web.refresh()) => refreshed,
        };
        match refreshed {
            Ok(Ok(true)) => {
                tracing::info!("loaded the changed web configuration");
                let before = std::mem::replace(&mut *server.current(), server.shutdown.child_token());
                before.cancel();
            }
            Ok(Err(error)) => tracing::error!(error = %chain(&error), "kept the old web configuration"),
            _ => {}
        }
    }
}

/// Serves one connection to its end. Errors are the client's and disturb nobody.
async fn serve_one(server: Arc<Server>, stream: TcpStream, peer: IpAddr) {
    // Answers are written in one go; waiting to fill packets would only delay the last.
    let _ = stream.set_nodelay(true);
    // Cloned before the settings are read, or a reload in between would leave this connection on the old ones.
    let end = server.current().clone();
    let settings = server.app.web.settings();
    let Some(tls) = &settings.tls else {
        return speak(server, stream, peer, end).await;
    };
    let handshake = timeout(HANDSHAKE, tls.acceptor().accept(stream));
    let accepted = tokio::select! {
        () = server.shutdown.cancelled() => return,
        accepted = handshake => accepted,
    };
    match accepted {
        Ok(Ok(stream)) if tls.allows(stream.get_ref().1.peer_certificates()) => {
            speak(server, stream, peer, end).await;
        }
        Ok(Ok(_)) => tracing::debug!("refused a client certificate that names none of client_allowed_sans"),
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => {}
    }
}

/// Speaks HTTP/1.1 on `stream` until either side ends it, or `end`.
async fn speak<S>(server: Arc<Server>, stream: S, peer: IpAddr, end: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let spoken = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let spoken = Arc::clone(&spoken);
        move |request| {
            spoken.store(true, Ordering::Relaxed);
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(route::answer(&server.app, request, peer).await) }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Runs between requests too, so it cannot be as short as the time for a first request.
        .header_read_timeout(IDLE)
        .max_headers(MOST_HEADERS)
        .max_header_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(WriteTimeout::new(stream)), service);
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

/// An error with its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
