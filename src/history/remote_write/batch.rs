//! Batches of samples, as they are sent.

use prost::Message;
use tokio::sync::mpsc::Sender;

use super::message::{Label, Sample, TimeSeries, WriteRequest};
use crate::day::Cycle;
use crate::history::export_history::{ExportError, ExportHistory, HistoryRow, SourceDays, Tally};
use crate::store::Order;
use crate::telemetry::STAT_TIMESTAMP;

/// The most series in a request.
const MOST_SERIES: usize = 1000;

/// The most bytes of a request before compression, about; receivers take 10 MiB and more.
const MOST_BYTES: usize = 1024 * 1024;

/// What a sample takes in a request, at most: a double, a timestamp, and their tags.
const SAMPLE_BYTES: usize = 20;

/// A request's body, compressed.
pub(super) struct Batch {
    pub(super) body: Vec<u8>,
    pub(super) samples: u64,
}

/// Why filling ended early.
enum Stop {
    Export(ExportError),
    /// The receiving end is gone; it knows the reason.
    NoSender,
}

impl From<ExportError> for Stop {
    fn from(error: ExportError) -> Self {
        Self::Export(error)
    }
}

/// Reads all of `history` into batches for `sender`. Blocks.
///
/// # Errors
/// [`ExportError`].
pub(super) fn fill(history: &ExportHistory, sender: Sender<Batch>) -> Result<Tally, ExportError> {
    let mut tally = Tally::default();
    let mut filling = BatchFiller { sender, request: WriteRequest::default(), bytes: 0, open: Vec::new() };
    match filling.all(history, &mut tally) {
        Ok(()) | Err(Stop::NoSender) => Ok(tally),
        Err(Stop::Export(error)) => Err(error),
    }
}

struct BatchFiller {
    sender: Sender<Batch>,
    request: WriteRequest,
    /// About how many bytes the request has.
    bytes: usize,
    /// The places in the request of the series of the subject at hand, by their fields.
    open: Vec<Option<usize>>,
}

impl BatchFiller {
    fn all(&mut self, history: &ExportHistory, tally: &mut Tally) -> Result<(), Stop> {
        for (api, table) in history.tables() {
            let names: Vec<_> = table.fields.iter().map(|field| table.metric(field)).collect();
            let mut subject: Option<(String, Vec<String>, Vec<bool>)> = None;
            history.rows::<Stop>(
                (api, table),
                Order::Subjects,
                tally,
                &mut |tally, HistoryRow { account, row, show_times, labels: added, cycle }| {
                    if subject.as_ref().is_none_or(|(of, labels, _)| of != account || *labels != row.labels) {
                        subject = Some((account.to_owned(), row.labels.clone(), vec![false; names.len()]));
                        self.open = vec![None; names.len()];
                    }
                    for (place, value) in row.values.iter().enumerate() {
                        let Some(value) = *value else { continue };
                        let of_table = table.labels.iter().copied().zip(row.labels.iter().map(String::as_str));
                        let of_table = [("account", account)].into_iter().chain(of_table);
                        let series = || labels(&names[place], of_table.clone(), added);
                        let count = self.add(place, &series, value, show_times.instants(row.day, cycle))?;
                        if let Some((_, _, seen)) = &mut subject
                            && count > 0
                            && !std::mem::replace(&mut seen[place], true)
                        {
                            tally.series += 1;
                        }
                        tally.samples += count;
                    }
                    Ok(())
                },
            )?;
        }
        for SourceDays { source, account, show_times, days } in history.shown_days().map_err(ExportError::from)? {
            self.open = vec![None];
            let series = || labels(STAT_TIMESTAMP.0, [("source", source), ("account", account)], history.labels());
            let before = tally.samples;
            for day in days {
                let instants = show_times.instants(day, Cycle::Day);
                tally.samples += self.add(0, &series, show_times.midnight(day) as f64, instants)?;
            }
            tally.series += u64::from(tally.samples > before);
        }
        self.flush()
    }

    /// Adds samples to the series of the field at `place`, which `series` names; gives their number.
    fn add(
        &mut self,
        place: usize,
        series: &dyn Fn() -> Vec<Label>,
        value: f64,
        instants: impl Iterator<Item = i64>,
    ) -> Result<u64, Stop> {
        let mut count = 0;
        for instant in instants {
            if self.bytes + SAMPLE_BYTES > MOST_BYTES {
                self.flush()?;
            }
            let index = match self.open[place] {
                Some(index) => index,
                None => {
                    if self.request.timeseries.len() >= MOST_SERIES {
                        self.flush()?;
                    }
                    let labels = series();
                    self.bytes += labels.iter().map(|label| label.name.len() + label.value.len() + 8).sum::<usize>();
                    self.request.timeseries.push(TimeSeries { labels, samples: Vec::new() });
                    *self.open[place].insert(self.request.timeseries.len() - 1)
                }
            };
            self.request.timeseries[index].samples.push(Sample { value, timestamp: instant * 1000 });
            self.bytes += SAMPLE_BYTES;
            count += 1;
        }
        Ok(count)
    }

    /// Hands the request over, and begins the next one.
    fn flush(&mut self) -> Result<(), Stop> {
        let request = std::mem::take(&mut self.request);
        self.open.fill(None);
        self.bytes = 0;
        if request.timeseries.is_empty() {
            return Ok(());
        }
        let samples = request.timeseries.iter().map(|series| series.samples.len() as u64).sum();
        // It fails only for more than 4 GiB.
        let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).map_err(|_| Stop::NoSender)?;
        self.sender.blocking_send(Batch { body, samples }).map_err(|_| Stop::NoSender)
    }
}

/// The labels of a series in the order that the protocol wants; an empty one is as good as none.
fn labels<'a>(
    name: &'a str,
    of_series: impl IntoIterator<Item = (&'a str, &'a str)>,
    added: &'a [(String, String)],
) -> Vec<Label> {
    let added = added.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all = [("__name__", name)].into_iter().chain(of_series).chain(added);
    let named = all.filter(|(_, value)| !value.is_empty());
    let mut labels: Vec<_> =
        named.map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() }).collect();
    labels.sort();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[test]
    fn a_batch_is_bounded_and_a_long_series_goes_on_in_the_next_one() {
        let (sender, mut batches) = mpsc::channel(100);
        let mut filling = BatchFiller { sender, request: WriteRequest::default(), bytes: 0, open: vec![None] };
        let series = || labels("x", [("b", "2"), ("a", "1"), ("c", "")], &[]);
        filling.add(0, &series, 5.0, 0..100_000).ok().unwrap();
        filling.flush().ok().unwrap();
        drop(filling);
        let mut next = 0;
        while let Some(batch) = batches.blocking_recv() {
            let raw = snap::raw::Decoder::new().decompress_vec(&batch.body).unwrap();
            assert!(raw.len() <= MOST_BYTES, "{}", raw.len());
            let request = WriteRequest::decode(raw.as_slice()).unwrap();
            let names: Vec<_> = request.timeseries[0].labels.iter().map(|label| label.name.as_str()).collect();
            assert_eq!(names, ["__name__", "a", "b"]);
            for sample in &request.timeseries[0].samples {
                assert_eq!(sample.timestamp, next * 1000);
                next += 1;
            }
        }
        assert_eq!(next, 100_000);
    }
}
