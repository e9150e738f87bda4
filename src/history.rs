//! Past days: fetched into the store, and written out of it at the times when a live exporter would have shown them.
//!
//! `plan` says what the store lacks of one source and in how few calls that can be had; `backfill` makes these calls.
//! `export_history` reads the store for the three formats: `openmetrics`, `csv` and `remote_write`.

mod backfill;
mod csv;
mod export_history;
mod names;
mod openmetrics;
mod plan;
mod remote_write;
mod show_times;
mod summary;

pub use backfill::backfill;
pub use csv::{export_csv, export_names_csv};
pub use export_history::{ExportError, ExportHistory, Tally};
pub use names::{StoredName, stored_names};
pub use openmetrics::{export_openmetrics, openmetrics_bytes};
pub use plan::{Bounds, CallEstimate, OutOfBounds, Plan};
pub use remote_write::{
    Authorization, Receiver, ReceiverError, RemoteWriteError, SendProgress, export_remote_write, may_hold_secret,
};
pub use summary::{Edge, Invalid, Progress, Summary, Trouble};
