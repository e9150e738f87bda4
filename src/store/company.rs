//! Whose figures an account's are: an account's name may be given to another company, whose figures must not mix.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::Owned;
use super::ledger::source_id;

/// Notes whose figures each source of an account holds; gives those of which the store has another company's.
///
/// Where nothing is stored yet, the account's lists and names are forgotten with their company.
///
/// # Errors
/// As SQLite says; then nothing is noted, as where there are others' figures.
pub(super) fn claim(connection: &mut Connection, claims: &[Owned]) -> rusqlite::Result<Vec<(Owned, String)>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut others = Vec::new();
    for claim in claims {
        let Owned { source, account, vendor, company } = claim;
        let id = source_id(&transaction, source, account)?;
        let known: Option<String> =
            transaction.query_row("SELECT company FROM source WHERE id = ?", [id], |row| row.get(0))?;
        match known {
            Some(known) if known == *company => continue,
            Some(known) => {
                let any = "SELECT 1 FROM answer WHERE source = ? LIMIT 1";
                if transaction.query_row(any, [id], |_| Ok(())).optional()?.is_some() {
                    others.push((claim.clone(), known));
                    continue;
                }
                transaction.execute("DELETE FROM list WHERE vendor = ? AND account = ?", params![vendor, account])?;
                transaction.execute("DELETE FROM name WHERE account = ?", params![account])?;
            }
            // Of a file that an older version wrote.
            None => {}
        }
        transaction.execute("UPDATE source SET company = ? WHERE id = ?", params![company, id])?;
    }
    if others.is_empty() {
        transaction.commit()?;
    }
    Ok(others)
}
