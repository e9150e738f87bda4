//! The discovered lists, the names of ids, and the state of each source.

use std::sync::Arc;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, TransactionBehavior, params};

use super::column::{Iso, Millis};
use super::damage::intact;
use super::{ErrorKind, SourceError, SourceState, ledger};
use crate::day::Day;
use crate::source::ListEntry;

/// A list, as JSON.
struct Json(Vec<ListEntry>);

impl FromSql for Json {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A list that is to be written.
struct AsJson<'a>(&'a [ListEntry]);

impl ToSql for AsJson<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let json = serde_json::to_string(self.0);
        json.map(ToSqlOutput::from).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl FromSql for ErrorKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "passing" => Ok(Self::Passing),
            "refusals" => Ok(Self::Refusals),
            "invalid_figures" => Ok(Self::InvalidFigures),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl ToSql for ErrorKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Passing => "passing".into(),
            Self::Refusals => "refusals".into(),
            Self::InvalidFigures => "invalid_figures".into(),
        })
    }
}

/// Keeps a list under platform, account and key.
///
/// # Errors
/// As SQLite says.
pub(super) fn put_list(
    connection: &Connection,
    [platform, account, key]: [&str; 3],
    day: Day,
    list: &[ListEntry],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO list (platform, account, key, day, found) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (platform, account, key) DO UPDATE SET day = excluded.day, found = excluded.found
        WHERE excluded.day >= day";
    connection.prepare_cached(sql)?.execute(params![platform, account, key, Iso(day), AsJson(list)]).map(drop)
}

/// The list under platform, account and key, and its day.
///
/// # Errors
/// As SQLite says.
pub(super) fn list(connection: &Connection, keys: [&str; 3]) -> rusqlite::Result<Option<(Day, Arc<Vec<ListEntry>>)>> {
    let sql = "SELECT day, found FROM list WHERE platform = ? AND account = ? AND key = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let lists = statement.query_map(keys, |row| {
        let (Iso(day), Json(list)) = (row.get(0)?, row.get(1)?);
        Ok(Some((day, Arc::new(list))))
    })?;
    Ok(intact("list", lists)?.pop())
}

/// Keeps names.
///
/// # Errors
/// As SQLite says.
pub(super) fn put_names(
    connection: &mut Connection,
    info: &str,
    account: &str,
    day: Day,
    names: &[ListEntry],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = "INSERT INTO name (info, account, id, parent, name, day) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (info, account, id) DO UPDATE SET
            parent = excluded.parent, name = excluded.name, day = excluded.day
        WHERE excluded.day >= day";
    for found in names {
        let values = params![info, account, found.id, found.parent, found.name, Iso(day)];
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    transaction.commit()
}

/// The names, ordered by id, and the days that they are of.
///
/// # Errors
/// As SQLite says.
pub(super) fn names(connection: &Connection, info: &str, account: &str) -> rusqlite::Result<Vec<(Day, ListEntry)>> {
    let sql = "SELECT id, parent, name, day FROM name WHERE info = ? AND account = ? ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let names = statement.query_map([info, account], |row| {
        let Iso(day) = row.get(3)?;
        Ok(Some((day, ListEntry { id: row.get(0)?, parent: row.get(1)?, name: row.get(2)? })))
    })?;
    intact("name", names)
}

/// The names of all accounts.
///
/// # Errors
/// As SQLite says.
pub(super) fn accounts(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT account FROM source UNION SELECT account FROM list UNION SELECT account FROM name ORDER BY 1";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// Keeps the state of `source` of `account`.
///
/// # Errors
/// As SQLite says.
pub(super) fn put_status(
    connection: &mut Connection,
    source: &str,
    account: &str,
    status: &SourceState,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let source = ledger::source_id(&transaction, source, account)?;
    let sql =
        "INSERT OR REPLACE INTO status (source, shown, up, last_round, last_success, round_seconds, error, error_kind)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    transaction.prepare_cached(sql)?.execute(params![
        source,
        status.shown.map(Iso),
        status.up,
        status.last_round.map(Millis),
        status.last_success.map(Millis),
        status.round_seconds,
        status.error.as_ref().map(|error| &error.text),
        status.error.as_ref().and_then(|error| error.kind),
    ])?;
    transaction.commit()
}

/// The state of `source` of `account`.
///
/// # Errors
/// As SQLite says.
pub(super) fn status(connection: &Connection, source: &str, account: &str) -> rusqlite::Result<Option<SourceState>> {
    let sql = "SELECT shown, up, last_round, last_success, round_seconds, error, error_kind
        FROM status JOIN source ON source.id = status.source WHERE source.name = ? AND source.account = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let states = statement.query_map([source, account], |row| {
        let instant = |column| row.get::<_, Option<Millis>>(column).map(|stored| stored.map(|Millis(at)| at));
        let kind = row.get(6)?;
        Ok(Some(SourceState {
            shown: row.get::<_, Option<Iso>>(0)?.map(|Iso(day)| day),
            up: row.get(1)?,
            last_round: instant(2)?,
            last_success: instant(3)?,
            round_seconds: row.get(4)?,
            error: row.get::<_, Option<String>>(5)?.map(|text| SourceError { text, kind }),
        }))
    })?;
    Ok(intact("status", states)?.pop())
}
