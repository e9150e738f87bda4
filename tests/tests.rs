//! End-to-end tests: the program against simulated vendors, over HTTP.

mod admission;
mod answers;
mod budget;
mod days;
mod discovery;
mod figures;
mod flip;
mod harness;
mod house;
mod paging;
mod program;
mod recorder;
mod refusals;
mod restarts;
mod secrets;
mod sources;
mod throttling;
