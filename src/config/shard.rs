//! Several exporters for one configuration: each polls its share of the accounts.

use std::str::FromStr;

use sha2::{Digest, Sha256};

/// One share of the accounts: `0/3` is the first of three.
///
/// An account belongs to the share that scores highest for its name. One share more takes accounts from all others
/// and moves none between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 0.
    index: u32,
    /// Of how many.
    count: u32,
}

/// A text that names no share.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write it as I/N, such as 0/3 for the first of three (I from 0, N up to 10000)")]
pub struct ParseShardError;

impl FromStr for Shard {
    type Err = ParseShardError;

    fn from_str(text: &str) -> Result<Self, ParseShardError> {
        let (index, count) = text.split_once('/').ok_or(ParseShardError)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| ParseShardError);
        let shard = Self { index: number(index)?, count: number(count)? };
        if shard.index < shard.count && shard.count <= 10_000 { Ok(shard) } else { Err(ParseShardError) }
    }
}

impl Shard {
    /// Tells whether the account of that name is one of this share.
    #[must_use]
    pub fn holds(&self, account: &str) -> bool {
        // The first of equals; two scores are equal once in 2^64.
        let best = (0..self.count).max_by_key(|index| (score(account, *index), std::cmp::Reverse(*index)));
        best == Some(self.index)
    }
}

/// The same on every machine and in every version: accounts move when this changes.
fn score(account: &str, index: u32) -> u64 {
    let hash = Sha256::new().chain_update(index.to_be_bytes()).chain_update(account).finalize();
    hash.iter().take(8).fold(0, |score, byte| score << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(account: &str, count: u32) -> u32 {
        let owners: Vec<_> = (0..count).filter(|index| Shard { index: *index, count }.holds(account)).collect();
        assert_eq!(owners.len(), 1, "each account has one owner");
        owners[0]
    }

    #[test]
    fn accounts_are_spread_evenly() {
        let mut sizes = [0; 8];
        for n in 0..4000 {
            sizes[owner(&format!("company-{n}"), 8) as usize] += 1;
        }
        assert!(sizes.iter().all(|size| (400..=600).contains(size)), "{sizes:?}");
    }

    #[test]
    fn one_share_more_moves_accounts_to_it_only() {
        let mut moved = 0;
        for n in 0..2000 {
            let account = format!("company-{n}");
            let (before, after) = (owner(&account, 4), owner(&account, 5));
            if before != after {
                assert_eq!(after, 4, "{account}");
                moved += 1;
            }
        }
        assert!((300..=500).contains(&moved), "a fifth of 2,000: {moved}");
    }

    #[test]
    fn the_hash_is_for_good() {
        // Python: hashlib.sha256(b"\\0\\0\\0\\0acme").digest()[:8].hex()
        assert_eq!(score("acme", 0), 0x463e_d569_e762_b920);
    }

    #[test]
    fn only_shares_that_exist_are_read() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, count: 3 }));
        for bad in ["", "1", "3/3", "0/0", "-1/3", "1/10001", "1/3/5"] {
            assert_eq!(bad.parse::<Shard>(), Err(ParseShardError), "{bad}");
        }
    }
}
