//! Setting a damaged file aside.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

/// What SQLite keeps beside a file: the log, its index, and the journal of files that are not yet in WAL mode.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Lies beside a file in which damage was met after it was opened: opening reads only little of a file.
const SUSPECT: &str = "-suspect";

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
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(code, Some(verdict)));
    }
    let _ = fs::remove_file(note);
    Ok(())
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
        // The log keeps its name's form, so that SQLite finds it when somebody tries to recover the file.
        match fs::rename(beside(file, end), beside(&aside, end)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(file, &aside)?;
    let _ = fs::remove_file(beside(file, SUSPECT));
    Ok(aside)
}
