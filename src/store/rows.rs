//! The tables for people: a row per day, account and subject.

use std::iter::once;
use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, Transaction, params, params_from_iter};

use super::column::{Iso, Seconds, quoted};
use crate::day::{Day, Days};
use crate::sample::Row;
use crate::source::{Field, Table};

/// In what order rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By day, account and labels: as they are stored.
    Days,
    /// By account, labels and day: SQLite sorts them.
    Subjects,
}

/// The statements that write rows of one table.
pub(super) struct Writing<'a> {
    delete: CachedStatement<'a>,
    insert: CachedStatement<'a>,
}

impl<'a> Writing<'a> {
    /// Those for targets that name the first `labels` labels of `table`.
    ///
    /// # Errors
    /// As SQLite says.
    pub(super) fn new(transaction: &'a Transaction<'_>, table: &Table, labels: usize) -> rusqlite::Result<Self> {
        let name = quoted(table.prefix);
        // Only the first columns of the primary key: deleting touches no row of anybody else.
        let named: String =
            table.labels.iter().take(labels).map(|label| format!(" AND {} = ?", quoted(label))).collect();
        let columns = columns(table);
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT OR REPLACE INTO {name} ({}) VALUES ({marks})", columns.join(", "));
        Ok(Self {
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
        let at = once(ToSqlOutput::Owned(Value::Integer(at.as_second())));
        self.insert.execute(params_from_iter(keys.chain(values).chain(at))).map(drop)
    }
}

/// The rows of `account` on `day`, ordered by their labels.
///
/// # Errors
/// As SQLite says.
pub(super) fn of_day(connection: &Connection, table: &Table, account: &str, day: Day) -> rusqlite::Result<Vec<Row>> {
    let labels = table.labels.iter().copied();
    let columns: Vec<_> = labels.chain(table.fields.iter().map(Field::column)).map(quoted).collect();
    let (columns, name) = (columns.join(", "), quoted(table.prefix));
    let order = ordered(&["day", "account"], table, &[]);
    let sql = format!("SELECT {columns} FROM {name} WHERE day = ? AND account = ? ORDER BY {order}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![Iso(day), account], |stored| {
        let (labels, values) = figures(stored, 0, table)?;
        Ok(Row { day, labels, values })
    })?;
    rows.collect()
}

/// Shows `each` the rows of `days` one by one.
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
    while let Some(stored) = rows.next()? {
        let (account, row, at) = read(stored, table)?;
        if each(account, row, at).is_break() {
            break;
        }
    }
    Ok(())
}

/// The columns in the order in which rows are written and read.
fn columns(table: &Table) -> Vec<String> {
    let names = ["day", "account"].into_iter().chain(table.labels.iter().copied());
    let names = names.chain(table.fields.iter().map(Field::column)).chain(once("fetched_at"));
    names.map(quoted).collect()
}

fn ordered(before: &[&str], table: &Table, after: &[&str]) -> String {
    let names: Vec<_> = before.iter().chain(table.labels).chain(after).map(|name| quoted(name)).collect();
    names.join(", ")
}

fn read(stored: &rusqlite::Row<'_>, table: &Table) -> rusqlite::Result<(String, Row, Timestamp)> {
    let Iso(day) = stored.get(0)?;
    let account = stored.get(1)?;
    let (labels, values) = figures(stored, 2, table)?;
    let Seconds(at) = stored.get(2 + labels.len() + values.len())?;
    Ok((account, Row { day, labels, values }, at))
}

/// The labels and the values, which begin at column `first`.
fn figures(
    stored: &rusqlite::Row<'_>,
    first: usize,
    table: &Table,
) -> rusqlite::Result<(Vec<String>, Vec<Option<f64>>)> {
    let values = first + table.labels.len();
    let labels = (first..values).map(|column| stored.get(column)).collect::<Result<_, _>>()?;
    let values = (values..values + table.fields.len()).map(|column| stored.get(column)).collect::<Result<_, _>>()?;
    Ok((labels, values))
}
