//! History by Prometheus remote write 1.0, to whatever receives that: Prometheus, VictoriaMetrics, Mimir, Thanos.
//!
//! One thread reads the store and fills batches, bounded in series and bytes; the batches are sent one after another,
//! so that no series goes back in time. What a receiver got twice, as after a broken connection, has the same
//! timestamps and values, which it keeps once.

mod batch;
mod message;
mod receiver;
mod refusal;
mod send;

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::export_history::{ExportError, ExportHistory, Tally};

pub use receiver::{Authorization, Receiver, may_hold_secret};
pub use refusal::ReceiverError;

/// How many batches wait to be sent; the thread that fills them waits for a place.
const WAITING: usize = 2;

/// What a receiver said last, while it takes no samples.
pub(super) type Waiting = Mutex<Option<String>>;

/// What was sent so far; others may read it meanwhile.
#[derive(Debug, Default)]
pub struct SendProgress {
    samples: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
    /// Why the batch at hand waits to be sent again.
    waiting: Waiting,
}

impl SendProgress {
    /// How many samples the receiver took.
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// In how many requests.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// How many bytes these were, compressed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Why the receiver takes no samples now, while a batch waits to be sent again.
    pub fn held_up(&self) -> Option<String> {
        self.waiting.lock().clone()
    }
}

/// Why not all was sent.
#[derive(Debug, thiserror::Error)]
pub enum RemoteWriteError {
    /// The history can't be read.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The receiver does not take it.
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
}

/// Sends all of `history` to `receiver`.
///
/// # Errors
/// [`RemoteWriteError`]; what was sent by then may be sent again.
pub async fn export_remote_write(
    history: ExportHistory,
    receiver: &Receiver,
    sent: &SendProgress,
) -> Result<Tally, RemoteWriteError> {
    let (sender, mut batches) = mpsc::channel(WAITING);
    let reading = tokio::task::spawn_blocking(move || batch::fill(&history, sender));
    while let Some(batch) = batches.recv().await {
        send::send(receiver, &batch.body, &sent.waiting).await?;
        sent.samples.fetch_add(batch.samples, Ordering::Relaxed);
        sent.batches.fetch_add(1, Ordering::Relaxed);
        sent.bytes.fetch_add(batch.body.len() as u64, Ordering::Relaxed);
    }
    // It ends early only with the program.
    Ok(reading.await.unwrap_or_else(|_| Ok(Tally::default()))?)
}
