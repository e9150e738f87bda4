//! What was written: the file as it decodes, before it is checked as a whole.
//!
//! Each key is one row, which names it and says where its value goes. A value of the wrong kind ends the reading, a
//! text that can't be read becomes a fault, told with all others.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Time;

use super::token::WrittenToken;
use super::{Rate, keys, units};
use crate::day::Zone;
use crate::platform::{PLATFORMS, Platform, Secret};
use crate::source::{BLOCKS, Block, Params};
use crate::yaml::{Each, Group, Key, Slot};

/// The file.
#[derive(Debug)]
pub(super) struct ConfigFile {
    pub(super) poll_interval: Option<Duration>,
    /// One for each platform; those that are in the file first, in its order.
    platforms: Vec<Accounts>,
}

/// The accounts of a platform.
#[derive(Debug)]
struct Accounts {
    platform: &'static dyn Platform,
    accounts: Vec<AccountEntry>,
}

/// An account.
#[derive(Debug)]
pub(super) struct AccountEntry {
    pub(super) platform: &'static dyn Platform,
    /// Its key path, such as `wecom[0]`.
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) id: Option<String>,
    pub(super) caller: Option<String>,
    pub(super) secret: Option<Secret>,
    /// A token from outside, in place of the secret.
    pub(super) token: WrittenToken,
    pub(super) base_url: Option<String>,
    pub(super) proxy_url: Option<Secret>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) names: Option<bool>,
    pub(super) labels: Labels,
    pub(super) pseudonymize: Pseudonymize,
    pub(super) insecure_http: Option<bool>,
    /// While it is read, each block that it may have; then those that are present, in the order of the file.
    pub(super) blocks: Vec<BlockEntry>,
    /// The keys that are present, whether their values could be read or not.
    pub(super) present: Vec<&'static str>,
}

/// Labels for all series of an account: names, and values that could be read.
#[derive(Debug, Default)]
pub(super) struct Labels(pub(super) Vec<(String, Option<String>)>);

/// The map of pseudonyms.
#[derive(Debug, Default)]
pub(super) struct Pseudonymize {
    pub(super) key: Option<Secret>,
}

/// A block of an account.
#[derive(Debug)]
pub(super) struct BlockEntry {
    pub(super) block: &'static Block,
    /// Its key path, such as `wecom[0].contact`.
    pub(super) path: String,
    pub(super) common: Common,
    /// What is its own.
    pub(super) params: Box<dyn Params>,
}

/// What every block may hold.
#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) secret: Option<Secret>,
    pub(super) token: WrittenToken,
    pub(super) ready_at: Option<Time>,
    pub(super) lag_days: Option<u32>,
    pub(super) refresh_interval: Option<Duration>,
    pub(super) lookback_days: Option<u32>,
    pub(super) flip_after: Option<Duration>,
    pub(super) concurrency: Option<u32>,
    pub(super) rate_limit: Option<Rate>,
    pub(super) zone: Option<Zone>,
}

/// What is said of a key that blocks had once.
const NO_MAX_AGE: &str = "it is no longer a key, so take the line out: the page of a day now goes when `flip_after` (110m) has \
    passed since the next day became ready; to keep it longer, write for example `flip_after: 3h` (23h at most)";

/// A duration of at least `least`, which is written `written`.
fn at_least(least: Duration, written: &'static str) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| units::at_least(text, least, written)
}

/// A duration of at most `most`, which is written `written`.
fn at_most(most: Duration, written: &'static str) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| units::at_most(text, most, written)
}

/// A whole number from `least` to `most`.
fn number(least: u32, most: u32) -> impl Fn(&str) -> Result<u32, String> {
    move |text| units::number(text, least, most)
}

/// Puts the entries that are named in `present` first, in that order.
fn in_order<T>(entries: &mut [T], present: &[&'static str], name: impl Fn(&T) -> &'static str) {
    entries.sort_by_key(|entry| present.iter().position(|key| *key == name(entry)).unwrap_or(usize::MAX));
}

impl ConfigFile {
    pub(super) fn new() -> Self {
        let accounts = |platform: &&'static dyn Platform| Accounts { platform: *platform, accounts: Vec::new() };
        Self { poll_interval: None, platforms: PLATFORMS.iter().map(accounts).collect() }
    }

    /// The accounts in the order of the file.
    pub(super) fn into_accounts(self) -> Vec<AccountEntry> {
        self.platforms.into_iter().flat_map(|platform| platform.accounts).collect()
    }
}

impl Group for ConfigFile {
    fn shape(&self) -> String {
        let names: Vec<_> = PLATFORMS.iter().map(|platform| platform.name()).collect();
        format!("a map with the keys poll_interval, {}", names.join(", "))
    }

    fn keys(&mut self) -> Vec<Key<'_>> {
        let Self { poll_interval, platforms } = self;
        let mut keys = vec![Key::text("poll_interval", poll_interval, at_least(Duration::from_secs(1), "1s"))];
        keys.extend(platforms.iter_mut().map(|accounts| {
            let shape = "a list of accounts, each beginning with `- account: NAME`";
            Key::of(accounts.platform.name(), Slot::List(shape.to_owned(), accounts))
        }));
        keys
    }

    fn finish(&mut self, present: &[&'static str], _: &str, _: &mut Vec<String>) {
        in_order(&mut self.platforms, present, |accounts| accounts.platform.name());
    }
}

impl Each for Accounts {
    fn entry(&mut self, path: &str) -> Slot<'_> {
        self.accounts.push(AccountEntry::new(self.platform, path.to_owned()));
        // Just pushed.
        Slot::Map(self.accounts.last_mut().expect("an account was pushed"))
    }
}

impl AccountEntry {
    fn new(platform: &'static dyn Platform, path: String) -> Self {
        let blocks = BLOCKS.iter().filter(|block| block.platform.name() == platform.name());
        Self {
            platform,
            path,
            name: None,
            id: None,
            caller: None,
            secret: None,
            token: WrittenToken::default(),
            base_url: None,
            proxy_url: None,
            ca_file: None,
            connect_timeout: None,
            timeout: None,
            names: None,
            labels: Labels::default(),
            pseudonymize: Pseudonymize::default(),
            insecure_http: None,
            blocks: blocks.map(|block| BlockEntry::new(block)).collect(),
            present: Vec::new(),
        }
    }
}

impl Group for AccountEntry {
    fn shape(&self) -> String {
        "an account, a map that begins with `account: NAME`".to_owned()
    }

    fn keys(&mut self) -> Vec<Key<'_>> {
        let credential = self.platform.keys();
        let mut keys = vec![
            Key::text(keys::ACCOUNT, &mut self.name, units::account_name),
            Key::text(credential.id, &mut self.id, units::id),
        ];
        keys.extend(credential.caller.map(|caller| Key::text(caller, &mut self.caller, units::id)));
        keys.extend([
            Key::secret(credential.secret, &mut self.secret),
            Key { name: credential.token, secret: true, slot: Slot::Map(&mut self.token) },
            // Checked when it is known whether plain http is allowed.
            Key::text(keys::BASE_URL, &mut self.base_url, |url| Ok(url.to_owned())),
            Key::secret(keys::PROXY_URL, &mut self.proxy_url),
            Key::text(keys::CA_FILE, &mut self.ca_file, |path| units::id(path).map(PathBuf::from)),
            Key::text("connect_timeout", &mut self.connect_timeout, units::timeout),
            Key::text("timeout", &mut self.timeout, units::timeout),
            Key::text("names", &mut self.names, units::truth),
            Key::of(keys::LABELS, Slot::Named("a map of labels, such as {region: north}".to_owned(), &mut self.labels)),
            Key { name: keys::PSEUDONYMIZE, secret: true, slot: Slot::Map(&mut self.pseudonymize) },
            Key::text("insecure_http", &mut self.insecure_http, units::truth),
        ]);
        keys.extend(self.blocks.iter_mut().map(|block| Key::of(block.block.name, Slot::Map(block))));
        keys
    }

    fn finish(&mut self, present: &[&'static str], _: &str, _: &mut Vec<String>) {
        self.present = present.to_vec();
        self.blocks.retain(|block| present.contains(&block.block.name));
        in_order(&mut self.blocks, present, |block| block.block.name);
    }
}

impl Each for Labels {
    fn entry(&mut self, name: &str) -> Slot<'_> {
        self.0.push((name.to_owned(), None));
        let place = &mut self.0.last_mut().expect("a label was pushed").1;
        Slot::Text(Box::new(move |text| units::label_value(text).map(|value| *place = Some(value))))
    }
}

impl Group for Pseudonymize {
    fn shape(&self) -> String {
        "{key: SECRET}, where SECRET is {env: NAME}, {file: PATH} or a quoted text".to_owned()
    }

    fn keys(&mut self) -> Vec<Key<'_>> {
        vec![Key::secret(keys::PSEUDONYM_KEY, &mut self.key)]
    }

    fn finish(&mut self, _: &[&'static str], _: &str, _: &mut Vec<String>) {}
}

impl BlockEntry {
    fn new(block: &'static Block) -> Self {
        Self { block, path: String::new(), common: Common::default(), params: (block.new)() }
    }
}

impl Group for BlockEntry {
    fn shape(&self) -> String {
        let own: Vec<_> = (self.block.new)().keys().iter().map(|key| key.name).collect();
        format!("a map with keys such as {}; {{}} is all defaults", own.join(", "))
    }

    fn keys(&mut self) -> Vec<Key<'_>> {
        let mut keys = self.params.keys();
        keys.extend(self.common.keys(self.block.platform));
        keys
    }

    fn finish(&mut self, _: &[&'static str], path: &str, faults: &mut Vec<String>) {
        path.clone_into(&mut self.path);
        self.params.check(path, faults);
    }
}

impl Common {
    fn keys(&mut self, platform: &'static dyn Platform) -> Vec<Key<'_>> {
        let zone = if platform.has_zones() {
            Key::text("time_zone", &mut self.zone, units::zone)
        } else {
            let why = format!("{} counts its days in UTC+8, so leave the zone out", platform.title());
            Key::of("time_zone", Slot::Refused(why))
        };
        vec![
            Key::text("ready_at", &mut self.ready_at, units::time_of_day),
            // A day is over only on the next one, and no platform takes a month to count.
            Key::text("lag_days", &mut self.lag_days, number(1, 30)),
            Key::text("refresh_interval", &mut self.refresh_interval, at_least(Duration::from_mins(1), "1m")),
            Key::text(keys::LOOKBACK_DAYS, &mut self.lookback_days, number(1, 366)),
            // A page must be gone before the day after the next is ready.
            Key::text("flip_after", &mut self.flip_after, at_most(Duration::from_hours(23), "23h")),
            Key::of("max_age", Slot::Refused(NO_MAX_AGE.to_owned())),
            Key::text("concurrency", &mut self.concurrency, number(1, 256)),
            Key::text(keys::RATE_LIMIT, &mut self.rate_limit, units::rate),
            zone,
            Key::secret(platform.keys().secret, &mut self.secret),
            Key { name: platform.keys().token, secret: true, slot: Slot::Map(&mut self.token) },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Words;

    /// Writes something into the slot of the key at `place`; false where there is no such key.
    fn fill(group: &mut dyn Group, place: usize) -> bool {
        let mut keys = group.keys();
        let Some(key) = keys.get_mut(place) else { return false };
        match &mut key.slot {
            Slot::Text(set) => {
                let texts = ["7", "7m", "07:00", "7/s", "true", "Asia/Tokyo", "7d"];
                assert!(texts.iter().any(|text| set(text).is_ok()), "{} takes none of {texts:?}", key.name);
            }
            Slot::Secret(place) => **place = Some(Secret::Env("X".to_owned())),
            Slot::Words(_, set) => {
                let lists = [vec!["7".to_owned()], vec!["month".to_owned()]];
                assert!(lists.into_iter().any(|list| set(Words::List(list)).is_ok()), "{}", key.name);
            }
            Slot::Map(group) => {
                // A block is known by its path.
                if !fill(*group, 0) {
                    panic!("{} has no keys", key.name);
                }
            }
            Slot::Named(_, each) | Slot::List(_, each) => drop(each.entry("x")),
            Slot::Refused(_) => {}
        }
        true
    }

    /// How many keys `new` has, each of which changed something, and something else than the others.
    fn changes<G: Group + std::fmt::Debug>(new: impl Fn() -> G) -> usize {
        let mut seen = vec![format!("{:?}", new())];
        let mut refused = 0;
        for place in 0.. {
            let mut group = new();
            if group.keys().get(place).is_some_and(|key| !key.is_known()) {
                refused += 1;
                continue;
            }
            if !fill(&mut group, place) {
                return seen.len() - 1 + refused;
            }
            let name = group.keys()[place].name;
            let now = format!("{group:?}");
            assert!(!seen.contains(&now), "{name} changes nothing, or what another key changes: {now}");
            seen.push(now);
        }
        unreachable!("keys end")
    }

    #[test]
    fn each_key_changes_something_of_its_own() {
        assert_eq!(changes(ConfigFile::new), 1 + PLATFORMS.len());
        for platform in PLATFORMS {
            assert!(changes(|| AccountEntry::new(*platform, String::new())) >= 12);
        }
        for block in BLOCKS {
            assert!(changes(|| BlockEntry::new(block)) >= 11, "{}", block.name);
        }
    }
}
