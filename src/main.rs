//! The program `imstats_exporter`.
fn main() {}
