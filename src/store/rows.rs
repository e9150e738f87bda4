//! The tables for people: a row per day, account and subject.

use std::iter::once;
use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Transaction, params, params_from_iter};

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
pub(super) struct Writing {
    delete: String,
    insert: String,
}

impl Writing {
    /// Those for targets that name the first `labels` labels of `table`.
    pub(super) fn new(table: &Table, labels: usize) -> Self {
        let name = quoted(table.prefix);
        // Only the first columns of the primary key: deleting touches no row of anybody else.
        let named: String =
            table.labels.iter().take(labels).map(|label| format!(" AND {} = ?", quoted(label))).collect();
        let columns = columns(table);
        let marks = vec!["?"; columns.len()].join(", ");
        Self {
            delete: format!("DELETE FROM {name} WHERE day = ? AND account = ?{named}"),
            insert: format!("INSERT OR REPLACE INTO {name} ({}) VALUES ({marks})", columns.join(", ")),
        }
    }

    /// Deletes what is stored of `labels` on `day`.
    ///
    /// # Errors
    /// As SQLite says.
    pub(super) fn delete(
        &self,
        transaction: &Transaction<'_>,
        account: &str,
        day: Day,
        labels: &[String],
    ) -> rusqlite::Result<()> {
        let day = day.to_string();
        let keys = [day.as_str(), account].into_iter().chain(labels.iter().map(String::as_str));
        transaction.prepare_cached(&self.delete)?.execute(params_from_iter(keys)).map(drop)
    }

    /// Stores `row` under `day`, as fetched `at`.
    ///
    /// # Errors
    /// As SQLite says.
    pub(super) fn insert(
        &self,
        transaction: &Transaction<'_>,
        account: &str,
        day: Day,
        row: &Row,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let day = day.to_string();
        let keys = [day.as_str(), account].into_iter().chain(row.labels.iter().map(String::as_str));
        let keys = keys.map(|key| ToSqlOutput::Borrowed(ValueRef::Text(key.as_bytes())));
        let values = row.values.iter().map(|value| ToSqlOutput::Owned(value.map_or(Value::Null, Value::Real)));
        let at = once(ToSqlOutput::Owned(Value::Integer(at.as_second())));
        let all = keys.chain(values).chain(at);
        transaction.prepare_cached(&self.insert)?.execute(params_from_iter(all)).map(drop)
    }
}

/// The rows of `account` on `day`, ordered by their labels.
///
/// # Errors
/// As SQLite says.
pub(super) fn of_day(connection: &Connection, table: &Table, account: &str, day: Day) -> rusqlite::Result<Vec<Row>> {
    let (columns, name) = (columns(table).join(", "), quoted(table.prefix));
    let order = ordered(&["day", "account"], table, &[]);
    let sql = format!("SELECT {columns} FROM {name} WHERE day = ? AND account = ? ORDER BY {order}");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params![Iso(day), account], |stored| read(stored, table).map(|(_, row, _)| row))?.collect()
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
    let (labels, fields) = (2..2 + table.labels.len(), table.fields.len());
    let values = labels.end..labels.end + fields;
    let Seconds(at) = stored.get(values.end)?;
    let labels = labels.map(|column| stored.get(column)).collect::<Result<_, _>>()?;
    let values = values.map(|column| stored.get(column)).collect::<Result<_, _>>()?;
    Ok((account, Row { day, labels, values }, at))
}
