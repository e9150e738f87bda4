//! Past days: fetched into the store, and written out of it at the times when a live exporter would have shown them.
//!
//! `plan` says what the store lacks of one source and in how few calls that can be had; `backfill` makes these calls.
//! `chronicle` reads the store for those who write it out: `openmetrics`, `csv` and `remote_write`.

mod backfill;
mod chronicle;
mod csv;
mod openmetrics;
mod plan;
mod remote_write;
mod timeline;

pub use backfill::{Edge, Progress, Summary, Trouble, backfill};
pub use chronicle::{Chronicle, ExportError, Tally};
pub use csv::export_csv;
pub use openmetrics::export_openmetrics;
pub use plan::{Announced, Bounds, OutOfBounds, Plan};
pub use remote_write::{Authorization, Receiver, ReceiverError, RemoteWriteError, Sent, export_remote_write};
