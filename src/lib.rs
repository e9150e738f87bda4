//! A Prometheus exporter for the daily statistics that WeCom, WeCom KF, Tencent Cloud Desk and Feishu keep.
//!
//! The modules are in the order in which a figure meets them; each may name only those before it:
//!
//! * [`day`]: calendar days, zones, the clock that tests can set, and when a day's figures are ready
//! * [`sample`]: one subject's figures of one day
//! * [`files`]: files read up to a limit, and written whole
//! * [`printable`]: texts for people, without what hides or turns them
//! * [`telemetry`]: the exporter's own counters, and the states of its sources
//! * [`platform`]: how each platform admits a caller and says no
//! * [`yaml`]: files in YAML, with each error at its place
//! * [`source`]: the statistics APIs, a file each, and the one decoder
//! * [`config`]: the configuration file
//! * [`client`]: the only outgoing I/O to platforms
//! * [`store`]: what outlives a restart, in one SQLite file
//! * [`discovery`]: the lists of subjects behind `all`
//! * [`exposition`]: the pages, rendered when they change and served as bytes
//! * [`poller`]: asks what is due, and decides which day is shown
//! * [`history`]: fetches past days, and writes them out at their true dates
//! * [`http`]: the web server
//! * [`cli`]: the command line, which puts the rest together
//!
//! Beside them is [`simulator`], the platforms as their own pages describe them, for tests and demonstrations.

pub mod cli;
pub mod client;
pub mod config;
pub mod day;
pub mod discovery;
pub mod exposition;
pub mod files;
pub mod history;
pub mod http;
pub mod platform;
pub mod poller;
pub mod printable;
pub mod sample;
pub mod simulator;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod yaml;
