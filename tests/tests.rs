//! End-to-end tests: the program against simulated vendors, over HTTP.

mod admission;
mod discovery;
mod figures;
mod harness;
mod house;
mod refusals;
mod sources;
