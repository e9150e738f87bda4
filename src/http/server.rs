//! What all connections of the server share.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::App;
use super::access_log::AccessLog;
use super::log_limiter::LogLimiter;
use super::peers::Peers;

/// What all connections share.
pub(super) struct Server {
    pub(super) app: App,
    pub(super) access_log: AccessLog,
    /// How often failed handshakes are logged.
    pub(super) refusals: LogLimiter,
    pub(super) slots: Arc<Semaphore>,
    pub(super) peers: Arc<Peers>,
    /// Ends accepting; connections finish what they have begun.
    pub(super) shutdown: CancellationToken,
    /// Ends the connections of an older web configuration: a client admitted without TLS must not stay.
    pub(super) current: Mutex<CancellationToken>,
    /// Ends connections.
    pub(super) cut: CancellationToken,
}

impl Server {
    /// What is cancelled when the connections of this moment are to finish.
    pub(super) fn end(&self) -> CancellationToken {
        self.current.lock().clone()
    }

    /// Lets all connections finish what they have begun, and then end.
    pub(super) fn end_connections(&self) {
        let mut current = self.current.lock();
        std::mem::replace(&mut *current, self.shutdown.child_token()).cancel();
    }
}
