//! End-to-end tests: the program against simulated vendors, over HTTP.

mod admission;
mod answers;
mod discovery;
mod figures;
mod flip;
mod harness;
mod house;
mod paging;
mod refusals;
mod restarts;
mod sources;
