//! End-to-end tests: the program against simulated platforms, over HTTP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]
#![expect(clippy::print_stdout, reason = "a test says what it skips")]

mod admission;
mod answers;
mod budget;
mod check_online;
mod codes;
mod commands;
mod connections;
mod corrected;
mod dashboards;
mod days;
mod deploy;
mod discovery;
mod disk;
mod endurance;
mod exporter;
mod exposed;
mod figures;
mod flip;
mod harness;
mod history;
mod hostile;
mod house;
mod ill;
mod invalid;
mod jumps;
mod kills;
mod lint;
mod lists;
mod logins;
mod machine;
mod outside;
mod page;
mod paging;
mod program;
mod properties;
mod pseudonyms;
mod recorder;
mod refusals;
mod reload;
mod restarts;
mod secrets;
mod served;
mod sources;
mod spelling;
mod starving;
mod status_page;
mod systemd;
mod teams;
mod throttling;
mod tools;
mod unreachable;
mod web_config;
mod wire;
