//! History as spreadsheets: a file for each table, its columns as in the store.

use std::fs;
use std::io::{self, Write};
use std::iter::once;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;

use super::export_history::{ExportError, ExportHistory};
use super::names::StoredName;
use crate::files::WholeFile;
use crate::sample::Row;
use crate::source::{Field, Table};
use crate::store::Order;

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
        let mut file: Option<Spreadsheet> = None;
        let mut rows = 0;
        let mut failed = Ok(());
        store.scan(table, days, Order::Days, &mut |account, row, fetched_at| {
            if !history.has(&account) {
                return ControlFlow::Continue(());
            }
            let written = match &mut file {
                Some(file) => Ok(file),
                none => Spreadsheet::of_table(&path, table).map(|begun| none.insert(begun)),
            };
            match written.and_then(|file| file.row(&account, &row, fetched_at)) {
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

/// Writes `names.csv`, the names of the ids in the other files, as far as the store has any.
///
/// # Errors
/// [`ExportError`]
pub fn export_names_csv(names: &[StoredName], folder: &Path) -> Result<(), ExportError> {
    let mut file = Spreadsheet::begin(&folder.join("names.csv"), &["info", "account", "id", "parent", "name"])?;
    for StoredName { info, account, entry } in names {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        file.line([(*info).to_owned(), account.clone(), entry.id.clone(), text(&entry.parent), text(&entry.name)])?;
    }
    Ok(file.finish()?)
}

/// A file of cells, of which none is taken for a formula.
struct Spreadsheet(csv::Writer<WholeFile>);

impl Spreadsheet {
    /// Begins the file with its header row.
    fn begin(path: &Path, columns: &[&str]) -> io::Result<Self> {
        let mut file = WholeFile::begin(path)?;
        file.write_all(BYTE_ORDER_MARK)?;
        // The line end that RFC 4180 wants.
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(file);
        writer.write_record(columns)?;
        Ok(Self(writer))
    }

    fn of_table(path: &Path, table: &Table) -> io::Result<Self> {
        let columns = ["day", "account"].into_iter().chain(table.labels.iter().copied());
        let columns = columns.chain(table.fields.iter().map(Field::column)).chain(once("fetched_at"));
        Self::begin(path, &columns.collect::<Vec<_>>())
    }

    fn row(&mut self, account: &str, row: &Row, fetched_at: Timestamp) -> io::Result<()> {
        let ids = [row.day.to_string(), account.to_owned()].into_iter().chain(row.labels.iter().cloned());
        // What the platform left out is an empty cell, not a 0.
        let values = row.values.iter().map(|value| value.map_or_else(String::new, |value| value.to_string()));
        self.line(ids.chain(values).chain(once(fetched_at.as_second().to_string())))
    }

    fn line(&mut self, cells: impl IntoIterator<Item = String>) -> io::Result<()> {
        Ok(self.0.write_record(cells.into_iter().map(|cell| harmless(&cell)))?)
    }

    fn finish(self) -> io::Result<()> {
        self.0.into_inner().map_err(|error| io::Error::new(error.error().kind(), error.to_string()))?.finish()
    }
}

/// `text` with an apostrophe before what a spreadsheet would take for a formula: at its beginning, also after blanks
/// and control characters, and where lists are separated by semicolons or lines are broken, as in `a;=1+1`.
///
/// Programs also take the full-width forms of these characters, which Chinese and Japanese keyboards write.
fn harmless(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    let mut begins = true;
    for (n, c) in text.chars().enumerate() {
        let control = c.is_control();
        if begins && (matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') || (n == 0 && control)) {
            cell.push('\'');
        }
        begins = control || c == ';' || (begins && c.is_whitespace());
        cell.push(c);
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be_and_missing_figures_are_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let row = Row {
            day: "2026-11-19".parse().unwrap(),
            labels: vec!["张三, \"x\"".to_owned()],
            values: vec![Some(5.0), None, Some(0.6025)],
        };
        let mut file = Spreadsheet::begin(&path, &["day"; 7]).unwrap();
        file.row("acme", &row, Timestamp::UNIX_EPOCH).unwrap();
        file.finish().unwrap();
        let written = fs::read_to_string(path).unwrap();
        let expected = "2026-11-19,acme,\"张三, \"\"x\"\"\",5,,0.6025,0";
        assert_eq!(written.split("\r\n").nth(1), Some(expected), "{written}");
    }

    #[test]
    fn no_cell_is_a_formula_in_any_spelling() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\r=1", "'\r'=1"),
            ("\0=1", "'\0'=1"),
            ("\n=1", "'\n'=1"),
            (" =1", " '=1"),
            ("a;=1+1", "a;'=1+1"),
            ("a\n=1+1", "a\n'=1+1"),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠x", "'＠x"),
            ("zhang-san@acme", "zhang-san@acme"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(harmless(text), cell, "{text:?}");
        }
    }
}
