//! How days, instants and names are written in columns and in SQL, and which columns a table has.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

use crate::day::Day;

/// A day, as ISO text: people read it, and its order is that of the calendar.
pub(super) struct Iso(pub(super) Day);

impl FromSql for Iso {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for Iso {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

/// An instant, as milliseconds since the epoch.
pub(super) struct Millis(pub(super) Timestamp);

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Timestamp::from_millisecond(value.as_i64()?).map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for Millis {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_millisecond().into())
    }
}

/// An instant, as seconds since the epoch: what people write `datetime(fetched_at, 'unixepoch')` around.
pub(super) struct Seconds(pub(super) Timestamp);

impl FromSql for Seconds {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Timestamp::from_second(value.as_i64()?).map(Self).map_err(FromSqlError::other)
    }
}

/// `name` as an identifier in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The columns of `table`, in lower case, as SQL does not tell cases apart; none where there is no such table.
///
/// # Errors
/// As SQLite says.
pub(super) fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<BTreeSet<String>> {
    let mut info = connection.prepare("SELECT lower(name) FROM pragma_table_info(?1)")?;
    info.query_map([table], |row| row.get(0))?.collect()
}
