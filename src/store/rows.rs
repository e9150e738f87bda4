//! The tables for people: a row per day, account and subject.

use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, Transaction, params, params_from_iter};

use super::checksum::{self, RowKey, checksum};
use super::column::{Iso, Seconds, quoted};
use super::damage::{RowSieve, intact};
use crate::day::{Day, Days};
use crate::sample::Row;
use crate::source::{Field, Table};

/// In what order rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By day, account and labels: as they are stored.
    Days,
    /// By account, labels and day, so that the rows of one subject follow each other.
    ///
    /// SQLite sorts them in files of its temporary directory (`SQLITE_TMPDIR`, `TMPDIR`, else `/var/tmp`).
    Subjects,
}

/// The statements that write rows of one table.
pub(super) struct RowWriter<'a> {
    table: &'a Table,
    delete: CachedStatement<'a>,
    insert: CachedStatement<'a>,
}

impl<'a> RowWriter<'a> {
    /// Those for targets that name the first `labels` labels of `table`.
    ///
    /// # Errors
    /// As SQLite says.
    pub(super) fn new(transaction: &'a Transaction<'_>, table: &'a Table, labels: usize) -> rusqlite::Result<Self> {
        let name = quoted(table.prefix);
        // Only the first columns of the primary key: deleting touches no other target's rows.
        let named: String =
            table.labels.iter().take(labels).map(|label| format!(" AND {} = ?", quoted(label))).collect();
        let columns = columns(table);
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT OR REPLACE INTO {name} ({}) VALUES ({marks})", columns.join(", "));
        Ok(Self {
            table,
            delete: transaction.prepare_cached(&format!("DELETE FROM {name} WHERE day = ? AND account = ?{named}"))?,
            insert: transaction.prepare_cached(&insert)?,
        })
    }

    /// Deletes what is stored of `labels` on `day`.
    ///
    /// # Errors
    /// As SQLite says.
    pub(super) fn delete(&mut self, account: &str, day: &str, labels: &[String]) -> rusqlite::Result<()> {
        let keys = [day, account].into_iter().chain(labels.iter().map(String::as_str));
        self.delete.execute(params_from_iter(keys)).map(drop)
    }

    /// Stores `row` under `day`, as fetched `at`.
    ///
    /// # Errors
    /// As SQLite says.
    pub(super) fn insert(&mut self, account: &str, day: &str, row: &Row, at: Timestamp) -> rusqlite::Result<()> {
        let keys = [day, account].into_iter().chain(row.labels.iter().map(String::as_str));
        let keys = keys.map(|key| ToSqlOutput::Borrowed(ValueRef::Text(key.as_bytes())));
        let values = row.values.iter().map(|value| ToSqlOutput::Owned(value.map_or(Value::Null, Value::Real)));
        let checksum = checksum(self.table, RowKey { day, account, labels: &row.labels, at }, &row.values);
        let rest = [at.as_second(), checksum.into()].map(|number| ToSqlOutput::Owned(Value::Integer(number)));
        self.insert.execute(params_from_iter(keys.chain(values).chain(rest))).map(drop)
    }
}

/// The rows of `account` on `day`, ordered by their labels; those that are damaged are left out.
///
/// # Errors
/// As SQLite says.
pub(super) fn of_day(connection: &Connection, table: &Table, account: &str, day: Day) -> rusqlite::Result<Vec<Row>> {
    let (columns, name) = (columns(table).join(", "), quoted(table.prefix));
    let order = ordered(&["day", "account"], table, &[]);
    let sql = format!("SELECT {columns} FROM {name} WHERE day = ? AND account = ? ORDER BY {order}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params![Iso(day), account], |stored| Ok(read(stored, table)?.map(|(_, row, _)| row)))?;
    intact(table.prefix, rows)
}

/// Shows `each` the rows of `days` one by one, but for those that are damaged.
///
/// # Errors
/// As SQLite says.
pub(super) fn scan(
    connection: &Connection,
    table: &Table,
    days: Days,
    order: Order,
    each: &mut dyn FnMut(String, Row, Timestamp) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let (columns, name) = (columns(table).join(", "), quoted(table.prefix));
    let order = match order {
        Order::Days => ordered(&["day", "account"], table, &[]),
        Order::Subjects => ordered(&["account"], table, &["day"]),
    };
    let sql = format!("SELECT {columns} FROM {name} WHERE day BETWEEN ? AND ? ORDER BY {order}");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params![Iso(days.first), Iso(days.last)])?;
    let mut left_out = RowSieve::of(table.prefix);
    while let Some(stored) = rows.next()? {
        let Some((account, row, at)) = left_out.sieve(read(stored, table))? else { continue };
        if each(account, row, at).is_break() {
            break;
        }
    }
    left_out.tell();
    Ok(())
}

/// The columns in the order in which rows are written and read.
fn columns(table: &Table) -> Vec<String> {
    let names = ["day", "account"].into_iter().chain(table.labels.iter().copied());
    let names = names.chain(table.fields.iter().map(Field::column)).chain(["fetched_at", checksum::COLUMN]);
    names.map(quoted).collect()
}

fn ordered(before: &[&str], table: &Table, after: &[&str]) -> String {
    let names: Vec<_> = before.iter().chain(table.labels).chain(after).map(|name| quoted(name)).collect();
    names.join(", ")
}

/// A row with its account and when it was fetched; `None` where it does not match its checksum.
fn read(stored: &rusqlite::Row<'_>, table: &Table) -> rusqlite::Result<Option<(String, Row, Timestamp)>> {
    let values = 2 + table.labels.len();
    let rest = values + table.fields.len();
    let (Iso(day), account): (_, String) = (stored.get(0)?, stored.get(1)?);
    let labels: Vec<String> = (2..values).map(|column| stored.get(column)).collect::<Result<_, _>>()?;
    let values: Vec<_> = (values..rest).map(|column| stored.get(column)).collect::<Result<_, _>>()?;
    let (Seconds(at), expected): (_, Option<i32>) = (stored.get(rest)?, stored.get(rest + 1)?);
    let of = RowKey { day: stored.get_ref(0)?.as_str()?, account: &account, labels: &labels, at };
    // Rows of before there were checksums have none.
    let intact = expected.is_none_or(|expected| expected == checksum(table, of, &values));
    Ok(intact.then_some((account, Row { day, labels, values }, at)))
}
