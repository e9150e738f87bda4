//! End-to-end tests: the program against simulated vendors, over HTTP.

mod admission;
mod figures;
mod harness;
mod house;
mod sources;
