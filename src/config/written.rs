//! What was written: the file as it decodes, before it is checked as a whole.
//!
//! Maps are read key by key, so that an unknown key is refused at its own line and column; `flatten` would lose them.
//! A value of the wrong kind ends the reading, a text that can't be read becomes a fault, told with all others.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Time;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Rate, keys, units};
use crate::day::Zone;
use crate::platform::{PLATFORMS, Platform, Secret};
use crate::source::{self, Api, Params, Source, Visit};

/// The file.
#[derive(Default)]
pub(super) struct Written {
    pub(super) poll_interval: Option<Duration>,
    /// In the order of the file.
    pub(super) accounts: Vec<WrittenAccount>,
    /// What is wrong so far, each with its key path.
    pub(super) faults: Vec<String>,
}

/// An account.
pub(super) struct WrittenAccount {
    pub(super) platform: &'static dyn Platform,
    /// Its key path, such as `wecom[0]`.
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) id: Option<String>,
    pub(super) caller: Option<String>,
    pub(super) secret: Option<Secret>,
    pub(super) base_url: Option<String>,
    pub(super) proxy_url: Option<Secret>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) names: Option<bool>,
    /// The key of its pseudonyms.
    pub(super) pseudonymize: Option<Secret>,
    pub(super) insecure_http: Option<bool>,
    pub(super) blocks: Vec<WrittenBlock>,
    /// The keys that stand there, whether their values could be read or not.
    pub(super) present: Vec<&'static str>,
}

/// Makes the sources of a block from the credential id.
type MakeSources = Box<dyn FnOnce(&str) -> Vec<Box<dyn Source>>>;

/// A block of an account.
pub(super) struct WrittenBlock {
    pub(super) block: &'static str,
    /// Its key path, such as `wecom[0].contact`.
    pub(super) path: String,
    pub(super) apis: &'static [&'static Api],
    pub(super) common: Common,
    /// Makes the sources, once the credential id is known, which may stand below the block.
    pub(super) sources: MakeSources,
}

/// What every block may hold.
#[derive(Default)]
pub(super) struct Common {
    pub(super) secret: Option<Secret>,
    pub(super) ready_at: Option<Time>,
    pub(super) lag_days: Option<u32>,
    pub(super) refresh_interval: Option<Duration>,
    pub(super) lookback_days: Option<u32>,
    pub(super) flip_after: Option<Duration>,
    pub(super) max_age_days: Option<u32>,
    pub(super) concurrency: Option<u32>,
    pub(super) rate_limit: Option<Rate>,
    pub(super) zone: Option<Zone>,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(File)
    }
}

/// Reads the text at `key` with `read`; what is wrong with it becomes a fault below `path`.
fn take<'de, A: MapAccess<'de>, T>(
    (map, path, key): (&mut A, &str, &str),
    faults: &mut Vec<String>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, A::Error> {
    let text: String = map.next_value()?;
    let value = read(&text);
    if let Err(why) = &value {
        let dot = if path.is_empty() { "" } else { "." };
        faults.push(format!("{path}{dot}{key}: {why}"));
    }
    Ok(value.ok())
}

/// Reads the file's map.
struct File;

impl<'de> Visitor<'de> for File {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with the keys {}", keys::of_file().join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let known = keys::of_file();
        let mut written = Written::default();
        while let Some(key) = map.next_key_seed(keys::Known(&known))? {
            match PLATFORMS.iter().copied().find(|platform| platform.name() == key) {
                Some(platform) => map.next_value_seed(Accounts { platform, written: &mut written })?,
                None => {
                    let least = |text: &str| units::at_least(text, Duration::from_secs(1), "1s");
                    written.poll_interval = take((&mut map, "", key), &mut written.faults, least)?;
                }
            }
        }
        Ok(written)
    }
}

/// Reads the list of a platform's accounts.
struct Accounts<'a> {
    platform: &'static dyn Platform,
    written: &'a mut Written,
}

impl<'de> DeserializeSeed<'de> for Accounts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Accounts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of accounts, each beginning with `- account: NAME`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let platform = self.platform;
        for n in 0.. {
            let path = format!("{}[{n}]", platform.name());
            match list.next_element_seed(OneAccount { platform, path, faults: &mut self.written.faults })? {
                Some(account) => self.written.accounts.push(account),
                None => break,
            }
        }
        Ok(())
    }
}

/// Reads an account.
struct OneAccount<'a> {
    platform: &'static dyn Platform,
    path: String,
    faults: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for OneAccount<'_> {
    type Value = WrittenAccount;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<WrittenAccount, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneAccount<'_> {
    type Value = WrittenAccount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account, a map that begins with `account: NAME`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WrittenAccount, A::Error> {
        let Self { platform, path, faults } = self;
        let known = keys::of_account(platform);
        let credential = platform.keys();
        let mut account = WrittenAccount::new(platform, path.clone());
        while let Some(key) = map.next_key_seed(keys::Known(&known))? {
            account.present.push(key);
            let at = (&mut map, path.as_str(), key);
            match key {
                "account" => account.name = take(at, faults, units::account_name)?,
                "base_url" => account.base_url = take(at, faults, |url| Ok(url.to_owned()))?,
                "proxy_url" => account.proxy_url = Some(map.next_value()?),
                "ca_file" => account.ca_file = take(at, faults, units::id)?.map(PathBuf::from),
                "connect_timeout" => account.connect_timeout = take(at, faults, units::timeout)?,
                "timeout" => account.timeout = take(at, faults, units::timeout)?,
                "names" => account.names = take(at, faults, units::truth)?,
                keys::PSEUDONYMIZE => account.pseudonymize = Some(map.next_value_seed(Pseudonymize)?),
                "insecure_http" => account.insecure_http = take(at, faults, units::truth)?,
                id if id == credential.id => account.id = take(at, faults, units::id)?,
                caller if Some(caller) == credential.caller => account.caller = take(at, faults, units::id)?,
                secret if secret == credential.secret => account.secret = Some(map.next_value()?),
                block => {
                    let path = format!("{path}.{block}");
                    let mut reading =
                        ReadBlock { platform, block, path, map: &mut map, faults, read: None, de: PhantomData };
                    source::visit(&mut reading);
                    if let Some(block) = reading.read {
                        account.blocks.push(block?);
                    }
                }
            }
        }
        Ok(account)
    }
}

/// Reads `{key: SECRET}`.
struct Pseudonymize;

impl Pseudonymize {
    const SHAPE: &'static str = "{key: SECRET}, where SECRET is {env: NAME}, {file: PATH} or a quoted text";
}

impl<'de> DeserializeSeed<'de> for Pseudonymize {
    type Value = Secret;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Secret, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pseudonymize {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::SHAPE)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        // What was found may be the key itself, so it is not repeated.
        let wrong = || A::Error::custom(format!("it is written {}", Self::SHAPE));
        let key = map.next_key::<String>()?.filter(|key| key == "key");
        key.ok_or_else(wrong)?;
        let secret = map.next_value()?;
        if map.next_key::<serde::de::IgnoredAny>()?.is_some() { Err(wrong()) } else { Ok(secret) }
    }
}

impl WrittenAccount {
    fn new(platform: &'static dyn Platform, path: String) -> Self {
        Self {
            platform,
            path,
            name: None,
            id: None,
            caller: None,
            secret: None,
            base_url: None,
            proxy_url: None,
            ca_file: None,
            connect_timeout: None,
            timeout: None,
            names: None,
            pseudonymize: None,
            insecure_http: None,
            blocks: Vec::new(),
            present: Vec::new(),
        }
    }
}

/// Reads the block of that name from `map` when its parameters are shown.
struct ReadBlock<'a, 'de, A: MapAccess<'de>> {
    platform: &'static dyn Platform,
    block: &'static str,
    path: String,
    map: &'a mut A,
    faults: &'a mut Vec<String>,
    read: Option<Result<WrittenBlock, A::Error>>,
    de: PhantomData<&'de ()>,
}

impl<'de, A: MapAccess<'de>> Visit for ReadBlock<'_, 'de, A> {
    fn visit<P: Params>(&mut self) {
        if P::PLATFORM.name() == self.platform.name() && P::BLOCK == self.block {
            let seed = Block::<P> { path: self.path.clone(), faults: self.faults, params: PhantomData };
            self.read = Some(self.map.next_value_seed(seed));
        }
    }
}

/// Reads a block with the parameters `P`.
struct Block<'a, P> {
    path: String,
    faults: &'a mut Vec<String>,
    params: PhantomData<P>,
}

impl<'de, P: Params> DeserializeSeed<'de> for Block<'_, P> {
    type Value = WrittenBlock;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<WrittenBlock, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, P: Params> Visitor<'de> for Block<'_, P> {
    type Value = WrittenBlock;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with keys such as {}; {{}} is all defaults", P::KEYS.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WrittenBlock, A::Error> {
        let Self { path, faults, .. } = self;
        let known = keys::of_block(P::PLATFORM, P::KEYS);
        let mut params = P::new();
        let mut common = Common::default();
        while let Some(key) = map.next_key_seed(keys::Known(&known))? {
            if P::KEYS.contains(&key) {
                params.set(key, &mut map)?;
            } else {
                common.set(P::PLATFORM, (&mut map, &path, key), faults)?;
            }
        }
        params.check(&path, faults);
        let sources = Box::new(|id: &str| params.sources(id));
        Ok(WrittenBlock { block: P::BLOCK, path, apis: P::APIS, common, sources })
    }
}

impl Common {
    fn set<'de, A: MapAccess<'de>>(
        &mut self,
        platform: &'static dyn Platform,
        at: (&mut A, &str, &str),
        faults: &mut Vec<String>,
    ) -> Result<(), A::Error> {
        match at.2 {
            "ready_at" => self.ready_at = take(at, faults, units::time_of_day)?,
            // A day is over only on the next one, and no platform takes a month to count.
            "lag_days" => self.lag_days = take(at, faults, |text| units::number(text, 1, 30))?,
            "refresh_interval" => {
                let least = |text: &str| units::at_least(text, Duration::from_mins(1), "1m");
                self.refresh_interval = take(at, faults, least)?;
            }
            "lookback_days" => self.lookback_days = take(at, faults, |text| units::number(text, 1, 366))?,
            "flip_after" => self.flip_after = take(at, faults, units::duration)?,
            "max_age" => self.max_age_days = take(at, faults, units::whole_days)?,
            "concurrency" => self.concurrency = take(at, faults, |text| units::number(text, 1, 256))?,
            "rate_limit" => self.rate_limit = take(at, faults, units::rate)?,
            keys::TIME_ZONE if platform.has_zones() => self.zone = take(at, faults, units::zone)?,
            keys::TIME_ZONE => {
                let why = format!("{} counts its days in UTC+8, so leave the zone out", platform.title());
                take(at, faults, |_| Err::<(), _>(why.clone()))?;
            }
            _ => self.secret = Some(at.0.next_value()?),
        }
        Ok(())
    }
}
