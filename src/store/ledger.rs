//! The ledger: what was answered, for which target, for which day and when.

use std::collections::{BTreeMap, HashMap, hash_map};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, Transaction, TransactionBehavior, params};

use super::column::{Iso, Millis};
use super::damage::intact;
use super::entry::PendingAnswer;
use super::error::StoreError;
use super::rows::RowWriter;
use super::{AnswerState, DayState, LedgerEntry, TargetAnswer};
use crate::day::{Day, Days};
use crate::platform::ErrorCode;
use crate::source::Subject;

const UPSERT: &str = "
INSERT INTO answer (source, day, target, definition, state, code, first_at, last_at, answers)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (source, day, target) DO UPDATE SET
    first_at = iif(definition = excluded.definition, first_at, excluded.first_at),
    answers = iif(definition = excluded.definition, answers + excluded.answers, excluded.answers),
    definition = excluded.definition, state = excluded.state, code = excluded.code, last_at = excluded.last_at";

const SELECT: &str = "
SELECT answer.day, target.key, definition.text, state, first_at, last_at, answers, code
FROM answer JOIN target ON target.id = answer.target JOIN definition ON definition.id = answer.definition
WHERE answer.source = ?1 AND answer.day BETWEEN ?2 AND ?3 ORDER BY answer.day, answer.target";

impl FromSql for AnswerState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "ok" => Ok(Self::Ok),
            "no_data" => Ok(Self::NoData),
            "refused" => Ok(Self::Refused),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl ToSql for AnswerState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Ok => "ok".into(),
            Self::NoData => "no_data".into(),
            Self::Refused => "refused".into(),
        })
    }
}

impl FromSql for ErrorCode {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::new(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for ErrorCode {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

/// Makes sure that every row is one of its target on a day asked for: no later answer would replace any other.
///
/// # Errors
/// [`StoreError::Misfit`] where one is not.
pub(super) fn check(answers: &[TargetAnswer]) -> Result<(), StoreError> {
    for TargetAnswer { target, days, rows } in answers {
        let Ok(rows) = rows else { continue };
        let table = target.table;
        let fits = |labels: &[String], values: usize| {
            labels.len() == table.labels.len() && labels.starts_with(&target.labels) && values == table.fields.len()
        };
        if let Some(row) = rows.iter().find(|row| !days.contains(row.day) || !fits(&row.labels, row.values.len())) {
            return Err(StoreError::Misfit { table: table.prefix, day: row.day });
        }
    }
    Ok(())
}

/// Records `answers` in one transaction.
///
/// # Errors
/// As SQLite says.
pub(super) fn record(
    connection: &mut Connection,
    source: &str,
    account: &str,
    at: Timestamp,
    answers: &[TargetAnswer],
) -> rusqlite::Result<()> {
    // Immediate: a transaction that only begins to write later cannot wait for another process.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    write(&transaction, source, account, at, answers)?;
    transaction.commit()
}

fn write(
    transaction: &Transaction<'_>,
    source: &str,
    account: &str,
    at: Timestamp,
    answers: &[TargetAnswer],
) -> rusqlite::Result<()> {
    let source = source_id(transaction, source, account)?;
    let mut targets = TextNumbers::new(transaction, FIND_TARGET, NUMBER_TARGET)?;
    let mut texts = TextNumbers::new(transaction, FIND_DEFINITION, NUMBER_DEFINITION)?;
    let mut upsert = transaction.prepare_cached(UPSERT)?;
    let mut writings: HashMap<(&str, usize), RowWriter<'_>> = HashMap::new();
    let mut definitions: HashMap<(&str, Day), i64> = HashMap::new();
    let mut spelled = DaySpellings::default();
    for answer in answers {
        let TargetAnswer { target, days, rows } = answer;
        spelled.take(*days);
        // Nearly all targets of a source have the same definition: none.
        let definition = match definitions.entry((&target.definition, days.last)) {
            hash_map::Entry::Occupied(known) => *known.get(),
            hash_map::Entry::Vacant(new) => *new.insert(texts.of(&target.definition, spelled.of(days.last))?),
        };
        let number = targets.of(&target.key(), spelled.of(days.last))?;
        let mut writing = match (rows, writings.entry((target.table.prefix, target.labels.len()))) {
            (Err(_), _) => None,
            (Ok(_), hash_map::Entry::Occupied(known)) => Some(known.into_mut()),
            (Ok(_), hash_map::Entry::Vacant(new)) => {
                Some(new.insert(RowWriter::new(transaction, target.table, target.labels.len())?))
            }
        };
        for DayState { day, state, code } in answer.states() {
            // A target that names all labels has one row at most, and inserting replaces it.
            if let Some(writing) = &mut writing
                && (state == AnswerState::NoData || target.subject == Subject::Listed)
            {
                writing.delete(account, spelled.of(day), &target.labels)?;
            }
            let at = Millis(at);
            upsert.execute(params![source, spelled.of(day), number, definition, state, code, at, at, 1])?;
        }
        if let (Some(writing), Ok(rows)) = (writing, rows) {
            for row in rows {
                writing.insert(account, spelled.of(answer.day_of(row)), row, at)?;
            }
        }
    }
    Ok(())
}

/// Stores what was kept in memory of one source, in one transaction. What another process has stored since, stays; so
/// does what a write has stored that was given up, as the disk hung, and was done when it answered.
///
/// # Errors
/// As SQLite says.
pub(super) fn settle(
    connection: &mut Connection,
    source: &str,
    account: &str,
    answers: &[(Day, Arc<PendingAnswer>)],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let source = source_id(&transaction, source, account)?;
    {
        let mut targets = TextNumbers::new(&transaction, FIND_TARGET, NUMBER_TARGET)?;
        let mut texts = TextNumbers::new(&transaction, FIND_DEFINITION, NUMBER_DEFINITION)?;
        let mut upsert = transaction.prepare_cached(UPSERT)?;
        let mut known = transaction
            .prepare_cached("SELECT 1 FROM answer WHERE source = ? AND day = ? AND target = ? AND last_at >= ?")?;
        let mut forget =
            transaction.prepare_cached("DELETE FROM answer WHERE source = ? AND day = ? AND target = ?")?;
        for (day, answer) in answers {
            let (target, day) = (&answer.target, day.to_string());
            let number = targets.of(&target.key(), &day)?;
            let (first, last) = (Millis(answer.first_at), Millis(answer.last_at));
            if known.exists(params![source, day, number, last])? {
                continue;
            }
            if let Some((at, rows)) = &answer.rows {
                let mut writing = RowWriter::new(&transaction, target.table, target.labels.len())?;
                writing.delete(account, &day, &target.labels)?;
                for row in rows {
                    writing.insert(account, &day, row, *at)?;
                }
            }
            if !answer.joins {
                forget.execute(params![source, day, number])?;
            }
            let definition = texts.of(&target.definition, &day)?;
            let (state, code, count) = (answer.state, &answer.code, answer.answers);
            upsert.execute(params![source, day, number, definition, state, code, first, last, count])?;
        }
    }
    transaction.commit()
}

/// Days as they are written, each spelled once for many answers.
#[derive(Default)]
struct DaySpellings(BTreeMap<Day, String>);

impl DaySpellings {
    fn take(&mut self, days: Days) {
        for day in days.iter() {
            self.0.entry(day).or_insert_with(|| day.to_string());
        }
    }

    /// The text of a day that was taken.
    fn of(&self, day: Day) -> &str {
        self.0.get(&day).map_or("", String::as_str)
    }
}

/// The entries of `source` of `account` on `days`.
///
/// # Errors
/// As SQLite says.
pub(super) fn answers(
    connection: &Connection,
    source: &str,
    account: &str,
    days: Days,
) -> rusqlite::Result<Vec<LedgerEntry>> {
    let Some(source) = find_source(connection, source, account)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(SELECT)?;
    let answers = statement.query_map(params![source, Iso(days.first), Iso(days.last)], |row| {
        let (Iso(day), Millis(first_at), Millis(last_at)) = (row.get(0)?, row.get(4)?, row.get(5)?);
        let (target, definition, state) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let (answers, code) = (row.get(6)?, row.get(7)?);
        Ok(Some(LedgerEntry { day, target, definition, state, first_at, last_at, answers, code }))
    })?;
    intact("answer", answers)
}

/// The days of `days` with an entry of `source` of `account`, in their order.
///
/// # Errors
/// As SQLite says.
pub(super) fn answered_days(
    connection: &Connection,
    source: &str,
    account: &str,
    days: Days,
) -> rusqlite::Result<Vec<Day>> {
    let Some(source) = find_source(connection, source, account)? else { return Ok(Vec::new()) };
    let sql = "SELECT DISTINCT day FROM answer WHERE source = ? AND day BETWEEN ? AND ? ORDER BY day";
    let mut statement = connection.prepare_cached(sql)?;
    let days = statement
        .query_map(params![source, Iso(days.first), Iso(days.last)], |row| row.get(0).map(|Iso(day)| Some(day)))?;
    intact("answer", days)
}

/// The number of `source` of `account`, where it has one.
///
/// # Errors
/// As SQLite says.
pub(super) fn find_source(connection: &Connection, source: &str, account: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM source WHERE name = ? AND account = ?")?;
    statement.query_row([source, account], |row| row.get(0)).optional()
}

/// The number of `source` of `account`, which gets one where it has none.
///
/// # Errors
/// As SQLite says.
pub(super) fn source_id(transaction: &Transaction<'_>, source: &str, account: &str) -> rusqlite::Result<i64> {
    if let Some(id) = find_source(transaction, source, account)? {
        return Ok(id);
    }
    transaction.execute("INSERT INTO source (name, account) VALUES (?, ?)", [source, account])?;
    Ok(transaction.last_insert_rowid())
}

const FIND_TARGET: &str = "SELECT id, day FROM target WHERE key = ?";
const NUMBER_TARGET: &str = "INSERT INTO target (key, day) VALUES (?, ?)
    ON CONFLICT (key) DO UPDATE SET day = max(day, excluded.day) RETURNING id";
const FIND_DEFINITION: &str = "SELECT id, day FROM definition WHERE text = ?";
const NUMBER_DEFINITION: &str = "INSERT INTO definition (text, day) VALUES (?, ?)
    ON CONFLICT (text) DO UPDATE SET day = max(day, excluded.day) RETURNING id";

/// The statements that give texts their numbers.
struct TextNumbers<'a> {
    find: CachedStatement<'a>,
    number: CachedStatement<'a>,
}

impl<'a> TextNumbers<'a> {
    fn new(transaction: &'a Transaction<'_>, find: &str, number: &str) -> rusqlite::Result<Self> {
        Ok(Self { find: transaction.prepare_cached(find)?, number: transaction.prepare_cached(number)? })
    }

    /// The number of a text, which gets one where it has none; and notes that the ledger has it on `day`.
    fn of(&mut self, text: &str, day: &str) -> rusqlite::Result<i64> {
        let known = self.find.query_row([text], |row| Ok((row.get(0)?, row.get_ref(1)?.as_str()? >= day)));
        match known.optional()? {
            // Most answers are of a day that is known: writing it again would cost two pages of the file.
            Some((id, true)) => Ok(id),
            _ => self.number.query_row(params![text, day], |row| row.get(0)),
        }
    }
}
