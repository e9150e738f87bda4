//! End-to-end tests: the program against simulated vendors, over HTTP.

mod house;
mod sources;
