//! End-to-end tests: the program against simulated vendors, over HTTP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]

mod admission;
mod answers;
mod budget;
mod days;
mod deploy;
mod discovery;
mod figures;
mod flip;
mod harness;
mod history;
mod house;
mod paging;
mod program;
mod recorder;
mod refusals;
mod restarts;
mod secrets;
mod sources;
mod throttling;
