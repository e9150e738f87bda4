//! A Prometheus exporter for the daily statistics that WeCom, WeCom KF, Tencent Cloud Desk and Feishu keep.
//!
//! The modules stand in the order in which a figure meets them; each may name only those before it:
//!
//! * [`day`]: calendar days, zones, the clock that tests can set, and when a day's figures are ready
//!
//! * [`simulator`]: stands beside them: the vendors themselves, over real HTTP, for tests and demonstrations

pub mod day;
pub mod simulator;
