//! Which company an account's figures are of: an account's name may be given to another company, and their figures
//! must not mix.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::CompanyClaim;
use super::ledger::source_id;

/// A claim, and the company whose figures the store has.
type OtherCompany = (CompanyClaim, String);

/// A claim to be noted, and whether it takes the place of another.
type NewClaim<'a> = (&'a CompanyClaim, bool);

/// Gives those claims of which the store has another company's figures; where there are none, notes all of them.
///
/// Where nothing is stored yet under another company, the account's lists and names are forgotten with it.
///
/// # Errors
/// As SQLite says; nothing is noted then.
pub(super) fn claim(connection: &mut Connection, claims: &[CompanyClaim]) -> rusqlite::Result<Vec<OtherCompany>> {
    // Read first: that works on a full disk, too.
    let (others, news) = sort(connection, claims)?;
    if !others.is_empty() || news.is_empty() {
        return Ok(others);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (CompanyClaim { source, account, platform, company }, replaces) in news {
        let id = source_id(&transaction, source, account)?;
        if replaces {
            transaction.execute("DELETE FROM list WHERE platform = ? AND account = ?", params![platform, account])?;
            transaction.execute("DELETE FROM name WHERE account = ?", params![account])?;
        }
        transaction.execute("UPDATE source SET company = ? WHERE id = ?", params![company, id])?;
    }
    transaction.commit()?;
    Ok(others)
}

/// Those claims of which the store has another company's figures.
///
/// # Errors
/// As SQLite says.
pub(super) fn others(connection: &Connection, claims: &[CompanyClaim]) -> rusqlite::Result<Vec<OtherCompany>> {
    Ok(sort(connection, claims)?.0)
}

/// The claims of which the store has another company's figures; and those to be noted, with whether they replace one.
fn sort<'a>(
    connection: &Connection,
    claims: &'a [CompanyClaim],
) -> rusqlite::Result<(Vec<OtherCompany>, Vec<NewClaim<'a>>)> {
    let (mut others, mut news) = (Vec::new(), Vec::new());
    for claim in claims {
        let known = company(connection, claim)?;
        match known {
            Some(known) if known == claim.company => {}
            Some(known) if has_answers(connection, claim)? => others.push((claim.clone(), known)),
            known => news.push((claim, known.is_some())),
        }
    }
    Ok((others, news))
}

/// Whose the source of the account was; `None` where that is not known, as of a file that an older version wrote.
fn company(connection: &Connection, claim: &CompanyClaim) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT company FROM source WHERE name = ? AND account = ?")?;
    let found = statement.query_row(params![claim.source, claim.account], |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

fn has_answers(connection: &Connection, claim: &CompanyClaim) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM answer JOIN source ON source.id = answer.source
        WHERE source.name = ? AND source.account = ? LIMIT 1";
    connection.prepare_cached(sql)?.exists(params![claim.source, claim.account])
}
