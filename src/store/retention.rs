//! Forgetting what is older than the retention.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::column::{Iso, quoted};
use crate::day::{Day, Zone};
use crate::source::Table;

/// So many days after the newest day with figures it may be, where all is well.
const MOST_LAG: i64 = 7;

/// A clock that is further ahead of the figures counts as right when the program ran on so many of its days: where the
/// figures have stopped, old ones are to go nevertheless.
const DAYS_TO_TRUST: i64 = 14;

/// Notes that the program runs on `today`, and tells before which day all is to be forgotten.
///
/// # Errors
/// As SQLite says.
pub(super) fn begin(connection: &mut Connection, tables: &[&Table], today: Day, days: u32) -> rusqlite::Result<Day> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let noted = |sql: &str| transaction.prepare_cached(sql)?.execute([Iso(today)]);
    // A clock that was set back was ahead.
    noted("DELETE FROM clock WHERE day > ?")?;
    noted("INSERT OR IGNORE INTO clock (day) VALUES (?)")?;
    let newest = newest(&transaction, tables)?;
    let today = match newest {
        // A clock that is ahead must not cost the history: no platform has figures of days to come.
        Some(newest) if today > newest.plus(MOST_LAG) && !is_trusted(&transaction, newest)? => newest.plus(MOST_LAG),
        _ => today,
    };
    let before = today.plus(-i64::from(days));
    transaction.execute(
        "DELETE FROM clock WHERE day NOT IN (SELECT day FROM clock ORDER BY day DESC LIMIT ?)",
        [DAYS_TO_TRUST],
    )?;
    transaction.commit()?;
    Ok(before)
}

/// When what was set aside before `day` began was set aside.
pub(super) fn end_of(day: Day) -> Timestamp {
    day.midnight(&Zone::china())
}

fn is_trusted(connection: &Connection, newest: Day) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) >= ? FROM clock WHERE day > ?";
    connection.prepare_cached(sql)?.query_row(params![DAYS_TO_TRUST, Iso(newest)], |row| row.get(0))
}

/// Forgets the oldest day of figures or answers before `day`; tells how many rows of figures it had, or `None` where
/// there was none.
///
/// # Errors
/// As SQLite says.
pub(super) fn forget_a_day(connection: &Connection, tables: &[&Table], day: Day) -> rusqlite::Result<Option<u64>> {
    for table in tables {
        let name = quoted(table.prefix);
        let oldest = format!("SELECT day FROM {name} WHERE day < ? ORDER BY day LIMIT 1");
        let delete = format!("DELETE FROM {name} WHERE day = ?");
        if let Some(rows) = forget_oldest(connection, &oldest, &delete, day)? {
            return Ok(Some(rows));
        }
    }
    for source in sources(connection)? {
        let oldest = format!("SELECT day FROM answer WHERE source = {source} AND day < ? ORDER BY day LIMIT 1");
        let delete = format!("DELETE FROM answer WHERE source = {source} AND day = ?");
        if forget_oldest(connection, &oldest, &delete, day)?.is_some() {
            return Ok(Some(0));
        }
    }
    Ok(None)
}

/// Forgets what nothing refers to since that day; tells how many rows that were.
///
/// # Errors
/// As SQLite says.
pub(super) fn forget_unused(connection: &mut Connection, day: Day) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut forgotten = 0;
    // Another process may have recorded old days since: a number without a text would be given away again.
    for source in sources(&transaction)? {
        forgotten +=
            transaction.execute("DELETE FROM answer WHERE source = ? AND day < ?", params![source, Iso(day)])?;
    }
    for table in ["target", "definition", "list", "name"] {
        forgotten += transaction.execute(&format!("DELETE FROM {table} WHERE day < ?"), [Iso(day)])?;
    }
    transaction.commit()?;
    Ok(forgotten)
}

/// The newest day with figures.
fn newest(connection: &Connection, tables: &[&Table]) -> rusqlite::Result<Option<Day>> {
    let mut newest = None;
    for table in tables {
        let sql = format!("SELECT day FROM {} ORDER BY day DESC LIMIT 1", quoted(table.prefix));
        let found = connection.prepare_cached(&sql)?.query_row([], |row| row.get::<_, Iso>(0)).optional()?;
        newest = newest.max(found.map(|Iso(day)| day));
    }
    Ok(newest)
}

fn sources(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    connection.prepare("SELECT id FROM source")?.query_map([], |row| row.get(0))?.collect()
}

/// Deletes the oldest day before `day`; tells how many rows it had, or `None` where there was none.
fn forget_oldest(connection: &Connection, oldest: &str, delete: &str, day: Day) -> rusqlite::Result<Option<u64>> {
    let found = connection.prepare_cached(oldest)?.query_row([Iso(day)], |row| row.get::<_, Iso>(0)).optional()?;
    let Some(found) = found else { return Ok(None) };
    connection.prepare_cached(delete)?.execute([found]).map(|rows| Some(rows as u64))
}
