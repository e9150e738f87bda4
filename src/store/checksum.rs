//! A checksum for each row of figures: SQLite notices damage to its own structure, but not to what it keeps.

use crc32fast::Hasher;
use jiff::Timestamp;

use crate::source::{Field, Table};

/// Whose row it is, and what else a row has beside its values.
#[derive(Clone, Copy)]
pub(super) struct RowKey<'a> {
    /// The day, as it is stored.
    pub(super) day: &'a str,
    /// The account.
    pub(super) account: &'a str,
    /// The labels.
    pub(super) labels: &'a [String],
    /// When the row was fetched; the store keeps the seconds.
    pub(super) at: Timestamp,
}

/// The column that holds it.
pub(super) const COLUMN: &str = "checksum";

/// The CRC-32 over a row of `table`, as a signed number, which takes fewer bytes in the file.
///
/// A value that is absent counts for nothing: a row stays right when the table grows by a column.
pub(super) fn checksum(table: &Table, of: RowKey<'_>, values: &[Option<f64>]) -> i32 {
    let mut hasher = Hasher::new();
    let mut text = |text: &str| {
        // The length keeps "a", "bc" from being "ab", "c".
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    [of.day, of.account].into_iter().chain(of.labels.iter().map(String::as_str)).for_each(&mut text);
    hasher.update(&of.at.as_second().to_le_bytes());
    for (column, value) in table.fields.iter().map(Field::column).zip(values) {
        if let Some(value) = value {
            hasher.update(column.as_bytes());
            // SQLite keeps no minus zero, and nor does the sum of both zeros.
            hasher.update(&(value + 0.0).to_bits().to_le_bytes());
        }
    }
    hasher.finalize().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::apis;

    #[test]
    fn each_part_of_a_row_counts_and_what_is_absent_does_not() {
        let table = apis()[0].tables[0];
        let (at, later) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(1).unwrap());
        let labels = ["li".to_owned()];
        let of = RowKey { day: "2026-11-19", account: "a", labels: &labels, at };
        let plain = checksum(table, of, &[Some(1.0), None]);
        assert_eq!(checksum(table, of, &[Some(1.0)]), plain, "a table that grew");
        assert_eq!(checksum(table, of, &[Some(-0.0)]), checksum(table, of, &[Some(0.0)]));
        let others = [
            checksum(table, RowKey { day: "2026-11-18", ..of }, &[Some(1.0)]),
            checksum(table, RowKey { account: "b", ..of }, &[Some(1.0)]),
            checksum(table, RowKey { labels: &["al".to_owned(), "i".to_owned()], account: "", ..of }, &[Some(1.0)]),
            checksum(table, RowKey { at: later, ..of }, &[Some(1.0)]),
            checksum(table, of, &[Some(2.0)]),
            checksum(table, of, &[None, Some(1.0)]),
            checksum(table, of, &[None]),
        ];
        assert!(!others.contains(&plain));
    }
}
