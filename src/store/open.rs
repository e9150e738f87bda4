//! Opening the file: rights, damage, and how SQLite is to work.

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::StoreError;
use super::{damage, schema};
use crate::source::Table;

/// The file's name in its directory.
const NAME: &str = "imstats.db";

/// More than the statements of all tables, so that none is prepared twice.
const STATEMENTS: usize = 128;

/// A store in memory.
///
/// # Errors
/// As SQLite says.
pub(super) fn memory(tables: &[&'static Table]) -> Result<Connection, StoreError> {
    let path = Path::new(":memory:");
    let mut connection = Connection::open_in_memory().map_err(|error| StoreError::of(path, &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    schema::bring_up(&mut connection, path, tables)?;
    Ok(connection)
}

/// The store's file in `dir`.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// Who else may read or change the store, in words.
pub(super) fn remarks(dir: &Path) -> Vec<String> {
    let (file, mut remarks) = (path(dir), Vec::new());
    let mode = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.mode());
    // Groups have rights where a platform gives them, as Kubernetes does with fsGroup.
    if mode(dir) & 0o002 != 0 {
        remarks.push(format!("everybody on this machine may replace the store in {}: chmod o-w it", dir.display()));
    }
    let reached = mode(dir) & 0o001 != 0 && mode(&file) & 0o006 != 0;
    if reached {
        let may = if mode(&file) & 0o002 != 0 { "change" } else { "read" };
        remarks.push(format!("everybody on this machine may {may} the figures in {}: chmod 600 it", file.display()));
    }
    if fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_symlink()) {
        remarks.push(format!("{} is a symbolic link: the figures are where it points to", file.display()));
    }
    remarks
}

/// The device that `dir` is on, or where it does not exist, the folder that it would be made in.
pub(super) fn device(dir: &Path) -> Option<u64> {
    dir.ancestors().find_map(|folder| fs::metadata(folder).ok()).map(|metadata| metadata.dev())
}

/// The device and number by which the system knows `file`.
pub(super) fn identity(file: &Path) -> Option<(u64, u64)> {
    fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The file in `dir`, and where a damaged one was moved to, if it `may_be_replaced`. Another process that writes is
/// waited for as long as `lock`.
///
/// # Errors
/// Those of [`super::Store::open`].
pub(super) fn file(
    dir: &Path,
    tables: &[&'static Table],
    may_be_replaced: bool,
    lock: Duration,
) -> Result<(Connection, Option<PathBuf>), StoreError> {
    let file = path(dir);
    create_file(dir, &file)?;
    match writer(&file, tables, lock) {
        Ok(connection) => Ok((connection, None)),
        Err(StoreError::Damaged { .. }) if may_be_replaced => {
            let aside = damage::set_aside(&file).map_err(|error| StoreError::of_system(&file, &error))?;
            create_file(dir, &file)?;
            Ok((writer(&file, tables, lock)?, Some(aside)))
        }
        Err(error) => Err(error),
    }
}

/// A connection that reads `file` in `dir` where it can't be written, as on a file system that is read-only or full.
///
/// # Errors
/// [`StoreError::LogLeft`] where its last program was killed, else as SQLite says.
pub(super) fn frozen(file: &Path, tables: &[&'static Table]) -> Result<Connection, StoreError> {
    // SQLite would need to write to read the log of a program that was killed.
    let log = damage::beside(file, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(StoreError::LogLeft { path: file.to_owned() });
    }
    let explain = |error| StoreError::of(file, &error);
    // The file cannot change, so it needs no locks, which would need files beside it.
    let mut uri = "file:".to_owned();
    for byte in file.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags).map_err(explain)?;
    connection.pragma_update(None, "temp_store", "FILE").map_err(explain)?;
    connection.pragma_update(None, "cell_size_check", true).map_err(explain)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let found = schema::check_version(&connection, file)?;
    let lacking = if found < schema::VERSION {
        Some(format!("its schema is {found}, and this version needs schema {}", schema::VERSION))
    } else {
        schema::lacking_of(&connection, tables).map_err(explain)?
    };
    if let Some(reason) = lacking {
        let reason =
            format!("{reason}, and can't be given it where it can't be written: copy it to where this user may write");
        return Err(StoreError::Failed { path: file.to_owned(), reason });
    }
    Ok(connection)
}

/// Puts the log into the file, and empties it: it may have what was deleted. Tells whether that was
/// possible: a process that reads for long may keep it from that.
///
/// # Errors
/// As SQLite says.
pub(super) fn empty_log(connection: &mut Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0).map(|busy: i64| busy == 0))
}

/// A connection to `file` that only reads. Another process that has it locked is waited for as long as `lock`.
///
/// # Errors
/// As SQLite says.
pub(super) fn reader(file: &Path, lock: Duration) -> rusqlite::Result<Connection> {
    // Not opened read-only: that could not recover the log of a process that was killed.
    let connection = connect(file, lock)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// What was found where the file is to be.
#[derive(Debug, Default)]
pub(super) struct Site {
    /// Whether the folder was not there, and was made.
    pub(super) folder_made: bool,
    /// Whether the file was there.
    pub(super) file_existed: bool,
    /// The device that the folder is on.
    pub(super) device: Option<u64>,
}

/// Creates the folder and the file where they do not exist yet; tells what was found. It ends only when the disk has
/// answered.
pub(super) fn create(dir: &Path) -> (Site, Result<(), StoreError>) {
    let file = path(dir);
    let (folder_existed, file_existed) = (dir.exists(), file.exists());
    let created = create_file(dir, &file);
    // A file that is there is opened on a frozen file system as well; setting its rights, though to the same, waits.
    if let Ok(metadata) = fs::metadata(&file) {
        let _ = fs::set_permissions(&file, metadata.permissions());
    }
    (Site { folder_made: !folder_existed && dir.exists(), file_existed, device: device(dir) }, created)
}

/// Creates what does not exist yet, for the owner only; SQLite gives its log the rights of the file.
fn create_file(dir: &Path, file: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| StoreError::of_system(dir, &error))?;
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file);
    opened.map(drop).map_err(|error| StoreError::of_system(file, &error))
}

fn writer(file: &Path, tables: &[&'static Table], lock: Duration) -> Result<Connection, StoreError> {
    let explain = |error| StoreError::of(file, &error);
    let mut connection = connect(file, lock).map_err(explain)?;
    let found = schema::check_version(&connection, file)?;
    damage::check_suspect(&connection, file).map_err(explain)?;
    if (1..schema::VERSION).contains(&found) && !is_alone(&connection).map_err(explain)? {
        return Err(StoreError::InUse { path: file.to_owned(), found, known: schema::VERSION });
    }
    // Before the log is turned on, which would have to hold all that an upgrade writes.
    schema::bring_up(&mut connection, file, tables)?;
    enter_wal(&connection, lock).map_err(explain)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Turns the write-ahead log off, which SQLite does only where no other process has the file open; tells whether it did.
///
/// # Errors
/// As SQLite says.
fn is_alone(connection: &Connection) -> rusqlite::Result<bool> {
    match connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0)) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
        mode => Ok(mode?.eq_ignore_ascii_case("delete")),
    }
}

fn connect(file: &Path, lock: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(lock)?;
    // FULL: what was committed is there after a power failure. It costs a sync per commit, of which there are few.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Sorting a large history must not take memory.
    connection.pragma_update(None, "temp_store", "FILE")?;
    // Finds damaged pages when they are read, before anything is made of them.
    connection.pragma_update(None, "cell_size_check", true)?;
    // What is deleted is overwritten: deleted rows would be legible in the file, and in each backup of it, for long.
    connection.pragma_update(None, "secure_delete", true)?;
    // Gives space back after a long backfill.
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    Ok(connection)
}

/// Turns the write-ahead log on: readers and the writer then do not wait for each other.
///
/// # Errors
/// As SQLite says.
fn enter_wal(connection: &Connection, lock: Duration) -> rusqlite::Result<()> {
    let deadline = Instant::now() + lock;
    loop {
        // SQLite does not wait by itself where two processes do this at once. Where a file system has no shared
        // memory, the mode stays as it is, which is slower but as safe.
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                sleep(Duration::from_millis(20));
            }
            entered => return entered.map(drop),
        }
    }
}
