//! End-to-end tests: the program against simulated vendors, over HTTP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]

mod figures;
mod harness;
mod history;
mod house;
mod sources;
