//! What can be wrong with the store, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ErrorCode;

use super::damage;
use crate::day::Day;

/// Why the store did not do what was asked; it is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the file cannot be used as it is: the operator has to do something.
    #[error("{}: {reason}; the storage path must be a directory that this user may write to, or empty for memory", path.display())]
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A newer version wrote the file: the operator has to upgrade, or to choose another directory.
    #[error("{} was written by a newer version (schema {found}, known is {known}); run that version, or use another storage path", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest one that this program knows.
        known: i64,
    },
    /// An older version wrote the file, and another process has it open: it would not know the tables of this version.
    #[error("{} is of schema {found}, and can't be brought to schema {known} while another process has it open: end that first (an older version of this program?)", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The one of this program.
        known: i64,
    },
    /// The file is of another program, or has a table of ours with other keys.
    #[error("{} has a table {table} that is not of this program or has other columns; move the file away, or use another storage path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The table.
        table: String,
    },
    /// The name of an account was given to another company: the operator has to choose another one.
    #[error(
        "{source_name} of account {account}: the store has figures of {stored} under this name, and {company} is another company; give the account another name, or use another storage path"
    )]
    OtherCompany {
        /// The source.
        source_name: &'static str,
        /// The account.
        account: String,
        /// Whose figures are stored.
        stored: String,
        /// Whose the account is now.
        company: String,
    },
    /// The file is damaged: opening it again sets it aside.
    #[error("{} is damaged ({reason}); restart the program, which then checks the file, sets it aside and begins a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// The file was deleted, or another was put in its place: works when it is opened again.
    #[error("{} is gone or was replaced by another file", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// The file is on a file system that is read-only: works when that can be written.
    #[error("{} is on a read-only file system; the storage path must be a directory that this user may write to", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file can't be written, and so the log of a program that was killed can't be read.
    #[error("{} can't be written here, and its -wal has what a program that was killed wrote last: copy both files to where this user may write", path.display())]
    LogLeft {
        /// The file.
        path: PathBuf,
    },
    /// The folder of the file is gone, and so is the disk that it was on: works when that is mounted again.
    #[error("{} is gone, and its folder is on another disk than before: is a disk not mounted?", path.display())]
    Unmounted {
        /// The file.
        path: PathBuf,
    },
    /// The disk does not answer: works when it does.
    #[error("{}: the disk has not answered for {seconds} s: it hangs, or is far too slow", path.display())]
    Hung {
        /// The file.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// There is no space left: works again when there is.
    #[error("no space left for {} or SQLite's temporary files; free some, or shorten the retention", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The disk does not take or give what it should: works when it does again, or after a restart.
    #[error("{}: {reason}: the disk fails or has become read-only, or files may not grow (ulimit -f); the system's log may tell more", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// Another process kept the file locked for too long: works when asked again.
    #[error("{} is locked by another process; try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The caller gave a row that is not one of its target on a day asked for; nothing was recorded.
    #[error("a row of {table} on {day} does not belong to what was asked")]
    Misfit {
        /// The table.
        table: &'static str,
        /// The row's day.
        day: Day,
    },
    /// The program is ending, or the machine has no thread or memory left: works when there is.
    #[error("the work was interrupted: the program is ending, or the machine has no threads or memory left")]
    Interrupted,
    /// Anything else that SQLite says.
    #[error("{} failed: {reason}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
}

impl StoreError {
    /// That of a disk which was waited for that long.
    pub(super) fn hung(path: PathBuf, patience: Duration) -> Self {
        Self::Hung { path, seconds: patience.as_secs() }
    }

    /// Whether the file can't be written now, and figures are to be kept in memory until it can.
    pub(super) fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Unusable { .. }
            | Self::Damaged { .. }
            | Self::Gone { .. }
            | Self::ReadOnly { .. }
            | Self::Unmounted { .. }
            | Self::LogLeft { .. }
            | Self::Hung { .. }
            | Self::Full { .. }
            | Self::Disk { .. }
            | Self::Busy { .. }
            | Self::Failed { .. } => true,
            Self::Newer { .. } | Self::InUse { .. } | Self::Foreign { .. } | Self::OtherCompany { .. } => false,
            Self::Misfit { .. } | Self::Interrupted => false,
        }
    }

    /// What the system says of the file or directory `path`.
    pub(super) fn of_system(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Unusable { path, reason: error.to_string() },
        }
    }

    /// What `error` means for the file `path`.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        // The index of the log is the first to find no space.
        if error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
            return Self::Full { path };
        }
        match error.sqlite_error_code() {
            _ if damage::is_foreign(error) => Self::Damaged { path, reason: error.to_string() },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, reason: error.to_string() }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::SystemIoFailure) => Self::Disk { path, reason: error.to_string() },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::Unusable { path, reason: error.to_string() }
            }
            _ => Self::Failed { path, reason: error.to_string() },
        }
    }
}
