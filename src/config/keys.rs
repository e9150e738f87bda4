//! The keys of the file: which are known where, and the nearest known one to a slip.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use super::message::show_key;
use crate::platform::{PLATFORMS, Platform};
use crate::source::{self, Params, Visit};

/// The one key of the file that is no platform's.
pub(super) const POLL_INTERVAL: &str = "poll_interval";

/// The keys of every account, beside those of its credential and its blocks.
const ACCOUNT: &[&str] = &[
    "account",
    "base_url",
    "proxy_url",
    "ca_file",
    "connect_timeout",
    "timeout",
    "names",
    PSEUDONYMIZE,
    "insecure_http",
];

/// The key of an account whose value holds a secret of our own.
pub(super) const PSEUDONYMIZE: &str = "pseudonymize";

/// The keys of every block, beside its own.
const BLOCK: &[&str] = &[
    "ready_at",
    "lag_days",
    "refresh_interval",
    "lookback_days",
    "flip_after",
    "max_age",
    "concurrency",
    "rate_limit",
];

/// The key of a block that only platforms with zones have.
pub(super) const TIME_ZONE: &str = "time_zone";

/// The keys of the file itself.
pub(super) fn of_file() -> Vec<&'static str> {
    std::iter::once(POLL_INTERVAL).chain(PLATFORMS.iter().map(|platform| platform.name())).collect()
}

/// The keys of an account of `platform`, its blocks last.
pub(super) fn of_account(platform: &'static dyn Platform) -> Vec<&'static str> {
    let credential = platform.keys();
    let (name, others) = ACCOUNT.split_at(1);
    let mut keys = name.to_vec();
    keys.push(credential.id);
    keys.extend(credential.caller);
    keys.push(credential.secret);
    keys.extend(others);
    keys.extend(blocks(platform).into_iter().map(|(block, _)| block));
    keys
}

/// The keys of a block of `platform` whose own keys are `own`.
pub(super) fn of_block(platform: &'static dyn Platform, own: &[&'static str]) -> Vec<&'static str> {
    let mut keys = own.to_vec();
    keys.extend(BLOCK);
    if platform.has_zones() {
        keys.push(TIME_ZONE);
    }
    keys.push(platform.keys().secret);
    keys
}

/// The blocks of an account of `platform`, each with its own keys.
pub(super) fn blocks(platform: &'static dyn Platform) -> Vec<(&'static str, &'static [&'static str])> {
    struct Collect(&'static str, Vec<(&'static str, &'static [&'static str])>);
    impl Visit for Collect {
        fn visit<P: Params>(&mut self) {
            if P::PLATFORM.name() == self.0 {
                self.1.push((P::BLOCK, P::KEYS));
            }
        }
    }
    let mut collect = Collect(platform.name(), Vec::new());
    source::visit(&mut collect);
    collect.1
}

/// Every key path that the file may have, down to the keys of blocks, such as `wecom[].contact.users`.
#[must_use]
pub fn known_keys() -> Vec<String> {
    let mut paths = vec![POLL_INTERVAL.to_owned()];
    for platform in PLATFORMS.iter().copied() {
        let name = platform.name();
        paths.push(name.to_owned());
        paths.extend(of_account(platform).into_iter().map(|key| format!("{name}[].{key}")));
        for (block, own) in blocks(platform) {
            paths.extend(of_block(platform, own).into_iter().map(|key| format!("{name}[].{block}.{key}")));
        }
    }
    paths
}

/// Tells whether what stands under `key` is a secret, in whatever place it was written.
pub(super) fn is_secret(key: &str) -> bool {
    ["proxy_url", PSEUDONYMIZE].contains(&key) || PLATFORMS.iter().any(|platform| platform.keys().secret == key)
}

/// Reads a key that must be one of these, so that an unknown one is told with its own line and column.
pub(super) struct Known<'a>(pub(super) &'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Known<'_> {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Known<'_> {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<&'static str, E> {
        let known = self.0.iter().copied().find(|known| *known == key);
        // Accepted here so that it can be explained later: it is a key elsewhere.
        let zone = (key == TIME_ZONE && self.0.contains(&BLOCK[0])).then_some(TIME_ZONE);
        known.or(zone).ok_or_else(|| E::custom(unknown(key, self.0)))
    }
}

/// Says that `key` is unknown, and which of `known` was probably meant.
pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    let shown = show_key(key);
    let near = nearest(&shown, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let hint = if key.contains(':') { "; a colon is followed by a space" } else { "" };
    let end = if near.is_empty() { ";" } else { "" };
    format!("unknown key `{shown}`{hint}{near}{end} known keys here: {}", known.join(", "))
}

/// The one of `known` that is at most a third of its letters away from `key`.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&key.to_lowercase(), known);
    let near = known.iter().map(|known| (distance(known), *known)).min()?;
    (near.0 <= 1.max(near.1.len() / 3)).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_told_and_a_far_one_is_not() {
        let known = ["users", "departments", "teams"];
        assert_eq!(
            unknown("userz", &known),
            "unknown key `userz`; did you mean `users`? known keys here: users, departments, teams"
        );
        assert_eq!(unknown("zzz", &known), "unknown key `zzz`; known keys here: users, departments, teams");
        assert!(unknown("Teams", &known).contains("mean `teams`"));
    }

    #[test]
    fn a_value_that_sticks_to_its_key_is_not_repeated() {
        let message = unknown("secret:hidden", &["secret"]);
        assert!(message.contains("followed by a space") && !message.contains("hidden"), "{message}");
    }

    #[test]
    fn no_two_known_keys_are_the_same() {
        let mut keys = known_keys();
        assert!(keys.contains(&"wecom[].contact.users".to_owned()));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
