//! The exporter's own families, rendered from what is known at the moment of the scrape.
//!
//! All of it goes through prometheus-client's `Collector`: registered families would keep the label sets of sources
//! that a reload has removed.

use std::fmt;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;

use super::family::{counter, gauge};
use super::{Outcome, SourceStatus, State, Telemetry};

impl Collector for Telemetry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let build = [("version", self.0.version), ("revision", self.0.revision)];
        let help = "Version and source revision of the running exporter";
        encoder.encode_descriptor("imstats_build", help, None, MetricType::Info)?.encode_info(&build)?;
        let state = self.0.state.lock();
        sources(encoder, &state)?;
        calls(encoder, &state, self.0.clock.now())?;
        own(encoder, &state)?;
        let no_process = state.no_process;
        drop(state);
        #[cfg(target_os = "linux")]
        if !no_process {
            super::process::encode(encoder)?;
        }
        Ok(())
    }
}

/// A gauge of every source that has a value of it.
struct SourceGauge(&'static str, &'static str, fn(&SourceStatus) -> Option<f64>);

/// The name and HELP of the gauge that tells the day shown, which exported history has as well.
pub const STAT_TIMESTAMP: (&str, &str) =
    ("imstats_source_stat_timestamp_seconds", "Midnight, in the zone of the source, of the day shown");

const SOURCE_GAUGES: &[SourceGauge] = &[
    SourceGauge(
        "imstats_source_up",
        "Whether the last round that asked brought a usable answer: figures, no data, or a refusal of a target; 0 if not, or if there was none yet",
        |status| Some(f64::from(u8::from(status.up))),
    ),
    SourceGauge(STAT_TIMESTAMP.0, STAT_TIMESTAMP.1, |status| status.shown.map(|(_, midnight)| seconds(midnight))),
    SourceGauge(
        "imstats_source_target_timestamp_seconds",
        "Midnight, in the zone of the source, of the newest day that is ready",
        |status| status.target.map(|(_, midnight)| seconds(midnight)),
    ),
    SourceGauge("imstats_source_last_round_timestamp_seconds", "End of the last round", |status| {
        status.last_round.map(seconds)
    }),
    SourceGauge(
        "imstats_source_last_success_timestamp_seconds",
        "End of the last round that left no target failed",
        |status| status.last_success.map(seconds),
    ),
    SourceGauge("imstats_source_next_round_timestamp_seconds", "When something will be asked again", |status| {
        status.next_round.map(seconds)
    }),
    SourceGauge("imstats_source_round_duration_seconds", "How long the last round took", |status| {
        status.round_duration.map(|took| took.as_secs_f64())
    }),
    SourceGauge("imstats_source_series", "Series of platform figures that are shown", |status| {
        Some(status.series as f64)
    }),
    SourceGauge(
        "imstats_source_unmapped_fields",
        "Distinct fields of the platform's answers that no metric shows",
        |status| Some(status.unmapped.len() as f64),
    ),
    SourceGauge(
        "imstats_source_invalid_values",
        "Figures of the newest day that is ready that are left out, as they are of the wrong type or out of range",
        |status| Some(status.invalid as f64),
    ),
    SourceGauge(
        "imstats_source_token_expiry_timestamp_seconds",
        "When the access token or signature in use ends",
        |status| status.token_expiry.map(seconds),
    ),
];

fn sources(encoder: &mut DescriptorEncoder<'_>, state: &State) -> fmt::Result {
    for SourceGauge(name, help, value) in SOURCE_GAUGES {
        let samples: Vec<_> = state
            .sources
            .iter()
            .filter_map(|((source, account), status)| {
                Some(([("source", *source), ("account", account.as_str())], value(status)?))
            })
            .collect();
        gauge(encoder, name, help, &samples)?;
    }
    let mut samples = Vec::new();
    for ((source, account), status) in &state.sources {
        for (state, count) in status.targets.states() {
            samples.push(([("source", *source), ("account", account.as_str()), ("state", state)], count as u64));
        }
    }
    gauge(encoder, "imstats_source_targets", "Targets by their state on the target day", &samples)
}

fn calls(encoder: &mut DescriptorEncoder<'_>, state: &State, now: Timestamp) -> fmt::Result {
    let mut requests = Vec::new();
    for ((account, api), calls) in &state.calls {
        for (outcome, count) in Outcome::ALL.iter().zip(calls.outcomes) {
            requests.push(([("account", account.as_str()), ("api", *api), ("outcome", outcome.name())], count));
        }
    }
    counter(encoder, "imstats_api_requests", "HTTP calls to platforms, with those for tokens and lists", &requests)?;
    if !state.calls.is_empty() {
        let help = "Time from a call to the platform's whole answer";
        let mut metric =
            encoder.encode_descriptor("imstats_api_request_duration_seconds", help, None, MetricType::Histogram)?;
        for ((account, api), calls) in &state.calls {
            calls.took.encode(metric.encode_family(&[("account", account.as_str()), ("api", *api)])?)?;
        }
    }
    let paused: Vec<_> = state
        .paused
        .iter()
        .filter(|(_, until)| **until > now)
        .map(|((account, api), until)| ([("account", account.as_str()), ("api", *api)], seconds(*until)))
        .collect();
    gauge(encoder, "imstats_api_paused_until_timestamp_seconds", "End of the pause that a throttle imposed", &paused)
}

fn own(encoder: &mut DescriptorEncoder<'_>, state: &State) -> fmt::Result {
    let ok: Vec<_> = state.reload_ok.map(|ok| ([], u64::from(ok))).into_iter().collect();
    gauge(
        encoder,
        "imstats_config_last_reload_successful",
        "Whether the last attempt to load the configuration succeeded",
        &ok,
    )?;
    let at: Vec<_> = state.reloaded.map(|at| ([], seconds(at))).into_iter().collect();
    gauge(
        encoder,
        "imstats_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was loaded",
        &at,
    )?;
    let codes: Vec<_> =
        state.http.iter().map(|((handler, code), count)| (*handler, code.to_string(), *count)).collect();
    let requests: Vec<_> =
        codes.iter().map(|(handler, code, count)| ([("handler", *handler), ("code", code.as_str())], *count)).collect();
    counter(encoder, "imstats_http_requests", "HTTP requests that this exporter answered", &requests)?;
    let size: Vec<_> = state.store_size.map(|bytes| ([], bytes)).into_iter().collect();
    let writable: Vec<_> = state.store_fault.iter().map(|fault| ([], u64::from(fault.is_none()))).collect();
    gauge(
        encoder,
        "imstats_store_writable",
        "Whether the store's file can be written (1); while it can't (0), figures are kept in memory only",
        &writable,
    )?;
    gauge(
        encoder,
        "imstats_store_size_bytes",
        "Size of the store's file, its write-ahead log, and damaged files that were set aside",
        &size,
    )?;
    let dropped = state.dropped_log_lines.load(Ordering::Relaxed);
    let help = "Log lines that were dropped, as standard error was not read or could not be written";
    counter(encoder, "imstats_log_lines_dropped", help, &[([], dropped)])
}

fn seconds(instant: Timestamp) -> f64 {
    instant.as_millisecond() as f64 / 1000.0
}
