//! Connections: how many there may be, and how they end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::access_log::AccessLog;
use super::connection::serve_one;
use super::follow::follow_web_config;
use super::listen::{ListenError, listen};
use super::log_limiter::LogLimiter;
use super::peers::Peers;
use super::server::Server;
use super::{App, systemd};

/// More wait in the kernel's queue, so that no client can use up our memory and file descriptors.
const MOST_CONNECTIONS: u32 = 512;
/// Of these, those of one peer; more are closed at once, so that one client cannot lock out all others.
const MOST_OF_A_PEER: usize = 256;
/// How long requests under way may take when the program ends.
const DRAIN: Duration = Duration::from_secs(10);
/// After a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How many refused TLS connections are logged in a minute.
const MOST_REFUSALS: u32 = 5;

/// Sockets that listen; connections wait in them until [`Listeners::serve`].
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<TcpListener>,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServeEnd {
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
    pub async fn serve(self, app: App, shutdown: CancellationToken) -> ServeEnd {
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS as usize));
        let peers = Peers::new(MOST_OF_A_PEER);
        let current = Mutex::new(shutdown.child_token());
        let cut = CancellationToken::new();
        let addresses = self.addresses().iter().map(ToString::to_string).collect();
        let access_log = AccessLog::new(app.access.log);
        let refusals = LogLimiter::new(MOST_REFUSALS);
        let slots_held = Arc::clone(&slots);
        let server = Arc::new(Server { app, access_log, refusals, slots, peers, shutdown, current, cut });
        let mut accepting: JoinSet<()> =
            self.listeners.into_iter().map(|listener| accept(Arc::clone(&server), listener)).collect();
        accepting.spawn(follow_web_config(Arc::clone(&server), addresses));
        while accepting.join_next().await.is_some() {}
        // Every connection holds a slot until it has ended.
        if timeout(DRAIN, slots_held.acquire_many(MOST_CONNECTIONS)).await.is_ok() {
            return ServeEnd::Whole;
        }
        let busy = MOST_CONNECTIONS as usize - slots_held.available_permits();
        server.cut.cancel();
        ServeEnd::Cut(busy)
    }
}

async fn accept(server: Arc<Server>, listener: TcpListener) {
    // Such trouble may last for hours.
    let (failing, crowded) = (LogLimiter::new(1), LogLimiter::new(1));
    // Only programs on this machine reach it.
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    loop {
        // Take the slot before accepting: further connections then wait in the kernel's queue.
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
                    if crowded.admit().is_some() {
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
                        () = serve_one(server, stream, address.ip(), is_loopback) => {}
                    }
                    drop((presence, slot));
                });
            }
            Err(error) => {
                if failing.admit().is_some() {
                    tracing::warn!(%error, "cannot accept connections for the moment");
                }
                drop(slot);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
