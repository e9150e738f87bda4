//! One family of samples.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// A sample: its labels and its value.
type Sample<'a, V, const N: usize> = ([(&'a str, &'a str); N], V);

/// Writes one gauge; nothing where it has no samples.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is of one lifetime only")]
pub(super) fn gauge<V: EncodeGaugeValue, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: &[Sample<'_, V, N>],
) -> fmt::Result {
    family(encoder, (name, help, MetricType::Gauge), samples, |sample, value| sample.encode_gauge(value))
}

/// Writes one counter, whose name is given without `_total`; nothing where it has no samples.
pub(super) fn counter<V: EncodeCounterValue, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: &[Sample<'_, V, N>],
) -> fmt::Result {
    family(encoder, (name, help, MetricType::Counter), samples, |sample, value| {
        sample.encode_counter::<NoLabelSet, _, u64>(value, None)
    })
}

fn family<V, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, kind): (&str, &str, MetricType),
    samples: &[Sample<'_, V, N>],
    encode: impl Fn(&mut MetricEncoder<'_>, &V) -> fmt::Result,
) -> fmt::Result {
    if samples.is_empty() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in samples {
        match N {
            // The encoder would write `{}` for an empty set of labels.
            0 => encode(&mut metric, value)?,
            _ => encode(&mut metric.encode_family(labels)?, value)?,
        }
    }
    Ok(())
}
