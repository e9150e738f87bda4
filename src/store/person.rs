//! Forgetting one person.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::column::quoted;
use crate::source::{ListEntry, Table, Target, lists_people};

/// What was stored of a person, and is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgetCounts {
    /// Rows of figures.
    pub figures: usize,
    /// Entries of the ledger.
    pub answers: usize,
    /// Entries of lists.
    pub entries: usize,
    /// Names.
    pub names: usize,
    /// Definitions of teams, as they were asked for.
    pub definitions: usize,
    /// Damaged files that were set aside, with what lay beside them.
    pub damaged_files: usize,
    /// Whether another process kept the log from being emptied, so that it may still hold what is gone.
    pub log_remains: bool,
}

impl ForgetCounts {
    /// Whether the store's tables had anything of the person.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        [self.figures, self.answers, self.entries, self.names, self.definitions] == [0; 5]
    }
}

/// Forgets the person `id` of `account`, whose id has no ASCII case, in all tables.
///
/// # Errors
/// As SQLite says; nothing is forgotten then.
pub(super) fn forget(
    connection: &mut Connection,
    tables: &[&Table],
    account: &str,
    id: &str,
) -> rusqlite::Result<ForgetCounts> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut forgotten = ForgetCounts::default();
    for table in tables {
        let Some(person) = table.person else { continue };
        let sql =
            format!("DELETE FROM {} WHERE account = ? AND {} = ? COLLATE NOCASE", quoted(table.prefix), quoted(person));
        forgotten.figures += transaction.execute(&sql, [account, id])?;
        forgotten.answers += forget_targets(&transaction, table, account, id)?;
    }
    forgotten.names =
        transaction.execute("DELETE FROM name WHERE account = ? AND id = ? COLLATE NOCASE", [account, id])?;
    forgotten.entries = forget_entries(&transaction, account, id)?;
    forgotten.definitions = forget_definitions(&transaction, account, id)?;
    transaction.execute(
        "UPDATE status SET error = NULL WHERE source IN (SELECT id FROM source WHERE account = ?)
            AND instr(lower(error), lower(?)) > 0",
        [account, id],
    )?;
    transaction.commit()?;
    Ok(forgotten)
}

/// Forgets what was answered for the person's targets, and the targets that no other account has.
fn forget_targets(transaction: &Transaction<'_>, table: &Table, account: &str, id: &str) -> rusqlite::Result<usize> {
    let end = Target::key_of(table, &[id.to_owned()])[table.prefix.len()..].to_owned();
    let is_of_person = |key: &str| {
        let before = key.len().checked_sub(end.len()).filter(|at| key.is_char_boundary(*at));
        let Some((before, last)) = before.map(|at| key.split_at(at)) else { return false };
        // A slash in an id stands behind a backslash.
        last.eq_ignore_ascii_case(&end) && before.starts_with(table.prefix) && !before.ends_with('\\')
    };
    let begin = format!("{}/", table.prefix);
    let mut targets = transaction.prepare("SELECT id, key FROM target WHERE substr(key, 1, length(?1)) = ?1")?;
    let targets = targets.query_map([&begin], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut forgotten = 0;
    for target in targets {
        let (target, key) = target?;
        if is_of_person(&key) {
            forgotten += transaction.execute(
                "DELETE FROM answer WHERE target = ? AND source IN (SELECT id FROM source WHERE account = ?)",
                params![target, account],
            )?;
            let sql = "DELETE FROM target WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM answer WHERE target = ?1)";
            transaction.execute(sql, [target])?;
        }
    }
    Ok(forgotten)
}

/// Takes the person out of the account's lists of people.
fn forget_entries(transaction: &Transaction<'_>, account: &str, id: &str) -> rusqlite::Result<usize> {
    let mut forgotten = 0;
    for (list, mut entries) in people_lists(transaction, account)? {
        let before = entries.len();
        entries.retain(|entry| !entry.id.eq_ignore_ascii_case(id));
        if entries.len() < before {
            forgotten += before - entries.len();
            let found = serde_json::to_string(&entries)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            transaction.execute("UPDATE list SET found = ? WHERE rowid = ?", params![found, list])?;
        }
    }
    Ok(forgotten)
}

/// Blots out the definitions of the account's teams that name the person: the teams are asked for anew.
fn forget_definitions(transaction: &Transaction<'_>, account: &str, id: &str) -> rusqlite::Result<usize> {
    let named = serde_json::to_string(id).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sql = "UPDATE definition SET text = 'a person was forgotten: ' || id
        WHERE instr(lower(text), lower(?)) > 0 AND id IN (
            SELECT definition FROM answer WHERE source IN (SELECT id FROM source WHERE account = ?))";
    transaction.execute(sql, [named.as_str(), account])
}

/// Forgets the names of the account's people: those of `infos`, and those in lists. Tells how many there were.
///
/// # Errors
/// As SQLite says; nothing is forgotten then.
pub(super) fn forget_names(connection: &mut Connection, account: &str, infos: &[&str]) -> rusqlite::Result<usize> {
    // Read first: mostly there is nothing to do, and nothing to be written.
    let lists: Vec<_> = people_lists(connection, account)?;
    let named = lists.iter().filter(|(_, entries)| entries.iter().any(|entry| entry.name.is_some()));
    let transaction = connection.unchecked_transaction()?;
    let mut forgotten = 0;
    for (list, entries) in named {
        forgotten += entries.iter().filter(|entry| entry.name.is_some()).count();
        let bare: Vec<_> = entries.iter().map(|entry| ListEntry { name: None, ..entry.clone() }).collect();
        let found =
            serde_json::to_string(&bare).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        transaction.execute("UPDATE list SET found = ? WHERE rowid = ?", params![found, list])?;
    }
    for info in infos {
        forgotten += transaction.execute("DELETE FROM name WHERE account = ? AND info = ?", [account, info])?;
    }
    transaction.commit()?;
    Ok(forgotten)
}

/// Ids of people that are stored of the account: those of its oldest figures, and of lists that hold no pseudonyms.
///
/// # Errors
/// As SQLite says.
pub(super) fn oldest_ids(connection: &Connection, tables: &[&Table], account: &str) -> rusqlite::Result<Vec<String>> {
    let mut ids = Vec::new();
    for table in tables {
        let Some(person) = table.person else { continue };
        let (name, person) = (quoted(table.prefix), quoted(person));
        let sql = format!("SELECT {person} FROM {name} WHERE account = ? ORDER BY day LIMIT 100");
        let mut found = connection.prepare(&sql)?;
        let found = found.query_map([account], |row| row.get(0))?;
        ids.extend(found.collect::<rusqlite::Result<Vec<String>>>()?);
    }
    for (_, entries) in people_lists(connection, account)? {
        ids.extend(entries.into_iter().map(|entry| entry.id));
    }
    Ok(ids)
}

/// The account's lists of people that can be read: number and entries.
fn people_lists(connection: &Connection, account: &str) -> rusqlite::Result<Vec<(i64, Vec<ListEntry>)>> {
    let mut lists = connection.prepare("SELECT rowid, key, found FROM list WHERE account = ?")?;
    let lists = lists
        .query_map([account], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    let mut of_people = Vec::new();
    for list in lists {
        let (list, key, found) = list?;
        if lists_people(&key)
            && let Ok(entries) = serde_json::from_str(&found)
        {
            of_people.push((list, entries));
        }
    }
    Ok(of_people)
}
