//! History as one OpenMetrics text, for `promtool tsdb create-blocks-from openmetrics`.
//!
//! The format wants each family in one piece, so a table is read once for each of its fields: nothing is kept in
//! memory but the row at hand.

use std::fmt::Write as _;
use std::io::Write;

use super::export_history::{ExportError, ExportHistory, HistoryRow, SourceDays, Tally};
use crate::source::{Api, Table};
use crate::store::Order;
use crate::telemetry::STAT_TIMESTAMP;

/// Writes all of `history` to `output`. Blocks.
///
/// # Errors
/// [`ExportError`]; what was written by then lacks its last line, so that no reader takes it for whole.
pub fn export_openmetrics(history: &ExportHistory, output: &mut dyn Write) -> Result<Tally, ExportError> {
    let mut tally = Tally::default();
    let mut writer = Writer { output, series: String::new(), announced: false };
    for (api, table) in history.tables() {
        for place in 0..table.fields.len() {
            writer.family(history, (api, table), place, &mut tally)?;
        }
    }
    writer.stat_timestamps(history, &mut tally)?;
    writer.output.write_all(b"# EOF\n")?;
    writer.output.flush()?;
    Ok(tally)
}

/// About how many bytes [`export_openmetrics`] will write, known from one look at the store. Blocks.
///
/// # Errors
/// [`ExportError`]
pub fn openmetrics_bytes(history: &ExportHistory) -> Result<u64, ExportError> {
    let mut bytes = 0;
    for (api, table) in history.tables() {
        let names: Vec<_> = table.fields.iter().map(|field| table.metric(field).len()).collect();
        let of_table: usize = table.labels.iter().map(|label| label.len() + QUOTES).sum();
        // By day, which is quicker, as nothing is sorted.
        history.rows::<ExportError>(
            (api, table),
            Order::Days,
            &mut Tally::default(),
            &mut |_, HistoryRow { account, row, show_times, labels, cycle }| {
                let added: usize = labels.iter().map(|(name, value)| name.len() + value.len() + QUOTES).sum();
                let ids: usize = row.labels.iter().map(String::len).sum();
                let series = "account".len() + account.len() + QUOTES + of_table + ids + added;
                let values = row.values.iter().zip(&names).filter(|(value, _)| value.is_some());
                let line: usize = values.map(|(_, name)| name + series + VALUE_AND_TIME).sum();
                bytes += (show_times.instants(row.day, cycle).len() * line) as u64;
                Ok(())
            },
        )?;
    }
    Ok(bytes)
}

/// `="",` of each label.
const QUOTES: usize = 4;

/// ` 12 1700000000` and the line end, for a value of two characters.
const VALUE_AND_TIME: usize = 16;

struct Writer<'a> {
    output: &'a mut dyn Write,
    /// Name and labels of the series at hand.
    series: String,
    /// Whether the family's HELP and TYPE are written.
    announced: bool,
}

impl<'a> Writer<'a> {
    /// Writes the family of the field at `place`; nothing where it has no samples.
    fn family(
        &mut self,
        history: &ExportHistory,
        (api, table): (&'static Api, &'static Table),
        place: usize,
        tally: &mut Tally,
    ) -> Result<(), ExportError> {
        let field = &table.fields[place];
        let (name, help) = (table.metric(field), table.help(field, api.title));
        let mut subject: Option<(String, Vec<String>)> = None;
        self.announced = false;
        let order = Order::Subjects;
        history.rows((api, table), order, tally, &mut |tally,
                                                       HistoryRow {
                                                           account,
                                                           row,
                                                           show_times,
                                                           labels: added,
                                                           cycle,
                                                       }| {
            let Some(value) = row.values.get(place).copied().flatten() else { return Ok(()) };
            let instants = show_times.instants(row.day, cycle);
            if instants.len() == 0 {
                return Ok(());
            }
            if subject.as_ref().is_none_or(|(of, labels)| of != account || *labels != row.labels) {
                let labels = table.labels.iter().copied().zip(row.labels.iter().map(String::as_str));
                self.begin(&name, [("account", account)].into_iter().chain(labels), added);
                subject = Some((account.to_owned(), row.labels.clone()));
                tally.series += 1;
            }
            self.samples(&name, &help, value, instants, tally)
        })
    }

    fn stat_timestamps(&mut self, history: &ExportHistory, tally: &mut Tally) -> Result<(), ExportError> {
        let (name, help) = STAT_TIMESTAMP;
        self.announced = false;
        for SourceDays { source, account, show_times, days } in history.shown_days()? {
            self.begin(name, [("source", source), ("account", account)], history.labels());
            let before = tally.samples;
            for day in days {
                let instants = show_times.instants(day, crate::day::Cycle::Day);
                self.samples(name, help, show_times.midnight(day) as f64, instants, tally)?;
            }
            tally.series += u64::from(tally.samples > before);
        }
        Ok(())
    }

    /// Makes the series with those labels the one at hand.
    fn begin<'b>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'b str, &'b str)>,
        added: &'b [(String, String)],
    ) {
        self.series.clear();
        self.series.push_str(name);
        let added = added.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (n, (label, value)) in labels.into_iter().chain(added).enumerate() {
            self.series.push(if n == 0 { '{' } else { ',' });
            self.series.push_str(label);
            self.series.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.series.push_str("\\\\"),
                    '"' => self.series.push_str("\\\""),
                    '\n' => self.series.push_str("\\n"),
                    c => self.series.push(c),
                }
            }
            self.series.push('"');
        }
        self.series.push('}');
    }

    /// Writes `value` of the series at hand at `instants`.
    fn samples(
        &mut self,
        name: &str,
        help: &str,
        value: f64,
        instants: impl Iterator<Item = i64>,
        tally: &mut Tally,
    ) -> Result<(), ExportError> {
        let start = self.series.len();
        // Writing to a string does not fail.
        let _ = write!(self.series, " {value:?} ");
        for instant in instants {
            if !self.announced {
                writeln!(self.output, "# HELP {name} {help}\n# TYPE {name} gauge")?;
                self.announced = true;
            }
            self.output.write_all(self.series.as_bytes())?;
            writeln!(self.output, "{instant}")?;
            tally.samples += 1;
        }
        self.series.truncate(start);
        Ok(())
    }
}
