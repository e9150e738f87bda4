//! Pseudonyms of people: a keyed hash in the place of an id, wherever it is shown, logged or stored.
//!
//! The ids themselves are needed to ask the platform, and stay in memory. [`super::PseudonymizedSource`] wraps a source,
//! so that no caller can forget to replace them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::listing::ListEntry;
use super::table::Table;

/// The bytes of a pseudonym: of a million people, two share one with a probability of 1 in 10^12.
const BYTES: usize = 10;

/// The bytes that follow them, and mark it as one of ours: an id that looks like a pseudonym would stay as it is,
/// which happens to one in 10^14 ids of that many hexadecimal digits.
const CHECK: usize = 6;

/// Makes the pseudonyms of one company's people.
#[derive(Clone)]
pub struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    /// Pseudonyms by the secret `key` for the people of `company` at `platform`.
    ///
    /// The same id has the same one in all accounts of the company that use the key.
    #[must_use]
    pub fn new(key: &str, platform: &str, company: &str) -> Self {
        let mut mac = Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
        for part in [platform, company] {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        Self(mac)
    }

    /// The pseudonym of `id`; of a pseudonym, itself: stored lists hold these.
    #[must_use]
    pub fn of(&self, id: &str) -> String {
        if self.made(id) {
            return id.to_owned();
        }
        let body = self.hex(&[b"id", id.as_bytes()], BYTES);
        let check = self.check(&body);
        body + &check
    }

    /// Replaces the ids of people in `labels` of a row or target of `table`.
    pub(super) fn hide(&self, table: &Table, labels: &mut [String]) {
        for (label, value) in table.labels.iter().zip(labels) {
            if table.person == Some(*label) {
                *value = self.of(value);
            }
        }
    }

    /// The entry of a list with a pseudonym for its id, and without its name.
    #[must_use]
    pub fn found(&self, found: &ListEntry) -> ListEntry {
        ListEntry { id: self.of(&found.id), parent: None, name: None }
    }

    fn made(&self, text: &str) -> bool {
        text.len() == 2 * (BYTES + CHECK)
            && text.split_at_checked(2 * BYTES).is_some_and(|(body, check)| self.check(body) == check)
    }

    fn check(&self, body: &str) -> String {
        self.hex(&[b"check", body.as_bytes()], CHECK)
    }

    fn hex(&self, parts: &[&[u8]], bytes: usize) -> String {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
            mac.update(&[0]);
        }
        mac.finalize().into_bytes().iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_stable_and_depends_on_key_platform_company_and_id() {
        let of = |key, platform, company, id| Pseudonyms::new(key, platform, company).of(id);
        let one = of("k", "wecom", "ww1", "zhangsan");
        assert_eq!(one, "e9d92596caaf2bc7c895d7d5f91e5940", "it must never change: series and the store go by it");
        for other in [
            of("l", "wecom", "ww1", "zhangsan"),
            of("k", "tencent_desk", "ww1", "zhangsan"),
            of("k", "wecom", "ww2", "zhangsan"),
            of("k", "wecom", "ww1", "lisi"),
            of("k", "wecom", "ww", "1zhangsan"),
        ] {
            assert_ne!(other, one);
        }
    }

    #[test]
    fn a_pseudonym_is_its_own_and_what_only_looks_like_one_is_not() {
        let pseudonyms = Pseudonyms::new("k", "wecom", "ww1");
        let one = pseudonyms.of("zhangsan");
        assert_eq!(pseudonyms.of(&one), one);
        let mut other = one.clone();
        other.replace_range(..1, if one.starts_with('0') { "1" } else { "0" });
        assert_ne!(pseudonyms.of(&other), other);
        assert_ne!(Pseudonyms::new("l", "wecom", "ww1").of(&one), one);
        for odd in ["", "张三张三张三张三", "张三三三三三三三三三三三三三三三三三三三三三三三"]
        {
            assert_eq!(pseudonyms.of(odd).len(), 32, "{odd}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Pseudonyms::new("hidden", "wecom", "ww1")), "Pseudonyms");
    }
}
