//! How the program's own tables of an older version become those of this one.

use std::path::Path;

use rusqlite::Transaction;

use super::column::columns_of;

/// The program's own tables as version 1 first had them; `source.company`, `status.error_kind` and `clock` came later.
pub(super) const VERSION_1: &str = "
CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL, account TEXT NOT NULL, UNIQUE (name, account));
CREATE TABLE target (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, day TEXT NOT NULL);
CREATE TABLE definition (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, day TEXT NOT NULL);
CREATE TABLE answer (
    source INTEGER NOT NULL, day TEXT NOT NULL, target INTEGER NOT NULL, definition INTEGER NOT NULL,
    state TEXT NOT NULL, code INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    answers INTEGER NOT NULL, PRIMARY KEY (source, day, target)
) WITHOUT ROWID;
CREATE TABLE status (
    source INTEGER PRIMARY KEY, shown TEXT, up INTEGER NOT NULL, last_round INTEGER, last_success INTEGER,
    round_seconds REAL, error TEXT
);
CREATE TABLE list (
    vendor TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, day TEXT NOT NULL, found TEXT NOT NULL,
    PRIMARY KEY (vendor, account, key)
);
CREATE TABLE name (
    info TEXT NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL, parent TEXT, name TEXT, day TEXT NOT NULL,
    PRIMARY KEY (info, account, id)
) WITHOUT ROWID;
";

/// The columns that version 1 got later, by their table.
const LATER: [(&str, &str, &str); 2] = [
    ("source", "company", "ALTER TABLE source ADD COLUMN company TEXT"),
    ("status", "error_kind", "ALTER TABLE status ADD COLUMN error_kind TEXT"),
];

/// What version 2 has in another form. A column can't be given another type: so `answer` is written anew.
const VERSION_2: &str = "
CREATE TABLE IF NOT EXISTS clock (day TEXT PRIMARY KEY) WITHOUT ROWID;
ALTER TABLE list RENAME COLUMN vendor TO platform;
ALTER TABLE answer RENAME TO answer_of_version_1;
CREATE TABLE answer (
    source INTEGER NOT NULL, day TEXT NOT NULL, target INTEGER NOT NULL, definition INTEGER NOT NULL,
    state TEXT NOT NULL, code TEXT, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    answers INTEGER NOT NULL, PRIMARY KEY (source, day, target)
) WITHOUT ROWID;
INSERT INTO answer (source, day, target, definition, state, code, first_at, last_at, answers)
    SELECT source, day, target, definition, state, iif(state = 'refused', CAST(code AS TEXT), NULL),
        first_at, last_at, answers
    FROM answer_of_version_1 ORDER BY source, day, target;
DROP TABLE answer_of_version_1;
";

/// Brings the tables of `file` from version 1 to version 2.
///
/// # Errors
/// As SQLite says.
pub(super) fn from_version_1(transaction: &Transaction<'_>, file: &Path) -> rusqlite::Result<()> {
    let answers: i64 = transaction.query_row("SELECT count(*) FROM answer", [], |row| row.get(0))?;
    tracing::info!(
        file = %file.display(),
        answers,
        "bringing the store to schema 2, which older versions of this program can't open; a million answers take a few \
         seconds"
    );
    for (table, column, sql) in LATER {
        if !columns_of(transaction, table)?.contains(column) {
            transaction.execute_batch(sql)?;
        }
    }
    transaction.execute_batch(VERSION_2)
}
