//! The tables of the file, and how an older file grows into them.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::column::{columns_of, quoted};
use super::error::StoreError;
use super::{checksum, upgrade};
use crate::source::{Api, Field, Table};

/// The version of the program's own tables, in `user_version`. A file with a higher one is not touched.
pub(super) const VERSION: i64 = 2;

/// The program's own tables, version 2.
///
/// Sources, targets and definitions have numbers, because the ledger names each of them once per day: that makes it
/// a tenth as large. `day` in `target` and `definition` is the newest one that the ledger has of them. `clock` has the
/// days on which the program ran, by its clock.
const PROGRAM: &str = "
CREATE TABLE source (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, account TEXT NOT NULL, company TEXT, UNIQUE (name, account)
);
CREATE TABLE target (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, day TEXT NOT NULL);
CREATE TABLE definition (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, day TEXT NOT NULL);
CREATE TABLE answer (
    source INTEGER NOT NULL, day TEXT NOT NULL, target INTEGER NOT NULL, definition INTEGER NOT NULL,
    state TEXT NOT NULL, code TEXT, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    answers INTEGER NOT NULL, PRIMARY KEY (source, day, target)
) WITHOUT ROWID;
CREATE TABLE status (
    source INTEGER PRIMARY KEY, shown TEXT, up INTEGER NOT NULL, last_round INTEGER, last_success INTEGER,
    round_seconds REAL, error TEXT, error_kind TEXT
);
CREATE TABLE list (
    platform TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, day TEXT NOT NULL, found TEXT NOT NULL,
    PRIMARY KEY (platform, account, key)
);
CREATE TABLE name (
    info TEXT NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL, parent TEXT, name TEXT, day TEXT NOT NULL,
    PRIMARY KEY (info, account, id)
) WITHOUT ROWID;
CREATE TABLE clock (day TEXT PRIMARY KEY) WITHOUT ROWID;
";

/// The tables of `apis`, each once.
pub(super) fn tables(apis: &[&'static Api]) -> Vec<&'static Table> {
    let mut seen = BTreeSet::new();
    apis.iter().flat_map(|api| api.tables).copied().filter(|table| seen.insert(table.prefix)).collect()
}

/// The version of `file`, which this program knows.
///
/// # Errors
/// [`StoreError::Newer`] where it does not, else as SQLite says.
pub(super) fn check_version(connection: &Connection, file: &Path) -> Result<i64, StoreError> {
    let found = version(connection).map_err(|error| StoreError::of(file, &error))?;
    if found > VERSION {
        return Err(StoreError::Newer { path: file.to_owned(), found, known: VERSION });
    }
    Ok(found)
}

/// Creates the tables and columns that are missing, brings those of an older version to this one, and reads a row of each that is there: the cheap part of finding
/// damage.
///
/// # Errors
/// [`StoreError::Foreign`] where a table has other keys or the file is of another program, [`StoreError::Damaged`]
/// where a table of ours has lost a column, else as SQLite says.
pub(super) fn bring_up(connection: &mut Connection, file: &Path, tables: &[&'static Table]) -> Result<(), StoreError> {
    let explain = |error| StoreError::of(file, &error);
    // All in one transaction that writes from its start: another process may be doing the same.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    let found = version(&transaction).map_err(explain)?;
    if found == 0 {
        if let Some(table) = tables_of(&transaction).map_err(explain)?.pop_first() {
            return Err(StoreError::Foreign { path: file.to_owned(), table });
        }
        transaction.execute_batch(PROGRAM).map_err(explain)?;
    } else if found < VERSION {
        if let Some(reason) = lacking(&transaction, upgrade::VERSION_1).map_err(explain)? {
            return Err(StoreError::Damaged { path: file.to_owned(), reason });
        }
        upgrade::from_version_1(&transaction, file).map_err(explain)?;
    }
    if found < VERSION {
        transaction.pragma_update(None, "user_version", VERSION).map_err(explain)?;
    }
    for table in tables {
        let keys = keys(&transaction, table).map_err(explain)?;
        if keys.is_empty() {
            transaction.execute_batch(&create(table)).map_err(explain)?;
        } else if !keys
            .iter()
            .map(String::as_str)
            .eq(["day", "account"].into_iter().chain(table.labels.iter().copied()))
        {
            return Err(StoreError::Foreign { path: file.to_owned(), table: table.prefix.to_owned() });
        }
        add_columns(&transaction, table).map_err(explain)?;
    }
    if let Some(reason) = lacking(&transaction, PROGRAM).map_err(explain)? {
        return Err(StoreError::Damaged { path: file.to_owned(), reason });
    }
    touch_all(&transaction).map_err(explain)?;
    transaction.commit().map_err(explain)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The table for people: NUMERIC shows a count as `5` and not as `5.0`.
fn create(table: &Table) -> String {
    let mut columns = vec!["day TEXT NOT NULL".to_owned(), "account TEXT NOT NULL".to_owned()];
    columns.extend(table.labels.iter().map(|label| format!("{} TEXT NOT NULL", quoted(label))));
    columns.extend(table.fields.iter().map(|field| format!("{} NUMERIC", quoted(field.column()))));
    columns.push("fetched_at INTEGER NOT NULL".to_owned());
    columns.push(format!("{} INTEGER", checksum::COLUMN));
    let labels: String = table.labels.iter().map(|label| format!(", {}", quoted(label))).collect();
    let name = quoted(table.prefix);
    format!("CREATE TABLE {name} ({}, PRIMARY KEY (day, account{labels})) WITHOUT ROWID", columns.join(", "))
}

fn add_columns(transaction: &Transaction<'_>, table: &Table) -> rusqlite::Result<()> {
    let present = columns_of(transaction, table.prefix)?;
    let fields = table.fields.iter().map(|field| (field.column(), "NUMERIC"));
    let columns = fields.chain([(checksum::COLUMN, "INTEGER")]);
    for (column, affinity) in columns.filter(|(column, _)| !present.contains(*column)) {
        let sql = format!("ALTER TABLE {} ADD COLUMN {} {affinity}", quoted(table.prefix), quoted(column));
        transaction.execute_batch(&sql)?;
    }
    Ok(())
}

/// What `tables` and the program's own lack of what [`bring_up`] gives them.
///
/// # Errors
/// As SQLite says.
pub(super) fn lacking_of(connection: &Connection, tables: &[&Table]) -> rusqlite::Result<Option<String>> {
    for table in tables {
        let present = columns_of(connection, table.prefix)?;
        let mut fields = table.fields.iter().map(Field::column).chain([checksum::COLUMN]);
        if let Some(column) = fields.find(|column| !present.contains(*column)) {
            return Ok(Some(format!("table {} has no column {column}", table.prefix)));
        }
    }
    lacking(connection, PROGRAM)
}

/// What the program's own tables lack of what `program` gives them.
fn lacking(transaction: &Connection, program: &str) -> rusqlite::Result<Option<String>> {
    let whole = Connection::open_in_memory()?;
    whole.execute_batch(program)?;
    for table in tables_of(&whole)? {
        let present = columns_of(transaction, &table)?;
        if let Some(column) = columns_of(&whole, &table)?.difference(&present).next() {
            return Ok(Some(format!("table {table} has no column {column}")));
        }
    }
    Ok(None)
}

fn tables_of(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut schema = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    schema.query_map([], |row| row.get(0))?.collect()
}

/// The columns of the stored table's primary key, in order; empty where there is no such table.
fn keys(transaction: &Transaction<'_>, table: &Table) -> rusqlite::Result<Vec<String>> {
    let mut info = transaction.prepare("SELECT lower(name) FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    info.query_map([table.prefix], |row| row.get(0))?.collect()
}

fn touch_all(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    for name in tables_of(transaction)? {
        let mut first = transaction.prepare(&format!("SELECT * FROM {} LIMIT 1", quoted(&name)))?;
        first.query([])?.next()?;
    }
    Ok(())
}
