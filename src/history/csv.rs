//! History as spreadsheets: a file for each table, its columns as in the store.

use std::fs;
use std::io::{self, Write};
use std::iter::once;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;

use super::export_history::{ExportError, ExportHistory};
use crate::files::WholeFile;
use crate::sample::Row;
use crate::source::{Field, Table};

/// Without it Excel takes UTF-8 for the encoding of the country, and shows Chinese as noise.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes `PREFIX.csv` into `folder` for each table that has rows, by day; gives the number of rows of each. Blocks.
///
/// A file has its name only when it is whole; it replaces an older one. Only its owner may read it, like the store.
///
/// # Errors
/// [`ExportError`]; files that are whole by then stay.
pub fn export_csv(history: &ExportHistory, folder: &Path) -> Result<Vec<(&'static str, u64)>, ExportError> {
    fs::create_dir_all(folder)
        .map_err(|error| io::Error::new(error.kind(), format!("the folder {}: {error}", folder.display())))?;
    let (store, days) = history.raw();
    let mut tables = Vec::new();
    for (_, table) in history.tables() {
        let path = folder.join(format!("{}.csv", table.prefix));
        let mut file: Option<WholeFile> = None;
        let mut rows = 0;
        let mut failed = Ok(());
        store.scan(table, days, &mut |account, row, fetched_at| {
            let written = match &mut file {
                Some(file) => Ok(file),
                none => begin(&path, table).map(|begun| none.insert(begun)),
            };
            match written.and_then(|file| line(file, &account, &row, fetched_at)) {
                Ok(()) => {
                    rows += 1;
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Err(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed?;
        if let Some(file) = file {
            file.finish()?;
            tables.push((table.prefix, rows));
        }
    }
    Ok(tables)
}

/// Creates the file with its header row.
fn begin(path: &Path, table: &Table) -> io::Result<WholeFile> {
    let mut file = WholeFile::begin(path)?;
    file.write_all(BYTE_ORDER_MARK)?;
    let columns = ["day", "account"].into_iter().chain(table.labels.iter().copied());
    let columns = columns.chain(table.fields.iter().map(Field::column)).chain(once("fetched_at"));
    writeln_crlf(&mut file, &columns.collect::<Vec<_>>().join(","))?;
    Ok(file)
}

fn line(file: &mut impl Write, account: &str, row: &Row, fetched_at: Timestamp) -> io::Result<()> {
    let ids =
        once(row.day.to_string()).chain(once(quoted(account))).chain(row.labels.iter().map(|label| quoted(label)));
    // What the platform left out is an empty cell, not a 0.
    let values = row.values.iter().map(|value| value.map_or_else(String::new, |value| value.to_string()));
    let cells: Vec<String> = ids.chain(values).chain(once(fetched_at.as_second().to_string())).collect();
    writeln_crlf(file, &cells.join(","))
}

/// The line end that RFC 4180 wants.
fn writeln_crlf(file: &mut impl Write, line: &str) -> io::Result<()> {
    file.write_all(line.as_bytes())?;
    file.write_all(b"\r\n")
}

/// `text` as a cell, quoted where it has to be; where a spreadsheet would take it for a formula, after an apostrophe.
fn quoted(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("\"'{}\"", text.replace('"', "\"\""))
    } else if text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be_and_missing_figures_are_empty() {
        let row = Row {
            day: "2026-11-19".parse().unwrap(),
            labels: vec!["张三, \"x\"".to_owned()],
            values: vec![Some(5.0), None, Some(0.6025)],
        };
        let mut written = Vec::new();
        line(&mut written, "acme", &row, Timestamp::UNIX_EPOCH).unwrap();
        let expected = "2026-11-19,acme,\"张三, \"\"x\"\"\",5,,0.6025,0\r\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        assert_eq!(quoted("=HYPERLINK(\"http://evil\")"), "\"'=HYPERLINK(\"\"http://evil\"\")\"");
        assert_eq!((quoted("-1").as_str(), quoted("a-1").as_str()), ("\"'-1\"", "a-1"));
    }
}
