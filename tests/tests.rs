//! End-to-end tests: the program against simulated vendors, over HTTP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]

mod admission;
mod answers;
mod deploy;
mod discovery;
mod figures;
mod flip;
mod harness;
mod house;
mod paging;
mod refusals;
mod restarts;
mod sources;
