//! Forgetting what is older than the retention.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::Inner;
use super::column::{Iso, quoted};
use crate::day::Day;

/// So many days after the newest day with figures it may be, where all is well.
const MOST_LAG: i64 = 7;

/// Forgets all that is older than `days` days `today`; tells how many rows of figures these were.
///
/// # Errors
/// As SQLite says.
pub(super) fn forget(inner: &Inner, today: Day, days: u32) -> rusqlite::Result<u64> {
    // A clock that is ahead must not cost the history: no platform has figures of days to come.
    let today = newest(inner)?.map_or(today, |newest| today.min(newest.plus(MOST_LAG)));
    let day = today.plus(-i64::from(days));
    let mut forgotten = 0;
    for table in &inner.tables {
        let name = quoted(table.prefix);
        let oldest = format!("SELECT day FROM {name} WHERE day < ? ORDER BY day LIMIT 1");
        let delete = format!("DELETE FROM {name} WHERE day = ?");
        // The lock is taken anew for each day: after a shortened retention there may be hundreds.
        while let Some(rows) = forget_oldest(&inner.lock(), &oldest, &delete, day)? {
            forgotten += rows;
        }
    }
    // Not in the head of the loop, which would keep the lock.
    let sources_known = sources(&inner.lock())?;
    for source in sources_known {
        let oldest = format!("SELECT day FROM answer WHERE source = {source} AND day < ? ORDER BY day LIMIT 1");
        let delete = format!("DELETE FROM answer WHERE source = {source} AND day = ?");
        while forget_oldest(&inner.lock(), &oldest, &delete, day)?.is_some() {}
    }
    forget_unused(&mut inner.lock(), day)?;
    Ok(forgotten)
}

/// The newest day with figures.
fn newest(inner: &Inner) -> rusqlite::Result<Option<Day>> {
    let connection = inner.lock();
    let mut newest = None;
    for table in &inner.tables {
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

fn forget_unused(connection: &mut Connection, day: Day) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have recorded old days since: a number without a text would be given away again.
    for source in sources(&transaction)? {
        transaction.execute("DELETE FROM answer WHERE source = ? AND day < ?", params![source, Iso(day)])?;
    }
    for table in ["target", "definition", "list", "name"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE day < ?"), [Iso(day)])?;
    }
    transaction.commit()
}
