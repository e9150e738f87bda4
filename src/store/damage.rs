//! Damage: what is not as it was written is left out, and a file that is no database any more is set aside.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

/// What SQLite keeps beside a file: the log, its index, and the journal of files that are not yet in WAL mode.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Lies beside a file in which damage was met after it was opened: opening reads only little of a file.
const SUSPECT: &str = "-suspect";

/// Counts the rows of a table that are not as they were written.
pub(super) struct RowSieve<'a> {
    table: &'a str,
    rows: usize,
}

impl<'a> RowSieve<'a> {
    /// None yet of `table`.
    pub(super) fn of(table: &'a str) -> Self {
        Self { table, rows: 0 }
    }

    /// What was read; `None` where it is nothing that was ever written: then it is left out, as if it were not there.
    ///
    /// # Errors
    /// Those that are not about what a row holds.
    pub(super) fn sieve<T>(&mut self, read: rusqlite::Result<Option<T>>) -> rusqlite::Result<Option<T>> {
        match read {
            Ok(None) => {}
            Err(error) if is_foreign(&error) => {}
            read => return read,
        }
        self.rows += 1;
        Ok(None)
    }

    /// Logs how many there were.
    pub(super) fn tell(self) {
        let Self { table, rows } = self;
        if rows > 0 {
            tracing::warn!(
                table,
                rows,
                "rows of the store are damaged: they are left out until they are fetched again"
            );
        }
    }
}

/// Whether `error` says that something stored is nothing that we ever write.
pub(super) fn is_foreign(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..))
}

/// What was read of `table`, without the rows that are not as they were written.
///
/// # Errors
/// As SQLite says.
pub(super) fn intact<T>(
    table: &str,
    read: impl Iterator<Item = rusqlite::Result<Option<T>>>,
) -> rusqlite::Result<Vec<T>> {
    let mut left_out = RowSieve::of(table);
    let rows = read.filter_map(|row| left_out.sieve(row).transpose()).collect();
    left_out.tell();
    rows
}

/// `file` with `end` after its name.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// Notes that `file` must be read as a whole when it is opened next.
pub(super) fn suspect(file: &Path) {
    // Best effort: without the note the damage is met again, and noted then.
    let _ = fs::write(beside(file, SUSPECT), "");
}

/// Reads all of `file`, if it was noted as suspect.
///
/// # Errors
/// SQLite's `SQLITE_CORRUPT`, with what is wrong.
pub(super) fn check_suspect(connection: &Connection, file: &Path) -> rusqlite::Result<()> {
    let note = beside(file, SUSPECT);
    if !note.exists() {
        return Ok(());
    }
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(code, Some(verdict)));
    }
    let _ = fs::remove_file(note);
    Ok(())
}

/// The damaged files that were set aside beside `file`, with what SQLite kept beside them, and the second in their
/// names.
///
/// # Errors
/// What the system says.
pub(super) fn aside(file: &Path) -> std::io::Result<Vec<(PathBuf, i64)>> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return Ok(Vec::new()) };
    let begin = format!("{}.damaged-", name.to_string_lossy());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let end = path.file_name().and_then(|name| name.to_str()?.strip_prefix(&begin));
        let seconds = end.and_then(|end| end.split('-').next()?.parse().ok());
        found.extend(seconds.map(|seconds| (path, seconds)));
    }
    Ok(found)
}

/// Deletes the damaged files that were set aside beside `file` before `end`; tells how many.
///
/// # Errors
/// What the system says.
pub(super) fn forget_aside(file: &Path, end: Timestamp) -> std::io::Result<usize> {
    let old: Vec<_> = aside(file)?.into_iter().filter(|(_, seconds)| *seconds < end.as_second()).collect();
    for (path, _) in &old {
        fs::remove_file(path)?;
    }
    Ok(old.len())
}

/// Moves `file`, and what SQLite keeps beside it, out of the way; tells where to.
///
/// # Errors
/// What the system says.
pub(super) fn set_aside(file: &Path) -> std::io::Result<PathBuf> {
    let mut seconds = Timestamp::now().as_second();
    let mut aside = beside(file, &format!(".damaged-{seconds}"));
    while aside.exists() {
        seconds += 1;
        aside = beside(file, &format!(".damaged-{seconds}"));
    }
    for end in BESIDE {
        // The log keeps its name's form, so that SQLite finds it when the file is to be recovered.
        match fs::rename(beside(file, end), beside(&aside, end)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(file, &aside)?;
    let _ = fs::remove_file(beside(file, SUSPECT));
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_damaged_row_is_left_out_and_counted_once() {
        let mut sieve = RowSieve::of("answer");
        assert_eq!(sieve.sieve(Ok(Some(7))), Ok(Some(7)));
        assert_eq!(sieve.sieve::<i64>(Ok(None)), Ok(None));
        assert_eq!(sieve.sieve::<i64>(Err(rusqlite::Error::IntegralValueOutOfRange(0, -1))), Ok(None));
        assert_eq!(sieve.rows, 2);
        let no_damage = rusqlite::Error::InvalidQuery;
        assert_eq!(sieve.sieve::<i64>(Err(no_damage)), Err(rusqlite::Error::InvalidQuery));
        assert_eq!(sieve.rows, 2);
    }
}
