//! A Prometheus exporter for the daily statistics that WeCom, WeCom KF, Tencent Cloud Desk and Feishu keep.
//!
//! The modules stand in the order in which a figure meets them; each may name only those before it:
//!
//! * [`day`]: calendar days, zones, the clock that tests can set, and when a day's figures are ready
//! * [`sample`]: one subject's figures of one day
//! * [`telemetry`]: the exporter's own counters, and how its sources stand
//! * [`vendor`]: how each vendor admits a caller and says no
//! * [`source`]: the statistics APIs, a file each, and the one decoder
//! * [`config`]: the configuration file
//! * [`exposition`]: the pages that are shown, as bytes
//! * [`http`]: the web server

pub mod config;
pub mod day;
pub mod exposition;
pub mod http;
pub mod sample;
pub mod source;
pub mod telemetry;
pub mod vendor;
